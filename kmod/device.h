/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a volume is in the kernel, and who guards what.
 *
 * A dmr_device is found by its origin and shared by all table instances of one
 * mapped device (at a reload there are two) and by its view. A dmr_group is
 * one or more devices that are cut in one instant.
 *
 * Locks, in the order in which they are taken:
 *   md->type_lock / md->suspend_lock	(device-mapper's, in its hooks)
 *   dmr_registry_lock			the lists of devices and groups, JOIN
 *   dmr_group::lock			the state machine of epoch.c
 *   dm's _hash_lock			(dm_copy_name_and_uuid)
 *   dmr_preserve::lock			irqs off; copies and what is held
 *   dmr_device::io_lock		irqs off; lists of parked/deferred bios
 * The metadata has locks of its own (meta.h), all taken before the group lock.
 * The write path takes none of these unless a write is parked or deferred; it
 * reads the gate under RCU with preemption off (io.c).
 */
#ifndef DMR_DEVICE_H
#define DMR_DEVICE_H

#include <linux/bio.h>
#include <linux/device-mapper.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <linux/dm-replica.h>

#include "dirty.h"
#include "format.h"

#define DM_MSG_PREFIX "replica"

/* The messages of one device carry its name. */
#define dmr_err(dev, fmt, ...) DMERR("%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define dmr_info(dev, fmt, ...) DMINFO("%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define dmr_warn(dev, fmt, ...) DMWARN("%s: " fmt, (dev)->name, ##__VA_ARGS__)
#define dmr_warn_limit(dev, fmt, ...)					\
	DMWARN_LIMIT("%s: " fmt, (dev)->name, ##__VA_ARGS__)

/*
 * What a marker must know, in one object that is never changed once published:
 * the cut of a group is the store of one pointer to it.
 */
struct dmr_gate {
	struct rcu_head rcu;
	u64 epoch;			/* open epoch, 0 = none */
	u8 parity;			/* slot of the running epoch */
	bool hold;			/* writes are parked, unclassified */
};

struct dmr_group {
	struct dmr_gate __rcu *gate;	/* written under lock */
	struct mutex lock;
	refcount_t refs;
	u64 number;			/* set once; 0 = a device alone */
	struct list_head node;		/* dmr_registry_lock */
	struct list_head members;	/* lock and dmr_registry_lock: either */
	unsigned int nr_members;	/*   to read, both to write */

	/* All below: lock. */
	enum dmr_state state;
	u64 epoch;			/* open, 0 = none */
	u64 cut_time;			/* ns since 1970 */
	u64 ended_epoch;		/* for a repeated END */
	u32 ended_how;			/* enum dmr_end */
	bool held;			/* by HOLD */
	u32 hold_owner;			/* port id; 0 = dmsetup message */
	unsigned long hold_until;	/* jiffies */
	unsigned int noio;		/* what dmr_group_lock() has saved */
	struct delayed_work unhold_work;
};

/* The writes of one epoch; the set survives as the frozen one. */
struct dmr_slot {
	struct dmr_map *map;
	bool seen;			/* any write yet; racy, a hint */
};

struct dmr_percpu {
	long inflight[2];		/* by slot; only their sums mean much */
	u64 written;			/* sectors */
};

/* See preserve.c. */
struct dmr_preserve {
	spinlock_t lock;		/* irqs off; all of this */
	u64 epoch;			/* open epoch, 0 = none */
	bool clean;			/* cut clean and not degraded */
	bool drained;			/* K7: copies may be read */
	u64 degraded;			/* the last epoch that did */
	u64 nr_held;			/* frozen, not released; once drained */
	struct xarray copies;		/* chunk -> struct copy */
	unsigned int nr_copies;		/* of this epoch */
	unsigned int nr_pages;		/* in use, orphans too */
	unsigned int nr_reading;	/* reads under way, orphans too */
	wait_queue_head_t idle;		/* nr_reading is 0 */
	struct bio_list early;		/* wait for drained */
	struct work_struct work;
};

/* Deferred events, bits of dmr_device::events. */
enum { DMR_SEND_DIRTY, DMR_SEND_DEGRADED, DMR_SEND_META_FAILED };

struct dmr_stats {
	u64 cuts, commits, aborts, keeps;	/* group lock */
	u64 gate_last_ns, gate_max_ns, gate_sum_ns;
	u64 degraded, copies;			/* preserve.lock */
};

struct dmr_device {
	/* Read by every write; set before the first. */
	struct dmr_group __rcu *group;	/* registry + both locks to write */
	struct dmr_percpu __percpu *pcpu;
	struct dmr_slot slot[2];	/* by parity ^ flip */
	u8 flip;			/* written with all writes held */
	bool preserving;		/* a clean epoch is open; a hint */
	bool draining;			/* pairs with dmr_io_put() */
	u8 role;			/* enum dmr_role; group lock to write */
	struct dmr_geometry geo;	/* changed by grow.c only */
	struct block_device *bdev;	/* the origin; of the live instance */
	struct dmr_meta *meta;		/* set once; NULL = nothing is kept */
#ifdef DMR_FAULT
	struct dmr_gate __rcu *own_gate;
#endif

	spinlock_t io_lock;
	struct bio_list parked;		/* io_lock; the gate was closed */
	struct bio_list deferred;	/* io_lock; may have to preserve */
	struct work_struct park_work;
	struct work_struct drain_work;
	struct work_struct event_work;
	unsigned long events;		/* atomic bits */

	struct dmr_map *released;	/* group lock to write */
	struct dmr_preserve preserve;

	/* dmr_registry_lock */
	refcount_t refs;
	struct list_head node;
	struct mapped_device *md;	/* identity; valid while on the list */
	dev_t origin;
	unsigned int nr_instances;
	bool active;			/* has been resumed: ADDED was sent */
	bool closing;			/* takes no instance any more */

	/* group lock */
	struct list_head member;
	char name[DM_NAME_LEN];
	u32 owner;			/* port id, 0 = none */
	bool gone;			/* the last instance is gone */
	bool suspended;
	u64 attaches;
	u64 last_committed, highest_seen, generation;
	struct dmr_stats stats;

	unsigned int preserve_pages;	/* written on resume; a limit */

	/* Set once. */
	u64 number;			/* of the replica device: DMR_A_DEV */
	u64 incarnation;
	u64 loads;			/* these two: before the first resume */
	uuid_t volume_id;
};

/* What a constructor asks for; see args.c. */
struct dmr_config {
	sector_t sectors;
	unsigned int chunk_sectors;
	unsigned int region_sectors;
	unsigned int hot_regions;
	unsigned int preserve_pages;
	enum dmr_role role;
	bool has_role;			/* it was given */
	struct dmr_layout layout;	/* the metadata device must have it */
	struct block_device *meta_bdev;	/* NULL = "-" */
};

extern struct mutex dmr_registry_lock;

/*
 * Takes and gives back dmr_registry_lock. Memory is asked for without I/O
 * meanwhile, as under the group lock: reclaim may wait for a write that waits
 * for us.
 */
void dmr_registry_enter(void);
void dmr_registry_leave(void);

extern struct list_head dmr_devices;
extern struct list_head dmr_groups;

/*
 * The device of @md on @bdev: the one that exists, for a reload, or a new one
 * that is wholly dirty. Counts an instance. May sleep. ERR_PTR: -EBUSY where
 * another mapped device has the origin or where @cfg does not fit what is
 * there; *@error says so.
 */
struct dmr_device *dmr_device_open(struct mapped_device *md,
				   struct block_device *bdev,
				   const struct dmr_config *cfg, char **error);

/* An instance goes away; with the last one the device does. May sleep. */
void dmr_device_close(struct dmr_device *dev);

/* As it is kept: what a load begins with. */
static inline u8 dmr_kept_role(const struct dmr_device *dev)
{
	return dev->role == DMR_ROLE_READONLY ? DMR_ROLE_PRIMARY : dev->role;
}

/* Before that, while writes are stopped: -errno refuses. May do I/O. */
int dmr_device_preresume(struct dmr_device *dev,
			 const struct dmr_config *cfg);

/* An instance on @bdev resumes. May sleep (no reclaim). */
void dmr_device_resume(struct dmr_device *dev, struct block_device *bdev,
		       const struct dmr_config *cfg);
void dmr_device_presuspend(struct dmr_device *dev);

/* A reference by origin, or by the number of the replica device; or NULL. */
struct dmr_device *dmr_device_get_by_origin(dev_t origin);
struct dmr_device *dmr_device_get_by_number(u64 number);
void dmr_device_put(struct dmr_device *dev);

/* Sectors written by users since the load. */
u64 dmr_device_written(const struct dmr_device *dev);

static inline u64 dmr_number(dev_t dev)
{
	return (u64)MAJOR(dev) << 32 | MINOR(dev);
}

#endif
