// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Documentation/stage-format.rst says where what is, and the codecs put it
 * there. If this fails, who reads a stage by that page, when all else is lost,
 * takes one number for another.
 */
#include "../lib/stage-promote.c"

#include "doc-table.h"
#include "tap.h"

#define PAGE		"Documentation/stage-format.rst"
#define BLOCK_HEAD	32		/* magic to features: of each block */
#define WHAT_BYTES	8192		/* more than any codec takes */

static char before[FENCE_BYTES], after[FENCE_BYTES];
static struct doc_table table;
static char *page;

#define says(...)	doc_says(page, __VA_ARGS__)

/* Of what a codec takes, and words of the row that has it. */
struct field {
	size_t off, len;
	const char *words;
};

#define F(type, field, words) \
	{ offsetof(struct type, field), sizeof(((struct type *)0)->field), \
	  words }

struct layout {
	const char *name, *heading, *magic;
	size_t from, bytes;		/* of the block that has fields, all */
	void (*encode)(const void *what, void *block);
	const struct field *fields;
};

/* --- what there is -------------------------------------------------------- */

#define ENCODER(what, type) \
	static void encode_##what(const void *from, void *block) \
	{ \
		stage_##what##_encode((const struct type *)from, block); \
	}

ENCODER(volume, stage_volume_block)
ENCODER(checkpoint, stage_checkpoint)
ENCODER(segment, stage_segment_block)
ENCODER(note, stage_note_block)
ENCODER(device, stage_device_block)
ENCODER(slot, stage_slot_block)
ENCODER(delete, stage_delete_block)
ENCODER(commit, stage_commit)

static void encode_record(const void *from, void *block)
{
	stage_record_encode(from, 0, 0, block);
}

/* What a commit has of one. */
struct member {
	uint32_t number;
	char header[REPLICA_SLOT_BYTES];
};

static void encode_member(const void *from, void *block)
{
	char payload[STAGE_COMMIT_BYTES + sizeof(after)] = { 0 };
	const struct member *m = from;

	stage_commit_put_member(payload, 0, m->number);
	memcpy(payload + stage_commit_slot(0), m->header, sizeof(m->header));
	memcpy(block, payload + STAGE_COMMIT_BYTES, stage_commit_len(1) -
	       STAGE_COMMIT_BYTES);
}

struct fence {
	uint32_t phase;
	uint64_t epoch;
	char name[STAGE_NAME_LEN];
};

static void encode_fence(const void *from, void *block)
{
	const struct fence *f = from;
	struct stage_fence fence = {
		.phase = f->phase, .epoch = f->epoch,
		.header = {
			.members = 1, .generation = 1, .role = 1, .state = 1,
			.kind = REPLICA_KIND_HELLO, .chunk_bytes = 4096,
			.volume_bytes = 4096, .seq = 1,
		},
	};
	char name[STAGE_NAME_LEN];
	struct error err = { 0 };

	snprintf(name, sizeof(name), "%.*s", (int)sizeof(name) - 1, f->name);
	if (encode(name, &fence, block, &err))
		printf("# %s\n", err.text);
}

static const struct field volume_fields[] = {
	F(stage_volume_block, name, "name"),
	F(stage_volume_block, group, "group"),
	F(stage_volume_block, base, "path of the base"),
	F(stage_volume_block, log_id, "id of the log"),
	F(stage_volume_block, pair_id, "pair id,"),
	F(stage_volume_block, volume_id, "volume id;"),
	F(stage_volume_block, bytes, "bytes of the volume"),
	F(stage_volume_block, chunk_bytes, "bytes of a chunk"),
	F(stage_volume_block, member, "its number in the group"),
	{ 0 }
};

static const struct field checkpoint_fields[] = {
	F(stage_checkpoint, log_id, "id of the log"),
	F(stage_checkpoint, seq, "number of this checkpoint"),
	F(stage_checkpoint, first, "the oldest segment that is needed"),
	F(stage_checkpoint, applied_lsn, "have everything, durably"),
	F(stage_checkpoint, applied_epoch, "its epoch"),
	F(stage_checkpoint, floor_lsn, "*may* have something"),
	F(stage_checkpoint, commit_time, "commit time and"),
	F(stage_checkpoint, cut_time, "cut time of"),
	F(stage_checkpoint, in_place_lsn, "applying in place"),
	F(stage_checkpoint, sessions, "the newest session"),
	{ 0 }
};

