/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be read, for one NBD client at the other end of a socket. */
#ifndef REPLICAD_SERVE_IMAGE_H
#define REPLICAD_SERVE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

struct served {
	uint64_t bytes;
	/* 0 or -errno; never past @bytes. By one thread at a time. */
	int (*read)(void *arg, void *buf, size_t len, uint64_t off);
	void *arg;
};

/*
 * Serves @what read-only on the stream socket @fd until the client goes away or
 * does what NBD does not know. Blocks; shutdown(2) ends it, too. Both stay the
 * caller's.
 */
void serve_image(int fd, const struct served *what);

#endif
