// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks of chunk bits in memory: so many that a volume's working set need not
 * be read again, and that a step of cool.c can write all of its blocks at once.
 * A block has one place that it can be in: its number modulo their number.
 *
 * Invariants:
 *  A1 What is here and was not changed since begin is what the disk has. A
 *     change that was not written, or of which it isn't known, is forgotten at
 *     the next begin, with its block. (Nobody else writes the device.)
 *  A2 A sector is used only if it was checked since it was read, or made here.
 *     One that is not used is written back as it was read: damage stays
 *     damage, and counts as ones (F3 in format.c).
 *  A3 Wanted blocks stay in their places until the next begin.
 */
#include "cache.h"

#include <linux/minmax.h>
#include <linux/slab.h>

/* Places: 1 MiB, for the bits of 31 GiB in chunks of 4 KiB. */
#define MAX_PLACES	256U

#define NO_BLOCK	(~0ULL)

struct dmr_cached {
	u64 block;			/* its number, or NO_BLOCK */
	void *data;
	u8 good;			/* sectors that may be used: A2 */
	u8 changed;			/* sectors that the disk has not */
	bool loaded;
	bool wanted;
};

static void forget(struct dmr_cached *c)
{
	c->block = NO_BLOCK;
	c->good = 0;
	c->changed = 0;
	c->loaded = false;
}

int dmr_cache_init(struct dmr_meta *m)
{
	u64 blocks = dmr_layout_nr_chunk_blocks(&m->layout);
	unsigned int i, nr;

	nr = clamp_t(u64, blocks, DMR_SCRATCH_BLOCKS, MAX_PLACES);
	m->cache = kvcalloc(nr, sizeof(*m->cache), GFP_KERNEL);
	m->wanted = kvcalloc(nr, sizeof(*m->wanted), GFP_KERNEL);
	m->io = kvcalloc(nr, sizeof(*m->io), GFP_KERNEL);
	if (!m->cache || !m->wanted || !m->io)
		return -ENOMEM;
	m->nr_cache = nr;
	for (i = 0; i < nr; i++) {
		forget(&m->cache[i]);
		m->cache[i].data = dmr_block_alloc(GFP_KERNEL);
		if (!m->cache[i].data)
			return -ENOMEM;
	}
	return 0;
}

void dmr_cache_exit(struct dmr_meta *m)
{
	unsigned int i;

	for (i = 0; i < m->nr_cache; i++)
		if (m->cache[i].data)
			dmr_block_free(m->cache[i].data);
	kvfree(m->cache);
	kvfree(m->wanted);
	kvfree(m->io);
}

static struct dmr_cached *place_of(struct dmr_meta *m, u64 block)
{
	u32 rest;

	div_u64_rem(block, m->nr_cache, &rest);
	return &m->cache[rest];
}

/* A1. */
void dmr_cache_begin(struct dmr_meta *m)
{
	struct dmr_cached *c;

	lockdep_assert_held(&m->chunk_lock);
	while (m->nr_wanted) {
		c = m->wanted[--m->nr_wanted];
		c->wanted = false;
		if (c->changed || !c->loaded)
			forget(c);
	}
	m->nr_bad = 0;
}

static bool is_free_for(struct dmr_meta *m, u64 block)
{
	const struct dmr_cached *c = place_of(m, block);

	return !c->wanted || c->block == block;
}

static void take(struct dmr_meta *m, u64 block)
{
	struct dmr_cached *c = place_of(m, block);

	if (c->wanted)
		return;
	c->wanted = true;
	m->wanted[m->nr_wanted++] = c;
	if (c->block == block)
		return;
	forget(c);
	c->block = block;
}

bool dmr_cache_want(struct dmr_meta *m, u64 first, u64 last)
{
	u64 from = dmr_block_of(first), to = dmr_block_of(last), block;

	if (to - from >= m->nr_cache)
		return false;
	for (block = from; block <= to; block++)
		if (!is_free_for(m, block))
			return false;
	for (block = from; block <= to; block++)
		take(m, block);
	return true;
}

