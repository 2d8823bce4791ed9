// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the log in its order: for recovery and for the applier. Nobody but
 * the applier drops segments that it may be in.
 *
 * K1 it goes from record to record and, at a segment's end, to the next one in
 *    the list; it never looks for a record behind something that is none.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"

/*
 * A large payload is read alone, else what is read of the next one with it is
 * read twice, and no cache holds both until they are written.
 */
#define LARGE		(64 << 10)
#define READ_AHEAD	(256 << 10)	/* with a smaller payload */
#define READ_SOME	4096		/* with a head, after a payload that */
#define SMALL		1024		/* was smaller than this */

/*
 * Bytes [pos, pos + len) of the segment, and what follows, if that can be read.
 * NULL: an error.
 */
static const char *look(struct walker *w, uint64_t pos, size_t len,
			size_t ahead, struct error *err)
{
	const struct stage_io *io = w->g->stage->io;
	uint64_t bytes = stage_load(&w->s->bytes);
	size_t need = len;
	ssize_t n;

	if (pos >= w->from && pos + len <= w->from + w->len)
		return w->buf + (pos - w->from);
	if (bytes > pos && ahead > bytes - pos)
		ahead = bytes - pos;
	if (len < ahead)
		len = ahead;
	if (len > w->size) {
		char *more = realloc(w->buf, len);

		if (!more) {
			error_set(err, -ENOMEM, "no memory");
			return NULL;
		}
		w->buf = more;
		w->size = len;
	}
	w->from = pos;
	w->len = 0;
	n = stage_pread(io, w->s->fd, w->buf, len, w->s->at + pos);
	if (n < 0 && len > need) {
		len = need;
		n = stage_pread(io, w->s->fd, w->buf, len, w->s->at + pos);
	}
	if (n < 0) {
		error_set(err, -EIO, "%s: reading segment %" PRIu64
			  " of the log: %s", w->g->name, w->s->number,
			  strerror(-n));
		return NULL;
	}
	memset(w->buf + n, 0, len - n);
	w->len = len;
	return w->buf;
}

static struct stage_segment *segment_after(struct stage_group *g,
					   uint64_t number)
{
	for (unsigned int i = 0; i < g->nr_segments; i++)
		if (g->segments[i]->number > number)
			return g->segments[i];
	return NULL;
}

static void step_to(struct walker *w, struct stage_segment *s)
{
	w->s = s;
	w->pos = STAGE_BLOCK_BYTES;
	w->from = w->len = 0;
}

int stage_walk_begin(struct walker *w, struct stage_group *g, uint64_t lsn,
		     struct error *err)
{
	struct stage_segment *s;
	int ret;

	memset(w, 0, sizeof(*w));
	w->g = g;
	pthread_rwlock_rdlock(&g->index_lock);
	s = stage_segment_find(g, stage_lsn_segment(lsn));
	step_to(w, s ? s : segment_after(g, stage_lsn_segment(lsn)));
	pthread_rwlock_unlock(&g->index_lock);
	if (!lsn)
		return 0;
	w->pos = stage_lsn_pos(lsn);
	ret = s ? stage_walk_next(w, err) : 0;
	if (ret == 1)
		return 0;
	return ret ? ret : error_set(err, -EIO, "%s: the log is damaged: no "
				     "record at %u of segment %u", g->name,
				     stage_lsn_pos(lsn),
				     stage_lsn_segment(lsn));
}

int stage_walk_next(struct walker *w, struct error *err)
{
	const char *head;
	uint64_t end;

	while (w->s && (end = stage_load(&w->s->end)) && w->pos >= end) {
		pthread_rwlock_rdlock(&w->g->index_lock);
		step_to(w, segment_after(w->g, w->s->number));
		pthread_rwlock_unlock(&w->g->index_lock);
	}
	if (!w->s)
		return 0;
	end = stage_load(&w->s->bytes);
	if (w->pos + STAGE_RECORD_BYTES > end)
		return 0;
	head = look(w, w->pos, STAGE_RECORD_BYTES, w->r.payload < SMALL ?
		    READ_SOME : STAGE_RECORD_BYTES, err);
	if (!head)
		return -EIO;
	w->lsn = stage_lsn(w->s->number, w->pos);
	if (stage_record_decode(&w->r, w->s->salt, w->lsn, head) ||
	    stage_record_end(w->pos, w->r.payload) > end)
		return 0;
	w->pos = stage_record_end(w->pos, w->r.payload);
	return 1;
}

const char *stage_walk_payload(struct walker *w, struct error *err)
{
	return look(w, stage_payload_pos(stage_lsn_pos(w->lsn), w->r.payload),
		    w->r.payload, w->r.payload < LARGE ? READ_AHEAD : 0, err);
}

void stage_walk_end(struct walker *w)
{
	free(w->buf);
	w->buf = NULL;
}
