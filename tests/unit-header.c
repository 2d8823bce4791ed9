// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The replica header codec: if this fails, a torn, corrupt, foreign or future
 * header is taken for the state of a replica, or a good one is not.
 */
#include "header.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <isa-l/crc.h>

#include "tap.h"

#define AT_VERSION	8
#define AT_INCOMPAT	16
#define AT_CRC		4092

static struct replica_header sample(uint64_t seq)
{
	struct replica_header h = {
		.membership = 3, .members = 2, .nr_ancestors = 2,
		.generation = 0x1111, .incarnation = 0x2222,
		.ancestors = { { 0x3333, 90 }, { 0x4444, 50 } },
		.session = { .loads = 4, .attaches = 7, .random = 99 },
		.role = REPLICA_ROLE_PRIMARY, .state = REPLICA_STATE_OK,
		.kind = REPLICA_KIND_CLEAN, .chunk_bytes = 4096,
		.epoch = 100, .last_clean = 100, .last_partial = 98,
		.highest_seen = 105, .named = 97, .hints = 1, .merge_id = 5,
		.unsent = 8192, .unsent_time = 1234567891,
		.cut_time = 1234567890,
		.volume_bytes = 10ULL << 30, .records = 17,
		.digest = 0xfedcba9876543210, .seq = seq,
	};

	memset(h.pair_id, 1, sizeof(h.pair_id));
	memset(h.volume_id, 2, sizeof(h.volume_id));
	memset(h.group_id, 3, sizeof(h.group_id));
	return h;
}

static void sign(unsigned char *slot)
{
	uint32_t crc = htole32(~crc32_iscsi(slot, AT_CRC, ~0U));

	memcpy(slot + AT_CRC, &crc, sizeof(crc));
}

static void put_slot(unsigned char *slots, uint64_t seq)
{
	struct replica_header h = sample(seq);

	h.epoch = h.last_clean = h.highest_seen = 100 + seq;
	if (replica_header_encode(&h, slots + seq % 2 * REPLICA_SLOT_BYTES,
				  NULL))
		abort();
}

static void test_round_trip(void)
{
	struct replica_header h = sample(5), got;
	unsigned char slot[REPLICA_SLOT_BYTES], again[REPLICA_SLOT_BYTES];
	struct replica_why why;

	memset(&got, 0xff, sizeof(got));
	is_int(replica_header_encode(&h, slot, &why), 0, "encode");
	is_int(replica_header_decode(&got, slot, sizeof(slot), &why), 0,
	       "decode");
	ok(!memcmp(&h, &got, sizeof(h)), "every field comes back");
	is_int(replica_header_encode(&got, again, NULL), 0, "encode again");
	ok(!memcmp(slot, again, sizeof(slot)), "to the same bytes");
}

/* The bytes are the format: they may not change with the code. */
static void test_known_bytes(void)
{
	static const struct { size_t at; uint64_t value; } known[] = {
		{ 16, 0 }, { 72, 3 }, { 88, 0x1111 }, { 96, 0x2222 },
		{ 104, 4 }, { 112, 7 }, { 120, 99 }, { 144, 100 },
		{ 152, 100 }, { 160, 98 }, { 168, 105 }, { 176, 5 },
		{ 184, 1234567890 }, { 192, 10ULL << 30 }, { 200, 17 },
		{ 208, 0xfedcba9876543210 }, { 216, 5 }, { 224, 0x3333 },
		{ 1248, 97 },
		{ 232, 90 }, { 240, 0x4444 }, { 248, 50 }, { 256, 0 },
	};
	static const unsigned char first[16] = {
		'd', 'm', 'R', 'e', 'p', 'l', 'H', 'd', 1, 0, 0, 0, 4, 0, 0, 0
	};
	struct replica_header h = sample(5);
	unsigned char slot[REPLICA_SLOT_BYTES];
	size_t i, good = 0;
	uint64_t value;

	replica_header_encode(&h, slot, NULL);
	ok(!memcmp(slot, first, sizeof(first)), "magic, version, kind");
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		memcpy(&value, slot + known[i].at, sizeof(value));
		good += le64toh(value) == known[i].value;
	}
	is_int(good, i, "fields stand where format version 1 has them");
}

/* -EBADMSG for everything that is not what was written. */
static void test_every_byte(void)
{
	unsigned char slot[REPLICA_SLOT_BYTES];
	struct replica_header h = sample(5), got = h;
	size_t i, flips = 0, lengths = 0;

	replica_header_encode(&h, slot, NULL);
	for (i = 0; i < 8 * sizeof(slot); i++) {
		slot[i / 8] ^= 1 << i % 8;
		flips += replica_header_decode(&got, slot, sizeof(slot),
					       NULL) == -EBADMSG;
		slot[i / 8] ^= 1 << i % 8;
	}
	is_int(flips, i, "each flipped bit is found");
	for (i = 0; i < sizeof(slot); i++) {
		unsigned char *cut = malloc(i ? i : 1);

		memcpy(cut, slot, i);
		lengths += replica_header_decode(&got, cut, i, NULL) ==
			   -EBADMSG;
		free(cut);
	}
	is_int(lengths, i, "each truncated length is refused");
	ok(!memcmp(&h, &got, sizeof(h)), "a refusal leaves *h alone");
}

