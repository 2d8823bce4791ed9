/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hooks where the daemon, or a group, has to wait for them without blocking. */
#ifndef REPLICAD_HOOKS_LATE_H
#define REPLICAD_HOOKS_LATE_H

#include <stdbool.h>

#include "hooks.h"
#include "ring.h"

struct daemon;
struct group;

/* Q3, at the start: a site that was given up. On the main thread. */
void hooks_pay_all(struct daemon *daemon);

/* A hook of a group; all on the group's thread but the run itself. */
struct group_hook {
	struct ring_job job;
	struct group *group;
	struct hook_call call;
	struct error err;
	unsigned int connections;	/* those that it was asked about */
	bool is_running;
	bool is_answered;		/* ->err has not been looked at yet */
	bool stop;			/* the run looks at it, too */
};

/*
 * May the first copy begin? 1; 0: it is being asked, and the group is kicked
 * then; -EPERM: refused, and why. Asked again each time: an answer about a
 * connection that was lost meanwhile is none.
 */
int group_may_sync(struct group *group, struct error *err);

/* It is superseded now. */
void group_tell_superseded(struct group *group);

/* Nothing runs. What does is told to end, if @is_ending. */
bool group_hooks_are_idle(struct group *group, bool is_ending);

#endif
