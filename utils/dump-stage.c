// SPDX-License-Identifier: GPL-2.0-or-later
#include "dump-stage.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stage-format.h"
#include "stage-promote.h"

static int is_bad;

static void complain(const char *path, const char *what)
{
	printf("%s: %s\n", path, what);
	is_bad = 1;
}

/* --- reading -------------------------------------------------------------- */

/* False: fewer bytes than that, which was said. */
static bool read_at(FILE *f, uint64_t pos, void *buf, size_t len)
{
	return !fseeko(f, pos, SEEK_SET) && fread(buf, 1, len, f) == len;
}

static const char *word_for(int err)
{
	switch (err) {
	case -ENODATA: return "empty";
	case -EPROTONOSUPPORT: return "of a newer format";
	default: return "damaged";
	}
}

static void print_id(const char *name, const uint8_t *id)
{
	printf("  %s ", name);
	for (int i = 0; i < 16; i++)
		printf("%02x", id[i]);
	printf("\n");
}

static void print_time(const char *name, uint64_t ns)
{
	time_t t = ns / 1000000000;
	char text[32] = "?";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	printf(" %s %s.%03u", name, text,
	       (unsigned int)(ns / 1000000 % 1000));
}

/* --- a volume, a checkpoint ----------------------------------------------- */

static void dump_volume(FILE *f, const char *path)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_volume_block v;
	int err = read_at(f, 0, block, sizeof(block)) ?
		  stage_volume_decode(&v, block) : -EBADMSG;

	if (err) {
		complain(path, word_for(err));
		return;
	}
	printf("%s: volume %s, member %u of %s\n", path, v.name, v.member,
	       v.group);
	printf("  base %s, %" PRIu64 " bytes, chunks of %u\n", v.base, v.bytes,
	       v.chunk_bytes);
	print_id("log", v.log_id);
	print_id("pair", v.pair_id);
	print_id("volume", v.volume_id);
}

static void dump_sessions(const char *path, int copy,
			  const struct stage_checkpoint *c)
{
	static const struct replica_session none;

	for (unsigned int i = 0; i < STAGE_SESSIONS_MAX; i++) {
		const struct replica_session *s = &c->sessions[i];

		if (memcmp(s, &none, sizeof(none)))
			printf("%s: copy %d: member %u: none older than session"
			       " %" PRIu64 ".%" PRIu64 " may write\n", path,
			       copy, i, s->loads, s->attaches);
	}
}

static void dump_checkpoint(FILE *f, const char *path)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_checkpoint c;

	for (int i = 0; i < 2; i++) {
		int err = read_at(f, i * sizeof(block), block, sizeof(block)) ?
			  stage_checkpoint_decode(&c, block) : -EBADMSG;

		printf("%s: copy %d: ", path, i);
		if (err) {
			complain("", word_for(err));
			continue;
		}
		printf("number %" PRIu64 ", the base is at epoch %" PRIu64
		       " (%u:%u), may be up to %u:%u, oldest segment %" PRIu64
		       "\n", c.seq, c.applied_epoch,
		       stage_lsn_segment(c.applied_lsn),
		       stage_lsn_pos(c.applied_lsn),
		       stage_lsn_segment(c.floor_lsn),
		       stage_lsn_pos(c.floor_lsn), c.first);
		if (c.in_place_lsn)
			printf("%s: copy %d: there is no image until a clean "
			       "commit after %u:%u\n", path, i,
			       stage_lsn_segment(c.in_place_lsn),
			       stage_lsn_pos(c.in_place_lsn));
		dump_sessions(path, i, &c);
	}
}

/* --- promoted, or being deleted ------------------------------------------- */

