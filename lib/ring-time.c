/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Timers and signals of the reactor.
 *
 * Timers are a list sorted by time, in user space: the wait of the turn ends
 * with the first.  That makes cancelling immediate and free.  There are a few
 * for each connection and volume, most of them with the same delay, so an
 * insertion that looks from the end finds its place at once.
 */
#include "ring-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

void ring_timers_init(struct ring *ring)
{
	ring->timers.next = ring->timers.prev = &ring->timers;
}

bool ring_timer_running(const struct ring_timer *timer)
{
	return timer->next;
}

static void timer_remove(struct ring_timer *timer)
{
	timer->prev->next = timer->next;
	timer->next->prev = timer->prev;
	timer->next = timer->prev = NULL;
}

void ring_timer_set(struct ring *ring, struct ring_timer *timer,
		    uint64_t when_ns)
{
	struct ring_timer *after = ring->timers.prev;

	if (ring_timer_running(timer)) {
		timer_remove(timer);
		after = ring->timers.prev;
	}
	timer->when = when_ns;
	while (after != &ring->timers && after->when > timer->when)
		after = after->prev;
	timer->prev = after;
	timer->next = after->next;
	timer->prev->next = timer->next->prev = timer;
}

void ring_timer_add(struct ring *ring, struct ring_timer *timer,
		    unsigned int ms)
{
	ring_timer_set(ring, timer, ring_clock() + ms * 1000000ULL);
}

void ring_timer_cancel(struct ring *ring, struct ring_timer *timer)
{
	(void)ring;
	if (ring_timer_running(timer))
		timer_remove(timer);
}

/* Those added meanwhile are later than now, so this comes to an end. */
void ring_timers_run(struct ring *ring)
{
	struct ring_timer *timer;

	while ((timer = ring->timers.next) != &ring->timers &&
	       timer->when <= ring->now) {
		timer_remove(timer);
		timer->fire(timer);
	}
}

int64_t ring_timers_wait(const struct ring *ring)
{
	const struct ring_timer *first = ring->timers.next;
	uint64_t now;

	if (first == &ring->timers)
		return -1;
	now = ring_clock();
	return first->when > now ? (int64_t)(first->when - now) : 0;
}

static void signal_done(struct ring_op *op, int res, unsigned int flags)
{
	struct ring_signal *sig = container_of(op, struct ring_signal, op);
	struct signalfd_siginfo info;

	if (!(flags & RING_MORE)) {
		close(sig->fd);
		return;
	}
	while (res > 0 && op->rearm &&
	       read(sig->fd, &info, sizeof(info)) == sizeof(info))
		sig->signal(sig, info.ssi_signo);
}

int ring_signal_start(struct ring *ring, struct ring_signal *sig,
		      const sigset_t *set)
{
	int ret = -pthread_sigmask(SIG_BLOCK, set, NULL);

	if (ret)
		return ret;
	sig->fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sig->fd < 0)
		return -errno;
	sig->op.done = signal_done;
	ring_poll(ring, &sig->op, sig->fd, POLLIN, true);
	return 0;
}

void ring_signal_stop(struct ring *ring, struct ring_signal *sig)
{
	ring_cancel(ring, &sig->op);
}
