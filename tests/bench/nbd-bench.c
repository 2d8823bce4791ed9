/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Benchmark of the NBD client alone: requests of one size from memory, at a
 * depth, on some connections, on one thread.
 *
 *	nbd-bench [-b BYTES] [-q DEPTH] [-c CONNS] [-n BYTES] [-t MS]
 *		  [-o write|read|zero] [-r] [-f | -e] URI
 *
 * -q is the depth of each connection.  Ends after -n bytes or -t ms, and
 * prints one line: requests and bytes for each second, CPU for each GiB.
 * With -f a flush belongs to it.  With -e it is a new primary that writes the
 * only epoch of a volume, of -n bytes, to a stage: each connection says hello;
 * from the open header to the answer to the one that commits counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "header.h"
#include "nbd.h"
#include "ring.h"

#define TAIL_BYTES	(64 << 10)
#define TAIL_ALIGN	(1 << 20)

struct options {
	const char *uri;
	uint64_t block, total;
	unsigned int depth, nr_conns, ms;
	char op;		/* w, r, z */
	bool is_random, is_flush, is_epoch;
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
};

struct bench {
	struct options opts;
	struct ring *ring;
	struct link *links;
	struct ring_timer timer;
	unsigned int nr_ready, nr_open, nr_busy, nr_hello;
	uint64_t size, next, started, done, requests, seed, digest;
	struct replica_header header;
	struct nbd_req last;		/* a header or a flush */
	char *slot;			/* of that header */
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
	b->nr_busy++;
	if (b->opts.op == 'w')
		nbd_write(link->conn, &slot->req, slot->buf, len, off, 0);
	else if (b->opts.op == 'r')
		nbd_read(link->conn, &slot->req, slot->buf, len, off);
	else
		nbd_write_zeroes(link->conn, &slot->req, len, off, 0);
}

static void disconnect_all(struct bench *b)
{
	for (unsigned int i = 0; i < b->opts.nr_conns; i++)
		if (b->links[i].conn)
			nbd_disconnect(b->links[i].conn);
}

static void ended(struct nbd_req *req, int err)
{
	struct bench *b = container_of(req, struct bench, last);

	if (err) {
		fprintf(stderr, "nbd-bench: the end: %s\n", strerror(-err));
		b->status = 1;
	}
	b->end_ns = now_ns();
	disconnect_all(b);
}

static void send_header(struct bench *b, struct link *link, uint32_t kind,
			void (*then)(struct nbd_req *req, int err))
{
	struct replica_header *h = &b->header;
	struct replica_why why;

	h->kind = kind;
	h->seq++;
	if (replica_header_encode(h, b->slot, &why)) {
		fprintf(stderr, "nbd-bench: header: %s\n", why.text);
		exit(1);
	}
	b->last.done = then;
	nbd_write(link->conn, &b->last, b->slot, REPLICA_SLOT_BYTES,
		  replica_slot_offset(h->volume_bytes, h->seq), NBD_REQ_FUA);
}

static void finish(struct bench *b)
{
	if (!b->links[0].conn) {
		ended(&b->last, -ENOTCONN);
	} else if (b->opts.is_epoch) {
		b->header.records = b->requests;
		b->header.digest = b->digest;
		b->header.last_clean = b->header.epoch;
		b->header.state = REPLICA_STATE_OK;
		send_header(b, b->links, REPLICA_KIND_CLEAN, ended);
	} else if (b->opts.is_flush) {
		b->last.done = ended;
		nbd_flush(b->links[0].conn, &b->last);
	} else {
		ended(&b->last, 0);
	}
}

static void done(struct nbd_req *req, int err)
{
	struct slot *slot = container_of(req, struct slot, req);
	struct bench *b = slot->link->bench;

	b->nr_busy--;
	if (err)
		b->status = 1;
	b->done += b->opts.block;
	b->requests++;
	if (!b->status && !b->is_over && b->started < b->opts.total)
		issue(slot);
	else if (!b->nr_busy)
		finish(b);
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

/* --- as a primary --------------------------------------------------------- */

static void opened(struct nbd_req *req, int err)
{
	struct bench *b = container_of(req, struct bench, last);

	if (err)
		ended(req, err);
	else
		start_all(b);
}

static void said_hello(struct nbd_req *req, int err)
{
	struct bench *b = container_of(req, struct bench, last);

	if (err) {
		ended(req, err);
	} else if (++b->nr_hello < b->opts.nr_conns) {
		send_header(b, &b->links[b->nr_hello], REPLICA_KIND_HELLO,
			    said_hello);
	} else {
		b->header.epoch = b->header.highest_seen = 1;
		send_header(b, b->links, REPLICA_KIND_OPEN, opened);
	}
}

/* What the places that are to come add up to. */
static uint64_t sum_digest(struct bench *b)
{
	uint64_t seed = b->seed, sum = 0;

	for (uint64_t n = 0; n < b->opts.total; n += b->opts.block)
		sum += replica_digest(next_offset(b),
				      b->links[0].slots[0].buf,
				      b->opts.block);
	b->seed = seed;
	b->next = 0;
	return sum;
}

static void begin_epoch(struct bench *b)
{
	b->size = (b->size - TAIL_BYTES) / TAIL_ALIGN * TAIL_ALIGN;
	b->digest = sum_digest(b);
	b->header = (struct replica_header) {
		.members = 1, .generation = 1, .session.loads = 1,
		.role = REPLICA_ROLE_PRIMARY, .state = REPLICA_STATE_APPLYING,
		.chunk_bytes = 4096, .volume_bytes = b->size,
	};
	send_header(b, b->links, REPLICA_KIND_HELLO, said_hello);
}

/* -------------------------------------------------------------------------- */

static void ready(struct nbd_conn *conn, void *arg)
{
	struct link *link = arg;
	struct bench *b = link->bench;

	b->size = nbd_get_info(conn)->size;
	if (++b->nr_ready < b->opts.nr_conns)
		return;
	if (b->opts.is_epoch)
		begin_epoch(b);
	else
		start_all(b);
}

static void closed(struct nbd_conn *conn, void *arg, int err, const char *text)
{
	struct link *link = arg;
	struct bench *b = link->bench;

	(void)conn;
	link->conn = NULL;
	if (err) {
		fprintf(stderr, "nbd-bench: %s\n", text);
		b->status = 1;
	}
	if (--b->nr_open == 0)
		ring_stop(b->ring);
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
		.nr_bufs = b->opts.depth * b->opts.nr_conns + 1,
		.buf_size = (b->opts.block + 4095) & ~4095ULL,
	};
	int ret = ring_create(&b->ring, &opts);

	if (ret) {
		fprintf(stderr, "nbd-bench: %s\n", strerror(-ret));
		return 1;
	}
	b->timer.fire = fire;
	b->slot = ring_buf_get(b->ring);
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

	while ((c = getopt(argc, argv, "b:q:c:n:t:o:rfe")) >= 0) {
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
		case 'f':
			o->is_flush = true;
			break;
		case 'e':
			o->is_epoch = true;
			break;
		default:
			return -1;
		}
	}
	o->uri = argv[optind];
	if (o->is_epoch && o->total == UINT64_MAX)
		return -1;
	if (o->is_epoch)
		o->ms = 10 * 60 * 1000;
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
			"[-r] [-f | -e] URI\n");
		return 2;
	}
	return run(&b);
}
