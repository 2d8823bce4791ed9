// SPDX-License-Identifier: GPL-2.0
/*
 * Copy before write: a chunk that is held (frozen and not released) in a clean
 * epoch is read into memory before a newer write replaces it, and the view
 * takes it from there.
 *
 *	deferred bio -[admit]- owes nothing ---------------> origin
 *	                 |---- before FROZEN: early -[drained]-> deferred
 *	                 |---- no copy: reading -[copy_read_done]-> deferred
 *	                 '---- no memory: [degrade], then owes nothing
 *
 * A copy: reading -> done -> freed (release, degrade, end).
 *              '---> orphan (the same three came first) -> freed when read
 *
 * Invariants:
 *  P1 (K1) A write preserves only for the epoch in its tag, while that is open
 *     and clean. So a write that belongs to the frozen epoch never does: its
 *     tag is an older one.
 *  P2 (K7) No copy is read before the writes of the epoch have completed.
 *     Those writes never wait for this: P1.
 *  P3 A write to a held chunk is issued only when the chunk's copy is done, or
 *     the chunk was released, or the epoch is not clean any more. All three
 *     are decided and looked at under the lock.
 *  P4 (K2) A view read takes the device's answer first and then looks for
 *     copies. If the answer has data of a newer write, that write was issued
 *     before, hence by P3 its copy was done before. No write has to wait for
 *     reads.
 *  P5 (K5) Nothing waits for a read under way. It is made an orphan, which
 *     belongs to no epoch any more, and its waiters look again.
 *  P6 Degrading needs a held chunk: once nr_held is 0 the epoch stays as it is.
 *     A failed read of a released chunk degrades nothing.
 *  P7 Never more than preserve_pages pages, orphans included.
 */
#include "preserve.h"

#include <linux/highmem.h>
#include <linux/slab.h>

#include "event.h"
#include "fault.h"
#include "io.h"
#include "main.h"
#include "trace.h"

/* Copies started at a time: interrupts are off. The bio looks again. */
#define MAX_STARTS	256

struct copy {
	struct dmr_device *dev;
	struct list_head node;		/* reads about to be issued */
	struct bio_list waiters;
	u64 chunk;
	bool done;
	bool orphan;
	unsigned int nr_pages;
	struct page *pages[];
};

static struct bio_set copy_bios;

static void copy_free(struct dmr_preserve *p, struct copy *c)
{
	unsigned int i;

	lockdep_assert_held(&p->lock);
	for (i = 0; i < c->nr_pages; i++)
		__free_page(c->pages[i]);
	p->nr_pages -= c->nr_pages;
	kfree(c);
}

static struct copy *copy_alloc(struct dmr_device *dev, u64 chunk)
{
	unsigned int bytes = dmr_chunk_sectors(&dev->geo, chunk)
			     << SECTOR_SHIFT;
	unsigned int n = DIV_ROUND_UP(bytes, PAGE_SIZE);
	struct dmr_preserve *p = &dev->preserve;
	struct copy *c;

	if (p->nr_pages + n > READ_ONCE(dev->preserve_pages) ||
	    dmr_fault_every(no_mem))
		return NULL;
	c = kzalloc(struct_size(c, pages, n), GFP_NOWAIT | __GFP_NOWARN);
	if (!c)
		return NULL;
	c->dev = dev;
	c->chunk = chunk;
	bio_list_init(&c->waiters);
	for (; c->nr_pages < n; c->nr_pages++) {
		c->pages[c->nr_pages] = alloc_page(GFP_NOWAIT | __GFP_NOWARN);
		if (!c->pages[c->nr_pages])
			break;
	}
	p->nr_pages += c->nr_pages;
	if (c->nr_pages == n)
		return c;
	copy_free(p, c);
	return NULL;
}

/* P5: it is nobody's any more; who waited for it looks again. */
static void copy_drop(struct dmr_device *dev, struct copy *c)
{
	struct dmr_preserve *p = &dev->preserve;

	xa_erase(&p->copies, c->chunk);
	p->nr_copies--;
	dmr_io_defer(dev, &c->waiters);
	if (c->done)
		copy_free(p, c);
	else
		c->orphan = true;
}

