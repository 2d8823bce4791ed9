// SPDX-License-Identifier: GPL-2.0
/*
 * Hot regions: a write is issued only when its region's hot bit is durable.
 *
 *	write -[dmr_intent_enter]- all regions hot: pinned -> classify (io.c)
 *	           '-- not hot --> waiting -[dmr_heat_work]-> pinned -> classify
 *	           '-- covers whole regions --> ranges -[dmr_range_work]-> same
 *
 * One word for each region: the number of pins, and
 *	HOT	its hot bit is durable, so writes may go on
 *	USED	it was pinned since the cooler looked last
 *	CLOSED	it is hot, but takes no new pin: the cooler waits for the last
 *	HEATING	its hot bit is being written (hot_lock)
 *
 *	cold -[heat]-> HOT -[cool.c]-> cold
 *	               HOT -[close]-> HOT, CLOSED -[cool.c]-> cold
 *
 * Invariants:
 *  H1 (D1) HOT is set only after the region's bit is durable on disk, and goes
 *     away before that bit is written as 0; both under hot_lock, which is held
 *     over the write. So a pinned region that is HOT is hot on disk.
 *  H2 A bio pins its region before it is classified and until it has completed.
 *     So who sees no pin, and no USED later, knows that no write to the region
 *     was under way in between, and that the bits of all earlier ones are set.
 *  H3 A bio that waits here is unclassified and has no pin: a cut's drain never
 *     waits for metadata, and no pin for another.
 *  H4 An ordinary write is inside one region, so that one hot region is enough
 *     for any write to go on, and hot_regions 1 works.
 *  H5 A region that is pinned without being HOT belongs to a range: its chunk
 *     bits are all set on disk before the range is classified (cool.c).
 *  H6 Group commit: one step takes all that wait, writes each block of hot bits
 *     once, and lets all of them go. The same write clears the bits of regions
 *     that have cooled (T2 in hot.c). A write that comes meanwhile is in the
 *     next step.
 *  H7 Nothing here sleeps, allocates or takes a lock while the region is hot.
 *  H8 Who waits for room, or for a region that is closed, is never forgotten: a
 *     worker puts it back, then looks whether something changed since it began;
 *     who makes the change counts it, then looks at the list. One of the two
 *     sees the other.
 *  H9 Who submits many at once (with a plug) has them wait in its plug until it
 *     has submitted all, so that they are in one step. A plug is emptied at
 *     the latest when its owner sleeps.
 *  H10 Who waits because so many blocks have changed that no other has a place
 *     in the next write (T1 in hot.c; regions that cooled fill it too) makes
 *     that write, and tries again: nobody else is bound to.
 *
 * A write whose hot bit can't be written gets an error, as does one for which
 * there is no room and won't be, because the metadata device or a flush of the
 * origin fails: a write that can't be tracked is refused, it doesn't wait for
 * somebody to mend a disk. Nothing is hot then that was not before. The bit may
 * be on disk all the same, until its block is written again: too much is safe.
 */
#include "intent.h"

#include <linux/blkdev.h>
#include <linux/slab.h>

#include "fault.h"
#include "hot.h"
#include "main.h"

/* Regions heated ahead of a sequential writer. */
#define LOOK_AHEAD	8

static u32 region_of(const struct dmr_meta *m, sector_t sector)
{
	return sector >> dmr_region_shift(&m->dev->geo);
}

static u32 first_region(const struct dmr_meta *m, struct bio *bio)
{
	return region_of(m, bio->bi_iter.bi_sector);
}

static u32 last_region(const struct dmr_meta *m, struct bio *bio)
{
	return region_of(m, bio_end_sector(bio) - 1);
}

/* Covers at least one region as a whole: the last one may be short. */
static bool is_range(const struct dmr_device *dev, struct bio *bio)
{
	sector_t region = 1ULL << dmr_region_shift(&dev->geo);
	sector_t start = bio->bi_iter.bi_sector, end = bio_end_sector(bio);

	if (bio_op(bio) == REQ_OP_WRITE || start & (region - 1))
		return false;
	return end - start >= region || end == dev->geo.sectors;
}

/* H4. */
unsigned int dmr_intent_limit(const struct dmr_device *dev, struct bio *bio)
{
	sector_t region = 1ULL << dmr_region_shift(&dev->geo);
	sector_t start = bio->bi_iter.bi_sector, end = bio_end_sector(bio);
	sector_t to = (start | (region - 1)) + 1;

	if (is_range(dev, bio) && end > to)
		to = end == dev->geo.sectors ? end : end & ~(region - 1);
	return min(to, end) - start;
}

/* ---- pins ---- */

