// SPDX-License-Identifier: GPL-2.0-or-later
/* The devices of the real kernel, by device-mapper. */
#include "kernel-dm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device.h"
#include "loop.h"
#include "lvm.h"

/* libdevmapper keeps global state, and one may change devices at a time. */
static pthread_mutex_t dm_lock = PTHREAD_MUTEX_INITIALIZER;

/* One call from outside, with the lock and device-mapper open. */
struct dm_call {
	const struct kernel_form *form;
	struct kernel_device *out;	/* of insert() */
	struct dmr_dm *dm;
	char name[DMR_DM_NAME_LEN];
	struct dmr_dm_info info;	/* of the device, before;
					 * of extend(): after */
	bool is_missing;		/* it is still to be made */
	bool was_hidden, is_hidden;	/* its origin: before, now (lvm.h) */
	char *error;
};

static int refuse(struct dm_call *c, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct dm_call *c, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(c->error, KERNEL_ERROR_SIZE, fmt, args);
	va_end(args);
	return err;
}

static int refuse_metadata(struct dm_call *c, int err, uint64_t sectors)
{
	return refuse(c, err, "%.180s (metadata=%.60s; its size: replicactl "
		      "kernel meta-size %" PRIu64 ")", dmr_dm_error(c->dm),
		      c->form->metadata, sectors);
}

/* replicad may live on the very device that is suspended for a moment. */
static int insert_locked_in_memory(struct dm_call *c, const char *meta)
{
	int err;

	if (mlockall(MCL_CURRENT))
		return -errno;
	err = dmr_dm_insert_kept(c->dm, c->name, meta, NULL);
	munlockall();
	return err && meta ? refuse_metadata(c, err, c->info.sectors) : err;
}

