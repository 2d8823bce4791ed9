// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Writers that wait for room in a log, while a slow base makes some. If this
 * fails, a request waits for longer than its client does, which is told of a
 * broken link instead of a full log; or those who wait keep a processor busy,
 * the one that the applier needs.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "stage-scene.h"
#include "tap.h"

#define CHUNKS		(RIG_BYTES / RIG_CHUNK)
#define HOUR_MS		3600000ULL
#define NS_PER_MS	1000000ULL
#define SLOW_MS		200		/* a write to the base */
#define MOST_SWITCHES	500		/* who wake each other: far more */
#define NR_RECORDS	6		/* of an epoch: so many of those */

/* The log has room for two epochs, which nobody pushes out while young. */
static const struct stage_options hour = {
	.log_bytes = 320 << 10, .history_ms = HOUR_MS,
	.history_min_ms = HOUR_MS / 2,
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static long nr_switches(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return r.ru_nvcsw;
}

static int send_whole(uint64_t epoch)
{
	int ret = client_open(&c, epoch);

	if (!ret)
		ret = client_write(&c, &m, 0, CHUNKS, epoch);
	return ret;
}

/* Clean epochs that are all of it, may go now, and take long for that. */
static void fill_log(const struct stage_options *o)
{
	begin(o, 1);
	disk_set_now(d, HOUR_MS * NS_PER_MS);
	stage_fault_patience_ms = 1;	/* none is left to who comes later */
	for (uint64_t e = 1; e <= 2; e++) {
		is_int(send_whole(e), 0, "epoch %d", (int)e);
		client_commit(&c, &m, e, true);
	}
	stage_settle(c.v, false, NULL);
	stage_fault_patience_ms = 0;
	disk_slow(d, "base", SLOW_MS);
	disk_set_now(d, HOUR_MS * NS_PER_MS / 4 * 7);
}

/* A request of several records, which need what both of them have. */
static void test_one_patience(void)
{
	uint64_t began;
	int ret;

	fill_log(&hour);
	stage_fault_patience_ms = NR_RECORDS * SLOW_MS + SLOW_MS / 2;
	began = now_ms();
	ret = send_whole(3);
	began = now_ms() - began;
	printf("# after %llu ms\n", (unsigned long long)began);
	is_int(ret, -ENOSPC, "a request has one patience: %s", c.err.text);
	ok(strstr(c.err.text, "makes no room in time"), "as it is told");
	ok(began >= stage_fault_patience_ms, "and has it to its end");
	stage_fault_patience_ms = 0;
	is_int(come_back(2), 0, "the writer comes back");
	is_int(send_whole(4), 0, "the next one has its own");
	is_int(client_commit(&c, &m, 4, true), 0, "it is committed");
	ok(shows(&c, m.image[4]), "it is the image");
	end();
}

/* Who opens the stage knows how long its clients wait. */
static void test_patience_of_stage(void)
{
	struct stage_options o = hour;
	uint64_t began;

	o.patience_ms = SLOW_MS;
	fill_log(&o);
	began = now_ms();
	is_int(send_whole(3), -ENOSPC, "a stage of less patience: %s",
	       c.err.text);
	ok(strstr(c.err.text, "makes no room in time"), "as it is told");
	ok(now_ms() - began >= o.patience_ms, "and has it to its end");
	end();
}

/* A header must be in the log: more of them than one segment has room for. */
static void test_header(void)
{
	uint64_t began;
	int ret = 0;

	fill_log(&hour);
	began = now_ms();
	for (int i = 0; !ret && i < 20; i++)
		ret = client_header(&c, REPLICA_KIND_HANDOVER, 2);
	is_int(ret, 0, "a header has patience, too: %s", c.err.text);
	ok(now_ms() - began >= SLOW_MS, "which it needs");
	end();
}

struct writer {
	struct client client;
	uint64_t chunk;
	int ret;
	pthread_t thread;
};

static void *write_half(void *arg)
{
	struct writer *w = arg;

	w->ret = client_write(&w->client, &m, w->chunk, CHUNKS / 2, 3);
	return NULL;
}

/* Room ends for both at the same moment. */
static void test_two_wait(void)
{
	struct writer w[2] = { { .chunk = 0 }, { .chunk = CHUNKS / 2 } };
	uint64_t began;
	long nr;

	fill_log(&hour);
	is_int(client_open(&c, 3), 0, "two writers of an epoch");
	began = now_ms();
	nr = nr_switches();
	for (int i = 0; i < 2; i++) {
		client_connect(&w[i].client, s, "a");
		client_hello(&w[i].client, 1, 1);
		pthread_create(&w[i].thread, NULL, write_half, &w[i]);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(w[i].thread, NULL);
		is_int(w[i].ret, 0, "it is taken: %s", w[i].client.err.text);
		c.records += w[i].client.records;
		c.digest += w[i].client.digest;
		client_close(&w[i].client);
	}
	nr = nr_switches() - nr;
	printf("# after %llu ms, %ld switches\n",
	       (unsigned long long)(now_ms() - began), nr);
	ok(now_ms() - began >= NR_RECORDS * SLOW_MS, "they had to wait");
	ok(nr < MOST_SWITCHES, "in peace");
	is_int(client_commit(&c, &m, 3, true), 0, "it is committed: %s",
	       c.err.text);
	ok(shows(&c, m.image[3]), "and is the image");
	end();
}

int main(void)
{
	test_one_patience();
	test_patience_of_stage();
	test_header();
	test_two_wait();
	return tap_done();
}
