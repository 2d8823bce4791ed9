// SPDX-License-Identifier: GPL-2.0
/*
 * The devices there are: found by origin, shared by table instances and views.
 *
 * Invariants:
 *  V1 One device for each origin; one mapped device for each device.
 *  V2 A device is on the list from its creation until its last instance is
 *     closed; while it is there, md is valid. References (views, netlink) keep
 *     the memory, not the mapped device.
 *  V3 A new device is wholly dirty: nobody knows what its origin has.
 *  V4 No bio is left when the last instance closes: device-mapper has waited.
 *     Reads for copies may be; dmr_preserve_teardown() waits for them.
 */
#include "device.h"

#include <linux/blkdev.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "epoch.h"
#include "event.h"
#include "fault.h"
#include "group.h"
#include "io.h"
#include "main.h"
#include "meta.h"
#include "preserve.h"

DEFINE_MUTEX(dmr_registry_lock);
LIST_HEAD(dmr_devices);
LIST_HEAD(dmr_groups);

static unsigned int registry_noio;	/* dmr_registry_lock */

void dmr_registry_enter(void)
{
	mutex_lock(&dmr_registry_lock);
	registry_noio = memalloc_noio_save();
}

void dmr_registry_leave(void)
{
	unsigned int flags = registry_noio;

	mutex_unlock(&dmr_registry_lock);
	memalloc_noio_restore(flags);
}

static void free_memory(struct dmr_device *dev)
{
	dmr_meta_destroy(dev->meta);
	dmr_map_destroy(dev->slot[0].map);
	dmr_map_destroy(dev->slot[1].map);
	dmr_map_destroy(dev->released);
	free_percpu(dev->pcpu);
	kfree(dev);
}

static int alloc_memory(struct dmr_device *dev, const struct dmr_config *cfg)
{
	dev->pcpu = alloc_percpu(struct dmr_percpu);
	dev->slot[0].map = dmr_map_create(&dev->geo);
	dev->slot[1].map = dmr_map_create(&dev->geo);
	dev->released = dmr_map_create(&dev->geo);
	if (!dev->pcpu || IS_ERR(dev->slot[0].map) ||
	    IS_ERR(dev->slot[1].map) || IS_ERR(dev->released))
		return -ENOMEM;
	if (cfg->meta_bdev)
		dev->meta = dmr_meta_create(dev, cfg);
	return PTR_ERR_OR_ZERO(dev->meta);
}

static void set_identity(struct dmr_device *dev)
{
	uuid_gen(&dev->volume_id);
	dev->incarnation = get_random_u64();
	dev->generation = get_random_u64();
	/* Where no superblock keeps a count, a clock that only grows serves. */
	dev->loads = ktime_get_real_seconds();
}

static void init_fields(struct dmr_device *dev, const struct dmr_config *cfg)
{
	dmr_geometry_init(&dev->geo, cfg->sectors, cfg->chunk_sectors,
			  cfg->region_sectors);
	dev->preserve_pages = cfg->preserve_pages;
	dev->role = cfg->role;
	refcount_set(&dev->refs, 1);
	INIT_LIST_HEAD(&dev->member);
	spin_lock_init(&dev->io_lock);
	bio_list_init(&dev->parked);
	bio_list_init(&dev->deferred);
	INIT_WORK(&dev->park_work, dmr_io_park_work);
	INIT_WORK(&dev->drain_work, dmr_epoch_drain_work);
	INIT_WORK(&dev->event_work, dmr_event_work);
	dmr_preserve_setup(dev);
	set_identity(dev);
}