/* Opens a block device, or the loop device of a file, which it gets. */
static int open_block(const char *path)
{
	char device[LOOP_PATH_LEN];
	struct stat st;
	int fd, err = stat(path, &st) ? -errno : 0;

	if (!err && S_ISREG(st.st_mode)) {
		err = loop_device_of(path, device, sizeof(device));
		path = device;
	}
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The number of a block device in *@dev, and how large it is. */
static int find_block(struct dm_call *c, const char *key, const char *path,
		      uint64_t *dev, uint64_t *sectors)
{
	int fd = open_block(path), err = fd < 0 ? fd : 0;
	struct stat st;

	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err && !S_ISBLK(st.st_mode))
		err = -ENOTBLK;
	if (!err && ioctl(fd, BLKGETSIZE64, sectors))
		err = -errno;
	if (fd >= 0)
		close(fd);
	if (err)
		return refuse(c, err, err == -ENOTBLK ? "%s=%.100s is not a "
			      "block device" : "%s=%.100s: %s", key, path,
			      strerror(-err));
	*sectors /= 512;
	*dev = dmr_devno(major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

/* The number of the metadata device, 0 for none, in *@dev. */
static int find_metadata(struct dm_call *c, uint64_t *dev)
{
	uint64_t sectors;

	*dev = 0;
	if (!strcmp(c->form->metadata, "none"))
		return 0;
	return find_block(c, "metadata", c->form->metadata, dev, &sectors);
}

/* What is there keeps its metadata device. */
static int check_metadata(struct dm_call *c, uint64_t meta)
{
	if (meta == c->info.meta)
		return 0;
	if (!c->info.meta)
		return refuse(c, -EINVAL, "%.60s has no metadata device, but "
			      "metadata=%.100s: disable it first",
			      c->name, c->form->metadata);
	return refuse(c, -EINVAL, "%.60s has the metadata device %u:%u, not "
		      "metadata=%.100s: disable it first", c->name,
		      dmr_major(c->info.meta), dmr_minor(c->info.meta),
		      c->form->metadata);
}

struct number {
	char text[32];
};

static struct number number_of(uint64_t dev)
{
	struct number n;

	snprintf(n.text, sizeof(n.text), "%u:%u", dmr_major(dev),
		 dmr_minor(dev));
	return n;
}

static int insert_new(struct dm_call *c, uint64_t meta)
{
	struct number number = number_of(meta);
	int err = insert_locked_in_memory(c, meta ? number.text : NULL);

	if (!err)
		c->out->was_written = dmr_dm_written(c->dm, c->name) != 0;
	return err;
}

/*
 * Its counters are looked at when nobody can mount the origin any more. One
 * that others may have activated was perhaps written before it was this time.
 */
static int create_above(struct dm_call *c, uint64_t origin, uint64_t sectors,
			uint64_t meta)
{
	struct number below = number_of(origin), beside = number_of(meta);
	int err;

	err = dmr_dm_create(c->dm, c->name, below.text,
			    meta ? beside.text : NULL, sectors, NULL);
	if (err && meta)
		return refuse_metadata(c, err, sectors);
	if (!err)
		c->out->was_written = c->was_hidden != c->is_hidden ||
				      dmr_block_written(origin);
	return err;
}

static int check_origin(struct dm_call *c, uint64_t origin)
{
	if (c->info.form == DMR_DM_REPLICA && c->info.origin == origin)
		return 0;
	return refuse(c, -EEXIST, "there is a device %.60s already, which is "
		      "not a replica above origin=%.100s", c->name,
		      c->form->origin);
}

static int need_metadata(struct dm_call *c)
{
	return refuse(c, -EINVAL, "metadata= is missing: the device where to "
		      "remember what was written (its size: replicactl kernel "
		      "meta-size), or none: then everything is sent again "
		      "after each boot");
}

static int make_above_origin(struct dm_call *c)
{
	uint64_t origin = 0, sectors = 0, meta = 0;
	int err = find_block(c, "origin", c->form->origin, &origin, &sectors);

	if (!err && c->form->metadata)
		err = find_metadata(c, &meta);
	if (!err && !c->is_missing)
		err = check_origin(c, origin);
	else if (!err && !c->form->metadata)
		err = need_metadata(c);
	if (err)
		return err;
	c->out->form = c->is_hidden ? "private" : "own";
	if (c->is_missing)
		return create_above(c, origin, sectors, meta);
	return c->form->metadata ? check_metadata(c, meta) : 0;
}

static int make_inserted(struct dm_call *c)
{
	bool is_plain = c->info.form == DMR_DM_PLAIN;
	uint64_t meta = 0;
	int err = 0;

	if (c->form->metadata)
		err = find_metadata(c, &meta);
	else if (is_plain)
		return need_metadata(c);
	if (!err && is_plain)
		err = insert_new(c, meta);
	else if (!err && c->form->metadata)
		err = check_metadata(c, meta);
	c->out->form = c->info.form == DMR_DM_REPLICA ? "own" : "inserted";
	return err;
}

static int do_insert(struct dm_call *c)
{
	int err = c->form->origin ? make_above_origin(c) : make_inserted(c);

	if (!err)
		err = dmr_dm_info(c->dm, c->name, &c->info);
	if (err)
		return err;
	if (c->info.form != DMR_DM_INSERTED && c->info.form != DMR_DM_REPLICA)
		return -EINVAL;
	snprintf(c->out->name, sizeof(c->out->name), "%s", c->name);
	c->out->dev = c->info.dev;
	err = dmr_dm_create_view(c->dm, c->name, c->out->view);
	if (!err)	/* it stands beside the view */
		snprintf(c->out->live, sizeof(c->out->live), "%.*s",
			 (int)(strlen(c->out->view) - strlen(DMR_VIEW_SUFFIX)),
			 c->out->view);
	return err;
}

/* Is the device the one that was made above the origin? */
static bool is_ours(struct dm_call *c)
{
	uint64_t origin, sectors;

	return !c->is_missing && c->info.form == DMR_DM_REPLICA &&
	       !find_block(c, "origin", c->form->origin, &origin, &sectors) &&
	       c->info.origin == origin;
}

/* Inserted ones are taken out in use. */
static int do_check_out(struct dm_call *c)
{
	if (!c->form->origin || !is_ours(c) || !c->info.open_count)
		return 0;
	return refuse(c, -EBUSY, "%.60s is in use: its users must end first, "
		      "and find their data on %.100s then", c->name,
		      c->form->origin);
}

static int remove_above_origin(struct dm_call *c)
{
	int err = do_check_out(c);

	if (err)
		return err;
	err = dmr_dm_remove_view(c->dm, c->name);
	return err ? err : dmr_dm_retire(c->dm, c->name);
}

static int do_take_out(struct dm_call *c)
{
	if (c->form->origin)
		return is_ours(c) ? remove_above_origin(c) : -ENXIO;
	if (c->info.form == DMR_DM_INSERTED || c->info.form == DMR_DM_PLAIN)
		return dmr_dm_take_out(c->dm, c->name);
	return dmr_dm_remove_view(c->dm, c->name);
}

static int do_look(struct dm_call *c)
{
	if (c->form->origin)
		return c->is_missing;
	return c->info.form == DMR_DM_PLAIN;
}

/* One that is made above its origin may be missing. */
static int find_device(struct dm_call *c)
{
	int err = dmr_dm_find(c->dm, c->form->device, c->name);

	if (!err)
		err = dmr_dm_info(c->dm, c->name, &c->info);
	if (err != -ENXIO || !c->form->origin)
		return err;
	c->is_missing = true;
	snprintf(c->name, sizeof(c->name), "%s", c->form->device);
	return 0;
}

static int with_device_mapper(struct dm_call *c,
			      int (*what)(struct dm_call *c))
{
	int ret;

	c->error[0] = 0;
	pthread_mutex_lock(&dm_lock);
	ret = dmr_dm_open(&c->dm);
	if (!ret)
		ret = find_device(c);
	if (!ret)
		ret = what(c);
	if (ret < 0 && !c->error[0])
		refuse(c, ret, "%s", c->dm && dmr_dm_error(c->dm)[0] ?
		       dmr_dm_error(c->dm) : strerror(-ret));
	dmr_dm_close(c->dm);
	pthread_mutex_unlock(&dm_lock);
	return ret;
}

int kernel_dm_is_plain(const struct kernel_form *form,
		       char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .form = form, .error = error };

	return with_device_mapper(&c, do_look);
}

/* LVM's tools take their time, and need no lock of ours. */
static int prepare_origin(struct dm_call *c)
{
	const char *path = c->form->origin;
	int err = lvm_activate(path, c->error);

	if (!err)
		err = lvm_check(path, c->error);
	if (err)
		return err;
	c->was_hidden = lvm_is_hidden(path);
	if (!c->was_hidden)
		err = lvm_hide(path, true, c->error);
	c->is_hidden = c->was_hidden || (!err && lvm_is_hidden(path));
	return err;
}

int kernel_dm_insert(const struct kernel_form *form, struct kernel_device *out,
		     char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .form = form, .out = out, .error = error };
	int err = form->origin ? prepare_origin(&c) : 0;

	out->was_written = false;
	return err ? err : with_device_mapper(&c, do_insert);
}

