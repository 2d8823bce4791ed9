// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The codec of the metadata device (kmod/format.c). If this failed, damaged or
 * foreign metadata would be trusted, or a damaged device be taken for a new
 * one: a write would be forgotten.
 */
#include "../kmod/format.c"

#include <stdlib.h>

#include "tap.h"

#define BLOCK	DMR_BLOCK_SIZE

static u8 slot[2][BLOCK];
static const char *why;

static struct dmr_super sample(u64 sequence)
{
	struct dmr_super s = {
		.sequence = sequence, .volume_id = "0123456789abcde",
		.sectors = 1 << 21, .chunk_sectors = 8, .region_sectors = 8192,
		.role = DMR_ROLE_PRIMARY, .flags = DMR_SUPER_F_CLEAN,
		.generation = 7, .last_committed = 41, .highest_seen = 43,
		.suspect_epoch = 3, .loads = 9,
		.last_write = 1, .last_contact = 2,
		.nr_ancestors = 2, .nr_incarnations = 3, .nr_witnesses = 1,
		.witness_seed = 99, .incarnations = { 1, 2, 3 },
		.ancestors = { { 5, 20 }, { 4, 10 } },
		.witnesses = { { 0, 2048, 12345 } },
	};

	return s;
}

static int decode(const void *block)
{
	static struct dmr_super s;

	return dmr_super_decode(block, &s, &why);
}

static int choose(u64 *sequence)
{
	static struct dmr_super s;
	int r = dmr_super_choose(slot[0], slot[1], &s, &why);

	if (r >= 0)
		*sequence = s.sequence;
	return r;
}

static void test_round_trip(void)
{
	struct dmr_super s = sample(5), back;

	dmr_super_encode(&s, slot[0]);
	ok(!dmr_super_decode(slot[0], &back, &why), "a superblock is read back");
	ok(!memcmp(&s, &back, sizeof(s)), "  and is what was written");
}

/* Each byte, with one bit and with all bits turned round. */
static void test_flips(void)
{
	struct dmr_super s = sample(5);
	unsigned int i, trusted = 0, new = 0, silent = 0;
	int r;

	dmr_super_encode(&s, slot[0]);
	for (i = 0; i < 2 * BLOCK; i++) {
		slot[0][i / 2] ^= i % 2 ? 0xff : 0x10;
		r = decode(slot[0]);
		trusted += !r;
		new += r == -ENODATA;
		silent += !why || !*why;
		slot[0][i / 2] ^= i % 2 ? 0xff : 0x10;
	}
	is_int(trusted, 0, "no superblock with a flipped byte is trusted");
	is_int(new, 0, "  none is taken for a new device");
	is_int(silent, 0, "  and each is refused in words");
	is_int(decode(slot[0]), 0, "  the sound one is taken");
}

static void put_crc(void *block)
{
	((struct dmr_super_disk *)block)->crc = cpu_to_le32(super_crc(block));
}

/* What @field becomes, with a checksum that matches. */
#define WITH(field, value) ({						\
	struct dmr_super with_s = sample(5);				\
	struct dmr_super_disk *with_d = (void *)slot[0];		\
	dmr_super_encode(&with_s, with_d);				\
	with_d->field = (value);					\
	put_crc(with_d);						\
	decode(with_d); })

