/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many bytes to have under way at a target.
 *
 * Too few, and the link idles; too many, and answers come late (deadlines, a
 * slow abort) and the data has left the processor's cache before it is sent,
 * which costs half of the throughput on a fast link. So we look for the
 * smallest window with about the best rate: by trying. A round is the time in
 * which a few windows are answered; in a trial the next round has twice or half
 * of the window, and is compared with the one before.
 *
 *	HOLD -> UP	enough rounds have passed, or the last trial was a
 *			success; twice the window
 *	UP -> HOLD	worth it (a faster round): keep it; else go back
 *	HOLD -> DOWN	each second time; half the window
 *	DOWN -> HOLD	not slower: keep it; else go back
 *
 * Rounds in which the window was not the limit prove nothing and do not count.
 * A batch that takes longer than WINDOW_MAX_NS halves the window at once.
 */
#ifndef REPLICA_WINDOW_H
#define REPLICA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_MAX_NS	2000000000ull

struct window {
	uint64_t bytes;			/* the window: all others may read it */
	uint64_t min, max;
	enum { WINDOW_HOLD, WINDOW_UP, WINDOW_DOWN } trial;
	bool try_down;			/* the next trial */
	bool was_full;			/* in this round */
	unsigned int hold;		/* rounds until the next trial */
	double rate;			/* of the last round in HOLD */
	uint64_t begun;			/* ns, the round */
	uint64_t answered;		/* bytes in it */
	uint64_t shrunk;		/* ns, when a batch was too late */
};

void window_init(struct window *w, uint64_t start, uint64_t min, uint64_t max);

/* A job begins: what was between is no part of a round. */
void window_restart(struct window *w, uint64_t now);

/* More could have been sent, but for the window. */
static inline void window_is_full(struct window *w)
{
	w->was_full = true;
}

/* @bytes that were sent from @started on are answered. */
void window_answered(struct window *w, uint64_t bytes, uint64_t started,
		     uint64_t now);

#endif
