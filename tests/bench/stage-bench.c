// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stage-bench DIR [bulk|scattered|paced|apply|recover|file-bulk|
 *		    file-scattered|file-paced] [MiB] [threads]
 *		    [own-ring|one-ring]
 *
 * What the stage itself takes in, without a network: epochs of a quarter of the
 * whole, written by parallel threads, each with a commit. file-* is the measure
 * for it: the same writes to a plain file. "apply" is bulk, and then how fast
 * that goes to the base, and how often each byte was written. "paced" is bulk as
 * it comes over a link of 60 MiB/s, and how long its commits take. "recover" is the
 * time to open what "scattered" has left. The last argument has the log written
 * with io_uring (append-uring.c). No epoch writes where another did.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "append-uring.h"
#include "stage-format.h"
#include "stage.h"

#define MIB		(1ULL << 20)
#define VOLUME_BYTES	(4096 * MIB)
#define EPOCHS		4
#define PACE		(60.0 * MIB)	/* bytes a second */

struct bench {
	struct stage *s;
	struct stage_volume *v;
	struct replica_header h;
	size_t io_bytes;
	bool is_random, is_file, is_paced;
	double in_commits;		/* seconds */
	const struct stage_io *io;	/* NULL: the stage's own */
	unsigned int threads;
	uint64_t per_thread;		/* writes in an epoch */
	uint64_t before;		/* writes of the epochs before */
	int fd;
};

struct worker {
	struct bench *b;
	pthread_t thread;
	unsigned int nr;
	struct stage_conn *conn;
	uint64_t records, digest;
};

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void die(const char *what, const struct error *err)
{
	fprintf(stderr, "stage-bench: %s: %s\n", what,
		err ? err->text : strerror(errno));
	exit(1);
}

/* Of write i of a thread. A power of two times an odd number: a permutation. */
static uint64_t place(const struct bench *b, unsigned int thread, uint64_t i)
{
	uint64_t nr = VOLUME_BYTES / b->io_bytes;
	uint64_t n = b->before + thread * b->per_thread + i;

	return (b->is_random ? n * 0x9e3779b97f4a7c15ULL : n) % nr *
	       b->io_bytes;
}

/* Not sooner than a link would have brought so many writes of each thread. */
static void pace(const struct bench *b, double start, uint64_t nr)
{
	double wait = start + nr * b->threads * b->io_bytes / PACE - seconds();

	if (b->is_paced && wait > 0)
		usleep(wait * 1e6);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct bench *b = w->b;
	char *buf = malloc(b->io_bytes);
	struct error err = { 0 };
	double start = seconds();

	memset(buf, 'a' + w->nr % 26, b->io_bytes);
	for (uint64_t i = 0; i < b->per_thread; i++) {
		uint64_t off = place(b, w->nr, i);

		memcpy(buf, &i, sizeof(i));
		if (b->is_file) {
			if (pwrite(b->fd, buf, b->io_bytes, off) < 0)
				die("pwrite", NULL);
		} else if (stage_conn_write(w->conn, buf, b->io_bytes, off,
					    &err)) {
			die("write", &err);
		}
		w->records++;
		pace(b, start, i + 1);
	}
	free(buf);
	return NULL;
}

static void send_header(struct bench *b, struct stage_conn *conn,
			uint32_t kind)
{
	char slot[REPLICA_SLOT_BYTES];
	struct error err = { 0 };

	b->h.kind = kind;
	b->h.seq++;
	if (replica_header_encode(&b->h, slot, NULL))
		die("header", NULL);
	if (stage_conn_write(conn, slot, sizeof(slot),
			     replica_slot_offset(VOLUME_BYTES, b->h.seq),
			     &err))
		die("header", &err);
}

/* The header has the true count and digest: the stage's own, looked up. */
static void commit(struct bench *b, struct stage_conn *conn, uint64_t records,
		   uint64_t digest)
{
	b->h.records = records;
	b->h.digest = digest;
	b->h.last_clean = b->h.epoch;
	b->h.state = REPLICA_STATE_OK;
	send_header(b, conn, REPLICA_KIND_CLEAN);
}

static uint64_t digest_of(struct bench *b, unsigned int thread)
{
	char *buf = malloc(b->io_bytes);
	uint64_t sum = 0;

	memset(buf, 'a' + thread % 26, b->io_bytes);
	for (uint64_t i = 0; i < b->per_thread; i++) {
		memcpy(buf, &i, sizeof(i));
		sum += replica_digest(place(b, thread, i), buf, b->io_bytes);
	}
	free(buf);
	return sum;
}

static void run_threads(struct worker *w, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		pthread_create(&w[i].thread, NULL, work, &w[i]);
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(w[i].thread, NULL);
}

