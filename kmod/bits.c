// SPDX-License-Identifier: GPL-2.0
/*
 * The chunk bits on disk: reading and changing a window of blocks, and what
 * changes them at once: ranges (discards and zeroes that cover whole regions),
 * format, growth, loading.
 *
 * Invariants:
 *  B1 A block is read, changed and written under chunk_lock: one write of a
 *     block at a time. Bits that belong to others stay as they are on disk.
 *  B2 A range is classified and issued when its bits are durable, and has its
 *     regions pinned from before (H5 in intent.c, C4 in cool.c).
 */
#include "bits.h"

#include "fault.h"
#include "intent.h"
#include "main.h"

int dmr_window_read(struct dmr_meta *m, struct dmr_window *w, u64 first,
		       u64 last)
{
	unsigned int i;

	lockdep_assert_held(&m->chunk_lock);
	w->first = first;
	w->nr = last - first + 1;
	w->bad = 0;
	memset(w->touched, 0, sizeof(w->touched));
	for (i = 0; i < w->nr; i++)
		m->blocks[i].nr = dmr_layout_chunk_block(&m->layout,
					(first + i) * DMR_BLOCK_BITS);
	return dmr_blocks_read(m->bdev, m->blocks, w->nr);
}

/* Block @i of the window: @sectors are about to be used. */
static void touch(struct dmr_meta *m, struct dmr_window *w, unsigned int i,
		  u8 sectors)
{
	unsigned int bad;

	sectors &= ~w->touched[i];
	if (!sectors)
		return;
	w->touched[i] |= sectors;
	bad = dmr_block_check(m->blocks[i].data, m->now.volume_id,
			      m->blocks[i].nr, sectors);
	w->bad += bad;
	if (bad)
		dmr_warn_limit(m->dev,
			       "metadata: %u damaged sectors of chunk bits: all dirty",
			       bad);
}

int dmr_window_write(struct dmr_meta *m, struct dmr_window *w)
{
	unsigned int i;

	for (i = 0; i < w->nr; i++)
		dmr_block_seal(m->blocks[i].data, m->now.volume_id,
			       m->blocks[i].nr, w->touched[i]);
	return dmr_blocks_write(m->bdev, m->blocks, w->nr);
}

void dmr_window_assign(struct dmr_meta *m, struct dmr_window *w, u64 first,
			  u64 last, bool set)
{
	unsigned int i, at, n;
	void *block;

	for (; first <= last; first += n) {
		i = dmr_block_of(first) - w->first;
		at = first - dmr_block_of(first) * DMR_BLOCK_BITS;
		n = min_t(u64, last - first + 1, DMR_BLOCK_BITS - at);
		block = m->blocks[i].data;
		touch(m, w, i, dmr_block_sectors(at, n));
		if (set)
			dmr_block_set(block, at, n);
		else
			dmr_block_clear(block, at, n);
	}
}

/* ---- ranges ---- */

static int set_chunks(struct dmr_meta *m, u64 first, u64 last)
{
	struct dmr_window w;
	u64 end;
	int r = 0;

	mutex_lock(&m->chunk_lock);
	for (; first <= last && !r; first = end + 1) {
		end = (dmr_block_of(first) + DMR_META_BLOCKS) *
		      DMR_BLOCK_BITS - 1;
		end = min(end, last);
		r = dmr_window_read(m, &w, dmr_block_of(first),
				dmr_block_of(end));
		if (r)
			break;
		dmr_window_assign(m, &w, first, end, true);
		r = dmr_window_write(m, &w);
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

/* Blocks from block @from of the chunk bits on become all ones. */
static int fill_blocks(struct dmr_meta *m, u64 from)
{
	u64 nr = dmr_layout_nr_chunk_blocks(&m->layout), i;
	struct dmr_window w;
	int r = 0;

	for (; from < nr && !r; from += w.nr) {
		w.first = from;
		w.nr = min_t(u64, nr - from, DMR_META_BLOCKS);
		for (i = 0; i < w.nr; i++) {
			m->blocks[i].nr = dmr_layout_chunk_block(&m->layout,
						(from + i) * DMR_BLOCK_BITS);
			dmr_block_set(m->blocks[i].data, 0, DMR_BLOCK_BITS);
			w.touched[i] = DMR_ALL_SECTORS;
		}
		r = dmr_window_write(m, &w);
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

static int load_block(struct dmr_meta *m, u64 block, const void *data,
		      u64 nr_chunks)
{
	u64 base = block * DMR_BLOCK_BITS, new = 0;
	unsigned int end = min_t(u64, DMR_BLOCK_BITS, nr_chunks - base);
	unsigned int at = 0, to;
	int r = 0;

	while (!r) {
		at = dmr_block_next(data, true, at, end);
		if (at == end)
			break;
		to = dmr_block_next(data, false, at, end);
		r = dmr_map_add(m->dev->slot[0].map, base + at, base + to - 1,
				&new);
		at = to;
	}
	return r;
}

/* What was damaged is ones in memory; soon it is exact on disk. */
static void repair_later(struct dmr_meta *m, const struct dmr_window *w,
			 u64 nr_chunks)
{
	u64 first = w->first * DMR_BLOCK_BITS;
	u64 last = min(first + w->nr * DMR_BLOCK_BITS, nr_chunks) - 1;
	u64 region = first >> m->dev->geo.region_shift;

	for (; region <= last >> m->dev->geo.region_shift; region++)
		set_bit(region, m->todo);
}

int dmr_bits_load(struct dmr_meta *m, u64 nr_chunks)
{
	u64 nr = div_u64(nr_chunks + DMR_BLOCK_BITS - 1, DMR_BLOCK_BITS);
	struct dmr_window w = { };
	unsigned int i;
	int r = 0;

	mutex_lock(&m->chunk_lock);
	for (; w.first < nr && !r; w.first += w.nr) {
		r = dmr_window_read(m, &w, w.first,
				    min(w.first + DMR_META_BLOCKS, nr) - 1);
		for (i = 0; i < w.nr && !r; i++) {
			touch(m, &w, i, DMR_ALL_SECTORS);
			r = load_block(m, w.first + i, m->blocks[i].data,
				       nr_chunks);
		}
		if (w.bad)
			repair_later(m, &w, nr_chunks);
		cond_resched();
	}
	mutex_unlock(&m->chunk_lock);
	return r;
}
