// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Images: the volume as of a commit.
 *
 * A place reads as its newest record with an lsn of at most the image's, or
 * else as the base.
 *
 * R1 who reads has a pin, and the applier stays at or below all pins: so a
 *    record that is applied meanwhile was part of the image already, and the
 *    base below it may be read at any time.
 * R2 who reads a segment without the lock has `files`, so the segment stays.
 * R3 a payload that this process did not write itself is verified when it is
 *    first read.
 * R4 a broken pin is looked at after the read: what was read before it broke
 *    may be a mixture.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"

#define SUMS_READ	(256U << 10)	/* at once, if chunks are not larger */

void stage_image_pin(struct stage_image *i, struct stage_volume *v,
		     uint64_t lsn)
{
	i->v = v;
	i->lsn = lsn;
	i->next = v->g->images;
	v->g->images = i;
}

void stage_image_unpin(struct stage_image *i)
{
	struct stage_group *g = i->v->g;
	struct stage_image **at = &g->images;

	while (*at != i)
		at = &(*at)->next;
	*at = i->next;
	if (!i->is_read || g->is_clearing)
		pthread_cond_broadcast(&g->changed);
}

/* --- reading -------------------------------------------------------------- */

static int read_all(const struct stage_io *io, int fd, void *buf, size_t len,
		    uint64_t off, const char *what, struct error *err)
{
	ssize_t n = stage_pread(io, fd, buf, len, off);

	if (n == (ssize_t)len)
		return 0;
	return error_set(err, -EIO, "reading %s: %s", what,
			 n < 0 ? strerror(-n) : "it ends too early");
}

static int read_base(struct stage_volume *v, void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	return read_all(v->stage->io, v->base_fd, buf, len, off,
			v->meta.base, err);
}

static uint64_t payload_pos(const struct stage_piece *p)
{
	return stage_payload_pos(stage_lsn_pos(p->lsn),
				 (uint64_t)p->record_len * STAGE_BLOCK);
}

static bool is_payload_good(const struct stage_piece *p, const char *head,
			    const char *payload, uint64_t salt)
{
	struct stage_record r;

	return !stage_record_decode(&r, salt, p->lsn, head) &&
	       replica_digest(r.off, payload, r.len) == r.crc;
}

/* R3: the whole record, and of it what is asked for. */
static int read_verified(struct stage_group *g, const struct stage_segment *s,
			 const struct stage_piece *p, void *buf,
			 struct error *err)
{
	uint64_t pos = stage_lsn_pos(p->lsn);
	size_t len = (size_t)p->record_len * STAGE_BLOCK;
	size_t head = payload_pos(p) - pos;
	char *record = malloc(head + len);
	int ret;

	if (!record)
		return error_set(err, -ENOMEM, "no memory");
	ret = read_all(g->stage->io, s->fd, record, head + len, s->at + pos,
		       "the log", err);
	if (!ret && !is_payload_good(p, record, record + head, s->salt))
		ret = error_set(err, -EIO, "%s: the log is damaged: segment %"
				PRIu64 ", record at %" PRIu64, g->name,
				s->number, pos);
	if (!ret)
		memcpy(buf, record + head + (p->off - p->record_off) *
		       STAGE_BLOCK, p->len * STAGE_BLOCK);
	free(record);
	return ret;
}

static void note_verified(struct stage_volume *v, const struct stage_piece *p)
{
	struct stage_piece again;

	pthread_rwlock_wrlock(&v->g->index_lock);
	stage_index_find(v->g->index, &v->tree, p->off, p->len, p->lsn,
			 &again);
	if (again.lsn == p->lsn)
		stage_index_verified(v->g->index, again.node);
	pthread_rwlock_unlock(&v->g->index_lock);
}

static int read_record(struct stage_volume *v, const struct stage_segment *s,
		       const struct stage_piece *p, void *buf,
		       struct error *err)
{
	int ret;

	if (p->is_verified)
		return read_all(v->stage->io, s->fd, buf,
				p->len * STAGE_BLOCK, s->at + payload_pos(p) +
				(p->off - p->record_off) * STAGE_BLOCK,
				"the log", err);
	ret = read_verified(v->g, s, p, buf, err);
	if (!ret)
		note_verified(v, p);
	return ret;
}

/* Sectors. */
static struct stage_segment *find_piece(struct stage_volume *v, uint64_t lsn,
					uint64_t off, uint64_t len,
					struct stage_piece *p)
{
	struct stage_segment *s = NULL;

