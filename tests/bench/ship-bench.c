// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Benchmark of the shipping engine: pump and backend, without kernel, headers
 * or epochs, from a file or from memory to a target.
 *
 *	ship-bench [-f FILE | -F FILE | -m BYTES] [-s] [-c CONNECTIONS]
 *		   [-q DEPTH] [-i IO_BYTES] [-M MEMORY] [-t MS] TARGET
 *
 * The source is a file that is read (-f), a file that is mapped (-F), or memory
 * (-m, filled with data that is not zero). Ships the whole of it, or with -s
 * each second chunk of 4 KiB, once, or again and again until -t milliseconds
 * have passed, and then flushes. Prints one line:
 *
 *	bytes=N requests=N seconds=S cpu=S
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-replica.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"
#include "pump.h"
#include "ring.h"

#define CHUNK	4096

struct bench {
	const char *file, *target;
	bool scattered, mapped;
	unsigned int connections, ms;
	struct pump_options opts;
	struct ring *ring;
	struct backend *backend;
	struct pump *pump;
	struct pump_job job;
	struct dmr_extent *extents;
	uint64_t bytes, requests;
	double begin, end, cpu;
	int status;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double cpu_used(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void fail(struct bench *b, const char *text)
{
	fprintf(stderr, "ship-bench: %s\n", text);
	b->status = 1;
	ring_stop(b->ring);
}

static void on_closed(void *arg)
{
	struct bench *b = arg;

	ring_stop(b->ring);
}

static void on_flushed(void *arg, int err)
{
	struct bench *b = arg;

	if (err)
		fail(b, backend_error(b->backend));
	b->end = now();
	b->cpu = cpu_used() - b->cpu;
	backend_close(b->backend, on_closed, b);
}

static void on_done(void *arg, int err, const struct pump_stats *stats)
{
	struct bench *b = arg;

	b->bytes += stats->bytes_sent + stats->bytes_zero;
	b->requests += stats->records;
	if (err)
		fail(b, pump_error(b->pump));
	else if ((now() - b->begin) * 1000 < b->ms)
		pump_start(b->pump, &b->job);
	else if (backend_flush(b->backend, on_flushed, b))
		fail(b, backend_error(b->backend));
}

static void on_ready(void *arg, int err, const char *text)
{
	struct bench *b = arg;

	if (err) {
		fail(b, text);
		return;
	}
	b->begin = now();
	b->cpu = cpu_used();
	b->job.backend = b->backend;
	if (pump_start(b->pump, &b->job))
		fail(b, pump_error(b->pump));
}

static void on_lost(void *arg, int err, const char *text)
{
	fail(arg, text);
}

static void make_extents(struct bench *b)
{
	uint64_t nr = b->job.volume_bytes / CHUNK;

	b->extents = calloc(nr / 2 + 1, sizeof(*b->extents));
	if (!b->extents)
		exit(1);
	b->job.extents = b->extents;
	b->extents[0].count = nr;
	b->job.nr_extents = 1;
	if (!b->scattered)
		return;
	b->job.nr_extents = nr / 2;
	for (uint64_t i = 0; i < nr / 2; i++)
		b->extents[i] = (struct dmr_extent) { i * 2, 1 };
}

/* A device is read with O_DIRECT, as a volume's view is. */
static void open_file(struct bench *b)
{
	struct stat st = { 0 };
	int direct;

	stat(b->file, &st);
	direct = S_ISBLK(st.st_mode) ? O_DIRECT : 0;
	b->job.fd = open(b->file, O_RDONLY | O_CLOEXEC | direct);
	if (b->job.fd < 0) {
		perror(b->file);
		exit(1);
	}
	b->job.volume_bytes = lseek(b->job.fd, 0, SEEK_END);
	if (!b->mapped)
		return;
	b->job.mem = mmap(NULL, b->job.volume_bytes, PROT_READ, MAP_SHARED,
			   b->job.fd, 0);
	if (b->job.mem == MAP_FAILED) {
		perror(b->file);
		exit(1);
	}
	b->job.fd = -1;
}

static void make_memory(struct bench *b)
{
	void *mem = mmap(NULL, b->job.volume_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED) {
		perror("ship-bench: memory");
		exit(1);
	}
	memset(mem, 0x5a, b->job.volume_bytes);
	b->job.mem = mem;
	b->job.fd = -1;
}

static void set_option(struct bench *b, int c, const char *value)
{
	uint64_t n = value ? strtoull(value, NULL, 0) : 0;

	if (c == 'f' || c == 'F')
		b->file = value;
	if (c == 'F')
		b->mapped = true;
	else if (c == 'm')
		b->job.volume_bytes = n;
	else if (c == 's')
		b->scattered = true;
	else if (c == 'c')
		b->connections = n;
	else if (c == 'q')
		b->opts.depth = n;
	else if (c == 'i')
		b->opts.io_bytes = n;
	else if (c == 'M')
		b->opts.memory = n;
	else if (c == 't')
		b->ms = n;
	else if (c == '?')
		exit(2);
}

static void parse(struct bench *b, int argc, char **argv)
{
	int c;

	b->connections = 1;
	b->job.volume_bytes = 64 << 20;
	while ((c = getopt(argc, argv, "f:F:m:sc:q:i:M:t:")) != -1)
		set_option(b, c, optarg);
	b->target = argv[optind];
	if (!b->target) {
		fprintf(stderr, "ship-bench: no target\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static const struct backend_events events = {
		.ready = on_ready,
		.lost = on_lost,
	};
	static struct bench b = { .job.on_read = NULL, .job.done = on_done };
	struct backend_options opts = { 0 };
	char text[256] = "no memory, or no io_uring";

	parse(&b, argc, argv);
	b.job.arg = &b;
	opts.connections = b.connections;
	if (b.file)
		open_file(&b);
	else
		make_memory(&b);
	make_extents(&b);
	if (ring_create(&b.ring, NULL) ||
	    pump_create(&b.pump, b.ring, &b.opts) ||
	    backend_open(&b.backend, b.ring, b.target, &opts, &events, &b,
			 text, sizeof(text))) {
		fprintf(stderr, "ship-bench: %s\n", text);
		return 1;
	}
	ring_run(b.ring);
	printf("bytes=%llu requests=%llu seconds=%.6f cpu=%.6f\n",
	       (unsigned long long)b.bytes, (unsigned long long)b.requests,
	       b.end - b.begin, b.cpu);
	return b.status;
}
