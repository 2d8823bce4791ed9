// SPDX-License-Identifier: GPL-2.0
/*
 * The target "replica-view": frozen chunks as they were at the cut.
 *
 * A read goes to the origin, never through the replica device: that may be
 * suspended, waiting for a write that waits for this read. When it has come
 * back, chunks that were preserved meanwhile are replaced from their copies
 * (P4 in preserve.c). Reads of anything else get an error, and so do writes.
 *
 *	map -[clone]-> origin -[view_read_done]-> done
 *	                             '- copies: [patch_work] -> done
 */
#include "view.h"

#include <linux/blkdev.h>
#include <linux/highmem.h>
#include <linux/module.h>

#include "fault.h"
#include "main.h"
#include "preserve.h"

struct view {
	struct dm_dev *origin;
	struct dmr_device *dev;		/* a reference */
};

/* One read; in front of the clone that goes to the origin. */
struct view_read {
	struct dmr_device *dev;
	struct bio *bio;		/* the caller's; its iter stays */
	struct work_struct work;
	u64 epoch;
	u64 first, last;		/* chunks */
	bool copies;			/* there were some when it started */
	struct bio clone;
};

static struct bio_set view_bios;

static void finish(struct view_read *r, blk_status_t status)
{
	struct bio *bio = r->bio;

	bio_put(&r->clone);
	bio->bi_status = status;
	bio_endio(bio);
}

/* Bytes from @pos to the end of what one copy page has of its chunk. */
static unsigned int part_len(struct dmr_device *dev, u64 pos, unsigned int max)
{
	unsigned int chunk_bytes = 1U << (dev->geo.chunk_shift + SECTOR_SHIFT);
	unsigned int in_chunk = pos & (chunk_bytes - 1);
	unsigned int unit = min_t(unsigned int, chunk_bytes, PAGE_SIZE);

	return min(max, unit - (in_chunk & (unit - 1)));
}

static bool patch_segment(struct view_read *r, u64 pos, struct bio_vec *bv)
{
	struct dmr_device *dev = r->dev;
	unsigned int shift = dev->geo.chunk_shift + SECTOR_SHIFT;
	void *buf = bvec_kmap_local(bv);
	u64 chunk = pos >> shift;
	bool ok;

	ok = dmr_preserve_patch(dev, r->epoch, chunk, pos - (chunk << shift),
				buf, bv->bv_len);
	kunmap_local(buf);
	return ok;
}

static bool patch(struct view_read *r)
{
	struct bvec_iter iter = r->bio->bi_iter;
	u64 pos = (u64)iter.bi_sector << SECTOR_SHIFT;
	struct bio_vec bv;

	while (iter.bi_size) {
		bv = bio_iter_iovec(r->bio, iter);
		bv.bv_len = part_len(r->dev, pos, bv.bv_len);
		if (!patch_segment(r, pos, &bv))
			return false;
		pos += bv.bv_len;
		bio_advance_iter_single(r->bio, &iter, bv.bv_len);
	}
	return true;
}

static void patch_work(struct work_struct *work)
{
	struct view_read *r = container_of(work, struct view_read, work);
	enum dmr_read_end end;

	dmr_fault_delay(view);
	end = dmr_preserve_read_end(r->dev, r->epoch, r->first, r->last);
	if (dmr_fault(no_recheck) && !r->copies)
		end = DMR_READ_OK;
	if (end == DMR_READ_PATCH && !patch(r))
		end = DMR_READ_FAIL;
	finish(r, end == DMR_READ_FAIL ? BLK_STS_IOERR : BLK_STS_OK);
}

/* Any context. */
static void view_read_done(struct bio *clone)
{
	struct view_read *r = container_of(clone, struct view_read, clone);
	enum dmr_read_end end;

	if (clone->bi_status) {
		finish(r, clone->bi_status);
		return;
	}
#ifndef DMR_FAULT
	end = dmr_preserve_read_end(r->dev, r->epoch, r->first, r->last);
#else
	end = DMR_READ_PATCH;	/* the delays are in process context */
#endif
	if (end == DMR_READ_PATCH) {
		INIT_WORK(&r->work, patch_work);
		queue_work(dmr_preserve_wq, &r->work);
		return;
	}
	finish(r, end == DMR_READ_FAIL ? BLK_STS_IOERR : BLK_STS_OK);
}