static void drop_range(struct dmr_device *dev, u64 first, u64 last)
{
	struct dmr_preserve *p = &dev->preserve;
	unsigned long chunk;
	struct copy *c;

	lockdep_assert_held(&p->lock);
	if (!p->nr_copies)
		return;
	xa_for_each_range(&p->copies, chunk, c, first, last)
		copy_drop(dev, c);
}

static void degrade(struct dmr_device *dev, const char *why)
{
	struct dmr_preserve *p = &dev->preserve;

	lockdep_assert_held(&p->lock);
	if (!p->clean)
		return;
	p->clean = false;
	WRITE_ONCE(p->degraded, p->epoch);
	WRITE_ONCE(dev->preserving, false);
	dev->stats.degraded++;
	drop_range(dev, 0, ULONG_MAX);
	dmr_event_later(dev, DMR_SEND_DEGRADED);
	dmr_warn_limit(dev, "epoch %llu is not clean: %s", p->epoch, why);
}

static void copy_read_done(struct bio *bio)
{
	struct copy *c = bio->bi_private;
	struct dmr_device *dev = c->dev;
	struct dmr_preserve *p = &dev->preserve;
	blk_status_t status = bio->bi_status;
	unsigned long flags;

	if (dmr_fault_every(fail_copy))
		status = BLK_STS_IOERR;
	bio_put(bio);
	spin_lock_irqsave(&p->lock, flags);
	if (c->orphan) {
		copy_free(p, c);
	} else if (status) {
		c->done = true;
		copy_drop(dev, c);
		degrade(dev, "the origin can't be read");
	} else {
		c->done = true;
		dev->stats.copies++;
		dmr_io_defer(dev, &c->waiters);
	}
	if (!--p->nr_reading)
		wake_up(&p->idle);
	spin_unlock_irqrestore(&p->lock, flags);
}

static void copy_read(struct copy *c)
{
	struct dmr_device *dev = c->dev;
	unsigned int i, len;
	unsigned int bytes = dmr_chunk_sectors(&dev->geo, c->chunk)
			     << SECTOR_SHIFT;
	struct bio *bio;

	bio = bio_alloc_bioset(dev->bdev, c->nr_pages, REQ_OP_READ | REQ_SYNC,
			       GFP_NOIO, &copy_bios);
	bio->bi_iter.bi_sector = c->chunk << dev->geo.chunk_shift;
	bio->bi_private = c;
	bio->bi_end_io = copy_read_done;
	for (i = 0; i < c->nr_pages; i++, bytes -= len) {
		len = min_t(unsigned int, bytes, PAGE_SIZE);
		__bio_add_page(bio, c->pages[i], len, 0);
	}
	submit_bio_noacct(bio);
}

static struct copy *start_copy(struct dmr_device *dev, u64 chunk,
			       struct list_head *reads)
{
	struct dmr_preserve *p = &dev->preserve;
	struct copy *c = copy_alloc(dev, chunk);

	dmr_assert(p->clean && p->drained);			/* K1, K7 */
	if (!c)
		return NULL;
	if (xa_err(xa_store(&p->copies, chunk, c, GFP_NOWAIT | __GFP_NOWARN))) {
		copy_free(p, c);
		return NULL;
	}
	trace_dmr_preserve(dev->number, p->epoch, chunk);
	p->nr_copies++;
	p->nr_reading++;
	list_add_tail(&c->node, reads);
	return c;
}

static struct dmr_map *frozen_of(struct dmr_device *dev)
{
	struct dmr_map *map;

	/*
	 * While an epoch is open under our lock, the group's parity and the
	 * device's flip don't change, so any gate names the same slot.
	 */
	rcu_read_lock();
	map = dmr_frozen(dev, rcu_dereference(
				rcu_dereference(dev->group)->gate));
	rcu_read_unlock();
	return map;
}

/* True: every held chunk of the bio has its copy. */
static bool copy_held(struct dmr_device *dev, struct bio *bio,
		      struct list_head *reads)
{
	u64 chunk = dmr_io_first(dev, bio), last = dmr_io_last(dev, bio);
	struct dmr_preserve *p = &dev->preserve;
	struct dmr_map *frozen = frozen_of(dev);
	struct copy *c, *wait = NULL;
	unsigned int nr = 0;

