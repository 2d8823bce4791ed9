// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Codec of the replica header. Pure: no I/O, no clock, no memory of its own.
 *
 * A slot is 4096 bytes, little-endian; struct wire below is the layout. Magic,
 * version, incompat and crc32c keep their places in every version, so an old
 * reader can tell "not ours to read" from "corrupt".
 *
 * H1 the checksum covers all bytes of the slot before it; nothing but the magic
 *    is looked at before it has been found right.
 * H2 encode and decode apply the same rules, so what we write we can read.
 * H3 an intact slot that is beyond us is never passed over for the other one:
 *    that one may be older, and acting on it would roll the target back.
 * H4 unknown bytes between "unsent_time" and the checksum are ignored: a later
 *    writer may use them for what an old reader need not know. What it must
 *    know gets a bit in incompat.
 */
#include "header.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <isa-l/crc.h>
#include <xxhash.h>

#define MAGIC "dmReplHd"
#define INCOMPAT_KNOWN 0ULL
#define ANOTHER_VERSION "both sites must have the newer dm-replica"

struct wire_ancestor {
	uint64_t generation;
	uint64_t end_epoch;
} __attribute__((packed));

struct wire {
	char magic[8];
	uint32_t version;
	uint32_t kind;
	uint64_t incompat;
	uint8_t pair_id[16];
	uint8_t volume_id[16];
	uint8_t group_id[16];
	uint64_t membership;
	uint32_t members;
	uint32_t nr_ancestors;
	uint64_t generation;
	uint64_t incarnation;
	uint64_t session_loads;
	uint64_t session_attaches;
	uint64_t session_random;
	uint32_t role;
	uint32_t state;
	uint32_t chunk_bytes;
	uint32_t pad;
	uint64_t epoch;
	uint64_t last_clean;
	uint64_t last_partial;
	uint64_t highest_seen;
	uint64_t merge_id;
	uint64_t cut_time;
	uint64_t volume_bytes;
	uint64_t records;
	uint64_t digest;
	uint64_t seq;
	struct wire_ancestor ancestors[REPLICA_ANCESTORS_MAX];
	uint64_t named;
	uint64_t hints;
	uint64_t unsent;
	uint64_t unsent_time;
	uint8_t reserved[REPLICA_SLOT_BYTES - 224 -
			 16 * REPLICA_ANCESTORS_MAX - 32 - 4];
	uint32_t crc32c;
} __attribute__((packed));

_Static_assert(sizeof(struct wire) == REPLICA_SLOT_BYTES, "slot size");
_Static_assert(offsetof(struct wire, ancestors) == 224, "slot layout");
_Static_assert(offsetof(struct wire, crc32c) == 4092, "slot layout");
_Static_assert(REPLICA_HEADERS_BYTES <= REPLICA_TAIL_BYTES, "tail size");

static const char *const kind_names[] = {
	[REPLICA_KIND_HELLO] = "hello",
	[REPLICA_KIND_OPEN] = "open",
	[REPLICA_KIND_PARTIAL] = "partial",
	[REPLICA_KIND_CLEAN] = "clean",
	[REPLICA_KIND_HANDOVER] = "handover",
	[REPLICA_KIND_HEARTBEAT] = "heartbeat",
};

const char *replica_kind_name(uint32_t kind)
{
	if (!kind || kind >= sizeof(kind_names) / sizeof(kind_names[0]))
		return "?";
	return kind_names[kind];
}

static int __attribute__((format(printf, 3, 4)))
refuse(struct replica_why *why, int err, const char *fmt, ...)
{
	va_list args;

	if (why) {
		va_start(args, fmt);
		vsnprintf(why->text, sizeof(why->text), fmt, args);
		va_end(args);
	}
	return err;
}

static uint32_t checksum(const void *slot)
{
	/* isa-l leaves the usual final inversion to the caller. */
	return ~crc32_iscsi((unsigned char *)slot,
			    offsetof(struct wire, crc32c), ~0U);
}

