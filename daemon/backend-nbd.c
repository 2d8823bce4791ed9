// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An NBD server as a target, over one or several connections.
 *
 *	OPENING  the first connection is being made [nbd_backend_open]
 *	  -> JOINING [first_ready] the first is ready and good enough; the
 *	             others are being made, if the server allows several
 *	  -> FAILED  [link_closed, first_ready] ready(err) follows
 *	JOINING
 *	  -> UP      [link_settled] each is ready or was refused; ready(0)
 *	  -> FAILED  [link_closed] the first one is gone
 *	UP
 *	  -> FAILED  [link_closed] any one is gone; lost() follows
 *	any -> CLOSING [nbd_backend_close] no more events; closed() follows
 *
 * N1 several connections only where the server says CAN_MULTI_CONN, which is
 *    what makes a flush on one cover the others (B3).
 * N2 when one connection ends unasked, all are ended: who ships an epoch must
 *    not go on with a part of it in doubt. The event comes when the last one
 *    is down, so each request has had its answer by then.
 * N3 a connection that is dropped with writes unanswered is unclean.
 */
#include "backend-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"
#include "ring.h"

#define MAX_LINKS	16
#define LINK_DEPTH	512	/* requests on the wire of one connection */
#define BURST_BYTES	(256 * 1024)	/* then look for an idler connection */
#define REQUEST_COST	4096	/* what a request weighs, apart from its data */

enum state { OPENING, JOINING, UP, FAILED, CLOSING };

struct nbd_backend;

struct link {
	struct nbd_backend *nb;
	struct nbd_conn *conn;		/* NULL: none, or closed */
	uint64_t load;			/* of requests without an answer */
	unsigned int failed_writes;
	bool is_ready;
};

struct nbd_backend {
	struct backend base;
	enum state state;
	bool was_up;
	int err;			/* why FAILED, and in words: */
	char why[sizeof(((struct backend *)0)->error)];
	unsigned int nr_links, nr_settling;
	struct link links[MAX_LINKS];
	struct link *current;		/* gets the next requests … */
	uint64_t burst;			/* … until this is BURST_BYTES */
	struct ring_work ended;		/* the last connection is down */
	void (*closed)(void *arg);
	void *closed_arg;
};

struct call {
	struct nbd_req req;
	struct link *link;
	const char *what;
	uint64_t len, off;
	bool is_write, then_flush;
	backend_done_fn *done;
	void *arg;
};

static struct nbd_backend *to_nbd(struct backend *b)
{
	return container_of(b, struct nbd_backend, base);
}

/* --- requests ------------------------------------------------------------ */

static void call_done(struct nbd_req *req, int err)
{
	struct call *call = container_of(req, struct call, req);
	struct link *link = call->link;
	struct backend *b = &link->nb->base;
	backend_done_fn *done = call->done;
	void *arg = call->arg;

	if (!err && call->then_flush) {
		call->then_flush = false;
		call->what = "the flush after a write";
		nbd_flush(link->conn, &call->req);
		return;
	}
	link->load -= call->len + REQUEST_COST;
	b->writes -= call->is_write;
	if (err) {
		link->failed_writes += call->is_write;
		backend_failed(b, call->what, call->len, call->off, err);
	}
	free(call);
	done(arg, err);
}

static struct link *idlest_link(struct nbd_backend *nb)
{
	struct link *best = &nb->links[0];

	for (unsigned int i = 1; i < nb->nr_links; i++) {
		if (nb->links[i].is_ready && nb->links[i].load < best->load)
			best = &nb->links[i];
	}
	return best;
}

/* Neighbours share a connection, so that they leave in one send. */
static struct link *pick_link(struct nbd_backend *nb, uint64_t cost)
{
	if (nb->burst >= BURST_BYTES || !nb->current) {
		nb->current = idlest_link(nb);
		nb->burst = 0;
	}
	nb->burst += cost;
	return nb->current;
}

static struct call *call_create(struct backend *b, const char *what,
				uint64_t len, uint64_t off,
				backend_done_fn *done, void *arg, int *err)
{
	struct nbd_backend *nb = to_nbd(b);
	struct call *call = NULL;

	*err = nb->state == UP ? -ENOMEM : -ENOTCONN;
	if (nb->state == UP)
		call = calloc(1, sizeof(*call));
	if (!call) {
		backend_failed(b, what, len, off, *err);
		return NULL;
	}
	call->req.done = call_done;
	call->link = pick_link(nb, len + REQUEST_COST);
	call->link->load += len + REQUEST_COST;
	call->what = what;
	call->len = len;
	call->off = off;
	call->done = done;
	call->arg = arg;
	*err = 0;
	return call;
}

