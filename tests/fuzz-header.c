// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz-header [SECONDS [SEED]]: the codec of the replica header on slots that
 * somebody has changed, most with a good checksum. If this failed, a peer's
 * header would crash a daemon or a stage, or be trusted while it breaks a rule.
 *
 * Z1 what is accepted can be written, and reads back the same
 * Z2 what is accepted is in bounds: ancestors, members, sizes; kinds have names
 * Z3 the slot that counts is an accepted one with the highest seq
 * Z4 a target is new only where both slots are all zeros
 * Z5 a refusal has words, and leaves the caller's header as it was
 */
#include "../lib/header.c"

#include "fuzz.h"

static void make_good(uint8_t *slot, uint64_t seq)
{
	struct replica_header h = {
		.pair_id = "pair", .volume_id = "volume", .group_id = "group",
		.membership = 1, .members = 1, .nr_ancestors = 2,
		.generation = 9, .ancestors = { { 8, 30 }, { 7, 20 } },
		.incarnation = 3, .session = { 1, 2, 3 },
		.role = REPLICA_ROLE_PRIMARY, .state = REPLICA_STATE_OK,
		.kind = REPLICA_KIND_CLEAN, .chunk_bytes = 4096,
		.epoch = 41, .last_clean = 41, .highest_seen = 41,
		.cut_time = 1, .volume_bytes = 1 << 30, .records = 4,
		.digest = 5, .seq = seq,
	};
	struct replica_why why;

	must(!replica_header_encode(&h, slot, &why));
}

static void check_accepted(const struct replica_header *h)
{
	static struct replica_header back;
	uint8_t *again = malloc(REPLICA_SLOT_BYTES);
	struct replica_why why;

	must(h->nr_ancestors <= REPLICA_ANCESTORS_MAX);
	must(h->members && h->members <= REPLICA_MEMBERS_MAX);
	must(h->volume_bytes && h->volume_bytes <= REPLICA_VOLUME_MAX);
	must(replica_export_bytes(h->volume_bytes) ==
	     replica_tail_offset(h->volume_bytes) + REPLICA_TAIL_BYTES);
	must(replica_kind_name(h->kind)[0] != '?');
	must(!replica_header_encode(h, again, &why));
	must(!replica_header_decode(&back, again, REPLICA_SLOT_BYTES, &why));
	must(!memcmp(h, &back, sizeof(back)));
	free(again);
}

static int check_slot(const uint8_t *slot, uint64_t *seq)
{
	static struct replica_header h, before;
	struct replica_why why = { "" };
	int r;

	memset(&h, 0x5a, sizeof(h));
	before = h;
	r = replica_header_decode(&h, slot, REPLICA_SLOT_BYTES, &why);
	*seq = h.seq;
	if (!r) {
		check_accepted(&h);
		return 0;
	}
	must(r == -ENODATA || r == -EBADMSG || r == -EPROTONOSUPPORT);
	must(why.text[0] && !memcmp(&h, &before, sizeof(h)));
	return r;
}

static void check_pair(const uint8_t *slots)
{
	static struct replica_header h;
	struct replica_why why = { "" };
	unsigned int i, best;
	uint64_t seq[2];
	int r[2], picked;

	for (i = 0; i < 2; i++)		/* seq % 2 says which slot is its own */
		r[i] = check_slot(slots + i * REPLICA_SLOT_BYTES, &seq[i]) ||
		       seq[i] % 2 != i;
	picked = replica_header_pick(&h, slots, REPLICA_HEADERS_BYTES, &why);
	if (picked) {
		must(why.text[0]);
		must(picked != -ENODATA ||
		     is_zero(slots, REPLICA_HEADERS_BYTES));
		return;
	}
	must(!r[0] || !r[1]);
	best = r[0] || (!r[1] && seq[1] > seq[0]);
	must(h.seq == seq[best]);
}

/* Cut short, it is refused and not read beyond its end. */
static void check_short(const uint8_t *slot, size_t len)
{
	static struct replica_header h;
	uint8_t *part = malloc(len ?: 1);
	struct replica_why why = { "" };

	memcpy(part, slot, len);
	must(replica_header_decode(&h, part, len, &why) && why.text[0]);
	must(replica_header_pick(&h, part, len, &why));
	free(part);
}

static void reseal(uint8_t *slot)
{
	((struct wire *)slot)->crc32c = htole32(checksum(slot));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };
	uint8_t *slots = malloc(REPLICA_HEADERS_BYTES);
	unsigned int how = fuzz_take(&in, 1), i, nr;

	for (i = 0; i < 2; i++) {
		uint8_t *slot = slots + i * REPLICA_SLOT_BYTES;

		make_good(slot, 6 + i);
		for (nr = fuzz_take(&in, 1) % 16; nr; nr--)
			fuzz_change(&in, slot, REPLICA_SLOT_BYTES);
		if (how & 1 << i)
			reseal(slot);
	}
	check_pair(slots);
	check_short(slots, fuzz_take(&in, 2) % REPLICA_SLOT_BYTES);
	free(slots);
	return 0;
}

#ifndef LIBFUZZER
int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, "tests/corpus/header.txt");
}
#endif
