// SPDX-License-Identifier: GPL-2.0
/*
 * The chunk bits on disk: cooling and clearing.
 *
 * A worker makes chunk bits exact: those of regions that are to cool, and those
 * of cold regions where chunks were committed or marked ("todo"). A step of it:
 *
 *	pick regions -> FLUSH origin -> read their blocks, rewrite them from
 *	the sets, superblock if need be, write -> clear hot bits in memory
 *
 * and at the end of a run the hot bits are written, unless who heats regions
 * has done it, with its own (T2 in hot.c).
 *
 * Invariants:
 *  C1 (D2) A region cools in this order: it has no pin and is not pinned from
 *     then on (else it stays hot), the origin is flushed, its chunk bits are
 *     durable, its hot bit is cleared.
 *  C2 (D3) What is written as 0 is durable elsewhere: the sets are read under
 *     the group lock, together with the count of times that chunks have left
 *     them (nr_drops); before the write, the origin has been flushed and the
 *     superblock written at a later count. (An epoch is drained before it is
 *     committed, so before its chunks leave.)
 *  C3 The bits of a region are dirty ∪ frozen: both slots, by their index, so
 *     that no cut in between matters; keep and abort move chunks under the
 *     group lock only.
 *  C4 Of a cold region bits are cleared only if it was not pinned since before
 *     the sets were read (its word stayed 0, looked at under chunk_lock after
 *     that): a range sets its bits on disk, under chunk_lock, while it has its
 *     pins, and before its chunks are in the sets. Else the region gets ones,
 *     and is looked at again.
 *  C5 Whatever fails, nothing is forgotten: hot regions stay hot, todo bits
 *     stay set. And none stays closed: writes to hot regions go on.
 *
 *  C6 One run at a time (run_lock): between what a step reads from the sets and
 *     what it writes, a region may become hot, but it can't have cooled again.
 *
 * A region that is hot may have any chunk bits: C2 and C4 are about cold ones.
 * USED is cleared only of regions in the ring, of which a step's victims are
 * none: so for C1 it says whether a victim was pinned since it was picked.
 */
#include "bits.h"

#include <linux/bitmap.h>
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/sort.h>

#include "cache.h"
#include "epoch.h"
#include "event.h"
#include "fault.h"
#include "group.h"
#include "hot.h"
#include "intent.h"
#include "main.h"

/* Clearing may wait: bits are cleared in batches. */
#define LATER	(2 * HZ)
/* A failed device is tried again. */
#define RETRY	(5 * HZ)
/* Regions that are looked at under one group lock. */
#define AT_ONCE	32U
/* Words of 64 chunks that are copied at a time. */
#define WORDS	32U
/* Regions of the ring that are aged while it is locked. */
#define AGE_AT_ONCE	4096U
#define MAX_IDLE	86400U

static unsigned int idle_seconds = 30;
module_param(idle_seconds, uint, 0644);
MODULE_PARM_DESC(idle_seconds,
		 "a region cools after one to two times this without a write; 0: never");

void dmr_cool_kick(struct dmr_meta *m)
{
	mod_delayed_work(dmr_cool_wq, &m->cool_work, 0);
}

void dmr_cool_later(struct dmr_meta *m)
{
	queue_delayed_work(dmr_cool_wq, &m->cool_work, LATER);
}

/* ---- making bits exact ---- */

/* What one step works on. */
struct step {
	u32 region[DMR_META_BATCH];	/* ascending */
	unsigned int nr;
	u32 victim[DMR_META_BATCH];	/* those of them that are to cool */
	unsigned int nr_victims;
	unsigned long at;		/* todo bits below were looked at */
	u64 drops;			/* C2: as of when the sets were read */
};

