// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * powercut-run DEVICE VIEW FILE SECONDS SEED MARK-COMMAND GROW-COMMAND
 * AGAIN-COMMAND [no-flush]: writes random chunks of a volume (some of them by
 * whole regions of zeros), and ships it epoch by epoch into memory. When the
 * target has an epoch, its image goes to FILE, then "MARK-COMMAND epoch-N" is
 * run, and only then END is sent. Before every other epoch it marks some
 * chunks; when these are durable they go to FILE, and "MARK-COMMAND marked-N"
 * is run. After two of four it sets the next generation, and when that is
 * answered, "MARK-COMMAND generation-N" is run. After a third of the time,
 * GROW-COMMAND makes the volume and its view larger; after another,
 * AGAIN-COMMAND retires, removes and makes them again, while nobody writes. It
 * goes on until there was enough of everything, however slow the machine is.
 *
 * Writes to the last eighth, and to what the volume has grown by, are durable
 * when they end (RWF_DSYNC): the log has them in their place between those of
 * the metadata, not at the next flush. No others are there: the log would have
 * an older one behind a newer.
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
/* Enough: epochs in each third; discards of whole regions. */
#define MIN_EPOCHS	4
#define MIN_RANGES	8
#define NR_WRITERS	4
#define BATCH		64	/* chunks read at once */

static struct {
	int fd, view, file;
	uint64_t dev, epoch, generation, region_chunks;
	uint64_t sync_from;		/* chunk; set once */
	struct powercut_chunk *target;
	const char *device, *view_device, *mark, *grow, *again;
	struct genl genl;
	unsigned int dice;		/* of the marks */
	pthread_t writer[NR_WRITERS];
} run;

static atomic_uint_fast64_t version = 1;
static atomic_uint_fast64_t nr_chunks;
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

/* Most writes go to few places, so that some regions stay hot. */
static uint64_t some_chunk(unsigned int *dice)
{
	uint64_t nr = atomic_load(&nr_chunks), n = rand_r(dice) % nr;

	return rand_r(dice) % 3 ? n : n % (nr / 16);
}

static void write_chunk(unsigned int *dice, void *buffer)
{
	struct iovec iov = { buffer, CHUNK_BYTES };
	struct powercut_stamp *stamp = buffer;
	bool is_sync;

	stamp->chunk = some_chunk(dice);
	is_sync = !no_flush && stamp->chunk >= run.sync_from;
	stamp->version = atomic_fetch_add(&version, 1);
	if (pwritev2(run.fd, &iov, 1, stamp->chunk * CHUNK_BYTES,
		     is_sync ? RWF_DSYNC : 0) != CHUNK_BYTES)
		die("write", errno);
}

/* Whole regions, or not quite. */
static void zero_some(unsigned int *dice)
{
	uint64_t nr = run.sync_from / run.region_chunks;
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

/* --- the log -------------------------------------------------------------- */

static void keep(const void *what, size_t len)
{
	if (write(run.file, what, len) != (ssize_t)len)
		die("write of the images", errno);
}

static void mark_log(const char *what, uint64_t number)
{
	char command[512];

	snprintf(command, sizeof(command), "%s %s-%" PRIu64, run.mark, what,
		 number);
	if (system(command))
		die(command, EIO);
}

static bool is_frozen(const struct dmr_get *get)
{
	return get->number[DMR_A_STATE] == DMR_STATE_FROZEN;
}

static bool is_durable(const struct dmr_get *get)
{
	return !(get->number[DMR_A_DEV_FLAGS] & DMR_DEV_F_META_PENDING);
}

static void wait_until(bool (*is)(const struct dmr_get *), const char *what)
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
			die(what, ETIMEDOUT);
	} while (!is(&get));
}

/* --- marking, growing ----------------------------------------------------- */

static void mark_chunks(unsigned int *dice)
{
	static uint64_t number;
	struct dmr_extent ext[POWERCUT_MARKS];
	struct powercut_marks marks = { .number = ++number };
	unsigned int i;
	int err;

	for (i = 0; i < POWERCUT_MARKS; i++) {
		marks.chunk[i] = rand_r(dice) % atomic_load(&nr_chunks);
		ext[i].start = marks.chunk[i];
		ext[i].count = 1;
	}
	err = dmr_mark(&run.genl, run.dev, ext, POWERCUT_MARKS);
	if (err)
		die("mark", -err);
	wait_until(is_durable, "marks are never durable");
	keep(&marks, sizeof(marks));
	mark_log("marked", marks.number);
}

static void next_generation(void)
{
	int err = dmr_set_generation(&run.genl, run.dev, ++run.generation);

	if (err)
		die("set", -err);
	mark_log("generation", run.generation);
}