static void test_fields(void)
{
	is_int(WITH(min_version, cpu_to_le16(2)), -EOPNOTSUPP,
	       "a format that needs a newer reader is refused");
	ok(strstr(why, "newer"), "  in words: %s", why);
	is_int(WITH(version, cpu_to_le16(2)), 0,
	       "a newer one that we can read is taken");
	is_int(WITH(version, 0), -EOPNOTSUPP, "version 0 is refused");
	is_int(WITH(incompat, cpu_to_le64(1)), -EOPNOTSUPP,
	       "an unknown incompatible feature is refused");
	is_int(WITH(compat, cpu_to_le64(1)), 0, "a compatible one is not");
	is_int(WITH(sectors, 0), -EUCLEAN, "no size");
	is_int(WITH(sectors, ~0ULL), -EUCLEAN, "a huge size");
	is_int(WITH(chunk_sectors, cpu_to_le32(9)), -EUCLEAN,
	       "chunks of 9 sectors");
	is_int(WITH(region_sectors, cpu_to_le32(256)), -EUCLEAN,
	       "regions of 32 chunks");
	is_int(WITH(role, cpu_to_le32(3)), -EUCLEAN, "an unknown role");
	is_int(WITH(flags, cpu_to_le32(8)), -EUCLEAN, "an unknown flag");
	is_int(WITH(nr_ancestors, cpu_to_le32(65)), -EUCLEAN, "65 ancestors");
	is_int(WITH(nr_incarnations, cpu_to_le32(9)), -EUCLEAN,
	       "9 incarnations");
	is_int(WITH(nr_witnesses, cpu_to_le32(65)), -EUCLEAN, "65 witnesses");
	is_int(WITH(last_committed, cpu_to_le64(44)), -EUCLEAN,
	       "a last epoch that was never cut");
	is_int(WITH(witnesses[0].sector, cpu_to_le64((1 << 21) - 2047)),
	       -EUCLEAN, "a witness past the end");
}

static void fill(unsigned int i, u64 sequence)
{
	struct dmr_super s = sample(sequence);

	dmr_super_encode(&s, slot[i]);
}

static void test_choice(void)
{
	struct dmr_super_disk *d = (void *)slot[1];
	u64 sequence = 0;

	fill(0, 5);
	fill(1, 6);
	ok(choose(&sequence) == 1 && sequence == 6, "the newer of two counts");
	fill(0, 7);
	ok(choose(&sequence) == 0 && sequence == 7, "  in either place");
	slot[0][100] ^= 1;
	ok(choose(&sequence) == 1 && sequence == 6, "a torn one does not count");
	slot[1][100] ^= 1;
	is_int(choose(&sequence), -EUCLEAN, "two torn ones are an error");
	memset(slot[1], 0, BLOCK);
	is_int(choose(&sequence), -EUCLEAN, "a torn and an empty one too");
	memset(slot[0], 0, BLOCK);
	is_int(choose(&sequence), -ENODATA, "two empty ones: new");
	slot[0][BLOCK - 1] = 1;
	is_int(choose(&sequence), -EUCLEAN, "not if one byte is not zero");
	fill(0, 5);
	ok(choose(&sequence) == 0, "one that is alone counts");
	fill(1, 4);
	d->min_version = cpu_to_le16(2);
	put_crc(d);
	is_int(choose(&sequence), -EOPNOTSUPP,
	       "beside one of a newer format none does");
	fill(1, 4);
	d->volume_id[0]++;
	put_crc(d);
	is_int(choose(&sequence), -EUCLEAN, "two of different volumes: neither");
}

/* Two slots as super.c leaves them: they differ in how far epochs have come. */
static void fill_pair(u64 first, u64 second)
{
	struct dmr_super s = sample(first);

	s.role = DMR_ROLE_SECONDARY;
	s.flags = DMR_SUPER_F_TAKEN_OUT;
	s.generation = 8;
	dmr_super_encode(&s, slot[0]);
	s.sequence = second;
	s.last_committed = s.highest_seen = 50;
	dmr_super_encode(&s, slot[1]);
}

