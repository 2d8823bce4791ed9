// SPDX-License-Identifier: GPL-2.0
/*
 * Writing the superblock.
 *
 * Invariant:
 *  S1 The slots are written in turn; one that failed is written again. So at
 *     any time one slot has what was written last with success.
 *
 * When it is written, and in which order with the bits, stands in activate.c
 * and cool.c.
 */
#include "meta.h"

#include <linux/timekeeping.h>

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

/* S1. super_lock. */
static int write_slot(struct dmr_meta *m)
{
	struct dmr_block b = { .data = m->page };
	struct dmr_group *g = dmr_group_lock(m->dev);
	u64 drops = m->nr_drops, urgent = m->nr_urgent, committed;
	int r;

	capture(m);
	m->now.sequence = m->sequence + 1;
	dmr_super_encode(&m->now, m->page);
	committed = m->now.last_committed;
	dmr_group_unlock(g);
	b.nr = (m->sequence + 1) % DMR_NR_SUPERS;
	dmr_fault_delay(super);
	r = dmr_fault_every(fail_super) ? -EIO :
	    dmr_blocks_write(m->bdev, &b, 1);
	if (r)
		return r;
	m->sequence++;
	WRITE_ONCE(m->durable_drops, drops);
	WRITE_ONCE(m->durable_urgent, urgent);
	WRITE_ONCE(m->durable_committed, committed);
	return 0;
}

int dmr_super_write(struct dmr_meta *m)
{
	int r;

	mutex_lock(&m->super_lock);
	r = write_slot(m);
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
