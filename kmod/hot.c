// SPDX-License-Identifier: GPL-2.0
/*
 * The hot bitmap: what of it has changed is written at once, so that regions
 * that become hot and regions that have cooled share one write.
 *
 * Invariants:
 *  T1 The bitmap in memory is what the disk should have; a block that may
 *     differ from the disk is among the touched ones. A write that fails leaves
 *     it there.
 *  T2 A bit is 1 on disk wherever it must be: it is set in memory and written
 *     before its region is HOT (H1 in intent.c), and is cleared in memory when
 *     the region is cold and its chunk bits are durable (C1 in cool.c). So the
 *     clear may wait for any later write, and a write may be torn between
 *     sectors: too much is hot on disk then, never too little.
 *  T3 Each region that is HOT is in the ring, or is a victim of the step under
 *     way in cool.c, which may put it back at any time: so the ring has room
 *     for nr_hot, not only for ring_len.
 */
#include "hot.h"

#include <linux/slab.h>

#include "fault.h"

void dmr_hot_free(void **hot, u64 nr)
{
	u64 i;

	for (i = 0; hot && i < nr; i++)
		if (hot[i])
			dmr_block_free(hot[i]);
	kvfree(hot);
}

void **dmr_hot_alloc(u64 nr)
{
	void **hot = kvcalloc(nr, sizeof(void *), GFP_KERNEL);
	u64 i;

	for (i = 0; hot && i < nr; i++) {
		hot[i] = dmr_block_alloc(GFP_KERNEL);
		if (!hot[i]) {
			dmr_hot_free(hot, nr);
			return NULL;
		}
	}
	return hot;
}

void dmr_ring_push(struct dmr_meta *m, u32 region)
{
	unsigned int at = m->ring_head + m->ring_len;

	lockdep_assert_held(&m->hot_lock);
	dmr_assert(m->ring_len < m->ring_size);			/* T3 */
	m->ring[at < m->ring_size ? at : at - m->ring_size] = region;
	m->ring_len++;
}

u32 dmr_ring_pop(struct dmr_meta *m)
{
	u32 region = m->ring[m->ring_head];

	lockdep_assert_held(&m->hot_lock);
	m->ring_len--;
	if (++m->ring_head == m->ring_size)
		m->ring_head = 0;
	return region;
}

bool dmr_hot_touch(struct dmr_meta *m, u32 region)
{
	struct dmr_touched *t = &m->touched;
	u32 block = region / DMR_BLOCK_BITS;
	unsigned int i;

	lockdep_assert_held(&m->hot_lock);
	for (i = 0; i < t->nr; i++)
		if (t->block[i] == block)
			break;
	if (i == DMR_HOT_BLOCKS)
		return false;
	if (i == t->nr) {
		t->block[t->nr++] = block;
		t->sectors[i] = 0;
	}
	t->sectors[i] |= dmr_block_sectors(region % DMR_BLOCK_BITS, 1);
	return true;
}

void dmr_hot_assign(struct dmr_meta *m, u32 region, bool hot)
{
	void *block = m->hot[region / DMR_BLOCK_BITS];

	lockdep_assert_held(&m->hot_lock);
	if (hot)
		dmr_block_set(block, region % DMR_BLOCK_BITS, 1);
	else
		dmr_block_clear(block, region % DMR_BLOCK_BITS, 1);
}

int dmr_hot_write(struct dmr_meta *m)
{
	struct dmr_touched *t = &m->touched;
	struct dmr_block b[DMR_HOT_BLOCKS];
	unsigned int i;
	int r;

	lockdep_assert_held(&m->hot_lock);
	for (i = 0; i < t->nr; i++) {
		b[i].data = m->hot[t->block[i]];
		b[i].nr = dmr_layout_hot_block(&m->layout,
				(u64)t->block[i] * DMR_BLOCK_BITS);
		dmr_block_seal(b[i].data, m->now.volume_id, b[i].nr,
			       t->sectors[i]);
	}
	r = t->nr ? dmr_blocks_write(m->bdev, b, t->nr) : 0;
	if (!r)
		t->nr = 0;
	return r;
}