static const struct field segment_fields[] = {
	F(stage_segment_block, log_id, "id of the log"),
	F(stage_segment_block, number, "number"),
	F(stage_segment_block, salt, "salt, random"),
	F(stage_segment_block, bytes, "bytes of the file"),
	F(stage_segment_block, prev, "the segment before: number,"),
	F(stage_segment_block, prev_salt, "salt,"),
	F(stage_segment_block, prev_end, "and where the log leaves it"),
	F(stage_segment_block, durable_lsn, "newest commit that was known"),
	F(stage_segment_block, clean, "newest clean,"),
	F(stage_segment_block, partial, "partial and"),
	F(stage_segment_block, seen, "seen epoch"),
	{ 0 }
};

static const struct field note_fields[] = {
	F(stage_note_block, device_id, "id of the device"),
	F(stage_note_block, path, "path where it was found last"),
	{ 0 }
};

static const struct field device_fields[] = {
	F(stage_device_block, device_id, "id of the device"),
	F(stage_device_block, slot_bytes, "bytes of a slot"),
	F(stage_device_block, nr_slots, "slots; 0:"),
	{ 0 }
};

static const struct field slot_fields[] = {
	F(stage_slot_block, device_id, "id of the device"),
	F(stage_slot_block, log_id, "id of the log"),
	F(stage_slot_block, number, "number of the segment"),
	F(stage_slot_block, salt, "its salt"),
	F(stage_slot_block, state, "1 free, 2 used, 3 lost"),
	{ 0 }
};

static const struct field delete_fields[] = {
	F(stage_delete_block, group, "group"),
	F(stage_delete_block, log_id, "id of the log"),
	F(stage_delete_block, keeps_bases, "the files of the bases stay"),
	{ 0 }
};

static const struct field record_fields[] = {
	F(stage_record, type, "type"),
	F(stage_record, member, "member"),
	F(stage_record, payload, "bytes of the payload"),
	F(stage_record, crc, "crc32c of the payload"),
	F(stage_record, epoch, "epoch"),
	F(stage_record, off, "data and zeros: offset and"),
	F(stage_record, len, "length in the volume"),
	{ 0 }
};

static const struct field commit_fields[] = {
	F(stage_commit, records, "records since *open*"),
	F(stage_commit, digest, "the sum of their crc"),
	F(stage_commit, commit_time, "commit time and"),
	F(stage_commit, cut_time, "cut time"),
	F(stage_commit, bytes, "bytes in the log"),
	F(stage_commit, nr_members, "members"),
	{ 0 }
};

static const struct field member_fields[] = {
	F(member, number, "number of the member"),
	F(member, header, "its replica header"),
	{ 0 }
};

static const struct field fence_fields[] = {
	F(fence, phase, "phase"),
	F(fence, epoch, "epoch"),
	{ offsetof(struct fence, name), STAGE_NAME_LEN - 1, "name" },
	{ 0 }
};

