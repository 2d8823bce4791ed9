// SPDX-License-Identifier: GPL-2.0
/*
 * The chunk bits on disk: what sets them at once: ranges (discards and zeroes
 * that cover whole regions), format, growth; and loading.
 *
 * Invariants:
 *  B1 A block is read, changed and written under chunk_lock: one write of a
 *     block at a time. Bits that belong to others stay as they are on disk.
 *  B2 A range is classified and issued when its bits are durable, and has its
 *     regions pinned from before (H5 in intent.c, C4 in cool.c).
 */
#include "bits.h"

#include "cache.h"
#include "fault.h"
#include "intent.h"
#include "main.h"

/* Words of 64 chunks that are copied at a time. */
#define WORDS	32U

/* ---- ranges ---- */

static int set_chunks(struct dmr_meta *m, u64 first, u64 last)
{
	u64 end;
	int r = 0;

	mutex_lock(&m->chunk_lock);
	for (; first <= last && !r; first = end + 1) {
		end = (dmr_block_of(first) + DMR_SCRATCH_BLOCKS) *
		      DMR_BLOCK_BITS - 1;
		end = min(end, last);
		dmr_cache_begin(m);
		dmr_cache_want(m, first, end);
		r = dmr_cache_load(m);
		if (r)
			break;
		dmr_cache_set(m, first, end);
		r = dmr_cache_write(m);
	}
	mutex_unlock(&m->chunk_lock);
	return r;
}

/* Its regions are pinned. */
static int set_range(struct dmr_meta *m, struct bio *bio)
{
	if (dmr_fault(no_range))
		return 0;
	return set_chunks(m, dmr_io_first(m->dev, bio),
			  dmr_io_last(m->dev, bio));
}

/* H5 in intent.c. */
void dmr_range_work(struct work_struct *work)
{
	struct dmr_meta *m = container_of(work, struct dmr_meta, range_work);
	unsigned int chances = READ_ONCE(m->chances);
	struct bio_list bios, stay;
	struct bio *bio;
	int r;

	bio_list_init(&stay);
	dmr_io_take(m->dev, &m->ranges, &bios);
	while ((bio = bio_list_pop(&bios))) {
		if (!dmr_intent_pin_range(m, bio)) {
			bio_list_add(&stay, bio);
			continue;
		}
		r = set_range(m, bio);
		if (!r) {
			dmr_io_classify(m->dev, bio);
			continue;
		}
		bio_io_error(bio);
		dmr_meta_report(m, r);
	}
	if (bio_list_empty(&stay))
		return;
	/* A region is closed; it will have cooled, and then we are called. */
	if (dmr_intent_stay(m, &m->ranges, &stay, chances))
		queue_work(dmr_intent_wq, work);
	else
		dmr_cool_kick(m);
}

/* As many blocks as fit, from block @from on; returns how many. */
static unsigned int want_blocks(struct dmr_meta *m, u64 from)
{
	u64 nr = dmr_layout_nr_chunk_blocks(&m->layout), at = from;

	dmr_cache_begin(m);
	while (at < nr && dmr_cache_want(m, at * DMR_BLOCK_BITS,
					 at * DMR_BLOCK_BITS))
		at++;
	return at - from;
}

/* Blocks from block @from of the chunk bits on become all ones. */
static int fill_blocks(struct dmr_meta *m, u64 from)
{
	unsigned int n;
	int r = 0;

	while (!r && (n = want_blocks(m, from))) {
		dmr_cache_fill(m);
		r = dmr_cache_write(m);
		from += n;
	}
	return r;
}

int dmr_bits_fill(struct dmr_meta *m, u64 chunk)
{
	u64 next = div_u64(chunk + DMR_BLOCK_BITS - 1, DMR_BLOCK_BITS);
	u64 last = min(next * DMR_BLOCK_BITS, m->layout.nr_chunks) - 1;
	int r = 0;

	if (chunk < last + 1 && chunk != (next * DMR_BLOCK_BITS))
		r = set_chunks(m, chunk, last);
	mutex_lock(&m->chunk_lock);
	r = r ?: fill_blocks(m, next);
	mutex_unlock(&m->chunk_lock);
	return r;
}

/* ---- loading ---- */

/* Chunks @at … @end - 1 of the block at chunk @base, all in one region. */
static int load_part(struct dmr_map *map, const void *data, u64 base,
		     unsigned int at, unsigned int end)
{
	u64 word[WORDS], new = 0;
	unsigned int n;
	int r = 0;

	if (dmr_block_next(data, false, at, end) == end)
		return dmr_map_add(map, base + at, base + end - 1, &new);
	for (; at < end && !r; at += n * 64) {
		n = min(WORDS, (end - at - 1) / 64 + 1);
		dmr_block_get(data, at, word, n);
		if (at + n * 64 > end)
			word[n - 1] &= ~0ULL >> (at + n * 64 - end);
		r = dmr_map_add_words(map, base + at, word, n);
	}
	return r;
}

static int load_block(struct dmr_meta *m, u64 block, const void *data,
		      u64 nr_chunks)
{
	u64 base = block * DMR_BLOCK_BITS, region;
	unsigned int end = min_t(u64, DMR_BLOCK_BITS, nr_chunks - base);
	unsigned int at = 0, to;
	int r = 0;

	for (; at < end && !r; at = to) {
		region = (base + at) >> m->dev->geo.region_shift;
		to = min_t(u64, end, dmr_last_chunk(m, region) + 1 - base);
		r = load_part(m->dev->slot[0].map, data, base, at, to);
	}
	return r;
}

/* What was damaged is ones in memory; soon it is exact on disk. */
static void repair_later(struct dmr_meta *m, u64 block, unsigned int n,
			 u64 nr_chunks)
{
	u64 first = block * DMR_BLOCK_BITS;
	u64 last = min(first + (u64)n * DMR_BLOCK_BITS, nr_chunks) - 1;
	u64 region = first >> m->dev->geo.region_shift;

	for (; region <= last >> m->dev->geo.region_shift; region++)
		set_bit(region, m->todo);
}

/* Block @from and those after it that were wanted with it. */
static int load_blocks(struct dmr_meta *m, u64 from, unsigned int n,
		       u64 nr_chunks)
{
	const void *data;
	unsigned int i;
	u64 block;
	int r = dmr_cache_load(m);

	for (i = 0; i < n && !r; i++) {
		data = dmr_cache_look(m, i, &block);
		if (block * DMR_BLOCK_BITS < nr_chunks)
			r = load_block(m, block, data, nr_chunks);
	}
	if (m->nr_bad)
		repair_later(m, from, n, nr_chunks);
	return r;
}

int dmr_bits_load(struct dmr_meta *m, u64 nr_chunks)
{
	u64 nr = div_u64(nr_chunks + DMR_BLOCK_BITS - 1, DMR_BLOCK_BITS);
	unsigned int n;
	u64 at = 0;
	int r = 0;

	mutex_lock(&m->chunk_lock);
	for (; at < nr && !r; at += n) {
		n = want_blocks(m, at);
		r = load_blocks(m, at, n, nr_chunks);
		cond_resched();
	}
	mutex_unlock(&m->chunk_lock);
	return r;
}
