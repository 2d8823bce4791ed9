// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The segments that a log has on the disk, and which of them are the log: a
 * chain, from the newest back to the oldest that is needed. Rules Z5 and Z7 are
 * at the top of stage-recover.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"
#include "stage-recover.h"

#define UNKNOWN_NUMBERS	16384U	/* more are seldom used without a commit */

/* --- finding the segments ------------------------------------------------- */

static int add_found(void *arg, const struct stage_segment *s)
{
	struct recovery *rec = arg;
	struct found *more;

	if (rec->nr == rec->max) {
		rec->max = rec->max ? rec->max * 2 : 64;
		more = realloc(rec->found, rec->max * sizeof(*more));
		if (!more)
			return -ENOMEM;
		rec->found = more;
	}
	rec->found[rec->nr] = (struct found) { .s = *s };
	rec->found[rec->nr].s.fd = -1;
	rec->found[rec->nr++].b.number = s->number;
	return 0;
}

static int compare_found(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->s.number < y->s.number ? -1 : x->s.number > y->s.number;
}

static int tell(const struct stage_group *g, const struct found *f, int ret,
		const char *what, struct error *err)
{
	return error_set(err, ret, "%s: segment %" PRIu64 " of the log: %s",
			 g->name, f->s.number, what);
}

/* A bad one is as one that is not there. */
static int read_front(struct stage_group *g, struct found *f, struct error *err)
{
	const struct stage_io *io = g->stage->io;
	struct stage_segment_block b;
	char block[STAGE_BLOCK_BYTES];
	int ret = g->stage->medium->open(g, &f->s);
	ssize_t n;

	if (ret)
		return tell(g, f, ret, strerror(-ret), err);
	n = stage_pread(io, f->s.fd, block, sizeof(block), f->s.at);
	if (n < 0)
		return tell(g, f, -EIO, "cannot be read", err);
	ret = n < (ssize_t)sizeof(block) ? -EBADMSG :
					   stage_segment_decode(&b, block);
	if (ret == -EPROTONOSUPPORT)
		return tell(g, f, ret, "of a newer format", err);
	f->is_blank = ret == -ENODATA || n < (ssize_t)sizeof(block);
	f->is_good = !ret && b.number == f->s.number && !f->s.is_lost &&
		     (!f->s.salt || b.salt == f->s.salt) &&
		     !memcmp(b.log_id, g->log_id, sizeof(b.log_id));
	if (f->is_good)
		f->b = b;
	return 0;
}

int stage_recover_find(struct recovery *rec, struct error *err)
{
	struct stage_group *g = rec->g;
	int ret = g->stage->medium->list(g, add_found, rec);

	g->next_number = g->checkpoint.first + 1;
	if (!ret)
		ret = stage_recover_note_lost(g);
	if (ret)
		return error_set(err, ret, "%s: %s", g->dir, strerror(-ret));
	if (rec->nr)
		qsort(rec->found, rec->nr, sizeof(*rec->found), compare_found);
	for (unsigned int i = 0; !ret && i < rec->nr; i++) {
		struct found *f = &rec->found[i];

		ret = read_front(g, f, err);
		if (f->s.number >= g->next_number)
			g->next_number = f->s.number + 1;
		if (f->is_good && f->b.seen > g->seen)
			g->seen = f->b.seen;
	}
	/* Z7: each epoch that was given up may have used a number, too. */
	g->next_number += g->stage->medium->nr_unknown(g) * UNKNOWN_NUMBERS;
	return ret;
}

/* --- chain ---------------------------------------------------------------- */

static struct found *find_before(struct recovery *rec, const struct found *f)
{
	for (unsigned int i = 0; i < rec->nr; i++)
		if (rec->found[i].is_good &&
		    rec->found[i].b.number == f->b.prev &&
		    rec->found[i].b.salt == f->b.prev_salt)
			return &rec->found[i];
	return NULL;
}

static bool is_chain(struct recovery *rec, struct found *f)
{
	uint64_t first = rec->g->checkpoint.first;

	if (f->b.number < first)
		return false;
	while (f && f->b.prev && f->b.prev >= first)
		f = find_before(rec, f);
	return f;
}

/* Only one of two can be what was acknowledged last: nobody knows which. */
static int check_numbers(struct recovery *rec, struct error *err)
{
	for (unsigned int i = 1; i < rec->nr; i++)
		if (rec->found[i].is_good && rec->found[i - 1].is_good &&
		    rec->found[i].s.number == rec->found[i - 1].s.number &&
		    is_chain(rec, &rec->found[i]) &&
		    is_chain(rec, &rec->found[i - 1]))
			return tell(rec->g, &rec->found[i], -EIO,
				    "there are two of this number", err);
	return 0;
}

static void choose_chain(struct recovery *rec)
{
	uint64_t first = rec->g->checkpoint.first;
	struct found *f = NULL;

	for (unsigned int i = rec->nr; i-- > 0 && !f;)
		if (rec->found[i].is_good && is_chain(rec, &rec->found[i]))
			f = &rec->found[i];
	while (f) {
		f->is_chosen = true;
		f = f->b.prev && f->b.prev >= first ? find_before(rec, f) :
						      NULL;
	}
}

void stage_recover_leave(struct stage_group *g, struct stage_segment *s,
			 uint64_t end)
{
	s->end = s->tail = end;
	if (end < s->bytes)
		stage_segment_limit(g, s, end);
}

static int take_segment(struct stage_group *g, struct found *f)
{
	struct stage_segment *s = calloc(1, sizeof(*s)), *before;

	if (!s)
		return -ENOMEM;
	*s = f->s;
	s->salt = f->b.salt;
	if (s->bytes > f->b.bytes)
		s->bytes = f->b.bytes;
	s->tail = s->room = s->bytes;
	before = g->nr_segments ? g->segments[g->nr_segments - 1] : NULL;
	if (before)
		stage_recover_leave(g, before, f->b.prev_end);
	if (stage_segment_add(g, s)) {
		free(s);
		return -ENOMEM;
	}
	f->s.fd = -1;
	if (f->b.durable_lsn > g->durable_lsn)
		g->durable_lsn = f->b.durable_lsn;
	return 0;
}

int stage_recover_chain(struct recovery *rec, struct error *err)
{
	struct stage_group *g = rec->g;
	int ret = check_numbers(rec, err);

	if (ret)
		return ret;
	choose_chain(rec);
	for (unsigned int i = 0; !ret && i < rec->nr; i++) {
		struct found *f = &rec->found[i];

		if (!f->is_chosen)
			continue;
		if (!g->nr_segments && f->b.partial > g->partial_epoch)
			g->partial_epoch = f->b.partial;
		ret = take_segment(g, f);
	}
	if (ret)
		return error_set(err, ret, "no memory");
	if (g->nr_segments || !g->checkpoint.applied_lsn)
		return 0;
	return error_set(err, -EIO, "%s: segment %" PRIu64 " of the log is "
			 "missing or damaged", g->name, g->checkpoint.first);
}
