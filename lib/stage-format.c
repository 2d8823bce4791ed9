// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Codecs of the stage's files. All little-endian.
 *
 * F1 a block is looked at only after its checksum was found right; magic,
 *    version, incompat and checksum keep their places in every version.
 * F2 a record's checksum is seeded with the salt of its segment and its
 *    position: what an earlier life of the space has left is never a record.
 * F3 lengths that a decoder returns were checked against what they may be.
 */
#include "stage-format.h"

#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <string.h>

#include "util/zero.h"

#define BLOCK_HEAD	32
#define RECORD_MAGIC	0x7264
#define IN_PLACE	(1 << 0)	/* incompatible: in_place_lsn counts */
#define SESSIONS	(1 << 1)	/* incompatible: so do sessions */

struct wire_head {
	char magic[8];
	uint32_t version;
	uint32_t pad;
	uint64_t incompat;
	uint64_t pad2;
} __attribute__((packed));

struct wire_volume {
	struct wire_head head;
	char name[64], group[64], base[1024];
	uint8_t log_id[16], pair_id[16], volume_id[16];
	uint64_t bytes;
	uint32_t chunk_bytes;
	uint32_t member;
} __attribute__((packed));

struct wire_delete {
	struct wire_head head;
	char group[64];
	uint8_t log_id[16];
	uint32_t keeps_bases;
} __attribute__((packed));

struct wire_checkpoint {
	struct wire_head head;
	uint8_t log_id[16];
	uint64_t seq, first, applied_lsn, applied_epoch, floor_lsn;
	uint64_t commit_time, cut_time;
	uint64_t in_place_lsn;
	uint64_t sessions[STAGE_SESSIONS_MAX][3];
} __attribute__((packed));

struct wire_segment {
	struct wire_head head;
	uint8_t log_id[16];
	uint64_t number, salt, bytes, prev, prev_salt, prev_end, durable_lsn;
	uint64_t clean, partial, seen;
} __attribute__((packed));

struct wire_note {
	struct wire_head head;
	uint8_t device_id[16];
	char path[1024];
} __attribute__((packed));

struct wire_device {
	struct wire_head head;
	uint8_t device_id[16];
	uint64_t slot_bytes, nr_slots;
} __attribute__((packed));

struct wire_slot {
	struct wire_head head;
	uint8_t device_id[16], log_id[16];
	uint64_t number, salt;
	uint32_t state;
} __attribute__((packed));

struct wire_record {
	uint32_t crc32c;		/* of the rest, salted */
	uint16_t magic;
	uint16_t type;
	uint32_t member;
	uint32_t payload;
	uint32_t crc;
	uint32_t pad;
	uint64_t epoch, off, len;
	uint8_t reserved[16];
} __attribute__((packed));

struct wire_commit {
	uint64_t records, digest, commit_time, cut_time, bytes;
	uint32_t nr_members;
	uint8_t reserved[20];
} __attribute__((packed));

_Static_assert(sizeof(struct wire_head) == BLOCK_HEAD, "block layout");
_Static_assert(sizeof(struct wire_volume) == 1248, "block layout");
_Static_assert(sizeof(struct wire_delete) == 116, "block layout");
_Static_assert(sizeof(struct wire_checkpoint) == 4072, "block layout");
_Static_assert(sizeof(struct wire_segment) == 128, "block layout");
_Static_assert(sizeof(struct wire_note) == 1072, "block layout");
_Static_assert(sizeof(struct wire_device) == 64, "sector layout");
_Static_assert(sizeof(struct wire_slot) == 84, "sector layout");
_Static_assert(sizeof(struct wire_record) == STAGE_RECORD_BYTES, "record");
_Static_assert(sizeof(struct wire_commit) == STAGE_COMMIT_BYTES, "commit");

uint32_t stage_crc(const void *data, size_t len)
{
	return ~crc32_iscsi((unsigned char *)data, len, ~0U);
}

