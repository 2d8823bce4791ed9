// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pump: the life of a job, and its sending side. Reading is in pump-read.c,
 * the way through the spool in pump-park.c, what a buffer holds in batch.c.
 *
 * The life of a batch:
 *
 *	free -> reading   [pump_read]		runs are being read
 *	reading -> ready  [batch_read]		split into records; on_read()
 *	ready -> sending  [next_to_send]	records go to the backend; for
 *						a job that compares, see
 *						pump-compare.c
 *	sending -> free   [record_done]		all of them are answered
 *	ready -> parking  [pump_park]		being written to the spool
 *	parking -> free   [parking_done]	its records are kept in a parked
 *	free -> returning [pump_return]		being read back
 *	returning -> sending [returning_done -> ready list, next in line]
 *
 * P1 a chunk is in exactly one place: before the cursor, in one batch, or in
 *    one parked. The job is done when the cursor is at the end and nothing is
 *    anywhere else, so no order of completions can lose or repeat one.
 * P2 on_read() is called for a batch once, when all its runs are in memory; a
 *    parked batch is not forgotten before its records are answered.
 * P3 after the first error nothing is started; done() comes when nothing is
 *    under way any more, deferred, as the last thing that touches the job.
 * P4 on the sending side there are never all batches if parking is possible:
 *    else a link that stands still would stop the reading.
 * P5 the digest and the count of records are of what was given to the backend;
 *    after done(0) each of these was answered.
 *
 * How much is under way at the target is decided in window.c.
 */
#include "pump-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"

#define DEFAULT_CHUNK	4096
#define DEFAULT_IO	(256 * 1024)
#define DEFAULT_MEMORY	(64 * 1024 * 1024)
#define DEFAULT_DEPTH	1024
#define FIRST_WINDOW	(2 * 1024 * 1024)
#define MOST_WINDOW	(1024 * 1024 * 1024)

void pump_fail(struct pump *p, int err, const char *fmt, ...)
{
	va_list args;

	if (p->err)
		return;
	p->err = err;
	va_start(args, fmt);
	vsnprintf(p->error, sizeof(p->error), fmt, args);
	va_end(args);
}

/* --- buffers ------------------------------------------------------------- */

static void batch_destroy(struct pump *p, struct batch *b)
{
	if (b->from_ring)
		ring_buf_put(p->ring, b->buf);
	else
		free(b->buf);
	free(b->runs);
	free(b->records);
	free(b->spare);
	free(b->sums);
	free(b);
}

static int batch_get_buffer(struct pump *p, struct batch *b)
{
	void *buf = p->opts.ring_buffers ? ring_buf_get(p->ring) : NULL;

	b->from_ring = buf;
	if (!buf && posix_memalign(&buf, BATCH_ALIGN, p->opts.io_bytes))
		return -ENOMEM;
	b->buf = buf;
	return 0;
}

static struct batch *batch_create(struct pump *p)
{
	struct batch *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	b->owner = p;
	b->runs = calloc(batch_max_runs(&p->shape), sizeof(*b->runs));
	b->records = calloc(batch_max_records(&p->shape),
			    sizeof(*b->records));
	if (!b->runs || !b->records) {
		batch_destroy(p, b);
		return NULL;
	}
	return b;
}

unsigned int pump_nr_free(const struct pump *p)
{
	return p->free.nr + p->max_batches - p->nr_batches;
}

/* Out of memory: what there is has to do, for this job. */
static struct batch *no_batch(struct pump *p)
{
	p->max_batches = p->nr_batches;
	if (!p->nr_batches)
		pump_fail(p, -ENOMEM, "no memory for a buffer of %u bytes",
			  p->opts.io_bytes);
	return NULL;
}

struct batch *pump_get_batch(struct pump *p)
{
	struct batch *b = batch_pop(&p->free);

	if (!b && p->nr_batches == p->max_batches)
		return NULL;
	if (!b) {
		b = batch_create(p);
		if (!b)
			return no_batch(p);
		p->batches[p->nr_batches++] = b;
	}
	if (p->job.fd >= 0 && !b->buf && batch_get_buffer(p, b)) {
		p->batches[--p->nr_batches] = NULL;
		batch_destroy(p, b);
		return no_batch(p);
	}
	b->is_sender = false;
	return b;
}

/* P4 */
unsigned int pump_max_senders(const struct pump *p)
{
	return pump_can_park(p) ? p->max_batches / 2 : p->max_batches;
}

/* --- the sending side ---------------------------------------------------- */

static void batch_sent(struct pump *p, struct batch *b)
{
	for (unsigned int i = 0; i < b->nr_records; i++) {
		if (b->records[i].pos == RECORD_ZERO)
			p->stats.bytes_zero += b->records[i].len;
		else
			p->stats.bytes_sent += b->records[i].len;
	}
	p->stats.records += b->nr_records;
	p->sending -= b->used;
	p->senders--;
	window_answered(&p->window, b->used, b->started, ring_now(p->ring));
	batch_unpop(&p->free, b);
}

