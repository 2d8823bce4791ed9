/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads or writes all of a piece of a file, however many short steps the
 * kernel makes of it. Nothing is allocated; not for sockets.
 */
#ifndef REPLICA_XFER_H
#define REPLICA_XFER_H

#include "ring.h"

struct xfer {
	/* Set by the owner. @err: 0; -errno; -ENODATA: the file ends early. */
	void (*done)(struct xfer *x, int err);
	/* The rest is private. */
	struct ring *ring;
	struct ring_op op;
	char *buf;
	size_t len, got;
	uint64_t off;
	int fd;
	bool is_write;
};

/* @x and @buf stay until ->done, which never comes from inside the call. */
void xfer_read(struct xfer *x, struct ring *ring, int fd, void *buf,
	       size_t len, uint64_t off);
void xfer_write(struct xfer *x, struct ring *ring, int fd, const void *buf,
		size_t len, uint64_t off);

#endif
