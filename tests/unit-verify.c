// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What happens to a verify when its target goes away, is taken over, or when
 * replication ends. If this failed, it would hang, use what is gone, or name
 * differences that are none.
 */
#include <stdio.h>
#include <string.h>

#include "extents.h"
#include "ship-rig.h"
#include "verify.h"

static struct verify_report report;

static bool has_ended(void)
{
	return verify_get_report(rigs[0].volume, &report) &&
	       !report.is_running;
}

static bool is_under_way(void)
{
	return verify_get_report(rigs[0].volume, &report) &&
	       report.is_running && rigs[0].fake->reads > 0;
}

static void start_verify(bool is_repair)
{
	char error[CONFIG_ERROR_SIZE] = "";

	rigs[0].fake->reads = 0;
	is_int(verify_start(rigs[0].volume, is_repair, error), 0,
	       "it begins %s", error);
}

static void begin_slowly(const char *what)
{
	begin(what, 1, "");
	check_replica(1, "sync");
	rigs[0].fake->delay_ms = 1000;
	start_verify(false);
	ok(run_until(is_under_way, 20000), "it is under way");
}

static void test_whole(void)
{
	begin("a replica that is right, and one that is not", 1, "");
	check_replica(1, "sync");
	start_verify(false);
	ok(run_until(has_ended, 20000), "it ends");
	is_int(report.compared_bytes, BYTES, "all is compared");
	is_int(report.differing_bytes, 0, "nothing differs");
	rigs[0].fake->data[5 * CHUNK] ^= 1;
	start_verify(true);
	ok(run_until(has_ended, 20000), "it ends");
	is_int(report.differing_bytes, CHUNK, "a chunk differs");
	ok(dmr_extents_contains(report.differing, 5, 1), "the right one");
	is_int(report.repaired_bytes, CHUNK, "it is marked");
	check_replica(1, "and sent again");
	stop();
}

static void test_lost(void)
{
	begin_slowly("the target goes away and comes back");
	rigs[0].fake->header_kind = REPLICA_KIND_OPEN;
	rigs[0].fake->header_fault = FAKE_LOSE_REQUEST;
	rigs[0].fake->is_down = true;
	write_chunk(&rigs[0], 3);
	ok(run_until(is_connecting, 20000), "it is gone");
	run_for(100);
	ok(!has_ended(), "it waits");
	rigs[0].fake->is_down = false;
	rigs[0].fake->delay_ms = 0;
	ok(run_until(has_ended, 20000), "it ends");
	is_int(report.differing_bytes, 0, "nothing differs");
	is_int(report.compared_bytes, BYTES, "all is compared");
	stop();
}

/* V3: what a newer session's target says of us is no difference. */
static void test_superseded(void)
{
	struct fake_target *fake = rigs[0].fake;
	struct replica_header h;
	char *slot;

	begin("another session takes over", 1, "heartbeat=1h");
	check_replica(1, "sync");
	fake->delay_ms = 1000;
	start_verify(false);
	ok(run_until(is_under_way, 20000), "it is under way");
	fake_header(fake, &h);
	h.session.attaches++;
	h.seq += 3;
	slot = fake->data + replica_slot_offset(BYTES, h.seq);
	replica_header_encode(&h, slot, NULL);
	memset(fake->data, 7, BYTES);
	fake->delay_ms = 0;
	ok(run_until(has_ended, 20000), "it ends");
	is_int(report.differing_bytes, 0, "no difference is named");
	ok(strstr(report.error, "another session"), "but this: %s",
	   report.error);
	stop();
}

static void test_stopped(void)
{
	begin_slowly("replication ends meanwhile");
	group_stop(group, 1000, on_stopped);
	ok(run_until(is_closed, 20000), "it does not hold it up");
	ok(has_ended() && report.error[0], "it says why: %s", report.error);
	free_daemon();

	begin_slowly("an operator ends it");
	verify_stop(rigs[0].volume, "enough");
	ok(run_until(has_ended, 20000), "it ends");
	is_str(report.error, "enough", "and says why");
	start_verify(false);
	rigs[0].fake->delay_ms = 0;
	ok(run_until(has_ended, 20000), "it can begin again");
	is_int(report.compared_bytes, BYTES, "and compares all");
	stop();
}

static void test_refused(void)
{
	char error[CONFIG_ERROR_SIZE] = "";

	begin_slowly("one at a time");
	ok(verify_start(rigs[0].volume, false, error) < 0, "%s", error);
	ok(strstr(error, "already"), "in words");
	verify_stop(rigs[0].volume, "enough");
	rigs[0].fake->is_down = true;
	rigs[0].fake->delay_ms = 0;
	ok(run_until(has_ended, 20000), "it ends");
	group_pause(group);
	run_for(100);
	ok(verify_start(rigs[0].volume, false, error) < 0, "paused: %s",
	   error);
	stop();
}

int main(void)
{
	rig_setup();
	test_whole();
	test_lost();
	test_superseded();
	test_stopped();
	test_refused();
	rig_clear();
	return tap_done();
}