static void add_io(struct dmr_meta *m, unsigned int nr,
		   const struct dmr_cached *c)
{
	m->io[nr].data = c->data;
	m->io[nr].nr = dmr_layout_chunk_block(&m->layout,
					      c->block * DMR_BLOCK_BITS);
}

int dmr_cache_load(struct dmr_meta *m)
{
	unsigned int i, nr = 0;
	int r;

	for (i = 0; i < m->nr_wanted; i++)
		if (!m->wanted[i]->loaded)
			add_io(m, nr++, m->wanted[i]);
	r = nr ? dmr_blocks_read(m->bdev, m->io, nr) : 0;
	for (i = 0; i < m->nr_wanted && !r; i++)
		m->wanted[i]->loaded = true;
	return r;
}

void dmr_cache_fill(struct dmr_meta *m)
{
	struct dmr_cached *c;
	unsigned int i;

	for (i = 0; i < m->nr_wanted; i++) {
		c = m->wanted[i];
		dmr_block_set(c->data, 0, DMR_BLOCK_BITS);
		c->good = DMR_ALL_SECTORS;
		c->changed = DMR_ALL_SECTORS;
		c->loaded = true;
	}
}

/* A2. */
static void check(struct dmr_meta *m, struct dmr_cached *c, u8 sectors)
{
	unsigned int bad;
	u64 nr;

	sectors &= ~c->good;
	if (!sectors)
		return;
	nr = dmr_layout_chunk_block(&m->layout, c->block * DMR_BLOCK_BITS);
	bad = dmr_block_check(c->data, m->now.volume_id, nr, sectors);
	c->good |= sectors;
	m->nr_bad += bad;
	if (bad)
		dmr_warn_limit(m->dev,
			       "metadata: %u damaged sectors of chunk bits: all dirty",
			       bad);
}

/* The block of @first; up to @nr chunks in it are about to change. */
static void *change(struct dmr_meta *m, u64 first, u64 nr, unsigned int *at,
		    unsigned int *n)
{
	u64 block = dmr_block_of(first);
	struct dmr_cached *c = place_of(m, block);

	*at = first - block * DMR_BLOCK_BITS;
	*n = min_t(u64, nr, DMR_BLOCK_BITS - *at);
	check(m, c, dmr_block_sectors(*at, *n));
	c->changed |= dmr_block_sectors(*at, *n);
	return c->data;
}

void dmr_cache_set(struct dmr_meta *m, u64 first, u64 last)
{
	unsigned int at, n;
	void *data;

	for (; first <= last; first += n) {
		data = change(m, first, last - first + 1, &at, &n);
		dmr_block_set(data, at, n);
	}
}

void dmr_cache_put(struct dmr_meta *m, u64 first, const u64 *words,
		   unsigned int nr)
{
	unsigned int at, n;
	void *data;

	for (; nr; nr -= n, words += n, first += n * 64) {
		data = change(m, first, nr * 64, &at, &n);
		n /= 64;
		dmr_block_put(data, at, words, n);
	}
}

const void *dmr_cache_look(struct dmr_meta *m, unsigned int i, u64 *block)
{
	struct dmr_cached *c = m->wanted[i];

	check(m, c, DMR_ALL_SECTORS);
	*block = c->block;
	return c->data;
}

int dmr_cache_write(struct dmr_meta *m)
{
	struct dmr_cached *c;
	unsigned int i, nr = 0;
	int r;

	for (i = 0; i < m->nr_wanted; i++) {
		c = m->wanted[i];
		if (!c->changed)
			continue;
		add_io(m, nr, c);
		dmr_block_seal(c->data, m->now.volume_id, m->io[nr++].nr,
			       c->changed);
	}
	r = nr ? dmr_blocks_write(m->bdev, m->io, nr) : 0;
	for (i = 0; i < m->nr_wanted && !r; i++)
		m->wanted[i]->changed = 0;
	return r;
}

struct dmr_block *dmr_cache_scratch(struct dmr_meta *m)
{
	unsigned int i;

	dmr_cache_begin(m);
	for (i = 0; i < DMR_SCRATCH_BLOCKS; i++) {
		forget(&m->cache[i]);
		m->io[i].data = m->cache[i].data;
	}
	return m->io;
}