/* C3. Group lock. */
static void rewrite_region(struct dmr_meta *m, u32 region)
{
	u64 at = dmr_first_chunk(m, region), last = dmr_last_chunk(m, region);
	const struct dmr_slot *slot = m->dev->slot;
	u64 word[WORDS];
	unsigned int i, n;

	for (; at <= last; at += n * 64) {
		n = min_t(u64, WORDS, (last - at) / 64 + 1);
		for (i = 0; i < n; i++)
			word[i] = dmr_map_word(slot[0].map, at + i * 64) |
				  dmr_map_word(slot[1].map, at + i * 64);
		dmr_cache_put(m, at, word, n);
	}
}

/* C2. Commands wait for the lock, so it is not held for long. */
static void rewrite_regions(struct dmr_meta *m, const u32 *region,
			    unsigned int n, struct step *s)
{
	struct dmr_group *g;
	unsigned int i = 0, end;

	while (i < n) {
		end = min(i + AT_ONCE, n);
		g = dmr_group_lock(m->dev);
		for (; i < end; i++)
			rewrite_region(m, region[i]);
		s->drops = m->nr_drops;
		dmr_group_unlock(g);
	}
}

/* C4. One that is hot may have any bits. */
static void spare_region(struct dmr_meta *m, u32 region)
{
	int v;

	smp_mb();	/* after the sets were read; pairs with pin() */
	v = atomic_read(&m->regions[region]);
	if (!v || v & DMR_R_HOT || dmr_fault(no_spare))
		return;
	dmr_cache_set(m, dmr_first_chunk(m, region),
		      dmr_last_chunk(m, region));
	set_bit(region, m->todo);
}

static int flush_origin(struct dmr_meta *m)
{
	u64 drops = READ_ONCE(m->nr_drops);
	int r = 0;

	if (dmr_fault_every(fail_flush))
		r = -EIO;
	else if (!dmr_fault(no_flush))
		r = blkdev_issue_flush(m->dev->bdev);
	WRITE_ONCE(m->origin_error, r);
	if (r)
		dmr_warn_limit(m->dev, "the origin can't be flushed: error %d",
			       r);
	else
		m->flushed_drops = drops;
	return r;
}

/* C2. */
static int cover_drops(struct dmr_meta *m, u64 drops)
{
	int r = 0;

	if (m->flushed_drops < drops)
		r = flush_origin(m);
	if (!r && READ_ONCE(m->durable_drops) < drops && !dmr_fault(no_name))
		r = dmr_super_write(m);
	return r;
}

/* How many regions from @i on fit into one write; their blocks are wanted. */
static unsigned int gather(struct dmr_meta *m, const struct step *s,
			   unsigned int i)
{
	unsigned int n = 0;

	dmr_cache_begin(m);
	while (i + n < s->nr &&
	       dmr_cache_want(m, dmr_first_chunk(m, s->region[i + n]),
			      dmr_last_chunk(m, s->region[i + n])))
		n++;
	return n;
}

/* @n regions from @i on. chunk_lock. */
static int rewrite_batch(struct dmr_meta *m, struct step *s, unsigned int i,
			 unsigned int n)
{
	const u32 *region = s->region + i;
	unsigned int k;
	int r;

	r = dmr_cache_load(m);
	if (r)
		return r;
	rewrite_regions(m, region, n, s);
	dmr_fault_delay(rewrite);
	for (k = 0; k < n; k++)
		spare_region(m, region[k]);
	r = cover_drops(m, s->drops);
	return r ?: dmr_cache_write(m);
}

static int rewrite(struct dmr_meta *m, struct step *s)
{
	unsigned int i, n;
	int r;

	mutex_lock(&m->chunk_lock);
	/* C1: of what was picked, nothing is under way. */
	r = s->nr ? flush_origin(m) : 0;
	for (i = 0; i < s->nr && !r; i += n) {
		n = gather(m, s, i);
		r = rewrite_batch(m, s, i, n);
	}
	mutex_unlock(&m->chunk_lock);
	return r;
}

/* ---- which regions ---- */

/*
 * Takes up to @want from the @looks oldest: those that @fits likes. How many of
 * the looks are left.
 */
