// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Groups, targets and epochs, on the simulated kernel and on targets in memory
 * that lose answers, requests and connections at chosen moments. If this
 * failed, a chunk could be forgotten (P3, P4), a mixed image could be called
 * clean (W6), or another volume's replica be overwritten (W5).
 */
#include "ship-rig.h"

#include <string.h>

/* --- tests ------------------------------------------------------------- */

static void test_sync(void)
{
	begin("first sync in windows, then writes", 1, "window=256KiB");
	check_replica(1, "sync");
	ok(group->epochs_partial >= 2,
	   "a big set goes in windows");
	for (int i = 0; i < 20; i++) {
		write_chunks(&rigs[0], i * 7, 3);
		run_for(15);
	}
	check_replica(1, "writes");
	ok(rigs[0].fake->data_bytes <= BYTES + 60 * CHUNK,
	   "nothing is sent twice");
	stop();
}

static void test_lost_answer(void)
{
	struct dmr_info before;
	uint64_t sent;

	begin("the commit is done, its answer lost (W3)", 1, "");
	check_replica(1, "sync");
	before = info_of(&rigs[0]);
	sent = rigs[0].fake->data_bytes;
	rigs[0].fake->header_kind = REPLICA_KIND_CLEAN;
	rigs[0].fake->header_fault = FAKE_LOSE_ANSWER;
	write_chunks(&rigs[0], 5, 2);
	check_replica(1, "lost answer");
	is_int(info_of(&rigs[0]).nr_aborts, before.nr_aborts,
	       "the epoch is not aborted");
	is_int(info_of(&rigs[0]).nr_commits, before.nr_commits + 1,
	       "the header names it: committed");
	is_int(rigs[0].fake->data_bytes, sent + 2 * CHUNK,
	       "nothing is sent again");
	stop();
}

static void test_lost_request(void)
{
	struct dmr_info before;
	struct replica_header h;

	begin("the commit is lost on its way (W3)", 1, "");
	check_replica(1, "sync");
	before = info_of(&rigs[0]);
	rigs[0].fake->header_kind = REPLICA_KIND_CLEAN;
	rigs[0].fake->header_fault = FAKE_LOSE_REQUEST;
	write_chunks(&rigs[0], 5, 2);
	check_replica(1, "lost request");
	is_int(info_of(&rigs[0]).nr_aborts, before.nr_aborts + 1,
	       "the header does not name it: aborted");
	fake_header(rigs[0].fake, &h);
	ok(h.last_clean > before.highest_seen + 1,
	   "its number is not used again");
	stop();
}

static void test_lost_data(void)
{
	begin("the connection breaks in the data", 1, "");
	check_replica(1, "sync");
	for (int i = 0; i < 5; i++) {
		rigs[0].fake->data_countdown = i;
		rigs[0].fake->data_fault = i % 2 ? FAKE_LOSE_REQUEST :
						   FAKE_ERROR;
		for (int c = 0; c < 8; c++)
			write_chunk(&rigs[0], c * 9 + i);
		run_for(30);
		check_replica(1, "broken data");
	}
	ok(rigs[0].volume->reconnects >= 5, "each time it connects again");
	stop();
}

static bool is_left_applying(void)
{
	struct replica_header h;

	return fake_header(rigs[0].fake, &h) && group->volumes &&
	       group->volumes->reconnects &&
	       h.state == REPLICA_STATE_APPLYING;
}

/* A dead write runs after the chunk was written again. */
static void test_stale_writes(void)
{
	struct replica_header h;
	unsigned int writes;

	begin("a dead connection goes on writing (C2, W6)", 1,
	      "stale_wait=2s");
	check_replica(1, "sync");
	rigs[0].fake->data_fault = FAKE_LOSE_REQUEST;
	rigs[0].fake->data_countdown = 0;
	write_chunks(&rigs[0], 10, 1);
	ok(run_until(is_left_applying, 3000), "it connects again");
	write_chunks(&rigs[0], 10, 1);
	writes = rigs[0].fake->data_writes;
	run_for(100);
	is_int(rigs[0].fake->data_writes, writes,
	       "no data leaves before stale_wait is over");
	ok(fake_header(rigs[0].fake, &h) && h.state == REPLICA_STATE_APPLYING,
	   "until then the header says applying");
	is_int(rigs[0].fake->nr_stale, 1, "a dead write is there");
	fake_run_stale(rigs[0].fake);
	check_replica(1, "stale write");
	stop();
}

static bool is_sending(void)
{
	return group->ship.phase == SHIP_SENDING;
}

static bool is_pumping(void)
{
	return is_sending() && group->volumes->shipment.is_pumping;
}