/* Those of files have the size of the file from now on (L2 in loop.c). */
static int look_again(struct dm_call *c)
{
	uint64_t dev, sectors;
	int err = 0;

	if (c->form->origin)
		err = find_block(c, "origin", c->form->origin, &dev, &sectors);
	return !err && c->form->metadata ? find_metadata(c, &dev) : err;
}

/* What is most likely wrong is that the metadata has no room for more. */
static int do_extend(struct dm_call *c)
{
	char view[DMR_DM_PATH_LEN];
	int err = look_again(c);

	if (err)
		return err;
	err = c->is_missing ? -ENXIO : dmr_dm_extend(c->dm, c->name);
	if (err && c->info.meta)
		return refuse(c, err, "%.60s cannot grow: %.120s (or is its "
			      "metadata device too small? replicactl kernel "
			      "meta-size)", c->name, c->is_missing ?
			      strerror(ENXIO) : dmr_dm_error(c->dm));
	if (!err)
		err = dmr_dm_info(c->dm, c->name, &c->info);
	return err || c->form->has_no_view ? err :
	       dmr_dm_create_view(c->dm, c->name, view);
}

int kernel_dm_extend(const struct kernel_form *form, uint64_t *bytes,
		     char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .form = form, .error = error };
	int err = with_device_mapper(&c, do_extend);

	*bytes = c.info.sectors * 512;
	return err;
}

int kernel_dm_check_out(const struct kernel_form *form,
			char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .form = form, .error = error };

	return with_device_mapper(&c, do_check_out);
}

/* Those that are in use stay: others have them. */
static void release_loops(const struct kernel_form *form)
{
	loop_release(form->origin);
	if (form->metadata && strcmp(form->metadata, "none"))
		loop_release(form->metadata);
}

/* An origin that is no longer ours is activated by LVM again. */
int kernel_dm_take_out(const struct kernel_form *form,
		       char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .form = form, .error = error };
	int err = with_device_mapper(&c, do_take_out);

	if (!form->origin || (err && err != -ENXIO))
		return err;
	if (lvm_is_hidden(form->origin))
		err = lvm_hide(form->origin, false, error) ?: err;
	release_loops(form);
	return err;
}

/* --- a promotion ------------------------------------------------------- */

static int loop_of(const char *path, char device[LOOP_PATH_LEN],
		   char error[KERNEL_ERROR_SIZE])
{
	int err = loop_device_of(path, device, LOOP_PATH_LEN);

	if (err)
		snprintf(error, KERNEL_ERROR_SIZE, "%.200s: %s", path,
			 strerror(-err));
	return err;
}

struct table_options {
	char text[80];
};

static struct table_options options_of(const struct kernel_promoted *p)
{
	struct table_options o = { "0" };

	if (p->chunk_sectors && p->region_sectors)
		snprintf(o.text, sizeof(o.text), "4 chunk_size %" PRIu32
			 " region_size %" PRIu32, p->chunk_sectors,
			 p->region_sectors);
	return o;
}

