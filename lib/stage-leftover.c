// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What recovery has found and does not count: segments that were begun for
 * nothing go, what may have been acknowledged stays to be looked at, and is
 * told. Rules Z3, Z4, Z6 and Z8 are at the top of stage-recover.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-device.h"
#include "stage-parts.h"
#include "stage-recover.h"
#include "util/zero.h"

#define COPY_BYTES	(256U << 10)

/* --- copies --------------------------------------------------------------- */

static int read_all(const struct stage_io *io, const struct stage_segment *s,
		    uint64_t pos, char *buf, size_t len)
{
	ssize_t n = stage_pread(io, s->fd, buf, len, s->at + pos);

	return n < 0 ? n : (size_t)n < len ? -EIO : 0;
}

/*
 * Reading a segment from its beginning to its end. What cannot be read is as in
 * a copy that was made before, or zeros, which are counted; or it is an error.
 */
struct reading {
	const struct stage_io *io;
	const struct stage_segment *s;
	uint64_t *unread;		/* NULL: it is an error */
	struct asking asking;
};

static void put_kept(struct reading *r, char *buf, size_t len, const char *kept)
{
	if (kept)
		memcpy(buf, kept, len);
	else
		memset(buf, 0, len);
	for (size_t at = 0, n; at < len; at += n) {
		n = len - at < STAGE_BLOCK_BYTES ? len - at : STAGE_BLOCK_BYTES;
		if (is_zero(buf + at, n))
			*r->unread += n;
	}
}

static int read_piece(struct reading *r, uint64_t pos, char *buf, size_t len,
		      const char *kept)
{
	size_t most = len;
	int ret = 0;

	for (size_t at = 0, n; !ret && at < len; at += n) {
		n = most < len - at ? most : len - at;
		if (pos + at < r->asking.upto) {
			if (n > r->asking.upto - pos - at)
				n = r->asking.upto - pos - at;
			put_kept(r, buf + at, n, kept ? kept + at : NULL);
			continue;
		}
		ret = read_all(r->io, r->s, pos + at, buf + at, n);
		if (!ret)
			stage_asking_got(&r->asking);
		if (ret != -EIO || !r->unread)
			continue;
		if (n <= STAGE_BLOCK_BYTES)
			stage_asking_failed(&r->asking, pos + at);
		most = STAGE_BLOCK_BYTES;
		ret = n = 0;
	}
	return ret;
}

static size_t piece_len(const struct stage_segment *s, uint64_t pos)
{
	return s->bytes - pos < COPY_BYTES ? s->bytes - pos : COPY_BYTES;
}

/* What is zeros takes no room. */
static int copy_data(struct stage_group *g, const struct stage_segment *s,
		     int fd, uint64_t *unread)
{
	const struct stage_io *io = g->stage->io;
	struct reading r = { .io = io, .s = s, .unread = unread };
	char *buf = malloc(COPY_BYTES);
	int ret = buf ? io->truncate(io->arg, fd, s->bytes) : -ENOMEM;

	for (uint64_t pos = 0; !ret && pos < s->bytes; pos += COPY_BYTES) {
		size_t len = piece_len(s, pos);
		struct iovec iov = { buf, len };

		ret = read_piece(&r, pos, buf, len, NULL);
		if (!ret && !is_zero(buf, len))
			ret = io->pwritev(io->arg, fd, &iov, 1, pos);
	}
	free(buf);
	return ret ? ret : io->sync(io->arg, fd);
}

static bool is_same(const struct stage_io *io, const struct stage_segment *s,
		    int fd, uint64_t *unread)
{
	char *buf = malloc(2 * COPY_BYTES);
	struct reading r = { .io = io, .s = s, .unread = unread };
	uint64_t bytes;
	bool is_same = buf && !io->size(io->arg, fd, &bytes) &&
		       bytes == s->bytes;

	for (uint64_t pos = 0; is_same && pos < bytes; pos += COPY_BYTES) {
		size_t len = piece_len(s, pos);

		is_same = stage_pread(io, fd, buf + len, len, pos) ==
			  (ssize_t)len &&
			  !read_piece(&r, pos, buf, len, buf + len) &&
			  !memcmp(buf, buf + len, len);
	}
	free(buf);
	return is_same;
}

/* By who opened the stage before: that needs no room now. */
static bool is_copied(struct stage_group *g, const struct stage_segment *s,
		      const char *path, uint64_t *unread)
{
	const struct stage_io *io = g->stage->io;
	int fd = io->open(io->arg, path, O_RDONLY);
	bool is_there;

	if (fd < 0)
		return false;
	is_there = is_same(io, s, fd, unread);
	io->close(io->arg, fd);
	return is_there;
}

