// SPDX-License-Identifier: GPL-2.0-or-later
#include "fake-target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend-impl.h"
#include "ring.h"

struct fake_backend {
	struct backend base;
	struct fake_target *fake;
	struct ring_work ready, lost, closed;
	unsigned int pending;
	bool is_lost, is_closing;
	void (*on_closed)(void *arg);
	void *closed_arg;
};

struct answer {
	struct ring_timer timer;
	struct fake_backend *fb;
	backend_done_fn *done;
	void *arg;
	void *read_to;
	const void *write_from;		/* NULL: zeros */
	size_t len;
	uint64_t off;
	int err;
	unsigned int flags;
	bool is_write, is_lost, is_dropped;
};

struct fake_target fake_targets[FAKE_TARGETS];

int __wrap_backend_open(struct backend **b, struct ring *ring,
			const char *target, const struct backend_options *opts,
			const struct backend_events *events, void *arg,
			char *text, size_t text_len);

static uint64_t tail_of(const struct fake_target *fake)
{
	return replica_tail_offset(fake->volume_bytes);
}

static bool newest(const struct fake_target *fake, const char *image,
		   struct replica_header *h)
{
	return !replica_header_pick(h, image + tail_of(fake),
				    REPLICA_HEADERS_BYTES, NULL);
}

bool fake_header(const struct fake_target *fake, struct replica_header *h)
{
	return newest(fake, fake->data, h);
}

void fake_setup(struct fake_target *fake, uint64_t volume_bytes)
{
	fake_clear(fake);
	fake->volume_bytes = volume_bytes;
	fake->size = replica_export_bytes(volume_bytes);
	fake->data = calloc(1, fake->size);
	fake->durable = calloc(1, fake->size);
	fake->can_flush = true;
}

void fake_clear(struct fake_target *fake)
{
	for (unsigned int i = 0; i < fake->nr_stale; i++)
		free(fake->stale[i].data);
	free(fake->data);
	free(fake->durable);
	memset(fake, 0, sizeof(*fake));
}

void fake_run_stale(struct fake_target *fake)
{
	for (unsigned int i = 0; i < fake->nr_stale; i++) {
		memcpy(fake->data + fake->stale[i].off, fake->stale[i].data,
		       fake->stale[i].len);
		free(fake->stale[i].data);
	}
	fake->nr_stale = 0;
}

/* --- answers ----------------------------------------------------------- */

static void end_if_idle(struct fake_backend *fb)
{
	struct ring *ring = fb->base.ring;

	if (fb->pending)
		return;
	if (fb->is_closing)
		ring_defer(ring, &fb->closed);
	else if (fb->is_lost)
		ring_defer(ring, &fb->lost);
}

void fake_break(struct fake_target *fake)
{
	fake->connection->is_lost = true;
	end_if_idle(fake->connection);
}

/* Done when it is answered: a flush that does not wait misses it. */
static void execute(const struct answer *a)
{
	struct fake_target *fake = a->fb->fake;

	if (a->write_from)
		memcpy(fake->data + a->off, a->write_from, a->len);
	else
		memset(fake->data + a->off, 0, a->len);
	if (a->off < tail_of(fake))
		fake->data_bytes += a->len;
	if (a->flags & BACKEND_FUA)
		memcpy(fake->durable + a->off, fake->data + a->off, a->len);
}

static void on_answer(struct ring_timer *timer)
{
	struct answer *a = container_of(timer, struct answer, timer);
	struct fake_backend *fb = a->fb;

	if (a->is_write && !a->is_dropped)
		execute(a);
	if ((fb->is_lost || a->is_lost) && !a->err)
		a->err = -ENOTCONN;
	if (a->is_lost)
		fb->is_lost = true;
	if (a->err && a->is_write)
		fb->base.unclean = true;
	if (a->err)
		snprintf(fb->base.error, sizeof(fb->base.error),
			 "request at %llu: %s", (unsigned long long)a->off,
			 strerror(-a->err));
	if (!a->err && a->read_to)
		memcpy(a->read_to, fb->fake->data + a->off, a->len);
	a->done(a->arg, a->err);
	fb->pending--;
	end_if_idle(fb);
	free(a);
}

