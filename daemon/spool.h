/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The spool: a place on a local disk for data that was read, and released, but
 * that the link cannot take yet. Slots of one size in a file or a block device.
 * Nothing in it outlives the process; a file has no name from the start on.
 */
#ifndef REPLICA_SPOOL_H
#define REPLICA_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "xfer.h"

struct spool;

/*
 * @path: a file that does not exist or is empty, a folder, or a block device
 * that nobody uses. The space is reserved at once. Returns 0 or -errno, with
 * the reason in @text.
 */
int spool_create(struct spool **s, const char *path, uint64_t bytes,
		 uint32_t slot_bytes, char *text, size_t text_len);

/* NULL is a no-op. No transfer may be under way. */
void spool_destroy(struct spool *s);

/* A free slot, or -ENOSPC. */
int64_t spool_get(struct spool *s);
void spool_put(struct spool *s, uint32_t slot);

/* @buf is aligned to 4096 bytes, @len a multiple of them. */
void spool_write(struct spool *s, struct xfer *x, struct ring *ring,
		 uint32_t slot, const void *buf, uint32_t len);
void spool_read(struct spool *s, struct xfer *x, struct ring *ring,
		uint32_t slot, void *buf, uint32_t len);

#endif
