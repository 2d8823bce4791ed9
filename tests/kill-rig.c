// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kill-rig ship DEVICE VIEW TARGET: ships a volume to another disk, epoch by
 * epoch, until it is killed. An epoch is committed after the disk's fsync.
 * kill-rig check DEVICE ORIGIN TARGET: P3. Every chunk in which the two disks
 * differ is dirty; prints the numbers, status 1 if one is not.
 *
 * For machines that are killed meanwhile: TARGET is at most one epoch ahead of
 * what the volume knows to be committed, so the dirty set has all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmr.h"

#define CHUNK		4096
#define AT_ONCE		64		/* chunks that are copied in one go */
#define PATIENCE	6000		/* times 10 ms */

static struct genl genl;
static uint64_t dev;

static void die(const char *what, int err)
{
	fprintf(stderr, "kill-rig: %s: %s %s\n", what, strerror(-err),
		genl.extack);
	exit(1);
}

static void must(const char *what, int err)
{
	if (err < 0)
		die(what, err);
}

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags | O_DIRECT);

	must(path, fd < 0 ? -errno : 0);
	return fd;
}

static void *new_chunks(size_t nr)
{
	void *p = NULL;

	if (posix_memalign(&p, CHUNK, nr * CHUNK))
		die("memory", -ENOMEM);
	return p;
}

static void wait_state(uint64_t state, struct dmr_get *get)
{
	int i;

	for (i = 0; i < PATIENCE; i++) {
		must("get", dmr_get(&genl, dev, get));
		if (get->number[DMR_A_STATE] == state)
			return;
		usleep(10000);
	}
	die("state", -ETIMEDOUT);
}

static void copy(const struct dmr_extent *extent, int view, int target)
{
	uint64_t at = extent->start, end = at + extent->count, nr;
	static void *chunks;
	ssize_t len;

	if (!chunks)
		chunks = new_chunks(AT_ONCE);
	for (; at < end; at += nr) {
		nr = end - at < AT_ONCE ? end - at : AT_ONCE;
		len = nr * CHUNK;
		if (pread(view, chunks, len, at * CHUNK) != len)
			die("view", -errno);
		if (pwrite(target, chunks, len, at * CHUNK) != len)
			die("target", -errno);
	}
}

static void ship_one(int view, int target)
{
	struct dmr_extents frozen;
	struct dmr_held held;
	struct dmr_get get;
	uint64_t epoch;
	size_t i;

	wait_state(DMR_STATE_IDLE, &get);
	if (!get.number[DMR_A_NR_DIRTY]) {
		usleep(10000);
		return;
	}
	epoch = get.number[DMR_A_HIGHEST_SEEN] + 1;
	must("cut", dmr_cut(&genl, dev, epoch, false));
	wait_state(DMR_STATE_FROZEN, &get);
	must("frozen", dmr_extents(&genl, DMR_CMD_GET_FROZEN, dev, epoch,
				   &frozen));
	for (i = 0; i < frozen.nr; i++) {
		copy(&frozen.extent[i], view, target);
		must("release", dmr_release(&genl, dev, epoch,
					    &frozen.extent[i], 1, &held));
	}
	must("fsync", fsync(target) ? -errno : 0);
	must("end", dmr_end(&genl, dev, epoch, DMR_END_COMMIT));
	printf("epoch %llu: %llu chunks%s\n", (unsigned long long)epoch,
	       (unsigned long long)dmr_extents_chunks(&frozen),
	       frozen.nr && held.fuzzy ? ", fuzzy" : "");
	fflush(stdout);
	dmr_extents_free(&frozen);
}

static bool has_chunk(const struct dmr_extents *set, uint64_t chunk)
{
	size_t i;

	for (i = 0; i < set->nr; i++)
		if (chunk - set->extent[i].start < set->extent[i].count)
			return true;
	return false;
}

static int check(int origin, int target)
{
	char *a = new_chunks(1), *b = new_chunks(1);
	uint64_t nr, i, differ = 0, forgotten = 0;
	struct dmr_extents dirty;
	struct dmr_get get;

	must("get", dmr_get(&genl, dev, &get));
	nr = get.number[DMR_A_SECTORS] * 512 / CHUNK;
	must("dirty", dmr_extents(&genl, DMR_CMD_GET_DIRTY, dev, 0, &dirty));
	for (i = 0; i < nr; i++) {
		if (pread(origin, a, CHUNK, i * CHUNK) != CHUNK ||
		    pread(target, b, CHUNK, i * CHUNK) != CHUNK)
			die("read", -errno);
		if (!memcmp(a, b, CHUNK))
			continue;
		differ++;
		if (!has_chunk(&dirty, i) && !forgotten++)
			printf("first forgotten chunk: %llu\n",
			       (unsigned long long)i);
	}
	printf("differ %llu dirty %llu of %llu forgotten %llu epoch %llu\n",
	       (unsigned long long)differ,
	       (unsigned long long)dmr_extents_chunks(&dirty),
	       (unsigned long long)nr, (unsigned long long)forgotten,
	       (unsigned long long)get.number[DMR_A_LAST_COMMITTED]);
	return forgotten != 0;
}

int main(int argc, char **argv)
{
	bool ship = argc == 5 && !strcmp(argv[1], "ship");
	struct dmr_get get;
	int from, target;

	if (!ship && (argc != 5 || strcmp(argv[1], "check"))) {
		fprintf(stderr, "usage: kill-rig ship DEVICE VIEW TARGET\n"
			"       kill-rig check DEVICE ORIGIN TARGET\n");
		return 2;
	}
	must("family", genl_open(&genl, DMR_GENL_NAME));
	must(argv[2], dmr_dev_of_path(argv[2], &dev));
	from = open_disk(argv[3], O_RDONLY);
	target = open_disk(argv[4], ship ? O_RDWR : O_RDONLY);
	if (!ship)
		return check(from, target);
	must("attach", dmr_attach(&genl, dev, &get));
	for (;;)
		ship_one(from, target);
}
