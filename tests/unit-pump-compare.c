// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A job that compares sends what differs, all of it and nothing else. If this
 * failed, a resync would leave the replica wrong, or would send everything.
 */
#include "pump-rig.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define MIB	(1 << 20)

static uint64_t nr_chunks(const struct rig *r)
{
	return (r->bytes + RIG_CHUNK - 1) / RIG_CHUNK;
}

static uint64_t chunk_len(const struct rig *r, uint64_t c)
{
	uint64_t left = r->bytes - c * RIG_CHUNK;

	return left < RIG_CHUNK ? left : RIG_CHUNK;
}

/* The target has what the source has, but for about one chunk of @one_of. */
static uint64_t make_alike(struct rig *r, unsigned int one_of)
{
	uint64_t differ = 0;

	memcpy(r->target.image, r->source, r->bytes);
	for (uint64_t c = 0; one_of && c < nr_chunks(r); c++) {
		if (rand_r(&r->seed) % one_of)
			continue;
		r->target.image[c * RIG_CHUNK + chunk_len(r, c) - 1] ^= 1;
		differ += chunk_len(r, c);
	}
	r->compare = true;
	return differ;
}

static bool is_zeros(const struct rig *r, uint64_t c)
{
	for (uint64_t i = 0; i < chunk_len(r, c); i++)
		if (r->source[c * RIG_CHUNK + i])
			return false;
	return true;
}

/* What was to be shipped is equal, released once, and sent at most once. */
static bool is_right(struct rig *r)
{
	bool right = r->nr_done == 1 && !r->result && rig_all_released(r) &&
		     rig_is_harmless(r) &&
		     r->target.digest == r->stats.digest &&
		     r->target.nr_data + r->target.nr_zero ==
		     r->stats.records;

	for (size_t i = 0; i < r->nr_extents; i++)
		for (uint64_t c = r->extents[i].start;
		     c < r->extents[i].start + r->extents[i].count; c++)
			right = right && !memcmp(r->source + c * RIG_CHUNK,
						 r->target.image +
						 c * RIG_CHUNK,
						 chunk_len(r, c));
	return right;
}

static void test_differences(void)
{
	struct rig r;
	uint64_t differ;

	rig_init(&r, 4 * MIB + 512, 0);
	differ = make_alike(&r, 100);
	is_int(rig_ship(&r), 0, "a target that differs in few chunks");
	ok(is_right(&r), "is made alike");
	is_int(r.stats.bytes_sent, differ, "by sending just these");
	is_int(r.stats.bytes_equal, r.bytes - differ, "the rest was equal");
	is_int(r.stats.bytes_compared, r.bytes, "all was compared");
	is_int(r.target.nr_sums, nr_chunks(&r), "one digest for each chunk");
	ok(r.target.sum_requests < nr_chunks(&r) / 32,
	   "in few requests: %u", r.target.sum_requests);
	rig_free(&r);

	rig_init(&r, MIB, 0);
	make_alike(&r, 0);
	is_int(rig_ship(&r), 0, "a target that is alike");
	ok(is_right(&r), "stays so");
	is_int(r.stats.records, 0, "nothing is sent");
	rig_free(&r);
}

/* The last chunk is short, and padded for the target: its digest is not. */
static void test_padding(void)
{
	struct rig r;

	rig_init(&r, MIB + 512, 0);
	make_alike(&r, 0);
	r.target.b.info.min_block = 4096;
	is_int(rig_ship(&r), 0, "blocks of 4 KiB, a volume that ends in one");
	is_int(r.stats.bytes_sent, 0, "nothing differs");
	rig_free(&r);
}

static void test_zeros(void)
{
	struct rig r;
	uint64_t data = 0;

	rig_init(&r, 2 * MIB, 3);
	make_alike(&r, 4);
	for (uint64_t c = 0; c < nr_chunks(&r); c++)
		data += !is_zeros(&r, c);
	is_int(rig_ship(&r), 0, "data and zeros");
	ok(is_right(&r), "are made alike");
	is_int(r.target.nr_sums, data, "no digest is asked for zeros");
	rig_free(&r);
}

