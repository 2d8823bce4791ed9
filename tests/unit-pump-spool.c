// SPDX-License-Identifier: GPL-2.0-or-later
/* A chunk is held for a local read, never for the network. */
#include "pump-rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spool.h"
#include "tap.h"

#define MIB	(1 << 20)

static void with_spool(struct rig *r, uint64_t memory, uint64_t spool)
{
	rig_init(r, 4 * MIB, 6);
	r->held = true;
	r->opts.io_bytes = 64 * 1024;
	r->opts.memory = memory;
	r->opts.spool_path = ".";
	r->opts.spool_bytes = spool;
}

static void answer_again(struct rig *r)
{
	r->target.stuck = false;
	ring_post(r->ring, &r->tick);
	rig_run(r);
}

static void test_stuck_target(uint64_t memory)
{
	struct rig r;

	with_spool(&r, memory, 8 * MIB);
	r.target.stuck = r.stop_when_released = true;
	is_int(rig_start(&r), 0, "memory for %d buffers, a target that "
	       "answers nothing", (int)(memory / (64 * 1024)));
	rig_run(&r);
	ok(rig_all_released(&r), "everything is released");
	is_int(r.nr_done, 0, "though not done");
	answer_again(&r);
	is_int(r.result, 0, "when it answers, the job is done");
	ok(rig_is_right(&r), "and right");
	ok(r.stats.bytes_spooled >= 4 * MIB - memory - 8 * 64 * 1024,
	   "the rest went through the spool");
	rig_free(&r);
}

static void test_full(void)
{
	struct rig r;

	with_spool(&r, 256 * 1024, MIB);
	r.target.in_order = true;
	is_int(rig_ship(&r), 0, "a spool smaller than the epoch");
	ok(rig_is_right(&r), "still gives a right job");
	is_str(pump_spool_error(r.pump), "", "to be full is no error");
	rig_free(&r);
}

/* Not held: nobody waits for the chunks to be read. */
static void test_not_held(void)
{
	struct rig r;

	with_spool(&r, 256 * 1024, 8 * MIB);
	r.held = false;
	is_int(rig_ship(&r), 0, "chunks that are not held");
	ok(rig_is_right(&r), "are shipped");
	is_int(r.stats.bytes_spooled, 0, "without the spool");
	rig_free(&r);
}

static void slice_over(struct ring_timer *timer)
{
	struct rig *r = container_of(timer, struct rig, watchdog);

	ring_stop(r->ring);
}

/* Runs a job whose target does not answer before something has failed. */
static int ship_until_failure(struct rig *r)
{
	void (*bark)(struct ring_timer *timer) = r->watchdog.fire;

	r->target.stuck = true;
	if (rig_start(r))
		return -EINVAL;
	r->watchdog.fire = slice_over;
	for (int i = 0; i < 1000 && !*pump_spool_error(r->pump) &&
	     !*pump_error(r->pump); i++) {
		ring_timer_add(r->ring, &r->watchdog, 10);
		ring_run(r->ring);
	}
	r->watchdog.fire = bark;
	answer_again(r);
	return r->result;
}

static void test_faults(void)
{
	struct rig r;

	with_spool(&r, 256 * 1024, 8 * MIB);
	rig_faults.fail_writes = true;
	is_int(ship_until_failure(&r), 0, "a spool that cannot be written");
	ok(rig_is_right(&r), "costs nothing");
	ok(strstr(pump_spool_error(r.pump), "Input/output error"), "%s",
	   pump_spool_error(r.pump));
	rig_free(&r);

	with_spool(&r, 256 * 1024, 8 * MIB);
	rig_faults.corrupt_writes = true;
	is_int(ship_until_failure(&r), -EBADMSG,
	       "a spool that gives back other data");
	ok(strstr(pump_error(r.pump), "other data"), "%s",
	   pump_error(r.pump));
	ok(rig_is_harmless(&r), "one done, nothing twice");
	rig_free(&r);

	with_spool(&r, 256 * 1024, 8 * MIB);
	r.opts.spool_path = "/nowhere/spool";
	is_int(ship_until_failure(&r), 0, "a spool that cannot be made");
	ok(rig_is_right(&r), "costs nothing");
	ok(strstr(pump_spool_error(r.pump), "/nowhere/spool"), "%s",
	   pump_spool_error(r.pump));
	rig_free(&r);
}

static void test_orders(void)
{
	unsigned int right = 0, spooled = 0;

	for (unsigned int seed = 0; seed < 100; seed++) {
		struct rig r;

		with_spool(&r, (2 + seed % 6) * 64 * 1024,
			   (1 + seed % 70) * 64 * 1024);
		r.seed = seed;
		r.opts.depth = 1 + seed % 20;
		rig_random(&r, 1 + seed % 4);
		right += !rig_ship(&r) && rig_is_right(&r);
		spooled += r.stats.bytes_spooled > 0;
		rig_free(&r);
	}
	is_int(right, 100, "100 sets through spools of all sizes are right");
	printf("# %u of them used it\n", spooled);
}

static void test_create(void)
{
	struct spool *s;
	char text[256] = "", name[] = "spool-XXXXXX";
	int fd = mkstemp(name);

	is_int(spool_create(&s, name, MIB, 65536, text, sizeof(text)), 0,
	       "an empty file can be a spool");
	ok(access(name, F_OK), "and has no name from then on");
	for (unsigned int i = 0; i < 16; i++)
		ok(spool_get(s) == i, "slot %u", i);
	is_int(spool_get(s), -ENOSPC, "and then it is full");
	spool_put(s, 7);
	is_int(spool_get(s), 7, "until a slot is given back");
	spool_destroy(s);
	close(fd);

	ok(spool_create(&s, "/bin/sh", MIB, 65536, text, sizeof(text)) < 0,
	   "a file with something in it is refused: %s", text);
	ok(strstr(text, "not empty"), "for that reason");
	ok(!access("/bin/sh", F_OK), "and is left alone");
	ok(spool_create(&s, ".", 1, 65536, text, sizeof(text)) == -EINVAL,
	   "so is a size without room for one buffer: %s", text);
	ok(spool_create(&s, "/dev/null", MIB, 65536, text, sizeof(text)) < 0,
	   "and what is neither file nor disk: %s", text);
}

int main(void)
{
	test_stuck_target(128 * 1024);
	test_stuck_target(512 * 1024);
	test_full();
	test_not_held();
	test_faults();
	test_orders();
	test_create();
	return tap_done();
}