/* Between epochs; the writers go on. */
static void grow(void)
{
	uint64_t old = atomic_load(&nr_chunks), nr;
	struct dmr_get get;
	int err;

	if (system(run.grow))
		die(run.grow, EIO);
	err = dmr_get(&run.genl, run.dev, &get);
	if (err)
		die("get", -err);
	nr = get.number[DMR_A_SECTORS] / get.number[DMR_A_CHUNK_SECTORS];
	if (nr <= old)
		die("it has not grown", EINVAL);
	run.target = realloc(run.target, nr * sizeof(*run.target));
	if (!run.target)
		die("memory", ENOMEM);
	memset(run.target + old, 0, (nr - old) * sizeof(*run.target));
	atomic_store(&nr_chunks, nr);
}

/* --- shipping ------------------------------------------------------------- */

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
	struct powercut_epoch head = { run.epoch, atomic_load(&nr_chunks) };

	keep(&head, sizeof(head));
	keep(run.target, head.nr_chunks * sizeof(*run.target));
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
	wait_until(is_frozen, "the epoch is never frozen");
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
	mark_log("epoch", run.epoch);
	err = dmr_end(&run.genl, run.dev, run.epoch, DMR_END_COMMIT);
	if (err)
		die("end", -err);
}

/* --- all of it ------------------------------------------------------------ */

static void open_volume(struct dmr_get *get)
{
	int err;

	run.fd = open(run.device, O_RDWR | O_DIRECT);
	run.view = open(run.view_device, O_RDONLY | O_DIRECT);
	if (run.fd < 0 || run.view < 0)
		die("open", errno);
	err = genl_open(&run.genl, DMR_GENL_NAME) ?:
	      dmr_dev_of_path(run.device, &run.dev) ?:
	      dmr_attach(&run.genl, run.dev, get);
	if (err)
		die("attach", -err);
	run.epoch = get->number[DMR_A_HIGHEST_SEEN];
	run.generation = get->number[DMR_A_GENERATION];
}

static void open_all(char **argv)
{
	struct dmr_get get;

	run.device = argv[1];
	run.view_device = argv[2];
	run.file = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (run.file < 0)
		die("open", errno);
	seed = atoi(argv[5]);
	run.dice = seed + 100;
	run.mark = argv[6];
	run.grow = argv[7];
	run.again = argv[8];
	open_volume(&get);
	nr_chunks = get.number[DMR_A_SECTORS] /
		    get.number[DMR_A_CHUNK_SECTORS];
	run.sync_from = nr_chunks - nr_chunks / 8;
	run.region_chunks = get.number[DMR_A_REGION_SECTORS] /
			    get.number[DMR_A_CHUNK_SECTORS];
	run.target = calloc(nr_chunks, sizeof(*run.target));
}

static void start_writers(void)
{
	uintptr_t i;

	atomic_store(&stop, false);
	for (i = 0; i < NR_WRITERS; i++)
		pthread_create(&run.writer[i], NULL, writer, (void *)i);
}

static void stop_writers(void)
{
	int i;

	atomic_store(&stop, true);
	for (i = 0; i < NR_WRITERS; i++)
		pthread_join(run.writer[i], NULL);
}

/* It is shut down with chunks that are dirty, and comes back with them. */
static void load_again(void)
{
	uint64_t epoch = run.epoch, generation = run.generation;
	struct dmr_get get;

	stop_writers();
	dmr_detach(&run.genl, run.dev);
	genl_close(&run.genl);
	close(run.view);
	close(run.fd);
	if (system(run.again))
		die(run.again, EIO);
	open_volume(&get);
	if (run.epoch < epoch || run.generation != generation)
		die("it has forgotten its epoch or generation", EINVAL);
	seed += NR_WRITERS;
	start_writers();
}

static void ship_until(int64_t end, unsigned int ranges, char *buffer)
{
	uint64_t epochs = 0;
	unsigned int i;

	while (now_ms() < end || epochs < MIN_EPOCHS ||
	       atomic_load(&nr_ranges) < ranges) {
		ship(buffer);
		/* With the first, bits of the last epoch are cleared, too. */
		for (i = 0; !(epochs % 2) && i < 2; i++)
			mark_chunks(&run.dice);
		/* What END left to be written may take it along, or not. */
		if (epochs++ % 4 < 2)
			next_generation();
	}
}

int main(int argc, char **argv)
{
	char *buffer = new_buffer(BATCH * CHUNK_BYTES);
	int64_t start = now_ms(), third;

	if (argc != 9 && argc != 10) {
		fputs("usage: powercut-run DEVICE VIEW FILE SECONDS SEED MARK "
		      "GROW AGAIN [no-flush]\n", stderr);
		return 2;
	}
	no_flush = argc == 10;
	third = atoi(argv[4]) * 1000LL / 3;
	open_all(argv);
	start_writers();
	ship_until(start + third, 0, buffer);
	grow();
	ship_until(start + 2 * third, 0, buffer);
	load_again();
	ship_until(start + 3 * third, MIN_RANGES, buffer);
	stop_writers();
	ship(buffer);		/* nothing is dirty: all bits are cleared */
	free(buffer);
	printf("%" PRIu64 " epochs, %" PRIu64 " writes\n", run.epoch,
	       (uint64_t)version);
	return 0;
}
