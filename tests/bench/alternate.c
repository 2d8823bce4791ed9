// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * alternate [-q DEPTH] [-s SLICE_MS] [-t SECONDS] [-b BYTES] PEER DEVICE...:
 * random writes (io_uring, O_DIRECT) to the block devices in turn, a slice of
 * time each, in one thread.
 *
 * For: comparing devices on a machine that has other work too. What disturbs
 * lasts longer than a slice, so it hits neighbours alike; the median over the
 * ratios of neighbouring slices is steady where rates, and the averages of
 * long runs, are not. A line for each device: path, median writes per second,
 * median ratio to PEER's slices (1 for PEER).
 *
 * Nothing is in flight between two slices. The order of the devices is turned
 * round after each round, so that a drift favours none.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <linux/fs.h>

#define MAX_DEVICES	8
#define MAX_SLICES	20000

struct device {
	const char *path;
	int fd;
	uint64_t blocks;
	double *rate;			/* by round */
};

static struct {
	unsigned int depth, slice_ms, seconds, bytes;
} opt = { 16, 50, 10, 4096 };

static struct io_uring ring;
static char *buffer;
static uint64_t random_state;

static void die(const char *what, int err)
{
	fprintf(stderr, "alternate: %s: %s\n", what, strerror(err));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* xorshift64* */
static uint64_t random_number(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static void open_device(struct device *dev, const char *path)
{
	uint64_t size;

	dev->path = path;
	dev->fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (dev->fd < 0 || ioctl(dev->fd, BLKGETSIZE64, &size) < 0)
		die(path, errno);
	dev->blocks = size / opt.bytes;
	dev->rate = calloc(MAX_SLICES, sizeof(*dev->rate));
	if (!dev->blocks || !dev->rate)
		die(path, EINVAL);
}

static void submit_one(const struct device *dev)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	uint64_t block = random_number() % dev->blocks;

	io_uring_prep_write(sqe, dev->fd, buffer, opt.bytes,
			    block * opt.bytes);
}

/* Takes what has completed; returns how many. */
static unsigned int reap(const struct device *dev)
{
	struct io_uring_cqe *cqe;
	unsigned int head, nr = 0;

	io_uring_for_each_cqe(&ring, head, cqe) {
		if (cqe->res != (int)opt.bytes)
			die(dev->path, cqe->res < 0 ? -cqe->res : EIO);
		nr++;
	}
	io_uring_cq_advance(&ring, nr);
	return nr;
}

/* Writes per second over one slice. */
static double run_slice(const struct device *dev)
{
	double start = now(), end = start + opt.slice_ms / 1e3, at = start;
	unsigned int in_flight = 0, done;
	uint64_t total = 0;

	while (at < end || in_flight) {
		for (; at < end && in_flight < opt.depth; in_flight++)
			submit_one(dev);
		if (io_uring_submit_and_wait(&ring, 1) < 0)
			die("io_uring", EIO);
		done = reap(dev);
		in_flight -= done;
		total += done;
		at = now();
	}
	return total / (at - start);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const double *values, unsigned int nr)
{
	double *sorted = malloc(nr * sizeof(*sorted)), m;

	if (!sorted)
		die("memory", ENOMEM);
	memcpy(sorted, values, nr * sizeof(*sorted));
	qsort(sorted, nr, sizeof(*sorted), compare);
	m = (sorted[nr / 2] + sorted[(nr - 1) / 2]) / 2;
	free(sorted);
	return m;
}

static void report(const struct device *dev, const struct device *peer,
		   unsigned int rounds)
{
	double *ratio = malloc(rounds * sizeof(*ratio));
	unsigned int i;

	if (!ratio)
		die("memory", ENOMEM);
	for (i = 0; i < rounds; i++)
		ratio[i] = dev->rate[i] / peer->rate[i];
	printf("%s %.0f %.4f\n", dev->path, median(dev->rate, rounds),
	       median(ratio, rounds));
	free(ratio);
}

static int usage(void)
{
	fputs("usage: alternate [-q DEPTH] [-s SLICE_MS] [-t SECONDS] "
	      "[-b BYTES] PEER DEVICE...\n", stderr);
	return 2;
}

static int parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "q:s:t:b:")) != -1) {
		unsigned int n = c == '?' ? 0 : strtoul(optarg, NULL, 0);

		if (c == 'q')
			opt.depth = n;
		else if (c == 's')
			opt.slice_ms = n;
		else if (c == 't')
			opt.seconds = n;
		else if (c == 'b')
			opt.bytes = n;
		if (!n)
			return usage();
	}
	return argc - optind < 2 || argc - optind > MAX_DEVICES ? usage() : 0;
}

int main(int argc, char **argv)
{
	struct device dev[MAX_DEVICES];
	unsigned int i, nr, round;
	double end;

	if (parse(argc, argv))
		return 2;
	nr = argc - optind;
	for (i = 0; i < nr; i++)
		open_device(&dev[i], argv[optind + i]);
	if (posix_memalign((void **)&buffer, 4096, opt.bytes) ||
	    getrandom(&random_state, sizeof(random_state), 0) < 0)
		die("memory", ENOMEM);
	memset(buffer, 0x5a, opt.bytes);
	if (io_uring_queue_init(opt.depth, &ring, 0))
		die("io_uring", errno);

	for (i = 0; i < nr; i++)
		run_slice(&dev[i]);			/* warm-up */
	end = now() + opt.seconds;
	for (round = 0; round < MAX_SLICES && now() < end; round++)
		for (i = 0; i < nr; i++) {
			struct device *d = &dev[round % 2 ? nr - 1 - i : i];

			d->rate[round] = run_slice(d);
		}
	for (i = 0; i < nr; i++)
		report(&dev[i], &dev[0], round);
	return 0;
}
