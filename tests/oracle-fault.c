// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-fault.h"

#include <stdlib.h>

#define MOST_HEADERS	4	/* pass before one is struck */
#define MOST_DATA	30
#define MOST_IMAGES	5	/* between two faults */

unsigned int faults_below(struct faults *f, unsigned int limit)
{
	return limit ? rand_r(&f->dice) % limit : 0;
}

static void shuffle(struct faults *f)
{
	struct fault swap;
	unsigned int i, j;

	for (i = f->nr; i > 1; i--) {
		j = faults_below(f, i);
		swap = f->order[i - 1];
		f->order[i - 1] = f->order[j];
		f->order[j] = swap;
	}
}

void faults_init(struct faults *f, unsigned int seed, bool kills)
{
	unsigned int phase, action;

	*f = (struct faults){ .dice = seed, .images_due = 1 };
	for (phase = 0; phase < PHASE_OTHER; phase++)
		for (action = ACTION_CUT; action < NR_ACTIONS; action++) {
			if (action == ACTION_KILL && !kills)
				continue;
			f->order[f->nr++] = (struct fault){ phase, action,
							    false };
			if (action != ACTION_HANG)
				f->order[f->nr++] = (struct fault){ phase,
							action, true };
		}
	shuffle(f);
}

static void arm(struct faults *f)
{
	f->armed = f->order[f->next++ % f->nr];
	f->countdown = 1 + faults_below(f, f->armed.phase == PHASE_DATA ?
					MOST_DATA : MOST_HEADERS);
	/* There is a hello only after something has broken. */
	if (f->armed.phase == PHASE_HELLO) {
		f->armed = (struct fault){ PHASE_DATA, ACTION_CUT, false };
		f->next--;
	}
}

/* After a strike: a hello that is next in order comes now. */
static void rearm(struct faults *f, const struct exports *x)
{
	const struct fault *next = &f->order[f->next % f->nr];

	f->armed.action = ACTION_NONE;
	f->images_due = x->nr_images + 1 + faults_below(f, MOST_IMAGES);
	if (next->phase == PHASE_HELLO) {
		f->armed = *next;
		f->next++;
		f->countdown = 1;
	} else if (!faults_below(f, 4)) {
		arm(f);
	}
}

/* A hello that does not come is brought about: nothing had broken. */
static void arm_if_due(struct faults *f, const struct exports *x)
{
	bool is_waiting = f->armed.phase == PHASE_HELLO;

	if (x->nr_images < f->images_due || (f->armed.action && !is_waiting))
		return;
	f->next -= f->armed.action != ACTION_NONE;
	arm(f);
}

static void count(struct faults *f, const struct fault *fault)
{
	bool *seen = &f->is_seen[fault->phase][fault->action][fault->is_after];

	f->done[fault->action]++;
	f->nr_kinds += !*seen;
	*seen = true;
}

struct fault faults_draw(struct faults *f, const struct exports *x,
			 enum phase phase)
{
	const struct fault none = { phase, ACTION_NONE, false };
	struct fault fault;

	if (!f->nr || atomic_load(&x->state->stop))
		return none;
	arm_if_due(f, x);
	if (!f->armed.action || f->armed.phase != phase || --f->countdown)
		return none;
	fault = f->armed;
	count(f, &fault);
	rearm(f, x);
	return fault;
}