static bool is_zero(const void *buf, size_t len)
{
	const unsigned char *p = buf;

	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

static int check_sizes(const struct replica_header *h, struct replica_why *why)
{
	if (!h->volume_bytes || h->volume_bytes % 512 ||
	    h->volume_bytes > REPLICA_VOLUME_MAX)
		return refuse(why, -EINVAL, "a volume of %llu bytes cannot be",
			      (unsigned long long)h->volume_bytes);
	if (h->chunk_bytes < 512 || h->chunk_bytes > 1U << 30 ||
	    h->chunk_bytes & (h->chunk_bytes - 1))
		return refuse(why, -EINVAL, "a chunk of %u bytes cannot be",
			      h->chunk_bytes);
	return 0;
}

static int check_words(const struct replica_header *h, struct replica_why *why)
{
	if (!h->kind || h->kind > REPLICA_KIND_HEARTBEAT)
		return refuse(why, -EINVAL, "unknown kind %u", h->kind);
	if (h->role != REPLICA_ROLE_PRIMARY &&
	    h->role != REPLICA_ROLE_SECONDARY)
		return refuse(why, -EINVAL, "unknown role %u", h->role);
	if (h->state != REPLICA_STATE_OK && h->state != REPLICA_STATE_APPLYING)
		return refuse(why, -EINVAL, "unknown state %u", h->state);
	if (!h->members || h->members > REPLICA_MEMBERS_MAX)
		return refuse(why, -EINVAL, "a group of %u members",
			      h->members);
	if (!h->seq)
		return refuse(why, -EINVAL, "sequence number 0");
	return 0;
}

static int check_epochs(const struct replica_header *h,
			struct replica_why *why)
{
	if (h->last_clean > h->highest_seen ||
	    h->last_partial > h->highest_seen || h->epoch > h->highest_seen)
		return refuse(why, -EINVAL,
			      "an epoch is above the highest seen, %llu",
			      (unsigned long long)h->highest_seen);
	switch (h->kind) {
	case REPLICA_KIND_OPEN:
		if (h->epoch > h->last_clean && h->epoch > h->last_partial)
			return 0;
		return refuse(why, -EINVAL,
			      "epoch %llu is opened after its commit",
			      (unsigned long long)h->epoch);
	case REPLICA_KIND_PARTIAL:
		if (h->epoch && h->epoch == h->last_partial)
			return 0;
		return refuse(why, -EINVAL,
			      "a partial commit names two epochs");
	case REPLICA_KIND_CLEAN:
	case REPLICA_KIND_HANDOVER:
		if (h->epoch && h->epoch == h->last_clean &&
		    h->state == REPLICA_STATE_OK)
			return 0;
		return refuse(why, -EINVAL,
			      "a clean commit that is not consistent");
	}
	return 0;
}

static int check_ancestors(const struct replica_header *h,
			   struct replica_why *why)
{
	uint32_t i, j;

	if (h->nr_ancestors > REPLICA_ANCESTORS_MAX)
		return refuse(why, -EINVAL, "%u ancestors, at most %u can be",
			      h->nr_ancestors, REPLICA_ANCESTORS_MAX);
	for (i = 0; i < h->nr_ancestors; i++) {
		if (h->ancestors[i].generation == h->generation)
			return refuse(why, -EINVAL,
				      "the generation is its own ancestor");
		for (j = 0; j < i; j++)
			if (h->ancestors[i].generation ==
			    h->ancestors[j].generation)
				return refuse(why, -EINVAL,
					      "an ancestor is there twice");
	}
	return 0;
}

/* -EINVAL when the header cannot be right; the same for both directions. */
static int check(const struct replica_header *h, struct replica_why *why)
{
	int ret = check_sizes(h, why);

	if (!ret)
		ret = check_words(h, why);
	if (!ret)
		ret = check_epochs(h, why);
	if (!ret)
		ret = check_ancestors(h, why);
	return ret;
}

static void put_identity(struct wire *w, const struct replica_header *h)
{
	uint32_t i;

	memcpy(w->pair_id, h->pair_id, sizeof(w->pair_id));
	memcpy(w->volume_id, h->volume_id, sizeof(w->volume_id));
	memcpy(w->group_id, h->group_id, sizeof(w->group_id));
	w->membership = htole64(h->membership);
	w->members = htole32(h->members);
	w->nr_ancestors = htole32(h->nr_ancestors);
	w->generation = htole64(h->generation);
	for (i = 0; i < h->nr_ancestors; i++) {
		w->ancestors[i].generation =
			htole64(h->ancestors[i].generation);
		w->ancestors[i].end_epoch = htole64(h->ancestors[i].end_epoch);
	}
	w->incarnation = htole64(h->incarnation);
	w->session_loads = htole64(h->session.loads);
	w->session_attaches = htole64(h->session.attaches);
	w->session_random = htole64(h->session.random);
	w->volume_bytes = htole64(h->volume_bytes);
	w->chunk_bytes = htole32(h->chunk_bytes);
}

static void put_progress(struct wire *w, const struct replica_header *h)
{
	w->kind = htole32(h->kind);
	w->role = htole32(h->role);
	w->state = htole32(h->state);
	w->epoch = htole64(h->epoch);
	w->last_clean = htole64(h->last_clean);
	w->last_partial = htole64(h->last_partial);
	w->highest_seen = htole64(h->highest_seen);
	w->named = htole64(h->named);
	w->merge_id = htole64(h->merge_id);
	w->cut_time = htole64(h->cut_time);
	w->records = htole64(h->records);
	w->digest = htole64(h->digest);
	w->seq = htole64(h->seq);
	w->hints = htole64(h->hints);
	w->unsent = htole64(h->unsent);
	w->unsent_time = htole64(h->unsent_time);
}

int replica_header_encode(const struct replica_header *h, void *slot,
			  struct replica_why *why)
{
	struct wire w = { .version = htole32(REPLICA_HEADER_VERSION) };
	int ret = check(h, why);

	if (!ret && h->incompat & ~INCOMPAT_KNOWN)
		ret = refuse(why, -EINVAL, "unknown features 0x%llx",
			     (unsigned long long)h->incompat);
	if (ret)
		return ret;
	memcpy(w.magic, MAGIC, sizeof(w.magic));
	w.incompat = htole64(h->incompat);
	put_identity(&w, h);
	put_progress(&w, h);
	w.crc32c = htole32(checksum(&w));
	memcpy(slot, &w, sizeof(w));
	return 0;
}

/* H1, and what must hold in every version. */
static int check_frame(const struct wire *w, struct replica_why *why)
{
	if (is_zero(w, sizeof(*w)))
		return refuse(why, -ENODATA, "never written");
	if (memcmp(w->magic, MAGIC, sizeof(w->magic)))
		return refuse(why, -EBADMSG, "not a replica header");
	if (le32toh(w->crc32c) != checksum(w))
		return refuse(why, -EBADMSG,
			      "torn or corrupt: wrong checksum");
	if (le32toh(w->version) != REPLICA_HEADER_VERSION)
		return refuse(why, -EPROTONOSUPPORT,
			      "format version %u, this is for version %u: "
			      ANOTHER_VERSION,
			      le32toh(w->version), REPLICA_HEADER_VERSION);
	if (le64toh(w->incompat) & ~INCOMPAT_KNOWN)
		return refuse(why, -EPROTONOSUPPORT,
			      "needs features 0x%llx, which are unknown here: "
			      ANOTHER_VERSION,
			      (unsigned long long)(le64toh(w->incompat) &
						   ~INCOMPAT_KNOWN));
	return 0;
}

static void get_identity(struct replica_header *h, const struct wire *w)
{
	uint32_t i;

	memcpy(h->pair_id, w->pair_id, sizeof(h->pair_id));
	memcpy(h->volume_id, w->volume_id, sizeof(h->volume_id));
	memcpy(h->group_id, w->group_id, sizeof(h->group_id));
	h->membership = le64toh(w->membership);
	h->members = le32toh(w->members);
	h->nr_ancestors = le32toh(w->nr_ancestors);
	h->generation = le64toh(w->generation);
	for (i = 0; i < h->nr_ancestors && i < REPLICA_ANCESTORS_MAX; i++) {
		h->ancestors[i].generation =
			le64toh(w->ancestors[i].generation);
		h->ancestors[i].end_epoch = le64toh(w->ancestors[i].end_epoch);
	}
	h->incarnation = le64toh(w->incarnation);
	h->session.loads = le64toh(w->session_loads);
	h->session.attaches = le64toh(w->session_attaches);
	h->session.random = le64toh(w->session_random);
	h->volume_bytes = le64toh(w->volume_bytes);
	h->chunk_bytes = le32toh(w->chunk_bytes);
}

static void get_progress(struct replica_header *h, const struct wire *w)
{
	h->kind = le32toh(w->kind);
	h->role = le32toh(w->role);
	h->state = le32toh(w->state);
	h->epoch = le64toh(w->epoch);
	h->last_clean = le64toh(w->last_clean);
	h->last_partial = le64toh(w->last_partial);
	h->highest_seen = le64toh(w->highest_seen);
	h->named = le64toh(w->named);
	h->merge_id = le64toh(w->merge_id);
	h->cut_time = le64toh(w->cut_time);
	h->records = le64toh(w->records);
	h->digest = le64toh(w->digest);
	h->seq = le64toh(w->seq);
	h->hints = le64toh(w->hints);
	h->unsent = le64toh(w->unsent);
	h->unsent_time = le64toh(w->unsent_time);
}

int replica_header_decode(struct replica_header *h, const void *slot,
			  size_t len, struct replica_why *why)
{
	struct replica_header got = { 0 };
	struct wire w;
	int ret;

	if (len < sizeof(w))
		return refuse(why, -EBADMSG, "only %zu of %zu bytes", len,
			      sizeof(w));
	memcpy(&w, slot, sizeof(w));
	ret = check_frame(&w, why);
	if (ret)
		return ret;
	got.incompat = le64toh(w.incompat);
	get_identity(&got, &w);
	get_progress(&got, &w);
	if (check(&got, why))
		return -EBADMSG;
	*h = got;
	return 0;
}

struct slot {
	struct replica_header h;
	struct replica_why why;
	int ret;			/* of decode */
};

static void read_slot(struct slot *s, const void *slots, unsigned int nr)
{
	const char *at = (const char *)slots + nr * REPLICA_SLOT_BYTES;

	s->ret = replica_header_decode(&s->h, at, REPLICA_SLOT_BYTES, &s->why);
	if (!s->ret && s->h.seq % REPLICA_SLOTS != nr)
		s->ret = refuse(&s->why, -EBADMSG,
				"number %llu does not belong into this slot",
				(unsigned long long)s->h.seq);
}

static bool same_volume(const struct replica_header *a,
			const struct replica_header *b)
{
	return !memcmp(a->pair_id, b->pair_id, sizeof(a->pair_id)) &&
	       !memcmp(a->volume_id, b->volume_id, sizeof(a->volume_id));
}

/* What to say when no slot is good. */
static int refuse_both(const struct slot *s, struct replica_why *why)
{
	int first = s[0].ret == -ENODATA;

	if (s[0].ret == -ENODATA && s[1].ret == -ENODATA)
		return refuse(why, -ENODATA, "never written");
	if (s[0].ret == s[1].ret && !strcmp(s[0].why.text, s[1].why.text))
		return refuse(why, -EBADMSG, "both headers: %s",
			      s[0].why.text);
	return refuse(why, -EBADMSG, "header %d: %.60s; header %d: %.60s",
		      first, s[first].why.text, !first, s[!first].why.text);
}

int replica_header_pick(struct replica_header *h, const void *slots,
			size_t len, struct replica_why *why)
{
	struct slot s[REPLICA_SLOTS];
	unsigned int i;

	if (len < REPLICA_HEADERS_BYTES)
		return refuse(why, -EBADMSG, "only %zu of %u bytes", len,
			      REPLICA_HEADERS_BYTES);
	for (i = 0; i < REPLICA_SLOTS; i++)
		read_slot(&s[i], slots, i);
	for (i = 0; i < REPLICA_SLOTS; i++)		/* H3 */
		if (s[i].ret == -EPROTONOSUPPORT)
			return refuse(why, s[i].ret, "%s", s[i].why.text);
	if (s[0].ret && s[1].ret)
		return refuse_both(s, why);
	if (!s[0].ret && !s[1].ret && !same_volume(&s[0].h, &s[1].h))
		return refuse(why, -EBADMSG,
			      "the two headers are of different volumes");
	i = s[0].ret || (!s[1].ret && s[1].h.seq > s[0].h.seq);
	*h = s[i].h;
	return 0;
}

uint64_t replica_tail_offset(uint64_t volume_bytes)
{
	assert(volume_bytes <= REPLICA_VOLUME_MAX);
	return (volume_bytes + REPLICA_TAIL_ALIGN - 1) &
	       ~(REPLICA_TAIL_ALIGN - 1);
}

uint64_t replica_slot_offset(uint64_t volume_bytes, uint64_t seq)
{
	return replica_tail_offset(volume_bytes) +
	       seq % REPLICA_SLOTS * REPLICA_SLOT_BYTES;
}

uint64_t replica_export_bytes(uint64_t volume_bytes)
{
	return replica_tail_offset(volume_bytes) + REPLICA_TAIL_BYTES;
}

int replica_session_compare(const struct replica_session *a,
			    const struct replica_session *b)
{
	if (a->loads != b->loads)
		return a->loads < b->loads ? -1 : 1;
	if (a->attaches != b->attaches)
		return a->attaches < b->attaches ? -1 : 1;
	return 0;
}

/* --- digests ------------------------------------------------------------- */

uint32_t replica_digest(uint64_t off, const void *data, uint64_t len)
{
	uint64_t le[2] = { htole64(off), htole64(len) };
	uint32_t crc = crc32_iscsi((unsigned char *)le, data ? 8 : 16, ~0U);

	if (data)
		crc = crc32_iscsi((unsigned char *)data, len, crc);
	return ~crc;
}

void replica_sum(void *sum, const void *data, size_t len, uint64_t seed)
{
	XXH128_canonical_t canonical;

	_Static_assert(sizeof(canonical) == REPLICA_SUM_BYTES, "size of a sum");
	XXH128_canonicalFromHash(&canonical,
				 XXH3_128bits_withSeed(data, len, seed));
	memcpy(sum, &canonical, sizeof(canonical));
}
