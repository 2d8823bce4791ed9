/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is not well of this site, and what can be tried of it now: for the
 * method recover. All on the main thread.
 *
 * R1 Nothing is tried that decides anything: only what replicad would try by
 *    itself later, and what somebody has asked for, which is on disk and could
 *    not be ended. What is superseded, or in a split brain, is told only.
 * R2 What is paused stays so.
 * R3 What another verb is at is left to it. What comes between the look and the
 *    try may be one, too, or have ended what is to be tried: each try looks
 *    again when it is its turn (A1 in ops-again.c), and is none then.
 */
#ifndef REPLICAD_RECOVERY_H
#define REPLICAD_RECOVERY_H

#include <jansson.h>
#include <stdbool.h>

struct daemon;
struct scope;

enum recovery_kind { RECOVER_VOLUME, RECOVER_PAIR, RECOVER_RECORD };

enum recovery_try {
	TRY_NOTHING,
	TRY_TARGET,		/* of a volume that runs */
	TRY_START,		/* of one that does not */
	TRY_OUT,		/* it is disabled, but still in the device */
	TRY_FAILOVER,		/* it was begun */
	TRY_ENDING,		/* it was given up here */
	TRY_SERVER,		/* of a pair */
	TRY_RECORD,		/* of one that was made here, or is to go */
};

struct recovery_item {
	struct recovery_item *next;
	enum recovery_kind kind;
	enum recovery_try try;
	char name[64];
	char was[24];			/* its state, when it was looked at */
	bool was_error;			/* an epoch shows that it is over */
	bool is_late;			/* R3: it was not tried */
};

/*
 * All that is not well; @status: of status_all(). *@nr: how many there are of
 * @only (NULL: of @scope), well or not; a volume that is only a replica, or was
 * only made here, counts too. -ENOMEM: *@items has what there was room for.
 */
int recovery_look(struct daemon *daemon, const json_t *status,
		  const char *only, const struct scope *scope,
		  struct recovery_item **items, unsigned int *nr);
void recovery_free(struct recovery_item *items);

/* R3: just before the try. */
bool recovery_is_due(const struct daemon *daemon,
		     const struct recovery_item *item);

/* A few words: what is tried; NULL: nothing. */
const char *recovery_try_name(enum recovery_try try);

/*
 * How it is now. It is at rest when no try of it is under way, also none that
 * was not ours. It is well only when that is known: what was in error and still
 * ships, or is between two states, or on its way from one thread to another, is
 * not; of what is gone replicad knows nothing any more.
 */
struct recovery_state {
	bool is_well, is_at_rest;
	const char *state, *reason, *next_step;	/* good as long as @status */
};

void recovery_judge(const struct daemon *daemon, const json_t *status,
		    const struct recovery_item *item,
		    struct recovery_state *state);

#endif