/* A file is in no table of the boot; a volume may be (L1). */
bool kernel_dm_is_private_base(const char *base)
{
	struct stat st;

	return !stat(base, &st) && (S_ISREG(st.st_mode) || lvm_is_hidden(base));
}

/* replicad may live on the very device: see insert_locked_in_memory(). */
static int insert_below(struct dmr_dm *dm, const struct kernel_promoted *p,
			const char *meta)
{
	int err;

	if (mlockall(MCL_CURRENT))
		return -errno;
	err = dmr_dm_insert_kept(dm, p->name, meta, options_of(p).text);
	munlockall();
	return err;
}

/* There is a device of that name: it must be ours, or the base. */
static int take_device(struct dmr_dm *dm, const struct kernel_promoted *p,
		       const struct dmr_dm_info *info, const char *base,
		       const char *meta)
{
	struct stat st;
	uint64_t dev;

	if (stat(base, &st))
		return -errno;
	dev = dmr_devno(major(st.st_rdev), minor(st.st_rdev));
	if (info->form == DMR_DM_PLAIN && info->dev == dev)
		return insert_below(dm, p, meta);
	if (info->form == DMR_DM_INSERTED && info->dev == dev)
		return 0;
	return info->form == DMR_DM_REPLICA && info->origin == dev ? 0 :
								     -EEXIST;
}

static int make_device(struct dmr_dm *dm, const struct kernel_promoted *p,
		       const char *base, const char *meta)
{
	struct dmr_dm_info info;
	int err = dmr_dm_info(dm, p->name, &info);

	if (err == -ENXIO)
		return dmr_dm_create(dm, p->name, base, meta, p->bytes / 512,
				     options_of(p).text);
	return err ? err : take_device(dm, p, &info, base, meta);
}

int kernel_dm_activate(const struct kernel_promoted *p,
		       char error[KERNEL_ERROR_SIZE])
{
	char base[LOOP_PATH_LEN], meta[LOOP_PATH_LEN];
	bool is_kept = strcmp(p->metadata, "none");
	struct dmr_dm *dm = NULL;
	int err;

	pthread_mutex_lock(&dm_lock);
	err = loop_of(p->base, base, error);
	if (!err && is_kept)
		err = loop_of(p->metadata, meta, error);
	if (!err)
		err = dmr_dm_open(&dm);
	if (!err)
		err = make_device(dm, p, base, is_kept ? meta : NULL);
	if (err == -EEXIST)
		snprintf(error, KERNEL_ERROR_SIZE, "there is another device of "
			 "that name");
	else if (err && !error[0])
		snprintf(error, KERNEL_ERROR_SIZE, "%.250s", dm ?
			 dmr_dm_error(dm) : strerror(-err));
	dmr_dm_close(dm);
	pthread_mutex_unlock(&dm_lock);
	return err;
}

static int remove_device(struct dmr_dm *dm, const char *name)
{
	struct dmr_dm_info info;
	int err = dmr_dm_info(dm, name, &info);

	if (err == -ENXIO)
		return 0;
	if (err || info.form == DMR_DM_INSERTED)
		return err ? err : dmr_dm_take_out(dm, name);
	if (info.form != DMR_DM_REPLICA)
		return 0;
	if (info.open_count)
		return -EBUSY;
	err = dmr_dm_remove_view(dm, name);
	return err ? err : dmr_dm_retire(dm, name);
}

int kernel_dm_deactivate(const char *name, char error[KERNEL_ERROR_SIZE])
{
	struct dmr_dm *dm = NULL;
	int err;

	pthread_mutex_lock(&dm_lock);
	err = dmr_dm_open(&dm);
	if (!err)
		err = remove_device(dm, name);
	if (err)
		snprintf(error, KERNEL_ERROR_SIZE, "%.250s", dm &&
			 dmr_dm_error(dm)[0] ? dmr_dm_error(dm) :
			 strerror(-err));
	dmr_dm_close(dm);
	pthread_mutex_unlock(&dm_lock);
	return err;
}

int kernel_dm_nr_opens(const char *name, char error[KERNEL_ERROR_SIZE])
{
	struct dmr_dm_info info;
	struct dmr_dm *dm = NULL;
	int ret;

	pthread_mutex_lock(&dm_lock);
	ret = dmr_dm_open(&dm);
	if (!ret)
		ret = dmr_dm_info(dm, name, &info);
	if (ret)
		snprintf(error, KERNEL_ERROR_SIZE, "%.250s", dm ?
			 dmr_dm_error(dm) : strerror(-ret));
	dmr_dm_close(dm);
	pthread_mutex_unlock(&dm_lock);
	return ret ? ret : info.open_count;
}