static void test_torn(void)
{
	unsigned char old[REPLICA_SLOT_BYTES], slot[REPLICA_SLOT_BYTES];
	struct replica_header a = sample(5), b = sample(7), got;
	size_t at, good = 0, tries = 0;

	b.records = 18;
	replica_header_encode(&a, old, NULL);
	for (at = 1; at < REPLICA_SLOT_BYTES; at++, tries++) {
		replica_header_encode(&b, slot, NULL);
		memcpy(slot + at, old + at, sizeof(slot) - at);
		if (!memcmp(slot, old, sizeof(slot)))
			good++;
		else if (replica_header_decode(&got, slot, sizeof(slot),
					       NULL) == -EBADMSG)
			good++;
	}
	is_int(good, tries, "torn at any byte: as before, or refused");
}

static void test_beyond_us(void)
{
	unsigned char slots[REPLICA_HEADERS_BYTES] = { 0 };
	struct replica_header got;
	struct replica_why why;

	put_slot(slots, 4);
	put_slot(slots, 5);
	slots[AT_VERSION] = 2;
	is_int(replica_header_decode(&got, slots, REPLICA_SLOT_BYTES, &why),
	       -EBADMSG, "another version without its checksum is corrupt");
	sign(slots);
	is_int(replica_header_decode(&got, slots, REPLICA_SLOT_BYTES, &why),
	       -EPROTONOSUPPORT, "an intact one is not supported");
	ok(strstr(why.text, "version 2"), "said in words: %s", why.text);
	is_int(replica_header_pick(&got, slots, sizeof(slots), &why),
	       -EPROTONOSUPPORT, "and the other slot is not used instead");
	put_slot(slots, 4);
	slots[AT_INCOMPAT + 1] = 0x40;
	sign(slots);
	is_int(replica_header_decode(&got, slots, REPLICA_SLOT_BYTES, &why),
	       -EPROTONOSUPPORT, "unknown features are not supported");
	ok(strstr(why.text, "0x4000"), "said in words: %s", why.text);
	put_slot(slots, 4);
	slots[4000] = 1;
	sign(slots);
	is_int(replica_header_decode(&got, slots, REPLICA_SLOT_BYTES, &why), 0,
	       "what a later writer puts into the reserve is ignored");
}

static void pick_is(const unsigned char *slots, int want, uint64_t want_seq,
		    const char *name)
{
	struct replica_header got = { .seq = 0 };
	struct replica_why why = { "" };
	int ret = replica_header_pick(&got, slots, REPLICA_HEADERS_BYTES, &why);

	is_int(ret, want, "%s (%s)", name, why.text);
	is_int(got.seq, want_seq, "%s: the right one", name);
	ok(!ret || why.text[0], "%s: a refusal has a reason", name);
}

static void test_pick(void)
{
	unsigned char slots[REPLICA_HEADERS_BYTES] = { 0 };
	unsigned char *odd = slots + REPLICA_SLOT_BYTES;
	struct replica_header got;

	pick_is(slots, -ENODATA, 0, "both zero are new");
	put_slot(slots, 1);
	pick_is(slots, 0, 1, "the first header alone");
	put_slot(slots, 2);
	pick_is(slots, 0, 2, "two headers");
	put_slot(slots, 3);
	pick_is(slots, 0, 3, "two headers, the other way round");
	odd[100] ^= 1;
	pick_is(slots, 0, 2, "a torn write beside a good header");
	slots[100] ^= 1;
	pick_is(slots, -EBADMSG, 0, "both torn");
	memset(odd, 0, REPLICA_SLOT_BYTES);
	pick_is(slots, -EBADMSG, 0, "one torn and one zero are not new");
	memset(slots, 0xaa, sizeof(slots));
	pick_is(slots, -EBADMSG, 0, "something else is not new");
	memset(slots, 0, sizeof(slots));
	slots[REPLICA_HEADERS_BYTES - 1] = 1;
	pick_is(slots, -EBADMSG, 0, "a single other byte is not new");
	put_slot(slots, 3);
	put_slot(slots, 8);
	memcpy(odd, slots, REPLICA_SLOT_BYTES);
	put_slot(slots, 2);
	pick_is(slots, 0, 2, "a header in the wrong slot does not count");
	is_int(replica_header_pick(&got, slots, sizeof(slots) - 1, NULL),
	       -EBADMSG, "slots too short");
}

static void test_other_volume(void)
{
	unsigned char slots[REPLICA_HEADERS_BYTES] = { 0 };
	struct replica_header h = sample(3);

	put_slot(slots, 2);
	h.volume_id[15]++;
	replica_header_encode(&h, slots + REPLICA_SLOT_BYTES, NULL);
	pick_is(slots, -EBADMSG, 0, "headers of two volumes");
}

static void refuses(struct replica_header h, const char *name)
{
	unsigned char slot[REPLICA_SLOT_BYTES] = { 0 };
	struct replica_why why = { "" };

	is_int(replica_header_encode(&h, slot, &why), -EINVAL, "%s: %s", name,
	       why.text);
	ok(why.text[0] && !slot[0], "with a reason, nothing written");
}

