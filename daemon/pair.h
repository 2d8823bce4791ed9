/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of a pair: a volume (or a group) here and its image elsewhere.
 * Pure: an event and a state give the next state and what is to be done.
 */
#ifndef REPLICAD_PAIR_H
#define REPLICAD_PAIR_H

#include <stdbool.h>
#include <stdint.h>

enum pair_state {
	PAIR_DISABLED,		/* nothing runs */
	PAIR_CONNECTING,	/* a target is not ready */
	PAIR_SYNCING,		/* shipping; there is no consistent image yet */
	PAIR_REPLICATING,	/* shipping; the last epoch was clean */
	PAIR_CATCHING_UP,	/* shipping; an older clean epoch is there */
	PAIR_FALLING_BEHIND,	/* shipping, and not catching up: alarm */
	PAIR_PAUSED,		/* by an operator */
	PAIR_FAILING_OVER,	/* of promotion.h: no event leads to it … */
	PAIR_PROMOTED,		/* … nor to this one */
	PAIR_DIVERGED,		/* nor, in this release, to this one */
	PAIR_SUPERSEDED,	/* the other site is the primary now */
	PAIR_SPLIT_BRAIN,	/* both were; nothing moves */
	PAIR_ERROR,		/* an operator must act */
	PAIR_NR_STATES
};

enum pair_event {
	PAIR_EV_ENABLE,
	PAIR_EV_DISABLE,
	PAIR_EV_PAUSE,
	PAIR_EV_RESUME,
	PAIR_EV_CONNECTED_NEW,	/* all targets ready, one without an image */
	PAIR_EV_CONNECTED,	/* all targets ready, each has had an image */
	PAIR_EV_LOST,		/* a target cannot be reached, or failed */
	PAIR_EV_REFUSED,	/* a target or a volume cannot be used */
	PAIR_EV_RETRY,		/* the wait after LOST or REFUSED is over */
	PAIR_EV_CLEAN,		/* a clean epoch is committed */
	PAIR_EV_PARTIAL,	/* the dirty set is too big for a clean cut */
	PAIR_EV_STALLED,	/* and a clean cut in spite of it failed */
	PAIR_EV_SUPERSEDED,	/* a target is of a generation after ours */
	PAIR_EV_SPLIT,		/* or of one that went another way */
	PAIR_EV_FULL,		/* the log at a target has no room (S6) */
	PAIR_EV_GIVEN_UP,	/* by an operator: the other site counts */
	PAIR_NR_EVENTS
};

/* What the caller does after a transition, in this order. */
enum pair_action {
	PAIR_DO_STOP	= 1 << 0,	/* abort the open epoch */
	PAIR_DO_CLOSE	= 1 << 1,	/* close all targets */
	PAIR_DO_OPEN	= 1 << 2,	/* open the targets that are closed */
	PAIR_DO_SHIP	= 1 << 3,	/* run the clock */
	PAIR_DO_RETRY	= 1 << 4,	/* say RETRY after a while */
	PAIR_DO_ALARM	= 1 << 5,	/* tell the operator */
};

struct pair {
	enum pair_state state;
	char reason[256];	/* "" in replicating */
	uint64_t since_ns;	/* monotonic, of the last change */
	/*
	 * Set by the owner: called for each change, and for an error with
	 * another reason (then @from is error), after it. May be NULL.
	 */
	void (*changed)(struct pair *pair, enum pair_state from);
};

void pair_init(struct pair *pair);

/*
 * Takes one event. @reason (may be NULL) becomes the state's reason where the
 * new state is not replicating. Returns PAIR_DO_* bits; 0 for an event that
 * means nothing in this state.
 */
unsigned int pair_handle(struct pair *pair, enum pair_event event,
			 uint64_t now_ns, const char *reason);

/* Shipping runs in this state. */
bool pair_is_shipping(enum pair_state state);

const char *pair_state_name(enum pair_state state);
const char *pair_event_name(enum pair_event event);

/* Why it is in this state: never empty unless replicating. */
const char *pair_reason(const struct pair *pair);

/* What the operator, or replicad, does next; "" in replicating. */
const char *pair_next_step(enum pair_state state);

#endif
