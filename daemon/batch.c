// SPDX-License-Identifier: GPL-2.0-or-later
#include "batch.h"

#include <string.h>

#include "header.h"
#include "util/zero.h"

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

/* The next stretch of chunks, at most @most of them; neighbours are merged. */
static uint64_t cursor_take(struct cursor *c, uint64_t most, uint64_t *start)
{
	uint64_t count = 0;

	*start = c->extents[c->at].start + c->taken;
	while (!cursor_at_end(c) && count < most) {
		const struct dmr_extent *e = &c->extents[c->at];
		uint64_t n = e->count - c->taken;

		if (e->start + c->taken != *start + count)
			break;
		if (n > most - count)
			n = most - count;
		count += n;
		c->taken += n;
		if (c->taken == e->count) {
			c->at++;
			c->taken = 0;
		}
	}
	return count;
}

void batch_fill(struct batch *b, struct cursor *c, const struct batch_shape *s)
{
	b->used = 0;
	b->nr_runs = 0;
	while (!cursor_at_end(c) && s->io_bytes - b->used >= s->chunk_bytes &&
	       b->nr_runs < batch_max_runs(s)) {
		struct run *run = &b->runs[b->nr_runs++];
		uint64_t start, count, left;

		count = cursor_take(c, (s->io_bytes - b->used) /
				    s->chunk_bytes, &start);
		run->batch = b;
		run->off = start * s->chunk_bytes;
		left = s->volume_bytes - run->off;
		run->len = count * s->chunk_bytes;
		if (run->len > left)
			run->len = left;
		run->got = 0;
		run->step = run->len;
		run->pos = b->used;
		b->used = round_up(run->pos + run->len, BATCH_ALIGN);
	}
	b->reading = b->nr_runs;
}

static struct record *record_new(struct batch *b, uint64_t off, uint32_t pos)
{
	struct record *r = &b->records[b->nr_records++];

	r->off = off;
	r->len = 0;
	r->pos = pos;
	return r;
}

/* The end of a volume that is no multiple of the target's block: the padding
 * falls between the volume and the tail. */
static uint32_t pad(char *data, uint32_t len, const struct batch_shape *s)
{
	uint32_t padded = round_up(len, s->min_block);

	if (padded > len)
		memset(data + len, 0, padded - len);
	return padded;
}

static void split_run(struct batch *b, const struct run *run, const char *data,
		      const struct batch_shape *s)
{
	struct record *r = NULL;
	bool was_zero = false;

	for (uint32_t at = 0; at < run->len; at += s->chunk_bytes) {
		uint32_t n = run->len - at < s->chunk_bytes ? run->len - at :
							      s->chunk_bytes;
		bool zero = s->zeros && is_zero(data + at, n);

		if (n % s->min_block)
			n = pad((char *)data + at, n, s);
		if (!r || zero != was_zero || r->len + n > s->max_record)
			r = record_new(b, run->off + at,
				       zero ? RECORD_ZERO : run->pos + at);
		r->len += n;
		was_zero = zero;
	}
}

void batch_split(struct batch *b, const char *base,
		 const struct batch_shape *s)
{
	b->nr_records = 0;
	b->sent = 0;
	for (unsigned int i = 0; i < b->nr_runs; i++) {
		const struct run *run = &b->runs[i];

		split_run(b, run, base ? base + run->off : b->buf + run->pos,
			  s);
	}
	b->unanswered = b->nr_records;
}

static unsigned int record_chunks(const struct record *r,
				  const struct batch_shape *s)
{
	return (r->len + s->chunk_bytes - 1) / s->chunk_bytes;
}

unsigned int batch_data_chunks(const struct batch *b,
			       const struct batch_shape *s)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < b->nr_records; i++)
		if (b->records[i].pos != RECORD_ZERO)
			nr += record_chunks(&b->records[i], s);
	return nr;
}

/* A chunk's digest is of its bytes in the volume, without padding. */
static bool is_equal(const char *data, uint64_t off, uint32_t len,
		     const char *sum, const struct batch_shape *s,
		     uint64_t seed)
{
	char ours[REPLICA_SUM_BYTES];

	if (len > s->volume_bytes - off)
		len = s->volume_bytes - off;
	replica_sum(ours, data, len, seed);
	return !memcmp(ours, sum, sizeof(ours));
}

/* What of @r differs; @sums are its chunks'. Returns the bytes that don't. */
static uint32_t trim_record(struct batch *b, const struct record *r,
			    const char *data, const char *sums,
			    const struct batch_shape *s, uint64_t seed)
{
	uint32_t equal = 0, n;
	struct record *left = NULL;

	for (uint32_t at = 0; at < r->len; at += n) {
		n = r->len - at < s->chunk_bytes ? r->len - at :
						   s->chunk_bytes;
		if (is_equal(data + at, r->off + at, n, sums, s, seed)) {
			equal += n;
			left = NULL;
		} else {
			if (!left)
				left = record_new(b, r->off + at, r->pos + at);
			left->len += n;
		}
		sums += REPLICA_SUM_BYTES;
	}
	return equal;
}

uint32_t batch_trim(struct batch *b, const char *base,
		    const struct batch_shape *s, uint64_t seed)
{
	struct record *old = b->records;
	unsigned int nr = b->nr_records;
	const char *sums = b->sums;
	uint32_t equal = 0, data = 0;

	b->records = b->spare;
	b->spare = old;
	b->nr_records = b->sent = 0;
	for (const struct record *r = old; r < old + nr; r++) {
		if (r->pos == RECORD_ZERO) {
			b->records[b->nr_records++] = *r;
			continue;
		}
		equal += trim_record(b, r, base ? base + r->off :
				     b->buf + r->pos, sums, s, seed);
		sums += record_chunks(r, s) * REPLICA_SUM_BYTES;
		data += r->len;
	}
	b->unanswered = b->nr_records;
	b->used = data - equal;
	return equal;
}

size_t batch_extents(const struct batch *b, struct dmr_extent *extents,
		     const struct batch_shape *s)
{
	for (unsigned int i = 0; i < b->nr_runs; i++) {
		const struct run *run = &b->runs[i];

		extents[i].start = run->off / s->chunk_bytes;
		extents[i].count = (run->len + s->chunk_bytes - 1) /
				   s->chunk_bytes;
	}
	return b->nr_runs;
}