static void start_read(struct view *v, struct bio *bio, u64 epoch, bool copies,
		       u64 first, u64 last)
{
	gfp_t gfp = bio->bi_opf & REQ_NOWAIT ? GFP_NOWAIT : GFP_NOIO;
	struct view_read *r;
	struct bio *clone;

	clone = bio_alloc_clone(v->origin->bdev, bio, gfp, &view_bios);
	if (!clone) {
		bio_wouldblock_error(bio);
		return;
	}
	r = container_of(clone, struct view_read, clone);
	r->dev = v->dev;
	r->bio = bio;
	r->epoch = epoch;
	r->first = first;
	r->last = last;
	r->copies = copies;
	bio_clear_polled(clone);	/* nobody would poll it */
	clone->bi_end_io = view_read_done;
	submit_bio_noacct(clone);
}

static int view_map(struct dm_target *ti, struct bio *bio)
{
	struct view *v = ti->private;
	struct dmr_device *dev = v->dev;
	u64 first, last, epoch;
	bool copies;

	if (bio_op(bio) != REQ_OP_READ || !bio_sectors(bio))
		return DM_MAPIO_KILL;
	first = dmr_chunk_of(&dev->geo, bio->bi_iter.bi_sector);
	last = dmr_chunk_of(&dev->geo, bio_end_sector(bio) - 1);
	epoch = dmr_preserve_read_begin(dev, first, last, &copies);
	if (!epoch)
		return DM_MAPIO_KILL;
	start_read(v, bio, epoch, copies, first, last);
	return DM_MAPIO_SUBMITTED;
}

static int bind(struct dm_target *ti, struct view *v)
{
	v->dev = dmr_device_get_by_origin(v->origin->bdev->bd_dev);
	if (!v->dev) {
		ti->error = "No replica device uses this origin";
		return -ENXIO;
	}
	if (ti->len != v->dev->geo.sectors) {
		dmr_device_put(v->dev);
		ti->error = "The size differs from the replica device's";
		return -EINVAL;
	}
	return 0;
}

static int open_view(struct dm_target *ti, struct view *v, const char *path)
{
	int r;

	r = dm_get_device(ti, path, dm_table_get_mode(ti->table), &v->origin);
	if (r) {
		ti->error = "Can't open the origin device";
		return r;
	}
	r = bind(ti, v);
	if (r)
		dm_put_device(ti, v->origin);
	return r;
}

static int view_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct view *v;
	int r;

	if (argc != 1) {
		ti->error = "Needs one argument: <origin dev>";
		return -EINVAL;
	}
	if (dm_table_get_mode(ti->table) & BLK_OPEN_WRITE) {
		ti->error = "A view is read-only: load the table so";
		return -EROFS;
	}
	v = kzalloc(sizeof(*v), GFP_KERNEL);
	if (!v) {
		ti->error = "Not enough memory";
		return -ENOMEM;
	}
	r = open_view(ti, v, argv[0]);
	if (r) {
		kfree(v);
		return r;
	}
	ti->private = v;
	return 0;
}

static void view_dtr(struct dm_target *ti)
{
	struct view *v = ti->private;

	dm_put_device(ti, v->origin);
	dmr_device_put(v->dev);
	kfree(v);
}

static void view_status(struct dm_target *ti, status_type_t type,
			unsigned int flags, char *result, unsigned int maxlen)
{
	struct view *v = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		DMEMIT("%llu", READ_ONCE(v->dev->preserve.epoch));
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s", v->origin->name);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",origin=%s;", v->origin->name);
		break;
	}
}

static int view_iterate_devices(struct dm_target *ti,
				iterate_devices_callout_fn fn, void *data)
{
	struct view *v = ti->private;

	return fn(ti, v->origin, 0, ti->len, data);
}

static struct target_type dmr_view_target = {
	.name = "replica-view",
	.version = {1, 0, 0},
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT,
	.module = THIS_MODULE,
	.ctr = view_ctr,
	.dtr = view_dtr,
	.map = view_map,
	.status = view_status,
	.iterate_devices = view_iterate_devices,
};

int dmr_view_init(void)
{
	int r = bioset_init(&view_bios, BIO_POOL_SIZE,
			    offsetof(struct view_read, clone), 0);

	if (r)
		return r;
	r = dm_register_target(&dmr_view_target);
	if (r)
		bioset_exit(&view_bios);
	return r;
}

void dmr_view_exit(void)
{
	dm_unregister_target(&dmr_view_target);
	bioset_exit(&view_bios);
}