	pthread_rwlock_rdlock(&v->g->index_lock);
	stage_index_find(v->g->index, &v->tree, off, len, lsn, p);
	if (p->lsn)
		s = stage_segment_find(v->g, stage_lsn_segment(p->lsn));
	pthread_rwlock_unlock(&v->g->index_lock);
	return s;
}

static int read_piece(struct stage_volume *v, uint64_t lsn, char *buf,
		      uint64_t off, uint64_t len, uint64_t *done,
		      struct error *err)
{
	struct stage_piece p;
	struct stage_segment *s = find_piece(v, lsn, off, len, &p);

	*done = p.len;
	if (!p.lsn)
		return read_base(v, buf, p.len * STAGE_BLOCK,
				 off * STAGE_BLOCK, err);
	if (p.is_zero) {
		memset(buf, 0, p.len * STAGE_BLOCK);
		return 0;
	}
	if (!s)
		return error_set(err, -EIO, "a segment of the log is gone");
	return read_record(v, s, &p, buf, err);
}

static int read_sectors(struct stage_volume *v, uint64_t lsn, char *buf,
			uint64_t off, uint64_t len, struct error *err)
{
	uint64_t done;
	int ret = 0;

	pthread_rwlock_rdlock(&v->g->files);		/* R2 */
	while (!ret && len) {
		ret = read_piece(v, lsn, buf, off, len, &done, err);
		buf += done * STAGE_BLOCK;
		off += done;
		len -= done;
	}
	pthread_rwlock_unlock(&v->g->files);
	return ret;
}

/* Where the request does not begin and end with a sector. */
static int read_bytes(struct stage_volume *v, uint64_t lsn, void *buf,
		      size_t len, uint64_t off, struct error *err)
{
	uint64_t first = off / STAGE_BLOCK;
	uint64_t nr = (off + len + STAGE_BLOCK - 1) / STAGE_BLOCK - first;
	char *whole = malloc(nr * STAGE_BLOCK);
	int ret;

	if (!whole)
		return error_set(err, -ENOMEM, "no memory");
	ret = read_sectors(v, lsn, whole, first, nr, err);
	memcpy(buf, whole + off % STAGE_BLOCK, len);
	free(whole);
	return ret;
}

int stage_image_read_at(struct stage_volume *v, uint64_t lsn, void *buf,
			size_t len, uint64_t off, struct error *err)
{
	if (off % STAGE_BLOCK || len % STAGE_BLOCK)
		return read_bytes(v, lsn, buf, len, off, err);
	return read_sectors(v, lsn, buf, off / STAGE_BLOCK, len / STAGE_BLOCK,
			    err);
}

/* --- VOL@EPOCH ------------------------------------------------------------ */

/* Locked. The newest image at or below @epoch that is still there. */
static int find_epoch(const struct stage_group *g, uint64_t epoch,
		      uint64_t *lsn, uint64_t *found)
{
	if (epoch > g->clean_epoch)
		return -ENOENT;
	*lsn = g->checkpoint.applied_lsn;
	*found = g->checkpoint.applied_epoch;
	for (unsigned int i = 0; i < g->nr_epochs; i++) {
		if (!g->epochs[i].is_clean || g->epochs[i].epoch > epoch)
			continue;
		*lsn = g->epochs[i].lsn;
		if (stage_fault(IMAGE) && i + 1 < g->nr_epochs)
			*lsn = g->epochs[i + 1].lsn;
		*found = g->epochs[i].epoch;
	}
	if (stage_fault(GONE) && *found < g->clean_epoch)
		return -ENOENT;
	return *found && *found <= epoch && *lsn >= g->floor_lsn ? 0 : -ENOENT;
}

/* Locked. */
static int pin_epoch(struct stage_image *i, struct stage_volume *v,
		     uint64_t epoch, struct error *err)
{
	const struct stage_group *g = v->g;
	int ret = v->base_fd < 0 ? -EIO : g->error.code;
	uint64_t lsn = 0;

	if (stage_fence_check_read(v, err))
		return -EPERM;
	if (ret)
		return error_set(err, ret, "%s: %s", v->meta.name,
				 g->error.text);
	if (epoch == STAGE_LATEST)
		epoch = g->clean_epoch;
	ret = find_epoch(g, epoch, &lsn, &i->epoch);
	if (ret && !epoch)
		return error_set(err, ret, "%s: there is no image%s%s",
				 v->meta.name, g->notice.code ? ": " : " yet",
				 g->notice.text);
	if (ret)
		return error_set(err, ret, "%s: no image as of epoch %" PRIu64,
				 v->meta.name, epoch);
	stage_image_pin(i, v, lsn);
	return 0;
}

