// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading a round: here in pieces, some at a time; there digests, all at once,
 * or in pieces as well. What has been read is hashed and forgotten.
 *
 * R1 what crosses the link counts against bandwidth=, as what is shipped does:
 *    pieces of theirs wait for it, one after the other, so that neither starves
 *    the other. The wait itself is pending, a second at most.
 */
#include "verify-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "extents.h"
#include "volume.h"

#define ALIGN		4096
#define SUMS_AT_ONCE	4096	/* digests of one request */

static uint64_t chunk_bytes(const struct verify *y)
{
	return volume_chunk_bytes(y->volume);
}

static uint32_t piece_chunks(const struct verify *y)
{
	return chunk_bytes(y) > VERIFY_IO ? 1 : VERIFY_IO / chunk_bytes(y);
}

/* --- lanes --------------------------------------------------------------- */

static void lane_start(struct verify_lane *lane);

static void ended(struct verify *y)
{
	if (--y->pending)
		return;
	if (y->err || y->error[0])
		verify_round_again(y);
	else
		verify_round_read(y);
}

static uint64_t piece_off(const struct verify *y, const struct verify_piece *p)
{
	return p->start * chunk_bytes(y);
}

static uint32_t piece_bytes(const struct verify *y,
			    const struct verify_piece *p)
{
	uint64_t left = volume_bytes(y->volume) - piece_off(y, p);
	uint64_t len = p->nr * chunk_bytes(y);

	return len < left ? len : left;
}

static void hash(const struct verify *y, const struct verify_lane *lane)
{
	uint32_t len = piece_bytes(y, lane->piece), n;
	char *sum = (lane->is_theirs ? y->theirs : y->ours) +
		    (size_t)lane->piece->index * REPLICA_SUM_BYTES;

	for (uint32_t at = 0; at < len; at += n) {
		n = len - at < chunk_bytes(y) ? len - at : chunk_bytes(y);
		replica_sum(sum, lane->buf + at, n, y->seed);
		sum += REPLICA_SUM_BYTES;
	}
}

static void lane_done(struct verify_lane *lane, int err)
{
	struct verify *y = lane->verify;

	if (!err)
		hash(y, lane);
	else if (lane->is_theirs)
		y->err = err;
	else if (!y->error[0])
		snprintf(y->error, sizeof(y->error), "the volume cannot be "
			 "read at byte %llu: %s",
			 (unsigned long long)piece_off(y, lane->piece),
			 strerror(-err));
	lane_start(lane);
	ended(y);
}

static void theirs_read(void *arg, int err)
{
	lane_done(arg, err);
}

static void ours_read(struct xfer *xfer, int err)
{
	lane_done(container_of(xfer, struct verify_lane, xfer), err);
}

/* The target's blocks may be larger than what is left of the volume. */
static uint32_t in_blocks(const struct backend *b, uint32_t len)
{
	uint32_t block = backend_info(b)->min_block;

	return (len + block - 1) / block * block;
}

static int start_theirs(struct verify *y, struct verify_lane *lane)
{
	struct backend *b = y->volume->target.backend;

	if (y->volume->target.state != TARGET_READY)
		return -ENOTCONN;
	return backend_read(b, lane->buf,
			    in_blocks(b, piece_bytes(y, lane->piece)),
			    piece_off(y, lane->piece), theirs_read, lane);
}

static bool is_over(const struct verify *y)
{
	unsigned int sides = y->has_sums ? 1 : 2;

	return y->err || y->error[0] || y->is_stopping ||
	       y->next >= y->nr_pieces * sides;
}

/* R1. True: the lane is idle until the timer. */
static bool must_wait(struct verify *y, struct verify_lane *lane)
{
	struct limiter *limit = &y->volume->limit;
	unsigned int ms = y->is_pacing ? 1 :
			  limiter_wait(limit, ring_now(y->ring));

	lane->is_waiting = ms;
	if (!ms) {
		limiter_take(limit, piece_bytes(y, &y->pieces[y->next %
							      y->nr_pieces]));
	} else if (!y->is_pacing) {
		y->is_pacing = true;
		y->pending++;
		ring_timer_add(y->ring, &y->pace, ms);
	}
	return ms;
}

