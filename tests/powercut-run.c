// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * powercut-run DEVICE VIEW FILE SECONDS SEED MARK-COMMAND [no-flush]: writes
 * random chunks of a volume (some of them by whole regions of zeros), and ships
 * it epoch by epoch into memory. When the target has an epoch, its image goes
 * to FILE, then "MARK-COMMAND epoch-N" is run, and only then END is sent. It
 * goes on until there was enough of everything, however slow the machine is.
 *
 * Writes to the last eighth are durable when they end (RWF_DSYNC): the log has
 * them in their place between those of the metadata, not at the next flush. No
 * others are there: the log would have an older one behind a newer.
 *
 * no-flush: no writer flushes, so that only what the module flushes by itself
 * becomes durable.
 *
 * For powercut-check, which needs to know what the target had at each moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#include "dmr.h"
#include "powercut.h"

#define PATIENCE_MS	60000
/* Enough: epochs; discards of whole regions. */
#define MIN_EPOCHS	8
#define MIN_RANGES	8
#define BATCH		64	/* chunks read at once */

static struct {
	int fd, view, file;
	uint64_t dev, epoch, nr_chunks, region_chunks;
	struct powercut_chunk *target;
	const char *mark;
	struct genl genl;
} run;

static atomic_uint_fast64_t version = 1;
static atomic_uint nr_ranges;
static atomic_bool stop;
static unsigned int seed;
static bool no_flush;

