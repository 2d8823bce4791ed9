// SPDX-License-Identifier: GPL-2.0
/*
 * A volume's metadata in memory: its tables, and what the epochs tell it.
 *
 * Here nothing is written: END, MARK and SET leave a note and go on, for no
 * command waits for a disk. The notes are counted, and what is durable of them
 * is known by the same count:
 *	nr_drops	chunks have left the sets; see C2 in cool.c
 *	nr_marks	chunks were marked; their bits are to be set on disk
 *	nr_urgent	a setting was changed
 */
#include "bits.h"

#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>

#include "cache.h"
#include "group.h"
#include "hot.h"
#include "intent.h"
#include "main.h"

/* How coarse the stamp of the last write is. */
#define STAMP	(60 * HZ)

/* ---- memory ---- */

static int alloc_memory(struct dmr_meta *m)
{
	m->regions = vzalloc(array_size(m->layout.nr_regions,
					sizeof(atomic_t)));
	m->todo = vzalloc(array_size(BITS_TO_LONGS(m->layout.nr_regions),
				     sizeof(long)));
	m->hot = dmr_hot_alloc(dmr_layout_nr_hot_blocks(&m->layout));
	m->page = dmr_block_alloc(GFP_KERNEL);
	if (!m->regions || !m->todo || !m->hot || !m->page)
		return -ENOMEM;
	return dmr_cache_init(m);
}

static void init_fields(struct dmr_meta *m)
{
	mutex_init(&m->state_lock);
	mutex_init(&m->run_lock);
	mutex_init(&m->chunk_lock);
	mutex_init(&m->super_lock);
	mutex_init(&m->hot_lock);
	bio_list_init(&m->waiting);
	bio_list_init(&m->ranges);
	INIT_WORK(&m->heat_work, dmr_heat_work);
	INIT_WORK(&m->range_work, dmr_range_work);
	INIT_WORK(&m->taken_work, dmr_taken_work);
	init_waitqueue_head(&m->answer_wait);
	INIT_DELAYED_WORK(&m->cool_work, dmr_cool_work);
	INIT_DELAYED_WORK(&m->stamp_work, dmr_meta_stamp_work);
	INIT_DELAYED_WORK(&m->age_work, dmr_age_work);
}

struct dmr_meta *dmr_meta_create(struct dmr_device *dev,
				 const struct dmr_config *cfg)
{
	struct dmr_meta *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return ERR_PTR(-ENOMEM);
	m->dev = dev;
	m->bdev = cfg->meta_bdev;
	m->devt = cfg->meta_bdev->bd_dev;
	m->layout = cfg->layout;
	init_fields(m);
	if (!alloc_memory(m))
		return m;
	dmr_meta_destroy(m);
	return ERR_PTR(-ENOMEM);
}

void dmr_meta_destroy(struct dmr_meta *m)
{
	if (IS_ERR_OR_NULL(m))
		return;
	dmr_cache_exit(m);
	if (m->page)
		dmr_block_free(m->page);
	dmr_hot_free(m->hot, dmr_layout_nr_hot_blocks(&m->layout));
	kvfree(m->ring);
	vfree(m->regions);
	vfree(m->todo);
	kfree(m);
}

int dmr_meta_limit(struct dmr_meta *m, unsigned int limit, unsigned int hot)
{
	unsigned int size, i, n;
	u32 *ring, *old;

	limit = min_t(u64, limit, m->layout.nr_regions);
	mutex_lock(&m->hot_lock);
	/* T3 in hot.c; @hot are to come. */
	size = max3(limit, m->nr_hot, hot);
	ring = kvcalloc(size, sizeof(u32), GFP_KERNEL);
	if (ring) {
		n = m->ring_len;
		for (i = 0; i < n; i++)
			ring[i] = dmr_ring_pop(m);
		old = m->ring;
		m->ring = ring;
		m->ring_size = size;
		m->ring_head = 0;
		m->ring_len = n;
		m->limit = limit;
		kvfree(old);
	}
	mutex_unlock(&m->hot_lock);
	return ring ? 0 : -ENOMEM;
}

