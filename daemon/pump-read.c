// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The reading side of the pump.
 *
 * Chunks that the kernel holds are read as fast as the memory lets us, because
 * each is released by it. Others are read a little ahead of what is sent: more
 * would only push the data out of the processor's cache before it is used.
 */
#include "pump-impl.h"

#include <errno.h>
#include <string.h>

#define AHEAD_BATCHES	8	/* read or being read, if nothing is held */
#define HELD_READS	256	/* runs being read, if something is */

static void run_start(struct pump *p, struct run *run);

/* Safe in memory: say so, and let it be sent. */
static void batch_read(struct pump *p, struct batch *b)
{
	const char *mem = p->job.fd < 0 ? p->job.mem : NULL;
	size_t nr;

	p->reading--;
	batch_split(b, mem, &p->shape);
	batch_push(&p->ready, b);
	if (!p->job.on_read)
		return;
	nr = batch_extents(b, p->scratch, &p->shape);
	p->job.on_read(p->job.arg, p->scratch, nr);
}

static void run_complete(struct pump *p, struct run *run)
{
	struct batch *b = run->batch;

	p->stats.bytes_read += run->len;
	if (!--b->reading && !p->err)
		batch_read(p, b);
}

static void run_ended_early(struct pump *p, const struct run *run)
{
	unsigned long long at = run->off + run->got;

	p->stats.bad_sector = at / 512;
	pump_fail(p, -ENODATA, "the source ends at byte %llu, the volume has "
		  "%llu", at, (unsigned long long)p->job.volume_bytes);
}

/* A long read that fails is done again chunk by chunk, to name the sector. */
static void run_failed(struct pump *p, struct run *run, int err)
{
	unsigned long long sector = (run->off + run->got) / 512;

	if (err == -EINTR || err == -EAGAIN) {
		run_start(p, run);
	} else if (run->step > p->shape.chunk_bytes) {
		run->step = p->shape.chunk_bytes;
		run_start(p, run);
	} else {
		p->stats.bad_sector = sector;
		pump_fail(p, err, "the source cannot be read at sector %llu: "
			  "%s", sector, strerror(-err));
	}
}

static void run_advance(struct pump *p, struct run *run, uint32_t res)
{
	uint32_t got = run->got + res;

	got -= got % p->align;
	if (run->got + res >= run->len) {
		run_complete(p, run);
	} else if (!res) {
		run_ended_early(p, run);
	} else if (got == run->got) {
		run_failed(p, run, -EIO);
	} else {
		run->got = got;
		run_start(p, run);
	}
}

static void run_done(struct ring_op *op, int res, unsigned int flags)
{
	struct run *run = container_of(op, struct run, op);
	struct pump *p = run->batch->owner;

	p->reads--;
	if (p->err)
		;	/* P3: nothing more of it */
	else if (res < 0)
		run_failed(p, run, res);
	else
		run_advance(p, run, res);
	pump_turn(p);
}

/* O_DIRECT wants whole blocks at the end of the volume, too; what lies beyond
 * the end is not returned, or not used. */
static void run_start(struct pump *p, struct run *run)
{
	uint32_t left = run->len - run->got;

	if (left > run->step)
		left = run->step;
	left = (left + p->align - 1) / p->align * p->align;
	run->op.done = run_done;
	p->reads++;
	ring_read(p->ring, &run->op, p->job.fd, run->batch->buf + run->pos +
		  run->got, left, run->off + run->got);
}

static void batch_start(struct pump *p, struct batch *b)
{
	batch_fill(b, &p->cursor, &p->shape);
	p->reading++;
	for (unsigned int i = 0; i < b->nr_runs; i++) {
		if (p->job.fd < 0)
			run_complete(p, &b->runs[i]);
		else
			run_start(p, &b->runs[i]);
	}
}

/* Returning batches need buffers as well. */
static unsigned int reserved(const struct pump *p)
{
	return p->parked ? pump_max_senders(p) - p->senders : 0;
}

static bool may_read(const struct pump *p)
{
	if (p->err || cursor_at_end(&p->cursor) ||
	    pump_nr_free(p) <= reserved(p))
		return false;
	if (p->job.held)
		return p->reads < HELD_READS;
	return p->reading + p->ready.nr < AHEAD_BATCHES;
}

void pump_read(struct pump *p)
{
	while (may_read(p)) {
		struct batch *b = pump_get_batch(p);

		if (!b)
			return;
		batch_start(p, b);
	}
}
