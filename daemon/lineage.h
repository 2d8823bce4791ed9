/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sites, each with a generation and the ones that it descends from: who is
 * the primary's successor (L3)? Pure.
 *
 *	mine	is the peer's among my	is mine among the peer's
 *	 = peer's	ancestors?		ancestors?
 *	yes							SAME, or TWINS
 *	no	yes			no			SUCCESSOR
 *	no	no			yes			SUPERSEDED
 *	no	yes			yes			SPLIT_BRAIN
 *	no	neither, but they have a common one		SPLIT_BRAIN
 *	no	neither, and none in common			UNRELATED
 *
 * G1 The answer of the other side fits: SAME, TWINS, SPLIT_BRAIN and UNRELATED
 *    are what both say, SUCCESSOR and SUPERSEDED belong together.
 * G2 It is told by the generations alone, not by how long each has worked by
 *    itself: who is superseded never returns by itself, an operator decides.
 */
#ifndef REPLICAD_LINEAGE_H
#define REPLICAD_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "header.h"

enum lineage {
	LINEAGE_SAME,		/* one line: go on */
	LINEAGE_TWINS,		/* one generation, and both are primary */
	LINEAGE_SUCCESSOR,	/* I have taken over from the peer */
	LINEAGE_SUPERSEDED,	/* the peer has taken over from me */
	LINEAGE_SPLIT_BRAIN,	/* each has gone its own way */
	LINEAGE_UNRELATED,	/* they have nothing in common */
};

struct lineage_side {
	uint64_t generation;
	const struct replica_ancestor *ancestors;	/* youngest first */
	uint32_t nr_ancestors;
	bool is_primary;
};

enum lineage lineage_judge(const struct lineage_side *mine,
			   const struct lineage_side *peer);

/* The epoch at which @side left @generation; 0: it did not descend from it. */
uint64_t lineage_end_of(const struct lineage_side *side, uint64_t generation);

const char *lineage_name(enum lineage lineage);

#endif