static const struct layout layouts[] = {
	{ "a volume", "``NAME.volume``, magic", "dmReplVo", BLOCK_HEAD,
	  STAGE_BLOCK_BYTES, encode_volume, volume_fields },
	{ "a checkpoint", "``checkpoint``, magic", "dmReplCp", BLOCK_HEAD,
	  STAGE_BLOCK_BYTES, encode_checkpoint, checkpoint_fields },
	{ "a segment", "Segments, magic", "dmReplSg", BLOCK_HEAD,
	  STAGE_BLOCK_BYTES, encode_segment, segment_fields },
	{ "a note", "Where there is ``log.device``", "dmReplLn", BLOCK_HEAD,
	  STAGE_BLOCK_BYTES, encode_note, note_fields },
	{ "a device", "superblock, magic", "dmReplLd", BLOCK_HEAD,
	  STAGE_SECTOR, encode_device, device_fields },
	{ "a slot", "Slots follow from", "dmReplSl", BLOCK_HEAD,
	  STAGE_SECTOR, encode_slot, slot_fields },
	{ "what is removed", "``GROUP.delete``, magic", "dmReplDl", BLOCK_HEAD,
	  STAGE_BLOCK_BYTES, encode_delete, delete_fields },
	{ "a record", "Records", NULL, 6, STAGE_RECORD_BYTES, encode_record,
	  record_fields },
	{ "a commit", "One record commits the whole group. A commit begins",
	  NULL, 0, STAGE_COMMIT_BYTES, encode_commit, commit_fields },
	{ "a member of it", "Then for each member", NULL, 0,
	  STAGE_MEMBER_BYTES + REPLICA_SLOT_BYTES, encode_member,
	  member_fields },
	{ "a fence", "``NAME.fence``", NULL, 16, STAGE_BLOCK_BYTES,
	  encode_fence, fence_fields },
};

/* --- where the codec puts it ---------------------------------------------- */

/* What a field changes, but for checksums, in front and at the end. */
static bool find_change(const struct layout *l, size_t *from, size_t *to)
{
	size_t last = l->bytes - (l->magic ? 4 : 0);

	*from = l->from;
	while (*from < last && before[*from] == after[*from])
		++*from;
	*to = last;
	while (*to > *from && before[*to - 1] == after[*to - 1])
		--*to;
	return *to > *from;
}

static size_t skip_unused(size_t next)
{
	const struct doc_row *row = doc_table_find(&table, next);

	return row && !strcmp(row->words, "unused") ? next + row->bytes : next;
}

/* Where it is, it is called so; *next: where the field behind may be. */
static bool is_as_documented(const struct layout *l, const struct field *f,
			     size_t *next)
{
	char what[WHAT_BYTES] = { 0 };
	const struct doc_row *row;
	size_t from, to;

	l->encode(what, before);
	memset(what + f->off, 0x5a, f->len);
	l->encode(what, after);
	if (!find_change(l, &from, &to)) {
		printf("# %s: it is nowhere\n", f->words);
		return false;
	}
	*next = skip_unused(*next);
	row = doc_table_find(&table, from);
	if (row && to <= row->off + row->bytes &&
	    strstr(row->words, f->words) && from == *next) {
		*next = to;
		return true;
	}
	printf("# %s: at %zu to %zu, expected from %zu on; there is '%s'\n",
	       f->words, from, to, *next, row ? row->words : "nothing");
	return false;
}

/* The table is its fields, one behind the other, and nothing else. */
static void test_layout(const struct layout *l)
{
	unsigned int bad = 0, first = 0;
	size_t next = l->from;

	if (!ok(doc_table_read(&table, PAGE, l->heading, "offset"),
		"%s has a table", l->name))
		return;
	while (first < table.nr && table.rows[first].off < l->from)
		first++;
	for (const struct field *f = l->fields; f->words; f++)
		bad += !is_as_documented(l, f, &next);
	is_int(bad, 0, "  with its fields where they are");
	/* A name ends with a zero, which is its last byte. */
	next = skip_unused(next + (l->encode == encode_fence));
	is_int(table.rows[table.nr - 1].off + table.rows[table.nr - 1].bytes,
	       next, "  and no others");
	for (unsigned int i = first + 1; i < table.nr; i++)
		bad += table.rows[i].off != table.rows[i - 1].off +
					    table.rows[i - 1].bytes;
	is_int(bad, 0, "  nor gaps");
}

static uint32_t word_at(const char *block, size_t at)
{
	uint32_t le;

	memcpy(&le, block + at, sizeof(le));
	return le32toh(le);
}

/* "magic (8 bytes), format version …, the crc32c of all before." */
static void test_head(const struct layout *l)
{
	static const char what[WHAT_BYTES];

	l->encode(what, before);
	ok(!memcmp(before, l->magic, 8) && says("magic ``%s``", l->magic),
	   "%s: its magic", l->name);
	is_int(word_at(before, 8), STAGE_FORMAT_VERSION, "  its version");
	is_int(word_at(before, l->bytes - 4),
	       stage_crc(before, l->bytes - 4), "  its checksum");
}

