// SPDX-License-Identifier: GPL-2.0
/*
 * The target "replica": device-mapper's methods.
 *
 * A table instance is thin: it opens the origin and counts itself on the
 * dmr_device, which two instances share while a table is reloaded.
 */
#include "target.h"

#include <linux/blkdev.h>
#include <linux/module.h>

#include "args.h"
#include "group.h"
#include "io.h"
#include "meta.h"
#include "status.h"

static int check_origin(struct dm_target *ti, struct block_device *bdev)
{
	if (bdev_is_zoned(bdev)) {
		ti->error = "Zoned devices are not supported";
		return -EOPNOTSUPP;
	}
	if (bdev_nr_sectors(bdev) < ti->len) {
		ti->error = "The origin is smaller than the table says";
		return -EINVAL;
	}
	return 0;
}

static int check_meta(struct dm_target *ti, struct dmr_target *t)
{
	struct block_device *bdev = t->meta->bdev;

	if (bdev == t->origin->bdev) {
		ti->error = "The metadata device is the origin";
		return -EINVAL;
	}
	if (bdev_is_zoned(bdev)) {
		ti->error = "Zoned devices are not supported";
		return -EOPNOTSUPP;
	}
	if (bdev_nr_sectors(bdev) < t->cfg.layout.nr_blocks *
				    (DMR_BLOCK_SIZE / SECTOR_SIZE)) {
		DMERR("The metadata device needs %llu sectors",
		      t->cfg.layout.nr_blocks * (DMR_BLOCK_SIZE / SECTOR_SIZE));
		ti->error = "The metadata device is too small";
		return -ENOSPC;
	}
	return 0;
}

static int open_meta(struct dm_target *ti, struct dmr_target *t,
		     const char *path)
{
	int r;

	if (!path)
		return 0;
	r = dm_get_device(ti, path, BLK_OPEN_READ | BLK_OPEN_WRITE, &t->meta);
	if (r) {
		ti->error = "Can't open the metadata device";
		t->meta = NULL;
		return r;
	}
	t->cfg.meta_bdev = t->meta->bdev;
	return check_meta(ti, t);
}

static int open_origin(struct dm_target *ti, struct dmr_target *t,
		       const char *path)
{
	int r;

	r = dm_get_device(ti, path, dm_table_get_mode(ti->table), &t->origin);
	if (r) {
		ti->error = "Can't open the origin device";
		t->origin = NULL;
		return r;
	}
	return check_origin(ti, t->origin->bdev);
}

static int open_devices(struct dm_target *ti, struct dmr_target *t,
			const char *origin, const char *meta)
{
	int r = open_origin(ti, t, origin) ?: open_meta(ti, t, meta);

	if (r)
		return r;
	t->dev = dmr_device_open(dm_table_get_md(ti->table), t->origin->bdev,
				 &t->cfg, &ti->error);
	return PTR_ERR_OR_ZERO(t->dev);
}

static void close_devices(struct dm_target *ti, struct dmr_target *t)
{
	if (t->meta)
		dm_put_device(ti, t->meta);
	if (t->origin)
		dm_put_device(ti, t->origin);
	kfree(t);
}

static void set_features(struct dm_target *ti)
{
	ti->num_flush_bios = 1;
	ti->num_discard_bios = 1;
	ti->num_write_zeroes_bios = 1;
	ti->num_secure_erase_bios = 0;
	ti->per_io_data_size = sizeof(struct dmr_io);
	ti->accounts_remapped_io = true;
	ti->limit_swap_bios = true;
}

static int replica_ctr(struct dm_target *ti, unsigned int argc, char **argv)
{
	struct dmr_target *t;
	const char *meta;
	int r;

	if (!argc) {
		ti->error = "Needs <origin dev> <metadata dev | -> <#opts>";
		return -EINVAL;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t) {
		ti->error = "Not enough memory";
		return -ENOMEM;
	}
	r = dmr_args_parse(ti, argc - 1, argv + 1, &t->cfg, &meta);
	if (!r)
		r = open_devices(ti, t, argv[0], meta);
	if (r) {
		close_devices(ti, t);
		return r;
	}
	ti->private = t;
	set_features(ti);
	return 0;
}

static void replica_dtr(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	dmr_device_close(t->dev);
	close_devices(ti, t);
}

static int replica_map(struct dm_target *ti, struct bio *bio)
{
	struct dmr_target *t = ti->private;

	return dmr_io_map(t->dev, bio);
}

static int replica_end_io(struct dm_target *ti, struct bio *bio,
			  blk_status_t *error)
{
	struct dmr_target *t = ti->private;

	dmr_io_end(t->dev, bio);
	return DM_ENDIO_DONE;
}

static void replica_presuspend(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	dmr_device_presuspend(t->dev);
}

static void replica_postsuspend(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	if (t->dev->meta)
		dmr_meta_quiesce(t->dev->meta);
}

static int replica_preresume(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	return dmr_device_preresume(t->dev, &t->cfg);
}

static void replica_resume(struct dm_target *ti)
{
	struct dmr_target *t = ti->private;

	dmr_device_resume(t->dev, t->origin->bdev, &t->cfg);
}

static void replica_presuspend_undo(struct dm_target *ti)
{
	replica_resume(ti);
}

static int replica_iterate_devices(struct dm_target *ti,
				   iterate_devices_callout_fn fn, void *data)
{
	struct dmr_target *t = ti->private;

	return fn(ti, t->origin, 0, ti->len, data);
}

static struct target_type replica_target = {
	.name = "replica",
	.version = {1, 1, 0},
	.features = DM_TARGET_SINGLETON | DM_TARGET_NOWAIT |
		    DM_TARGET_PASSES_INTEGRITY,
	.module = THIS_MODULE,
	.ctr = replica_ctr,
	.dtr = replica_dtr,
	.map = replica_map,
	.end_io = replica_end_io,
	.presuspend = replica_presuspend,
	.presuspend_undo = replica_presuspend_undo,
	.postsuspend = replica_postsuspend,
	.preresume = replica_preresume,
	.resume = replica_resume,
	.status = dmr_status,
	.message = dmr_message,
	.iterate_devices = replica_iterate_devices,
};

int dmr_target_init(void)
{
	return dm_register_target(&replica_target);
}

void dmr_target_exit(void)
{
	dm_unregister_target(&replica_target);
}
