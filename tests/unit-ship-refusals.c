// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Targets that must not be written to. If this failed, the replica of another
 * volume would be overwritten, or an older primary would write over a newer.
 */
#include "ship-rig.h"

#include <string.h>

#include "status.h"

/* Changes the header as another pair, volume or time would have left it. */
static void forge(void (*change)(struct replica_header *h))
{
	struct replica_header h;

	fake_header(rigs[0].fake, &h);
	change(&h);
	for (int i = 0; i < 2; i++, h.seq++)
		replica_header_encode(&h, rigs[0].fake->data +
				      replica_slot_offset(BYTES, h.seq), NULL);
}

static void other_pair(struct replica_header *h)
{
	h->pair_id[3] ^= 1;
}

static void other_volume(struct replica_header *h)
{
	h->volume_id[3] ^= 1;
}

static void other_size(struct replica_header *h)
{
	h->volume_bytes += CHUNK;
}

static void newer_session(struct replica_header *h)
{
	h->session.loads += 5;
}

static void newer_attach(struct replica_header *h)
{
	h->session.attaches += 2;
}

static void other_generation(struct replica_header *h)
{
	h->generation ^= 1;
}

static void ahead(struct replica_header *h)
{
	h->highest_seen += 100;
}

static void check_status(const char *words)
{
	json_t *o = status_volume(group->volumes);

	ok(json_is_false(json_object_get(o, "replica_consistent")) &&
	   !json_integer_value(json_object_get(o, "last_committed")),
	   "the status claims nothing of it");
	is_int(ring_timer_running(&group->retry), !!strcmp(words, "superseded"),
	       "only who is superseded does not try again by itself");
	json_decref(o);
}

/* Trying often must not make the session newer than the other's. */
static void test_superseded_stays(void)
{
	begin("superseded, again and again", 1, "");
	check_replica(1, "sync");
	stop();
	forge(newer_attach);
	start(1, "");
	for (int i = 0; i < 5; i++) {
		ok(run_until(is_error, 3000), "refused");
		group_resume(group);
		ok(!is_error(), "resumed by an operator");
	}
	ok(run_until(is_error, 3000), "still refused");
	stop();
}

static void check_refused(void (*change)(struct replica_header *h),
			  const char *words)
{
	static char copy[BYTES + 2 * MIB];

	begin(words, 1, "");
	check_replica(1, "sync");
	stop();
	forge(change);
	memcpy(copy, rigs[0].fake->data, rigs[0].fake->size);
	start(1, "");
	write_chunks(&rigs[0], 0, 4);
	ok(run_until(is_error, 3000), "state error");
	ok(strstr(pair_reason(&group->pair), words), "it says: %s", words);
	if (!strstr(pair_reason(&group->pair), words))
		printf("# it says: %s\n", pair_reason(&group->pair));
	check_status(words);
	run_for(50);
	ok(!memcmp(copy, rigs[0].fake->data, rigs[0].fake->size),
	   "not a byte was written to it");
	stop();
}

static void test_refusals(void)
{
	check_refused(other_pair, "belongs to another pair");
	check_refused(other_volume, "another volume of this pair");
	check_refused(other_size, "is the image of a volume of");
	check_refused(newer_session, "superseded");
	check_refused(other_generation, "another generation");
	check_refused(ahead, "rolled back or cloned");
}

static void test_corrupt_header(void)
{
	begin("a header that is torn twice is not a new target", 1, "");
	check_replica(1, "sync");
	stop();
	memset(rigs[0].fake->data + BYTES + 100, 0x55, 4);
	memset(rigs[0].fake->data + BYTES + 4096 + 100, 0x55, 4);
	start(1, "");
	ok(run_until(is_error, 3000), "state error");
	ok(strstr(pair_reason(&group->pair), "header"), "%s",
	   pair_reason(&group->pair));
	stop();
}

static void test_too_small(void)
{
	begin("a target that is too small", 1, "");
	check_replica(1, "sync");
	stop();
	fake_setup(rigs[0].fake, BYTES);
	rigs[0].fake->size -= 4096;
	start(1, "");
	ok(run_until(is_error, 3000), "state error");
	ok(strstr(pair_reason(&group->pair), "too small"), "%s",
	   pair_reason(&group->pair));
	is_int(rigs[0].fake->header_writes, 0, "nothing is written to it");
	stop();
}

int main(void)
{
	rig_setup();
	test_refusals();
	test_superseded_stays();
	test_corrupt_header();
	test_too_small();
	return rig_clear() | tap_done();
}
