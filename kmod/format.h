/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The format of the metadata device: pure functions from and to what
 * linux/dm-replica-format.h describes. The kernel and the tools share them.
 */
#ifndef DMR_FORMAT_H
#define DMR_FORMAT_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "format-user.h"
#endif
#include <linux/dm-replica-format.h>

/* Where things are; dmr_layout_init() fills it. */
struct dmr_layout {
	u64 sectors;			/* of the volume */
	u64 nr_chunks, nr_regions;
	u32 chunk_sectors, region_sectors;
	u32 region_chunks;
	u64 nr_blocks;			/* that the metadata device must have */
};

/*
 * Sizes in sectors; @sectors is not 0. The two others are powers of two, from
 * 64 to 32768 chunks a region. False if they are not, or if the volume would
 * have more than 2^32 - 1 regions.
 */
bool dmr_layout_init(struct dmr_layout *l, u64 sectors, u32 chunk_sectors,
		     u32 region_sectors);

/* The block that has the bit; its place in the block is n % DMR_BLOCK_BITS. */
u64 dmr_layout_hot_block(const struct dmr_layout *l, u64 region);
u64 dmr_layout_chunk_block(const struct dmr_layout *l, u64 chunk);

u64 dmr_layout_nr_hot_blocks(const struct dmr_layout *l);
u64 dmr_layout_nr_chunk_blocks(const struct dmr_layout *l);

/* ---- blocks of bits ---- */

/* Bits @from … @from + @count - 1 of a block; inside it. */
void dmr_block_set(void *block, unsigned int from, unsigned int count);
void dmr_block_clear(void *block, unsigned int from, unsigned int count);
/*
 * From bit @at on, @nr words of 64 bits each, the first bit lowest. @at is a
 * multiple of 64, as is the number of bits in a sector.
 */
void dmr_block_put(void *block, unsigned int at, const u64 *words,
		   unsigned int nr);
/* The same bits, read. */
void dmr_block_get(const void *block, unsigned int at, u64 *words,
		   unsigned int nr);
bool dmr_block_test(const void *block, unsigned int bit);

/* First bit at or after @from that is (@set) or is not set, or @end. */
unsigned int dmr_block_next(const void *block, bool set, unsigned int from,
			    unsigned int end);

/* The sectors of a block, as a mask; those that bits @from … are in. */
#define DMR_ALL_SECTORS	0xff

static inline u8 dmr_block_sectors(unsigned int from, unsigned int count)
{
	unsigned int first = from / DMR_SECTOR_BITS;
	unsigned int last = (from + count - 1) / DMR_SECTOR_BITS;

	return (2U << last) - (1U << first);
}

/* Before it is written as block @nr: these @sectors have changed. */
void dmr_block_seal(void *block, const u8 *volume_id, u64 nr, u8 sectors);

/*
 * After it was read: how many of @sectors were bad; they are all ones now. What
 * is not asked for may be written back as it is.
 */
unsigned int dmr_block_check(void *block, const u8 *volume_id, u64 nr,
			     u8 sectors);

/* ---- the superblock ---- */

struct dmr_ancestor {
	u64 generation;
	u64 end_epoch;
};

struct dmr_witness {
	u64 sector;
	u32 sectors;
	u64 digest;
};

/* The same as struct dmr_super_disk, in the processor's order. */
struct dmr_super {
	u64 sequence;
	u8 volume_id[16];
	u64 sectors;
	u32 chunk_sectors, region_sectors;
	u32 role, flags;
	u64 generation, last_committed, highest_seen, suspect_epoch, loads;
	u64 last_write, last_contact;
	u32 nr_ancestors, nr_incarnations, nr_witnesses;
	u64 witness_seed;
	u64 incarnations[DMR_MAX_INCARNATIONS];
	struct dmr_ancestor ancestors[DMR_MAX_ANCESTORS];
	struct dmr_witness witnesses[DMR_MAX_WITNESSES];
};

void dmr_super_encode(const struct dmr_super *s, void *block);

/*
 * 0, or -errno with *@why a sentence: -ENODATA all zeros, -EUCLEAN damaged or
 * not a superblock, -EOPNOTSUPP of a version or with features unknown to us.
 */
int dmr_super_decode(const void *block, struct dmr_super *s,
		     const char **why);

/*
 * The one of the two slots that counts: 0 or 1, or -errno as above: -ENODATA
 * says that the device is new. *@why is NULL if both are sound, else it says
 * what the other one is; that one may have been the newer.
 */
int dmr_super_choose(const void *slot0, const void *slot1,
		     struct dmr_super *s, const char **why);

#endif
