// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Documentation/disk-format.rst says where what is on a metadata device, and
 * the codec puts it there. If this fails, who reads one by that page, when all
 * else is lost, takes one number for another.
 */
#include "../kmod/format.c"

#include <stdio.h>
#include <stdlib.h>

#include "doc-table.h"
#include "tap.h"

#define PAGE	"Documentation/disk-format.rst"

static u8 before[DMR_BLOCK_SIZE], after[DMR_BLOCK_SIZE];
static struct doc_table table;
static char *page;

#define says(...)	doc_says(page, __VA_ARGS__)

/* --- the tables and the structs ------------------------------------------- */

struct place {
	const char *name;
	size_t off, len;
};

#define P(type, field) \
	{ #field, offsetof(struct type, field), \
	  sizeof(((struct type *)0)->field) }

static const struct place super_places[] = {
	P(dmr_super_disk, magic), P(dmr_super_disk, crc),
	P(dmr_super_disk, version), P(dmr_super_disk, min_version),
	P(dmr_super_disk, incompat), P(dmr_super_disk, compat),
	P(dmr_super_disk, sequence), P(dmr_super_disk, volume_id),
	P(dmr_super_disk, sectors), P(dmr_super_disk, chunk_sectors),
	P(dmr_super_disk, region_sectors), P(dmr_super_disk, role),
	P(dmr_super_disk, flags), P(dmr_super_disk, generation),
	P(dmr_super_disk, last_committed), P(dmr_super_disk, highest_seen),
	P(dmr_super_disk, suspect_epoch), P(dmr_super_disk, loads),
	P(dmr_super_disk, last_write), P(dmr_super_disk, last_contact),
	P(dmr_super_disk, nr_ancestors), P(dmr_super_disk, nr_incarnations),
	P(dmr_super_disk, nr_witnesses), P(dmr_super_disk, reserved),
	P(dmr_super_disk, witness_seed), P(dmr_super_disk, incarnations),
	P(dmr_super_disk, ancestors), P(dmr_super_disk, witnesses),
	P(dmr_super_disk, padding), { 0 }
};

static const struct place ancestor_places[] = {
	P(dmr_ancestor_disk, generation), P(dmr_ancestor_disk, end_epoch),
	{ 0 }
};

static const struct place witness_places[] = {
	P(dmr_witness_disk, sector), P(dmr_witness_disk, sectors),
	P(dmr_witness_disk, reserved), P(dmr_witness_disk, digest), { 0 }
};

static const struct place bits_places[] = {
	P(dmr_bits_disk, crc), P(dmr_bits_disk, reserved),
	P(dmr_bits_disk, bits), { 0 }
};

static bool is_called(const struct doc_row *row, const char *name)
{
	char word[64];

	snprintf(word, sizeof(word), "``%s``", name);
	return !strncmp(row->words, word, strlen(word));
}

static bool is_place(const struct place *p, const struct doc_row *row)
{
	if (is_called(row, p->name) && row->off == p->off &&
	    row->bytes == p->len)
		return true;
	printf("# %s is %zu bytes at %zu, not %u at %u: '%s'\n", p->name,
	       p->len, p->off, row->bytes, row->off, row->words);
	return false;
}

/* The table of @bytes is the struct's fields, and nothing else. */
static void test_places(const char *what, const char *after_line,
			const struct place *p, size_t bytes)
{
	unsigned int i, bad = 0;
	size_t end = 0;

	if (!ok(doc_table_read(&table, PAGE, after_line, "offset"),
		"%s has a table", what))
		return;
	for (i = 0; p[i].name && i < table.nr; i++) {
		bad += !is_place(&p[i], &table.rows[i]) || p[i].off != end;
		end = p[i].off + p[i].len;
	}
	is_int(bad, 0, "  with its fields where they are");
	ok(!p[i].name && i == table.nr && end == bytes, "  all of them");
}

/* --- the codec ------------------------------------------------------------ */

#define S(field) \
	{ #field, offsetof(struct dmr_super, field), \
	  sizeof(((struct dmr_super *)0)->field) }

/* All that it takes. */
static const struct place codec_fields[] = {
	S(sequence), S(volume_id), S(sectors), S(chunk_sectors),
	S(region_sectors), S(role), S(flags), S(generation),
	S(last_committed), S(highest_seen), S(suspect_epoch), S(loads),
	S(last_write), S(last_contact), S(nr_ancestors), S(nr_incarnations),
	S(nr_witnesses), S(witness_seed), S(incarnations), S(ancestors),
	S(witnesses), { 0 }
};

static struct dmr_super full(void)
{
	return (struct dmr_super) {
		.nr_ancestors = DMR_MAX_ANCESTORS,
		.nr_incarnations = DMR_MAX_INCARNATIONS,
		.nr_witnesses = DMR_MAX_WITNESSES,
	};
}

/* Another value; of a count, which is the most, one less. */
static void change(struct dmr_super *s, const struct place *p)
{
	if (!strncmp(p->name, "nr_", 3))
		--*((u8 *)s + p->off);
	else
		memset((u8 *)s + p->off, 0x5a, p->len);
}

static const struct doc_row *row_called(const char *name)
{
	for (unsigned int i = 0; i < table.nr; i++)
		if (is_called(&table.rows[i], name))
			return &table.rows[i];
	return NULL;
}

