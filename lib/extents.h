/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A set of chunks, kept as sorted runs. For sets in memory, of one thread. */
#ifndef REPLICA_EXTENTS_H
#define REPLICA_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/dm-replica.h>

/*
 * The runs are disjoint, ascending and never adjacent. Adding at the end and
 * taking from the front cost O(1), a query O(log runs), any other change
 * O(runs): for many scattered changes build a second set and use the _set
 * forms, which are one pass.
 *
 * Functions that return int return 0 or -ENOMEM or, for a run that is empty or
 * goes past 2^64 - 1, -EINVAL; the set is as before then.
 */
struct dmr_extents;

/* NULL when out of memory. destroy takes NULL. */
struct dmr_extents *dmr_extents_create(void);
void dmr_extents_destroy(struct dmr_extents *set);

static inline void dmr_extents_cleanup(struct dmr_extents **set)
{
	dmr_extents_destroy(*set);
}

#define DMR_EXTENTS_AUTO \
	__attribute__((cleanup(dmr_extents_cleanup))) struct dmr_extents *

void dmr_extents_clear(struct dmr_extents *set);
int dmr_extents_add(struct dmr_extents *set, uint64_t start, uint64_t count);
int dmr_extents_subtract(struct dmr_extents *set, uint64_t start,
			 uint64_t count);

/* set |= other; set &= ~other. Not with a set and itself. */
int dmr_extents_add_set(struct dmr_extents *set,
			const struct dmr_extents *other);
int dmr_extents_subtract_set(struct dmr_extents *set,
			     const struct dmr_extents *other);

/*
 * Adds an array. Has the form of a dmr_extents_fn, so it can be handed to
 * dmr_nl_get_frozen() and its like with the set as argument. On an error the
 * extents before the bad one have been added.
 */
int dmr_extents_add_array(void *set, const struct dmr_extent *v, size_t nr);

uint64_t dmr_extents_chunks(const struct dmr_extents *set);
size_t dmr_extents_runs(const struct dmr_extents *set);

static inline bool dmr_extents_is_empty(const struct dmr_extents *set)
{
	return dmr_extents_runs(set) == 0;
}

/* Whether all, or any, of these chunks are in the set. */
bool dmr_extents_contains(const struct dmr_extents *set, uint64_t start,
			  uint64_t count);
bool dmr_extents_intersects(const struct dmr_extents *set, uint64_t start,
			    uint64_t count);

/* The runs as an array; valid until the set changes. NULL if empty. */
const struct dmr_extent *dmr_extents_array(const struct dmr_extents *set,
					   size_t *nr);

/*
 * The first piece of a run at or after chunk 'from', not longer than 'most'
 * (0 = no limit). false when there is none. To iterate: start with from 0, go
 * on with e->start + e->count. The set may change between two calls.
 */
bool dmr_extents_next(const struct dmr_extents *set, uint64_t from,
		      uint64_t most, struct dmr_extent *e);

/*
 * Moves chunks from the front of 'set' into 'window' (which is cleared first),
 * 'most' at the most; fewer only when the set has no more. After -ENOMEM what
 * has been moved is in the window, the rest in the set.
 */
int dmr_extents_take(struct dmr_extents *set, uint64_t most,
		     struct dmr_extents *window);

#endif
