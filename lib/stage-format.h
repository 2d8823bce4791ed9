/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stage keeps on disk, and its codecs. Pure: no I/O, no clock.
 * Documentation/stage-format.rst has the layouts.
 *
 * Decoders return 0, -ENODATA (all zero), -EBADMSG (torn, corrupt or not ours)
 * or -EPROTONOSUPPORT (intact, but beyond us).
 */
#ifndef REPLICA_STAGE_FORMAT_H
#define REPLICA_STAGE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "header.h"

#define STAGE_FORMAT_VERSION	1
#define STAGE_BLOCK_BYTES	4096	/* of each header block */
#define STAGE_RECORD_BYTES	64	/* of a record's header */
#define STAGE_ALIGN		64	/* of records */
#define STAGE_BIG		65536	/* such a payload begins at a page: */
#define STAGE_PAGE		4096
#define STAGE_ZERO_MAX		(1ULL << 40)	/* bytes of one record */
#define STAGE_COMMIT_BYTES	64
#define STAGE_MEMBER_BYTES	64
#define STAGE_SESSIONS_MAX	165	/* in a checkpoint */

/* Where a record begins: (segment << 32) + offset. It orders the records. */
static inline uint64_t stage_lsn(uint64_t segment, uint64_t pos)
{
	return segment << 32 | pos;
}

static inline uint32_t stage_lsn_segment(uint64_t lsn)
{
	return lsn >> 32;
}

static inline uint32_t stage_lsn_pos(uint64_t lsn)
{
	return lsn;
}

/* NAME.volume: one block. */
struct stage_volume_block {
	char name[64], group[64], base[1024];
	uint8_t log_id[16];
	uint8_t pair_id[16], volume_id[16];
	uint64_t bytes;
	uint32_t chunk_bytes;
	uint32_t member;	/* its number in the group's log */
};

/* GROUP.delete: one block. */
struct stage_delete_block {
	char group[64];
	uint8_t log_id[16];
	uint32_t keeps_bases;	/* not 0: their files stay */
};

/* GROUP.log/checkpoint: two copies, one after the other. */
struct stage_checkpoint {
	uint8_t log_id[16];
	uint64_t seq;
	uint64_t first;		/* the oldest segment that is needed; 0: any */
	uint64_t applied_lsn;	/* the base has all up to here, durably */
	uint64_t applied_epoch;
	uint64_t floor_lsn;	/* the base may have some up to here: images
				 * from before are gone */
	uint64_t commit_time, cut_time;	/* of that epoch */
	uint64_t in_place_lsn;	/* until a clean commit after it the base has
				 * more than the log says; 0 = never */
	/* Of each member, if its log had no room for that: 0 = it had */
	struct replica_session sessions[STAGE_SESSIONS_MAX];
};

/* GROUP.log/NUMBER.seg: the first block. */
struct stage_segment_block {
	uint8_t log_id[16];
	uint64_t number;	/* from 1; it only grows, with gaps */
	uint64_t salt;
	uint64_t bytes;
	uint64_t prev;		/* the segment before; 0 = the first of all */
	uint64_t prev_salt;
	uint64_t prev_end;	/* where the log leaves it */
	uint64_t durable_lsn;	/* newest commit known to be on disk */
	uint64_t clean, partial, seen;	/* newest epochs when it was begun */
};

/* log.device in the stage's directory: where its log is. One block. */
struct stage_note_block {
	uint8_t device_id[16];
	char path[1024];
};

/* --- a device with segments ---------------------------------------------- */

/*
 * Its blocks are one sector each, so that a power cut leaves the old one or the
 * new one. The superblock stands at 0 and at half of STAGE_DEVICE_HEAD; slots
 * follow that, each with its block in its first STAGE_BLOCK_BYTES.
 */
#define STAGE_SECTOR		512
#define STAGE_DEVICE_HEAD	(64U << 10)
#define STAGE_SLOT_MIN		((64ULL << 10) + STAGE_BLOCK_BYTES)
#define STAGE_SLOT_MAX		(2048ULL << 20)

struct stage_device_block {
	uint8_t device_id[16];
	uint64_t slot_bytes;	/* with its block */
	uint64_t nr_slots;	/* that have one; 0: being formatted */
};