static void hello(struct bench *b, struct worker *w)
{
	struct error err = { 0 };

	b->h.members = 1;
	b->h.generation = 1;
	b->h.session.loads = 1;
	b->h.role = REPLICA_ROLE_PRIMARY;
	b->h.state = REPLICA_STATE_APPLYING;
	b->h.chunk_bytes = 4096;
	b->h.volume_bytes = VOLUME_BYTES;
	for (unsigned int i = 0; i < b->threads; i++) {
		if (stage_conn_create(&w[i].conn, b->v, &err))
			die("connect", &err);
		send_header(b, w[i].conn, REPLICA_KIND_HELLO);
	}
}

/* The digests are made beforehand: a client of another machine makes them. */
static double measure(struct bench *b, struct worker *w)
{
	double took = 0, start, sent;

	for (unsigned int e = 1; e <= EPOCHS; e++) {
		uint64_t digest = 0;

		for (unsigned int i = 0; i < b->threads; i++)
			digest += b->is_file ? 0 : digest_of(b, i);
		start = seconds();
		b->h.epoch = b->h.highest_seen = e;
		if (!b->is_file)
			send_header(b, w[0].conn, REPLICA_KIND_OPEN);
		run_threads(w, b->threads);
		sent = seconds();
		if (b->is_file)
			fdatasync(b->fd);
		else
			commit(b, w[0].conn, b->threads * b->per_thread,
			       digest);
		took += seconds() - start;
		b->in_commits += seconds() - sent;
		b->before += b->threads * b->per_thread;
	}
	return took;
}

static void open_stage(struct bench *b, const char *dir, bool is_new)
{
	struct stage_options o = { .history_ms = 3600000,
				   .log_bytes = 16384 * MIB,
				   .io = b->io };
	char base[1024];
	struct stage_volume_config c = {
		.name = "bench", .base = base, .bytes = VOLUME_BYTES,
	};
	struct error err = { 0 };

	snprintf(base, sizeof(base), "%s/bench.base", dir);
	if (stage_open(&b->s, dir, &o, &err))
		die("open", &err);
	if (is_new && stage_create_volume(b->s, &c, &b->v, &err))
		die("create", &err);
	b->v = stage_find(b->s, "bench");
}

static int recover(struct bench *b, const char *dir)
{
	struct stage_info info;
	double start = seconds();

	open_stage(b, dir, false);
	stage_get_info(b->v, &info);
	printf("recover: %.3f s, %llu epochs, index %llu bytes, log %llu MiB\n",
	       seconds() - start, (unsigned long long)info.nr_epochs,
	       (unsigned long long)info.index_bytes,
	       (unsigned long long)(info.log_bytes / MIB));
	stage_close(b->s);
	return 0;
}

static void apply(struct bench *b, uint64_t mib)
{
	struct error err = { 0 };
	struct stage_info info;
	double start = seconds();

	if (stage_settle(b->v, true, &err))
		die("apply", &err);
	stage_get_info(b->v, &info);
	printf("apply: %.0f MiB/s, amplification %.3f\n",
	       mib / (seconds() - start), (info.bytes_logged +
	       info.bytes_applied) / (double)(mib * MIB));
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[2] : "bulk";
	uint64_t mib = argc > 3 ? atoi(argv[3]) : 1024;
	struct bench b = { .threads = argc > 4 ? atoi(argv[4]) : 4 };
	struct worker w[64] = { { 0 } };
	char path[1024];
	double took;

	if (argc > 5)
		b.io = append_uring(argv[5]);
	if (argc < 2 || !b.threads || b.threads > 64 || (argc > 5 && !b.io))
		return fprintf(stderr, "usage: stage-bench DIR [bulk|scattered"
			       "|paced|apply|recover|file-bulk|file-scattered"
			       "|file-paced] [MiB] [threads]"
			       " [own-ring|one-ring]\n"), 2;
	if (!strcmp(mode, "recover"))
		return recover(&b, argv[1]);
	b.is_file = !strncmp(mode, "file", 4);
	b.is_random = strstr(mode, "scattered");
	b.is_paced = strstr(mode, "paced");
	b.io_bytes = b.is_random ? 4096 : 256 * 1024;
	b.per_thread = mib * MIB / EPOCHS / b.io_bytes / b.threads;
	for (unsigned int i = 0; i < b.threads; i++)
		w[i] = (struct worker) { .b = &b, .nr = i };
	if (b.is_file) {
		snprintf(path, sizeof(path), "%s/bench.file", argv[1]);
		b.fd = open(path, O_RDWR | O_CREAT, 0600);
		if (b.fd < 0 || ftruncate(b.fd, VOLUME_BYTES))
			die(path, NULL);
	} else {
		open_stage(&b, argv[1], true);
		hello(&b, w);
	}
	took = measure(&b, w);
	printf("%s: %.0f MiB/s, commit %.4f s\n", mode, mib / took,
	       b.in_commits / EPOCHS);
	if (!strcmp(mode, "apply"))
		apply(&b, mib);
	for (unsigned int i = 0; i < b.threads; i++)
		stage_conn_destroy(w[i].conn);
	stage_close(b.s);
	return 0;
}
