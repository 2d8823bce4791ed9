// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a client may do to a stage, and a base. If this fails, a client that is
 * gone for ever keeps an epoch open, or a wrong one, or a broken base, costs
 * the image.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage-scene.h"
#include "tap.h"

#define HOUR_MS	3600000ULL
#define IDLE_MS	2000		/* longer than a busy machine takes */


/* --- nothing after open (O5) ---------------------------------------------- */

static bool is_dropped(void)
{
	for (int i = 0; i < 3000; i++) {
		if (info_now().nr_idle_drops)
			return true;
		usleep(10000);
	}
	return false;
}

static void test_idle(void)
{
	struct stage_options o = { .history_ms = HOUR_MS,
				   .open_idle_ms = IDLE_MS };

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, NULL, 0, 2, 2);
	ok(is_dropped(), "an epoch for which nothing comes is dropped");
	is_int(info_now().open_epoch, 0, "none is open");
	is_int(client_write(&c, NULL, 3, 1, 2), -ETIMEDOUT, "data for it");
	ok(strstr(c.err.text, "a: epoch 2 was dropped: nothing came for 2000 ms"),
	   "says why: %s", c.err.text);
	is_int(client_commit(&c, NULL, 2, true), -ETIMEDOUT, "its commit");
	ok(shows_all(c.v, &m), "the image stays");
	o.open_idle_ms = 0;
	client_close(&c);
	stage_close(s);
	s = rig_open(d, &o, NULL);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 2);
	is_int(client_epoch(&c, &m, 3, 3, true), 0, "a new one is taken");
	ok(shows_all(c.v, &m), "and shown");
	end();
}

/* A member's promise does not hold the others' epoch for ever. */
static void test_idle_group(void)
{
	struct stage_options o = { .history_ms = HOUR_MS,
				   .open_idle_ms = IDLE_MS };
	struct client b;

	begin(&o, 2);
	client_connect(&b, s, "b");
	client_hello(&b, 1, 1);
	client_open(&c, 1);
	client_open(&b, 1);
	client_write(&c, NULL, 0, 1, 1);
	is_int(client_commit(&c, NULL, 1, true), 0, "one member has promised");
	ok(is_dropped(), "the other never does");
	is_int(client_commit(&b, NULL, 1, true), -ETIMEDOUT, "it is too late");
	client_close(&b);
	end();
}

static void *write_slowly(void *arg)
{
	client_write(arg, NULL, 2, 3, 2);	/* written at once */
	return NULL;
}

/* While something is under way an epoch is not idle, however slow that is. */
static bool busy_stays(void)
{
	struct stage_options o = { .history_ms = HOUR_MS,
				   .open_idle_ms = IDLE_MS };
	unsigned int in_flight = 0, seen = 0, dropped = 0;
	pthread_t thread;

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	disk_slow(d, ".seg", 3 * IDLE_MS);
	pthread_create(&thread, NULL, write_slowly, &c);
	do {
		usleep(1000);
		pthread_mutex_lock(&c.v->g->lock);
		in_flight = c.v->g->open.in_flight;
		seen |= in_flight;
		dropped |= in_flight && c.v->g->open.state != EPOCH_OPEN;
		pthread_mutex_unlock(&c.v->g->lock);
	} while (in_flight || !seen);
	disk_slow(d, ".seg", 0);
	pthread_join(thread, NULL);
	end();
	return !dropped;
}

/* In a process of its own: without the rule it may end anyhow. */
static bool is_noticed(unsigned long long fault)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(60);
		if (!freopen("/dev/null", "w", stderr))
			_exit(0);
		stage_faults = fault;
		_exit(busy_stays() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return status != 0;
}

/* --- what is written ------------------------------------------------------ */

/* Of two records of one epoch that overlap, what came later counts. */
static void test_overlap(void)
{
	struct stage_options o = { .history_ms = HOUR_MS };
	uint64_t size;

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, &m, 2, 8, 20);
	client_write(&c, &m, 4, 2, 21);
	client_zero(&c, &m, 1, 4);
	client_write(&c, &m, 3, 1, 22);
	client_write(&c, &m, 9, 3, 23);
	is_int(client_commit(&c, &m, 2, true), 0, "overlapping records");
	ok(shows_all(c.v, &m), "are shown in their order");
	client_close(&c);
	stage_close(s);
	o.history_ms = 0;
	s = rig_open(d, &o, NULL);
	client_connect(&c, s, "a");
	ok(shows(&c, m.image[2]), "also after recovery");
	stage_settle(c.v, true, NULL);
	ok(!memcmp(disk_data(d, "/base/a", &size), m.image[2], RIG_BYTES),
	   "and applied in it");
	end();
}

