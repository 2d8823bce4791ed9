// SPDX-License-Identifier: GPL-2.0-or-later
#include "xfer.h"

#include <errno.h>

#define MOST_AT_ONCE	(1u << 30)	/* the kernel cuts at 2 GiB - 4 KiB */

static void xfer_step(struct xfer *x)
{
	size_t left = x->len - x->got;
	unsigned int n = left > MOST_AT_ONCE ? MOST_AT_ONCE : left;

	if (x->is_write)
		ring_write(x->ring, &x->op, x->fd, x->buf + x->got, n,
			   x->off + x->got);
	else
		ring_read(x->ring, &x->op, x->fd, x->buf + x->got, n,
			  x->off + x->got);
}

static void xfer_stepped(struct ring_op *op, int res, unsigned int flags)
{
	struct xfer *x = container_of(op, struct xfer, op);

	if (res > 0)
		x->got += res;
	if (res == -EINTR || res == -EAGAIN || (res > 0 && x->got < x->len))
		xfer_step(x);
	else if (res > 0)
		x->done(x, 0);
	else
		x->done(x, res ? res : x->is_write ? -ENOSPC : -ENODATA);
}

static void xfer_start(struct xfer *x, struct ring *ring, int fd, void *buf,
		       size_t len, uint64_t off, bool is_write)
{
	x->ring = ring;
	x->op.done = xfer_stepped;
	x->buf = buf;
	x->len = len;
	x->got = 0;
	x->off = off;
	x->fd = fd;
	x->is_write = is_write;
	xfer_step(x);
}

void xfer_read(struct xfer *x, struct ring *ring, int fd, void *buf,
	       size_t len, uint64_t off)
{
	xfer_start(x, ring, fd, buf, len, off, false);
}

void xfer_write(struct xfer *x, struct ring *ring, int fd, const void *buf,
		size_t len, uint64_t off)
{
	xfer_start(x, ring, fd, (void *)buf, len, off, true);
}
