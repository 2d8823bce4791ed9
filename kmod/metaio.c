// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks of the metadata device, read and written with bios of our own: what is
 * written when, and when it is durable, is all that the rules D1 to D6 are
 * about. (dm-bufio may write a block earlier than it is told to.)
 */
#include "metaio.h"

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/completion.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/dm-replica-format.h>

static struct bio_set meta_bios;

/* Blocks in one bio. */
#define MAX_RUN	32U

struct batch {
	atomic_t under_way;
	int error;			/* the first one */
	struct completion done;
};

void *dmr_block_alloc(gfp_t gfp)
{
	return (void *)__get_free_pages(gfp | __GFP_ZERO,
					get_order(DMR_BLOCK_SIZE));
}

void dmr_block_free(void *data)
{
	free_pages((unsigned long)data, get_order(DMR_BLOCK_SIZE));
}

static void batch_put(struct batch *batch)
{
	if (atomic_dec_and_test(&batch->under_way))
		complete(&batch->done);
}

static void run_done(struct bio *bio)
{
	struct batch *batch = bio->bi_private;

	if (bio->bi_status)
		cmpxchg(&batch->error, 0, blk_status_to_errno(bio->bi_status));
	bio_put(bio);
	batch_put(batch);
}

/* How many of @b, from the first one on, lie in a row. */
static unsigned int in_a_row(const struct dmr_block *b, unsigned int nr)
{
	unsigned int n = 1;

	nr = min(nr, MAX_RUN);
	while (n < nr && b[n].nr == b[0].nr + n)
		n++;
	return n;
}

static void submit_run(struct block_device *bdev, const struct dmr_block *b,
		       unsigned int nr, blk_opf_t opf, struct batch *batch)
{
	struct bio *bio = bio_alloc_bioset(bdev, nr, opf | REQ_SYNC | REQ_META,
					   GFP_NOIO, &meta_bios);
	unsigned int i;

	bio->bi_iter.bi_sector = b->nr * (DMR_BLOCK_SIZE / SECTOR_SIZE);
	bio->bi_private = batch;
	bio->bi_end_io = run_done;
	for (i = 0; i < nr; i++)
		__bio_add_page(bio, virt_to_page(b[i].data), DMR_BLOCK_SIZE,
			       offset_in_page(b[i].data));
	atomic_inc(&batch->under_way);
	submit_bio(bio);
}

static int submit_all(struct block_device *bdev, const struct dmr_block *b,
		      unsigned int nr, blk_opf_t opf)
{
	struct batch batch = { .under_way = ATOMIC_INIT(1) };
	struct blk_plug plug;
	unsigned int i, n;

	init_completion(&batch.done);
	blk_start_plug(&plug);
	for (i = 0; i < nr; i += n) {
		n = in_a_row(b + i, nr - i);
		submit_run(bdev, b + i, n, opf, &batch);
	}
	blk_finish_plug(&plug);
	batch_put(&batch);
	wait_for_completion_io(&batch.done);
	return batch.error;
}

int dmr_blocks_read(struct block_device *bdev, const struct dmr_block *b,
		    unsigned int nr)
{
	return submit_all(bdev, b, nr, REQ_OP_READ);
}

int dmr_blocks_write(struct block_device *bdev, const struct dmr_block *b,
		     unsigned int nr)
{
	int r;

	/* Where FUA is a flush for each, one for all is better. */
	if (nr == 1 || bdev_fua(bdev))
		return submit_all(bdev, b, nr, REQ_OP_WRITE | REQ_FUA);
	r = submit_all(bdev, b, nr, REQ_OP_WRITE);
	return r ?: blkdev_issue_flush(bdev);
}

int dmr_metaio_init(void)
{
	return bioset_init(&meta_bios, BIO_POOL_SIZE, 0, BIOSET_NEED_BVECS);
}

void dmr_metaio_exit(void)
{
	bioset_exit(&meta_bios);
}
