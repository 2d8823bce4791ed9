/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When the next cut is due, and whether it is to be clean or fuzzy. Pure. */
#ifndef REPLICAD_PACE_H
#define REPLICAD_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_WINDOWS	4	/* without progress, then a clean cut */
#define PACE_SCALE_MAX	4

struct pace {
	uint64_t interval_ns;
	uint64_t last_cut_ns;		/* monotonic, 0 = none yet */
	uint64_t last_commit_ns;	/* how long the last commit took */
	unsigned int scale;		/* windows are so many times as large,
					 * as a power of 2 */
	bool is_window;			/* the present or last cut is fuzzy */
	unsigned int degraded;		/* clean cuts in a row that were not */
	bool is_forced;			/* the present cut: clean, though big */
	uint64_t best;			/* smallest dirty set so far */
	unsigned int stalled;		/* windows since then */
};

enum pace_cut {
	PACE_CLEAN,
	PACE_FUZZY,
};

/* The kind of the cut that is made now. @is_big: above the budget. */
enum pace_cut pace_choose(struct pace *pace, uint64_t dirty, bool is_big);

/*
 * The epoch ended, whose cut was at @cut_ns, after @took_ns, in the last
 * @commit_took_ns of which only its commit was under way. Returns true where
 * catching up does not work: the clean cut that was tried in spite of its size
 * was not clean, or PACE_WINDOWS small ones in a row were not.
 */
bool pace_ended(struct pace *pace, bool was_clean, uint64_t cut_ns,
		uint64_t took_ns, uint64_t commit_took_ns);

/* Monotonic time before which no cut is made; 0 = any. */
uint64_t pace_earliest(const struct pace *pace);

#endif