/* Nothing changes but the checksum and what is documented. */
static bool is_put_there(const struct place *p)
{
	const struct doc_row *row = row_called(p->name);
	const struct doc_row *crc = row_called("crc");
	struct dmr_super s = full();
	unsigned int inside = 0;

	dmr_super_encode(&s, before);
	change(&s, p);
	dmr_super_encode(&s, after);
	for (size_t i = 0; row && crc && i < DMR_BLOCK_SIZE; i++) {
		if (before[i] == after[i] || i - crc->off < crc->bytes)
			continue;
		if (i < row->off || i >= row->off + row->bytes) {
			printf("# %s changes byte %zu\n", p->name, i);
			return false;
		}
		inside++;
	}
	if (!inside)
		printf("# %s is nowhere\n", p->name);
	return inside;
}

static void test_codec(void)
{
	unsigned int bad = 0, bytes = 0;

	doc_table_read(&table, PAGE, "Superblock", "offset");
	for (const struct place *p = codec_fields; p->name; p++) {
		bad += !is_put_there(p);
		bytes += p->len;
	}
	is_int(bad, 0, "the codec puts each field there");
	is_int(sizeof(struct dmr_super) - bytes, sizeof(u32),
	       "  and none was left out: there is one gap");
}

/* A superblock by the words of the page alone. */
static void test_super_words(void)
{
	struct dmr_super s = full();
	u32 crc;

	dmr_super_encode(&s, before);
	memcpy(&crc, before + 8, sizeof(crc));
	memset(before + 8, 0, sizeof(crc));
	is_int(le32toh(crc), (u32)~crc32c(~0U, before, DMR_BLOCK_SIZE),
	       "the checksum of a superblock");
	ok(!memcmp(before, "dmrepl\r\n", 8) && says("``dmrepl\\r\\n``"),
	   "its magic");
	ok(says("This version writes and reads %u.", DMR_FORMAT_VERSION) &&
	   !DMR_FORMAT_INCOMPAT, "its version");
	ok(says("``nr_ancestors``, at most %u", DMR_MAX_ANCESTORS) &&
	   says("``nr_incarnations``, at most %u", DMR_MAX_INCARNATIONS) &&
	   says("``nr_witnesses``, at most %u", DMR_MAX_WITNESSES),
	   "the length of its lists");
	ok(says("Flags: %u ``clean``", DMR_SUPER_F_CLEAN) &&
	   says("%u ``taken-out``", DMR_SUPER_F_TAKEN_OUT) &&
	   says("%u ``suspect``", DMR_SUPER_F_SUSPECT) &&
	   __DMR_SUPER_F_ALL == 7, "its flags");
	ok(says("``role``: %u primary, %u secondary", DMR_ROLE_PRIMARY,
		DMR_ROLE_SECONDARY), "its role");
}

/* --- bits ----------------------------------------------------------------- */

static void test_bits(void)
{
	static const u8 id[16] = "0123456789abcde";
	const u64 nr = 0x123456789aULL;
	const unsigned int n = 4032 * 3 + 1234;
	u64 sector = nr * 8 + 3;
	u32 crc;

	memset(before, 0, sizeof(before));
	dmr_block_set(before, n, 1);
	is_int(before[3 * 512 + 8 + n / 8 % 504], 1 << n % 8,
	       "a bit is where the page says");
	ok(says("bit n %% 8 of byte n / 8 %% 504 of sector n / 4032"),
	   "  in these words");
	dmr_block_seal(before, id, nr, DMR_ALL_SECTORS);
	crc = crc32c(~0U, id, 16) ^ (u32)sector ^ (u32)(sector >> 32);
	crc = ~crc32c(crc, before + 3 * 512 + 4, 508);
	is_int(le32toh(*(u32 *)(before + 3 * 512)), crc,
	       "the checksum of a sector of bits");
	ok(says("%u bits", DMR_SECTOR_BITS), "how many it has");
}

/* "block 2 hot bits …", with the default sizes. */
static void test_layout(void)
{
	struct dmr_layout l;

	ok(dmr_layout_init(&l, 1ULL << 31, 8, 8192), "a volume of 1 TiB");
	is_int(dmr_layout_hot_block(&l, 0), 2, "  its hot bits");
	is_int(dmr_layout_chunk_block(&l, 0), 3, "  its chunk bits");
	ok(says("superblock, slot 1") &&
	   says("block 2 hot bits of regions 0 ... %u", DMR_BLOCK_BITS - 1) &&
	   says("block 3 ... chunk bits of these regions"),
	   "  as the page says");
	ok(says("has %u blocks", (unsigned int)
		(dmr_layout_hot_block(&l, DMR_BLOCK_BITS) -
		 dmr_layout_hot_block(&l, 0))) &&
	   says("a group covers %u GiB",
		(unsigned int)((u64)DMR_BLOCK_BITS * 4 / 1024)), "  a group");
}

int main(void)
{
	page = doc_text(PAGE);
	if (!ok(page, "the page is there"))
		return tap_done();
	test_places("the superblock", "Superblock", super_places,
		    sizeof(struct dmr_super_disk));
	test_places("an ancestor", "An ancestor is", ancestor_places,
		    sizeof(struct dmr_ancestor_disk));
	test_places("a witness", "A witness is", witness_places,
		    sizeof(struct dmr_witness_disk));
	test_places("a sector of bits", "A block of bits is", bits_places,
		    sizeof(struct dmr_bits_disk));
	test_codec();
	test_super_words();
	test_bits();
	test_layout();
	free(page);
	return tap_done();
}