static int make_copy(struct stage_group *g, const struct stage_segment *s,
		     const char *path, uint64_t *unread)
{
	const struct stage_io *io = g->stage->io;
	char new[sizeof(g->dir) + 40];
	int fd, ret;

	snprintf(new, sizeof(new), "%s.new", path);
	fd = io->open(io->arg, new, O_RDWR | O_CREAT | O_TRUNC);
	if (fd < 0)
		return fd;
	ret = copy_data(g, s, fd, unread);
	io->close(io->arg, fd);
	if (!ret)
		ret = io->rename(io->arg, new, path);
	else
		io->unlink(io->arg, new);
	return ret;
}

static void make_lost_path(const struct stage_group *g, uint64_t number,
			   char *path, size_t size)
{
	snprintf(path, size, "%s/%010" PRIu64 ".seg.lost", g->dir, number);
}

int stage_recover_copy(struct stage_group *g, const struct stage_segment *s,
		       uint64_t *unread)
{
	const struct stage_io *io = g->stage->io;
	char path[sizeof(g->dir) + 32];
	int ret;

	make_lost_path(g, s->number, path, sizeof(path));
	if (is_copied(g, s, path, unread))
		return io->sync_dir(io->arg, g->dir);
	if (unread)
		*unread = 0;
	ret = make_copy(g, s, path, unread);
	return ret ? ret : io->sync_dir(io->arg, g->dir);
}

/* Segment G1, also of those that are in slots. */
static int note_lost(void *arg, const char *name)
{
	struct stage_group *g = arg;
	uint64_t number;
	int len = 0;

	if (sscanf(name, "%10" SCNu64 ".seg.lost%n", &number, &len) == 1 &&
	    len && !name[len] && number < UINT32_MAX &&
	    number >= g->next_number)
		g->next_number = number + 1;
	return 0;
}

int stage_recover_note_lost(struct stage_group *g)
{
	return g->stage->io->list(g->stage->io->arg, g->dir, note_lost, g);
}

/* --- what is behind the end ----------------------------------------------- */

static bool is_view(const struct stage_group *g)
{
	return g->stage->io == &stage_view_io;
}

/* What is there stays there, whatever is said to be done. */
static bool is_only_looking(const struct stage_group *g)
{
	return g->stage->opts.is_still || is_view(g);
}

/* Where a person finds it; what an error has no room for comes last. */
static void name_place(const struct stage_group *g,
		       const struct stage_segment *s, char *place, size_t size)
{
	if (g->stage->device)
		snprintf(place, size, "slot %u of %s", s->slot,
			 g->stage->device->path);
	else
		snprintf(place, size, "%010" PRIu64 ".seg in %s", s->number,
			 g->dir);
}

/* Behind D3. Who only looks goes on without it. Z5 */
static int refuse_unread(const struct stage_group *g,
			 const struct stage_segment *s, const char *which,
			 int ret, struct error *err)
{
	char place[sizeof(g->dir) + 32];

	if (is_only_looking(g))
		return 0;
	name_place(g, s, place, sizeof(place));
	return error_set(err, -EIO, "%s: segment %" PRIu64 " of the log, %s, "
			 "cannot be read: %s (%s)", g->name, s->number, which,
			 strerror(-ret), place);
}

/* Z8: in a file, what nobody has written is zeros. 1, 0, or -errno for now. */
static int is_no_record(const struct stage_group *g, uint64_t lsn)
{
	const struct stage_segment *s =
		stage_segment_find(g, stage_lsn_segment(lsn));
	const struct stage_io *io = g->stage->io;
	char head[STAGE_RECORD_BYTES];
	struct stage_record r;

	ssize_t n;

	if (!s || !g->stage->medium->is_sparse)
		return 0;
	n = stage_pread(io, s->fd, head, sizeof(head),
			s->at + stage_lsn_pos(lsn));
	if (n < 0)
		return n == -EIO ? 0 : n;
	return n == sizeof(head) && !is_zero(head, sizeof(head)) &&
	       stage_record_decode(&r, s->salt, lsn, head);
}

/* Also what is behind the end that the next one gives it: as the next time. */
static int copy_end(struct recovery *rec, const struct stage_segment *s)
{
	struct stage_segment whole = *s;

	for (unsigned int i = 0; i < rec->nr; i++) {
		const struct found *f = &rec->found[i];

		if (f->is_chosen && f->s.number == s->number)
			whole.bytes = f->s.bytes < f->b.bytes ? f->s.bytes :
								f->b.bytes;
	}
	return stage_recover_copy(rec->g, &whole, &rec->unread);
}

