/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stage's part of a promotion: a volume leaves its stage, as it was at an
 * epoch, to become a primary. A group has one log, and leaves as a whole: what
 * is done to one of its members is done to all.
 *
 *	open -[stage_fence]-> fenced -[stage_fence_apply, stage_fence_finish]->
 *	left -[stage_fence_give_up]-> given up
 *
 * All functions return 0 or -errno with a sentence, may be called again after
 * they have succeeded, and block. One thread at a time for a volume. They are
 * for a stage that was opened with ->is_still.
 */
#ifndef REPLICA_STAGE_PROMOTE_H
#define REPLICA_STAGE_PROMOTE_H

#include "stage.h"

enum stage_phase {
	STAGE_PHASE_OPEN,
	STAGE_PHASE_FENCED,	/* writers are refused; nothing is dropped */
	STAGE_PHASE_LEFT,	/* the base is somebody else's */
	STAGE_PHASE_GIVEN_UP,	/* it has left, and is no primary any more:
				 * what the base has is old */
};

struct stage_fence {
	enum stage_phase phase;
	uint64_t epoch;		/* that it is promoted at */
	struct replica_header header;	/* as it is served from now on: the new
					 * generation, with the old one as its
					 * ancestor that ended at ->epoch */
};

void stage_get_fence(struct stage_volume *v, struct stage_fence *fence);

/*
 * What the files say of a volume whose group does not work, so that its fences
 * may not have been read: the first step of any of its members. -errno: nobody
 * can tell.
 */
int stage_fence_look(const struct stage_volume *v, enum stage_phase *phase,
		     struct error *err);

/*
 * Closes the volume to the generation that has written it, durably: all its
 * writers, also those that come later, get -EPERM. @epoch: a clean one of the
 * history. -ENOENT: it is none. -EEXIST: it is fenced already, at another epoch
 * or for another generation. Of a group: all members, or none. A refusal
 * changes nothing.
 */
int stage_fence(struct stage_volume *v, uint64_t epoch, uint64_t generation,
		struct error *err);

/* Would stage_fence() refuse? The same answers, and nothing is changed. */
int stage_fence_check(struct stage_volume *v, uint64_t epoch,
		      uint64_t generation, struct error *err);

/*
 * Reads what was staged last, committed as clean or partial, also above the
 * fence: for the salvage of what stage_above() tells. Whole blocks.
 */
int stage_fence_read(struct stage_volume *v, void *buf, size_t len,
		     uint64_t off, struct error *err);

/* The base (all of the group) is the image of the fence's epoch, durably. */
int stage_fence_apply(struct stage_volume *v, struct error *err);

/*
 * The volume leaves: its log goes, with all that is above the epoch, and its
 * base is closed. By then others must have, durably, what stage_above() tells
 * (L2), and a copy of it (L4). -EINVAL: the base is not at the epoch.
 */
int stage_fence_finish(struct stage_volume *v, struct error *err);

/* --- without the stage, which another process may have open --------------- */

struct stage_members {
	char group[STAGE_NAME_LEN];
	char first[STAGE_NAME_LEN];	/* whose fence is that of all; "" */
	char (*names)[STAGE_NAME_LEN];	/* ascending */
	unsigned int nr;
};

/*
 * Who is in the group of @volume, with it. stage_members_clear(). -EBADMSG: a
 * description is damaged; not only its own, for any may be of its group.
 */
int stage_members_list(const char *dir, const char *volume,
		       struct stage_members *m, struct error *err);
/* All that have a description, damaged or not; no group, no first one. */
int stage_members_all(const char *dir, struct stage_members *m,
		      struct error *err);
void stage_members_clear(struct stage_members *m);

/*
 * Which volume of the stage has @path, or the device or file that it leads to,
 * as its base? -ENOENT: none, or there is no such stage. -EBADMSG: a
 * description is damaged, which may have it. -ENODEV: neither @path nor the
 * device that one names is there, so they may be the same.
 */
int stage_base_user(const char *dir, const char *path,
		    char name[STAGE_NAME_LEN], struct error *err);

/* What the fence of @name in @dir says; OPEN where there is none. */
int stage_fence_peek(const char *dir, const char *name, struct stage_fence *f,
		     struct error *err);

/*
 * The volume that has left is no primary here any more, durably: it is never
 * promoted again from what this stage had. Any other phase stays as it is.
 */
int stage_fence_give_up(const char *dir, const char *name, struct error *err);

#endif
