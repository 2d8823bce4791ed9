// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugin-export.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "plugin-relay.h"
#include "verbs-wire.h"

#define SUMS_AT_ONCE	256

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* --- NAME ----------------------------------------------------------------- */

static int volume_open(struct export *e, const char *arg, struct error *err)
{
	e->bytes = replica_export_bytes(e->volume_bytes);
	return 0;
}

static int volume_read(struct export *e, void *buf, size_t len, uint64_t off,
		       struct error *err)
{
	return stage_conn_read(e->conn, buf, len, off, err);
}

/* An accepted hello shuts others out, see Q1. */
static void note_header(struct export *e, const void *buf)
{
	struct replica_header h;

	if (!replica_header_decode(&h, buf, REPLICA_SLOT_BYTES, NULL) &&
	    h.kind == REPLICA_KIND_HELLO)
		quota_hello(e->quota, &e->user, &h.session);
}

static int volume_write(struct export *e, const void *buf, size_t len,
			uint64_t off, struct error *err)
{
	int ret = stage_conn_write(e->conn, buf, len, off, err);

	if (!ret && len == REPLICA_SLOT_BYTES &&
	    off >= replica_tail_offset(e->volume_bytes))
		note_header(e, buf);
	return ret;
}

static int volume_zero(struct export *e, uint64_t len, uint64_t off,
		       struct error *err)
{
	return stage_conn_zero(e->conn, len, off, err);
}

/* Of the newest image, which may be another one a moment later. */
static int image_now(struct export *e, uint64_t off, uint64_t len,
		     export_extent_fn *fn, void *arg, struct error *err)
{
	struct stage_image *i;
	int ret = stage_image_open(&i, e->v, STAGE_LATEST, NULL);

	if (ret == -ENOENT)
		return fn(arg, off, len, STAGE_DATA);	/* nothing is known */
	if (ret)
		return error_set(err, ret, "the image cannot be opened");
	ret = stage_image_extents(i, off, len, fn, arg, err);
	stage_image_close(i);
	return ret;
}

static int volume_extents(struct export *e, uint64_t off, uint64_t len,
			  export_extent_fn *fn, void *arg, struct error *err)
{
	uint64_t tail = replica_tail_offset(e->volume_bytes), part;
	int ret = 0;

	if (off < e->volume_bytes) {
		part = min64(len, e->volume_bytes - off);
		ret = image_now(e, off, part, fn, arg, err);
		off += part;
		len -= part;
	}
	if (!ret && len && off < tail) {
		part = min64(len, tail - off);
		ret = fn(arg, off, part, STAGE_ZERO);
		off += part;
		len -= part;
	}
	return ret || !len ? ret : fn(arg, off, len, STAGE_DATA);
}

/* --- NAME@latest, NAME@EPOCH ---------------------------------------------- */

static int latest_open(struct export *e, const char *arg, struct error *err)
{
	e->bytes = e->volume_bytes;
	return stage_image_open(&e->image, e->v, STAGE_LATEST, err);
}

/* Digits only. Too large for an epoch is an epoch that is not there. */
static uint64_t epoch_of(const char *text)
{
	uint64_t epoch;

	errno = 0;
	epoch = strtoull(text, NULL, 10);
	return errno ? UINT64_MAX : epoch;
}

/* X2. Zero is no epoch (to the stage it is the newest). */
static int epoch_open(struct export *e, const char *arg, struct error *err)
{
	uint64_t epoch = epoch_of(arg);
	struct stage_info info;

	stage_get_info(e->v, &info);
	if (!epoch || epoch > info.header.last_clean)
		return error_set(err, -ENOENT, "no such epoch: the newest "
				 "image is that of %" PRIu64,
				 info.header.last_clean);
	e->bytes = e->volume_bytes;
	return stage_image_open(&e->image, e->v, epoch, err);
}

static int image_read(struct export *e, void *buf, size_t len, uint64_t off,
		      struct error *err)
{
	return stage_image_read(e->image, buf, len, off, err);
}

static int image_extents(struct export *e, uint64_t off, uint64_t len,
			 export_extent_fn *fn, void *arg, struct error *err)
{
	return stage_image_extents(e->image, off, len, fn, arg, err);
}

/* --- NAME@sum ------------------------------------------------------------- */

static int sum_open(struct export *e, const char *arg, struct error *err)
{
	uint64_t chunks = (e->volume_bytes + e->chunk_bytes - 1) /
			  e->chunk_bytes;

	e->bytes = chunks * EXPORT_SUM_BYTES;
	return 0;
}

static int sum_read(struct export *e, void *buf, size_t len, uint64_t off,
		    struct error *err)
{
	struct stage_sum sums[SUMS_AT_ONCE];
	char *at = buf;
	int ret = 0;

