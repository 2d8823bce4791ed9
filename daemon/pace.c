// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The clock of a group. In steady state a cut follows the last commit as soon
 * as something is dirty, not sooner than the interval after the last cut, and
 * that is never less than four times what the commit took: on a slow target
 * commits must not eat the link. Windows of a big set follow each other at
 * once.
 */
#include "pace.h"

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

enum pace_cut pace_choose(struct pace *pace, uint64_t dirty, bool is_big)
{
	pace->is_forced = false;
	pace->is_window = false;
	if (!is_big || pace->has_no_room) {
		pace->is_forced = is_big;
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

bool pace_ended(struct pace *pace, bool was_clean, uint64_t cut_ns,
		uint64_t commit_took_ns)
{
	pace->last_cut_ns = cut_ns;
	pace->last_commit_ns = commit_took_ns;
	pace->has_no_room &= !was_clean;
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