#define REFUSES(name, change) do { \
		struct replica_header h = sample(5); \
		change; \
		refuses(h, name); \
	} while (0)

static void test_fields(void)
{
	REFUSES("no volume", h.volume_bytes = 0);
	REFUSES("odd volume", h.volume_bytes = 1000);
	REFUSES("huge volume", h.volume_bytes = REPLICA_VOLUME_MAX + 512);
	REFUSES("small chunk", h.chunk_bytes = 256);
	REFUSES("odd chunk", h.chunk_bytes = 4095);
	REFUSES("kind 0", h.kind = 0);
	REFUSES("kind 7", h.kind = 7);
	REFUSES("role", h.role = 3);
	REFUSES("state", h.state = 0);
	REFUSES("no members", h.members = 0);
	REFUSES("members", h.members = REPLICA_MEMBERS_MAX + 1);
	REFUSES("seq 0", h.seq = 0);
	REFUSES("epoch", h.epoch = h.highest_seen + 1);
	REFUSES("last clean", h.last_clean = h.highest_seen + 1);
	REFUSES("last partial", h.last_partial = h.highest_seen + 1);
	REFUSES("open again", h.kind = REPLICA_KIND_OPEN);
	REFUSES("partial", h.kind = REPLICA_KIND_PARTIAL);
	REFUSES("clean of another", h.epoch--);
	REFUSES("clean, applying", h.state = REPLICA_STATE_APPLYING);
	REFUSES("ancestors", h.nr_ancestors = REPLICA_ANCESTORS_MAX + 1);
	REFUSES("own ancestor", h.ancestors[1].generation = h.generation);
	REFUSES("twice", h.ancestors[1] = h.ancestors[0]);
	REFUSES("features", h.incompat = 1);
}

/* What encode would not write, but somebody signed, is refused as well. */
static void test_signed_nonsense(void)
{
	unsigned char slot[REPLICA_SLOT_BYTES];
	struct replica_header h = sample(5), got;
	struct replica_why why = { "" };

	replica_header_encode(&h, slot, NULL);
	slot[84] = 200;
	sign(slot);
	is_int(replica_header_decode(&got, slot, sizeof(slot), &why), -EBADMSG,
	       "200 ancestors with a good checksum: %s", why.text);
}

static void test_places(void)
{
	struct replica_session a = { 1, 9, 5 }, b = { 2, 1, 5 };
	struct replica_session c = { 2, 1, 6 };

	is_int(replica_tail_offset(1 << 20), 1 << 20, "tail of a whole MiB");
	is_int(replica_tail_offset((1 << 20) + 512), 2 << 20, "and of more");
	is_int(replica_slot_offset(1 << 20, 7), (1 << 20) + 4096, "odd slot");
	is_int(replica_slot_offset(1 << 20, 8), 1 << 20, "even slot");
	is_int(replica_export_bytes(512), (1 << 20) + 65536, "export");
	ok(replica_session_compare(&a, &b) < 0 &&
	   replica_session_compare(&b, &a) > 0 &&
	   !replica_session_compare(&b, &c), "sessions are ordered");
	is_str(replica_kind_name(REPLICA_KIND_CLEAN), "clean", "a kind's name");
	is_str(replica_kind_name(0), "?", "no kind 0");
	is_str(replica_kind_name(7), "?", "no kind 7");
}

static void test_digest(void)
{
	char data[512];
	uint64_t off[2] = { 4096, 512 };

	memset(data, 7, sizeof(data));
	ok(replica_digest(4096, data, 512) != replica_digest(8192, data, 512),
	   "the digest knows the offset");
	ok(replica_digest(4096, NULL, 512) != replica_digest(4096, NULL, 1024),
	   "the digest of zeros knows the length");
	/* "123456789" is the check value of every CRC: e3069283 for 32C. */
	is_int(replica_digest(*(const uint64_t *)"12345678", "9", 1),
	       0xe3069283, "it is crc32c");
	is_int(replica_digest(4096, NULL, 512),
	       replica_digest(4096, off + 1, 8),
	       "zeros: over offset and length");
}

static void test_sum(void)
{
	static const uint8_t of_nothing[REPLICA_SUM_BYTES] = {
		0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8,
		0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f,
	};
	uint8_t a[REPLICA_SUM_BYTES], b[REPLICA_SUM_BYTES];

	replica_sum(a, "", 0, 0);
	ok(!memcmp(a, of_nothing, sizeof(a)), "a sum is XXH3-128, canonical");
	replica_sum(a, "abc", 3, 1);
	replica_sum(b, "abc", 3, 2);
	ok(memcmp(a, b, sizeof(a)), "it depends on the session");
}

int main(void)
{
	test_round_trip();
	test_known_bytes();
	test_every_byte();
	test_torn();
	test_beyond_us();
	test_pick();
	test_other_volume();
	test_fields();
	test_signed_nonsense();
	test_places();
	test_digest();
	test_sum();
	return tap_done();
}
