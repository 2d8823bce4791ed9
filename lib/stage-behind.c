// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What stands in a segment behind the end of what counts: read once, in large
 * pieces, and what is a hole not at all.
 *
 * D1 each place where a record may begin is looked at, but for those in the
 *    payload of a good one; also behind what is no record, and behind what
 *    cannot be read.
 * D2 what cannot be read is counted, and is not zeros: nobody knows what it is.
 *    A disk that gives nothing any more is not asked for all of it, and for a
 *    block that is bad only twice: each time takes long. Of many in a row,
 *    or many in all, each takes twice as many of its neighbours with it, which
 *    are not asked for: they are as if they could not be read
 *    [stage_asking_failed].
 * D3 what may be read the next time (io: stage_read_error) is not waited for
 *    here: nothing is known of what is behind it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stage-parts.h"
#include "stage-recover.h"
#include "util/zero.h"

#define PIECE_BYTES	(256U << 10)
#define PATIENT_ROW	4		/* D2: in a row … */
#define PATIENT		8		/* … and in all, each time so many */
#define MOST_SHIFT	20		/* 4 GiB */

struct look {
	struct stage_group *g;
	const struct stage_segment *s;
	uint64_t begin, pos;
	uint64_t data_end;		/* no hole up to here */
	char *buf;
	uint64_t from, len;		/* what buf has */
	uint64_t singly;		/* up to here, block by block */
	struct asking asking;
	struct behind found;
};

static bool is_commit(const struct stage_record *r)
{
	return r->type == STAGE_REC_CLEAN || r->type == STAGE_REC_PARTIAL;
}

/* Where the first record is, at most, that is not repeated from before (G3). */
static uint64_t front_end(const struct stage_group *g)
{
	return STAGE_BLOCK_BYTES + g->nr_members *
	       (STAGE_RECORD_BYTES + REPLICA_SLOT_BYTES);
}

static bool is_begun_later(const struct look *l, const struct stage_record *r)
{
	return l->pos > l->begin && l->pos > front_end(l->g) &&
	       (r->type == STAGE_REC_OPEN || r->type == STAGE_REC_HEADER);
}

/* False: there is nothing more. */
static bool skip_hole(struct look *l)
{
	const struct stage_io *io = l->g->stage->io;

	while (l->pos >= l->data_end && l->pos < l->s->bytes) {
		uint64_t len = l->s->bytes - l->pos;
		bool is_hole = io->is_hole(io->arg, l->s->fd, l->s->at + l->pos,
					   &len);
		uint64_t end = l->pos + (len ? len : STAGE_ALIGN);

		if (!is_hole)
			l->data_end = end;
		else
			l->pos = end & ~(uint64_t)(STAGE_ALIGN - 1);
		if (is_hole && end - l->pos)	/* it ends amid a head */
			l->data_end = l->pos + STAGE_ALIGN;
	}
	return l->pos + STAGE_RECORD_BYTES <= l->s->bytes;
}

static ssize_t read_at(struct look *l, size_t len)
{
	const struct stage_io *io = l->g->stage->io;

	return stage_pread(io, l->s->fd, l->buf, len, l->s->at + l->pos);
}

static size_t min_size(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* D3 */
static void stop(struct look *l, int error)
{
	l->found.error = error;
	l->found.unread = l->s->bytes;
}

void stage_asking_failed(struct asking *a, uint64_t pos)
{
	unsigned int shift = ++a->nr / PATIENT;

	if (++a->in_a_row > PATIENT_ROW + shift)
		shift = a->in_a_row - PATIENT_ROW;
	if (shift > MOST_SHIFT)
		shift = MOST_SHIFT;
	a->upto = (pos / STAGE_BLOCK_BYTES + (1ULL << shift)) *
		  STAGE_BLOCK_BYTES;
}

/* To the next block, in which there may be something that can be read. */
static void step_over(struct look *l)
{
	uint64_t next;

	stage_asking_failed(&l->asking, l->pos);
	next = min_size(l->asking.upto, l->s->bytes);
	l->found.unread += next - l->pos;
	l->pos = next;
}

/* What is at ->pos is in ->buf, with what follows; or -errno. */
static int fill(struct look *l)
{
	size_t block = STAGE_BLOCK_BYTES - l->pos % STAGE_BLOCK_BYTES;
	size_t most = min_size(l->pos < l->singly ? block : PIECE_BYTES,
			       l->s->bytes - l->pos);
	ssize_t n;

	if (l->pos >= l->from &&
	    l->pos + STAGE_RECORD_BYTES <= l->from + l->len)
		return 0;
	n = read_at(l, most);
	if (n == -EIO && most > block) {
		l->singly = l->pos + most;
		n = read_at(l, most = block);
	}
	if (n < 0)
		return n;
	stage_asking_got(&l->asking);
	if ((size_t)n < most)
		memset(l->buf + n, 0, most - n);
	l->from = l->pos;
	l->len = most;
	return 0;
}

static void look_at_head(struct look *l)
{
	struct stage_record r;

	if (stage_record_decode(&r, l->s->salt, stage_lsn(l->s->number, l->pos),
				l->buf + (l->pos - l->from)) ||
	    stage_record_end(l->pos, r.payload) > l->s->bytes) {
		l->pos += STAGE_ALIGN;
		return;
	}
	l->found.has_commit |= is_commit(&r);
	l->found.is_acked |= is_begun_later(l, &r);
	l->pos = stage_record_end(l->pos, r.payload);
}

struct behind stage_look_behind(struct stage_group *g,
				const struct stage_segment *s, uint64_t from)
{
	struct look l = { .g = g, .s = s, .begin = from, .pos = from };
	int ret;

	l.buf = malloc(PIECE_BYTES);
	if (!l.buf)
		stop(&l, -ENOMEM);
	while (!l.found.error && skip_hole(&l)) {
		ret = fill(&l);
		if (!ret)
			look_at_head(&l);
		else if (ret == -EIO)
			step_over(&l);
		else
			stop(&l, ret);
	}
	free(l.buf);
	return l.found;
}

int stage_is_blank(const struct stage_group *g, const struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;
	char *buf = malloc(PIECE_BYTES);
	int ret = buf ? 1 : -ENOMEM;

	for (uint64_t pos = 0, len; ret == 1 && pos < s->bytes; pos += len) {
		ssize_t n;

		len = s->bytes - pos;
		if (io->is_hole(io->arg, s->fd, s->at + pos, &len) && len)
			continue;
		len = min_size(PIECE_BYTES, s->bytes - pos);
		n = stage_pread(io, s->fd, buf, len, s->at + pos);
		if (n < 0)
			ret = n == -EIO ? 0 : n;		/* D3 */
		else
			ret = is_zero(buf, n);
		if (n == 0)
			break;			/* the file ends here */
		len = n;
	}
	free(buf);
	return ret;
}
