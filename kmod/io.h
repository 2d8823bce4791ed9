/* SPDX-License-Identifier: GPL-2.0 */
/* The life of a bio. See the top of io.c. */
#ifndef DMR_IO_H
#define DMR_IO_H

#include "device.h"

/* Per-bio data of the replica target. */
struct dmr_io {
	u64 tag;	/* epoch that was open when it met a held chunk */
	u32 region;	/* first one that it has pinned, see intent.c */
	u16 nr_pins;
	u8 counted;	/* 1 + slot whose inflight count it has, 0 = none */
};

static inline struct dmr_io *dmr_io_of(struct bio *bio)
{
	return dm_per_bio_data(bio, sizeof(struct dmr_io));
}

/* The target's map and end_io methods. */
int dmr_io_map(struct dmr_device *dev, struct bio *bio);
void dmr_io_end(struct dmr_device *dev, struct bio *bio);

/* First and last chunk that @bio touches, which has sectors. */
static inline u64 dmr_io_first(struct dmr_device *dev, struct bio *bio)
{
	return dmr_chunk_of(&dev->geo, bio->bi_iter.bi_sector);
}

static inline u64 dmr_io_last(struct dmr_device *dev, struct bio *bio)
{
	return dmr_chunk_of(&dev->geo, bio_end_sector(bio) - 1);
}

/* Sends a bio that had been taken (DM_MAPIO_SUBMITTED) to the origin. */
void dmr_io_issue(struct dmr_device *dev, struct bio *bio);

/*
 * A bio that had been taken before it was classified; its regions are pinned.
 * Process context.
 */
void dmr_io_classify(struct dmr_device *dev, struct bio *bio);

/* Puts @bios before the preserve worker. Any context; @bios ends empty. */
void dmr_io_defer(struct dmr_device *dev, struct bio_list *bios);

/* Moves what is in @from, a list under io_lock, to @to. Process context. */
void dmr_io_take(struct dmr_device *dev, struct bio_list *from,
		 struct bio_list *to);

/* The gate has been opened: parked bios are classified again. */
void dmr_io_unpark(struct dmr_device *dev);

/* dmr_device::park_work. */
void dmr_io_park_work(struct work_struct *work);

/* Writes of @slot under way. Exact once no marker can use the slot. */
long dmr_io_inflight(struct dmr_device *dev, unsigned int slot);

/* The frozen set, by the gate that the caller has read or protects. */
static inline struct dmr_map *dmr_frozen(struct dmr_device *dev,
					 const struct dmr_gate *gate)
{
	return dev->slot[!(gate->parity ^ dev->flip)].map;
}

#endif
