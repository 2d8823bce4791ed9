// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Codec of VOL@history. What is decoded comes from another machine:
 *
 * G1 nothing but magic and version is believed before both checksums hold.
 * G2 what does not fit together is refused as a whole: entries that do not
 *    ascend, a table that is not as long as its head says.
 * G3 an entry may be longer than ours: a later writer appends fields.
 * G4 a text holds printable ASCII only, so it may go to a terminal or a log.
 */
#include "history.h"

#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stage-io.h"

#define MAGIC		"dmReplHi"
#define HEAD_BYTES	4096
#define ENTRY_BYTES	64
#define ENTRY_MAX	4096
#define NR_LOOKS_MORE	3

enum {
	ENTRY_CLEAN = 1 << 0,
	ENTRY_BASE = 1 << 1,
};

struct wire_entry {
	uint64_t epoch;
	uint64_t commit_time;
	uint64_t cut_time;
	uint64_t bytes;
	uint32_t flags;
	uint32_t nr_images;
	uint8_t reserved[24];
} __attribute__((packed));

struct wire_head {
	char magic[8];
	uint32_t version;
	uint32_t entries_at;
	uint32_t entry_bytes;
	uint32_t state;
	uint64_t nr;
	uint64_t bytes;
	uint32_t chunk_bytes;
	uint32_t pad;
	uint64_t now;
	uint64_t last_clean;
	uint64_t last_partial;
	uint64_t highest_seen;
	uint64_t open_epoch;
	uint64_t cut_time;
	uint64_t log_bytes;
	uint64_t log_needed;
	uint64_t unsent;
	uint64_t unsent_time;
	char name[STAGE_NAME_LEN];
	char group[STAGE_NAME_LEN];
	char error[ERROR_TEXT_LEN];
	char notice[ERROR_TEXT_LEN];
	char notice_step[ERROR_TEXT_LEN];
	char device_notice[ERROR_TEXT_LEN];
	uint8_t reserved[HEAD_BYTES - 512 - 3 * ERROR_TEXT_LEN - 8];
	uint32_t entries_crc;
	uint32_t crc;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_entry) == ENTRY_BYTES, "entry size");
_Static_assert(sizeof(struct wire_head) == HEAD_BYTES, "head size");
_Static_assert(offsetof(struct wire_head, name) == 128, "head layout");
_Static_assert(offsetof(struct wire_head, notice) == 512, "head layout");
_Static_assert(offsetof(struct wire_head, crc) == 4092, "head layout");

static uint32_t crc_of(const void *buf, size_t len)
{
	return ~crc32_iscsi((void *)buf, len, ~0U);
}

void history_clear(struct history *h)
{
	if (!h)
		return;
	free(h->epochs);
	memset(h, 0, sizeof(*h));
}

/* --- to bytes ------------------------------------------------------------- */

static void encode_entry(struct wire_entry *w, const struct stage_epoch *e)
{
	w->epoch = htole64(e->epoch);
	w->commit_time = htole64(e->commit_time);
	w->cut_time = htole64(e->cut_time);
	w->bytes = htole64(e->bytes);
	w->flags = htole32((e->is_clean ? ENTRY_CLEAN : 0) |
			   (e->is_base ? ENTRY_BASE : 0));
	w->nr_images = htole32(e->nr_images);
}

static void encode_head(struct wire_head *w, const struct history *h)
{
	memcpy(w->magic, MAGIC, sizeof(w->magic));
	w->version = htole32(HISTORY_VERSION);
	w->entries_at = htole32(HEAD_BYTES);
	w->entry_bytes = htole32(ENTRY_BYTES);
	w->state = htole32(h->state);
	w->nr = htole64(h->nr);
	w->bytes = htole64(h->bytes);
	w->chunk_bytes = htole32(h->chunk_bytes);
	w->now = htole64(h->now);
	w->last_clean = htole64(h->last_clean);
	w->last_partial = htole64(h->last_partial);
	w->highest_seen = htole64(h->highest_seen);
	w->open_epoch = htole64(h->open_epoch);
	w->cut_time = htole64(h->cut_time);
	w->log_bytes = htole64(h->log_bytes);
	w->log_needed = htole64(h->log_needed);
	w->unsent = htole64(h->unsent);
	w->unsent_time = htole64(h->unsent_time);
	memcpy(w->name, h->name, sizeof(w->name));
	memcpy(w->group, h->group, sizeof(w->group));
	memcpy(w->error, h->error.text, sizeof(w->error));
	memcpy(w->notice, h->notices.log, sizeof(w->notice));
	memcpy(w->notice_step, h->notices.step, sizeof(w->notice_step));
	memcpy(w->device_notice, h->notices.device, sizeof(w->device_notice));
}