static void die(const char *what, int err)
{
	fprintf(stderr, "powercut-run: %s: %s%s%s\n", what, strerror(err),
		run.genl.extack[0] ? ": " : "", run.genl.extack);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void *new_buffer(size_t len)
{
	void *p = NULL;

	if (posix_memalign(&p, 4096, len))
		die("memory", ENOMEM);
	memset(p, 0, len);
	return p;
}

/* --- writing -------------------------------------------------------------- */

static uint64_t sync_from(void)
{
	return run.nr_chunks - run.nr_chunks / 8;
}

/* Most writes go to few places, so that some regions stay hot. */
static uint64_t some_chunk(unsigned int *dice)
{
	uint64_t n = rand_r(dice) % run.nr_chunks;

	return rand_r(dice) % 3 ? n : n % (run.nr_chunks / 16);
}

static void write_chunk(unsigned int *dice, void *buffer)
{
	struct iovec iov = { buffer, CHUNK_BYTES };
	struct powercut_stamp *stamp = buffer;
	bool is_sync;

	stamp->chunk = some_chunk(dice);
	is_sync = !no_flush && stamp->chunk >= sync_from();
	stamp->version = atomic_fetch_add(&version, 1);
	if (pwritev2(run.fd, &iov, 1, stamp->chunk * CHUNK_BYTES,
		     is_sync ? RWF_DSYNC : 0) != CHUNK_BYTES)
		die("write", errno);
}

/* Whole regions, or not quite. */
static void zero_some(unsigned int *dice)
{
	uint64_t nr = sync_from() / run.region_chunks;
	uint64_t range[2], first = rand_r(dice) % nr;
	uint64_t count = 1 + rand_r(dice) % 3;
	unsigned int cut = rand_r(dice) % 2 ? rand_r(dice) % 20 : 0;

	count = count < nr - first ? count : nr - first;
	range[0] = first * run.region_chunks * CHUNK_BYTES;
	range[1] = (count * run.region_chunks - cut) * CHUNK_BYTES;
	if (ioctl(run.fd, BLKDISCARD, range))
		die("discard", errno);
	if (!cut)
		atomic_fetch_add(&nr_ranges, 1);
}

static void *writer(void *arg)
{
	unsigned int dice = seed + (unsigned int)(uintptr_t)arg;
	void *buffer = new_buffer(CHUNK_BYTES);

	while (!atomic_load(&stop)) {
		if (rand_r(&dice) % 100)
			write_chunk(&dice, buffer);
		else
			zero_some(&dice);
		if (!(rand_r(&dice) % 100) && !no_flush && fdatasync(run.fd))
			die("flush", errno);
		usleep(rand_r(&dice) % 3000);
	}
	free(buffer);
	return NULL;
}

/* --- shipping ------------------------------------------------------------- */

static void wait_frozen(void)
{
	int64_t end = now_ms() + PATIENCE_MS;
	struct dmr_get get;
	int err;

	do {
		usleep(500);
		err = dmr_get(&run.genl, run.dev, &get);
		if (err)
			die("get", -err);
		if (now_ms() > end)
			die("the epoch is never frozen", ETIMEDOUT);
	} while (get.number[DMR_A_STATE] != DMR_STATE_FROZEN);
}

static void take_chunk(uint64_t chunk, const void *content)
{
	const struct powercut_stamp *stamp = content;

	if (stamp->version && stamp->chunk != chunk)
		die("a chunk in another's place", EBADE);
	run.target[chunk].version = stamp->version;
	run.target[chunk].epoch = run.epoch;
}

static void read_chunks(uint64_t chunk, uint64_t count, char *buffer)
{
	uint64_t i, nr;

	for (; count; count -= nr, chunk += nr) {
		nr = count < BATCH ? count : BATCH;
		if (pread(run.view, buffer, nr * CHUNK_BYTES,
			  chunk * CHUNK_BYTES) != (ssize_t)(nr * CHUNK_BYTES))
			die("read of the view", errno);
		for (i = 0; i < nr; i++)
			take_chunk(chunk + i, buffer + i * CHUNK_BYTES);
	}
}

static void keep_image(void)
{
	struct powercut_epoch head = { run.epoch, run.nr_chunks };
	size_t len = run.nr_chunks * sizeof(*run.target);

	if (write(run.file, &head, sizeof(head)) != sizeof(head) ||
	    write(run.file, run.target, len) != (ssize_t)len)
		die("write of the image", errno);
}

static void mark(void)
{
	char command[512];

	snprintf(command, sizeof(command), "%s epoch-%" PRIu64, run.mark,
		 run.epoch);
	if (system(command))
		die(command, EIO);
}

static void ship(char *buffer)
{
	struct dmr_extents frozen = { 0 };
	struct dmr_held held;
	size_t i;
	int err;

	run.epoch++;
	err = dmr_cut(&run.genl, run.dev, run.epoch, false);
	if (err)
		die("cut", -err);
	wait_frozen();
	err = dmr_extents(&run.genl, DMR_CMD_GET_FROZEN, run.dev, run.epoch,
			  &frozen);
	for (i = 0; i < frozen.nr && !err; i++) {
		read_chunks(frozen.extent[i].start, frozen.extent[i].count,
			    buffer);
		err = dmr_release(&run.genl, run.dev, run.epoch,
				  &frozen.extent[i], 1, &held);
	}
	if (err)
		die("release", -err);
	dmr_extents_free(&frozen);
	keep_image();
	mark();
	err = dmr_end(&run.genl, run.dev, run.epoch, DMR_END_COMMIT);
	if (err)
		die("end", -err);
}

static void open_all(char **argv)
{
	struct dmr_get get;
	int err;

	run.fd = open(argv[1], O_RDWR | O_DIRECT);
	run.view = open(argv[2], O_RDONLY | O_DIRECT);
	run.file = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (run.fd < 0 || run.view < 0 || run.file < 0)
		die("open", errno);
	run.mark = argv[6];
	err = genl_open(&run.genl, DMR_GENL_NAME) ?:
	      dmr_dev_of_path(argv[1], &run.dev) ?:
	      dmr_attach(&run.genl, run.dev, &get);
	if (err)
		die("attach", -err);
	run.epoch = get.number[DMR_A_HIGHEST_SEEN];
	run.nr_chunks = get.number[DMR_A_SECTORS] /
			get.number[DMR_A_CHUNK_SECTORS];
	run.region_chunks = get.number[DMR_A_REGION_SECTORS] /
			    get.number[DMR_A_CHUNK_SECTORS];
	run.target = calloc(run.nr_chunks, sizeof(*run.target));
}

static bool is_enough(int64_t end, uint64_t first_epoch)
{
	return now_ms() >= end && run.epoch - first_epoch >= MIN_EPOCHS &&
	       atomic_load(&nr_ranges) >= MIN_RANGES;
}

int main(int argc, char **argv)
{
	pthread_t thread[4];
	char *buffer;
	uint64_t first;
	uintptr_t i;
	int64_t end;

	if (argc != 7 && argc != 8) {
		fputs("usage: powercut-run DEVICE VIEW FILE SECONDS SEED MARK "
		      "[no-flush]\n", stderr);
		return 2;
	}
	open_all(argv);
	no_flush = argc == 8;
	first = run.epoch;
	seed = atoi(argv[5]);
	buffer = new_buffer(BATCH * CHUNK_BYTES);
	end = now_ms() + atoi(argv[4]) * 1000LL;
	for (i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, writer, (void *)i);
	while (!is_enough(end, first))
		ship(buffer);
	atomic_store(&stop, true);
	for (i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	ship(buffer);		/* nothing is dirty: all bits are cleared */
	printf("%" PRIu64 " epochs, %" PRIu64 " writes\n", run.epoch,
	       (uint64_t)version);
	return 0;
}
