// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a bio.
 *
 *	read, flush ---------------------------------------------> origin
 *	write, discard, write-zeroes; with metadata [dmr_intent_enter] first:
 *	  '-> [classify] -- gate closed --> parked --[park_work]--> [classify]
 *	          |
 *	          +-- no held chunk -----------------------------> origin
 *	          +-- a held chunk --> deferred --[preserve.c]---> origin
 *	[dmr_io_end]: the epoch's count and the region's pins go down
 *
 * Invariants:
 *  I1 A marker (classify) reads the gate and does all that follows from it
 *     with preemption off, which is an RCU read section: a grace period of
 *     synchronize_rcu() waits for it. Who publishes a closed gate and waits for
 *     one knows that no marker works with an older gate: the maps are final,
 *     and counts of the slot only go down.
 *  I2 A write is counted in the epoch it was classified into before its bits
 *     are set, and until it has completed, deferred or not.
 *  I3 A parked bio is unclassified: it has no count and no bits.
 *  I4 A parked bio is never forgotten: the parker adds it, then looks at the
 *     gate again; who opens the gate publishes it, then looks at the list.
 *     One of the two sees the other (smp_mb() pairs with smp_mb()).
 *  I5 Nothing here sleeps, allocates (but see M4 in dirty.c) or takes a lock,
 *     unless the gate is closed, a chunk is held or a region is not hot.
 *  I6 K1: the tag of a deferred write is the epoch that was open when it was
 *     classified, never a later one.
 *
 *  I7 The wait for the write-intent bit of a region comes before classify: a
 *     drain never waits for metadata.
 *  I8 REQ_NOWAIT: who submits never sleeps. A write that waits for I/O of ours
 *     (its intent, a copy) is accepted, as in a busy disk's queue; refused is
 *     one that would have to wait for a command: the gate of a hold.
 */
#include "io.h"

#include <linux/blkdev.h>
#include <linux/percpu.h>

#include "event.h"
#include "fault.h"
#include "intent.h"
#include "main.h"
#include "preserve.h"

/* Discards may be huge; marking has preemption off. Regions for each piece. */
#define MAX_REGIONS	256

enum verdict { GO, PARK, DEFER, REFUSE };

#define dereference(p)	rcu_dereference_check(p, rcu_read_lock_sched_held())

/* rcu_read_lock(), or preemption is off. */
static inline struct dmr_gate *gate_of(struct dmr_device *dev)
{
	struct dmr_group *g;

#ifdef DMR_FAULT
	struct dmr_gate *own = dereference(dev->own_gate);

	if (own)
		return own;
#endif
	g = dereference(dev->group);
	/* flip is read after group: pairs with rcu_assign_pointer() in join */
	smp_rmb();
	return dereference(g->gate);
}

/* I1, I2. Preemption is off. */
static inline enum verdict mark(struct dmr_device *dev, struct bio *bio,
				struct dmr_io *io, const struct dmr_gate *gate)
{
	unsigned int idx = gate->parity ^ dev->flip;
	u64 first = dmr_io_first(dev, bio), last = dmr_io_last(dev, bio);
	struct dmr_slot *slot = &dev->slot[idx];

	dmr_fault_busy(mark);
	if (dmr_fault(race))
		dmr_fault_race();
	io->counted = 1 + idx;
	this_cpu_inc(dev->pcpu->inflight[idx]);
	this_cpu_add(dev->pcpu->written, bio_sectors(bio));
	dmr_map_mark(slot->map, first, last);
	if (unlikely(!READ_ONCE(slot->seen))) {
		WRITE_ONCE(slot->seen, true);
		dmr_event_later(dev, DMR_SEND_DIRTY);
	}
	smp_rmb();	/* after the gate: pairs with dmr_gate_publish() */
	if (likely(!READ_ONCE(dev->preserving)))
		return GO;
	if (dmr_map_find(dev->slot[!idx].map, dev->released, first, last) ==
	    DMR_NO_CHUNK)
		return GO;
	io->tag = gate->epoch;
	return DEFER;
}

static inline enum verdict classify(struct dmr_device *dev, struct bio *bio,
				    struct dmr_io *io)
{
	const struct dmr_gate *gate;
	enum verdict v;

	preempt_disable();
	gate = gate_of(dev);
	if (unlikely(READ_ONCE(dev->role) != DMR_ROLE_PRIMARY))
		v = REFUSE;
	else if (unlikely(gate->hold))
		v = PARK;
	else
		v = mark(dev, bio, io, gate);
	preempt_enable();
	return v;
}

static bool is_held(struct dmr_device *dev)
{
	bool hold;

	rcu_read_lock();
	hold = gate_of(dev)->hold;
	rcu_read_unlock();
	return hold;
}

/*
 * I4. Under the lock to its end: when it is released, the bio may be issued and
 * end, and the device go, before a worker that is here does one more step.
 */
static void park(struct dmr_device *dev, struct bio *bio)
{
	unsigned long flags;

	spin_lock_irqsave(&dev->io_lock, flags);
	bio_list_add(&dev->parked, bio);
	smp_mb();	/* pairs with the one in dmr_io_unpark() */
	if (!is_held(dev))
		queue_work(dmr_park_wq, &dev->park_work);
	spin_unlock_irqrestore(&dev->io_lock, flags);
}

void dmr_io_unpark(struct dmr_device *dev)
{
	bool any;

	smp_mb();	/* pairs with the one in park() */
	spin_lock_irq(&dev->io_lock);
	any = !bio_list_empty(&dev->parked);
	spin_unlock_irq(&dev->io_lock);
	if (any)
		queue_work(dmr_park_wq, &dev->park_work);
}

