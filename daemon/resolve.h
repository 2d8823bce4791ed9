/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of an old primary: what is only here is kept aside (L4), and nobody
 * writes here any more, so that its device can become the base of a replica. A
 * group goes as one: each step is done to all of its volumes before the next.
 *
 *	claim [job]	nobody may have the devices open; from now on nobody can
 *			mount them, or claim them otherwise
 *	WAITS		planned: until the target follows
 *	HELD		planned: writers wait; until the target has all of it.
 *			Then it is counted again who has the devices open [job]
 *	CLOSED		a write gets an error (giving-up.h); counted here, where
 *			it was not planned
 *	SALVAGED	the last look, and what is dirty is in a file [job]
 *	DONE		noted: the point of no return
 *	remove [job]	if it was promoted here once: that is over, it is
 *			disabled, and its device goes
 *
 * R1 The last look is after writers were stopped (V1 in giving-up.c). Nobody
 *    else has the device open by then, so that nothing is under way to the disk
 *    while it is read.
 * R2 Only for a volume that is superseded, or in a split brain: it sends
 *    nothing. Or (a planned handover) for one that replicates and owes its
 *    target nothing: then the peer has all that there is.
 * R3 The map is read when no epoch is open: one that was in doubt is aborted,
 *    and dirty again, after the state has changed (L3: dirty or frozen).
 * R4 Whatever comes before DONE is undone when it is refused, is too late, or
 *    this process has ended (V3): the volume goes on as before. After it, the
 *    same may be asked for again, and does the rest.
 * R5 The volume stays, and is superseded, until it is disabled; only the device
 *    of a promotion goes.
 * R6 Of a group, all are done or none (V6): writers of all wait together, and
 *    what one of them is refused has all go on. It is called off, too, when
 *    another volume joins or leaves meanwhile. A planned one is of a group as a
 *    whole, and of the kernel's: its last epoch is one cut.
 * R7 Never do both sites give it up because each was asked by the other: while
 *    this one asks (--keep local), nothing of it is given up here, and one that
 *    gives it up, or has, does not ask.
 * R9 That it asks is noted durably before the other one is told (keeping.h),
 *    and until an answer says whether that one has given it up: what was told
 *    may be done although no answer comes. So R7 holds whatever is lost, or
 *    ends.
 *    An answer counts for all that were asked before, too, if it is of one who
 *    has looked: what never left this site says nothing of those.
 * R10 Who is asked by another site gives up no part of a group: nobody there
 *    has said that the rest may go on without it. Nor more than was named: of
 *    what else is in the group here, that site has perhaps no copy.
 * R8 Nothing is begun (no hook, no claim) while it is connecting, and not known
 *    whether there is a successor: who asks then waits for that. So does who
 *    asks for the next of a group: that connects anew when one was given up.
 */
#ifndef REPLICAD_RESOLVE_H
#define REPLICAD_RESOLVE_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "keeping.h"

struct daemon;

#define RESOLVE_NAMED_MOST	64	/* the answer fits into a message */

struct resolve_request {
	const char *volume;
	const char *dir;	/* of the salvage; NULL: STATE_DIR/salvage */
	bool is_dry;
	bool is_group;		/* all of its group, with it (R6) */
	bool is_asked;		/* by the other site (R10) */
	json_t *named;		/* with is_group: these texts are all of it, or
				 * it is refused (R10). NULL: whatever is */
	bool is_planned;	/* a handover: nothing may be lost … */
	unsigned int wait_ms;	/* … and this long it may take until all is
				 * there, with the claim; and first, R8 */
};

/*
 * The peer's data are kept, ours are not. done() comes once, perhaps from
 * inside the call: -EBUSY in use, or under way already; -EINVAL (R2);
 * -ETIMEDOUT: not all is there …
 */
void resolve_keep_peer(struct daemon *daemon, const struct resolve_request *q,
		       void (*done)(void *arg, json_t *result,
				    const struct error *err), void *arg);

/* The other site is being asked to give it up. */
struct resolve_local {
	struct resolve_local *next;	/* daemon->keeping */
	char volume[64];
	struct keeping note;
	bool was_noted;			/* it was asked before, too */
};

/*
 * R7, R9. ->volume and ->note are filled. 0 until resolve_local_end(); -EBUSY,
 * -EINVAL … @is_known: the note goes.
 */
int resolve_local_begin(struct daemon *daemon, struct resolve_local *l,
			struct error *err);
void resolve_local_end(struct daemon *daemon, struct resolve_local *l,
		       bool is_known);

/*
 * R7, R9. 0: it neither was given up here nor is being so, and nobody else is
 * asked for that; -EBUSY, -EINVAL … with a sentence. Main thread.
 */
int resolve_check_idle(const struct daemon *daemon, const char *volume,
		       struct error *err);

/* Is it being given up here, or was it, or can that not be said? */
bool resolve_may_be_over(const struct daemon *daemon, const char *volume);
/* It was, and nothing takes that back: it is known, and not under way. */
bool resolve_is_over(const struct daemon *daemon, const char *volume);
/* Is it being given up here, or can that not be said? */
bool resolve_may_go_on(const struct daemon *daemon, const char *volume);

#endif