	dmr_assert(p->drained);				/* P2, K7 */
	for (; nr < MAX_STARTS; chunk++) {
		chunk = dmr_map_find(frozen, dev->released, chunk, last);
		if (chunk == DMR_NO_CHUNK)
			break;
		c = xa_load(&p->copies, chunk);
		if (!c) {
			c = start_copy(dev, chunk, reads);
			nr++;
		}
		if (!c) {
			degrade(dev, "no memory to preserve it");
			return true;
		}
		if (!c->done && !wait)
			wait = c;
	}
	if (wait)
		bio_list_add(&wait->waiters, bio);
	return !wait;
}

/* P1. */
static bool owes(struct dmr_preserve *p, u64 tag)
{
	if (dmr_fault(no_preserve) || !p->clean)
		return false;
	return p->epoch == tag || (dmr_fault(no_own) && p->epoch);
}

/* True: it may go. False: it waits, somewhere. */
static bool admit(struct dmr_device *dev, struct bio *bio,
		  struct list_head *reads)
{
	struct dmr_preserve *p = &dev->preserve;
	bool go = true;

	spin_lock_irq(&p->lock);
	if (owes(p, dmr_io_of(bio)->tag)) {
		if (p->drained) {
			go = copy_held(dev, bio, reads);
		} else {
			bio_list_add(&p->early, bio);
			go = false;
		}
	}
	spin_unlock_irq(&p->lock);
	return go;
}

static void preserve_work(struct work_struct *work)
{
	struct dmr_device *dev = container_of(work, struct dmr_device,
					      preserve.work);
	struct copy *c, *next;
	struct bio_list bios;
	struct blk_plug plug;
	LIST_HEAD(reads);
	struct bio *bio;

	dmr_fault_delay(wake);
	dmr_io_take(dev, &dev->deferred, &bios);
	blk_start_plug(&plug);
	while ((bio = bio_list_pop(&bios))) {
		if (!admit(dev, bio, &reads))
			continue;
		dmr_fault_delay(copied);
		dmr_io_issue(dev, bio);
	}
	if (!list_empty(&reads))
		dmr_fault_delay(preserve);
	list_for_each_entry_safe(c, next, &reads, node)
		copy_read(c);
	blk_finish_plug(&plug);
}

void dmr_preserve_setup(struct dmr_device *dev)
{
	struct dmr_preserve *p = &dev->preserve;

	spin_lock_init(&p->lock);
	xa_init(&p->copies);
	init_waitqueue_head(&p->idle);
	bio_list_init(&p->early);
	INIT_WORK(&p->work, preserve_work);
}

static bool is_idle(struct dmr_preserve *p)
{
	bool idle;

	spin_lock_irq(&p->lock);
	idle = !p->nr_reading;
	spin_unlock_irq(&p->lock);
	return idle;
}

void dmr_preserve_teardown(struct dmr_device *dev)
{
	struct dmr_preserve *p = &dev->preserve;

	wait_event(p->idle, is_idle(p));
	cancel_work_sync(&p->work);
	dmr_assert(!p->nr_pages && !p->nr_copies);	/* P5 */
	xa_destroy(&p->copies);
}

void dmr_preserve_open(struct dmr_device *dev, u64 epoch, bool clean)
{
	struct dmr_preserve *p = &dev->preserve;

	spin_lock_irq(&p->lock);
	dmr_assert(!p->epoch && !p->nr_copies);		/* K3 */
	p->epoch = epoch;
	p->clean = clean;
	p->drained = false;
	p->nr_held = 0;
	spin_unlock_irq(&p->lock);
	WRITE_ONCE(dev->preserving, clean);
}

void dmr_preserve_drained(struct dmr_device *dev, u64 nr_frozen)
{
	struct dmr_preserve *p = &dev->preserve;

	spin_lock_irq(&p->lock);
	p->drained = true;
	p->nr_held = nr_frozen;
	dmr_io_defer(dev, &p->early);
	spin_unlock_irq(&p->lock);
}

