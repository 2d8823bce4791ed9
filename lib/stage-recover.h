/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of recovery: what must hold is at the top of stage-recover.c. */
#ifndef REPLICA_STAGE_RECOVER_H
#define REPLICA_STAGE_RECOVER_H

#include "stage-impl.h"

struct found {
	struct stage_segment s;		/* fd -1: taken, or closed */
	struct stage_segment_block b;
	bool is_good;
	bool is_blank;			/* begun, and never written */
	bool is_chosen;
};

struct recovery {
	struct stage_group *g;
	struct found *found;		/* by number */
	unsigned int nr, max;
	int ret;
};

/*
 * With `found` sorted, and what counts taken from it [fd -1]. An error: what is
 * to be kept could not be.
 */
int stage_recover_discard(struct recovery *rec, struct error *err);

/* Is there one from @from on, or what cannot be read? */
bool stage_recover_has_commit(struct stage_group *g,
			      const struct stage_segment *s, uint64_t from);

#endif