static void pace_over(struct ring_timer *timer)
{
	struct verify *y = container_of(timer, struct verify, pace);

	y->is_pacing = false;
	for (unsigned int i = 0; i < VERIFY_LANES; i++) {
		if (!y->lanes[i].is_waiting)
			continue;
		y->lanes[i].is_waiting = false;
		lane_start(&y->lanes[i]);
	}
	ended(y);
}

/* The next piece, if there is one and all is well. Ours come first. */
static void lane_start(struct verify_lane *lane)
{
	struct verify *y = lane->verify;

	if (is_over(y))
		return;
	lane->is_theirs = y->next >= y->nr_pieces;
	if (lane->is_theirs && must_wait(y, lane))
		return;
	lane->piece = &y->pieces[y->next++ % y->nr_pieces];
	if (lane->is_theirs) {
		y->err = start_theirs(y, lane);
		y->pending += !y->err;
		return;
	}
	lane->xfer.done = ours_read;
	y->pending++;
	xfer_read(&lane->xfer, y->ring, y->live_fd, lane->buf,
		  piece_bytes(y, lane->piece), piece_off(y, lane->piece));
}

/* --- digests ------------------------------------------------------------- */

static void sums_done(void *arg, int err)
{
	struct verify *y = arg;

	y->err = y->err ? y->err : err;
	ended(y);
}

static void ask_sums(struct verify *y)
{
	char *sums = y->theirs;
	struct dmr_extent e;

	for (uint64_t from = 0;
	     !y->err && dmr_extents_next(y->round, from, SUMS_AT_ONCE, &e);
	     from = e.start + e.count) {
		y->err = backend_sums(y->volume->target.backend, e.start,
				      e.count, sums, y->seed, sums_done, y);
		y->pending += !y->err;
		limiter_take(&y->volume->limit, e.count * REPLICA_SUM_BYTES);
		sums += e.count * REPLICA_SUM_BYTES;
	}
}

/* --- a round ------------------------------------------------------------- */

static void make_pieces(struct verify *y)
{
	struct dmr_extent e;
	uint32_t index = 0;

	y->nr_pieces = y->next = 0;
	for (uint64_t from = 0;
	     dmr_extents_next(y->round, from, piece_chunks(y), &e);
	     from = e.start + e.count) {
		y->pieces[y->nr_pieces++] = (struct verify_piece) {
			.start = e.start,
			.nr = e.count,
			.index = index,
		};
		index += e.count;
	}
}

/* One is held back: it ends the round also where nothing could be begun. */
void verify_read_round(struct verify *y)
{
	struct backend *b = y->volume->target.backend;

	make_pieces(y);
	y->err = 0;
	y->pending = 1;
	y->pace.fire = pace_over;
	y->has_sums = backend_info(b)->can & BACKEND_CAN_SUM;
	if (y->has_sums)
		ask_sums(y);
	for (unsigned int i = 0; i < VERIFY_LANES; i++)
		lane_start(&y->lanes[i]);
	ended(y);
}

int verify_lanes_create(struct verify *y)
{
	size_t bytes = piece_chunks(y) * chunk_bytes(y);
	bool all = true;

	y->pieces = calloc(VERIFY_ROUND, sizeof(*y->pieces));
	y->ours = calloc(VERIFY_ROUND, REPLICA_SUM_BYTES);
	y->theirs = calloc(VERIFY_ROUND, REPLICA_SUM_BYTES);
	y->slots = aligned_alloc(ALIGN, REPLICA_HEADERS_BYTES);
	for (unsigned int i = 0; i < VERIFY_LANES; i++) {
		struct verify_lane *lane = &y->lanes[i];

		lane->verify = y;
		lane->buf = aligned_alloc(ALIGN, (bytes + ALIGN - 1) / ALIGN *
					  ALIGN);
		all &= lane->buf != NULL;
	}
	return all && y->pieces && y->ours && y->theirs && y->slots ? 0 :
								      -ENOMEM;
}

void verify_lanes_free(struct verify *y)
{
	for (unsigned int i = 0; i < VERIFY_LANES; i++) {
		free(y->lanes[i].buf);
		y->lanes[i].buf = NULL;
	}
	free(y->pieces);
	free(y->ours);
	free(y->theirs);
	free(y->slots);
	y->pieces = NULL;
	y->ours = y->theirs = NULL;
	y->slots = NULL;
}
