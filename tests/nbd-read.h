/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NBD client on a Unix socket, one request at a time: for tests that look at
 * what a server has. All calls block, for two minutes at most.
 */
#ifndef TESTS_NBD_READ_H
#define TESTS_NBD_READ_H

#include <stddef.h>
#include <stdint.h>

struct nbd_reader {
	int fd;
	uint64_t bytes;			/* of the export */
};

/*
 * 0; -ENOENT: the server refuses that export; another -errno: there is no
 * server, or it broke off.
 */
int nbd_reader_open(struct nbd_reader *r, const char *socket,
		    const char *name);

/* 0; -EIO: the server says that it cannot; -ECONNRESET: it broke off. */
int nbd_reader_read(struct nbd_reader *r, void *buf, uint32_t len,
		    uint64_t off);

/*
 * Another request that is answered with no data; @data goes with it, if any.
 * 0 or what the server says, whose numbers are ours; -ECONNRESET: it broke off.
 */
int nbd_reader_ask(struct nbd_reader *r, uint16_t command, const void *data,
		   uint32_t len, uint64_t off);

/* After a successful open only. */
void nbd_reader_close(struct nbd_reader *r);

#endif