static int view_once(struct history *h, const char *dir, const char *volume,
		     bool *has_owner, struct error *err)
{
	const struct stage_options opts = { .io = &stage_view_io };
	struct stage_volume *v;
	struct stage *s;
	int ret = stage_open(&s, dir, &opts, err);

	if (ret)
		return ret;
	v = stage_find(s, volume);
	if (!v)
		ret = error_set(err, -ENOENT, "the stage %.150s has no volume "
				"%.60s", dir, volume);
	else if (history_read(h, v))
		ret = error_set(err, -ENOMEM, "no memory");
	*has_owner = stage_has_owner(s);
	stage_close(s);
	return ret;
}

/* What is dropped during a look may be missed by it, and by another not. */
int history_view(struct history *h, const char *dir, const char *volume,
		 struct error *err)
{
	bool has_owner = false;
	int ret = view_once(h, dir, volume, &has_owner, err);

	for (int i = 0; !ret && i < NR_LOOKS_MORE && has_owner &&
	     h->state == STAGE_ERROR; i++) {
		history_clear(h);
		ret = view_once(h, dir, volume, &has_owner, err);
	}
	return ret;
}

int history_encode(const struct history *h, void **bytes, size_t *len)
{
	size_t table = h->nr * ENTRY_BYTES, all;
	struct wire_head *w;

	all = (HEAD_BYTES + table + HISTORY_ALIGN - 1) / HISTORY_ALIGN *
	      HISTORY_ALIGN;
	w = calloc(1, all);
	if (!w)
		return -ENOMEM;
	encode_head(w, h);
	for (size_t i = 0; i < h->nr; i++)
		encode_entry((struct wire_entry *)(w + 1) + i, &h->epochs[i]);
	w->entries_crc = htole32(crc_of(w + 1, table));
	w->crc = htole32(crc_of(w, offsetof(struct wire_head, crc)));
	*bytes = w;
	*len = all;
	return 0;
}

/* --- from bytes ----------------------------------------------------------- */

static int damaged(struct error *err, const char *what)
{
	return error_set(err, -EBADMSG, "the history that came is damaged: %s",
			 what);
}

/* G1, G2 */
static int check_head(const struct wire_head *w, size_t len,
		      struct error *err)
{
	uint64_t entry, room;

	if (len < HEAD_BYTES || memcmp(w->magic, MAGIC, sizeof(w->magic)))
		return error_set(err, -EOPNOTSUPP, "this server keeps no "
				 "history (nbdkit's plugin replica does)");
	if (le32toh(w->version) != HISTORY_VERSION)
		return error_set(err, -EPROTONOSUPPORT, "a history of format "
				 "version %u, we know %u",
				 le32toh(w->version), HISTORY_VERSION);
	if (le32toh(w->crc) != crc_of(w, offsetof(struct wire_head, crc)))
		return damaged(err, "its head");
	entry = le32toh(w->entry_bytes);
	room = len - HEAD_BYTES;
	if (le32toh(w->entries_at) != HEAD_BYTES || entry < ENTRY_BYTES ||
	    entry > ENTRY_MAX || le64toh(w->nr) > room / entry)
		return damaged(err, "it is cut short");
	if (le32toh(w->entries_crc) != crc_of(w + 1, le64toh(w->nr) * entry))
		return damaged(err, "its entries");
	if (le32toh(w->state) > STAGE_PROMOTED)
		return damaged(err, "its state");
	return 0;
}

/* G4. @to is as large as @from, and ends with a NUL. */
static void decode_text(char *to, const char *from, size_t size)
{
	size_t i;

	for (i = 0; i + 1 < size && from[i]; i++)
		to[i] = isascii(from[i]) && isprint(from[i]) ? from[i] : '?';
	memset(to + i, 0, size - i);
}

static void decode_head(struct history *h, const struct wire_head *w)
{
	decode_text(h->name, w->name, sizeof(h->name));
	decode_text(h->group, w->group, sizeof(h->group));
	decode_text(h->error.text, w->error, sizeof(h->error.text));
	decode_text(h->notices.log, w->notice, sizeof(h->notices.log));
	decode_text(h->notices.step, w->notice_step, sizeof(h->notices.step));
	decode_text(h->notices.device, w->device_notice,
		    sizeof(h->notices.device));
	h->state = le32toh(w->state);
	h->error.code = h->state == STAGE_ERROR ? -EIO : 0;
	h->bytes = le64toh(w->bytes);
	h->chunk_bytes = le32toh(w->chunk_bytes);
	h->now = le64toh(w->now);
	h->last_clean = le64toh(w->last_clean);
	h->last_partial = le64toh(w->last_partial);
	h->highest_seen = le64toh(w->highest_seen);
	h->open_epoch = le64toh(w->open_epoch);
	h->cut_time = le64toh(w->cut_time);
	h->log_bytes = le64toh(w->log_bytes);
	h->log_needed = le64toh(w->log_needed);
	h->unsent = le64toh(w->unsent);
	h->unsent_time = le64toh(w->unsent_time);
}

