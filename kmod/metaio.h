/* SPDX-License-Identifier: GPL-2.0 */
/* Reading and writing blocks of the metadata device. See metaio.c. */
#ifndef DMR_METAIO_H
#define DMR_METAIO_H

#include <linux/types.h>

struct block_device;

struct dmr_block {
	u64 nr;				/* of DMR_BLOCK_SIZE bytes */
	void *data;			/* from dmr_block_alloc() */
};

int dmr_metaio_init(void);
void dmr_metaio_exit(void);

/* A block of zeros, or NULL. */
void *dmr_block_alloc(gfp_t gfp);
void dmr_block_free(void *data);

/*
 * All of @b, at once; sleep until the last one has come back; need no memory
 * that reclaim could make them wait for. 0 or the first error. The caller
 * excludes other writers of the same blocks.
 */
int dmr_blocks_read(struct block_device *bdev, const struct dmr_block *b,
		    unsigned int nr);

/* What they have written is durable when they return 0. */
int dmr_blocks_write(struct block_device *bdev, const struct dmr_block *b,
		     unsigned int nr);

#endif
