// SPDX-License-Identifier: GPL-2.0-or-later
#include "reactor.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "group.h"
#include "log.h"
#include "volume.h"

/*
 * kernel->used() has the kernel handle only; each reactor runs on a thread of
 * its own, so the thread knows whose it is.
 */
static __thread struct reactor *this_reactor;

static void on_used(struct kernel *kernel)
{
	ring_defer(this_reactor->ring, &this_reactor->drain);
}

static struct volume *find_dev(struct reactor *reactor, uint64_t dev)
{
	for (struct group *g = reactor->groups; g; g = g->next)
		for (struct volume *v = g->volumes; v; v = v->next)
			if (v->device.dev == dev)
				return v;
	return NULL;
}

struct volume *reactor_find(const struct reactor *reactor, const char *name)
{
	for (struct group *g = reactor->groups; g; g = g->next)
		for (struct volume *v = g->volumes; v; v = v->next)
			if (!strcmp(v->config->name, name))
				return v;
	return NULL;
}

static void on_event(struct reactor *reactor, const struct dmr_nl_event *ev)
{
	struct volume *v = find_dev(reactor, ev->dev);

	if (ev->type == DMR_EVENT_REQUEST && reactor->request)
		reactor->request(reactor->request_arg, ev->name, ev->request);
	else if (v)
		group_event(v->group, v, ev);
}

static void on_overrun(struct reactor *reactor)
{
	for (struct group *g = reactor->groups; g; g = g->next)
		group_event(g, NULL, NULL);
}

static void drain(struct ring_work *work)
{
	struct reactor *reactor = container_of(work, struct reactor, drain);
	struct dmr_nl_event ev;
	int ret;

	while ((ret = kernel_next_event(reactor->kernel, &ev))) {
		if (ret == 1)
			on_event(reactor, &ev);
		else if (ret == -ENOBUFS)
			on_overrun(reactor);
		else
			break;
	}
	if (ret < 0)
		log_err(NULL, "events of the kernel: %s", strerror(-ret));
}

static void on_readable(struct ring_op *op, int res, unsigned int flags)
{
	struct reactor *reactor = container_of(op, struct reactor, poll);

	ring_defer(reactor->ring, &reactor->drain);
	if (!(flags & RING_MORE) && res != -ECANCELED)
		ring_poll(reactor->ring, op, reactor->kernel->ops->fd(
			  reactor->kernel), POLLIN, true);
}

int reactor_init(struct reactor *reactor, const struct kernel_ops *ops,
		 const char *state_dir, struct events *events,
		 char error[CONFIG_ERROR_SIZE])
{
	const struct ring_opts opts = {
		.nr_bufs = REACTOR_BUFS,
		.buf_size = REACTOR_BUF_BYTES,
	};
	int err = ring_create(&reactor->ring, &opts);

	if (err) {
		snprintf(error, CONFIG_ERROR_SIZE, "io_uring: %s",
			 strerror(-err));
		return err;
	}
	reactor->state_dir = state_dir;
	reactor->events = events;
	reactor->drain.run = drain;
	reactor->poll.done = on_readable;
	err = ops->open(&reactor->kernel, error);
	if (err) {
		ring_destroy(reactor->ring);
		reactor->ring = NULL;
		return err;
	}
	this_reactor = reactor;
	reactor->kernel->used = on_used;
	ring_poll(reactor->ring, &reactor->poll, ops->fd(reactor->kernel),
		  POLLIN, true);
	return 0;
}

/* The kernel aborts what is open when the handle is closed. */
void reactor_clear(struct reactor *reactor)
{
	ring_destroy(reactor->ring);
	kernel_close(reactor->kernel);
	reactor->ring = NULL;
	reactor->kernel = NULL;
}