static void decode_entry(struct stage_epoch *e, const struct wire_entry *w)
{
	uint32_t flags = le32toh(w->flags);

	e->epoch = le64toh(w->epoch);
	e->commit_time = le64toh(w->commit_time);
	e->cut_time = le64toh(w->cut_time);
	e->bytes = le64toh(w->bytes);
	e->is_clean = flags & ENTRY_CLEAN;
	e->is_base = flags & ENTRY_BASE;
	e->nr_images = le32toh(w->nr_images);
}

static int decode_entries(struct history *h, const struct wire_head *w,
			  struct error *err)
{
	const char *at = (const char *)(w + 1);
	uint64_t nr = le64toh(w->nr), last = 0;

	h->epochs = calloc(nr + 1, sizeof(*h->epochs));
	if (!h->epochs)
		return error_set(err, -ENOMEM, "no memory");
	for (; h->nr < nr; h->nr++) {
		struct stage_epoch *e = &h->epochs[h->nr];

		decode_entry(e, (const struct wire_entry *)at);
		if (e->epoch <= last)
			return damaged(err, "its epochs do not ascend");
		last = e->epoch;
		at += le32toh(w->entry_bytes);
	}
	return 0;
}

int history_decode(struct history *h, const void *bytes, size_t len,
		   struct error *err)
{
	int ret = check_head(bytes, len, err);

	memset(h, 0, sizeof(*h));
	if (ret)
		return ret;
	decode_head(h, bytes);
	ret = decode_entries(h, bytes, err);
	if (ret)
		history_clear(h);
	return ret;
}

/* --- what it says --------------------------------------------------------- */

static const struct stage_epoch *find(const struct history *h, uint64_t epoch,
				      uint64_t cut_time)
{
	for (size_t i = h->nr; i--;) {
		const struct stage_epoch *e = &h->epochs[i];

		if (e->is_clean && e->epoch <= epoch && e->cut_time <= cut_time)
			return e;
	}
	return NULL;
}

const struct stage_epoch *history_find(const struct history *h, uint64_t epoch)
{
	return find(h, epoch, UINT64_MAX);
}

const struct stage_epoch *history_find_time(const struct history *h,
					    uint64_t cut_time)
{
	return find(h, UINT64_MAX, cut_time);
}

/* --- of a stage ----------------------------------------------------------- */

struct reading {
	struct history *h;
	size_t max;
};

static int add_epoch(void *arg, const struct stage_epoch *e)
{
	struct reading *r = arg;
	struct history *h = r->h;

	if (h->nr == r->max) {
		size_t max = r->max ? r->max * 2 : 64;
		void *more = reallocarray(h->epochs, max, sizeof(*e));

		if (!more)
			return -ENOMEM;
		h->epochs = more;
		r->max = max;
	}
	h->epochs[h->nr++] = *e;
	return 0;
}

static uint64_t realtime(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

int history_read(struct history *h, struct stage_volume *v)
{
	struct reading r = { .h = h };
	struct stage_info info;
	int ret;

	stage_get_info(v, &info);
	memset(h, 0, sizeof(*h));
	memcpy(h->name, info.name, sizeof(h->name));
	memcpy(h->group, info.group, sizeof(h->group));
	h->error = info.error;
	h->state = info.state;
	h->bytes = info.bytes;
	h->chunk_bytes = info.chunk_bytes;
	h->now = realtime();
	h->last_clean = info.header.last_clean;
	h->last_partial = info.header.last_partial;
	h->highest_seen = info.header.highest_seen;
	h->open_epoch = info.open_epoch;
	h->cut_time = info.header.cut_time;
	h->log_bytes = info.log_bytes;
	h->log_needed = info.log_needed;
	h->unsent = info.header.unsent;
	h->unsent_time = info.header.unsent_time;
	stage_get_notices(v, &h->notices);
	ret = stage_history(v, add_epoch, &r);
	if (ret)
		history_clear(h);
	return ret;
}