static struct dmr_device *create(struct mapped_device *md,
				 struct block_device *bdev,
				 const struct dmr_config *cfg)
{
	struct dmr_device *dev = kzalloc(sizeof(*dev), GFP_KERNEL);

	if (!dev)
		return NULL;
	init_fields(dev, cfg);
	dev->md = md;
	dev->bdev = bdev;
	dev->number = dmr_number(disk_devt(dm_disk(md)));
	dev->origin = bdev->bd_dev;
	if (alloc_memory(dev, cfg) || dmr_group_start(dev)) {
		free_memory(dev);
		return NULL;
	}
	dmr_map_fill(dev->slot[0].map);				/* V3 */
	dev->slot[0].seen = true;
	return dev;
}

static struct dmr_device *find_by_origin(dev_t origin)
{
	struct dmr_device *dev;

	lockdep_assert_held(&dmr_registry_lock);
	list_for_each_entry(dev, &dmr_devices, node)
		if (dev->origin == origin)
			return dev;
	return NULL;
}

static dev_t meta_of(const struct dmr_device *dev)
{
	return dev->meta ? dev->meta->devt : 0;
}

static dev_t meta_asked(const struct dmr_config *cfg)
{
	return cfg->meta_bdev ? cfg->meta_bdev->bd_dev : 0;
}

/*
 * device-mapper opens for all its tables under one name, so nobody but us
 * keeps two volumes off one metadata device.
 */
static char *meta_misfit(struct block_device *origin,
			 const struct dmr_config *cfg)
{
	dev_t meta = meta_asked(cfg);
	struct dmr_device *dev;

	list_for_each_entry(dev, &dmr_devices, node) {
		if (meta && (meta_of(dev) == meta || dev->origin == meta))
			return "Another replica device uses this metadata device";
		if (meta_of(dev) == origin->bd_dev)
			return "The origin is a metadata device in use";
	}
	return NULL;
}

static bool is_known(struct mapped_device *md)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &dmr_devices, node)
		if (dev->md == md)
			return true;
	return false;
}

/* Why a table can't be another instance of @dev, or NULL. */
static char *misfit(struct dmr_device *dev, struct mapped_device *md,
		    const struct dmr_config *cfg)
{
	struct dmr_geometry geo;

	if (dev->md != md)
		return "Another replica device uses this origin";
	if (dev->closing)
		return "The device is being removed";
	if (meta_asked(cfg) != meta_of(dev))
		return "A reload can't change the metadata device";
	dmr_geometry_init(&geo, cfg->sectors, cfg->chunk_sectors,
			  cfg->region_sectors);
	if (geo.sectors < dev->geo.sectors ||
	    (geo.sectors > dev->geo.sectors && !dev->meta))
		return "A reload can't change the size";
	if (geo.chunk_shift != dev->geo.chunk_shift ||
	    geo.region_shift != dev->geo.region_shift)
		return "A reload can't change chunk_size or region_size";
	if (cfg->role != dmr_kept_role(dev) &&
	    (cfg->has_role || !dev->meta))
		return "A reload can't change the role";
	return NULL;
}

static struct dmr_device *open_locked(struct mapped_device *md,
				      struct block_device *bdev,
				      const struct dmr_config *cfg,
				      char **error)
{
	struct dmr_device *dev = find_by_origin(bdev->bd_dev);

	if (dev) {
		*error = misfit(dev, md, cfg);
		if (*error)
			return ERR_PTR(-EBUSY);
		dev->nr_instances++;
		return dev;
	}
	if (is_known(md)) {
		*error = "A reload can't change the origin";
		return ERR_PTR(-EBUSY);
	}
	*error = meta_misfit(bdev, cfg);
	if (*error)
		return ERR_PTR(-EBUSY);
	dev = create(md, bdev, cfg);
	if (!dev) {
		*error = "Not enough memory for the maps";
		return ERR_PTR(-ENOMEM);
	}
	dev->nr_instances = 1;
	list_add_tail(&dev->node, &dmr_devices);
	return dev;
}

struct dmr_device *dmr_device_open(struct mapped_device *md,
				   struct block_device *bdev,
				   const struct dmr_config *cfg, char **error)
{
	struct dmr_device *dev;

	dmr_registry_enter();
	dev = open_locked(md, bdev, cfg, error);
	dmr_registry_leave();
	return dev;
}