/* B2: without FUA in the server, a flush follows. Returns the NBD flag. */
static unsigned int mark_write(struct call *call, unsigned int flags)
{
	struct backend *b = &call->link->nb->base;

	call->is_write = true;
	b->writes++;
	if (!(flags & BACKEND_FUA))
		return 0;
	if (b->info.can & BACKEND_CAN_FUA)
		return NBD_REQ_FUA;
	call->then_flush = b->info.can & BACKEND_CAN_FLUSH;
	return 0;
}

static int nbd_backend_write(struct backend *b, const void *buf, size_t len,
			     uint64_t off, unsigned int flags,
			     backend_done_fn *done, void *arg)
{
	int err;
	struct call *call = call_create(b, "write", len, off, done, arg, &err);

	if (call)
		nbd_write(call->link->conn, &call->req, buf, len, off,
			  mark_write(call, flags));
	return err;
}

static int nbd_backend_zero(struct backend *b, uint64_t len, uint64_t off,
			    unsigned int flags, backend_done_fn *done,
			    void *arg)
{
	int err;
	struct call *call = call_create(b, "zeroing", len, off, done, arg,
					&err);

	if (call)
		nbd_write_zeroes(call->link->conn, &call->req, len, off,
				 mark_write(call, flags));
	return err;
}

static int nbd_backend_read(struct backend *b, void *buf, size_t len,
			    uint64_t off, backend_done_fn *done, void *arg)
{
	int err;
	struct call *call = call_create(b, "read", len, off, done, arg, &err);

	if (call)
		nbd_read(call->link->conn, &call->req, buf, len, off);
	return err;
}

static int nbd_backend_flush(struct backend *b, backend_done_fn *done,
			     void *arg)
{
	int err;
	struct call *call = call_create(b, "flush", 0, 0, done, arg, &err);

	if (!call)
		return err;
	if (b->info.can & BACKEND_CAN_FLUSH)
		nbd_flush(call->link->conn, &call->req);
	else	/* unsafe: an empty write, which is answered at once */
		nbd_write(call->link->conn, &call->req, NULL, 0, 0, 0);
	return 0;
}

/* --- connections --------------------------------------------------------- */

static void end_links(struct nbd_backend *nb, bool politely)
{
	bool any = false;

	for (unsigned int i = 0; i < nb->nr_links; i++) {
		struct nbd_conn *conn = nb->links[i].conn;

		if (!conn)
			continue;
		any = true;
		if (politely && nb->links[i].is_ready)
			nbd_disconnect(conn);
		else
			nbd_abort(conn);
	}
	if (!any)
		ring_defer(nb->base.ring, &nb->ended);
}

static void all_closed(struct nbd_backend *nb)
{
	void (*closed)(void *arg) = nb->closed;
	void *arg = nb->closed_arg;

	free(nb);
	if (closed)
		closed(arg);
}

/* All links are down and each request has been answered: say so, once. */
static void all_ended(struct ring_work *work)
{
	struct nbd_backend *nb = container_of(work, struct nbd_backend, ended);
	struct backend *b = &nb->base;

	if (nb->state == CLOSING) {
		all_closed(nb);
		return;
	}
	/* The requests that it took down have overwritten it. */
	memcpy(b->error, nb->why, sizeof(b->error));
	if (nb->was_up)
		b->events->lost(b->arg, nb->err, b->error);
	else
		b->events->ready(b->arg, nb->err, b->error);
}

static void fail(struct nbd_backend *nb, int err)
{
	nb->was_up = nb->state == UP;
	nb->state = FAILED;
	nb->err = err;
	memcpy(nb->why, nb->base.error, sizeof(nb->why));
	end_links(nb, false);
}

/* One more connection is ready, or will never be. */
static void link_settled(struct nbd_backend *nb)
{
	struct backend *b = &nb->base;

	if (--nb->nr_settling || nb->state != JOINING)
		return;
	nb->state = UP;
	b->info.connections = 0;
	for (unsigned int i = 0; i < nb->nr_links; i++)
		b->info.connections += nb->links[i].is_ready;
	b->events->ready(b->arg, 0, "");
}

static int check_server(struct nbd_backend *nb, const struct nbd_info *info)
{
	struct backend *b = &nb->base;

	b->info.size = info->size;
	b->info.max_io = info->block_max;
	b->info.min_block = info->block_min ? info->block_min : 1;
	b->info.can = (info->can_write_zeroes ? BACKEND_CAN_ZERO : 0) |
		      (info->can_fua ? BACKEND_CAN_FUA : 0) |
		      (info->can_flush ? BACKEND_CAN_FLUSH : 0);
	if (info->is_read_only)
		return backend_set_error(b, -EROFS,
					 "the server offers it read-only");
	if (!info->can_flush && !b->opts.unsafe)
		return backend_set_error(b, -EOPNOTSUPP,
			"the server has no FLUSH, so nothing is ever durable "
			"there; unsafe=yes takes it all the same");
	return backend_check(b);
}