enum stage_slot_state {
	STAGE_SLOT_FREE = 1,
	STAGE_SLOT_USED = 2,
	STAGE_SLOT_LOST = 3,	/* of no use, but to be looked at */
};

struct stage_slot_block {
	uint8_t device_id[16];
	uint8_t log_id[16];	/* the segment's, as these: */
	uint64_t number, salt;
	uint32_t state;
};

enum stage_record_type {
	STAGE_REC_DATA = 1,
	STAGE_REC_ZERO = 2,
	STAGE_REC_OPEN = 3,
	STAGE_REC_PARTIAL = 4,
	STAGE_REC_CLEAN = 5,
	STAGE_REC_HEADER = 6,	/* state of a member: a replica header */
};

struct stage_record {
	uint32_t type;
	uint32_t member;
	uint64_t epoch;
	uint64_t off, len;	/* DATA, ZERO: bytes of the volume */
	uint32_t payload;	/* bytes that follow in the log */
	uint32_t crc;		/* DATA, ZERO: its part of W2's digest; else
				 * crc32c of the payload */
};

/* At the front of a commit's payload; a member block and header for each. */
struct stage_commit {
	uint64_t records;	/* DATA and ZERO since OPEN … */
	uint64_t digest;	/* … and the sum of their crc */
	uint64_t commit_time, cut_time;
	uint64_t bytes;		/* that the epoch takes in the log */
	uint32_t nr_members;
};

uint32_t stage_crc(const void *data, size_t len);

void stage_volume_encode(const struct stage_volume_block *v, void *block);
int stage_volume_decode(struct stage_volume_block *v, const void *block);

void stage_delete_encode(const struct stage_delete_block *d, void *block);
int stage_delete_decode(struct stage_delete_block *d, const void *block);

void stage_checkpoint_encode(const struct stage_checkpoint *c, void *block);
int stage_checkpoint_decode(struct stage_checkpoint *c, const void *block);

void stage_segment_encode(const struct stage_segment_block *s, void *block);
int stage_segment_decode(struct stage_segment_block *s, const void *block);

void stage_note_encode(const struct stage_note_block *n, void *block);
int stage_note_decode(struct stage_note_block *n, const void *block);

/* These of a sector. */
void stage_device_encode(const struct stage_device_block *d, void *sector);
int stage_device_decode(struct stage_device_block *d, const void *sector);
void stage_slot_encode(const struct stage_slot_block *s, void *sector);
int stage_slot_decode(struct stage_slot_block *s, const void *sector);

/* The checksum of a record is salted with the place that it belongs to. */
void stage_record_encode(const struct stage_record *r, uint64_t salt,
			 uint64_t lsn, void *block);
int stage_record_decode(struct stage_record *r, uint64_t salt, uint64_t lsn,
			const void *block);

/* Where the payload of a record at @pos is: of a big one at a whole page. */
static inline uint64_t stage_payload_pos(uint64_t pos, uint64_t payload)
{
	uint64_t align = payload < STAGE_BIG ? STAGE_ALIGN : STAGE_PAGE;

	return (pos + STAGE_RECORD_BYTES + align - 1) & ~(align - 1);
}

/* Where the next record is. */
static inline uint64_t stage_record_end(uint64_t pos, uint64_t payload)
{
	return (stage_payload_pos(pos, payload) + payload + STAGE_ALIGN - 1) &
	       ~(uint64_t)(STAGE_ALIGN - 1);
}

static inline uint32_t stage_commit_len(uint32_t nr_members)
{
	return STAGE_COMMIT_BYTES +
	       nr_members * (STAGE_MEMBER_BYTES + REPLICA_SLOT_BYTES);
}

void stage_commit_encode(const struct stage_commit *c, void *payload);
int stage_commit_decode(struct stage_commit *c, const void *payload,
			size_t len);

/* Member i of a commit: its number, and where its slot is in the payload. */
void stage_commit_put_member(void *payload, uint32_t i, uint32_t member);
uint32_t stage_commit_get_member(const void *payload, uint32_t i);
size_t stage_commit_slot(uint32_t i);

/* Is it a name for a volume or a group? */
bool stage_name_ok(const char *name);

#endif