static void record_done(void *arg, int err)
{
	struct batch *b = arg;
	struct pump *p = b->owner;

	p->sends--;
	b->unanswered--;
	if (err)
		pump_fail(p, err, "%s", backend_error(p->job.backend));
	else if (!b->unanswered && !p->err)
		batch_sent(p, b);
	pump_turn(p);
}

static void send_record(struct pump *p, struct batch *b)
{
	const struct record *r = &b->records[b->sent++];
	const char *data = NULL;
	int err;

	if (r->pos == RECORD_ZERO) {
		err = backend_zero(p->job.backend, r->len, r->off, 0,
				   record_done, b);
	} else {
		data = p->job.fd < 0 ? (const char *)p->job.mem + r->off :
				       b->buf + r->pos;
		err = backend_write(p->job.backend, data, r->len, r->off, 0,
				    record_done, b);
	}
	if (err) {
		pump_fail(p, err, "%s", backend_error(p->job.backend));
		return;
	}
	p->sends++;
	p->stats.digest += replica_digest(r->off, data, r->len);
	if (p->opts.limit)
		limiter_take(p->opts.limit,
			     PUMP_REQUEST_COST + (data ? r->len : 0));
}

/* The ready batch that may start, if the send side has room for it. */
static struct batch *next_to_send(struct pump *p)
{
	struct batch_list *from = p->job.compare ? &p->asked : &p->ready;
	struct batch *b = from->head;

	if (!b || (!b->is_sender && p->senders >= pump_max_senders(p)))
		return NULL;
	if (p->sending && p->sending + b->used > p->window.bytes) {
		window_is_full(&p->window);
		return NULL;
	}
	batch_pop(from);
	p->senders += !b->is_sender;
	b->is_sender = true;
	p->sending += b->used;
	b->started = ring_now(p->ring);
	return b;
}

static bool must_wait(struct pump *p)
{
	unsigned int ms = p->opts.limit ?
		limiter_wait(p->opts.limit, ring_now(p->ring)) : 0;

	if (ms && !ring_timer_running(&p->timer))
		ring_timer_add(p->ring, &p->timer, ms);
	return ms;
}

static void pump_send(struct pump *p)
{
	while (!p->err && p->sends < p->opts.depth) {
		if (!p->current)
			p->current = next_to_send(p);
		if (!p->current || must_wait(p))
			return;
		send_record(p, p->current);
		if (p->current->sent == p->current->nr_records)
			p->current = NULL;
	}
}

static void limit_over(struct ring_timer *timer)
{
	pump_turn(container_of(timer, struct pump, timer));
}

/* --- the life of a job --------------------------------------------------- */

static bool is_idle(const struct pump *p)
{
	return !p->reads && !p->asks && !p->sends && !p->parkings &&
	       !p->returns;
}

/* P1 */
static bool is_complete(const struct pump *p)
{
	return cursor_at_end(&p->cursor) && !p->parked && !p->current &&
	       !p->ready.nr && !p->asked.nr && !p->senders;
}

void pump_turn(struct pump *p)
{
	if (!p->err) {
		pump_read(p);
		pump_ask(p);
		pump_send(p);
		pump_return(p);
		pump_park(p);
	}
	if (is_idle(p) && (p->err || is_complete(p)))
		ring_defer(p->ring, &p->finish);
}

static void forget_batches(struct pump *p)
{
	p->free = p->ready = p->asked = (struct batch_list) { 0 };
	p->current = NULL;
	p->senders = p->reading = 0;
	p->sending = 0;
	for (unsigned int i = 0; i < p->nr_batches; i++)
		batch_push(&p->free, p->batches[i]);
}

static void finish(struct ring_work *work)
{
	struct pump *p = container_of(work, struct pump, finish);
	const struct pump_job job = p->job;
	const struct pump_stats stats = p->stats;

	ring_timer_cancel(p->ring, &p->timer);
	forget_batches(p);
	pump_drop_parked(p);
	p->busy = false;
	job.done(job.arg, p->err, &stats);
}

static bool extents_are_sane(const struct pump_job *job, uint32_t chunk)
{
	uint64_t end = (job->volume_bytes + chunk - 1) / chunk, at = 0;

	for (size_t i = 0; i < job->nr_extents; i++) {
		const struct dmr_extent *e = &job->extents[i];

		if (e->start < at || e->start > end || !e->count ||
		    e->count > end - e->start)
			return false;
		at = e->start + e->count;
	}
	return true;
}

static int refuse(struct pump *p, const char *why)
{
	snprintf(p->error, sizeof(p->error), "%s", why);
	return -EINVAL;
}