/* @path: of the fence of @name in @dir. */
static void dump_fence(const char *dir, const char *name, const char *path)
{
	static const char *const phases[] = {
		[STAGE_PHASE_OPEN] = "open", [STAGE_PHASE_FENCED] = "fenced",
		[STAGE_PHASE_LEFT] = "left", [STAGE_PHASE_GIVEN_UP] = "given up",
	};
	struct error err = { 0 };
	struct stage_fence fence;
	char volume[STAGE_NAME_LEN];

	snprintf(volume, sizeof(volume), "%.*s",
		 (int)(strlen(name) - strlen(".fence")), name);
	if (stage_fence_peek(dir, volume, &fence, &err)) {
		complain(path, err.text);
		return;
	}
	printf("%s: %s, promoted at epoch %" PRIu64 ", generation %016" PRIx64
	       "\n", path, phases[fence.phase], fence.epoch,
	       fence.header.generation);
	for (uint32_t i = 0; i < fence.header.nr_ancestors; i++)
		printf("%s: ancestor %016" PRIx64 ", to epoch %" PRIu64 "\n",
		       path, fence.header.ancestors[i].generation,
		       fence.header.ancestors[i].end_epoch);
}

static void dump_delete(FILE *f, const char *path)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_delete_block d;
	int err = read_at(f, 0, block, sizeof(block)) ?
		  stage_delete_decode(&d, block) : -EBADMSG;

	if (err) {
		complain(path, word_for(err));
		return;
	}
	printf("%s: %s is being removed; its bases %s\n", path, d.group,
	       d.keeps_bases ? "stay" : "go");
	print_id("log", d.log_id);
}

/* --- a segment ------------------------------------------------------------ */

static const char *const type_names[] = {
	[STAGE_REC_DATA] = "data",
	[STAGE_REC_ZERO] = "zero",
	[STAGE_REC_OPEN] = "open",
	[STAGE_REC_PARTIAL] = "partial",
	[STAGE_REC_CLEAN] = "clean",
	[STAGE_REC_HEADER] = "header",
};

static void print_header(const void *slot)
{
	struct replica_header h;
	struct replica_why why;

	if (replica_header_decode(&h, slot, REPLICA_SLOT_BYTES, &why)) {
		printf(" header: %s", why.text);
		is_bad = 1;
		return;
	}
	printf(" number %" PRIu64 " %s %" PRIu64 ", clean %" PRIu64
	       ", partial %" PRIu64 ", seen %" PRIu64 ", session %" PRIu64
	       ".%" PRIu64 ", generation %" PRIx64, h.seq,
	       replica_kind_name(h.kind), h.epoch, h.last_clean,
	       h.last_partial, h.highest_seen, h.session.loads,
	       h.session.attaches, h.generation);
}

static void print_commit(const char *payload, uint32_t len)
{
	struct stage_commit c;

	if (stage_commit_decode(&c, payload, len)) {
		printf(" damaged");
		is_bad = 1;
		return;
	}
	printf(" %" PRIu64 " records, digest %" PRIx64 ", %" PRIu64 " bytes,",
	       c.records, c.digest, c.bytes);
	print_time("committed", c.commit_time);
	print_time("cut", c.cut_time);
	for (uint32_t i = 0; i < c.nr_members; i++) {
		printf("\n\t  member %u:", stage_commit_get_member(payload, i));
		print_header(payload + stage_commit_slot(i));
	}
}

static bool is_data(const struct stage_record *r)
{
	return r->type == STAGE_REC_DATA || r->type == STAGE_REC_ZERO;
}

static uint32_t crc_of(const struct stage_record *r, const char *payload)
{
	if (is_data(r))
		return replica_digest(r->off, r->payload ? payload : NULL,
				    r->len);
	return stage_crc(payload, r->payload);
}

static void print_record(const struct stage_record *r, uint64_t pos,
			 const char *payload)
{
	printf("  %10" PRIu64 " %s", pos, type_names[r->type]);
	if (r->type != STAGE_REC_HEADER)
		printf(" epoch %" PRIu64, r->epoch);
	if (is_data(r))
		printf(" member %u: %" PRIu64 " bytes at %" PRIu64, r->member,
		       r->len, r->off);
	if (r->type != STAGE_REC_OPEN && crc_of(r, payload) != r->crc) {
		printf(" PAYLOAD DAMAGED");
		is_bad = 1;
	} else if (r->type == STAGE_REC_HEADER) {
		printf(" member %u:", r->member);
		print_header(payload);
	} else if (r->type == STAGE_REC_CLEAN ||
		   r->type == STAGE_REC_PARTIAL) {
		print_commit(payload, r->payload);
	}
	printf("\n");
}

