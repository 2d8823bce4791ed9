/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The replica header: what a target says about the image that it has; and the
 * two kinds of digest that both sites make. Pure.
 */
#ifndef REPLICA_HEADER_H
#define REPLICA_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define REPLICA_SLOT_BYTES	4096
#define REPLICA_SLOTS		2
#define REPLICA_HEADERS_BYTES	(REPLICA_SLOT_BYTES * REPLICA_SLOTS)
#define REPLICA_TAIL_BYTES	65536
#define REPLICA_TAIL_ALIGN	(1ULL << 20)
#define REPLICA_HEADER_VERSION	1
#define REPLICA_ANCESTORS_MAX	64
#define REPLICA_MEMBERS_MAX	4096
#define REPLICA_VOLUME_MAX	(1ULL << 62)	/* bytes */
#define REPLICA_SUM_BYTES	16		/* of a chunk, in VOL@sum */
#define REPLICA_WHY_LEN		160

enum replica_kind {
	REPLICA_KIND_HELLO = 1,
	REPLICA_KIND_OPEN = 2,
	REPLICA_KIND_PARTIAL = 3,
	REPLICA_KIND_CLEAN = 4,
	REPLICA_KIND_HANDOVER = 5,
	REPLICA_KIND_HEARTBEAT = 6,
};

enum replica_role {
	REPLICA_ROLE_PRIMARY = 1,	/* the values of enum dmr_role */
	REPLICA_ROLE_SECONDARY = 2,
};

enum replica_state {
	REPLICA_STATE_OK = 1,		/* the image is consistent */
	REPLICA_STATE_APPLYING = 2,	/* it is not: an epoch is half there */
};

struct replica_ancestor {
	uint64_t generation;
	uint64_t end_epoch;		/* last epoch that belongs to it */
};

/* Grows in this order: loads, then attaches; random tells twins apart. */
struct replica_session {
	uint64_t loads;
	uint64_t attaches;
	uint64_t random;
};

struct replica_header {
	uint64_t incompat;		/* feature bits; none are defined */
	uint8_t pair_id[16];
	uint8_t volume_id[16];
	uint8_t group_id[16];
	uint64_t membership;		/* version of the group's membership */
	uint32_t members;		/* 1 = alone */
	uint32_t nr_ancestors;
	uint64_t generation;
	struct replica_ancestor ancestors[REPLICA_ANCESTORS_MAX];
					/* youngest first */
	uint64_t incarnation;
	struct replica_session session;
	uint32_t role;			/* enum replica_role */
	uint32_t state;			/* enum replica_state */
	uint32_t kind;			/* enum replica_kind */
	uint32_t chunk_bytes;
	uint64_t epoch;			/* that this write is about; 0 = none */
	uint64_t last_clean;		/* 0 = none yet */
	uint64_t last_partial;
	uint64_t highest_seen;
	uint64_t named;			/* the last epoch, committed or kept,
					 * that the primary's metadata named
					 * durably then; 0 = nothing known */
	uint64_t merge_id;		/* reserved: 0 */
	uint64_t cut_time;		/* ns since 1970, of last_clean */
	uint64_t volume_bytes;
	uint64_t records;		/* of the epoch; with digest, W2 */
	uint64_t digest;
	uint64_t seq;			/* of this write, from 1; goes to slot
					 * seq % 2 */
	uint64_t hints;			/* REPLICA_HINT_*; who does not know
					 * one does without it */
	uint64_t unsent;		/* bytes that the primary had for this
					 * target, and not sent, as of */
	uint64_t unsent_time;		/* then, ns since 1970 by its clock; 0 =
					 * it does not say */
};

#define REPLICA_HINT_WINDOW	1ULL	/* open: it will be partial */

/* Reason for a refusal, in words, without a final full stop. */
struct replica_why {
	char text[REPLICA_WHY_LEN];
};

/*
 * Fills a slot of REPLICA_SLOT_BYTES. -EINVAL: the header breaks a rule that
 * decode would refuse it for. why may be NULL here and below.
 */
int replica_header_encode(const struct replica_header *h, void *slot,
			  struct replica_why *why);

/*
 * Reads one slot of 'len' bytes; *h is written only on success.
 *   -ENODATA		all zero: never written
 *   -EBADMSG		not a header, torn or corrupt, or breaks a rule
 *   -EPROTONOSUPPORT	intact, but of a format version or with features that
 *			we don't know
 */
int replica_header_decode(struct replica_header *h, const void *slot,
			  size_t len, struct replica_why *why);

/*
 * Reads both slots (REPLICA_HEADERS_BYTES in all) and takes the newest. A slot
 * that is torn or still zero beside a good one is normal: the good one counts.
 *   0			*h is the newest
 *   -ENODATA		both zero: a new target
 *   -EBADMSG		no good slot, and not both zero: never "new"; or two
 *			good ones of different volumes
 *   -EPROTONOSUPPORT	either is intact but beyond us: the other may be older
 */
int replica_header_pick(struct replica_header *h, const void *slots,
			size_t len, struct replica_why *why);

/* Where the tail begins, and slot seq % 2 in it, for volume_bytes <= MAX. */
uint64_t replica_tail_offset(uint64_t volume_bytes);
uint64_t replica_slot_offset(uint64_t volume_bytes, uint64_t seq);

/* Size of an export for such a volume. */
uint64_t replica_export_bytes(uint64_t volume_bytes);

/* <0, 0, >0: a is older than, is, or is newer than b (random not counted). */
int replica_session_compare(const struct replica_session *a,
			    const struct replica_session *b);

/* "hello", "open" …; "?" for others. */
const char *replica_kind_name(uint32_t kind);

/*
 * One record's part of an epoch's digest (W2): crc32c over the offset (le64)
 * and the data; for zeros (@data NULL) over the offset and the length (le64).
 */
uint32_t replica_digest(uint64_t off, const void *data, uint64_t len);

/*
 * A chunk's digest as VOL@sum has it (W4): XXH3-128, canonical, seeded with the
 * random number of the session. @sum gets REPLICA_SUM_BYTES.
 */
void replica_sum(void *sum, const void *data, size_t len, uint64_t seed);

#endif