static void test_in_place(void)
{
	struct stage_checkpoint c = { .floor_lsn = 1, .in_place_lsn = 1 };

	stage_checkpoint_encode(&c, before);
	is_int(word_at(before, 16), 1, "in place: incompatible feature 1");
	ok(says("incompatible feature 1 is set"), "  as the page says");
}

static const struct {
	const char *name;
	unsigned int number;
	const char *column;		/* of its table; NULL: in words */
} kinds[] = {
	{ "data", STAGE_REC_DATA, "type" },
	{ "zero", STAGE_REC_ZERO, "type" },
	{ "open", STAGE_REC_OPEN, "type" },
	{ "partial", STAGE_REC_PARTIAL, "type" },
	{ "clean", STAGE_REC_CLEAN, "type" },
	{ "header", STAGE_REC_HEADER, "type" },
	{ "free", STAGE_SLOT_FREE, NULL },
	{ "used", STAGE_SLOT_USED, NULL },
	{ "lost", STAGE_SLOT_LOST, NULL },
	{ "*fenced*", STAGE_PHASE_FENCED, NULL },
	{ "*left*", STAGE_PHASE_LEFT, NULL },
	{ "*given up*", STAGE_PHASE_GIVEN_UP, NULL },
};

/* "1     data     the data"; "1 free"; "Phase 1, *fenced*" */
static void test_kinds(void)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		ok(kinds[i].column || kinds[i].name[0] != '*' ?
		   says(" %u %s", kinds[i].number, kinds[i].name) :
		   says("hase %u, %s", kinds[i].number, kinds[i].name),
		   "%s is %u", kinds[i].name, kinds[i].number);
}

static void test_places(void)
{
	struct stage_record r = { .type = STAGE_REC_OPEN };

	stage_record_encode(&r, 0, 0, before);
	ok(says("magic, 0x%04x", word_at(before, 4) & 0xffff),
	   "a record's magic");
	ok(says("A block is %u bytes", STAGE_BLOCK_BYTES), "a block");
	ok(says("(4; it is %u)", STAGE_FORMAT_VERSION), "the version");
	ok(says("sectors of %u bytes", STAGE_SECTOR), "a sector");
	ok(says("is at 0 and at %u of the device", STAGE_DEVICE_HEAD / 2),
	   "the superblocks");
	ok(says("follow from %u on", STAGE_DEVICE_HEAD), "the slots");
	ok(says("at %u there is a segment", STAGE_BLOCK_BYTES),
	   "and what is in them");
	ok(says("at a multiple of %u bytes", STAGE_ALIGN), "records");
	ok(says("has %u bytes or more, at the next multiple of %u", STAGE_BIG,
		STAGE_PAGE), "big payloads");
	ok(says("segment's number << 32, plus") &&
	   stage_lsn(3, 5) == (3ULL << 32) + 5, "a place in the log");
}

/* Magic, checksum, version: in front of the fields. */
static void test_fence_head(void)
{
	static const struct fence what;

	encode_fence(&what, before);
	ok(!memcmp(before, MAGIC, 8) && says("0 8 magic, ``%s``", MAGIC),
	   "a fence's magic");
	ok(says("8 4 crc32c of all that follows it") &&
	   word_at(before, 8) == stage_crc(before + 12, FENCE_BYTES - 12),
	   "  its checksum");
	ok(says("12 4 format version, %u", FENCE_VERSION) &&
	   word_at(before, 12) == FENCE_VERSION, "  its version");
}

int main(void)
{
	page = doc_text(PAGE);
	if (!ok(page, "the page is there"))
		return tap_done();
	for (unsigned int i = 0; i < sizeof(layouts) / sizeof(layouts[0]);
	     i++) {
		test_layout(&layouts[i]);
		if (layouts[i].magic)
			test_head(&layouts[i]);
	}
	test_in_place();
	test_kinds();
	test_places();
	test_fence_head();
	free(page);
	return tap_done();
}