/* Returns where the next one is; 0 at the end of what is good. */
static uint64_t dump_record(FILE *f, const struct stage_segment_block *s,
			    uint64_t at, uint64_t pos)
{
	char head[STAGE_RECORD_BYTES];
	struct stage_record r;
	char *payload;

	if (!read_at(f, at + pos, head, sizeof(head)) ||
	    stage_record_decode(&r, s->salt, stage_lsn(s->number, pos), head))
		return 0;
	payload = malloc(r.payload + 1);
	if (!payload)
		return 0;
	if (!read_at(f, at + stage_payload_pos(pos, r.payload), payload,
		     r.payload) && r.payload)
		printf("  %10" PRIu64 " is cut short\n", pos);
	else
		print_record(&r, pos, payload);
	free(payload);
	return stage_record_end(pos, r.payload);
}

/* Behind what is none; 0: there is none. */
static uint64_t find_record(FILE *f, const struct stage_segment_block *s,
			    uint64_t at, uint64_t pos)
{
	static char buf[256 << 10];
	struct stage_record r;

	for (size_t n; pos < s->bytes; pos += n ? n : STAGE_BLOCK_BYTES) {
		clearerr(f);
		n = fseeko(f, at + pos, SEEK_SET) ? 0 :
		    fread(buf, 1, sizeof(buf), f) / STAGE_ALIGN * STAGE_ALIGN;
		for (size_t i = 0; i < n && pos + i < s->bytes;
		     i += STAGE_ALIGN)
			if (!stage_record_decode(&r, s->salt,
						 stage_lsn(s->number, pos + i),
						 buf + i))
				return pos + i;
		if (!n && feof(f))
			break;
	}
	return 0;
}

static void dump_segment_at(FILE *f, const char *path, uint64_t at)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_segment_block s;
	uint64_t pos = STAGE_BLOCK_BYTES, next;
	int err = read_at(f, at, block, sizeof(block)) ?
		  stage_segment_decode(&s, block) : -EBADMSG;

	if (err) {
		complain(path, word_for(err));
		return;
	}
	printf("%s: segment %" PRIu64 " of %" PRIu64 " bytes, after %" PRIu64
	       ":%" PRIu64 "; clean %" PRIu64 ", partial %" PRIu64 ", seen %"
	       PRIu64 "\n", path, s.number, s.bytes, s.prev, s.prev_end,
	       s.clean, s.partial, s.seen);
	print_id("log", s.log_id);
	for (; pos; pos = find_record(f, &s, at, pos + STAGE_ALIGN)) {
		while (pos < s.bytes && (next = dump_record(f, &s, at, pos)))
			pos = next;
		printf("  %10" PRIu64 " no record\n", pos);
	}
}

static void dump_segment(FILE *f, const char *path)
{
	dump_segment_at(f, path, 0);
}

/* --- a device with segments ----------------------------------------------- */

static void dump_note(FILE *f, const char *path)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_note_block n;
	int err = read_at(f, 0, block, sizeof(block)) ?
		  stage_note_decode(&n, block) : -EBADMSG;

	if (err) {
		complain(path, word_for(err));
		return;
	}
	printf("%s: the segments are on %s\n", path, n.path);
	print_id("device", n.device_id);
	if (dump_stage_device(n.path) < 0)
		complain(n.path, "not the device of a stage's log");
}

