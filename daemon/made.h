/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record of a volume that was made here, by a driver:
 * STATE_DIR/made/VOLUME.json. It stays as long as there is anything of the
 * volume.
 *
 * V1 A record is durable before anything that it names is made, and goes when
 *    all of that is gone: nothing is left over that no record names. What was
 *    renamed, or is in a filesystem that is not mounted, is not gone.
 * V2 What is not MADE_READY was not answered: at the next start it is as if it
 *    had not been asked for, unless the volume is replicated; that is the last
 *    step of its making. What is disabled meanwhile is MADE_READY before.
 * V3 What is MADE_DELETING goes, whatever happens meanwhile.
 * V4 Its id is in the names, or the tags, of what a driver makes: what has it
 *    not is somebody else's, and is left alone.
 * V5 What is MADE_GROWING becomes as large as it says, also after replicad's
 *    death; its metadata first, so that the kernel can take it up. Where the
 *    driver refuses, it is MADE_READY with its size of before.
 * V6 It is MADE_DELETING only when nobody has it open, and nothing of somebody
 *    else would go with it: a delete that is refused is forgotten.
 * V7 What is the base of a replica, or was promoted, is not deleted, but by who
 *    has ended that; also where no pair has its stage any more, and nobody
 *    serves it (stages.h). Nor are snapshots taken of it.
 * V8 V1 to V4 and V6 hold for each of its snapshots, too, which has an id and a
 *    step of its own in the record.
 * V9 What has snapshots is not deleted.
 * V10 What is not MADE_READY goes also where there is no room to say anything
 *    else of it: a making that fails for want of room is undone at once. What
 *    is left then of a snapshot is a line in the record, which goes with the
 *    next of its verbs, or the next start.
 * V11 A name of which an identity is kept, of a volume that was disabled, is no
 *    name for a new one: it would be taken for that, and where its making
 *    failed what is known of the other would go.
 * V12 What was promoted, and not made here, has a record (is_promoted) only
 *    while it grows or has snapshots. None of its own files goes by that.
 */
#ifndef REPLICAD_MADE_H
#define REPLICAD_MADE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "error.h"

#define MADE_NAME_LEN	64

#define MADE_MAX_SNAPSHOTS 64	/* of a volume */

enum made_step { MADE_MAKING, MADE_READY, MADE_DELETING, MADE_GROWING };

/* The base as it was at one moment (V8). */
struct snapshot {
	char name[MADE_NAME_LEN];
	uint64_t id;
	uint64_t bytes;
	int64_t taken_at;		/* seconds since 1970 */
	enum made_step step;		/* never MADE_GROWING */
};

struct made {
	char volume[MADE_NAME_LEN];
	char backend[MADE_NAME_LEN];
	char type[MADE_NAME_LEN];	/* "" = none */
	char driver[8];
	char place[PATH_MAX];		/* the folder, or the volume group */
	char place_id[MADE_NAME_LEN];	/* of the folder that it was made in,
					 * "" = its name says it */
	char pool[MADE_NAME_LEN];	/* thin; "" = none */
	char base[PATH_MAX];
	char metadata[PATH_MAX];
	uint64_t bytes;			/* of the base */
	uint64_t id;			/* V4 */
	enum made_step step;
	bool is_promoted;		/* V12 */
	bool has_others_metadata;	/* not in the file: since it was
					 * promoted its own are not used */
	unsigned int nr_snapshots;
	struct snapshot snapshots[MADE_MAX_SNAPSHOTS];	/* as they were taken */
};

const char *made_step_name(enum made_step step);

/* NULL: it has none of that name. */
struct snapshot *made_snapshot(struct made *m, const char *name);
void made_forget_snapshot(struct made *m, struct snapshot *s);
/* V2, V3, V5, V8: nothing is left to be done of it, or of a snapshot. */
bool made_has_ended(const struct made *m);

/* Durable when it returns 0, V12. -errno with a sentence. */
int made_save(const char *state_dir, const struct made *m, struct error *err);
/* -ENOENT: there is none; -EBADMSG: it is damaged. */
int made_load(const char *state_dir, const char *volume, struct made *m,
	      struct error *err);
/*
 * V2: what is MADE_MAKING is MADE_READY, durably. 0 also for any other, and
 * where there is none, or a damaged one, of which nothing is unmade.
 */
int made_settle(const char *state_dir, const char *volume, struct error *err);
/*
 * V10: false if the next start would undo it, or this snapshot of it (not
 * NULL), by the record that is there, or there is none.
 */
bool made_is_to_stay(const char *state_dir, const char *volume,
		     const char *snapshot);
/* It is gone, durably, when this returns 0; also if there is none. */
int made_remove(const char *state_dir, const char *volume, struct error *err);
/* Calls @each for the name of each that there is. */
void made_each(const char *state_dir,
	       void (*each)(void *arg, const char *volume), void *arg);

/*
 * What the volume has of it, unless it says so itself: base, metadata, backend,
 * type. 0 or -errno.
 */
int made_fill(const struct made *m, struct volume_config *config);
/* Of what was promoted the last two: it has a device, and other metadata. */
int made_fill_promoted(const struct made *m, struct volume_config *config);

#endif
