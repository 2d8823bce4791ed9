// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cut-time ROUNDS CHUNKS DEVICE...: how long a cut takes when few chunks are
 * dirty. In each round each device in turn gets CHUNKS writes of 4 KiB, evenly
 * spread, and one epoch: cut, frozen, all released, committed.
 *
 * A line for each device: path, and the medians in microseconds of: the CUT
 * command; CUT until FROZEN was heard; the pause of writes that the kernel
 * measured; the whole epoch.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "../dmr.h"

#define MAX_DEVICES	4
#define MAX_EXTENTS	1024
#define BLOCK		4096

enum { COMMAND, FROZEN, PAUSE, EPOCH, NR_TIMES };

struct device {
	const char *path;
	int fd;
	uint64_t number, bytes;
	double *us[NR_TIMES];		/* by round */
};

static struct genl genl;
static char *buffer;

static void die(const char *what, int err)
{
	fprintf(stderr, "cut-time: %s: %s %s\n", what, strerror(err),
		genl.extack);
	exit(1);
}

static void must(const char *what, int err)
{
	if (err < 0)
		die(what, -err);
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e6 + ts.tv_nsec / 1e3;
}

static void open_device(struct device *d, const char *path, unsigned int rounds)
{
	struct dmr_get get;
	unsigned int i;

	d->path = path;
	d->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (d->fd < 0 || ioctl(d->fd, BLKGETSIZE64, &d->bytes) < 0)
		die(path, errno);
	must(path, dmr_dev_of_path(path, &d->number));
	must("attach", dmr_attach(&genl, d->number, &get));
	for (i = 0; i < NR_TIMES; i++) {
		d->us[i] = calloc(rounds, sizeof(double));
		if (!d->us[i])
			die("memory", ENOMEM);
	}
}

static void dirty(const struct device *d, unsigned int chunks)
{
	uint64_t step = d->bytes / chunks / BLOCK * BLOCK;
	unsigned int i;

	for (i = 0; i < chunks; i++)
		if (pwrite(d->fd, buffer, BLOCK, i * step) != BLOCK)
			die(d->path, errno);
}

static void wait_frozen(uint64_t epoch)
{
	struct dmr_note note;

	do
		must("FROZEN", dmr_next_note(&genl, 60000, &note));
	while (note.event != DMR_EVENT_FROZEN || note.epoch != epoch);
}

static void release_all(const struct device *d, uint64_t epoch)
{
	struct dmr_extents all;
	struct dmr_held held;
	size_t at, nr;

	must("extents", dmr_extents(&genl, DMR_CMD_GET_FROZEN, d->number,
				    epoch, &all));
	for (at = 0; at < all.nr; at += nr) {
		nr = all.nr - at < MAX_EXTENTS ? all.nr - at : MAX_EXTENTS;
		must("release", dmr_release(&genl, d->number, epoch,
					    all.extent + at, nr, &held));
	}
	dmr_extents_free(&all);
}

static void run_epoch(struct device *d, unsigned int round)
{
	struct dmr_get get;
	double start, cut, frozen;
	uint64_t epoch;

	must("get", dmr_get(&genl, d->number, &get));
	epoch = get.number[DMR_A_HIGHEST_SEEN] + 1;
	start = now_us();
	must("cut", dmr_cut(&genl, d->number, epoch, false));
	cut = now_us();
	wait_frozen(epoch);
	frozen = now_us();
	release_all(d, epoch);
	must("end", dmr_end(&genl, d->number, epoch, DMR_END_COMMIT));
	d->us[EPOCH][round] = now_us() - start;
	d->us[COMMAND][round] = cut - start;
	d->us[FROZEN][round] = frozen - start;
	must("get", dmr_get(&genl, d->number, &get));
	d->us[PAUSE][round] = get.number[DMR_A_GATE_LAST_NS] / 1e3;
	if (get.number[DMR_A_NR_DIRTY])
		die(d->path, EILSEQ);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int nr)
{
	qsort(values, nr, sizeof(*values), compare);
	return (values[nr / 2] + values[(nr - 1) / 2]) / 2;
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	unsigned int chunks = argc > 2 ? strtoul(argv[2], NULL, 0) : 0;
	unsigned int i, t, round, nr = argc > 3 ? argc - 3 : 0;
	struct device dev[MAX_DEVICES];

	if (!rounds || !chunks || !nr || nr > MAX_DEVICES) {
		fputs("usage: cut-time ROUNDS CHUNKS DEVICE...\n", stderr);
		return 2;
	}
	if (posix_memalign((void **)&buffer, BLOCK, BLOCK))
		die("memory", ENOMEM);
	memset(buffer, 0x5a, BLOCK);
	must("family", genl_open(&genl, DMR_GENL_NAME));
	must("events", genl_subscribe(&genl));
	for (i = 0; i < nr; i++) {
		open_device(&dev[i], argv[3 + i], rounds);
		run_epoch(&dev[i], 0);		/* all that is dirty yet */
	}
	for (round = 0; round < rounds; round++)
		for (i = 0; i < nr; i++) {
			dirty(&dev[i], chunks);
			run_epoch(&dev[i], round);
		}
	for (i = 0; i < nr; i++) {
		printf("%s", dev[i].path);
		for (t = 0; t < NR_TIMES; t++)
			printf(" %.1f", median(dev[i].us[t], rounds));
		printf("\n");
	}
	return 0;
}
