/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What the device-mapper target "replica" keeps on its metadata device.
 *
 * All numbers are little endian. The unit of place is a block of 4096 bytes:
 *
 *   block 0, 1      two superblocks, written in turn
 *   from block 2    groups, one for each 32256 regions:
 *                     one block of hot bits, a bit for each region
 *                     the chunk bits of these regions: as many blocks as a
 *                     region has chunks (the last group may be cut short)
 *
 * So a volume of up to 32256 regions (126 GiB by default) has the superblocks,
 * the hot-region bitmap, the chunk bitmap, and a volume that grows only ever
 * appends: no bit has to move.
 *
 * A block of bits is eight sectors of 512 bytes, each with 4032 bits and a
 * checksum of its own, so that a write that is torn at sectors leaves each
 * sector either old or new. Bit n of the hot bitmap (or of the chunk bitmap)
 * is bit n % 8 of byte n / 8 % 504 of sector n / 4032 of that bitmap. Bits past
 * the end of the volume mean nothing.
 *
 * A region is hot from before its first write until it has cooled. The chunk
 * bits of a hot region are stale; of any other they are a superset of what is
 * still to be shipped. So after a crash all chunks of hot regions are dirty,
 * and those whose bit is set. A sector of bits whose checksum does not match
 * counts as all ones.
 *
 * The superblock: of two valid ones the one with the higher sequence number
 * counts. A device whose block 0 is all zeros is new. Anything else that is
 * not valid is an error.
 */
#ifndef _UAPI_LINUX_DM_REPLICA_FORMAT_H
#define _UAPI_LINUX_DM_REPLICA_FORMAT_H

#include <linux/types.h>

#define DMR_BLOCK_SIZE		4096
#define DMR_SUPER_MAGIC		"dmrepl\r\n"
#define DMR_NR_SUPERS		2

/*
 * version: of who wrote it. min_version: the oldest reader that can read it. A
 * reader refuses what asks for more than it is, and any bit of incompat that it
 * does not know; bits of compat may be ignored.
 */
#define DMR_FORMAT_VERSION	1
#define DMR_FORMAT_INCOMPAT	0ULL	/* the known ones */

#define DMR_MAX_ANCESTORS	64
#define DMR_MAX_INCARNATIONS	8
#define DMR_MAX_WITNESSES	64

/* dmr_super_disk::flags */
#define DMR_SUPER_F_CLEAN	(1U << 0) /* shut down; the witnesses count */
#define DMR_SUPER_F_TAKEN_OUT	(1U << 1) /* suspended or gone, not retired */
#define DMR_SUPER_F_SUSPECT	(1U << 2) /* ship all of it with compare */
#define __DMR_SUPER_F_ALL	((1U << 3) - 1)

/* A generation that the volume has left, and its last epoch in it. */
struct dmr_ancestor_disk {
	__le64 generation;
	__le64 end_epoch;
};

/* A piece of the origin and what it was: xxh64 with witness_seed. */
struct dmr_witness_disk {
	__le64 sector;
	__le32 sectors;
	__le32 reserved;
	__le64 digest;
};

struct dmr_super_disk {
	__u8 magic[8];
	__le32 crc;			/* crc32c of the block with 0 here */
	__le16 version;
	__le16 min_version;
	__le64 incompat;
	__le64 compat;
	__le64 sequence;		/* grows with each write */
	__u8 volume_id[16];

	__le64 sectors;			/* of the volume */
	__le32 chunk_sectors;
	__le32 region_sectors;

	__le32 role;			/* enum dmr_role */
	__le32 flags;			/* DMR_SUPER_F_* */
	__le64 generation;
	__le64 last_committed;		/* or kept */
	__le64 highest_seen;
	__le64 suspect_epoch;		/* a later one ends the suspicion */
	__le64 loads;			/* times that it was activated */
	__le64 last_write;		/* seconds since 1970, coarse */
	__le64 last_contact;

	__le32 nr_ancestors;
	__le32 nr_incarnations;
	__le32 nr_witnesses;
	__le32 reserved;
	__le64 witness_seed;
	__le64 incarnations[DMR_MAX_INCARNATIONS];	/* newest first */
	struct dmr_ancestor_disk ancestors[DMR_MAX_ANCESTORS];	/* same */
	struct dmr_witness_disk witnesses[DMR_MAX_WITNESSES];
	__u8 padding[1312];
};

#define DMR_SECTOR_BITS		4032
#define DMR_BLOCK_SECTORS	8
#define DMR_BLOCK_BITS		(DMR_SECTOR_BITS * DMR_BLOCK_SECTORS)

/*
 * crc: crc32c of what follows the field. It begins with the crc32c of the
 * volume id (not inverted at its end), to which each half of the sector's
 * number on the device is XORed: one in another's place does not match.
 */
struct dmr_bits_disk {
	__le32 crc;
	__le32 reserved;
	__u8 bits[DMR_SECTOR_BITS / 8];
};

#endif