void dmr_io_defer(struct dmr_device *dev, struct bio_list *bios)
{
	unsigned long flags;

	if (bio_list_empty(bios))
		return;
	spin_lock_irqsave(&dev->io_lock, flags);
	bio_list_merge(&dev->deferred, bios);
	spin_unlock_irqrestore(&dev->io_lock, flags);
	bio_list_init(bios);
	queue_work(dmr_preserve_wq, &dev->preserve.work);
}

static noinline void defer_one(struct dmr_device *dev, struct bio *bio)
{
	struct bio_list one;

	bio_list_init(&one);
	bio_list_add(&one, bio);
	dmr_io_defer(dev, &one);
}

void dmr_io_take(struct dmr_device *dev, struct bio_list *from,
		 struct bio_list *to)
{
	bio_list_init(to);
	spin_lock_irq(&dev->io_lock);
	bio_list_merge(to, from);
	bio_list_init(from);
	spin_unlock_irq(&dev->io_lock);
}

void dmr_io_issue(struct dmr_device *dev, struct bio *bio)
{
	/* Who asked not to wait is long gone. */
	bio->bi_opf &= ~REQ_NOWAIT;
	bio_clear_polled(bio);
	bio_set_dev(bio, dev->bdev);
	dm_submit_bio_remap(bio, NULL);
}

void dmr_io_classify(struct dmr_device *dev, struct bio *bio)
{
	switch (classify(dev, bio, dmr_io_of(bio))) {
	case GO:
		dmr_io_issue(dev, bio);
		break;
	case PARK:
		park(dev, bio);
		break;
	case DEFER:
		defer_one(dev, bio);
		break;
	case REFUSE:
		bio_io_error(bio);
		break;
	}
}

void dmr_io_park_work(struct work_struct *work)
{
	struct dmr_device *dev = container_of(work, struct dmr_device,
					      park_work);
	struct bio_list bios;
	struct blk_plug plug;
	struct bio *bio;

	dmr_fault_delay(park);
	dmr_io_take(dev, &dev->parked, &bios);
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&bios)))
		dmr_io_classify(dev, bio);
	blk_finish_plug(&plug);
}

/* Never sleeps, and a parked bio would only come back when the gate opens. */
static int park_or_refuse(struct dmr_device *dev, struct bio *bio)
{
	if (bio->bi_opf & REQ_NOWAIT)
		bio_wouldblock_error(bio);
	else
		park(dev, bio);
	return DM_MAPIO_SUBMITTED;
}

/* Not counted yet, so that every early return of the map method is safe. */
static void limit_range(struct dmr_device *dev, struct bio *bio)
{
	unsigned int shift = dmr_region_shift(&dev->geo);
	sector_t region = bio->bi_iter.bi_sector >> shift;
	sector_t end = (region + MAX_REGIONS) << shift;
	unsigned int n = bio_sectors(bio);

	if (likely((bio_end_sector(bio) - 1) >> shift == region))
		return;
	if (unlikely(bio_end_sector(bio) > end))
		n = end - bio->bi_iter.bi_sector;
	if (dev->meta)
		n = min(n, dmr_intent_limit(dev, bio));
	if (unlikely(n < bio_sectors(bio)))
		dm_accept_partial_bio(bio, n);
}

/* Its regions are pinned. */
static int map_write(struct dmr_device *dev, struct bio *bio, struct dmr_io *io)
{
	enum verdict v = classify(dev, bio, io);

	if (likely(v == GO)) {
		bio_set_dev(bio, dev->bdev);
		return DM_MAPIO_REMAPPED;
	}
	if (v == PARK)
		return park_or_refuse(dev, bio);
	if (v == REFUSE) {
		/* No end_io follows. */
		if (dev->meta)
			dmr_intent_leave(dev->meta, io);
		return DM_MAPIO_KILL;
	}
	defer_one(dev, bio);
	return DM_MAPIO_SUBMITTED;
}

static bool is_change(struct bio *bio)
{
	return op_is_write(bio_op(bio)) && bio_sectors(bio);
}

/* What the role forbids; classify() looks again at a write. */
static bool is_refused(struct dmr_device *dev, struct bio *bio)
{
	u8 role = READ_ONCE(dev->role);

	return role != DMR_ROLE_PRIMARY &&
	       (role != DMR_ROLE_READONLY || is_change(bio));
}

int dmr_io_map(struct dmr_device *dev, struct bio *bio)
{
	struct dmr_io *io = dmr_io_of(bio);

	io->counted = 0;
	io->nr_pins = 0;
	if (unlikely(is_refused(dev, bio)))
		return DM_MAPIO_KILL;
	if (!is_change(bio)) {
		bio_set_dev(bio, dev->bdev);
		return DM_MAPIO_REMAPPED;
	}
	limit_range(dev, bio);
	if (dev->meta && !dmr_intent_enter(dev->meta, bio, io)) {
		dmr_intent_defer(dev->meta, bio);
		return DM_MAPIO_SUBMITTED;
	}
	return map_write(dev, bio, io);
}

static void end_count(struct dmr_device *dev, struct dmr_io *io)
{
	this_cpu_dec(dev->pcpu->inflight[io->counted - 1]);
	io->counted = 0;
	smp_mb();	/* pairs with the one in start_drain(), epoch.c */
	if (unlikely(READ_ONCE(dev->draining)))
		queue_work(dmr_ctl_wq, &dev->drain_work);
}

/* Any context. */
void dmr_io_end(struct dmr_device *dev, struct bio *bio)
{
	struct dmr_io *io = dmr_io_of(bio);

	if (io->counted)
		end_count(dev, io);
	if (io->nr_pins)
		dmr_intent_leave(dev->meta, io);
}

long dmr_io_inflight(struct dmr_device *dev, unsigned int slot)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(dev->pcpu, cpu)->inflight[slot]);
	return sum;
}