int stage_image_open(struct stage_image **image, struct stage_volume *v,
		     uint64_t epoch, struct error *err)
{
	struct stage_image *i = calloc(1, sizeof(*i));
	struct stage_group *g = v->g;
	int ret;

	if (!i)
		return error_set(err, -ENOMEM, "%s: no memory", v->meta.name);
	pthread_mutex_lock(&g->lock);
	ret = pin_epoch(i, v, epoch, err);
	pthread_mutex_unlock(&g->lock);
	if (ret)
		free(i);
	else
		*image = i;
	return ret;
}

void stage_image_close(struct stage_image *i)
{
	struct stage_group *g = i->v->g;

	pthread_mutex_lock(&g->lock);
	stage_image_unpin(i);
	pthread_mutex_unlock(&g->lock);
	free(i);
}

uint64_t stage_image_epoch(const struct stage_image *i)
{
	return i->epoch;
}

/* R4 */
static int check_pin(const struct stage_image *i, struct error *err)
{
	struct stage_group *g = i->v->g;
	bool is_broken;

	pthread_mutex_lock(&g->lock);
	is_broken = i->is_broken && !stage_fault(S10_TELL);
	pthread_mutex_unlock(&g->lock);
	return is_broken ? error_set(err, -ESTALE, "%s: the image of epoch %"
				     PRIu64 " had to go: the log was full",
				     i->v->meta.name, i->epoch) : 0;
}

static int check_image_range(const struct stage_image *i, uint64_t len,
			     uint64_t off, struct error *err)
{
	uint64_t bytes = stage_volume_bytes(i->v);

	return off <= bytes && len <= bytes - off ? 0 :
	       error_set(err, -EINVAL, "%s: read beyond the end",
			 i->v->meta.name);
}

int stage_image_read(struct stage_image *i, void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	int ret = check_image_range(i, len, off, err);

	if (!ret && len)
		ret = stage_image_read_at(i->v, i->lsn, buf, len, off, err);
	if (!ret)
		ret = check_pin(i, err);
	return ret;
}

/* --- extents -------------------------------------------------------------- */

struct walk {
	int (*fn)(void *arg, uint64_t off, uint64_t len,
		  enum stage_extent type);
	void *arg;
	uint64_t off, len;		/* not told yet; len 0: nothing */
	enum stage_extent type;
};

static int tell(struct walk *w)
{
	return w->len ? w->fn(w->arg, w->off, w->len, w->type) : 0;
}

static int add_extent(struct walk *w, uint64_t off, uint64_t len,
		      enum stage_extent type)
{
	int ret = 0;

	if (w->len && w->type == type) {
		w->len += len;
		return 0;
	}
	ret = tell(w);
	w->off = off;
	w->len = len;
	w->type = type;
	return ret;
}

static int walk_base(struct stage_volume *v, struct walk *w, uint64_t off,
		     uint64_t len)
{
	const struct stage_io *io = v->stage->io;
	int ret = 0;

	while (!ret && len) {
		uint64_t part = len;
		bool is_hole = io->is_hole(io->arg, v->base_fd, off, &part);

		part = part < len ? part : len;
		ret = add_extent(w, off, part, is_hole ? STAGE_ZERO :
							 STAGE_DATA);
		off += part;
		len -= part;
	}
	return ret;
}

int stage_image_extents(struct stage_image *i, uint64_t off, uint64_t len,
			int (*fn)(void *arg, uint64_t off, uint64_t len,
				  enum stage_extent type),
			void *arg, struct error *err)
{
	uint64_t end = (off + len + STAGE_BLOCK - 1) / STAGE_BLOCK;
	uint64_t at = off / STAGE_BLOCK;
	struct walk w = { .fn = fn, .arg = arg };
	int ret = check_image_range(i, len, off, err);
	struct stage_piece p;

	while (!ret && at < end) {
		find_piece(i->v, i->lsn, at, end - at, &p);
		if (p.lsn)
			ret = add_extent(&w, at * STAGE_BLOCK,
					 p.len * STAGE_BLOCK, p.is_zero ?
					 STAGE_ZERO : STAGE_DATA);
		else
			ret = walk_base(i->v, &w, at * STAGE_BLOCK,
					p.len * STAGE_BLOCK);
		at += p.len;
	}
	if (!ret)
		ret = tell(&w);
	return ret ? ret : check_pin(i, err);
}

/* --- VOL@sum, VOL@above --------------------------------------------------- */

/* The chunks of @len bytes; the last one may be short. */
static void make_sums(const char *buf, size_t len, size_t chunk, uint64_t seed,
		      struct stage_sum *sums)
{
	for (size_t at = 0; at < len; at += chunk)
		replica_sum(sums++, buf + at, len - at < chunk ? len - at :
			    chunk, seed);
}