bool stage_name_ok(const char *name)
{
	size_t len = strnlen(name, 64);

	return len && len < 64 && name[0] != '.' &&
	       strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

/* --- blocks --------------------------------------------------------------- */

/* Finishes a zeroed block of @size: head and checksum. */
static void seal_sized(void *block, size_t size, const char *magic)
{
	struct wire_head *head = block;
	uint32_t crc;

	memcpy(head->magic, magic, sizeof(head->magic));
	head->version = htole32(STAGE_FORMAT_VERSION);
	crc = htole32(stage_crc(block, size - 4));
	memcpy((char *)block + size - 4, &crc, 4);
}

static void seal(void *block, const char *magic)
{
	seal_sized(block, STAGE_BLOCK_BYTES, magic);
}

/* @features: incompatible ones that we know in such a block. */
static int unseal_sized(const void *block, size_t size, const char *magic,
			uint64_t features)
{
	const struct wire_head *head = block;
	uint32_t crc;

	if (is_zero(block, size))
		return -ENODATA;
	memcpy(&crc, (const char *)block + size - 4, 4);
	if (memcmp(head->magic, magic, sizeof(head->magic)) ||
	    le32toh(crc) != stage_crc(block, size - 4))
		return -EBADMSG;
	if (le32toh(head->version) != STAGE_FORMAT_VERSION ||
	    le64toh(head->incompat) & ~features)
		return -EPROTONOSUPPORT;
	return 0;
}

static int unseal(const void *block, const char *magic, uint64_t features)
{
	return unseal_sized(block, STAGE_BLOCK_BYTES, magic, features);
}

void stage_volume_encode(const struct stage_volume_block *v, void *block)
{
	struct wire_volume *w = memset(block, 0, STAGE_BLOCK_BYTES);

	memcpy(w->name, v->name, sizeof(w->name));
	memcpy(w->group, v->group, sizeof(w->group));
	memcpy(w->base, v->base, sizeof(w->base));
	memcpy(w->log_id, v->log_id, sizeof(w->log_id));
	memcpy(w->pair_id, v->pair_id, sizeof(w->pair_id));
	memcpy(w->volume_id, v->volume_id, sizeof(w->volume_id));
	w->bytes = htole64(v->bytes);
	w->chunk_bytes = htole32(v->chunk_bytes);
	w->member = htole32(v->member);
	seal(block, "dmReplVo");
}

static bool is_string(const char *s, size_t size)
{
	return s[0] && memchr(s, 0, size);
}

int stage_volume_decode(struct stage_volume_block *v, const void *block)
{
	const struct wire_volume *w = block;
	int err = unseal(block, "dmReplVo", 0);

	if (err)
		return err;
	memcpy(v->name, w->name, sizeof(w->name));
	memcpy(v->group, w->group, sizeof(w->group));
	memcpy(v->base, w->base, sizeof(w->base));
	memcpy(v->log_id, w->log_id, sizeof(w->log_id));
	memcpy(v->pair_id, w->pair_id, sizeof(w->pair_id));
	memcpy(v->volume_id, w->volume_id, sizeof(w->volume_id));
	v->bytes = le64toh(w->bytes);
	v->chunk_bytes = le32toh(w->chunk_bytes);
	v->member = le32toh(w->member);
	if (!is_string(v->name, sizeof(v->name)) || !stage_name_ok(v->name) ||
	    !is_string(v->group, sizeof(v->group)) ||
	    !stage_name_ok(v->group) || !is_string(v->base, sizeof(v->base)))
		return -EBADMSG;
	if (!v->bytes || v->bytes % 512 || v->bytes > REPLICA_VOLUME_MAX ||
	    v->chunk_bytes < 512 || v->chunk_bytes & (v->chunk_bytes - 1) ||
	    v->member >= REPLICA_MEMBERS_MAX)
		return -EBADMSG;
	return 0;
}

void stage_delete_encode(const struct stage_delete_block *d, void *block)
{
	struct wire_delete *w = memset(block, 0, STAGE_BLOCK_BYTES);

	memcpy(w->group, d->group, sizeof(w->group));
	memcpy(w->log_id, d->log_id, sizeof(w->log_id));
	w->keeps_bases = htole32(d->keeps_bases);
	seal(block, "dmReplDl");
}

int stage_delete_decode(struct stage_delete_block *d, const void *block)
{
	const struct wire_delete *w = block;
	int err = unseal(block, "dmReplDl", 0);

	if (err)
		return err;
	memcpy(d->group, w->group, sizeof(d->group));
	memcpy(d->log_id, w->log_id, sizeof(d->log_id));
	d->keeps_bases = le32toh(w->keeps_bases);
	return is_string(d->group, sizeof(d->group)) &&
	       stage_name_ok(d->group) ? 0 : -EBADMSG;
}

/* Returns the feature that they are. */
static uint64_t put_sessions(const struct stage_checkpoint *c,
			     struct wire_checkpoint *w)
{
	for (unsigned int i = 0; i < STAGE_SESSIONS_MAX; i++) {
		w->sessions[i][0] = htole64(c->sessions[i].loads);
		w->sessions[i][1] = htole64(c->sessions[i].attaches);
		w->sessions[i][2] = htole64(c->sessions[i].random);
	}
	return is_zero(w->sessions, sizeof(w->sessions)) ? 0 : SESSIONS;
}

static uint64_t get_sessions(struct stage_checkpoint *c,
			     const struct wire_checkpoint *w)
{
	for (unsigned int i = 0; i < STAGE_SESSIONS_MAX; i++)
		c->sessions[i] = (struct replica_session) {
			.loads = le64toh(w->sessions[i][0]),
			.attaches = le64toh(w->sessions[i][1]),
			.random = le64toh(w->sessions[i][2]),
		};
	return is_zero(w->sessions, sizeof(w->sessions)) ? 0 : SESSIONS;
}

void stage_checkpoint_encode(const struct stage_checkpoint *c, void *block)
{
	struct wire_checkpoint *w = memset(block, 0, STAGE_BLOCK_BYTES);

	memcpy(w->log_id, c->log_id, sizeof(w->log_id));
	w->seq = htole64(c->seq);
	w->first = htole64(c->first);
	w->applied_lsn = htole64(c->applied_lsn);
	w->applied_epoch = htole64(c->applied_epoch);
	w->floor_lsn = htole64(c->floor_lsn);
	w->commit_time = htole64(c->commit_time);
	w->cut_time = htole64(c->cut_time);
	w->in_place_lsn = htole64(c->in_place_lsn);
	w->head.incompat = htole64((c->in_place_lsn ? IN_PLACE : 0) |
				   put_sessions(c, w));
	seal(block, "dmReplCp");
}

int stage_checkpoint_decode(struct stage_checkpoint *c, const void *block)
{
	const struct wire_checkpoint *w = block;
	int err = unseal(block, "dmReplCp", IN_PLACE | SESSIONS);

	if (err)
		return err;
	memcpy(c->log_id, w->log_id, sizeof(w->log_id));
	c->seq = le64toh(w->seq);
	c->first = le64toh(w->first);
	c->applied_lsn = le64toh(w->applied_lsn);
	c->applied_epoch = le64toh(w->applied_epoch);
	c->floor_lsn = le64toh(w->floor_lsn);
	c->commit_time = le64toh(w->commit_time);
	c->cut_time = le64toh(w->cut_time);
	c->in_place_lsn = le64toh(w->in_place_lsn);
	return c->first > UINT32_MAX || c->floor_lsn < c->applied_lsn ||
	       c->floor_lsn < c->in_place_lsn ||
	       le64toh(w->head.incompat) !=
	       ((c->in_place_lsn ? IN_PLACE : 0) | get_sessions(c, w)) ?
	       -EBADMSG : 0;
}

void stage_segment_encode(const struct stage_segment_block *s, void *block)
{
	struct wire_segment *w = memset(block, 0, STAGE_BLOCK_BYTES);

	memcpy(w->log_id, s->log_id, sizeof(w->log_id));
	w->number = htole64(s->number);
	w->salt = htole64(s->salt);
	w->bytes = htole64(s->bytes);
	w->prev = htole64(s->prev);
	w->prev_salt = htole64(s->prev_salt);
	w->prev_end = htole64(s->prev_end);
	w->durable_lsn = htole64(s->durable_lsn);
	w->clean = htole64(s->clean);
	w->partial = htole64(s->partial);
	w->seen = htole64(s->seen);
	seal(block, "dmReplSg");
}

int stage_segment_decode(struct stage_segment_block *s, const void *block)
{
	const struct wire_segment *w = block;
	int err = unseal(block, "dmReplSg", 0);

	if (err)
		return err;
	memcpy(s->log_id, w->log_id, sizeof(w->log_id));
	s->number = le64toh(w->number);
	s->salt = le64toh(w->salt);
	s->bytes = le64toh(w->bytes);
	s->prev = le64toh(w->prev);
	s->prev_salt = le64toh(w->prev_salt);
	s->prev_end = le64toh(w->prev_end);
	s->durable_lsn = le64toh(w->durable_lsn);
	s->clean = le64toh(w->clean);
	s->partial = le64toh(w->partial);
	s->seen = le64toh(w->seen);
	if (!s->number || s->number > UINT32_MAX || s->prev >= s->number ||
	    s->bytes < STAGE_BLOCK_BYTES || s->bytes > 1ULL << 31 ||
	    s->prev_end > 1ULL << 31 || s->prev_end % STAGE_ALIGN)
		return -EBADMSG;
	return 0;
}

/* --- a device ------------------------------------------------------------- */

void stage_note_encode(const struct stage_note_block *n, void *block)
{
	struct wire_note *w = memset(block, 0, STAGE_BLOCK_BYTES);

	memcpy(w->device_id, n->device_id, sizeof(w->device_id));
	memcpy(w->path, n->path, sizeof(w->path));
	seal(block, "dmReplLn");
}

int stage_note_decode(struct stage_note_block *n, const void *block)
{
	const struct wire_note *w = block;
	int err = unseal(block, "dmReplLn", 0);

	if (err)
		return err;
	memcpy(n->device_id, w->device_id, sizeof(n->device_id));
	memcpy(n->path, w->path, sizeof(n->path));
	return is_string(n->path, sizeof(n->path)) && n->path[0] == '/' ?
	       0 : -EBADMSG;
}

void stage_device_encode(const struct stage_device_block *d, void *sector)
{
	struct wire_device *w = memset(sector, 0, STAGE_SECTOR);

	memcpy(w->device_id, d->device_id, sizeof(w->device_id));
	w->slot_bytes = htole64(d->slot_bytes);
	w->nr_slots = htole64(d->nr_slots);
	seal_sized(sector, STAGE_SECTOR, "dmReplLd");
}

int stage_device_decode(struct stage_device_block *d, const void *sector)
{
	const struct wire_device *w = sector;
	int err = unseal_sized(sector, STAGE_SECTOR, "dmReplLd", 0);

	if (err)
		return err;
	memcpy(d->device_id, w->device_id, sizeof(d->device_id));
	d->slot_bytes = le64toh(w->slot_bytes);
	d->nr_slots = le64toh(w->nr_slots);
	return d->slot_bytes % STAGE_BLOCK_BYTES ||
	       d->slot_bytes < STAGE_SLOT_MIN ||
	       d->slot_bytes > STAGE_SLOT_MAX ||
	       d->nr_slots > UINT32_MAX ? -EBADMSG : 0;
}

void stage_slot_encode(const struct stage_slot_block *s, void *sector)
{
	struct wire_slot *w = memset(sector, 0, STAGE_SECTOR);

	memcpy(w->device_id, s->device_id, sizeof(w->device_id));
	memcpy(w->log_id, s->log_id, sizeof(w->log_id));
	w->number = htole64(s->number);
	w->salt = htole64(s->salt);
	w->state = htole32(s->state);
	seal_sized(sector, STAGE_SECTOR, "dmReplSl");
}

int stage_slot_decode(struct stage_slot_block *s, const void *sector)
{
	const struct wire_slot *w = sector;
	int err = unseal_sized(sector, STAGE_SECTOR, "dmReplSl", 0);

	if (err)
		return err;
	memcpy(s->device_id, w->device_id, sizeof(s->device_id));
	memcpy(s->log_id, w->log_id, sizeof(s->log_id));
	s->number = le64toh(w->number);
	s->salt = le64toh(w->salt);
	s->state = le32toh(w->state);
	return s->state < STAGE_SLOT_FREE || s->state > STAGE_SLOT_LOST ||
	       s->number > UINT32_MAX ? -EBADMSG : 0;
}

/* --- records -------------------------------------------------------------- */

static uint32_t record_crc(const struct wire_record *w, uint64_t salt,
			   uint64_t lsn)
{
	uint64_t place[2] = { htole64(salt), htole64(lsn) };
	uint32_t crc = crc32_iscsi((unsigned char *)place, sizeof(place), ~0U);

	return ~crc32_iscsi((unsigned char *)w + 4, sizeof(*w) - 4, crc);
}

void stage_record_encode(const struct stage_record *r, uint64_t salt,
			 uint64_t lsn, void *block)
{
	struct wire_record w = {
		.magic = htole16(RECORD_MAGIC),
		.type = htole16(r->type),
		.member = htole32(r->member),
		.payload = htole32(r->payload),
		.crc = htole32(r->crc),
		.epoch = htole64(r->epoch),
		.off = htole64(r->off),
		.len = htole64(r->len),
	};

	w.crc32c = htole32(record_crc(&w, salt, lsn));
	memcpy(block, &w, sizeof(w));
}

/* F3. The range of the volume is the reader's business. */
static bool is_record_sane(const struct stage_record *r)
{
	switch (r->type) {
	case STAGE_REC_DATA:
		return r->payload && r->payload == r->len &&
		       !(r->off % 512) && !(r->len % 512);
	case STAGE_REC_ZERO:
		return !r->payload && r->len && !(r->off % 512) &&
		       !(r->len % 512) && r->len <= STAGE_ZERO_MAX;
	case STAGE_REC_OPEN:
		return !r->payload;
	case STAGE_REC_HEADER:
		return r->payload == REPLICA_SLOT_BYTES;
	case STAGE_REC_CLEAN:
	case STAGE_REC_PARTIAL:
		return r->payload >= STAGE_COMMIT_BYTES &&
		       r->payload <= stage_commit_len(REPLICA_MEMBERS_MAX);
	}
	return false;
}

int stage_record_decode(struct stage_record *r, uint64_t salt, uint64_t lsn,
			const void *block)
{
	struct wire_record w;

	memcpy(&w, block, sizeof(w));
	if (le16toh(w.magic) != RECORD_MAGIC ||
	    le32toh(w.crc32c) != record_crc(&w, salt, lsn))
		return is_zero(&w, sizeof(w)) ? -ENODATA : -EBADMSG;
	r->type = le16toh(w.type);
	r->member = le32toh(w.member);
	r->payload = le32toh(w.payload);
	r->crc = le32toh(w.crc);
	r->epoch = le64toh(w.epoch);
	r->off = le64toh(w.off);
	r->len = le64toh(w.len);
	return is_record_sane(r) ? 0 : -EBADMSG;
}

void stage_commit_encode(const struct stage_commit *c, void *payload)
{
	struct wire_commit w = {
		.records = htole64(c->records),
		.digest = htole64(c->digest),
		.commit_time = htole64(c->commit_time),
		.cut_time = htole64(c->cut_time),
		.bytes = htole64(c->bytes),
		.nr_members = htole32(c->nr_members),
	};

	memcpy(payload, &w, sizeof(w));
}

int stage_commit_decode(struct stage_commit *c, const void *payload,
			size_t len)
{
	struct wire_commit w;

	if (len < sizeof(w))
		return -EBADMSG;
	memcpy(&w, payload, sizeof(w));
	c->records = le64toh(w.records);
	c->digest = le64toh(w.digest);
	c->commit_time = le64toh(w.commit_time);
	c->cut_time = le64toh(w.cut_time);
	c->bytes = le64toh(w.bytes);
	c->nr_members = le32toh(w.nr_members);
	if (c->nr_members > REPLICA_MEMBERS_MAX ||
	    len != stage_commit_len(c->nr_members))
		return -EBADMSG;
	return 0;
}

static size_t member_at(uint32_t i)
{
	return stage_commit_len(i);
}

void stage_commit_put_member(void *payload, uint32_t i, uint32_t member)
{
	uint32_t le[STAGE_MEMBER_BYTES / 4] = { htole32(member) };

	memcpy((char *)payload + member_at(i), le, sizeof(le));
}

uint32_t stage_commit_get_member(const void *payload, uint32_t i)
{
	uint32_t le;

	memcpy(&le, (const char *)payload + member_at(i), sizeof(le));
	return le32toh(le);
}

size_t stage_commit_slot(uint32_t i)
{
	return member_at(i) + STAGE_MEMBER_BYTES;
}