/* What the target wants of us. */
static int shape_job(struct pump *p, const struct pump_job *job)
{
	const struct backend_info *info = backend_info(job->backend);
	struct batch_shape *s = &p->shape;

	s->volume_bytes = job->volume_bytes;
	s->max_record = info->max_io < s->io_bytes ? info->max_io :
						     s->io_bytes;
	s->max_record -= s->max_record % s->chunk_bytes;
	s->min_block = info->min_block;
	s->zeros = info->can & BACKEND_CAN_ZERO;
	if (!s->max_record)
		return refuse(p, "the target takes less than a chunk at once");
	if (!s->min_block || s->chunk_bytes % s->min_block)
		return refuse(p, "the chunk is no multiple of the target's "
			      "block");
	if (job->fd < 0 && s->volume_bytes % s->min_block)
		return refuse(p, "the size is no multiple of the target's "
			      "block");
	return 0;
}

int pump_start(struct pump *p, const struct pump_job *job)
{
	int err;

	if (p->busy)
		return -EBUSY;
	if (!extents_are_sane(job, p->shape.chunk_bytes))
		return refuse(p, "the extents are out of order, or beyond the "
			      "volume");
	err = shape_job(p, job);
	if (err)
		return err;
	p->max_batches = p->most_batches;
	p->job = *job;
	p->stats = (struct pump_stats) { .bad_sector = UINT64_MAX };
	p->cursor = (struct cursor) {
		.extents = job->extents,
		.nr = job->nr_extents,
	};
	p->align = job->fd >= 0 && fcntl(job->fd, F_GETFL) & O_DIRECT ?
		   BATCH_ALIGN : 1;
	p->busy = true;
	p->err = 0;
	p->error[0] = '\0';
	window_restart(&p->window, ring_now(p->ring));
	pump_turn(p);
	return 0;
}

void pump_abort(struct pump *p)
{
	if (!p->busy || p->err)
		return;
	pump_fail(p, -ECANCELED, "aborted");
	pump_turn(p);
}

/* --- create and destroy -------------------------------------------------- */

static int set_options(struct pump *p, const struct pump_options *opts)
{
	struct pump_options *o = &p->opts;
	uint64_t nr;

	*o = *opts;
	o->chunk_bytes = o->chunk_bytes ? o->chunk_bytes : DEFAULT_CHUNK;
	o->io_bytes = o->io_bytes ? o->io_bytes : DEFAULT_IO;
	o->memory = o->memory ? o->memory : DEFAULT_MEMORY;
	o->depth = o->depth ? o->depth : DEFAULT_DEPTH;
	if (o->chunk_bytes % 512 || o->io_bytes % o->chunk_bytes ||
	    o->io_bytes % BATCH_ALIGN || o->io_bytes > 1 << 30)
		return -EINVAL;
	nr = o->memory / o->io_bytes;
	p->most_batches = nr < 1 ? 1 : nr > 1 << 20 ? 1 << 20 : nr;
	p->max_batches = p->most_batches;
	p->shape.chunk_bytes = o->chunk_bytes;
	p->shape.io_bytes = o->io_bytes;
	window_init(&p->window, FIRST_WINDOW, o->io_bytes, MOST_WINDOW);
	return 0;
}

int pump_create(struct pump **pp, struct ring *ring,
		const struct pump_options *opts)
{
	struct pump *p = calloc(1, sizeof(*p));
	int err;

	*pp = NULL;
	if (!p)
		return -ENOMEM;
	p->ring = ring;
	p->timer.fire = limit_over;
	p->finish.run = finish;
	err = set_options(p, opts);
	if (!err) {
		p->batches = calloc(p->most_batches, sizeof(*p->batches));
		p->scratch = calloc(batch_max_runs(&p->shape),
				    sizeof(*p->scratch));
		if (p->opts.spool_path)
			p->opts.spool_path = strdup(p->opts.spool_path);
		err = p->batches && p->scratch &&
		      !p->opts.spool_path == !opts->spool_path ? 0 : -ENOMEM;
	}
	if (err)
		pump_destroy(p);
	else
		*pp = p;
	return err;
}

void pump_trim(struct pump *p)
{
	if (!p || p->free.nr != p->nr_batches)
		return;
	while (batch_pop(&p->free))
		;
	while (p->nr_batches)
		batch_destroy(p, p->batches[--p->nr_batches]);
}

void pump_destroy(struct pump *p)
{
	if (!p)
		return;
	for (unsigned int i = 0; i < p->nr_batches; i++)
		batch_destroy(p, p->batches[i]);
	spool_destroy(p->spool);
	free((char *)p->opts.spool_path);
	free(p->scratch);
	free(p->batches);
	free(p);
}

const struct pump_stats *pump_stats(const struct pump *p)
{
	return &p->stats;
}

const char *pump_error(const struct pump *p)
{
	return p->error;
}

const char *pump_spool_error(const struct pump *p)
{
	return p->spool_error;
}
