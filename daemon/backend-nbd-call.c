// SPDX-License-Identifier: GPL-2.0-or-later
/* The requests to an NBD server: N1 … N4 are in backend-nbd.c. */
#include "backend-nbd-impl.h"

#include <errno.h>
#include <stdlib.h>

#include "header.h"

#define BURST_BYTES	(256 * 1024)	/* then look for an idler connection */
#define REQUEST_COST	4096	/* what a request weighs, apart from its data */

/* One write on several connections (B4). */
struct each {
	unsigned int unanswered;
	int err;			/* the first one */
	backend_done_fn *done;
	void *arg;
};

struct call {
	struct call *next;		/* waiting */
	struct nbd_req req;
	struct link *link;
	const char *what;
	void *buf;			/* for digests */
	uint64_t len, off;
	bool is_write, then_flush;
	backend_done_fn *done;
	void *arg;
};

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

/* @link NULL: the one whose turn it is. */
static struct call *call_create_on(struct nbd_backend *nb, struct link *link,
				   const char *what, uint64_t len, uint64_t off,
				   backend_done_fn *done, void *arg, int *err)
{
	struct backend *b = &nb->base;
	struct call *call = NULL;

	*err = nb->state == UP ? -ENOMEM : -ENOTCONN;
	if (nb->state == UP)
		call = calloc(1, sizeof(*call));
	if (!call) {
		backend_failed(b, what, len, off, *err);
		return NULL;
	}
	call->req.done = call_done;
	call->link = link ? link : pick_link(nb, len + REQUEST_COST);
	call->link->load += len + REQUEST_COST;
	call->what = what;
	call->len = len;
	call->off = off;
	call->done = done;
	call->arg = arg;
	*err = 0;
	return call;
}

static struct call *call_create(struct backend *b, const char *what,
				uint64_t len, uint64_t off,
				backend_done_fn *done, void *arg, int *err)
{
	return call_create_on(to_nbd(b), NULL, what, len, off, done, arg, err);
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

static void each_done(void *arg, int err)
{
	struct each *each = arg;

	each->err = each->err ? each->err : err;
	if (--each->unanswered)
		return;
	each->done(each->arg, each->err);
	free(each);
}

static int each_write(struct nbd_backend *nb, struct link *link,
		      struct each *each, const void *buf, size_t len,
		      uint64_t off)
{
	int err;
	struct call *call = call_create_on(nb, link, "write", len, off,
					   each_done, each, &err);

	if (!call)
		return err;
	each->unanswered++;
	nbd_write(link->conn, &call->req, buf, len, off,
		  mark_write(call, BACKEND_FUA));
	return 0;
}

/* B4. What could not be begun counts as answered so. */
static int nbd_backend_write_each(struct backend *b, const void *buf,
				  size_t len, uint64_t off,
				  backend_done_fn *done, void *arg)
{
	struct nbd_backend *nb = to_nbd(b);
	struct each *each = calloc(1, sizeof(*each));
	int err = each ? 0 : -ENOMEM;

	for (unsigned int i = 0; !err && i < nb->nr_links; i++) {
		struct link *link = &nb->links[i];

		if (nb->state != UP || link->is_ready)
			err = each_write(nb, link, each, buf, len, off);
	}
	if (each && each->unanswered) {
		each->err = err;
		each->done = done;
		each->arg = arg;
		return 0;
	}
	free(each);
	return err;
}

/* --- digests ------------------------------------------------------------- */

static void ask_sums(struct call *call)
{
	nbd_read(call->link->conn, &call->req, call->buf, call->len, call->off);
}

/* The oldest first. */
static struct call *take_waiting(struct nbd_backend *nb)
{
	struct call *turned = NULL, *next;

	for (struct call *call = nb->waiting; call; call = next) {
		next = call->next;
		call->next = turned;
		turned = call;
	}
	nb->waiting = NULL;
	return turned;
}

void nbd_backend_refuse_waiting(struct nbd_backend *nb, int err)
{
	struct call *call = take_waiting(nb), *next;

	for (; call; call = next) {
		next = call->next;
		call_done(&call->req, err);
	}
}

void nbd_backend_ask_waiting(struct nbd_backend *nb)
{
	struct call *call = take_waiting(nb), *next;

	for (; call; call = next) {
		next = call->next;
		ask_sums(call);
	}
}

static int nbd_backend_sums(struct backend *b, uint64_t first, uint32_t nr,
			    void *sums, uint64_t seed, backend_done_fn *done,
			    void *arg)
{
	struct nbd_backend *nb = to_nbd(b);
	uint64_t len = (uint64_t)nr * REPLICA_SUM_BYTES;
	struct call *call;
	int err = 0;

	if (nb->state == UP && !nb->sum.conn)
		err = nbd_backend_connect_sum(nb);
	if (err)
		return err;
	call = call_create_on(nb, &nb->sum, "digests", len,
			      first * REPLICA_SUM_BYTES, done, arg, &err);
	if (!call)
		return err;
	call->buf = sums;
	if (nb->sum.is_ready) {
		ask_sums(call);
		return 0;
	}
	call->next = nb->waiting;
	nb->waiting = call;
	return 0;
}

const struct backend_ops nbd_backend_ops = {
	.write = nbd_backend_write,
	.zero = nbd_backend_zero,
	.read = nbd_backend_read,
	.flush = nbd_backend_flush,
	.write_each = nbd_backend_write_each,
	.sums = nbd_backend_sums,
	.close = nbd_backend_close,
};