/* Aborts an epoch that is half sent; returns the header that is left. */
static void stop_in_mid_epoch(struct replica_header *h)
{
	rigs[0].fake->delay_ms = 100;
	write_chunks(&rigs[0], 10, 4);
	ok(run_until(is_pumping, 3000), "data is under way");
	group_stop(group, 1, on_stopped);
	ok(run_until(is_closed, 5000), "it stops in the middle of an epoch");
	free_daemon();
	rigs[0].fake->delay_ms = 0;
	ok(fake_header(rigs[0].fake, h) && h->epoch > h->last_clean,
	   "the epoch is not committed");
}

static void test_polite_end(void)
{
	struct replica_header h;

	begin("a clean stop leaves nothing under way", 1, "stale_wait=1h");
	check_replica(1, "sync");
	stop_in_mid_epoch(&h);
	is_int(h.kind, REPLICA_KIND_HEARTBEAT, "the header says so");
	is_int(h.state, REPLICA_STATE_APPLYING, "… and that it is not whole");
	start(1, "stale_wait=1h");
	check_replica(1, "next daemon, without waiting");
	stop();
}

static void test_rude_end(void)
{
	struct replica_header h;
	unsigned int writes;

	begin("a daemon was killed with an epoch open", 1, "");
	check_replica(1, "sync");
	stop_in_mid_epoch(&h);
	forget_clean_end(&rigs[0]);
	writes = rigs[0].fake->data_writes;
	start(1, "stale_wait=300ms");
	run_for(150);
	is_int(rigs[0].fake->data_writes, writes, "no data for stale_wait");
	check_replica(1, "after it");
	stop();
}

static bool has_failed_read(void)
{
	return !rigs[0].fake->read_fault;
}

/* The first opening breaks after its hello, with no write under way. */
static void test_rude_end_bad_start(void)
{
	struct replica_header h;
	unsigned int writes;

	begin("killed, and the next daemon's first opening fails", 1, "");
	check_replica(1, "sync");
	stop_in_mid_epoch(&h);
	forget_clean_end(&rigs[0]);
	rigs[0].fake->read_fault = 2;
	writes = rigs[0].fake->data_writes;
	start(1, "stale_wait=1s");
	ok(run_until(has_failed_read, 3000), "the header is not read again");
	run_for(600);
	ok(rigs[0].volume->target.state == TARGET_READY, "it is open now");
	is_int(rigs[0].fake->data_writes, writes, "no data for stale_wait");
	check_replica(1, "after it");
	stop();
}

static void test_group(void)
{
	struct replica_header a, b;
	uint64_t commits;

	begin("two volumes commit together (S7)", 2, "");
	check_replica(2, "sync");
	commits = info_of(&rigs[0]).nr_commits;
	rigs[1].fake->header_kind = REPLICA_KIND_CLEAN;
	rigs[1].fake->header_fault = FAKE_ERROR;
	rigs[1].fake->is_down = true;
	write_chunks(&rigs[0], 3, 1);
	write_chunks(&rigs[1], 3, 1);
	ok(run_until(is_connecting, 3000), "one target fails in its commit");
	run_for(50);
	is_int(info_of(&rigs[0]).nr_commits, commits,
	       "the other is not committed either");
	fake_header(rigs[0].fake, &a);
	rigs[1].fake->is_down = false;
	check_replica(2, "later");
	fake_header(rigs[0].fake, &a);
	fake_header(rigs[1].fake, &b);
	is_int(a.last_clean, b.last_clean, "both are at the same epoch");
	ok(!memcmp(a.group_id, b.group_id, 16) && a.members == 2,
	   "the headers name the group");
	stop();
}

static void test_failed_flush(void)
{
	uint64_t aborts, highest;
	struct replica_header h;

	begin("a flush that fails aborts the epoch of both", 2, "");
	check_replica(2, "sync");
	aborts = info_of(&rigs[0]).nr_aborts;
	highest = info_of(&rigs[0]).highest_seen;
	rigs[1].fake->flush_fault = true;
	write_chunks(&rigs[0], 3, 1);
	write_chunks(&rigs[1], 3, 1);
	check_replica(2, "failed flush");
	is_int(info_of(&rigs[0]).nr_aborts, aborts + 1, "aborted, once");
	fake_header(rigs[1].fake, &h);
	ok(h.last_clean > highest + 1, "committed under a new number");
	stop();
}