static int read_sums(struct stage_image *i, uint64_t seed, uint64_t first,
		     uint32_t nr, struct stage_sum *sums, struct error *err)
{
	struct stage_volume *v = i->v;
	size_t chunk = v->meta.chunk_bytes, len;
	size_t most = chunk > SUMS_READ ? chunk : SUMS_READ / chunk * chunk;
	uint64_t off = first * chunk, end = off + nr * chunk;
	uint64_t bytes = stage_volume_bytes(v);
	char *buf;
	int ret = 0;

	if (!nr || end - chunk >= bytes)
		return error_set(err, -EINVAL, "%s: no such chunk",
				 v->meta.name);
	if (end > bytes)
		end = bytes;
	buf = malloc(most);
	if (!buf)
		return error_set(err, -ENOMEM, "no memory");
	for (; !ret && off < end; off += len) {
		len = end - off < most ? end - off : most;
		ret = stage_image_read_at(v, i->lsn, buf, len, off, err);
		if (!ret)
			make_sums(buf, len, chunk, seed, sums);
		sums += len / chunk;
	}
	free(buf);
	return ret;
}

int stage_get_sums(struct stage_volume *v, uint64_t first, uint32_t nr,
		   struct stage_sum *sums, struct error *err)
{
	struct stage_image i = { .is_read = true };
	struct stage_group *g = v->g;
	bool is_distrusted;
	uint64_t seed;
	int ret;

	if (stage_fence_check_read(v, err))
		return -EPERM;
	if (v->base_fd < 0 || g->error.code)
		return error_set(err, -EIO, "%s: %s", v->meta.name,
				 g->error.text);
	pthread_mutex_lock(&g->lock);
	is_distrusted = stage_inplace_is_distrusted(g);
	stage_image_pin(&i, v, stage_fault(W4) ? g->clean_lsn : g->kept_lsn);
	seed = v->token ? v->writer.session.random : v->header.session.random;
	pthread_mutex_unlock(&g->lock);
	ret = is_distrusted ? error_set(err, -EIO, "%s: no digests: its base "
					"may have lost what it shows, until a "
					"clean epoch has ended", v->meta.name) :
			      read_sums(&i, seed, first, nr, sums, err);
	pthread_mutex_lock(&g->lock);
	stage_image_unpin(&i);
	pthread_mutex_unlock(&g->lock);
	return ret;
}

/* Locked. The lsn of the newest commit at or below @epoch. */
static uint64_t lsn_of(const struct stage_group *g, uint64_t epoch)
{
	uint64_t lsn = g->checkpoint.applied_lsn;

	for (unsigned int i = 0; i < g->nr_epochs; i++)
		if (g->epochs[i].epoch <= epoch)
			lsn = g->epochs[i].lsn;
	return lsn;
}

/*
 * Locked. In place nobody knows what is above which epoch, until the clean
 * commit that ends it: what is below that one may have data above it that is
 * not in the log. 0: not in place, nor lately.
 */
static uint64_t known_from(const struct stage_group *g)
{
	uint64_t from = g->checkpoint.in_place_lsn;

	for (unsigned int i = 0; from && i < g->nr_epochs; i++)
		if (g->epochs[i].is_clean && g->epochs[i].lsn >= from)
			return g->epochs[i].lsn;
	return from ? UINT64_MAX : 0;
}

int stage_above(struct stage_volume *v, uint64_t epoch,
		int (*fn)(void *arg, uint64_t off, uint64_t len), void *arg,
		struct error *err)
{
	uint64_t bytes = stage_volume_bytes(v);
	uint64_t end = bytes / STAGE_BLOCK, at = 0, lsn;
	struct stage_piece p;
	bool is_all = false;
	int ret = 0;

	pthread_mutex_lock(&v->g->lock);
	lsn = lsn_of(v->g, epoch);
	if (lsn < known_from(v->g) &&
	    (stage_is_in_place(v->g) || lsn >= v->g->floor_lsn))
		is_all = true;
	else if (epoch < v->g->checkpoint.applied_epoch ||
		 lsn < v->g->floor_lsn)
		ret = error_set(err, -ENOENT, "%s: epoch %" PRIu64
				" is below the history", v->meta.name, epoch);
	pthread_mutex_unlock(&v->g->lock);
	if (is_all)
		return fn(arg, 0, bytes);
	while (!ret && at < end) {
		find_piece(v, UINT64_MAX, at, end - at, &p);
		if (p.lsn > lsn)
			ret = fn(arg, at * STAGE_BLOCK, p.len * STAGE_BLOCK);
		at += p.len;
	}
	return ret;
}
