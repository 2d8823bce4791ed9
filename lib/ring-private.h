/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the reactor share: ring.c (io_uring), ring-time.c
 * (timers, signals), ring-work.c (work, jobs), ring-buf.c (the buffer pool).
 */
#ifndef REPLICA_RING_PRIVATE_H
#define REPLICA_RING_PRIVATE_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>

#include "ring.h"

struct ring_pool {
	uint8_t *mem;			/* NULL without a pool */
	size_t buf_size, len;
	unsigned int nr_free;
	unsigned int *free;		/* indices, a stack */
	bool is_registered;
};

struct ring_inbox {
	pthread_mutex_t lock;		/* guards the next three */
	struct ring_work *first, **last;
	unsigned int nr_jobs;
	pthread_cond_t job_ended;
	struct ring_op wake_op;		/* ring's thread */
	int wake_fd;			/* eventfd; set once */
};

/* Guard: the ring's thread, except inbox and stop. */
struct ring {
	struct io_uring uring;
	unsigned int nr_pending;	/* operations with a callback to come */
	uint64_t now;			/* ns */
	unsigned int gather_ns;		/* of this turn, see ring_gather() */
	atomic_bool stop;
	bool is_open;			/* uring is set up */

	struct io_uring_buf_ring *recv_ring;
	uint8_t *recv_mem;
	unsigned int nr_recv;
	size_t recv_size;

	struct ring_timer timers;	/* head of a list sorted by ->when */
	struct ring_work *deferred, **deferred_last;
	struct ring_work deferred_end;	/* where this turn's list ends */
	struct ring_inbox inbox;
	struct ring_pool pool;
};

static inline uint64_t ring_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void ring_timers_init(struct ring *ring);
void ring_timers_run(struct ring *ring);
/* Nanoseconds from now to the first timer; -1 = there is none. */
int64_t ring_timers_wait(const struct ring *ring);

int ring_work_init(struct ring *ring);
/* Start to listen for posts; needs an open io_uring. */
void ring_work_listen(struct ring *ring);
void ring_work_run_deferred(struct ring *ring);
void ring_wake(struct ring *ring);
/* Wait for the jobs, run their ->done, drop all other work. */
void ring_work_drain(struct ring *ring);
void ring_work_exit(struct ring *ring);

int ring_pool_init(struct ring *ring, unsigned int nr, size_t size);
bool ring_pool_has(const struct ring *ring, const void *buf, size_t len);
void ring_pool_exit(struct ring *ring);

#endif