static void test_degraded(void)
{
	struct replica_header h;

	begin("a member that degrades makes the whole epoch partial", 2, "");
	check_replica(2, "sync");
	sim_degrade_after(rigs[1].name, 1);
	rigs[0].fake->delay_ms = 50;
	rigs[1].fake->delay_ms = 50;
	write_chunks(&rigs[0], 3, 1);
	write_chunks(&rigs[1], 3, 1);
	ok(run_until(is_sending, 3000), "cut; nothing is read yet");
	write_chunks(&rigs[1], 3, 1);
	for (int i = 0; i < 300 && !group->epochs_partial; i++)
		run_for(2);
	is_int(group->epochs_partial, 1, "the epoch is partial");
	fake_header(rigs[0].fake, &h);
	ok(h.last_partial > h.last_clean,
	   "the member that is clean says partial too");
	check_replica(2, "degraded");
	stop();
}

static void go_down(void)
{
	rigs[0].fake->is_down = true;
}

static bool is_given_up(void)
{
	return group->pair.state == PAIR_PAUSED && !group->is_in_doubt;
}

/* The kernel has nothing dirty then; the image is as old as before. */
static void test_kept(void)
{
	struct fake_target *fake = rigs[0].fake;
	uint64_t committed;

	begin("what was kept, and is in no image, counts as behind", 1,
	      "window=256KiB");
	check_replica(1, "sync");
	fake->header_kind = REPLICA_KIND_CLEAN;
	fake->header_fault = FAKE_LOSE_REQUEST;
	fake->before_lost = go_down;
	write_chunks(&rigs[0], 0, 200);
	ok(run_until(is_connecting, 5000), "the clean epoch gets lost");
	group_pause(group);
	ok(run_until(is_given_up, 5000), "and is given up by a pause");
	is_int(info_of(&rigs[0]).nr_dirty, 0, "all was kept");
	committed = group->lag.committed_ns;
	run_for(300);
	ok(group_is_behind(group), "the replica is behind");
	is_int(group->lag.committed_ns, committed, "and says since when");
	fake->before_lost = NULL;
	fake->is_down = false;
	group_resume(group);
	check_replica(1, "when it goes on");
	stop();
}

static void test_falling_behind(void)
{
	uint64_t highest;

	begin("more is written than goes away", 1, "window=64KiB");
	check_replica(1, "sync");
	sim_degrade_after(rigs[0].name, 1);
	rigs[0].fake->delay_ms = 1;
	highest = group->epochs_partial;
	for (int i = 0; i < 400 && !is_falling_behind(); i++) {
		write_chunks(&rigs[0], 0, CHUNKS / 4);
		run_for(2);
	}
	ok(is_falling_behind(), "it says so");
	ok(group->epochs_partial >= highest + PACE_WINDOWS,
	   "after %d windows and a clean cut", PACE_WINDOWS);
	ok(pair_reason(&group->pair)[0] && pair_next_step(group->pair.state)[0],
	   "with a reason and a next step");
	check_replica(1, "when less is written");
	stop();
}

static void test_lost_target(void)
{
	uint64_t sent;

	begin("a target that lost its data gets everything (W5)", 1, "");
	check_replica(1, "sync");
	stop();
	fake_setup(rigs[0].fake, BYTES);
	start(1, "");
	check_replica(1, "empty target");
	ok(!group->volumes->is_synced || group->epochs_clean,
	   "not called synced before");
	sent = rigs[0].fake->data_bytes;
	ok(sent >= CHUNKS * CHUNK / 2, "everything was sent again");
	stop();
}

static void test_reload(void)
{
	struct replica_header before, after;

	begin("the volume is loaded anew, without metadata", 1, "");
	check_replica(1, "sync");
	for (int i = 0; i < 5; i++) {
		write_chunks(&rigs[0], i, 1);
		run_for(25);
	}
	check_replica(1, "writes");
	stop();
	fake_header(rigs[0].fake, &before);
	sim_reload(rigs[0].name);
	write_chunks(&rigs[0], 100, 50);
	start(1, "");
	check_replica(1, "after the load");
	fake_header(rigs[0].fake, &after);
	ok(after.last_clean > before.highest_seen,
	   "numbers go on above what the target has seen");
	ok(replica_session_compare(&after.session, &before.session) > 0,
	   "the session is newer");
	stop();
}

static bool is_paused(void)
{
	return group->pair.state == PAIR_PAUSED;
}

static void test_pause(void)
{
	unsigned int headers;

	begin("pause and resume", 1, "");
	check_replica(1, "sync");
	write_chunks(&rigs[0], 0, 10);
	group_pause(group);
	ok(run_until(is_paused, 3000), "paused");
	run_for(50);
	headers = rigs[0].fake->header_writes;
	write_chunks(&rigs[0], 20, 10);
	run_for(300);
	is_int(rigs[0].fake->header_writes, headers,
	       "nothing goes to the target, not even heartbeats");
	group_resume(group);
	check_replica(1, "resumed");
	stop();
}

