// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stage's writes and syncs with io_uring, to be measured against its own:
 * with a ring for each thread, or with one thread that submits for all.
 * hacking.rst has what was found.
 */
#include "append-uring.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct request {
	struct request *next;		/* in the queue, newest first */
	int fd, nr;			/* nr 0: a sync */
	struct iovec *iov;
	uint64_t off;
	int res;
	int event;			/* of the thread that waits */
};

static int event_of_thread(void)
{
	static _Thread_local int event = -1;

	if (event < 0)
		event = eventfd(0, EFD_CLOEXEC);
	return event;
}

static void wake(int event)
{
	uint64_t one = 1;

	if (write(event, &one, sizeof(one)) < 0)
		abort();
}

static void open_ring(struct io_uring *ring, unsigned int entries)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SINGLE_ISSUER |
					      IORING_SETUP_DEFER_TASKRUN };

	if (io_uring_queue_init_params(entries, ring, &p))
		abort();
}

static void prepare(struct io_uring *ring, struct request *r)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(ring)))
		io_uring_submit(ring);
	if (r->nr)
		io_uring_prep_writev(sqe, r->fd, r->iov, r->nr, r->off);
	else
		io_uring_prep_fsync(sqe, r->fd, IORING_FSYNC_DATASYNC);
	io_uring_sqe_set_data(sqe, r);
}

/* --- a ring for each thread ----------------------------------------------- */

static int by_own_ring(struct request *r)
{
	static _Thread_local struct io_uring *ring;
	struct io_uring_cqe *cqe;
	int res;

	if (!ring) {
		ring = malloc(sizeof(*ring));
		open_ring(ring, 8);
	}
	prepare(ring, r);
	io_uring_submit_and_wait(ring, 1);
	if (io_uring_wait_cqe(ring, &cqe))
		abort();
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

/* --- one thread submits for all ------------------------------------------- */

static _Atomic(struct request *) queue;
static int queued;			/* an event: it is not empty any more */

static void finish(struct io_uring *ring, bool *is_listening)
{
	struct io_uring_cqe *cqe;

	while (!io_uring_peek_cqe(ring, &cqe)) {
		struct request *r = io_uring_cqe_get_data(cqe);

		if (r) {
			r->res = cqe->res;
			wake(r->event);
		} else {
			*is_listening = false;
		}
		io_uring_cqe_seen(ring, cqe);
	}
}

static void *submit_for_all(void *arg)
{
	bool is_listening = false;
	struct io_uring ring;
	uint64_t count;

	open_ring(&ring, 256);
	for (;;) {
		struct request *r = atomic_exchange(&queue, NULL), *next;

		for (; r; r = next) {
			next = r->next;
			prepare(&ring, r);
		}
		if (!is_listening) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

			io_uring_prep_read(sqe, queued, &count, sizeof(count),
					   0);
			io_uring_sqe_set_data(sqe, NULL);
			is_listening = true;
		}
		io_uring_submit_and_wait(&ring, 1);
		finish(&ring, &is_listening);
	}
	return NULL;
}

static void start_submitter(void)
{
	pthread_t thread;

	queued = eventfd(0, EFD_CLOEXEC);
	if (pthread_create(&thread, NULL, submit_for_all, NULL))
		abort();
}

static int by_one_ring(struct request *r)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	uint64_t count;

	pthread_once(&once, start_submitter);
	r->event = event_of_thread();
	r->next = atomic_load(&queue);
	while (!atomic_compare_exchange_weak(&queue, &r->next, r))
		;
	if (!r->next)
		wake(queued);
	if (read(r->event, &count, sizeof(count)) < 0)
		abort();
	return r->res;
}

/* --- as a stage calls it -------------------------------------------------- */

static int (*submit)(struct request *r);

/* A short write is none here: the files are local, with room. */
static int uring_pwritev(void *arg, int fd, struct iovec *iov, int nr,
			 uint64_t off)
{
	struct request r = { .fd = fd, .iov = iov, .nr = nr, .off = off };
	int res, len = 0;

	for (int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	res = submit(&r);
	return res < 0 ? res : res < len ? -EIO : 0;
}

static int uring_sync(void *arg, int fd)
{
	struct request r = { .fd = fd };

	return submit(&r);
}

const struct stage_io *append_uring(const char *how)
{
	static struct stage_io io;

	submit = !strcmp(how, "own-ring") ? by_own_ring :
		 !strcmp(how, "one-ring") ? by_one_ring : NULL;
	io = stage_system_io;
	io.pwritev = uring_pwritev;
	io.sync = uring_sync;
	return submit ? &io : NULL;
}