/* S7 in super.c is what makes this enough. */
static void test_pair(void)
{
	unsigned int i, lost = 0, silent = 0, wrong = 0;
	struct dmr_super s;
	u8 *byte, flip;
	int r;

	for (i = 0; i < 8 * BLOCK; i++) {
		fill_pair(6, i & 4 ? 5 : 7);
		byte = &slot[i / 2 % 2][i / 8];
		flip = i % 2 ? 0xff : 0x10;
		*byte ^= flip;
		r = dmr_super_choose(slot[0], slot[1], &s, &why);
		wrong += r != !(i / 2 % 2);
		silent += !why || !*why;
		lost += r < 0 || s.role != DMR_ROLE_SECONDARY ||
			s.flags != DMR_SUPER_F_TAKEN_OUT || s.generation != 8 ||
			s.last_committed != (r ? 50 : 41);
	}
	is_int(wrong, 0, "of a pair with a flipped byte the sound one is taken");
	is_int(silent, 0, "  and the other is named, with its reason");
	is_int(lost, 0, "  nothing that both said is lost");
	fill_pair(6, 7);
	is_int(dmr_super_choose(slot[0], slot[1], &s, &why), 1, "a sound pair");
	ok(!why, "  nothing is said of it");
	memset(slot[1], 0, BLOCK);
	is_int(dmr_super_choose(slot[0], slot[1], &s, &why), 0, "one is empty");
	ok(why && strstr(why, "empty"), "  and is named");
}

static void test_layout(void)
{
	struct dmr_layout l, grown;
	u64 n = 0, i;

	ok(dmr_layout_init(&l, 1 << 21, 8, 8192), "1 GiB");
	is_int(l.nr_blocks, 2 + 1 + 9, "  has a hot block and 9 of chunks");
	is_int(dmr_layout_hot_block(&l, 255), 2, "  in this order");
	is_int(dmr_layout_chunk_block(&l, 262143), 11, "  to its end");
	ok(dmr_layout_init(&l, 1ULL << 31, 8, 8192), "1 TiB");
	is_int(l.nr_blocks, 2 + 9 + 8323, "  has 33 MiB of metadata");
	is_int(dmr_layout_chunk_block(&l, l.nr_chunks - 1), l.nr_blocks - 1,
	       "  the last of which is used");
	ok(dmr_layout_init(&grown, 1ULL << 33, 8, 8192), "grown to 4 TiB");
	for (i = 0; i < l.nr_regions; i++)
		n += dmr_layout_hot_block(&l, i) !=
		     dmr_layout_hot_block(&grown, i);
	for (i = 0; i < l.nr_chunks; i += 4097)
		n += dmr_layout_chunk_block(&l, i) !=
		     dmr_layout_chunk_block(&grown, i);
	is_int(n, 0, "  no bit has moved");
	ok(!dmr_layout_init(&l, 1ULL << 54, 8, 512), "too many regions");
}

/* No two bits share a place: blocks of a small volume with many groups. */
static void test_places(void)
{
	struct dmr_layout l;
	u64 hot = 0, used = 0, wrong = 0, i, at, max = 0;
	u8 *seen;

	dmr_layout_init(&l, 512ULL * (2 * DMR_BLOCK_BITS + 5), 8, 512);
	seen = calloc(l.nr_blocks, 1);
	for (i = 0; i < l.nr_regions; i += DMR_BLOCK_BITS, hot++)
		seen[dmr_layout_hot_block(&l, i)] = 1;
	for (i = 0; i < l.nr_chunks; i++) {
		at = dmr_layout_chunk_block(&l, i);
		wrong += at >= l.nr_blocks || seen[at] == 1 || at < 2;
		seen[at] = 2;
		max = at > max ? at : max;
	}
	for (i = 2; i < l.nr_blocks; i++)
		used += seen[i] != 0;
	is_int(hot, dmr_layout_nr_hot_blocks(&l), "hot blocks are counted");
	is_int(wrong, 0, "hot and chunk blocks don't meet");
	is_int(used, l.nr_blocks - 2, "  and leave no block out");
	free(seen);
}