static unsigned int pick(struct dmr_meta *m, struct step *s, unsigned int want,
			 unsigned int looks,
			 bool (*fits)(struct dmr_meta *m, atomic_t *word))
{
	u32 region;

	lockdep_assert_held(&m->hot_lock);
	for (; looks && s->nr_victims < want && m->ring_len; looks--) {
		region = dmr_ring_pop(m);
		if (fits(m, &m->regions[region]))
			s->victim[s->nr_victims++] = region;
		else
			dmr_ring_push(m, region);
	}
	return looks;
}

static bool is_closed(struct dmr_meta *m, atomic_t *word)
{
	int v = atomic_read(word);

	return (v & DMR_R_CLOSED) && !(v & DMR_R_PINS);
}

/* What was used gets a second chance. */
static bool is_idle(struct dmr_meta *m, atomic_t *word)
{
	if (atomic_read(word) == DMR_R_HOT)
		return true;
	atomic_andnot(DMR_R_USED, word);
	return false;
}

/* The next ones are candidates if they are not used until then. */
static void age_next(struct dmr_meta *m, unsigned int nr)
{
	unsigned int i, at;

	lockdep_assert_held(&m->hot_lock);
	nr = min(nr, m->ring_len);
	for (i = 0; i < nr; i++) {
		at = m->ring_head + i;
		at -= at < m->ring_size ? 0 : m->ring_size;
		atomic_andnot(DMR_R_USED, &m->regions[m->ring[at]]);
	}
}

/* Takes no more writes, so that it will have cooled at the end of the step. */
static bool close_idle(struct dmr_meta *m, atomic_t *word)
{
	int closed = DMR_R_HOT | DMR_R_CLOSED;

	if (atomic_cmpxchg(word, DMR_R_HOT, closed) == DMR_R_HOT) {
		m->nr_closed++;
		return true;
	}
	atomic_andnot(DMR_R_USED, word);
	return false;
}

/* Busy, but somebody waits for room: who drops the last pin calls. */
static bool close_busy(struct dmr_meta *m, atomic_t *word)
{
	if (atomic_fetch_or(DMR_R_CLOSED, word) & DMR_R_CLOSED)
		return false;
	m->nr_closed++;
	return is_closed(m, word);
}

/* Each of the ring once in a turn, some at a time. */
static void pick_aged(struct dmr_meta *m, struct step *s)
{
	unsigned int looks, left;

	m->to_age = min(m->to_age, m->ring_len);
	looks = min(m->to_age, AGE_AT_ONCE);
	left = pick(m, s, DMR_META_BATCH, looks, is_idle);
	m->to_age -= looks - left;
}

static void pick_victims(struct dmr_meta *m, struct step *s, bool all)
{
	unsigned int low = all ? 0 : dmr_hot_low(m), want;
	bool starved, aged = false;

	mutex_lock(&m->hot_lock);
	starved = m->starved;
	if (m->nr_closed)
		pick(m, s, DMR_META_BATCH, m->ring_len, is_closed);
	want = m->nr_hot > low ? m->nr_hot - low : 0;
	want = min_t(unsigned int, want, DMR_META_BATCH);
	if (starved && !s->nr_victims) {
		pick(m, s, want, 2 * m->ring_len, close_idle);
		if (!s->nr_victims)
			pick(m, s, want, want, close_busy);
	} else if (all || m->nr_hot > dmr_hot_high(m)) {
		pick(m, s, want, (1 + all) * m->ring_len, is_idle);
		age_next(m, 2 * want);
	} else if (m->to_age) {
		pick_aged(m, s);
		aged = true;
	}
	if (!aged)
		m->to_age = 0;		/* others need the room anyhow */
	smp_mb();	/* the words were read before the sets will be */
	mutex_unlock(&m->hot_lock);
}