/* H1, H2: the flags of @mask must be what @want says. */
static bool pin(atomic_t *word, int mask, int want)
{
	int v = atomic_read(word);

	do {
		if ((v & mask) != want)
			return false;
	} while (!atomic_try_cmpxchg(word, &v, (v + 1) | DMR_R_USED));
	return true;
}

static void unpin(struct dmr_meta *m, u32 region)
{
	int v = atomic_dec_return(&m->regions[region]);

	if (unlikely((v & DMR_R_CLOSED) && !(v & DMR_R_PINS)))
		dmr_cool_kick(m);
}

static bool pin_all(struct dmr_meta *m, struct bio *bio, struct dmr_io *io,
		    int mask, int want)
{
	u32 last = last_region(m, bio);

	io->region = first_region(m, bio);
	for (; io->region + io->nr_pins <= last; io->nr_pins++) {
		if (!pin(&m->regions[io->region + io->nr_pins], mask, want)) {
			dmr_intent_leave(m, io);
			return false;
		}
	}
	return true;
}

bool dmr_intent_enter(struct dmr_meta *m, struct bio *bio, struct dmr_io *io)
{
	if (likely(bio_op(bio) == REQ_OP_WRITE)) {		/* H4 */
		io->region = first_region(m, bio);
		io->nr_pins = pin(&m->regions[io->region],
				  DMR_R_HOT | DMR_R_CLOSED, DMR_R_HOT);
		return io->nr_pins;
	}
	return pin_all(m, bio, io, DMR_R_HOT | DMR_R_CLOSED, DMR_R_HOT);
}

bool dmr_intent_pin_range(struct dmr_meta *m, struct bio *bio)
{
	return pin_all(m, bio, dmr_io_of(bio), DMR_R_CLOSED, 0);
}

void dmr_intent_leave(struct dmr_meta *m, struct dmr_io *io)
{
	while (io->nr_pins)
		unpin(m, io->region + --io->nr_pins);
}

/*
 * The lock is held until the work is queued: once the worker has the bios, the
 * device may go away.
 */
static void hand_over(struct dmr_meta *m, struct bio_list *to,
		      struct bio_list *bios, struct work_struct *work)
{
	unsigned long flags;

	spin_lock_irqsave(&m->dev->io_lock, flags);
	bio_list_merge(to, bios);
	queue_work(dmr_intent_wq, work);
	spin_unlock_irqrestore(&m->dev->io_lock, flags);
}

/* H9. */
struct plugged {
	struct blk_plug_cb cb;
	struct bio_list bios;
};

static void unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct plugged *p = container_of(cb, struct plugged, cb);
	struct dmr_meta *m = cb->data;

	hand_over(m, &m->waiting, &p->bios, &m->heat_work);
	kfree(p);
}

void dmr_intent_defer(struct dmr_meta *m, struct bio *bio)
{
	struct blk_plug_cb *cb;
	struct bio_list one;

	bio_list_init(&one);
	bio_list_add(&one, bio);
	if (is_range(m->dev, bio)) {
		hand_over(m, &m->ranges, &one, &m->range_work);
		return;
	}
	cb = blk_check_plugged(unplug, m, sizeof(struct plugged));
	if (cb)
		bio_list_add(&container_of(cb, struct plugged, cb)->bios, bio);
	else
		hand_over(m, &m->waiting, &one, &m->heat_work);
}

/* ---- heating ---- */

/* One step. */
struct heat {
	unsigned int nr, room;		/* regions: taken, still free */
	bool starved;			/* one got no room */
	bool full;			/* one's block of bits got no place */
};

/* False: it has to wait for the next step. */
static bool add_region(struct dmr_meta *m, struct heat *h, u32 region)
{
	int v = atomic_read(&m->regions[region]);

	if (v & (DMR_R_HOT | DMR_R_HEATING))
		return true;
	if (!h->room) {
		h->starved = true;
		return false;
	}
	if (h->nr == DMR_META_BATCH)
		return false;
	if (!dmr_hot_touch(m, region)) {
		h->full = true;
		return false;
	}
	atomic_or(DMR_R_HEATING, &m->regions[region]);
	if (!dmr_fault(no_intent))
		dmr_hot_assign(m, region, true);
	m->batch[h->nr++] = region;
	h->room--;
	return true;
}