static void test_bits(void)
{
	static u8 block[BLOCK], id[16] = "an id";
	static bool want[DMR_BLOCK_BITS];
	unsigned int i, j, from, n, wrong = 0;

	for (i = 0; i < 3000; i++) {
		from = random() % DMR_BLOCK_BITS;
		n = random() % (i % 3 ? 40 : 9000);
		n = n < DMR_BLOCK_BITS - from ? n : DMR_BLOCK_BITS - from;
		if (i % 2)
			dmr_block_set(block, from, n);
		else
			dmr_block_clear(block, from, n);
		memset(want + from, i % 2, n);
	}
	for (i = 0; i < DMR_BLOCK_BITS; i++)
		wrong += dmr_block_test(block, i) != want[i];
	is_int(wrong, 0, "bits are what was set and cleared");
	for (i = 0; i < DMR_BLOCK_BITS; i = j + 1) {
		j = dmr_block_next(block, true, i, DMR_BLOCK_BITS);
		for (; i < j; i++)
			wrong += want[i];
		wrong += j < DMR_BLOCK_BITS && !want[j];
	}
	is_int(wrong, 0, "  and are found");
	dmr_block_seal(block, id, 77, DMR_ALL_SECTORS);
	is_int(dmr_block_check(block, id, 77, DMR_ALL_SECTORS), 0,
	       "a sealed block is sound");
	block[700]++;
	block[4095] ^= 0x80;
	is_int(dmr_block_check(block, id, 77, DMR_ALL_SECTORS), 2,
	       "two sectors are damaged");
	ok(dmr_block_next(block, false, 0, DMR_SECTOR_BITS) < DMR_SECTOR_BITS,
	   "  the first is as it was");
	ok(dmr_block_next(block, false, DMR_SECTOR_BITS, 2 * DMR_SECTOR_BITS) ==
	   2 * DMR_SECTOR_BITS, "  the second is all ones");
	dmr_block_seal(block, id, 77, DMR_ALL_SECTORS);
	is_int(dmr_block_check(block, id, 78, DMR_ALL_SECTORS), 8,
	       "a block of another place");
	dmr_block_seal(block, id, 77, DMR_ALL_SECTORS);
	id[15]++;
	is_int(dmr_block_check(block, id, 77, DMR_ALL_SECTORS), 8,
	       "a block of another volume");
	memset(block, 0, BLOCK);
	is_int(dmr_block_check(block, id, 77, DMR_ALL_SECTORS), 8,
	       "a block of zeros");
	memset(block, 0, BLOCK);
	dmr_block_seal(block, id, 77, dmr_block_sectors(4031, 2));
	is_int(dmr_block_check(block, id, 77, 3), 0, "two sectors are sealed");
	is_int(dmr_block_check(block, id, 77, 7), 1, "  and no other");
	is_int(dmr_block_sectors(0, DMR_BLOCK_BITS), DMR_ALL_SECTORS,
	       "all bits are in all sectors");
	is_int(dmr_block_sectors(32255, 1), 0x80, "the last one in the last");
}

/* Words, over the sectors' checksums and their ends. */
static void test_words(void)
{
	static u8 block[BLOCK];
	static bool want[DMR_BLOCK_BITS];
	unsigned int i, k, from, n, wrong = 0;
	u64 word[100];

	for (i = 0; i < 1000; i++) {
		from = random() % (DMR_BLOCK_BITS / 64) * 64;
		n = 1 + random() % 100;
		n = n < (DMR_BLOCK_BITS - from) / 64 ? n :
		    (DMR_BLOCK_BITS - from) / 64;
		for (k = 0; k < n; k++)
			word[k] = (u64)random() << 33 ^ random();
		dmr_block_put(block, from, word, n);
		for (k = 0; k < n * 64; k++)
			want[from + k] = word[k / 64] >> k % 64 & 1;
	}
	for (i = 0; i < DMR_BLOCK_BITS; i++)
		wrong += dmr_block_test(block, i) != want[i];
	is_int(wrong, 0, "bits are what was put in words");
	for (i = 0; i < 8; i++)
		wrong += !!memcmp(block + i * 512, "\0\0\0\0\0\0\0", 8);
	is_int(wrong, 0, "  and nothing else was touched");
}

int main(void)
{
	test_words();
	test_round_trip();
	test_flips();
	test_fields();
	test_choice();
	test_pair();
	test_layout();
	test_places();
	test_bits();
	return tap_done();
}
