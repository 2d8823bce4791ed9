// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz-format [SECONDS [SEED]]: the codec of the metadata device on superblocks
 * and blocks of bits that somebody has changed, most with a good checksum. If
 * this failed, a damaged metadata device would crash the kernel, or be trusted
 * with values that the rest of the module takes as checked.
 *
 * Z1 what is accepted can be written, and reads back the same
 * Z2 what is accepted is in bounds: sizes, lists, witnesses, places of its bits
 * Z3 the slot that counts is an accepted one with the highest sequence
 * Z4 a device is new only where its first slot is all zeros
 * Z5 a block of bits is bad exactly where its sectors differ from what was
 *    sealed, and a bad sector is all ones
 */
#include "../kmod/format.c"

#include "fuzz.h"

#define BLOCK	DMR_BLOCK_SIZE

static void make_good(u8 *slot, u64 sequence)
{
	struct dmr_super s = {
		.sequence = sequence, .volume_id = "0123456789abcde",
		.sectors = 1 << 21, .chunk_sectors = 8, .region_sectors = 8192,
		.role = DMR_ROLE_PRIMARY, .generation = 7,
		.last_committed = 41, .highest_seen = 43, .loads = 9,
		.nr_ancestors = 2, .nr_incarnations = 3, .nr_witnesses = 1,
		.incarnations = { 1, 2, 3 },
		.ancestors = { { 5, 20 }, { 4, 10 } },
		.witnesses = { { 0, 2048, 12345 } },
	};

	dmr_super_encode(&s, slot);
}

static void check_places(const struct dmr_super *s)
{
	struct dmr_layout l;

	must(dmr_layout_init(&l, s->sectors, s->chunk_sectors,
			     s->region_sectors));
	must(l.nr_chunks && l.nr_regions);
	must(dmr_layout_hot_block(&l, 0) >= DMR_NR_SUPERS);
	must(dmr_layout_hot_block(&l, l.nr_regions - 1) < l.nr_blocks - 1);
	must(dmr_layout_chunk_block(&l, l.nr_chunks - 1) == l.nr_blocks - 1);
}

static void check_accepted(const struct dmr_super *s)
{
	static struct dmr_super back;
	u8 *again = malloc(BLOCK);
	const char *why;
	u32 i;

	must(s->nr_ancestors <= DMR_MAX_ANCESTORS);
	must(s->nr_incarnations <= DMR_MAX_INCARNATIONS);
	must(s->nr_witnesses <= DMR_MAX_WITNESSES);
	must(s->last_committed <= s->highest_seen);
	for (i = 0; i < s->nr_witnesses; i++)
		must(s->witnesses[i].sectors &&
		     s->witnesses[i].sectors <= s->sectors &&
		     s->witnesses[i].sector <=
		     s->sectors - s->witnesses[i].sectors);
	check_places(s);
	dmr_super_encode(s, again);
	must(!dmr_super_decode(again, &back, &why));
	must(!memcmp(s, &back, sizeof(back)));
	free(again);
}

/* 0 or the refusal; *sequence is that of an accepted slot. */
static int check_slot(const u8 *slot, u64 *sequence)
{
	static struct dmr_super s;
	const char *why = NULL;
	int r = dmr_super_decode(slot, &s, &why);

	*sequence = s.sequence;
	must(!r || r == -ENODATA || r == -EUCLEAN || r == -EOPNOTSUPP);
	must(!r || (why && why[0]));
	if (!r)
		check_accepted(&s);
	return r;
}

static void check_pair(const u8 *slot0, const u8 *slot1)
{
	static struct dmr_super s;
	const char *why = NULL;
	u64 seq[2];
	int r[2], best;

	r[0] = check_slot(slot0, &seq[0]);
	r[1] = check_slot(slot1, &seq[1]);
	best = dmr_super_choose(slot0, slot1, &s, &why);
	if (best < 0) {
		must(why && why[0]);
		must(best != -ENODATA || !memchr_inv(slot0, 0, BLOCK));
		return;
	}
	must(best <= 1 && !r[best] && s.sequence == seq[best]);
	must(!r[!best] == !why);
	must(r[!best] || seq[!best] <= seq[best]);
}

/* The slot, taken as a block of bits: sealed, then one byte is changed. */
static void check_bits(struct fuzz_input *in, const u8 *slot)
{
	static const u8 id[16] = "0123456789abcde";
	u8 *block = malloc(BLOCK), *sealed = malloc(BLOCK);
	unsigned int at = fuzz_take(in, 2) % BLOCK, sector = at / 512;
	u8 by = fuzz_take(in, 1), mask = fuzz_take(in, 1);
	u64 nr = fuzz_take(in, 1);
	unsigned int bit;

	memcpy(sealed, slot, BLOCK);
	dmr_block_seal(sealed, id, nr, DMR_ALL_SECTORS);
	memcpy(block, sealed, BLOCK);
	must(!dmr_block_check(block, id, nr, DMR_ALL_SECTORS));
	must(!memcmp(block, sealed, BLOCK));
	block[at] ^= by;
	must(dmr_block_check(block, id, nr, mask) ==
	     (by && mask & 1 << sector));
	bit = sector * DMR_SECTOR_BITS;
	if (by && mask & 1 << sector)
		must(dmr_block_next(block, false, bit,
				    bit + DMR_SECTOR_BITS) ==
		     bit + DMR_SECTOR_BITS);
	free(block);
	free(sealed);
}

static void reseal(u8 *slot)
{
	((struct dmr_super_disk *)slot)->crc = cpu_to_le32(super_crc(slot));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_input in = { data, len };
	u8 *slot[2] = { malloc(BLOCK), malloc(BLOCK) };
	unsigned int how = fuzz_take(&in, 1), i, nr;

	for (i = 0; i < 2; i++) {
		make_good(slot[i], 5 + i);
		for (nr = fuzz_take(&in, 1) % 16; nr; nr--)
			fuzz_change(&in, slot[i], BLOCK);
		if (how & 1 << i)
			reseal(slot[i]);
	}
	check_pair(slot[0], slot[1]);
	check_bits(&in, slot[1]);
	free(slot[0]);
	free(slot[1]);
	return 0;
}

#ifndef LIBFUZZER
int main(int argc, char **argv)
{
	return fuzz_main(argc, argv, "tests/corpus/format.txt");
}
#endif
