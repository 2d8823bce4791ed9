/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Work that is brought to the reactor's thread: from callbacks (deferred),
 * from other threads (posted), and from threads of our own (jobs).
 *
 * Posted work is in the inbox, a list under a lock; who adds the first wakes
 * the ring through an eventfd.  A job's end is a post like any other.
 */
#include "ring-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void list_init(struct ring_work **first, struct ring_work ***last)
{
	*first = NULL;
	*last = first;
}

static void list_add(struct ring_work ***last, struct ring_work *work)
{
	work->queued = true;
	work->next = NULL;
	**last = work;
	*last = &work->next;
}

/* --- deferred ------------------------------------------------------------- */

void ring_defer(struct ring *ring, struct ring_work *work)
{
	if (!work->queued)
		list_add(&ring->deferred_last, work);
}

void ring_defer_cancel(struct ring *ring, struct ring_work *work)
{
	struct ring_work **p = &ring->deferred;

	if (!work->queued)
		return;
	while (*p && *p != work)
		p = &(*p)->next;
	if (!*p)
		return;
	*p = work->next;
	if (!*p)
		ring->deferred_last = p;
	work->queued = false;
}

/*
 * One at a time from the head, so that each may cancel any other; up to a
 * marker, so that work which defers itself does not keep the turn from ending.
 */
void ring_work_run_deferred(struct ring *ring)
{
	struct ring_work *work;

	if (!ring->deferred)
		return;
	list_add(&ring->deferred_last, &ring->deferred_end);
	while ((work = ring->deferred)) {
		ring_defer_cancel(ring, work);
		if (work == &ring->deferred_end)
			break;
		work->run(work);
	}
}

/* --- posted --------------------------------------------------------------- */

void ring_wake(struct ring *ring)
{
	uint64_t one = 1;
	ssize_t n;

	/* It fails only when the counter is full: then it is awake. */
	n = write(ring->inbox.wake_fd, &one, sizeof(one));
	(void)n;
}

void ring_post(struct ring *ring, struct ring_work *work)
{
	struct ring_inbox *in = &ring->inbox;
	bool is_first;

	pthread_mutex_lock(&in->lock);
	is_first = !in->first;
	if (!work->queued)
		list_add(&in->last, work);
	if (is_first)
		ring_wake(ring);
	pthread_mutex_unlock(&in->lock);
}

static struct ring_work *inbox_take(struct ring_inbox *in)
{
	struct ring_work *first;

	pthread_mutex_lock(&in->lock);
	first = in->first;
	list_init(&in->first, &in->last);
	pthread_mutex_unlock(&in->lock);
	return first;
}

/* ->queued is the inbox's: under its lock, since a post may race. */
static void inbox_run(struct ring *ring)
{
	struct ring_work *work = inbox_take(&ring->inbox), *next;

	for (; work; work = next) {
		pthread_mutex_lock(&ring->inbox.lock);
		next = work->next;
		work->queued = false;
		pthread_mutex_unlock(&ring->inbox.lock);
		work->run(work);
	}
}

static void wake_done(struct ring_op *op, int res, unsigned int flags)
{
	struct ring *ring = container_of(op, struct ring, inbox.wake_op);
	uint64_t count;
	ssize_t n;

	if (res < 0 || !(flags & RING_MORE))
		return;
	n = read(ring->inbox.wake_fd, &count, sizeof(count));
	(void)n;
	inbox_run(ring);
}

void ring_work_listen(struct ring *ring)
{
	ring->inbox.wake_op.done = wake_done;
	ring_poll(ring, &ring->inbox.wake_op, ring->inbox.wake_fd, POLLIN,
		  true);
}

/* --- jobs ----------------------------------------------------------------- */

static void job_finish(struct ring_work *work)
{
	struct ring_job *job = container_of(work, struct ring_job, work);

	job->done(job);
}

static void *job_thread(void *arg)
{
	struct ring_job *job = arg;
	struct ring *ring = job->ring;
	struct ring_inbox *in = &ring->inbox;

	job->blocking(job);
	ring_post(ring, &job->work);
	pthread_mutex_lock(&in->lock);
	in->nr_jobs--;
	pthread_cond_signal(&in->job_ended);
	pthread_mutex_unlock(&in->lock);
	return NULL;
}

static void jobs_add(struct ring_inbox *in, int n)
{
	pthread_mutex_lock(&in->lock);
	in->nr_jobs += n;
	pthread_mutex_unlock(&in->lock);
}

/* Signals are for the thread that asked for them. */
static int start_thread(struct ring_job *job)
{
	sigset_t all, old;
	pthread_t thread;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&thread, NULL, job_thread, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!ret)
		pthread_detach(thread);
	return -ret;
}

int ring_job_start(struct ring *ring, struct ring_job *job)
{
	int ret;

	job->ring = ring;
	job->work = (struct ring_work){ .run = job_finish };
	jobs_add(&ring->inbox, 1);
	ret = start_thread(job);
	if (ret)
		jobs_add(&ring->inbox, -1);
	return ret;
}

/* --- begin and end -------------------------------------------------------- */

int ring_work_init(struct ring *ring)
{
	struct ring_inbox *in = &ring->inbox;

	list_init(&ring->deferred, &ring->deferred_last);
	list_init(&in->first, &in->last);
	pthread_mutex_init(&in->lock, NULL);
	pthread_cond_init(&in->job_ended, NULL);
	in->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return in->wake_fd < 0 ? -errno : 0;
}

static void wait_for_jobs(struct ring_inbox *in)
{
	pthread_mutex_lock(&in->lock);
	while (in->nr_jobs)
		pthread_cond_wait(&in->job_ended, &in->lock);
	pthread_mutex_unlock(&in->lock);
}

void ring_work_drain(struct ring *ring)
{
	struct ring_work *work, *next;

	wait_for_jobs(&ring->inbox);
	for (work = inbox_take(&ring->inbox); work; work = next) {
		next = work->next;
		if (work->run == job_finish)
			job_finish(work);
	}
	list_init(&ring->deferred, &ring->deferred_last);
}

void ring_work_exit(struct ring *ring)
{
	if (ring->inbox.wake_fd >= 0)
		close(ring->inbox.wake_fd);
	pthread_cond_destroy(&ring->inbox.job_ended);
	pthread_mutex_destroy(&ring->inbox.lock);
}