/* ---- what the epochs tell; group lock ---- */

static void note_region(struct dmr_meta *m, u64 region)
{
	if (!test_bit(region, m->todo))
		set_bit(region, m->todo);
}

void dmr_meta_dropping(struct dmr_meta *m, struct dmr_map *map)
{
	u64 region, nr = m->layout.nr_regions;

	for (region = dmr_map_next_region(map, 0); region < nr;
	     region = dmr_map_next_region(map, region + 1))
		note_region(m, region);
	WRITE_ONCE(m->nr_drops, m->nr_drops + 1);
	m->now.last_contact = ktime_get_real_seconds();
	dmr_cool_later(m);
}

static void note_extent(struct dmr_meta *m, const struct dmr_extent *e)
{
	unsigned int shift = m->dev->geo.region_shift;
	u64 region = e->start >> shift;

	for (; region <= (e->start + e->count - 1) >> shift; region++)
		note_region(m, region);
}

void dmr_meta_marked(struct dmr_meta *m, const struct dmr_extent *ext,
		     unsigned int nr)
{
	const struct dmr_extent whole = { 0, m->layout.nr_chunks };
	unsigned int i;

	if (!ext)
		note_extent(m, &whole);
	for (i = 0; ext && i < nr; i++)
		note_extent(m, &ext[i]);
	smp_wmb();	/* pairs with the one in run(), cool.c */
	WRITE_ONCE(m->nr_marks, m->nr_marks + 1);
	dmr_cool_kick(m);
}

void dmr_meta_changed(struct dmr_meta *m)
{
	WRITE_ONCE(m->nr_urgent, m->nr_urgent + 1);
	dmr_cool_kick(m);
}

void dmr_meta_generation(struct dmr_meta *m, u64 generation, u64 end_epoch)
{
	struct dmr_super *s = &m->now;
	u32 keep = min_t(u32, s->nr_ancestors, DMR_MAX_ANCESTORS - 1);

	memmove(s->ancestors + 1, s->ancestors, keep * sizeof(*s->ancestors));
	s->ancestors[0].generation = generation;
	s->ancestors[0].end_epoch = end_epoch;
	s->nr_ancestors = keep + 1;
}

void dmr_meta_ancestors(struct dmr_meta *m, const struct dmr_nl_ancestor *a,
			unsigned int nr)
{
	struct dmr_super *s = &m->now;
	unsigned int i;

	BUILD_BUG_ON(DMR_MAX_NL_ANCESTORS != DMR_MAX_ANCESTORS);
	for (i = 0; i < nr; i++) {
		s->ancestors[i].generation = a[i].generation;
		s->ancestors[i].end_epoch = a[i].end_epoch;
	}
	s->nr_ancestors = nr;
}

/* S5 in activate.c. */
void dmr_meta_committed(struct dmr_meta *m, u64 epoch)
{
	if (!(m->now.flags & DMR_SUPER_F_SUSPECT) ||
	    epoch <= m->now.suspect_epoch)
		return;
	m->now.flags &= ~DMR_SUPER_F_SUSPECT;
	dmr_info(m->dev, "all that was suspect has been shipped");
}

void dmr_meta_stamp_later(struct dmr_meta *m)
{
	queue_delayed_work(dmr_cool_wq, &m->stamp_work, STAMP);
}

/* Writes to hot regions leave no other trace on disk. */
void dmr_meta_stamp_work(struct work_struct *work)
{
	struct dmr_meta *m = container_of(to_delayed_work(work),
					  struct dmr_meta, stamp_work);
	struct dmr_group *g = dmr_group_lock(m->dev);

	if (dmr_device_written(m->dev) != m->written)
		dmr_meta_changed(m);
	dmr_group_unlock(g);
	dmr_meta_stamp_later(m);
}

bool dmr_meta_is_pending(struct dmr_meta *m)
{
	return READ_ONCE(m->durable_urgent) != m->nr_urgent ||
	       READ_ONCE(m->durable_marks) != m->nr_marks;
}