static void test_orders(void)
{
	unsigned int right = 0;

	for (unsigned int seed = 0; seed < 200; seed++) {
		uint64_t most;
		struct rig r;

		rig_init(&r, MIB + seed * 512, seed % 5);
		r.seed = seed;
		r.opts.io_bytes = 4096 << seed % 5;
		r.opts.memory = r.opts.io_bytes * (1 + seed % 7);
		r.opts.depth = 1 + seed % 50;
		r.held = seed % 2;
		r.from_memory = seed % 4 == 2;
		if (seed % 3 == 0)
			r.opts.spool_path = "/tmp";
		r.opts.spool_bytes = 2 * MIB;
		most = make_alike(&r, 1 + seed % 9);
		rig_random(&r, 1 + seed % 4);
		right += !rig_ship(&r) && is_right(&r) &&
			 r.stats.bytes_sent <= most;
		rig_free(&r);
	}
	is_int(right, 200, "200 sets, answers in any order, some spooled");
}

/* P7 */
static void test_no_digests(void)
{
	struct rig r;
	uint64_t differ;

	rig_init(&r, 4 * MIB, 0);
	differ = make_alike(&r, 50);
	r.target.sums_fail_at = 3;
	is_int(rig_ship(&r), 0, "one request for digests fails");
	ok(is_right(&r), "the target is made alike");
	ok(r.stats.bytes_sent > differ &&
	   r.stats.bytes_sent <= differ + 256 * 1024,
	   "what it was about was sent: %llu bytes, %llu differ",
	   (unsigned long long)r.stats.bytes_sent,
	   (unsigned long long)differ);
	ok(r.stats.is_unknown, "and that is told");
	rig_free(&r);

	rig_init(&r, MIB, 0);
	make_alike(&r, 0);
	r.target.b.info.can &= ~BACKEND_CAN_SUM;
	is_int(rig_ship(&r), 0, "a target that knows no digests");
	ok(is_right(&r) && r.stats.bytes_sent == MIB, "gets everything");
	rig_free(&r);
}

/* A link of long delay: the next is not asked for when the first is told. */
static void test_many_at_once(void)
{
	struct rig r;

	rig_init(&r, 32 * MIB, 0);
	make_alike(&r, 0);
	r.target.stuck = true;
	rig_start(&r);
	r.stop_when_released = true;
	rig_run(&r);
	is_int(r.target.nr_calls, 128, "all is asked for at once");
	r.target.stuck = false;
	ring_post(r.ring, &r.tick);
	rig_run(&r);
	ok(is_right(&r) && !r.stats.bytes_sent, "and answered");
	rig_free(&r);
}

/* W4: another session's digests prove nothing. */
static void test_other_session(void)
{
	struct rig r;

	rig_init(&r, MIB, 0);
	make_alike(&r, 0);
	r.seed_of_sums = 1;
	r.target.sum_seed = 2;
	is_int(rig_ship(&r), 0, "digests of another session");
	is_int(r.stats.bytes_equal, 0, "equal nothing");
	is_int(r.stats.bytes_sent, MIB, "everything is sent");
	rig_free(&r);
}

static void test_abort(void)
{
	unsigned int harmless = 0, aborted = 0;

	for (unsigned int step = 1; step <= 60; step++) {
		struct rig r;

		rig_init(&r, 2 * MIB, 5);
		r.seed = step;
		r.opts.io_bytes = 16384;
		r.opts.memory = MIB;
		make_alike(&r, 3);
		r.abort_at = step;
		rig_ship(&r);
		aborted += r.result == -ECANCELED;
		harmless += rig_is_harmless(&r);
		rig_free(&r);
	}
	ok(aborted > 30, "aborted in the middle of it, %u times", aborted);
	is_int(harmless, 60, "it ends, and nothing is under way any more");
}

int main(void)
{
	test_differences();
	test_padding();
	test_zeros();
	test_orders();
	test_no_digests();
	test_many_at_once();
	test_other_session();
	test_abort();
	return tap_done();
}