void dmr_preserve_released(struct dmr_device *dev, u64 first, u64 last,
			   u64 nr_new, bool all)
{
	struct dmr_preserve *p = &dev->preserve;

	spin_lock_irq(&p->lock);
	dmr_assert(nr_new <= p->nr_held);
	p->nr_held -= nr_new;
	if (all)
		drop_range(dev, first, last);
	spin_unlock_irq(&p->lock);
}

void dmr_preserve_close(struct dmr_device *dev)
{
	struct dmr_preserve *p = &dev->preserve;

	WRITE_ONCE(dev->preserving, false);
	spin_lock_irq(&p->lock);
	p->epoch = 0;
	p->clean = false;
	p->nr_held = 0;
	drop_range(dev, 0, ULONG_MAX);
	dmr_io_defer(dev, &p->early);
	spin_unlock_irq(&p->lock);
}

void dmr_preserve_count(struct dmr_device *dev, struct dmr_preserve_counts *c)
{
	struct dmr_preserve *p = &dev->preserve;

	spin_lock_irq(&p->lock);
	c->held = p->nr_held;
	c->preserved = p->nr_copies;
	c->fuzzy = p->epoch && !p->clean;
	spin_unlock_irq(&p->lock);
}

static bool any_copy(struct dmr_preserve *p, u64 first, u64 last)
{
	unsigned long at = first;

	return p->nr_copies && xa_find(&p->copies, &at, last, XA_PRESENT);
}

/* K4. */
static bool any_released(struct dmr_device *dev, u64 first, u64 last)
{
	return !dmr_fault(no_once) &&
	       dmr_map_find(dev->released, NULL, first, last) != DMR_NO_CHUNK;
}

u64 dmr_preserve_read_begin(struct dmr_device *dev, u64 first, u64 last,
			    bool *copies)
{
	struct dmr_preserve *p = &dev->preserve;
	unsigned long flags;
	u64 epoch = 0;

	rcu_read_lock();
	spin_lock_irqsave(&p->lock, flags);
	if (p->epoch && p->drained &&
	    dmr_map_find_missing(frozen_of(dev), first, last) == DMR_NO_CHUNK &&
	    !(p->clean && any_released(dev, first, last)))
		epoch = p->epoch;
	*copies = any_copy(p, first, last);
	spin_unlock_irqrestore(&p->lock, flags);
	rcu_read_unlock();
	return epoch;
}

enum dmr_read_end dmr_preserve_read_end(struct dmr_device *dev, u64 epoch,
					u64 first, u64 last)
{
	struct dmr_preserve *p = &dev->preserve;
	enum dmr_read_end end = DMR_READ_OK;
	unsigned long flags;

	rcu_read_lock();
	spin_lock_irqsave(&p->lock, flags);
	if (p->epoch != epoch ||
	    (p->clean && any_released(dev, first, last)))
		end = DMR_READ_FAIL;
	else if (any_copy(p, first, last))
		end = DMR_READ_PATCH;
	spin_unlock_irqrestore(&p->lock, flags);
	rcu_read_unlock();
	return end;
}

bool dmr_preserve_patch(struct dmr_device *dev, u64 epoch, u64 chunk,
			unsigned int offset, void *buf, unsigned int len)
{
	struct dmr_preserve *p = &dev->preserve;
	unsigned long flags;
	struct copy *c;
	bool ok;

	rcu_read_lock();
	spin_lock_irqsave(&p->lock, flags);
	ok = p->epoch == epoch &&
	     !(p->clean && any_released(dev, chunk, chunk));
	c = ok ? xa_load(&p->copies, chunk) : NULL;
	if (c && c->done)
		memcpy_from_page(buf, c->pages[offset / PAGE_SIZE],
				 offset % PAGE_SIZE, len);
	spin_unlock_irqrestore(&p->lock, flags);
	rcu_read_unlock();
	return ok;
}

int dmr_preserve_init(void)
{
	return bioset_init(&copy_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
}

void dmr_preserve_exit(void)
{
	bioset_exit(&copy_bios);
}