static void destroy(struct dmr_device *dev)
{
	dmr_group_forget(dev);
	free_memory(dev);
}

void dmr_device_put(struct dmr_device *dev)
{
	if (refcount_dec_and_test(&dev->refs))
		destroy(dev);
}

/* V4. The device takes no instance any more. */
static void stop(struct dmr_device *dev)
{
	dmr_assert(bio_list_empty(&dev->parked));		/* V4 */
	dmr_assert(bio_list_empty(&dev->deferred));		/* V4 */
	cancel_work_sync(&dev->park_work);
	if (dev->meta)
		dmr_meta_stop(dev->meta);
	dmr_preserve_teardown(dev);
	cancel_work_sync(&dev->drain_work);
	cancel_work_sync(&dev->event_work);
}

/* True: it was the last one, and nobody can find the device as a live one. */
static bool close_instance(struct dmr_device *dev)
{
	lockdep_assert_held(&dmr_registry_lock);
	if (--dev->nr_instances)
		return false;
	dev->closing = true;
	if (dev->active)
		dmr_event_send(dev, DMR_EVENT_REMOVED);
	dev->active = false;
	dmr_group_leave(dev);
	return true;
}

/* V1: it is on the list until its metadata is at rest. */
void dmr_device_close(struct dmr_device *dev)
{
	bool last;

	dmr_registry_enter();
	last = close_instance(dev);
	dmr_registry_leave();
	if (!last)
		return;
	stop(dev);
	dmr_registry_enter();
	list_del_init(&dev->node);
	dmr_registry_leave();
	dmr_device_put(dev);
}

static void take_name(struct dmr_device *dev)
{
	struct dmr_group *g = dmr_group_lock(dev);

	if (dm_copy_name_and_uuid(dev->md, dev->name, NULL))
		strscpy(dev->name, dm_device_name(dev->md), DM_NAME_LEN);
	dmr_group_unlock(g);
}

int dmr_device_preresume(struct dmr_device *dev, const struct dmr_config *cfg)
{
	take_name(dev);
	return dev->meta ? dmr_meta_activate(dev->meta, cfg) : 0;
}

void dmr_device_resume(struct dmr_device *dev, struct block_device *bdev,
		       const struct dmr_config *cfg)
{
	struct dmr_group *g;
	bool first;

	dmr_registry_enter();
	first = !dev->active;
	dev->active = true;
	g = dmr_group_lock(dev);
	dev->bdev = bdev;
	WRITE_ONCE(dev->preserve_pages, cfg->preserve_pages);
	dev->suspended = false;
	dmr_group_unlock(g);
	if (first)
		dmr_event_send(dev, DMR_EVENT_ADDED);
	dmr_registry_leave();
}

void dmr_device_presuspend(struct dmr_device *dev)
{
	struct dmr_group *g = dmr_group_lock(dev);

	dev->suspended = true;
	dmr_group_unhold(g);					/* K6 */
	dmr_group_unlock(g);
}

struct dmr_device *dmr_device_get_by_origin(dev_t origin)
{
	struct dmr_device *dev;

	dmr_registry_enter();
	dev = find_by_origin(origin);
	if (dev)
		refcount_inc(&dev->refs);
	dmr_registry_leave();
	return dev;
}

struct dmr_device *dmr_device_get_by_number(u64 number)
{
	struct dmr_device *dev, *found = NULL;

	dmr_registry_enter();
	list_for_each_entry(dev, &dmr_devices, node)
		if (dev->active && dev->number == number)
			found = dev;
	if (found)
		refcount_inc(&found->refs);
	dmr_registry_leave();
	return found;
}

u64 dmr_device_written(const struct dmr_device *dev)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(dev->pcpu, cpu)->written);
	return sum;
}