static int write_at(uint64_t off, size_t len)
{
	static char buf[3 * REPLICA_SLOT_BYTES];

	error_clear(&c.err);
	return stage_conn_write(c.conn, buf, len, off, &c.err);
}

/* Nothing but one whole header goes into the tail; data ends at the volume. */
static void test_tail(void)
{
	struct stage_options o = { .history_ms = HOUR_MS };
	uint64_t tail = replica_tail_offset(RIG_BYTES);
	const struct {
		const char *what;
		uint64_t off;
		size_t len;
	} t[] = {
		{ "half a header", tail, 512 },
		{ "both slots at once", tail, 2 * REPLICA_SLOT_BYTES },
		{ "a slot of zeros", tail, REPLICA_SLOT_BYTES },
		{ "between the slots", tail + 512, REPLICA_SLOT_BYTES },
		{ "behind the slots", tail + REPLICA_HEADERS_BYTES, 512 },
		{ "across the volume's end", RIG_BYTES - 512, 1024 },
		{ "behind the volume", RIG_BYTES, 512 },
		{ "across the tail's beginning", tail - 512, 1024 },
		{ "at the export's end", replica_export_bytes(RIG_BYTES) - 512,
		  1024 },
		{ "far away", UINT64_MAX - 511, 512 },
		{ "half a block", 100, 512 },
		{ "nothing", 0, 0 },
	};

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, &m, 1, 1, 2);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		is_int(write_at(t[i].off, t[i].len), -EINVAL, "%s", t[i].what);
		ok(!strncmp(c.err.text, "a: ", 3), "says: %s", c.err.text);
	}
	is_int(stage_conn_zero(c.conn, 512, tail, NULL), -EINVAL,
	       "zeros over the tail");
	is_int(client_commit(&c, &m, 2, true), 0, "the epoch is as it was");
	ok(shows_all(c.v, &m), "and is shown");
	end();
}

/* --- a heartbeat beside a commit ------------------------------------------ */

/* A heartbeat's number is above that of a promise, and a new segment begins
 * with it: the commit that follows there counts all the same. */
static void test_heartbeat_passes(void)
{
	struct stage_options o = { .history_ms = HOUR_MS };
	struct client b;

	begin(&o, 2);
	client_connect(&b, s, "b");
	client_hello(&b, 1, 1);
	client_epoch(&b, NULL, 1, 1, true);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&b, 2);
	client_epoch(&c, &m, 2, 2, true);
	client_header(&c, REPLICA_KIND_HEARTBEAT, 1);
	client_write(&b, NULL, 0, 24, 2);
	is_int(client_commit(&b, NULL, 2, true), 0, "a group's epoch");
	ok(b.v->g->nr_segments > 1, "a segment began between");
	is_int(info_now().header.seq, c.h.seq, "no number goes back");
	client_close(&b);
	is_int(restart(&o, NULL), 0, "opened again");
	is_int(c.h.last_clean, 2, "the header names the epoch");
	ok(shows_all(c.v, &m), "which is the image");
	end();
}

/* --- an open that is refused ---------------------------------------------- */

static void test_refused_open(void)
{
	begin(NULL, 1);
	client_epoch(&c, &m, 1, 1, true);
	is_int(client_open(&c, 2), 0, "an epoch is open");
	client_write(&c, &m, 1, 1, 2);
	is_int(client_open(&c, 1), -EINVAL, "an old number");
	is_int(client_open(&c, 2 + (1ULL << 32)), -EINVAL, "one too high");
	is_int(client_open(&c, 2), -EINVAL, "the same once more");
	is_int(info_now().open_epoch, 2, "cost the open epoch nothing");
	is_int(client_write(&c, &m, 2, 1, 3), 0, "more data for it");
	is_int(client_commit(&c, &m, 2, true), 0, "it is committed");
	ok(shows_all(c.v, &m), "all are shown");
	end();
}

/* --- what a session says of itself (Y8) ----------------------------------- */