	if (len > EXPORT_SUM_MOST)	/* … whatever it is told */
		return error_set(err, -EINVAL, "a read of %zu bytes, at most "
				 "%u go at once", len, EXPORT_SUM_MOST);
	while (!ret && len) {
		uint64_t first = off / EXPORT_SUM_BYTES;
		size_t skip = off % EXPORT_SUM_BYTES;
		size_t part = min64(len, sizeof(sums) - skip);
		uint32_t nr = (skip + part + EXPORT_SUM_BYTES - 1) /
			      EXPORT_SUM_BYTES;

		quota_sum(e->quota, (uint64_t)nr * e->chunk_bytes);
		ret = stage_get_sums(e->v, first, nr, sums, err);
		memcpy(at, (char *)sums + skip, part);
		at += part;
		off += part;
		len -= part;
	}
	return ret;
}

/* --- NAME@above, NAME@dirty ----------------------------------------------- */

static int add_to_list(void *arg, uint64_t off, uint64_t len)
{
	return extent_list_add(arg, off, len);
}

static int finish_list(struct export *e, uint64_t epoch, int ret,
		       struct error *err)
{
	if (!ret)
		ret = extent_list_finish(&e->list, e->volume_bytes, epoch);
	e->bytes = e->list.len;
	return ret ? error_set(err, ret, "the list cannot be made: %s",
			       strerror(-ret)) : 0;
}

/* A snapshot: as of opening. */
static int above_open(struct export *e, const char *arg, struct error *err)
{
	struct stage_info info;
	uint64_t epoch;
	int ret;

	stage_get_info(e->v, &info);
	epoch = arg ? epoch_of(arg) : info.header.last_clean;
	if (epoch > info.header.highest_seen)
		return error_set(err, -ENOENT, "no such epoch: the highest "
				 "seen is %" PRIu64, info.header.highest_seen);
	ret = stage_above(e->v, epoch, add_to_list, &e->list, err);
	return finish_list(e, epoch, ret, err);
}

/* X3, as of opening. */
static int dirty_open(struct export *e, const char *arg, struct error *err)
{
	struct stage_info info;
	int ret = 0;

	stage_get_info(e->v, &info);
	if (info.state == STAGE_PROMOTED)
		return error_set(err, -EPERM, "it was promoted: what is dirty "
				 "is known to the primary here");
	if (!info.header.last_clean)
		ret = extent_list_add(&e->list, 0, e->volume_bytes);
	return finish_list(e, info.header.last_clean, ret, err);
}

static int list_read(struct export *e, void *buf, size_t len, uint64_t off,
		     struct error *err)
{
	memcpy(buf, e->list.bytes + off, len);
	return 0;
}

/* --- NAME@history --------------------------------------------------------- */

/* As of opening, too. */
static int history_open(struct export *e, const char *arg, struct error *err)
{
	struct history h;
	int ret = history_read(&h, e->v);
	void *bytes;

	if (!ret)
		ret = history_encode(&h, &bytes, &e->list.len);
	history_clear(&h);
	if (ret)
		return error_set(err, ret, "no memory");
	e->list.bytes = bytes;
	e->bytes = e->list.len;
	return 0;
}

/* --- @verbs --------------------------------------------------------------- */

static int verbs_read(struct export *e, void *buf, size_t len, uint64_t off,
		      struct error *err)
{
	return relay_read(e->relay, buf, len, off, err);
}

static int verbs_write(struct export *e, const void *buf, size_t len,
		       uint64_t off, struct error *err)
{
	return relay_write(e->relay, buf, len, off, err);
}

static int verbs_zero(struct export *e, uint64_t len, uint64_t off,
		      struct error *err)
{
	return error_set(err, -EOPNOTSUPP, "zeros are no message");
}

static const struct export_ops verbs_ops = {
	.what = "verbs", .help = "what the two sides of the pair ask for",
	.read = verbs_read, .write = verbs_write, .zero = verbs_zero,
	.block_min = VERBS_UNIT, .block_max = VERBS_BYTES,
};

/* --- names ---------------------------------------------------------------- */

static const struct export_ops volume_ops = {
	.what = "", .help = "data and replica header",
	.open = volume_open, .read = volume_read, .write = volume_write,
	.zero = volume_zero, .extents = volume_extents,
	.is_same_for_all = true,
	.block_min = STAGE_BLOCK, .block_max = EXPORT_BLOCK_MAX,
};

static const struct export_ops epoch_ops = {
	.what = "EPOCH", .help = "the image as of an epoch",
	.open = epoch_open, .read = image_read, .extents = image_extents,
	.is_same_for_all = true,
	.block_min = STAGE_BLOCK, .block_max = EXPORT_BLOCK_MAX,
};

static const struct export_ops word_ops[] = {
	{
		.what = "latest", .help = "the newest image",
		.open = latest_open, .read = image_read,
		.extents = image_extents,
		.block_min = STAGE_BLOCK, .block_max = EXPORT_BLOCK_MAX,
	}, {
		.what = "sum", .help = "digests of the chunks, as the next "
				       "commit would leave them",
		.open = sum_open, .read = sum_read,
		.is_same_for_all = true,
		.block_min = 16, .block_max = EXPORT_SUM_MAX,
	}, {
		.what = "above", .help = "a list of what is above the image",
		.open = above_open, .read = list_read,
		.block_min = LIST_ALIGN, .block_max = EXPORT_BLOCK_MAX,
	}, {
		.what = "history", .help = "a table of the epochs",
		.open = history_open, .read = list_read,
		.block_min = LIST_ALIGN, .block_max = EXPORT_BLOCK_MAX,
	}, {
		.what = "dirty", .help = "a list of what no primary knows of",
		.open = dirty_open, .read = list_read,
		.block_min = LIST_ALIGN, .block_max = EXPORT_BLOCK_MAX,
	},
};