static int link_connect(struct link *link);

static void first_ready(struct nbd_backend *nb, const struct nbd_info *info)
{
	unsigned int wanted = nb->base.opts.connections;
	int err = check_server(nb, info);

	if (err) {
		fail(nb, err);
		return;
	}
	nb->state = JOINING;
	nb->nr_settling = 1;
	while (info->can_multi_conn && nb->nr_links < wanted) {
		struct link *link = &nb->links[nb->nr_links++];

		nb->nr_settling += link_connect(link) == 0;
	}
	link_settled(nb);
}

static void link_ready(struct nbd_conn *conn, void *arg)
{
	struct link *link = arg;
	struct nbd_backend *nb = link->nb;
	const struct nbd_info *info = nbd_get_info(conn);

	if (nb->state == OPENING) {
		link->is_ready = true;
		first_ready(nb, info);
	} else if (nb->state == JOINING) {
		link->is_ready = info->size == nb->base.info.size;
		if (link->is_ready)
			link_settled(nb);
		else
			nbd_abort(conn);
	}
}

static bool is_last_down(const struct nbd_backend *nb)
{
	for (unsigned int i = 0; i < nb->nr_links; i++) {
		if (nb->links[i].conn)
			return false;
	}
	return true;
}

static void link_closed(struct nbd_conn *conn, void *arg, int err,
			const char *text)
{
	struct link *link = arg;
	struct nbd_backend *nb = link->nb;
	bool was_ready = link->is_ready;

	link->conn = NULL;
	link->is_ready = false;
	if (err && link->failed_writes)
		nb->base.unclean = true;
	if (nb->state == JOINING && !was_ready) {
		link_settled(nb);
		return;
	}
	if (nb->state < FAILED) {
		backend_set_error(&nb->base, 0, "%s", text);
		fail(nb, err ? err : -ECONNRESET);
	} else if (is_last_down(nb)) {
		ring_defer(nb->base.ring, &nb->ended);
	}
}

static const struct nbd_callbacks link_callbacks = {
	.ready = link_ready,
	.closed = link_closed,
};

static int link_connect(struct link *link)
{
	struct backend *b = &link->nb->base;
	const struct nbd_opts opts = {
		.deadline_ms = b->opts.deadline_ms,
		.depth = LINK_DEPTH,
	};

	return nbd_connect(b->ring, b->name, &opts, &link_callbacks, link,
			   &link->conn);
}

static void nbd_backend_close(struct backend *b, void (*closed)(void *arg),
			      void *arg)
{
	struct nbd_backend *nb = to_nbd(b);
	bool was_ending = nb->state == FAILED;

	nb->state = CLOSING;
	nb->closed = closed;
	nb->closed_arg = arg;
	if (!was_ending || is_last_down(nb))
		end_links(nb, !b->writes);
}

static const struct backend_ops nbd_backend_ops = {
	.write = nbd_backend_write,
	.zero = nbd_backend_zero,
	.read = nbd_backend_read,
	.flush = nbd_backend_flush,
	.close = nbd_backend_close,
};

int nbd_backend_open(struct backend **b, struct ring *ring,
		     const char *target, const struct backend_options *opts,
		     const struct backend_events *events, void *arg,
		     char *text, size_t text_len)
{
	struct nbd_backend *nb;

	if (strlen(target) >= sizeof(nb->base.name)) {
		snprintf(text, text_len, "the target's name is longer than "
			 "%zu bytes", sizeof(nb->base.name) - 1);
		return -EINVAL;
	}
	if (opts->no_clear_tcp && !strncmp(target, "nbd://", 6)) {
		snprintf(text, text_len, "it would be sent in clear: use "
			 "nbds://, or allow it with tls=off");
		return -EPERM;
	}
	nb = calloc(1, sizeof(*nb));
	if (!nb)
		return -ENOMEM;
	backend_init(&nb->base, &nbd_backend_ops, ring, target, opts, events,
		     arg);
	nb->ended.run = all_ended;
	for (unsigned int i = 0; i < MAX_LINKS; i++)
		nb->links[i].nb = nb;
	nb->nr_links = 1;
	if (link_connect(&nb->links[0])) {
		free(nb);
		return -ENOMEM;
	}
	*b = &nb->base;
	return 0;
}