static struct answer *answer_later(struct backend *b, uint64_t off, size_t len,
				   backend_done_fn *done, void *arg)
{
	struct fake_backend *fb = container_of(b, struct fake_backend, base);
	struct answer *a = calloc(1, sizeof(*a));

	a->timer.fire = on_answer;
	a->fb = fb;
	a->off = off;
	a->len = len;
	a->done = done;
	a->arg = arg;
	fb->pending++;
	ring_timer_add(b->ring, &a->timer, fb->fake->delay_ms);
	return a;
}

static struct fake_backend *usable(struct backend *b)
{
	struct fake_backend *fb = container_of(b, struct fake_backend, base);

	return fb->is_lost || fb->is_closing ? NULL : fb;
}

/* --- watching ---------------------------------------------------------- */

static void watch_data(struct fake_target *fake)
{
	struct replica_header h;

	fake->data_writes++;
	if (!newest(fake, fake->durable, &h) || h.kind != REPLICA_KIND_OPEN ||
	    h.state != REPLICA_STATE_APPLYING)
		fake->order_errors++;
}

static void watch_header(struct fake_target *fake, const void *buf,
			 struct replica_header *h)
{
	fake->header_writes++;
	if (replica_header_decode(h, buf, REPLICA_SLOT_BYTES, NULL)) {
		fake->order_errors++;
		return;
	}
	if ((h->kind == REPLICA_KIND_CLEAN ||
	     h->kind == REPLICA_KIND_PARTIAL) &&
	    memcmp(fake->data, fake->durable, fake->volume_bytes))
		fake->order_errors++;
}

/* The fault that this write meets. */
static enum fake_fault choose_fault(struct fake_target *fake, const void *buf,
				    uint64_t off)
{
	enum fake_fault fault = FAKE_NONE;
	struct replica_header h = { 0 };

	if (off >= tail_of(fake)) {
		watch_header(fake, buf, &h);
		if (fake->header_fault && h.kind == fake->header_kind) {
			fault = fake->header_fault;
			fake->header_fault = FAKE_NONE;
		}
		return fault;
	}
	watch_data(fake);
	if (fake->data_fault && !fake->data_countdown--) {
		fault = fake->data_fault;
		fake->data_fault = FAKE_NONE;
	}
	return fault;
}

static void keep_stale(struct fake_target *fake, const void *buf, size_t len,
		       uint64_t off)
{
	struct fake_stale *s = &fake->stale[fake->nr_stale];

	if (fake->nr_stale == FAKE_STALE)
		return;
	s->off = off;
	s->len = len;
	s->data = malloc(len);
	memcpy(s->data, buf, len);
	fake->nr_stale++;
}

static int fake_write(struct backend *b, const void *buf, size_t len,
		      uint64_t off, unsigned int flags, backend_done_fn *done,
		      void *arg)
{
	struct fake_backend *fb = usable(b);
	struct fake_target *fake;
	enum fake_fault fault;
	struct answer *a;

	if (!fb)
		return -ENOTCONN;
	fake = fb->fake;
	fault = choose_fault(fake, buf, off);
	a = answer_later(b, off, len, done, arg);
	a->is_write = true;
	a->is_lost = fault == FAKE_LOSE_ANSWER || fault == FAKE_LOSE_REQUEST;
	a->err = fault == FAKE_ERROR ? -EIO : 0;
	if (fault == FAKE_LOSE_REQUEST && off < tail_of(fake))
		keep_stale(fake, buf, len, off);
	a->is_dropped = fault == FAKE_LOSE_REQUEST || fault == FAKE_ERROR;
	a->write_from = buf;
	a->flags = flags;
	return 0;
}