#define NR_WORDS	(sizeof(word_ops) / sizeof(word_ops[0]))

static bool is_number(const char *text)
{
	size_t len = strlen(text);

	return len && strspn(text, "0123456789") == len;
}

/* What stands behind "NAME@"; *arg is what stands behind one more "@". */
static const struct export_ops *find_ops(const char *what, const char **arg)
{
	size_t len = strcspn(what, "@");

	*arg = what[len] ? what + len + 1 : NULL;
	for (size_t i = 0; i < NR_WORDS; i++)
		if (strlen(word_ops[i].what) == len &&
		    !strncmp(word_ops[i].what, what, len))
			return *arg && (!is_number(*arg) ||
					word_ops[i].open != above_open) ?
			       NULL : &word_ops[i];
	if (*arg || !is_number(what))
		return NULL;
	*arg = what;
	return &epoch_ops;
}

static struct stage_volume *find_volume(struct stage *s, const char *name,
					size_t len)
{
	char volume[EXPORT_NAME_LEN];

	if (len >= STAGE_NAME_LEN)
		return NULL;
	memcpy(volume, name, len);
	volume[len] = 0;
	if (!len && !export_default(s, volume))
		return NULL;
	return stage_find(s, volume);
}

void export_escape(const char *name, char *text, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;

	for (; *name && at + 8 < size; name++) {
		unsigned char c = *name;

		if (isprint(c) && c < 127 && c != '\\') {
			text[at++] = c;
			continue;
		}
		text[at++] = '\\';
		text[at++] = 'x';
		text[at++] = hex[c >> 4];
		text[at++] = hex[c & 15];
	}
	strcpy(text + at, *name ? "..." : "");
}

/* --- opening -------------------------------------------------------------- */

static int open_as(struct export *e, const char *arg, struct error *err)
{
	struct stage_info info;
	int ret;

	stage_get_info(e->v, &info);
	e->chunk_bytes = info.chunk_bytes;
	ret = stage_conn_create(&e->conn, e->v, err);	/* it was recovered */
	if (ret)
		return ret;
	e->volume_bytes = stage_conn_bytes(e->conn);
	return e->ops->open(e, arg, err);
}

static int open_verbs(struct export *e, const struct export_verbs *verbs,
		      struct error *err)
{
	e->bytes = VERBS_BYTES;
	e->relay = relay_create(verbs->socket, verbs->pair);
	return e->relay ? 0 : error_set(err, -ENOMEM, "no memory");
}

/* What it is, and of which volume. 0, or -ENOENT with a sentence. */
static int find(struct stage *s, const struct export_verbs *verbs,
		const char *name, struct export *e, const char **arg,
		struct error *err)
{
	size_t len = strcspn(name, "@");

	if (verbs->socket && !strcmp(name, VERBS_EXPORT)) {
		e->ops = &verbs_ops;
		return 0;
	}
	e->v = find_volume(s, name, len);
	if (!e->v)
		return error_set(err, -ENOENT, "there is no such volume");
	e->ops = name[len] ? find_ops(name + len + 1, arg) : &volume_ops;
	if (!e->ops || strlen(name) >= EXPORT_NAME_LEN)
		return error_set(err, -ENOENT, "the volume has no such export: "
				 "there are @EPOCH, @latest, @history, @sum, "
				 "@above and @dirty");
	return 0;
}

int export_open(struct export **out, struct stage *s, struct quota *q,
		const struct export_verbs *verbs, const char *name,
		struct error *err)
{
	struct export *e = calloc(1, sizeof(*e));
	const char *arg = NULL;
	int ret;

	if (!e)
		return error_set(err, -ENOMEM, "no memory");
	ret = find(s, verbs, name, e, &arg, err);
	if (!ret)
		ret = quota_join(q, &e->user, e->v, err);
	if (ret) {
		free(e);
		return ret;
	}
	strcpy(e->name, name);
	e->quota = q;
	ret = e->v ? open_as(e, arg, err) : open_verbs(e, verbs, err);
	if (!ret)
		*out = e;
	else
		export_close(e);
	return ret;
}

struct export *export_of_user(struct quota_user *u)
{
	return (struct export *)((char *)u - offsetof(struct export, user));
}

void export_close(struct export *e)
{
	quota_leave(e->quota, &e->user);
	if (e->image)
		stage_image_close(e->image);
	stage_conn_destroy(e->conn);
	extent_list_clear(&e->list);
	relay_destroy(e->relay);
	free(e);
}
