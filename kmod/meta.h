/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a volume has in the kernel because of its metadata device. super.c,
 * intent.c and cool.c share it; the rest sees the functions below only.
 *
 * Locks, in the order in which they are taken; all of them may be held over
 * I/O on the metadata device, and none is ever waited for by who holds a lock
 * of device.h or serves the write path:
 *   state_lock		activation and its end
 *   run_lock		the one run of cool.c
 *   chunk_lock		the chunk bits on disk
 *   super_lock		the superblock on disk
 *   (the group lock)	what is to go to either
 * hot_lock, the hot bits on disk, may be taken under state_lock and run_lock;
 * none of these is taken under it.
 */
#ifndef DMR_META_H
#define DMR_META_H

#include "device.h"
#include "format.h"
#include "metaio.h"

#define DMR_META_BATCH	256	/* regions that one step heats or cools */
#define DMR_HOT_BLOCKS	16	/* blocks of hot bits written at a time */

/* Blocks of hot bits that are to be written. See hot.c. */
struct dmr_touched {
	u32 block[DMR_HOT_BLOCKS];
	u8 sectors[DMR_HOT_BLOCKS];	/* those that have changed */
	unsigned int nr;
};

struct dmr_cached;

struct dmr_meta {
	struct dmr_device *dev;		/* set once */
	dev_t devt;			/* set once */
	struct block_device *bdev;	/* set in preresume */
	struct dmr_layout layout;	/* grows with all writes stopped */

	/* The hot path: one word for each region, see intent.c. */
	atomic_t *regions;

	struct bio_list waiting;	/* dev->io_lock; for a hot bit */
	struct bio_list ranges;		/* dev->io_lock; for chunk bits */
	struct work_struct heat_work;
	struct work_struct range_work;
	struct delayed_work cool_work;
	struct delayed_work stamp_work;	/* now and then: the last write */
	struct delayed_work age_work;	/* while regions are hot */

	struct mutex hot_lock;		/* all of this */
	void **hot;			/* the hot bitmap, as blocks */
	struct dmr_touched touched;	/* of hot */
	u32 *ring;			/* hot regions, oldest first */
	unsigned int ring_size, ring_head, ring_len;
	unsigned int nr_hot;		/* read without the lock: a figure */
	unsigned int limit;		/* hot_regions of the table */
	u32 batch[DMR_META_BATCH];	/* regions being heated */
	unsigned int nr_closed;		/* hot regions that are CLOSED */
	unsigned int chances;		/* a region cooled or was opened: H8 */
	bool starved;			/* a write waits for room; a hint */
	unsigned int to_age;		/* of ring: to be looked at, once */

	struct mutex run_lock;		/* see C6 in cool.c */
	struct mutex chunk_lock;	/* all of this */
	struct dmr_cached *cache;	/* see bits.c, as for the next five */
	struct dmr_cached **wanted;
	struct dmr_block *io;
	unsigned int nr_cache, nr_wanted;
	unsigned int nr_bad;

	/* Regions whose chunk bits on disk are not what they should be. */
	unsigned long *todo;		/* atomic bits */

	struct mutex super_lock;	/* the next four; see super.c */
	void *page;
	u64 sequence;			/* of the last one written */
	unsigned int next_slot;		/* to be written: not that one's */
	u64 settings[DMR_NR_SUPERS];	/* what each says (S7); 0: unknown */

	/* Group lock; what the next superblock will say. */
	struct dmr_super now;
	u64 nr_drops;			/* times that chunks left the sets */
	u64 nr_urgent;			/* settings that were changed */
	u64 nr_marks;			/* times that chunks were marked */
	/* What of these is durable; read without a lock. */
	u64 durable_drops, durable_urgent;	/* super_lock to write */
	u64 durable_committed;			/* the same */
	u64 durable_marks;		/* cool_work only */
	u64 flushed_drops;		/* chunk_lock; origin flushed since */

	struct mutex state_lock;	/* the next four; see activate.c */
	bool loaded, shut;
	bool retired;			/* since the last resume */
	bool quiesced;			/* no I/O until the next resume */
	struct work_struct taken_work;	/* S8 in activate.c */
	unsigned int asked;		/* state_lock to write */
	unsigned int answered;		/* taken_work only */
	wait_queue_head_t answer_wait;	/* for answered */

