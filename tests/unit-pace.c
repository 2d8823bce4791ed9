// SPDX-License-Identifier: GPL-2.0-or-later
/* When the next cut is due, of which kind, and how large a window is. */
#include "pace.h"

#include "tap.h"

#define MS	1000000ull
#define SEC	1000000000ull

static void test_due(void)
{
	struct pace p = { .interval_ns = 100 * MS };

	is_int(pace_earliest(&p), 0,
	       "the first cut may be made at once");
	is_int(pace_choose(&p, 10, false), PACE_CLEAN,
	       "a clean cut of little");
	pace_ended(&p, true, 7 * SEC, 3 * MS, MS);
	is_int(pace_earliest(&p), 7 * SEC + 100 * MS,
	       "the next, not before the interval is over");
	pace_ended(&p, true, 7 * SEC, 200 * MS, 50 * MS);
	is_int(pace_earliest(&p), 7 * SEC + 200 * MS,
	       "nor before four times what the commit took");
	is_int(pace_choose(&p, 1000, true), PACE_FUZZY,
	       "much is cut fuzzy");
	pace_ended(&p, false, 8 * SEC, 200 * MS, 50 * MS);
	is_int(pace_earliest(&p), 0,
	       "windows follow each other at once");
}

static void test_stalled(void)
{
	struct pace p = { .interval_ns = 100 * MS };

	for (int i = 0; i < 20; i++)
		if (pace_choose(&p, 1000 - i, true) != PACE_FUZZY)
			ok(0, "fuzzy while the dirty set becomes smaller");
	for (int i = 1; i < PACE_WINDOWS; i++)
		is_int(pace_choose(&p, 981, true), PACE_FUZZY,
	       "fuzzy, without progress");
	is_int(pace_choose(&p, 981, true), PACE_CLEAN,
	       "then clean, though it is much");
	ok(pace_ended(&p, false, SEC, SEC, MS),
	   "which has not worked if it was not clean");
	is_int(pace_choose(&p, 981, true), PACE_FUZZY,
	       "then from the beginning");
	pace_ended(&p, false, SEC, SEC, MS);
	for (int i = 1; i < PACE_WINDOWS; i++) {
		pace_choose(&p, 10, false);
		ok(!pace_ended(&p, false, SEC, SEC, MS),
		   "small ones that are not clean, in a row");
	}
	pace_choose(&p, 10, false);
	ok(pace_ended(&p, false, SEC, SEC, MS), "are no success either");
}

/* A window of 64 << scale MiB, then a commit of so many round trips. */
static unsigned int scale_of(uint64_t bytes_per_sec, uint64_t commit_ns)
{
	struct pace p = { .interval_ns = 100 * MS };

	for (int i = 0; i < 40; i++) {
		uint64_t bytes = (64ull << 20) << p.scale;

		pace_choose(&p, 1000 - i, true);
		pace_ended(&p, false, SEC, bytes * 1000 / bytes_per_sec *
			   1000000 + commit_ns, commit_ns);
	}
	return p.scale;
}

static void test_scale(void)
{
	struct pace p = { .scale = 3 };

	is_int(scale_of(100000000, 2 * MS), 0,
	       "a near target: windows as configured");
	is_int(scale_of(12000000, 200 * MS), 2,
	       "12 MB/s, 100 ms: four times as large");
	is_int(scale_of(1000000000, 2 * SEC), PACE_SCALE_MAX,
	       "never more than 16 times");
	pace_choose(&p, 1000, true);
	pace_ended(&p, false, SEC, 100 * SEC, 50 * MS);
	is_int(p.scale, 2,
	       "the link has become near: smaller again");
	pace_choose(&p, 10, false);
	pace_ended(&p, true, SEC, SEC, 900 * MS);
	is_int(p.scale, 2,
	       "what is cut clean says nothing of it");
}

int main(void)
{
	test_due();
	test_stalled();
	test_scale();
	return tap_done();
}
