// SPDX-License-Identifier: GPL-2.0-or-later
#include "window.h"

#define ROUND_WINDOWS	4
#define ROUND_NS	2000000		/* at least, against noise */
#define HOLD_LONG	32
#define HOLD_SHORT	2
#define FASTER		1.15
#define NOT_SLOWER	0.95

void window_init(struct window *w, uint64_t start, uint64_t min, uint64_t max)
{
	*w = (struct window) {
		.bytes = start < min ? min : start > max ? max : start,
		.min = min,
		.max = max,
	};
}

void window_restart(struct window *w, uint64_t now)
{
	w->begun = now;
	w->answered = 0;
	w->was_full = false;
}

static void trial_begin(struct window *w)
{
	uint64_t bytes = w->try_down ? w->bytes / 2 : w->bytes * 2;

	if (bytes < w->min || bytes > w->max) {
		w->try_down = !w->try_down;
		w->hold = HOLD_LONG;
		return;
	}
	w->trial = w->try_down ? WINDOW_DOWN : WINDOW_UP;
	w->bytes = bytes;
}

/* A success is tried again soon, in the same direction. */
static void trial_end(struct window *w, double rate)
{
	bool good = w->trial == WINDOW_UP ? rate > w->rate * FASTER :
					    rate > w->rate * NOT_SLOWER;

	if (good) {
		w->hold = w->trial == WINDOW_UP ? 0 : HOLD_SHORT;
		w->rate = rate;
	} else {
		w->bytes = w->trial == WINDOW_UP ? w->bytes / 2 :
						   w->bytes * 2;
		w->try_down = w->trial == WINDOW_UP;
		w->hold = HOLD_LONG;
	}
	w->trial = WINDOW_HOLD;
}

static void round_end(struct window *w, double rate)
{
	if (w->trial != WINDOW_HOLD) {
		trial_end(w, rate);
		if (w->hold)
			return;
	} else {
		w->rate = rate;
	}
	if (w->hold)
		w->hold--;
	else
		trial_begin(w);
}

static void too_late(struct window *w, uint64_t now)
{
	w->bytes = w->bytes / 2 > w->min ? w->bytes / 2 : w->min;
	w->trial = WINDOW_HOLD;
	w->hold = HOLD_LONG;
	w->shrunk = now;
	window_restart(w, now);
}

void window_answered(struct window *w, uint64_t bytes, uint64_t started,
		     uint64_t now)
{
	/* What was sent before the last time says nothing new. */
	if (now - started > WINDOW_MAX_NS && started >= w->shrunk) {
		too_late(w, now);
		return;
	}
	w->answered += bytes;
	if (w->answered < ROUND_WINDOWS * w->bytes ||
	    now - w->begun < ROUND_NS)
		return;
	if (w->was_full)
		round_end(w, (double)w->answered / (now - w->begun));
	window_restart(w, now);
}
