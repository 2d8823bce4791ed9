/* SPDX-License-Identifier: GPL-2.0 */
/* The chunk bits on disk. See bits.c; one change at a time is in cache.c. */
#ifndef DMR_BITS_H
#define DMR_BITS_H

#include "meta.h"

static inline u64 dmr_first_chunk(const struct dmr_meta *m, u32 region)
{
	return (u64)region << m->dev->geo.region_shift;
}

static inline u64 dmr_last_chunk(const struct dmr_meta *m, u32 region)
{
	return min(dmr_first_chunk(m, region) + m->layout.region_chunks,
		   m->layout.nr_chunks) - 1;
}

/*
 * Below: chunk_lock is not held. No write can come, but for the first one.
 */

/* dmr_meta::range_work. */
void dmr_range_work(struct work_struct *work);

/* Chunks from @chunk to the end get ones on disk. */
int dmr_bits_fill(struct dmr_meta *m, u64 chunk);

/* Adds the first @nr_chunks to slot 0's set, where their bit is set on disk. */
int dmr_bits_load(struct dmr_meta *m, u64 nr_chunks);

#endif
