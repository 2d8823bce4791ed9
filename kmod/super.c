// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the superblock.
 *
 * Invariants:
 *  S1 The slots are written in turn; one that failed is written again. So at
 *     any time one slot has what was written last with success.
 *  S7 What was acknowledged does not hang on one slot: but for how far epochs
 *     and time have come, both say it. (Who falls back to an older epoch is
 *     behind its target, which is noticed: W5. A role, a generation or a
 *     suspicion that is gone is noticed by nobody.)
 *
 * When it is written, and in which order with the bits, stands in activate.c
 * and cool.c.
 */
#include "meta.h"

#include <linux/timekeeping.h>
#include <linux/xxhash.h>

#include "event.h"
#include "fault.h"
#include "group.h"

/* Group lock. */
static void capture(struct dmr_meta *m)
{
	struct dmr_device *dev = m->dev;
	u64 written = dmr_device_written(dev);

	m->now.role = dmr_kept_role(dev);
	m->now.generation = dev->generation;
	m->now.last_committed = dev->last_committed;
	m->now.highest_seen = dev->highest_seen;
	m->now.loads = dev->loads;
	if (written != m->written)
		m->now.last_write = ktime_get_real_seconds();
	m->written = written;
}

/* S7: a digest of what both slots have to say; 0 is none. */
static u64 settings_of(const struct dmr_super *s, void *page)
{
	struct dmr_super_disk *d = page;

	dmr_super_encode(s, page);
	d->crc = 0;
	d->sequence = 0;
	d->last_committed = 0;
	d->highest_seen = 0;
	d->last_write = 0;
	d->last_contact = 0;
	return xxh64(page, DMR_BLOCK_SIZE, 0) ?: 1;
}

/* What a superblock has made durable. */
struct covered {
	u64 drops, urgent, committed, settings;
};

/* Group lock. The next superblock is in the page. */
static void __take(struct dmr_meta *m, struct covered *c)
{
	capture(m);
	m->now.sequence = m->sequence + 1;
	c->drops = m->nr_drops;
	c->urgent = m->nr_urgent;
	c->committed = m->now.last_committed;
	c->settings = settings_of(&m->now, m->page);
	dmr_super_encode(&m->now, m->page);
}

/* S1. super_lock. */
static int write_slot(struct dmr_meta *m, struct covered *c)
{
	struct dmr_block b = { .data = m->page, .nr = m->next_slot };
	struct dmr_group *g = dmr_group_lock(m->dev);
	int r;

	__take(m, c);
	dmr_group_unlock(g);
	m->settings[b.nr] = 0;
	dmr_fault_delay(super);
	r = dmr_fault_every(fail_super) ? -EIO :
	    dmr_blocks_write(m->bdev, &b, 1);
	if (r)
		return r;
	m->settings[b.nr] = c->settings;
	m->next_slot = !b.nr;
	m->sequence++;
	return 0;
}

/* S7. super_lock. A setting that changes meanwhile is for the next call. */
static int write_both(struct dmr_meta *m, struct covered *c)
{
	struct covered second;
	int r = write_slot(m, c);

	if (!r && m->settings[m->next_slot] != c->settings)
		r = write_slot(m, &second);
	return r;
}

int dmr_super_write(struct dmr_meta *m)
{
	struct covered c;
	int r;

	mutex_lock(&m->super_lock);
	r = write_both(m, &c);
	if (!r) {
		WRITE_ONCE(m->durable_drops, c.drops);
		WRITE_ONCE(m->durable_urgent, c.urgent);
		WRITE_ONCE(m->durable_committed, c.committed);
	}
	mutex_unlock(&m->super_lock);
	return r;
}

int dmr_super_write_first(struct dmr_meta *m)
{
	struct covered c;
	int r;

	mutex_lock(&m->super_lock);
	m->next_slot = 1;
	r = write_slot(m, &c);
	mutex_unlock(&m->super_lock);
	return r;
}

void dmr_meta_report(struct dmr_meta *m, int error)
{
	int old = xchg(&m->error, error);

	if (error && !old) {
		dmr_err(m->dev, "metadata: error %d: only hot regions can be written",
			error);
		dmr_event_later(m->dev, DMR_SEND_META_FAILED);
		dmr_cool_later(m);
	} else if (!error && old) {
		dmr_info(m->dev, "metadata: works again");
	}
}

void dmr_super_flags(struct dmr_meta *m, u32 clear, u32 set)
{
	struct dmr_group *g = dmr_group_lock(m->dev);

	m->now.flags = (m->now.flags & ~clear) | set;
	dmr_group_unlock(g);
}
