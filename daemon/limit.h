/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bandwidth limit: a bucket of bytes that fills at a constant rate.
 *
 * A sender may go into debt with one request and then waits until the debt is
 * paid, so the average is exact whatever the sizes of the requests, and no
 * request is too big for the bucket. What is not used is kept for a moment only
 * (LIMIT_BURST_MS).
 *
 * One limiter may serve many senders, all on one thread. Not locked.
 */
#ifndef REPLICA_LIMIT_H
#define REPLICA_LIMIT_H

#include <stdint.h>

#define LIMIT_BURST_MS	20

struct limiter {
	uint64_t rate;		/* bytes a second; 0 = no limit */
	int64_t level;		/* bytes in the bucket; negative: debt */
	uint64_t last_ns;	/* when the level was right */
	uint64_t carry;		/* byte-nanoseconds not yet made into bytes */
};

/* Sets the rate, at once and with an empty bucket. */
void limiter_set(struct limiter *l, uint64_t rate, uint64_t now_ns);

/* Milliseconds (at least 1) until something may be sent; 0 = now. */
unsigned int limiter_wait(struct limiter *l, uint64_t now_ns);

/* @bytes are being sent. */
void limiter_take(struct limiter *l, uint64_t bytes);

#endif
