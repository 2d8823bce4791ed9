/* SPDX-License-Identifier: GPL-2.0 */
/* The hot bitmap, and the ring of regions that are hot. See hot.c. */
#ifndef DMR_HOT_H
#define DMR_HOT_H

#include "meta.h"

/* @nr blocks of hot bits, all zeros; NULL without memory. */
void **dmr_hot_alloc(u64 nr);
void dmr_hot_free(void **hot, u64 nr);

/*
 * Below: hot_lock.
 */

void dmr_ring_push(struct dmr_meta *m, u32 region);
u32 dmr_ring_pop(struct dmr_meta *m);

/* The block of @region may change. False: dmr_hot_write() first. */
bool dmr_hot_touch(struct dmr_meta *m, u32 region);

/* Its bit, in memory; the block was touched. */
void dmr_hot_assign(struct dmr_meta *m, u32 region, bool hot);

/*
 * Makes durable what has changed; sleeps. 0, or -errno: any of the changes may
 * be durable or not, and the next call writes them again.
 */
int dmr_hot_write(struct dmr_meta *m);

#endif
