/* SPDX-License-Identifier: GPL-2.0 */
/* The chunk bits on disk, a few blocks at a time. See bits.c. */
#ifndef DMR_BITS_H
#define DMR_BITS_H

#include "meta.h"

#include <linux/math64.h>

/* Some blocks in a row of the chunk bits, in dmr_meta::blocks; chunk_lock. */
struct dmr_window {
	u64 first;			/* number of a block of chunk bits */
	unsigned int nr;		/* blocks, at most DMR_META_BLOCKS */
	unsigned int bad;		/* sectors that did not match */
	u8 touched[DMR_META_BLOCKS];	/* sectors that were looked at */
};

static inline u64 dmr_block_of(u64 chunk)
{
	return div_u64(chunk, DMR_BLOCK_BITS);
}

static inline u64 dmr_first_chunk(const struct dmr_meta *m, u32 region)
{
	return (u64)region << m->dev->geo.region_shift;
}

static inline u64 dmr_last_chunk(const struct dmr_meta *m, u32 region)
{
	return min(dmr_first_chunk(m, region) + m->layout.region_chunks,
		   m->layout.nr_chunks) - 1;
}

/* Reads blocks @first … @last. 0 or -errno. */
int dmr_window_read(struct dmr_meta *m, struct dmr_window *w, u64 first,
		    u64 last);
/* Durable when it returns 0. */
int dmr_window_write(struct dmr_meta *m, struct dmr_window *w);
/*
 * Chunks @first … @last, which are in the window. A sector that was damaged
 * becomes ones before.
 */
void dmr_window_assign(struct dmr_meta *m, struct dmr_window *w, u64 first,
		       u64 last, bool set);

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
