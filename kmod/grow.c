// SPDX-License-Identifier: GPL-2.0
/*
 * A volume grows by a table reload: its tables in memory.
 *
 * The device is suspended, so no write is under way and no worker has a bio;
 * what may run are netlink commands, the view, and cool.c. The first are kept
 * out by the group lock. Readers under RCU see larger tables before the
 * geometry says that they may look there. No epoch is open then, so the view
 * has nothing to read.
 */
#include "bits.h"

#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "epoch.h"
#include "group.h"
#include "hot.h"
#include "intent.h"

/* All that a larger volume needs; afterwards, what is to be freed. */
struct room {
	struct dmr_map *map[3];
	atomic_t *regions;
	unsigned long *todo;
	void **hot, **more;		/* the array; its new blocks */
	u64 nr_hot, nr_more;
};

static struct dmr_map *map_of(struct dmr_device *dev, unsigned int i)
{
	return i < 2 ? dev->slot[i].map : dev->released;
}

static void free_room(struct room *r)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r->map); i++)
		dmr_map_free_grown(r->map[i]);
	vfree(r->regions);
	vfree(r->todo);
	kvfree(r->hot);
	dmr_hot_free(r->more, r->nr_more);
}

static int make_room(struct dmr_meta *m, const struct dmr_layout *l,
		     struct room *r)
{
	bool enough = true;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(r->map); i++) {
		r->map[i] = dmr_map_prepare(map_of(m->dev, i), l->nr_regions);
		enough &= !IS_ERR(r->map[i]);
	}
	r->regions = vzalloc(array_size(l->nr_regions, sizeof(atomic_t)));
	r->todo = vzalloc(array_size(BITS_TO_LONGS(l->nr_regions),
				     sizeof(long)));
	r->nr_hot = dmr_layout_nr_hot_blocks(l);
	r->nr_more = r->nr_hot - dmr_layout_nr_hot_blocks(&m->layout);
	r->hot = kvcalloc(r->nr_hot, sizeof(void *), GFP_KERNEL);
	if (r->nr_more)
		r->more = dmr_hot_alloc(r->nr_more);
	enough &= r->regions && r->todo && r->hot && (r->more || !r->nr_more);
	return enough ? 0 : -ENOMEM;
}

static void grow_hot(struct dmr_meta *m, struct room *r)
{
	u64 old = r->nr_hot - r->nr_more;

	mutex_lock(&m->hot_lock);
	memcpy(r->hot, m->hot, old * sizeof(void *));
	if (r->nr_more)
		memcpy(r->hot + old, r->more, r->nr_more * sizeof(void *));
	swap(m->hot, r->hot);
	memcpy(r->regions, m->regions,
	       m->layout.nr_regions * sizeof(atomic_t));
	swap(m->regions, r->regions);
	mutex_unlock(&m->hot_lock);
	kvfree(r->more);
	r->more = NULL;
}

static void grow_sets(struct dmr_meta *m, const struct dmr_config *cfg,
		      struct room *r)
{
	struct dmr_device *dev = m->dev;
	struct dmr_group *g = dmr_group_lock(dev);
	unsigned int i;

	dmr_epoch_abort(g);
	for (i = 0; i < ARRAY_SIZE(r->map); i++)
		dmr_map_grow(map_of(dev, i), r->map[i]);
	memcpy(r->todo, m->todo,
	       BITS_TO_LONGS(m->layout.nr_regions) * sizeof(long));
	swap(m->todo, r->todo);
	m->layout = cfg->layout;
	synchronize_rcu();
	dmr_geometry_init(&dev->geo, cfg->sectors, cfg->chunk_sectors,
			  cfg->region_sectors);
	dmr_group_unlock(g);
}

int dmr_meta_grow(struct dmr_meta *m, const struct dmr_config *cfg)
{
	struct room r = { };
	int error;

	mutex_lock(&m->run_lock);
	error = make_room(m, &cfg->layout, &r);
	if (!error) {
		grow_hot(m, &r);
		grow_sets(m, cfg, &r);
	}
	mutex_unlock(&m->run_lock);
	free_room(&r);
	return error;
}
