/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What promotion-run.c and promotion-plan.c share. Not for others. */
#ifndef REPLICAD_PROMOTION_RUN_IMPL_H
#define REPLICAD_PROMOTION_RUN_IMPL_H

#include <string.h>

#include "promotion-run.h"
#include "stage-promote.h"

struct promotion_work {
	const struct promotion_run *run;
	struct promotion_record *const *all;	/* all[0] leads (P7) */
	unsigned int nr;
	struct promotion_record *r;	/* of them, this one … */
	struct stage_volume *v;		/* … and what the stage has of it */
	struct stage *stage;		/* NULL: not open */
	bool is_again;			/* the bases were let go before */
	uint64_t need;			/* bytes, of the salvages */
	struct error *err;
};

/* From now on w->r and w->v are those of member @i. */
void promotion_select(struct promotion_work *w, unsigned int i);

/* @each, with each of them. Its error, if it has one. */
int promotion_for_each(struct promotion_work *w,
		       int (*each)(struct promotion_work *w));

/* P5: fills the records that were lost. */
int promotion_adopt_lost(struct promotion_work *w);

/* P8: are those all that its stage has in the group, if it has it still? */
int promotion_check_members(struct promotion_work *w);

/* Fills the records: what is to be done. Nothing is changed. */
int promotion_plan(struct promotion_work *w);

/*
 * Are the metadata there that w->r's device is to be made by? -ENOENT …: not
 * yet. Such as are empty are made anew (N3 in promotion-metadata.c).
 */
int promotion_need_metadata(struct promotion_work *w);
/* Before it has left: its marks have to be made again. */
bool promotion_lost_metadata(const struct promotion_record *r,
			     const struct replica_header *h);

/*
 * How large the volume is: as the record says, or its metadata, which are told
 * first when it grows.
 */
uint64_t promotion_bytes(const struct promotion_record *r);
/*
 * How large the metadata at that path must be for a volume of @bytes. -errno
 * with a sentence: they can't be read, or no volume is so large.
 */
int promotion_metadata_need(const char *path, uint64_t bytes, uint64_t *need,
			    struct error *err);

/* Where the salvage of it goes. -ENAMETOOLONG. */
int promotion_name_salvage(const struct promotion_record *r,
			   char path[PATH_MAX]);

uint64_t promotion_now(void);	/* ns since 1970 */

static inline bool promotion_has_metadata(const struct promotion_record *r)
{
	return strcmp(r->metadata, "none");
}

#endif
