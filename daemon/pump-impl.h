/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What pump.c and pump-*.c share; for nobody else. */
#ifndef REPLICA_PUMP_IMPL_H
#define REPLICA_PUMP_IMPL_H

#include "backend.h"
#include "batch.h"
#include "limit.h"
#include "pump.h"
#include "ring.h"
#include "spool.h"
#include "window.h"

#define PUMP_REQUEST_COST	32	/* bytes of a request beside its data */

struct batch_list {
	struct batch *head, *tail;
	unsigned int nr;
};

struct parked;

struct pump {
	struct ring *ring;
	struct pump_options opts;
	struct batch_shape shape;
	unsigned int most_batches;	/* what the memory is for */
	unsigned int max_batches;	/* the same, or fewer for this job */

	/* the job */
	struct pump_job job;
	struct pump_stats stats;
	struct cursor cursor;
	bool busy;
	int err;			/* the first; stops everything */
	uint32_t align;			/* of reads: 1, or for O_DIRECT */

	/* buffers; each batch is in one list, or under way, or current */
	struct batch **batches;		/* all, nr_batches */
	unsigned int nr_batches;
	struct batch_list free;
	struct batch_list ready;	/* read, not sent */
	struct batch_list asked;	/* compared, not sent */
	struct batch *current;		/* partly given to the backend */
	struct dmr_extent *scratch;	/* for on_read */

	/* what is under way */
	unsigned int reads;		/* runs … */
	unsigned int reading;		/* … of so many batches */
	unsigned int sends;		/* requests … */
	unsigned int asks;		/* … for digests */
	unsigned int parkings;		/* batches on their way to the spool */
	unsigned int returns;		/* … and back */
	unsigned int senders;		/* batches being sent or returning */
	uint64_t sending;		/* bytes of the batches being sent */

	struct window window;

	/* the way through the spool */
	struct spool *spool;
	bool spool_bad;			/* do not use (again) */
	struct parked *parked, *parked_tail;

	struct ring_timer timer;	/* of the bandwidth limit */
	struct ring_work finish;
	char error[256];
	char spool_error[256];
};

static inline void batch_push(struct batch_list *l, struct batch *b)
{
	b->next = NULL;
	if (l->tail)
		l->tail->next = b;
	else
		l->head = b;
	l->tail = b;
	l->nr++;
}

static inline struct batch *batch_pop(struct batch_list *l)
{
	struct batch *b = l->head;

	if (!b)
		return NULL;
	l->head = b->next;
	if (!l->head)
		l->tail = NULL;
	l->nr--;
	return b;
}

/* A stack where that is wanted: the buffer used last is still in the cache. */
static inline void batch_unpop(struct batch_list *l, struct batch *b)
{
	b->next = l->head;
	l->head = b;
	if (!l->tail)
		l->tail = b;
	l->nr++;
}

/* pump.c: goes on with whatever can be done now. */
void pump_turn(struct pump *p);
/* The first error counts. */
void pump_fail(struct pump *p, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Batches that could be taken for reading: free, or not made yet. */
unsigned int pump_nr_free(const struct pump *p);
/* NULL when all are in use, or memory has run out. */
struct batch *pump_get_batch(struct pump *p);
/* How many batches may be on the sending side. */
unsigned int pump_max_senders(const struct pump *p);

/* pump-compare.c: ask for digests of what is ready. */
void pump_ask(struct pump *p);

/* pump-read.c */
void pump_read(struct pump *p);

/* pump-park.c: to the spool, back from it, and forget what is in it. */
bool pump_can_park(const struct pump *p);
void pump_park(struct pump *p);
void pump_return(struct pump *p);
void pump_drop_parked(struct pump *p);

#endif