/* C4: a cold region that has no pin now, and a clean word if it gets none. */
static bool settle_cold(struct dmr_meta *m, u32 region)
{
	int v = atomic_read(&m->regions[region]);

	if (v & DMR_R_HOT)
		return false;		/* exact once it has cooled */
	if (v == DMR_R_USED)
		atomic_cmpxchg(&m->regions[region], v, 0);
	return true;
}

/* From where the last step of this run stopped: a run ends. */
static void pick_todo(struct dmr_meta *m, struct step *s)
{
	unsigned long nr = m->layout.nr_regions;

	for (; s->nr < DMR_META_BATCH - s->nr_victims; s->at++) {
		s->at = find_next_bit(m->todo, nr, s->at);
		if (s->at >= nr)
			break;
		clear_bit(s->at, m->todo);
		smp_mb__after_atomic();	/* pairs with who set it */
		if (settle_cold(m, s->at))
			s->region[s->nr++] = s->at;
	}
}

static int by_number(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static void merge_victims(struct step *s)
{
	memcpy(s->region + s->nr, s->victim, s->nr_victims * sizeof(u32));
	s->nr += s->nr_victims;
	sort(s->region, s->nr, sizeof(u32), by_number, NULL);
}

/* ---- the end of a step ---- */

/* C1: a pin since it was picked has left USED, or is still there. */
static bool make_cold(struct dmr_meta *m, u32 region)
{
	atomic_t *word = &m->regions[region];
	int v = atomic_read(word);

	if (!(v & DMR_R_CLOSED))
		return atomic_cmpxchg(word, DMR_R_HOT, 0) == DMR_R_HOT;
	if (v & DMR_R_PINS || atomic_cmpxchg(word, v, 0) != v)
		return false;
	m->nr_closed--;
	return true;
}

/* hot_lock. They are cold; that is durable with the next write of hot bits. */
static int clear_hot_bits(struct dmr_meta *m, struct step *s)
{
	unsigned int i, nr = 0;
	int r = 0;

	for (i = 0; i < s->nr_victims; i++) {
		u32 region = s->victim[i];

		if (!dmr_hot_touch(m, region)) {
			r = r ?: dmr_hot_write(m);
			if (!r)
				dmr_hot_touch(m, region);
		}
		if (!r && make_cold(m, region)) {
			dmr_hot_assign(m, region, false);
			nr++;
		} else {
			dmr_ring_push(m, region);
		}
	}
	WRITE_ONCE(m->nr_hot, m->nr_hot - nr);
	m->chances += nr != 0;
	return r;
}

/* hot_lock. Regions that were closed take writes again. */
static void open_closed(struct dmr_meta *m)
{
	unsigned int i, at;

	m->chances++;
	for (i = 0; i < m->ring_len && m->nr_closed; i++) {
		at = m->ring_head + i;
		at -= at < m->ring_size ? 0 : m->ring_size;
		if (atomic_fetch_andnot(DMR_R_CLOSED,
					&m->regions[m->ring[at]]) &
		    DMR_R_CLOSED)
			m->nr_closed--;
	}
}

/* C5. hot_lock. Nothing was rewritten. */
static void give_back(struct dmr_meta *m, struct step *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_victims; i++)
		dmr_ring_push(m, s->victim[i]);
	for (i = 0; i < s->nr; i++)
		if (!(atomic_read(&m->regions[s->region[i]]) & DMR_R_HOT))
			set_bit(s->region[i], m->todo);
}

static int one_step(struct dmr_meta *m, struct step *s, bool all)
{
	int r;

	s->nr = 0;
	s->nr_victims = 0;
	pick_victims(m, s, all);
	pick_todo(m, s);
	merge_victims(s);
	if (!s->nr)
		return 0;
	if (dmr_fault(early_cool)) {
		mutex_lock(&m->hot_lock);
		clear_hot_bits(m, s);
		dmr_hot_write(m);
		mutex_unlock(&m->hot_lock);
		dmr_fault_delay(cool);
		s->nr_victims = 0;
	}
	r = rewrite(m, s);
	dmr_fault_delay(cool);
	mutex_lock(&m->hot_lock);
	if (r)
		give_back(m, s);
	else
		r = clear_hot_bits(m, s);
	if (r)
		open_closed(m);
	mutex_unlock(&m->hot_lock);
	return r;
}

