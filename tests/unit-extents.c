// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Extent sets against a plain array of booleans: if this fails, chunks are
 * forgotten, shipped twice or released without having been read.
 */
#include "extents.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "tap.h"

#define CHUNKS 600

static unsigned int seed = 1;

static unsigned int rnd(unsigned int below)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 8) % below;
}

/* The set has exactly the model's chunks, in proper runs. */
static bool same(const struct dmr_extents *set, const bool *model)
{
	uint64_t chunks = 0, last_end = 0;
	const struct dmr_extent *v;
	bool first = true;
	size_t nr, i;
	int c;

	v = dmr_extents_array(set, &nr);
	for (i = 0; i < nr; i++, first = false) {
		if (!v[i].count || (!first && v[i].start <= last_end))
			return false;
		last_end = v[i].start + v[i].count;
		chunks += v[i].count;
	}
	for (c = 0; c < CHUNKS; c++) {
		if (dmr_extents_contains(set, c, 1) != model[c])
			return false;
		chunks -= model[c];
	}
	return chunks == 0 && dmr_extents_runs(set) == nr &&
	       (nr == 0) == dmr_extents_is_empty(set);
}

static void fill(bool *model, unsigned int start, unsigned int count, bool to)
{
	while (count--)
		model[start++] = to;
}

static bool model_any(const bool *model, unsigned int start,
		      unsigned int count)
{
	while (count--)
		if (model[start++])
			return true;
	return false;
}

static bool one_random_step(struct dmr_extents *set, bool *model)
{
	unsigned int start = rnd(CHUNKS), count = 1 + rnd(CHUNKS - start);
	bool add = rnd(2);

	if (rnd(4))
		count = 1 + rnd(count < 8 ? count : 8);
	if (dmr_extents_intersects(set, start, count) !=
	    model_any(model, start, count))
		return false;
	fill(model, start, count, add);
	return (add ? dmr_extents_add(set, start, count) :
		      dmr_extents_subtract(set, start, count)) == 0;
}

static void test_random_changes(void)
{
	DMR_EXTENTS_AUTO set = dmr_extents_create();
	bool model[CHUNKS] = { false };
	int i;

	for (i = 0; i < 20000; i++)
		if (!one_random_step(set, model) || !same(set, model))
			break;
	is_int(i, 20000, "random adds and subtracts equal a plain bitmap");
}

static void random_set(struct dmr_extents *set, bool *model)
{
	int i;

	for (i = rnd(60); i >= 0; i--)
		one_random_step(set, model);
}

static void test_sets(void)
{
	int i, c;

	for (i = 0; i < 500; i++) {
		DMR_EXTENTS_AUTO a = dmr_extents_create();
		DMR_EXTENTS_AUTO b = dmr_extents_create();
		bool ma[CHUNKS] = { false }, mb[CHUNKS] = { false };
		bool is_union = i & 1;

		random_set(a, ma);
		random_set(b, mb);
		for (c = 0; c < CHUNKS; c++)
			ma[c] = is_union ? ma[c] || mb[c] : ma[c] && !mb[c];
		if ((is_union ? dmr_extents_add_set(a, b) :
				dmr_extents_subtract_set(a, b)) ||
		    !same(a, ma) || !same(b, mb))
			break;
	}
	is_int(i, 500, "union and difference of sets equal bitmaps");
}

static void test_windows(void)
{
	DMR_EXTENTS_AUTO set = dmr_extents_create();
	DMR_EXTENTS_AUTO window = dmr_extents_create();
	bool model[CHUNKS] = { false }, seen[CHUNKS] = { false };
	bool full = true, ascending = true;
	uint64_t last = 0;
	struct dmr_extent e;

	random_set(set, model);
	while (!dmr_extents_is_empty(set)) {
		if (dmr_extents_take(set, 7, window))
			break;
		full &= dmr_extents_chunks(window) == 7 ||
			dmr_extents_is_empty(set);
		for (e.start = e.count = 0;
		     dmr_extents_next(window, e.start + e.count, 3, &e);) {
			ascending &= e.start >= last && e.count <= 3;
			last = e.start + e.count;
			fill(seen, e.start, e.count, true);
		}
	}
	ok(full && ascending, "windows are full, ascending and limited");
	ok(!memcmp(model, seen, sizeof(model)), "and together have every chunk");
	is_int(dmr_extents_chunks(set), 0, "an emptied set counts nothing");
	is_int(dmr_extents_take(set, 7, window), 0, "taking from it is fine");
	ok(dmr_extents_is_empty(window), "and clears the window");
}

static void test_many_in_line(void)
{
	DMR_EXTENTS_AUTO set = dmr_extents_create();
	DMR_EXTENTS_AUTO window = dmr_extents_create();
	uint64_t i, taken = 0;

	for (i = 0; i < 1000000; i++)
		dmr_extents_add(set, 2 * i, 1);
	is_int(dmr_extents_runs(set), 1000000, "a million scattered chunks");
	for (i = 0; i < 1000000; i++)
		if (!dmr_extents_take(set, 1, window))
			taken += dmr_extents_chunks(window);
	is_int(taken, 1000000, "taken one by one in linear time");
}

static void test_bad_input(void)
{
	DMR_EXTENTS_AUTO set = dmr_extents_create();
	const struct dmr_extent v[] = { { 1, 2 }, { 5, 0 }, { 9, 1 } };
	struct dmr_extent e;

	is_int(dmr_extents_add(set, 5, 0), -EINVAL, "an empty run is refused");
	is_int(dmr_extents_add(set, UINT64_MAX, 2), -EINVAL,
	       "a run past 2^64 - 1 is refused");
	is_int(dmr_extents_subtract(set, UINT64_MAX, 1), -EINVAL,
	       "also when subtracted");
	ok(!dmr_extents_contains(set, 0, 0) && !dmr_extents_intersects(set, 3,
								      0),
	   "nothing is in a set of nothing");
	is_int(dmr_extents_add_array(set, v, 3), -EINVAL,
	       "an array with an empty run is refused");
	is_int(dmr_extents_chunks(set), 2, "what stood before it is there");
	is_int(dmr_extents_add(set, UINT64_MAX - 1, 1), 0,
	       "the last possible chunk");
	ok(dmr_extents_next(set, 3, 0, &e) && e.start == UINT64_MAX - 1 &&
	   !dmr_extents_next(set, UINT64_MAX, 0, &e), "is found, once");
	dmr_extents_clear(set);
	ok(!dmr_extents_next(set, 0, 0, &e), "clear leaves nothing");
}

int main(void)
{
	test_random_changes();
	test_sets();
	test_windows();
	test_many_in_line();
	test_bad_input();
	return tap_done();
}