/* Of two copies the one with more slots; false: neither is good. */
static bool read_super(FILE *f, struct stage_device_block *d)
{
	char sector[STAGE_SECTOR];
	struct stage_device_block copy;
	bool is_found = false;

	for (int i = 0; i < 2; i++) {
		if (!read_at(f, i * (STAGE_DEVICE_HEAD / 2), sector,
			     sizeof(sector)) ||
		    stage_device_decode(&copy, sector))
			continue;
		if (!is_found || copy.nr_slots > d->nr_slots)
			*d = copy;
		is_found = true;
	}
	return is_found;
}

static void dump_slot(FILE *f, const char *path, uint64_t at, uint64_t nr)
{
	static const char *const states[] = {
		[STAGE_SLOT_FREE] = "free",
		[STAGE_SLOT_USED] = "used",
		[STAGE_SLOT_LOST] = "lost",
	};
	char sector[STAGE_SECTOR], name[4200];
	struct stage_slot_block b;
	int err = read_at(f, at, sector, sizeof(sector)) ?
		  stage_slot_decode(&b, sector) : -EBADMSG;

	snprintf(name, sizeof(name), "%s: slot %" PRIu64, path, nr);
	if (err) {
		complain(name, word_for(err));
	} else if (b.number) {
		printf("%s: %s, segment %" PRIu64 "\n", name, states[b.state],
		       b.number);
		print_id("log", b.log_id);
	}
	if (!err && b.state != STAGE_SLOT_FREE)
		dump_segment_at(f, name, at + STAGE_BLOCK_BYTES);
}

int dump_stage_device(const char *path)
{
	struct stage_device_block d = { 0 };
	FILE *f = fopen(path, "rb");
	bool is_ours = f && read_super(f, &d);

	if (is_ours) {
		printf("%s: %" PRIu64 " slots of %" PRIu64 " bytes\n", path,
		       d.nr_slots, d.slot_bytes);
		print_id("device", d.device_id);
	}
	for (uint64_t i = 0; is_ours && i < d.nr_slots; i++)
		dump_slot(f, path, STAGE_DEVICE_HEAD + i * d.slot_bytes, i);
	if (f)
		fclose(f);
	return is_ours ? is_bad : -1;
}

/* --- the directory -------------------------------------------------------- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len > tail && !strcmp(name + len - tail, suffix);
}

static void dump_file(const char *path, void (*dump)(FILE *f,
						     const char *path))
{
	FILE *f = fopen(path, "rb");

	if (!f) {
		complain(path, strerror(errno));
		return;
	}
	dump(f, path);
	fclose(f);
}

static void dump_dir(const char *dir);

static void dump_entry(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (has_suffix(name, ".volume"))
		dump_file(path, dump_volume);
	else if (!strcmp(name, "log.device"))
		dump_file(path, dump_note);
	else if (has_suffix(name, ".log"))
		dump_dir(path);
	else if (!strcmp(name, "checkpoint"))
		dump_file(path, dump_checkpoint);
	else if (has_suffix(name, ".fence"))
		dump_fence(dir, name, path);
	else if (has_suffix(name, ".delete"))
		dump_file(path, dump_delete);
	else if (has_suffix(name, ".seg") || has_suffix(name, ".lost"))
		dump_file(path, dump_segment);
}

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void dump_dir(const char *dir)
{
	struct dirent **entries;
	int nr = scandir(dir, &entries, visible, alphasort);

	if (nr < 0) {
		complain(dir, strerror(errno));
		return;
	}
	for (int i = 0; i < nr; i++) {
		dump_entry(dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

int dump_stage_segment(const char *path)
{
	char block[STAGE_BLOCK_BYTES];
	struct stage_segment_block s;
	FILE *f = fopen(path, "rb");
	bool is_ours = has_suffix(path, ".lost") || has_suffix(path, ".seg") ||
		       (f && read_at(f, 0, block, sizeof(block)) &&
			!stage_segment_decode(&s, block));

	is_bad = 0;
	if (f && is_ours)
		dump_segment(f, path);
	if (f)
		fclose(f);
	return f && is_ours ? is_bad : -1;
}

int dump_stage(const char *dir)
{
	is_bad = 0;
	dump_dir(dir);
	return is_bad;
}