	int error;			/* atomic; 0 = the device works */
	int origin_error;		/* run_lock; a flush of it failed */
	bool has_todo;			/* run_lock; at the end of a run */
	u64 written;			/* group lock; to see new writes */
};

/* ---- meta.c ---- */

/*
 * ctr: memory for @dev, which has its geometry. ERR_PTR. Nothing is read.
 */
struct dmr_meta *dmr_meta_create(struct dmr_device *dev,
				 const struct dmr_config *cfg);
/* Nobody uses @m any more; takes NULL and ERR_PTR. */
void dmr_meta_destroy(struct dmr_meta *m);

/* At most @limit may be hot; there is room for @hot that are. -ENOMEM. */
int dmr_meta_limit(struct dmr_meta *m, unsigned int limit, unsigned int hot);

/* ---- activate.c ---- */

/*
 * preresume: reads or formats the metadata, the first time; makes it ready for
 * writes. -errno: the device can't be resumed; said in the log.
 */
int dmr_meta_activate(struct dmr_meta *m, const struct dmr_config *cfg);

/*
 * grow.c, for activate.c: makes room in memory for what @cfg has more. All
 * writes are stopped; an open epoch is aborted. -ENOMEM, and nothing changed.
 */
int dmr_meta_grow(struct dmr_meta *m, const struct dmr_config *cfg);

/*
 * postsuspend: no bio is under way and none will come before preresume. Waits
 * some seconds for the metadata device, longer only if it is to be shut down.
 */
void dmr_meta_quiesce(struct dmr_meta *m);

void dmr_taken_work(struct work_struct *work);

/* The message "retire": the removal is planned. 0 or -errno. */
int dmr_meta_retire(struct dmr_meta *m);
/* Somebody works with it: it is not to be removed after all. No waiting. */
void dmr_meta_unretire(struct dmr_meta *m);

/* The last instance is closed: stops the workers, records how it went. */
void dmr_meta_stop(struct dmr_meta *m);

/* ---- super.c ---- */

/* super_lock not held. What the device says now becomes durable. */
int dmr_super_write(struct dmr_meta *m);

/* A device that is being formatted: slot 1 only, block 0 stays what it is. */
int dmr_super_write_first(struct dmr_meta *m);

/* DMR_SUPER_F_* of the next superblock. */
void dmr_super_flags(struct dmr_meta *m, u32 clear, u32 set);

/* A read or a write of the metadata failed (or, 0, all is well again). */
void dmr_meta_report(struct dmr_meta *m, int error);

/* ---- group lock; what epoch.c has to tell ---- */

/* The chunks of @map are about to leave it: a bit may be cleared later. */
void dmr_meta_dropping(struct dmr_meta *m, struct dmr_map *map);
/* These chunks (NULL: all) were marked; soon to be durable. */
void dmr_meta_marked(struct dmr_meta *m, const struct dmr_extent *ext,
		     unsigned int nr);
/* A setting was changed; soon to be durable. */
void dmr_meta_changed(struct dmr_meta *m);
/* A new generation begins; the old one ended with @end_epoch. */
void dmr_meta_generation(struct dmr_meta *m, u64 generation, u64 end_epoch);
/* At most DMR_MAX_ANCESTORS of them replace the list. */
void dmr_meta_ancestors(struct dmr_meta *m, const struct dmr_nl_ancestor *a,
			unsigned int nr);
/* @epoch was committed by the target. */
void dmr_meta_committed(struct dmr_meta *m, u64 epoch);
/* dmr_meta::stamp_work, no lock: starts itself again. */
void dmr_meta_stamp_work(struct work_struct *work);
void dmr_meta_stamp_later(struct dmr_meta *m);
/* Marks or settings are not durable yet. */
bool dmr_meta_is_pending(struct dmr_meta *m);

/* ---- cool.c ---- */

void dmr_cool_work(struct work_struct *work);
void dmr_age_work(struct work_struct *work);

/* Any context. It runs at once, or soon. */
void dmr_cool_kick(struct dmr_meta *m);
/* Regions are hot: those that are idle for long will cool. */
void dmr_cool_idle(struct dmr_meta *m);
void dmr_cool_later(struct dmr_meta *m);

/* One run, now: all that is to do. 0 or -errno. */
int dmr_cool_run(struct dmr_meta *m);

/* No write can come. No region is hot then and all bits are exact. */
int dmr_cool_all(struct dmr_meta *m);

#endif
