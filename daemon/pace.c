// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The clock of a group. In steady state a cut follows the last commit as soon
 * as something is dirty, not sooner than the interval after the last cut, and
 * that is never less than four times what the commit took: on a slow target
 * commits must not eat the link. Windows of a big set follow each other at
 * once. Between two the link is idle for some round trips: where that is more
 * than a small part of the time, as on a long link, the next are larger.
 */
#include "pace.h"

/* The part of a commit that makes windows larger, and smaller: 1 in … */
#define IDLE_MOST	64
#define IDLE_LEAST	512

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

enum pace_cut pace_choose(struct pace *pace, uint64_t dirty, bool is_big)
{
	pace->is_forced = false;
	pace->is_window = false;
	if (!is_big) {
		pace->best = 0;
		pace->stalled = 0;
		return PACE_CLEAN;
	}
	if (!pace->best || dirty < pace->best) {
		pace->best = dirty;
		pace->stalled = 0;
	} else if (++pace->stalled >= PACE_WINDOWS) {
		pace->stalled = 0;
		pace->best = 0;
		pace->is_forced = true;
		return PACE_CLEAN;
	}
	pace->is_window = true;
	return PACE_FUZZY;
}

static void scale(struct pace *pace, uint64_t epoch_took, uint64_t commit_took)
{
	if (commit_took * IDLE_MOST > epoch_took &&
	    pace->scale < PACE_SCALE_MAX)
		pace->scale++;
	else if (commit_took * IDLE_LEAST < epoch_took && pace->scale)
		pace->scale--;
}

bool pace_ended(struct pace *pace, bool was_clean, uint64_t cut_ns,
		uint64_t took_ns, uint64_t commit_took_ns)
{
	if (pace->is_window && !was_clean)
		scale(pace, took_ns, commit_took_ns);
	pace->last_cut_ns = cut_ns;
	pace->last_commit_ns = commit_took_ns;
	pace->degraded = was_clean || pace->is_window ? 0 : pace->degraded + 1;
	return (pace->is_forced && !was_clean) ||
	       pace->degraded >= PACE_WINDOWS;
}

uint64_t pace_earliest(const struct pace *pace)
{
	if (!pace->last_cut_ns || pace->is_window)
		return 0;
	return pace->last_cut_ns + max_u64(pace->interval_ns,
					   4 * pace->last_commit_ns);
}
