// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The way through the spool: batches that are ready make room for reading when
 * the sending side is full, and come back when it is not. Only for chunks that
 * the kernel holds: others can as well be read later.
 *
 * A batch is parked with its records and with a crc32c of the whole buffer:
 * what the spool gives back is trusted only if it is what it was given.
 */
#include "pump-impl.h"

#include <errno.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARKINGS	4	/* batches on their way */

struct parked {
	struct parked *next;
	uint32_t slot, crc, used;
	unsigned int nr_records;
	struct record records[];
};

static void open_spool(struct pump *p)
{
	p->spool_bad = spool_create(&p->spool, p->opts.spool_path,
				    p->opts.spool_bytes, p->opts.io_bytes,
				    p->spool_error, sizeof(p->spool_error));
}

bool pump_can_park(const struct pump *p)
{
	return p->job.held && p->job.fd >= 0 && p->opts.spool_path &&
	       !p->spool_bad && p->max_batches > 1;
}

static struct parked *parked_create(const struct batch *b)
{
	size_t bytes = b->nr_records * sizeof(b->records[0]);
	struct parked *parked = malloc(sizeof(*parked) + bytes);

	if (!parked)
		return NULL;
	parked->next = NULL;
	parked->slot = b->slot;
	parked->crc = b->crc;
	parked->used = b->used;
	parked->nr_records = b->nr_records;
	memcpy(parked->records, b->records, bytes);
	return parked;
}

static void parked_push(struct pump *p, struct parked *parked)
{
	if (p->parked)
		p->parked_tail->next = parked;
	else
		p->parked = parked;
	p->parked_tail = parked;
}

static struct parked *parked_pop(struct pump *p)
{
	struct parked *parked = p->parked;

	p->parked = parked->next;
	return parked;
}

void pump_drop_parked(struct pump *p)
{
	while (p->parked) {
		struct parked *parked = parked_pop(p);

		spool_put(p->spool, parked->slot);
		free(parked);
	}
}

/* --- to the spool -------------------------------------------------------- */

/* The data is still in memory: it is sent from there. */
static void parking_failed(struct pump *p, struct batch *b, int err)
{
	p->spool_bad = true;
	snprintf(p->spool_error, sizeof(p->spool_error),
		 "spool %.150s cannot be written: %s", p->opts.spool_path,
		 strerror(-err));
	spool_put(p->spool, b->slot);
	batch_unpop(&p->ready, b);
}

static void parking_done(struct xfer *x, int err)
{
	struct batch *b = container_of(x, struct batch, xfer);
	struct pump *p = b->owner;
	struct parked *parked = err ? NULL : parked_create(b);

	p->parkings--;
	if (!parked) {
		parking_failed(p, b, err ? err : -ENOMEM);
	} else {
		p->stats.bytes_spooled += b->used;
		parked_push(p, parked);
		batch_unpop(&p->free, b);
	}
	pump_turn(p);
}

static bool should_park(struct pump *p)
{
	unsigned int spare = p->parked ? pump_max_senders(p) - p->senders : 0;

	if (!pump_can_park(p) || cursor_at_end(&p->cursor) ||
	    p->parkings >= MAX_PARKINGS || pump_nr_free(p) > spare ||
	    !p->ready.head || p->ready.head->is_sender)
		return false;
	if (!p->spool)
		open_spool(p);
	return p->spool && !p->spool_bad;
}

void pump_park(struct pump *p)
{
	while (should_park(p)) {
		int64_t slot = spool_get(p->spool);
		struct batch *b;

		if (slot < 0)
			return;
		b = batch_pop(&p->ready);
		b->slot = slot;
		b->crc = crc32_iscsi((unsigned char *)b->buf, b->used, ~0u);
		b->xfer.done = parking_done;
		p->parkings++;
		spool_write(p->spool, &b->xfer, p->ring, b->slot, b->buf,
			    b->used);
	}
}

/* --- back from it -------------------------------------------------------- */

static void returning_done(struct xfer *x, int err)
{
	struct batch *b = container_of(x, struct batch, xfer);
	struct pump *p = b->owner;

	p->returns--;
	spool_put(p->spool, b->slot);
	if (err)
		pump_fail(p, err, "spool %.150s cannot be read: %s",
			  p->opts.spool_path, strerror(-err));
	else if (crc32_iscsi((unsigned char *)b->buf, b->used, ~0u) != b->crc)
		pump_fail(p, -EBADMSG, "spool %.150s gave back other data "
			  "than was written", p->opts.spool_path);
	else
		batch_unpop(&p->ready, b);
	pump_turn(p);
}

static void batch_return(struct pump *p, struct batch *b)
{
	struct parked *parked = parked_pop(p);

	b->slot = parked->slot;
	b->crc = parked->crc;
	b->used = parked->used;
	b->nr_records = b->unanswered = parked->nr_records;
	b->sent = 0;
	memcpy(b->records, parked->records,
	       parked->nr_records * sizeof(b->records[0]));
	free(parked);
	b->is_sender = true;
	b->xfer.done = returning_done;
	p->senders++;
	p->returns++;
	spool_read(p->spool, &b->xfer, p->ring, b->slot, b->buf, b->used);
}

void pump_return(struct pump *p)
{
	while (!p->err && p->parked && !p->ready.nr &&
	       p->senders < pump_max_senders(p)) {
		struct batch *b = pump_get_batch(p);

		if (!b)
			return;
		batch_return(p, b);
	}
}
