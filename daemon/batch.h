/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A batch: one buffer of the pump, and what lies in it. It is filled from a
 * list of extents with as many runs as fit (neighbours merged, one read each),
 * and when all are read it is split into records (data or zeros, one request
 * each). What the target has already can be taken out of them. No I/O happens
 * here.
 */
#ifndef REPLICA_BATCH_H
#define REPLICA_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/dm-replica.h>

#include "ring.h"
#include "xfer.h"

#define BATCH_ALIGN	4096u		/* of runs in the buffer */
#define RECORD_ZERO	UINT32_MAX	/* pos of a record of zeros */

struct batch;

/* Where a job is in its extents. */
struct cursor {
	const struct dmr_extent *extents;
	size_t nr, at;
	uint64_t taken;			/* chunks of extents[at] */
};

struct run {
	struct ring_op op;
	struct batch *batch;
	uint64_t off;
	uint32_t len;			/* bytes; the last chunk may be short */
	uint32_t got;			/* of them so far */
	uint32_t step;			/* most bytes of one read */
	uint32_t pos;			/* in the buffer */
};

struct record {
	uint64_t off;
	uint32_t len;
	uint32_t pos;			/* in the buffer, or RECORD_ZERO */
};

struct batch {
	struct batch *next;		/* in one of the pump's lists */
	void *owner;			/* the pump */
	char *buf;			/* NULL: the source is memory */
	bool from_ring;			/* the buffer is of the ring's pool */
	bool is_sender;			/* counted on the sending side */
	uint32_t used;			/* bytes of it */
	uint32_t slot;			/* in the spool */
	uint32_t crc;			/* while it goes through the spool */
	unsigned int nr_runs, reading;	/* of which not yet read */
	unsigned int nr_records, sent;	/* of which given to the backend */
	unsigned int unanswered;	/* records */
	uint64_t started;		/* ns, the first was sent */
	struct xfer xfer;		/* to and from the spool */
	struct run *runs;
	struct record *records;
	/* of a job that compares; made when first needed */
	struct record *spare;		/* as large as records */
	char *sums;			/* what the target has */
	unsigned int asks;		/* requests for them, unanswered */
	bool is_unknown;		/* … one of which failed */
};

/* What is the same for all batches of a job. */
struct batch_shape {
	uint64_t volume_bytes;
	uint32_t chunk_bytes;
	uint32_t io_bytes;		/* size of the buffer */
	uint32_t max_record;		/* bytes, multiple of the chunk */
	uint32_t min_block;		/* a short chunk is padded to it */
	bool zeros;			/* look for zeros */
};

static inline bool cursor_at_end(const struct cursor *c)
{
	return c->at == c->nr;
}

/* How many runs and records a batch can have. */
static inline unsigned int batch_max_runs(const struct batch_shape *s)
{
	return s->io_bytes / (s->chunk_bytes > BATCH_ALIGN ? s->chunk_bytes :
							     BATCH_ALIGN);
}

static inline unsigned int batch_max_records(const struct batch_shape *s)
{
	return s->io_bytes / s->chunk_bytes;
}

/* Takes extents from @c until the buffer is full: at least one run. */
void batch_fill(struct batch *b, struct cursor *c,
		const struct batch_shape *s);

/*
 * Makes the records. The data of a run is at @base + run->off if @base is not
 * NULL (then the positions in the records mean nothing), else in the buffer.
 */
void batch_split(struct batch *b, const char *base,
		 const struct batch_shape *s);

/*
 * Compares the records of data with the digests in b->sums, one for each of
 * their chunks in order, and keeps only what differs. Needs b->spare. ->used
 * becomes the bytes of data that are left. Returns the bytes of data that the
 * target has.
 */
uint32_t batch_trim(struct batch *b, const char *base,
		    const struct batch_shape *s, uint64_t seed);

/* Chunks of data: digests that it needs. */
unsigned int batch_data_chunks(const struct batch *b,
			       const struct batch_shape *s);

/* The extents of the runs, in order; returns how many. */
size_t batch_extents(const struct batch *b, struct dmr_extent *extents,
		     const struct batch_shape *s);

#endif
