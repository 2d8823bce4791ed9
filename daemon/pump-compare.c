// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Comparing: what a batch has of data is sent only where the target's digests
 * differ from ours (W4). Each of many batches asks at once, so that a link of
 * long delay is used well; the data may stay away.
 *
 *	ready -> asking   [pump_ask]		on the sending side (P4): what
 *						has been read was released
 *	asking -> asked   [batch_compared]	something is left to be sent
 *	asking -> free    [batch_compared]	nothing is
 *	asked -> sending  [next_to_send]
 *
 * P6 a digest is of what the next commit would leave without this job, so it
 *    is good for as long as the job's epoch is open, and no longer: it is asked
 *    for after the epoch was opened, and used before it is committed.
 * P7 where a digest is missing, for whatever reason, the data is sent.
 *
 * Zeros are not compared: to send them costs less than their digests.
 */
#include "pump-impl.h"

#include <stdlib.h>

#include "header.h"

static void batch_compared(struct pump *p, struct batch *b)
{
	const char *mem = p->job.fd < 0 ? p->job.mem : NULL;
	uint32_t equal;

	if (b->is_unknown) {
		p->stats.is_unknown = true;		/* P7 */
	} else {
		equal = batch_trim(b, mem, &p->shape, p->job.seed);
		p->stats.bytes_equal += equal;
		p->stats.bytes_compared += equal + b->used;
	}
	if (b->nr_records) {
		batch_push(&p->asked, b);
		return;
	}
	p->senders--;
	batch_unpop(&p->free, b);
}

static void ask_done(void *arg, int err)
{
	struct batch *b = arg;
	struct pump *p = b->owner;

	p->asks--;
	b->is_unknown |= err != 0;
	if (!--b->asks && !p->err)
		batch_compared(p, b);
	pump_turn(p);
}

static void ask(struct pump *p, struct batch *b, uint64_t off, uint32_t nr,
		char *sums)
{
	if (backend_sums(p->job.backend, off / p->shape.chunk_bytes, nr, sums,
			 p->job.seed, ask_done, b)) {
		b->is_unknown = true;
		return;
	}
	b->asks++;
	p->asks++;
	if (p->opts.limit)
		limiter_take(p->opts.limit, PUMP_REQUEST_COST);
}

/* Records that are neighbours in the volume share a request. */
static void ask_all(struct pump *p, struct batch *b)
{
	uint32_t chunk = p->shape.chunk_bytes;
	uint64_t from = 0, end = 0;
	char *sums = b->sums;

	for (unsigned int i = 0; i < b->nr_records; i++) {
		const struct record *r = &b->records[i];

		if (r->pos == RECORD_ZERO)
			continue;
		if (r->off != end && end > from) {
			uint32_t nr = (end - from + chunk - 1) / chunk;

			ask(p, b, from, nr, sums);
			sums += nr * REPLICA_SUM_BYTES;
		}
		if (r->off != end)
			from = r->off;
		end = r->off + r->len;
	}
	ask(p, b, from, (end - from + chunk - 1) / chunk, sums);
}

static bool has_room(struct pump *p, struct batch *b)
{
	unsigned int most = batch_max_records(&p->shape);

	if (!b->sums)
		b->sums = malloc(most * REPLICA_SUM_BYTES);
	if (!b->spare)
		b->spare = calloc(most, sizeof(*b->spare));
	return b->sums && b->spare;
}

static void batch_ask(struct pump *p, struct batch *b)
{
	p->senders += !b->is_sender;
	b->is_sender = true;
	b->is_unknown = !has_room(p, b);
	b->asks = 0;
	if (!b->is_unknown && batch_data_chunks(b, &p->shape))
		ask_all(p, b);
	if (!b->asks)
		batch_compared(p, b);
}

void pump_ask(struct pump *p)
{
	while (p->job.compare && !p->err && p->ready.head &&
	       (p->ready.head->is_sender || p->senders < pump_max_senders(p)))
		batch_ask(p, batch_pop(&p->ready));
}
