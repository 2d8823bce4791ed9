/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blocks of chunk bits in memory. See cache.c. A change: begin, want as many
 * blocks as fit, load, set or put, write. All with chunk_lock.
 */
#ifndef DMR_CACHE_H
#define DMR_CACHE_H

#include "meta.h"

#include <linux/math64.h>

#define DMR_SCRATCH_BLOCKS	16

static inline u64 dmr_block_of(u64 chunk)
{
	return div_u64(chunk, DMR_BLOCK_BITS);
}

/* For meta.c, without the lock. 0 or -ENOMEM; exit undoes half an init too. */
int dmr_cache_init(struct dmr_meta *m);
void dmr_cache_exit(struct dmr_meta *m);

/* Nothing is wanted; changes that were not written have not happened. */
void dmr_cache_begin(struct dmr_meta *m);

/*
 * The blocks of chunks @first … @last are wanted too. False: they do not fit
 * beside those that are; for at most DMR_SCRATCH_BLOCKS blocks that is so
 * only if there are some.
 */
bool dmr_cache_want(struct dmr_meta *m, u64 first, u64 last);

/* What is wanted is read where need be. 0 or -errno. Sleeps. */
int dmr_cache_load(struct dmr_meta *m);

/* Instead: what is wanted is made, of ones. */
void dmr_cache_fill(struct dmr_meta *m);

/*
 * Bits of wanted blocks. A sector that was damaged becomes ones before. Chunks
 * @first … @last are set:
 */
void dmr_cache_set(struct dmr_meta *m, u64 first, u64 last);

/* @nr words from @first on are put there: as dmr_block_put(). */
void dmr_cache_put(struct dmr_meta *m, u64 first, const u64 *words,
		   unsigned int nr);

/*
 * The @i-th of those wanted, to be read: all of its sectors are checked.
 * dmr_meta::nr_bad counts damaged ones since begin.
 */
const void *dmr_cache_look(struct dmr_meta *m, unsigned int i, u64 *block);

/* Changes are durable when it returns 0. Sleeps. */
int dmr_cache_write(struct dmr_meta *m);

/* DMR_SCRATCH_BLOCKS blocks for other uses; nothing is cached then. */
struct dmr_block *dmr_cache_scratch(struct dmr_meta *m);

#endif