static int fake_zero(struct backend *b, uint64_t len, uint64_t off,
		     unsigned int flags, backend_done_fn *done, void *arg)
{
	struct fake_backend *fb = usable(b);

	if (!fb)
		return -ENOTCONN;
	watch_data(fb->fake);
	answer_later(b, off, len, done, arg)->is_write = true;
	return 0;
}

static int fake_read(struct backend *b, void *buf, size_t len, uint64_t off,
		     backend_done_fn *done, void *arg)
{
	struct fake_backend *fb = usable(b);

	if (!fb)
		return -ENOTCONN;
	fb->fake->reads++;
	if (fb->fake->read_fault && !--fb->fake->read_fault)
		answer_later(b, off, len, done, arg)->err = -EIO;
	else
		answer_later(b, off, len, done, arg)->read_to = buf;
	return 0;
}

static int fake_flush(struct backend *b, backend_done_fn *done, void *arg)
{
	struct fake_backend *fb = usable(b);

	if (!fb)
		return -ENOTCONN;
	fb->fake->flushes++;
	if (!fb->fake->flush_fault)
		memcpy(fb->fake->durable, fb->fake->data, fb->fake->size);
	answer_later(b, 0, 0, done, arg)->err = fb->fake->flush_fault ? -EIO :
									0;
	fb->fake->flush_fault = false;
	return 0;
}

/* --- connections ------------------------------------------------------- */

static void fake_close(struct backend *b, void (*closed)(void *arg), void *arg)
{
	struct fake_backend *fb = container_of(b, struct fake_backend, base);

	ring_defer_cancel(b->ring, &fb->ready);
	ring_defer_cancel(b->ring, &fb->lost);
	fb->is_closing = true;
	fb->is_lost = true;
	fb->on_closed = closed;
	fb->closed_arg = arg;
	end_if_idle(fb);
}

static void on_closed(struct ring_work *work)
{
	struct fake_backend *fb = container_of(work, struct fake_backend,
					       closed);

	fb->on_closed(fb->closed_arg);
	free(fb);
}

static void on_lost(struct ring_work *work)
{
	struct fake_backend *fb = container_of(work, struct fake_backend, lost);

	if (fb->fake->before_lost)
		fb->fake->before_lost();
	fb->base.events->lost(fb->base.arg, -ECONNRESET, "connection lost");
}

static void on_ready(struct ring_work *work)
{
	struct fake_backend *fb = container_of(work, struct fake_backend,
					       ready);
	struct fake_target *fake = fb->fake;
	int err = fake->is_down ? -ECONNREFUSED :
		  fake->size <
		  backend_bytes_needed(fb->base.opts.volume_bytes) ?
		  -ENOSPC : 0;

	fake->opens++;
	fb->base.events->ready(fb->base.arg, err, err == -ENOSPC ?
			       "too small" : err ? "refused" : "");
}

static const struct backend_ops fake_ops = {
	.write = fake_write,
	.zero = fake_zero,
	.read = fake_read,
	.flush = fake_flush,
	.close = fake_close,
};

int __wrap_backend_open(struct backend **b, struct ring *ring,
			const char *target, const struct backend_options *opts,
			const struct backend_events *events, void *arg,
			char *text, size_t text_len)
{
	struct fake_backend *fb = calloc(1, sizeof(*fb));

	fb->fake = &fake_targets[target[strlen("fake:")] - '0'];
	fb->fake->connection = fb;
	fb->base.ops = &fake_ops;
	fb->base.ring = ring;
	fb->base.events = events;
	fb->base.arg = arg;
	fb->base.opts = *opts;
	fb->base.info = (struct backend_info){
		.size = fb->fake->size, .max_io = 1 << 20, .min_block = 512,
		.can = BACKEND_CAN_FUA | BACKEND_CAN_FLUSH | BACKEND_CAN_ZERO,
		.connections = 1,
	};
	fb->ready.run = on_ready;
	fb->lost.run = on_lost;
	fb->closed.run = on_closed;
	ring_defer(ring, &fb->ready);
	*b = &fb->base;
	return 0;
}
