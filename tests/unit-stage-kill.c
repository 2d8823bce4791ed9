// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kill -9 of a process with a stage, at any moment, on a real file system with
 * parallel writers: what it has acknowledged is there, and what is there is an
 * epoch as a whole. STAGE_KILLS sets how often (60; 500 with DMR_SOAK).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage-rig.h"
#include "tap.h"

#define THREADS		4
#define CHUNKS		(RIG_BYTES / RIG_CHUNK)
#define PER_THREAD	(CHUNKS / THREADS)

/* What the child has been told, shared with its parent. */
struct acked {
	uint64_t clean;
	uint64_t under_way;	/* an epoch, from before its open */
};

static char dir[64];

static struct stage *open_stage(bool is_new, struct error *err)
{
	struct stage_options o = { .history_ms = 300, .log_bytes = 4 << 20,
				   .segment_bytes = 128 << 10 };
	char base[80];
	struct stage_volume_config c = {
		.name = "a", .base = base, .bytes = RIG_BYTES,
	};
	struct stage *s;

	snprintf(base, sizeof(base), "%s/base", dir);
	if (stage_open(&s, dir, &o, err))
		return NULL;
	if (is_new && stage_create_volume(s, &c, NULL, err))
		return NULL;
	return s;
}

struct writer {
	struct client c;
	uint64_t epoch;
	unsigned int nr;
	int ret;
};

/* Each epoch writes each chunk: an image names its epoch everywhere. */
static void *write_chunks(void *arg)
{
	struct writer *w = arg;

	w->c.records = w->c.digest = 0;
	for (unsigned int i = 0; i < PER_THREAD && !w->ret; i++)
		w->ret = client_write(&w->c, NULL, w->nr * PER_THREAD + i, 1,
				      w->epoch);
	return NULL;
}

static int parallel_epoch(struct writer *w, uint64_t epoch)
{
	pthread_t threads[THREADS];
	int ret = client_open(&w[0].c, epoch);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < THREADS; i++) {
		w[i].epoch = epoch;
		w[i].nr = i;
		pthread_create(&threads[i], NULL, write_chunks, &w[i]);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < THREADS; i++) {
		ret = ret ? ret : w[i].ret;
		if (i) {
			w[0].c.records += w[i].c.records;
			w[0].c.digest += w[i].c.digest;
		}
	}
	return ret ? ret : client_commit(&w[0].c, NULL, epoch, true);
}

static int run_child(struct acked *acked, uint64_t attaches)
{
	struct error err = { 0 };
	struct stage *s = open_stage(false, &err);
	struct writer w[THREADS] = { 0 };
	uint64_t epoch;

	if (!s)
		return 3;
	for (unsigned int i = 0; i < THREADS; i++)
		if (client_connect(&w[i].c, s, "a") ||
		    client_hello(&w[i].c, 1, attaches))
			return 4;
	w[0].c.h.seq = w[THREADS - 1].c.h.seq;
	epoch = w[0].c.h.highest_seen;
	for (;;) {
		__atomic_store_n(&acked->under_way, epoch + 1,
				 __ATOMIC_SEQ_CST);
		if (parallel_epoch(w, ++epoch))
			return 5;
		__atomic_store_n(&acked->clean, epoch, __ATOMIC_SEQ_CST);
	}
}

/* The whole image is of one epoch, and that is the one that it says. */
static bool is_whole_epoch(struct stage_volume *v, uint64_t epoch)
{
	static char want[RIG_BYTES];

	for (unsigned int i = 0; epoch && i < CHUNKS; i++)
		fill(want + i * RIG_CHUNK, RIG_CHUNK, i * RIG_CHUNK, epoch);
	return shows_epoch(v, epoch, want);
}

static int check_epoch(void *arg, const struct stage_epoch *e)
{
	uint64_t **next = arg;

	if (*next)
		*(*next)++ = e->epoch;
	return 0;
}

/* What there is counts as acknowledged from now on: it was seen. */
static bool check_stage(struct acked *acked)
{
	static uint64_t epochs[4096];
	uint64_t *end = epochs;
	struct error err = { 0 };
	struct stage *s = open_stage(false, &err);
	struct stage_info info;
	struct stage_volume *v;
	bool is_good;

	if (!s) {
		printf("# %s\n", err.text);
		return false;
	}
	v = stage_find(s, "a");
	stage_get_info(v, &info);
	is_good = info.state != STAGE_ERROR &&
		  (info.header.last_clean == acked->clean ||
		   info.header.last_clean == acked->under_way);
	if (!is_good)
		printf("# acked %llu, there is %llu: %s\n",
		       (unsigned long long)acked->clean,
		       (unsigned long long)info.header.last_clean,
		       info.error.text);
	acked->clean = info.header.last_clean;
	stage_history(v, check_epoch, &end);
	for (uint64_t *e = epochs; is_good && e < end; e++)
		is_good = is_whole_epoch(v, *e);
	stage_close(s);
	return is_good;
}

static bool kill_one(struct acked *acked, uint64_t n)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(run_child(acked, n + 1));
	usleep(5000 + n * 7919 % 60000);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (!WIFSIGNALED(status)) {
		printf("# the child ended with %d\n", WEXITSTATUS(status));
		return false;
	}
	return check_stage(acked);
}

int main(void)
{
	const char *kills = getenv("STAGE_KILLS");
	int most = getenv("DMR_SOAK") ? 500 : 60;
	unsigned int nr = kills ? atoi(kills) : most, bad = 0;
	struct acked *acked = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct error err = { 0 };
	char command[100];

	snprintf(dir, sizeof(dir), "/tmp/unit-stage-kill.%d", getpid());
	snprintf(command, sizeof(command), "mkdir -p %s", dir);
	if (system(command))
		return 1;
	stage_close(open_stage(true, &err));
	is_int(err.code, 0, "a stage: %s", err.text);
	for (unsigned int n = 0; n < nr && bad < 3; n++)
		bad += !kill_one(acked, n);
	is_int(bad, 0, "%u kills, %llu epochs", nr,
	       (unsigned long long)acked->clean);
	ok(acked->clean > 0, "epochs were committed");
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		return 1;
	return tap_done();
}
