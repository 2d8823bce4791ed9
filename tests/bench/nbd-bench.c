/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark of the NBD client alone: requests of one size from memory, at a
 * depth, on some connections, on one thread.
 *
 *	nbd-bench [-b BYTES] [-q DEPTH] [-c CONNS] [-n BYTES] [-t MS]
 *		  [-o write|read|zero] [-r] URI
 *
 * -q is the depth of each connection.  Ends after -n bytes or -t ms, and
 * prints one line: requests and bytes for each second, CPU for each GiB.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "nbd.h"
#include "ring.h"

struct options {
	const char *uri;
	uint64_t block, total;
	unsigned int depth, nr_conns, ms;
	char op;		/* w, r, z */
	bool is_random;
};

struct bench;

struct slot {
	struct nbd_req req;
	struct link *link;
	void *buf;
};

struct link {
	struct bench *bench;
	struct nbd_conn *conn;
	struct slot *slots;
	unsigned int nr_busy;
};

struct bench {
	struct options opts;
	struct ring *ring;
	struct link *links;
	struct ring_timer timer;
	unsigned int nr_ready, nr_open;
	uint64_t size, next, started, done, requests, seed;
	struct rusage usage;
	uint64_t start_ns, end_ns;
	bool is_over;
	int status;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static uint64_t next_random(struct bench *b)
{
	b->seed ^= b->seed << 13;
	b->seed ^= b->seed >> 7;
	b->seed ^= b->seed << 17;
	return b->seed;
}

static uint64_t next_offset(struct bench *b)
{
	uint64_t nr = b->size / b->opts.block;

	if (b->opts.is_random)
		return next_random(b) % nr * b->opts.block;
	return b->next++ % nr * b->opts.block;
}

static void issue(struct slot *slot)
{
	struct link *link = slot->link;
	struct bench *b = link->bench;
	uint64_t off = next_offset(b), len = b->opts.block;

	b->started += len;
	link->nr_busy++;
	if (b->opts.op == 'w')
		nbd_write(link->conn, &slot->req, slot->buf, len, off, 0);
	else if (b->opts.op == 'r')
		nbd_read(link->conn, &slot->req, slot->buf, len, off);
	else
		nbd_write_zeroes(link->conn, &slot->req, len, off, 0);
}

static void done(struct nbd_req *req, int err)
{
	struct slot *slot = container_of(req, struct slot, req);
	struct link *link = slot->link;
	struct bench *b = link->bench;

	link->nr_busy--;
	if (err) {
		b->status = 1;
		return;
	}
	b->done += b->opts.block;
	b->requests++;
	if (!b->is_over && b->started < b->opts.total)
		issue(slot);
	else if (!link->nr_busy)
		nbd_disconnect(link->conn);
}

static void fire(struct ring_timer *timer)
{
	container_of(timer, struct bench, timer)->is_over = true;
}

static void start_all(struct bench *b)
{
	unsigned int i, j;

	getrusage(RUSAGE_SELF, &b->usage);
	b->start_ns = now_ns();
	ring_timer_add(b->ring, &b->timer, b->opts.ms);
	for (j = 0; j < b->opts.depth; j++)
		for (i = 0; i < b->opts.nr_conns; i++)
			issue(&b->links[i].slots[j]);
}

static void ready(struct nbd_conn *conn, void *arg)
{
	struct link *link = arg;
	struct bench *b = link->bench;

	b->size = nbd_get_info(conn)->size;
	if (++b->nr_ready == b->opts.nr_conns)
		start_all(b);
}

static void closed(struct nbd_conn *conn, void *arg, int err, const char *text)
{
	struct link *link = arg;
	struct bench *b = link->bench;

	(void)conn;
	if (err) {
		fprintf(stderr, "nbd-bench: %s\n", text);
		b->status = 1;
	}
	if (--b->nr_open == 0) {
		b->end_ns = now_ns();
		ring_stop(b->ring);
	}
}

static double cpu_seconds(const struct rusage *from, const struct rusage *to)
{
	return (to->ru_utime.tv_sec - from->ru_utime.tv_sec) +
	       (to->ru_stime.tv_sec - from->ru_stime.tv_sec) +
	       (to->ru_utime.tv_usec - from->ru_utime.tv_usec) / 1e6 +
	       (to->ru_stime.tv_usec - from->ru_stime.tv_usec) / 1e6;
}

static void print(const struct bench *b)
{
	double s = (b->end_ns - b->start_ns) / 1e9;
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("%.0f requests/s  %.3f GB/s  %.3f CPU s/GiB\n",
	       b->requests / s, b->done / s / 1e9,
	       cpu_seconds(&b->usage, &usage) / (b->done / 1073741824.0));
}

static void open_links(struct bench *b)
{
	static const struct nbd_callbacks cbs = { ready, closed };
	struct nbd_opts opts = { .depth = b->opts.depth };
	unsigned int i, j;

	b->links = calloc(b->opts.nr_conns, sizeof(*b->links));
	for (i = 0; i < b->opts.nr_conns; i++) {
		struct link *link = b->links + i;

		link->bench = b;
		link->slots = calloc(b->opts.depth, sizeof(*link->slots));
		for (j = 0; j < b->opts.depth; j++) {
			link->slots[j].link = link;
			link->slots[j].req.done = done;
			link->slots[j].buf = ring_buf_get(b->ring);
			memset(link->slots[j].buf, 0x5a, b->opts.block);
		}
		b->nr_open++;
		nbd_connect(b->ring, b->opts.uri, &opts, &cbs, link,
			    &link->conn);
	}
}

static void free_links(struct bench *b)
{
	unsigned int i;

	for (i = 0; i < b->opts.nr_conns; i++)
		free(b->links[i].slots);
	free(b->links);
}

static int run(struct bench *b)
{
	struct ring_opts opts = {
		.nr_bufs = b->opts.depth * b->opts.nr_conns,
		.buf_size = (b->opts.block + 4095) & ~4095ULL,
	};
	int ret = ring_create(&b->ring, &opts);

	if (ret) {
		fprintf(stderr, "nbd-bench: %s\n", strerror(-ret));
		return 1;
	}
	b->timer.fire = fire;
	b->seed = 88172645463325252ULL;
	open_links(b);
	ring_run(b->ring);
	if (b->requests)
		print(b);
	free_links(b);
	ring_destroy(b->ring);
	return b->status;
}

static int parse(struct options *o, int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "b:q:c:n:t:o:r")) >= 0) {
		switch (c) {
		case 'b':
			o->block = strtoull(optarg, NULL, 0);
			break;
		case 'q':
			o->depth = strtoul(optarg, NULL, 0);
			break;
		case 'c':
			o->nr_conns = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			o->total = strtoull(optarg, NULL, 0);
			break;
		case 't':
			o->ms = strtoul(optarg, NULL, 0);
			break;
		case 'o':
			o->op = *optarg;
			break;
		case 'r':
			o->is_random = true;
			break;
		default:
			return -1;
		}
	}
	o->uri = argv[optind];
	return o->uri && o->block && o->depth && o->nr_conns ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct bench b = {
		.opts = {
			.block = 4096, .depth = 64, .nr_conns = 1,
			.total = UINT64_MAX, .ms = 3000, .op = 'w',
		},
	};

	if (parse(&b.opts, argc, argv)) {
		fprintf(stderr, "usage: nbd-bench [-b BYTES] [-q DEPTH] "
			"[-c CONNS] [-n BYTES] [-t MS] [-o write|read|zero] "
			"[-r] URI\n");
		return 2;
	}
	return run(&b);
}
