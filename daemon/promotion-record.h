/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The journal of a promotion: STATE_DIR/promotions/VOLUME.json. It says what is
 * to be done, and which steps have been; it stays when all have, for the device
 * is made again by it at each start. When it is given up, it stays until the
 * device is gone.
 */
#ifndef REPLICAD_PROMOTION_RECORD_H
#define REPLICAD_PROMOTION_RECORD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "pairing-file.h"
#include "stage.h"

/* In this order; each may be repeated. The value: it has been done. */
enum promotion_step {
	PROMOTION_BEGUN,	/* what is to be done is on disk */
	PROMOTION_FENCED,	/* old writers are refused */
	PROMOTION_SALVAGED,	/* what will be dropped has a copy (L4) */
	PROMOTION_MARKED,	/* and is dirty, for the new primary (L2) */
	PROMOTION_APPLIED,	/* the base is the image of the epoch */
	PROMOTION_LEFT,		/* the stage has let the volume go */
	PROMOTION_ACTIVE,	/* its device is there */
	PROMOTION_GIVEN_UP,	/* that is over: its device is to go */
};

#define PROMOTION_NAME_LEN	41

struct promotion_record {
	char volume[PROMOTION_NAME_LEN];
	char group[STAGE_NAME_LEN];	/* that it left with others, … */
	char leader[PROMOTION_NAME_LEN];	/* … of which this one led
					 * (P7); "" = it was alone */
	char pair[PAIRING_NAME_LEN];	/* whose server has the stage; "" = none */
	char dir[PATH_MAX];		/* of the stage */
	char base[STAGE_PATH_LEN];
	char metadata[PATH_MAX];	/* a file, a device, or "none" */
	char salvage[PATH_MAX];		/* "" = nothing was dropped */
	uint64_t bytes;			/* of the volume */
	uint64_t epoch;			/* that it is promoted at */
	uint64_t cut_time;		/* of that, ns since 1970, there … */
	uint64_t commit_time;		/* … and when it came; 0 = unknown */
	uint64_t last_clean, last_partial;	/* that the stage had */
	uint64_t generation;		/* the new one … */
	uint64_t old_generation;	/* … and which it succeeds */
	uint64_t begun_at;		/* ns since 1970 */
	uint64_t dropped_bytes;		/* that were here, above the epoch */
	enum promotion_step step;
	bool is_begun;			/* not in the file: there is one, … */
	bool is_lost;			/* … or was: the stage tells it */
};

const char *promotion_step_name(enum promotion_step step);

/* Durable when it returns 0. -errno. */
int promotion_save(const char *state_dir, const struct promotion_record *r);
/* 0; -ENOENT; -EBADMSG. */
int promotion_load(const char *state_dir, const char *volume,
		   struct promotion_record *r);

/* It is gone, durably, when this returns 0; also if there is none. */
int promotion_remove(const char *state_dir, const char *volume);

/* Calls @each for the name of each that there is. */
void promotion_each(const char *state_dir,
		    void (*each)(void *arg, const char *volume), void *arg);

#endif