/* Behind @pos: what is kept of later segments is of no use without it. */
static bool has_part_of_needed(const struct recovery *rec,
			       const struct stage_segment *s, uint64_t pos)
{
	for (unsigned int i = 0; i < rec->nr; i++)
		if (rec->found[i].is_needed)
			return !s->end || s->end > pos;
	return false;
}

/* The segment in which the log ends, at @pos. T4, Z3, log A9 */
static int judge_end(struct recovery *rec, const struct stage_segment *s,
		     uint64_t pos, struct error *err)
{
	struct stage_group *g = rec->g;
	struct behind b = stage_look_behind(g, s, pos);
	int ret = b.error ? refuse_unread(g, s, "which ends there",
					  b.error, err) : 0;

	if (ret)
		return ret;
	rec->may_go_on = !b.has_commit && !b.is_acked && !b.unread;
	rec->is_unreadable = b.unread;
	rec->is_damaged |= b.is_acked;
	if (!rec->is_damaged && !b.unread && !has_part_of_needed(rec, s, pos))
		return 0;
	rec->lost_from = s->number;
	rec->copy_failed = copy_end(rec, s);
	rec->is_copied = !rec->copy_failed;
	if (is_view(g) && rec->copy_failed) {
		rec->is_left = true;
		rec->copy_failed = 0;
	}
	return !rec->copy_failed || !rec->is_damaged || is_only_looking(g) ? 0 :
	       error_set(err, rec->copy_failed, "%s: the log is damaged, and "
			 "does not count from segment %" PRIu64 " on: what it "
			 "had cannot be kept in %s (%s), so nothing is changed",
			 g->name, s->number, g->dir,
			 strerror(-rec->copy_failed));
}

/* Behind its front, which nobody has written, may be what was answered. */
static int judge_blank(struct recovery *rec, struct found *f,
		       const struct stage_segment *s)
{
	int ret = f->is_blank ? stage_is_blank(rec->g, s) : 0;

	f->is_blank = ret > 0;
	f->is_needed = !f->is_blank;
	return ret < 0 ? ret : 0;
}

/*
 * Where its front is damaged, its salt may be known all the same. Nothing is
 * moved before all of them were judged: one that cannot be read now is not even
 * taken for damaged. Z5
 */
static int judge_found(struct recovery *rec, struct found *f, struct error *err)
{
	struct stage_segment *taken = f->is_chosen ?
		stage_segment_find(rec->g, f->s.number) : NULL;
	struct stage_segment s = f->s;
	struct behind b = { 0 };

	s.salt = f->is_good ? f->b.salt : s.salt;
	s.fd = taken ? taken->fd : s.fd;
	if (!s.salt) {
		b.error = judge_blank(rec, f, &s);
	} else {
		b = stage_look_behind(rec->g, &s, STAGE_BLOCK_BYTES);
		f->is_needed |= b.has_commit || b.is_acked || b.unread;
		rec->is_damaged |= b.is_acked;
	}
	return b.error ? refuse_unread(rec->g, &s, "behind what counts",
				       b.error, err) : 0;
}

/* *lsn: up to where something was answered, as far as that is known. Z8 */
static int find_answered(const struct stage_group *g, uint64_t stop_lsn,
			 uint64_t *lsn, struct error *err)
{
	int ret = 0;

	*lsn = g->durable_lsn > g->kept_lsn ? g->durable_lsn : 0;
	if (stop_lsn > *lsn)
		ret = is_no_record(g, stop_lsn);
	if (ret > 0)
		*lsn = stop_lsn;
	return ret < 0 ? refuse_unread(g, stage_segment_find(g,
						stage_lsn_segment(stop_lsn)),
				       "which ends there", ret, err) : 0;
}

int stage_recover_judge(struct recovery *rec, uint64_t end_lsn,
			uint64_t stop_lsn, struct error *err)
{
	struct stage_group *g = rec->g;
	uint64_t number = stage_lsn_segment(end_lsn);
	struct stage_segment *end = stage_segment_find(g, number);
	uint64_t answered;
	int ret = find_answered(g, stop_lsn, &answered, err);

	rec->is_damaged = answered;
	for (unsigned int i = 0; !ret && i < rec->nr; i++) {
		struct found *f = &rec->found[i];

		if ((f->is_chosen && f->s.number <= number) || f->s.is_lost ||
		    f->s.number < g->checkpoint.first)
			continue;
		f->is_needed = f->is_chosen &&
			       f->s.number <= stage_lsn_segment(answered);
		ret = judge_found(rec, f, err);
	}
	return !ret && end ? judge_end(rec, end, stage_lsn_pos(end_lsn), err) :
			     ret;
}

/* --- what is kept --------------------------------------------------------- */