/* A write to the start of a region next to a hot one: more will follow. */
static void look_ahead(struct dmr_meta *m, struct heat *h, struct bio *bio)
{
	u32 region = first_region(m, bio), i;
	sector_t in = bio->bi_iter.bi_sector &
		      ((1ULL << dmr_region_shift(&m->dev->geo)) - 1);

	if (in || !region || !(atomic_read(&m->regions[region - 1]) &
			       (DMR_R_HOT | DMR_R_HEATING)))
		return;
	for (i = 1; i <= LOOK_AHEAD; i++) {
		if (region + i >= m->layout.nr_regions ||
		    m->nr_hot + h->nr >= dmr_hot_high(m))
			break;
		add_region(m, h, region + i);
	}
}

/* H1. */
static void settle(struct dmr_meta *m, struct heat *h, bool durable)
{
	unsigned int i;
	atomic_t *word;

	for (i = 0; i < h->nr; i++) {
		word = &m->regions[m->batch[i]];
		if (durable) {
			atomic_or(DMR_R_HOT, word);
			dmr_ring_push(m, m->batch[i]);
		} else {
			dmr_hot_assign(m, m->batch[i], false);
		}
		atomic_andnot(DMR_R_HEATING, word);
	}
	if (durable)
		WRITE_ONCE(m->nr_hot, m->nr_hot + h->nr);
}

/*
 * H6, H10: heats what @bios need, as far as there is room. Progress: who had to
 * wait for something else than room finds it now.
 */
static int heat(struct dmr_meta *m, struct bio_list *bios, bool *progress)
{
	struct heat h = { };
	struct bio *bio;
	int r = 0;

	mutex_lock(&m->hot_lock);
	h.room = m->limit > m->nr_hot ? m->limit - m->nr_hot : 0;
	bio_list_for_each(bio, bios) {
		if (add_region(m, &h, first_region(m, bio)))
			look_ahead(m, &h, bio);
	}
	if (h.nr || h.full) {
		dmr_fault_delay(heat);
		if (dmr_fault_every(fail_intent))
			r = -EIO;
		else if (!dmr_fault(late_intent))
			r = dmr_hot_write(m);
		settle(m, &h, !r);
		if (r)
			dmr_meta_report(m, r);
	} else if (h.starved) {
		/* There won't be room while nothing can be cooled. */
		r = READ_ONCE(m->error) ?: READ_ONCE(m->origin_error);
	}
	/* Who got an error waits no more: what is idle may cool as ever. */
	WRITE_ONCE(m->starved, h.starved && !r);
	mutex_unlock(&m->hot_lock);
	*progress = (h.nr || h.full) && !r;
	return r;
}

/* What can go goes; what its bit failed gets an error; the rest stays. */
static void release(struct dmr_meta *m, struct bio_list *bios, int error)
{
	struct bio_list stay;
	struct blk_plug plug;
	struct bio *bio;
	int v;

	bio_list_init(&stay);
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(bios))) {
		v = atomic_read(&m->regions[first_region(m, bio)]);
		if (dmr_intent_enter(m, bio, dmr_io_of(bio)))
			dmr_io_classify(m->dev, bio);
		else if (error && !(v & DMR_R_HOT))
			bio_io_error(bio);
		else
			bio_list_add(&stay, bio);
	}
	blk_finish_plug(&plug);
	*bios = stay;
}

/* H8. */
bool dmr_intent_stay(struct dmr_meta *m, struct bio_list *list,
		     struct bio_list *bios, unsigned int chances)
{
	spin_lock_irq(&m->dev->io_lock);
	bio_list_merge_head(list, bios);
	spin_unlock_irq(&m->dev->io_lock);
	smp_mb();	/* pairs with the one in wake_writers(), cool.c */
	return READ_ONCE(m->chances) != chances;
}

/* H1 broken: the bits of what was issued. */
static void write_late(struct dmr_meta *m)
{
	mutex_lock(&m->hot_lock);
	dmr_hot_write(m);
	mutex_unlock(&m->hot_lock);
}

void dmr_heat_work(struct work_struct *work)
{
	struct dmr_meta *m = container_of(work, struct dmr_meta, heat_work);
	unsigned int chances = READ_ONCE(m->chances);
	struct bio_list bios;
	bool progress;
	int r;

	dmr_io_take(m->dev, &m->waiting, &bios);
	release(m, &bios, 0);
	if (bio_list_empty(&bios))
		return;
	r = heat(m, &bios, &progress);
	release(m, &bios, r);
	if (dmr_fault(late_intent))
		write_late(m);
	if (!bio_list_empty(&bios)) {
		if (dmr_intent_stay(m, &m->waiting, &bios, chances) || progress)
			queue_work(dmr_intent_wq, work);
		else if (r)
			dmr_cool_later(m);
		else
			dmr_cool_kick(m);
	}
	if (READ_ONCE(m->nr_hot) > dmr_hot_high(m))
		dmr_cool_kick(m);
	dmr_cool_idle(m);
}
