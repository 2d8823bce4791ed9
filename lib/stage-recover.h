/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of recovery: what must hold is at the top of stage-recover.c. */
#ifndef REPLICA_STAGE_RECOVER_H
#define REPLICA_STAGE_RECOVER_H

#include "stage-impl.h"

struct found {
	struct stage_segment s;		/* fd -1: taken, or closed */
	struct stage_segment_block b;
	bool is_good;
	bool is_blank;			/* begun, and never written, it seems */
	bool is_chosen;
	bool is_needed;			/* not of the log, and to be kept: Z3 */
	bool is_kept;			/* for that, or for a later one */
};

struct recovery {
	struct stage_group *g;
	struct found *found;		/* by number */
	unsigned int nr, max;
	bool may_go_on;			/* behind its end in that segment: A9 */
	bool is_damaged;		/* Z8 */
	bool is_unreadable;		/* behind its end in that segment */
	uint64_t lost_from;		/* segment; 0: none is lost */
	bool is_kept, is_copied;	/* … but for what stays there */
	bool is_left;			/* not all of it could be put aside */
	int copy_failed;		/* -errno */
	uint64_t unread;		/* bytes that the copy does not have */
};

/* What is behind the end of what counts: stage-behind.c. */
struct behind {
	bool has_commit;
	bool is_acked;			/* something of it: Z8 */
	uint64_t unread;		/* bytes that cannot be read, or more */
	int error;			/* -errno: … for now */
};

/* How long a disk is asked for what it does not give: behind D2. */
struct asking {
	uint64_t upto;			/* given up, in that segment */
	unsigned int in_a_row, nr;	/* blocks that have failed */
};

/* The block at @pos could not be read. None is asked for up to ->upto. */
void stage_asking_failed(struct asking *a, uint64_t pos);
static inline void stage_asking_got(struct asking *a)
{
	a->in_a_row = 0;
}

struct behind stage_look_behind(struct stage_group *g,
				const struct stage_segment *s, uint64_t from);
/* Are there zeros only, and can all of it be read? 1, 0, or -errno for now. */
int stage_is_blank(const struct stage_group *g, const struct stage_segment *s);

/* What there is, sorted, with ->b of what is good. */
int stage_recover_find(struct recovery *rec, struct error *err);
/* Those that are the log are taken from it [fd -1], into the group's list. */
int stage_recover_chain(struct recovery *rec, struct error *err);
/* Left by a killed process: it takes no room behind its end. */
void stage_recover_leave(struct stage_group *g, struct stage_segment *s,
			 uint64_t end);

/*
 * With `found` sorted, and what counts taken from it [fd -1]. An error: what is
 * to be kept could not be.
 */
int stage_recover_discard(struct recovery *rec, struct error *err);

/*
 * While all that was scanned is taken. The log ends at @end_lsn, the scan has
 * at @stop_lsn. An error: what was answered could not be kept. Z3, Z8
 */
int stage_recover_judge(struct recovery *rec, uint64_t end_lsn,
			uint64_t stop_lsn, struct error *err);

/*
 * To NUMBER.seg.lost in the directory, which has its name, durably, when it is
 * whole. Where it is that already, no room is needed. With @unread what cannot
 * be read is no error, but zeros: so many bytes. 0 or -errno.
 */
int stage_recover_copy(struct stage_group *g, const struct stage_segment *s,
		       uint64_t *unread);

/* No new segment gets the number of one that is kept there. 0 or -errno. */
int stage_recover_note_lost(struct stage_group *g);

#endif