/*
 * Z3. A predecessor of what counts was dropped before: it goes for good. What
 * stands before a commit that is kept may have that one's data.
 */
static bool is_kept(const struct recovery *rec, const struct found *f)
{
	if (f->s.is_lost)
		return true;
	if (f->s.number < rec->g->checkpoint.first)
		return false;
	return f->is_needed || (rec->is_kept && !f->is_blank);
}

/* Z6: a file may have stayed where it was. */
static bool is_put_aside(const struct stage_group *g, uint64_t number)
{
	const struct stage_io *io = g->stage->io;
	char path[sizeof(g->dir) + 32];
	int fd;

	if (!g->stage->medium->is_sparse)
		return true;
	make_lost_path(g, number, path, sizeof(path));
	fd = io->open(io->arg, path, O_RDONLY);
	if (fd >= 0)
		io->close(io->arg, fd);
	return fd >= 0;
}

/* From the newest on: it is what a later one needs, too. */
static void decide(struct recovery *rec)
{
	for (unsigned int i = rec->nr; i-- > 0;) {
		struct found *f = &rec->found[i];

		if (f->s.fd < 0)
			continue;
		f->is_kept = is_kept(rec, f);
		rec->is_kept |= f->is_kept;
		if (f->is_kept && !f->s.is_lost)
			rec->lost_from = rec->lost_from &&
					 rec->lost_from < f->s.number ?
					 rec->lost_from : f->s.number;
	}
}

/* @may_move: else it stays, and is told all the same. */
static int discard(struct recovery *rec, struct found *f, bool may_move,
		   struct error *err)
{
	const struct stage_medium *medium = rec->g->stage->medium;
	int ret;

	if (!f->is_kept) {
		if (may_move)
			medium->remove(rec->g, &f->s);
		return 0;
	}
	ret = may_move ? medium->keep(rec->g, &f->s, err) : 0;
	rec->is_left |= !may_move || !is_put_aside(rec->g, f->s.number);
	return ret;
}

/* Those of the chain, which are behind its end, or those beside it. */
static int discard_some(struct recovery *rec, bool is_chosen, bool may_move,
			unsigned int *nr, struct error *err)
{
	int ret = 0;

	*nr = 0;
	for (unsigned int i = rec->nr; !ret && i-- > 0;) {
		struct found *f = &rec->found[i];

		if (f->s.fd < 0 || f->is_chosen != is_chosen)
			continue;
		ret = discard(rec, f, may_move, err);
		++*nr;
	}
	return ret;
}

/* Z6, Z8 */
static void tell(const struct recovery *rec)
{
	struct stage_group *g = rec->g;
	char image[64] = "there is no image";
	char kept[sizeof(g->dir) + 64] = "", but[64] = "";

	if (g->clean_epoch)
		snprintf(image, sizeof(image), "the image is of epoch %" PRIu64,
			 g->clean_epoch);
	if (rec->copy_failed)
		snprintf(kept, sizeof(kept), "; not all it had can be kept: %s",
			 strerror(-rec->copy_failed));
	else if (rec->is_left)
		snprintf(kept, sizeof(kept), "; not all it had is put aside%s "
			 "in %s", is_view(g) ? " yet" : "", g->dir);
	else if (rec->is_kept || rec->is_copied)
		snprintf(kept, sizeof(kept), "; what it had is kept in %s "
			 "(replica-dump)", g->dir);
	if (rec->is_copied && rec->unread)
		snprintf(but, sizeof(but), ", but for %" PRIu64 " bytes that "
			 "cannot be read", rec->unread);
	g->is_notice_kept = !rec->copy_failed && !rec->is_left &&
			    (rec->is_kept || rec->is_copied);
	error_set(&g->notice, -EBADMSG, "%s: the log %s, and does not count "
		  "from segment %" PRIu64 " on: %s%s%s", g->name,
		  rec->is_damaged ? "is damaged" :
		  rec->is_unreadable ? "cannot be read behind its end" :
				       "was cut off or is damaged",
		  rec->lost_from, image, kept, but);
}

/* Z4, Z9 */
int stage_recover_discard(struct recovery *rec, struct error *err)
{
	bool is_sure = !stage_checkpoint_confirm(rec->g, NULL);
	bool may_move = is_sure && !is_view(rec->g);
	unsigned int nr;
	int ret;

	decide(rec);
	ret = discard_some(rec, false, may_move, &nr, err);
	if (!ret && may_move && nr && !stage_fault(Z9))
		may_move = !rec->g->stage->medium->settle(rec->g);
	if (!ret)
		ret = discard_some(rec, true, may_move, &nr, err);
	if (rec->lost_from)
		tell(rec);
	return ret;
}