/* What must be durable although no bit changes. */
static int write_settings(struct dmr_meta *m)
{
	if (READ_ONCE(m->durable_urgent) == READ_ONCE(m->nr_urgent) &&
	    READ_ONCE(m->durable_drops) == READ_ONCE(m->nr_drops) &&
	    !READ_ONCE(m->error))
		return 0;
	return dmr_super_write(m);
}

/* H8 in intent.c: who waits for room, or for a region that was closed. */
static void wake_writers(struct dmr_meta *m)
{
	bool waiting, ranges;

	smp_mb();	/* pairs with the one in dmr_intent_stay() */
	spin_lock_irq(&m->dev->io_lock);
	waiting = !bio_list_empty(&m->waiting);
	ranges = !bio_list_empty(&m->ranges);
	spin_unlock_irq(&m->dev->io_lock);
	if (waiting)
		queue_work(dmr_intent_wq, &m->heat_work);
	if (ranges)
		queue_work(dmr_intent_wq, &m->range_work);
}

static int write_hot(struct dmr_meta *m)
{
	int r;

	mutex_lock(&m->hot_lock);
	r = dmr_hot_write(m);
	mutex_unlock(&m->hot_lock);
	return r;
}

/* All that is to do now. */
static int run(struct dmr_meta *m, bool all)
{
	struct step *s = kmalloc(sizeof(*s), GFP_NOIO | __GFP_NOFAIL);
	unsigned int before;
	u64 marks;
	int r;

	mutex_lock(&m->run_lock);
	marks = READ_ONCE(m->nr_marks);
	smp_rmb();	/* their todo bits were set before they were counted */
	s->at = 0;
	do {
		before = m->chances;
		r = one_step(m, s, all);
		if (m->chances != before)
			wake_writers(m);
	} while (!r && (s->nr || READ_ONCE(m->to_age)));
	r = r ?: write_hot(m);
	r = r ?: write_settings(m);
	if (!r) {
		WRITE_ONCE(m->durable_marks, marks);
		WRITE_ONCE(m->origin_error, 0);
	}
	m->has_todo = !bitmap_empty(m->todo, m->layout.nr_regions);
	mutex_unlock(&m->run_lock);
	kfree(s);
	return r;
}

int dmr_cool_run(struct dmr_meta *m)
{
	return run(m, false);
}

int dmr_cool_all(struct dmr_meta *m)
{
	int r = run(m, true);

	if (!r && m->nr_hot)
		r = -EBUSY;
	return r;
}

void dmr_cool_work(struct work_struct *work)
{
	struct dmr_meta *m = container_of(to_delayed_work(work),
					  struct dmr_meta, cool_work);
	int r = run(m, false);

	if (!r || !m->origin_error)
		dmr_meta_report(m, r);
	if (r)
		queue_delayed_work(dmr_cool_wq, &m->cool_work, RETRY);
	else if (READ_ONCE(m->has_todo))
		dmr_cool_later(m);
}

/* ---- regions that nobody uses ---- */

void dmr_cool_idle(struct dmr_meta *m)
{
	unsigned long seconds = min(READ_ONCE(idle_seconds), MAX_IDLE);

	if (seconds && READ_ONCE(m->nr_hot))
		queue_delayed_work(dmr_cool_wq, &m->age_work, seconds * HZ);
}

/* What was not used since the last time cools. */
void dmr_age_work(struct work_struct *work)
{
	struct dmr_meta *m = container_of(to_delayed_work(work),
					  struct dmr_meta, age_work);

	mutex_lock(&m->hot_lock);
	m->to_age = m->ring_len;
	mutex_unlock(&m->hot_lock);
	dmr_cool_kick(m);
	dmr_cool_idle(m);
}