/* A header, or a hello of another connection, with one bit of @field wrong. */
static int say(struct client *by, void *field, bool is_hello)
{
	struct replica_header before = by->h;
	int ret;

	*(char *)field ^= 4;
	ret = is_hello ? client_header(by, REPLICA_KIND_HELLO, 0) :
			 client_open(by, 3);
	by->h = before;
	return ret;
}

/* It may be adopted, but not with another connection of the same session. */
static void set_successor(struct replica_header *h, uint64_t generation)
{
	h->ancestors[0].generation = 0x1111;
	h->nr_ancestors = 1;
	h->generation = generation;
}

static void test_other_words(void)
{
	struct client more;

	begin(NULL, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	is_int(say(&c, c.h.pair_id, false), -EPERM, "a header of another pair");
	is_int(say(&c, c.h.volume_id, false), -EPERM, "of another volume");
	is_int(say(&c, &c.h.generation, false), -EPERM,
	       "of another generation");
	ok(strstr(c.err.text, "a: a header of another generation than its "
		  "connection"), "%s", c.err.text);
	is_int(say(&c, &c.h.session.random, false), -EPERM,
	       "of another session");
	client_write(&c, &m, 1, 1, 2);
	is_int(client_commit(&c, &m, 2, true), 0, "cost the epoch nothing");
	client_connect(&more, s, "a");
	more.h = c.h;
	set_successor(&more.h, 0x3333);
	is_int(client_header(&more, REPLICA_KIND_HELLO, 0), -EPERM,
	       "another connection's hello of another generation");
	ok(strstr(more.err.text, "of another generation"), "%s",
	   more.err.text);
	client_close(&more);
	ok(shows_all(c.v, &m), "all are shown");
	end();
}

/* As replicad does: it goes on from the header that it read after its hello. */
static void test_adopted_generation(void)
{
	begin(NULL, 1);
	client_epoch(&c, &m, 1, 1, true);
	set_successor(&c.h, 0x3333);
	is_int(client_hello(&c, 2, 1), 0, "a successor's hello");
	is_int(info_now().header.generation, 0x1111, "is not adopted yet");
	c.h = info_now().header;
	is_int(client_epoch(&c, &m, 2, 2, true), 0, "an epoch by that header");
	is_int(info_now().header.generation, 0x3333, "adopts it");
	is_int(client_epoch(&c, &m, 3, 3, true), 0, "and it goes on");
	ok(shows_all(c.v, &m), "all are shown");
	end();
}

/* --- a base that is broken ------------------------------------------------ */

static void test_broken_base(void)
{
	struct stage_options o = { .history_ms = 0, .log_bytes = 512 << 10 };
	uint64_t e = 1, size;
	int ret = 0;

	begin(&o, 1);
	client_epoch(&c, &m, e, e, true);
	stage_settle(c.v, true, NULL);
	disk_break(d, "/base/");
	while (!ret && ++e < RIG_EPOCHS - 2) {
		client_open(&c, e);
		ret = client_write(&c, &m, 0, 24, e);
		ret = ret ? ret : client_commit(&c, &m, e, true);
	}
	is_int(ret, -ENOSPC, "the log fills up behind a broken base");
	printf("# after %llu epochs\n", (unsigned long long)e);
	is_int(info_now().state, STAGE_ERROR, "which is told");
	ok(strstr(info_now().error.text, "/base/a"), "%s",
	   info_now().error.text);
	ok(shows(&c, m.image[e - 1]), "the newest image stays, from the log");
	ok(stage_settle(c.v, true, &c.err), "it cannot be applied: %s",
	   c.err.text);
	disk_break(d, "");
	while (stage_settle(c.v, true, NULL))
		usleep(10000);
	is_int(info_now().error.code, 0, "when it is well again, so are we");
	ok(!memcmp(disk_data(d, "/base/a", &size), m.image[e - 1], RIG_BYTES),
	   "the base has the image");
	model_drop(&m);
	is_int(client_epoch(&c, &m, e + 1, 99, true), 0, "and it goes on");
	ok(shows(&c, m.image[e + 1]), "with a new one");
	end();
}

int main(void)
{
	test_idle();
	test_idle_group();
	ok(busy_stays(), "what is under way is not idle");
	ok(is_noticed(STAGE_FAULT_O5), "and not without the rule");
	test_overlap();
	test_tail();
	test_heartbeat_passes();
	test_refused_open();
	test_other_words();
	test_adopted_generation();
	test_broken_base();
	return tap_done();
}