/* Shipped, not only said to be: the write comes after the resume. */
static void check_resumed(const char *what)
{
	write_chunks(&rigs[0], 40, 10);
	run_for(100);
	check_replica(1, what);
}

/* What is under way takes @ms. */
static void begin_pause(const char *what, unsigned int ms)
{
	begin(what, 1, "");
	check_replica(1, "sync");
	rigs[0].fake->delay_ms = ms;
	write_chunks(&rigs[0], 0, 4);
	ok(run_until(is_pumping, 3000), "data is under way");
	group_pause(group);
	ok(!is_paused(), "the pause is put off");
}

static void test_resume_before_grace(void)
{
	uint64_t aborted;

	begin_pause("resume while a pause is put off", 1500);
	aborted = group->epochs_aborted;
	group_resume(group);
	ok(!ring_timer_running(&group->grace), "the grace has no end any more");
	rigs[0].fake->delay_ms = 0;
	check_resumed("resumed");
	is_int(group->epochs_aborted, aborted, "nothing is aborted");
	stop();
}

static void test_resume_after_grace(void)
{
	begin_pause("resume when the grace of a pause is over", 1500);
	ring_timer_add(reactor.ring, &group->grace, 0);
	run_for(3);
	ok(!group->wants_ship && !is_pumping(), "it is being aborted");
	group_resume(group);
	ok(!is_paused(), "first the abort");
	rigs[0].fake->delay_ms = 0;
	check_resumed("resumed");
	stop();
}

static bool is_leaving(void)
{
	return is_paused() && group->ship.phase == SHIP_IDLE &&
	       group->volumes->target.state == TARGET_READY &&
	       group->volumes->target.is_writing;
}

static void test_resume_in_farewell(void)
{
	unsigned int opens;

	/* Less than an abort may take (ABORT_GRACE_MS): else there is none. */
	begin_pause("resume while the last header is under way", 300);
	ring_timer_add(reactor.ring, &group->grace, 0);
	ok(run_until(is_leaving, 3000), "it says farewell");
	rigs[0].fake->delay_ms = 0;
	opens = rigs[0].fake->opens;
	group_resume(group);
	check_resumed("resumed");
	is_int(rigs[0].fake->opens, opens + 1, "on a new connection");
	stop();
}

static void test_left_epoch(void)
{
	struct dmr_info before;
	struct dmr_cut cut;

	begin("an epoch that nobody ends", 1, "");
	check_replica(1, "sync");
	before = info_of(&rigs[0]);
	is_int(kernel_cut(reactor.kernel, rigs[0].volume->device.dev,
			  before.highest_seen + 1, 0, &cut), 0, "it is open");
	write_chunks(&rigs[0], 7, 3);
	check_replica(1, "later");
	is_int(info_of(&rigs[0]).nr_aborts, before.nr_aborts + 1,
	       "it was aborted");
	stop();
}

/* One synced member does not speak for the group. */
static void test_group_lag(void)
{
	struct replica_header h;

	begin("the lag is that of the oldest member", 2, "");
	check_replica(2, "sync");
	stop();
	fake_header(rigs[1].fake, &h);
	h.cut_time -= 50000000000ULL;
	for (int i = 0; i < 2; i++, h.seq++)
		replica_header_encode(&h, rigs[1].fake->data +
				      replica_slot_offset(BYTES, h.seq), NULL);
	start(2, "heartbeat=1h");
	ok(run_until(is_replicating, 3000), "it is back");
	is_int(group_image_ns(group), h.cut_time, "the older cut time");
	rigs[0].volume->is_synced = false;
	is_int(group_image_ns(group), 0, "none without an image of each");
	stop();
}

static void test_heartbeat(void)
{
	struct replica_header first, second;

	begin("an idle pair keeps its lag honest", 1, "");
	check_replica(1, "sync");
	run_for(150);
	fake_header(rigs[0].fake, &first);
	run_for(300);
	fake_header(rigs[0].fake, &second);
	is_int(second.kind, REPLICA_KIND_HEARTBEAT, "it beats");
	ok(second.cut_time > first.cut_time, "the image is as of now");
	is_int(second.last_clean, first.last_clean, "without any epoch");
	stop();
}

int main(void)
{
	rig_setup();
	test_sync();
	test_heartbeat();
	test_lost_answer();
	test_lost_request();
	test_lost_data();
	test_stale_writes();
	test_polite_end();
	test_rude_end();
	test_rude_end_bad_start();
	test_group();
	test_failed_flush();
	test_degraded();
	test_kept();
	test_falling_behind();
	test_lost_target();
	test_reload();
	test_pause();
	test_left_epoch();
	test_group_lag();
	test_resume_before_grace();
	test_resume_after_grace();
	test_resume_in_farewell();
	return rig_clear() | tap_done();
}
