// SPDX-License-Identifier: GPL-2.0-or-later
/* The real kernel: generic netlink for the commands, device-mapper below. */
#include "kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "device.h"
#include "loop.h"
#include "ring.h"

struct real_kernel {
	struct kernel kernel;
	struct dmr_nl *nl;
};

/* libdevmapper keeps global state, and one may change devices at a time. */
static pthread_mutex_t dm_lock = PTHREAD_MUTEX_INITIALIZER;

static struct dmr_nl *nl_of(struct kernel *kernel)
{
	return container_of(kernel, struct real_kernel, kernel)->nl;
}

static int real_open(struct kernel **kernel, char error[KERNEL_ERROR_SIZE])
{
	struct real_kernel *real = calloc(1, sizeof(*real));
	int err = real ? dmr_nl_open(&real->nl) : -ENOMEM;

	if (err) {
		snprintf(error, KERNEL_ERROR_SIZE, "%s",
			 err == -ENOENT ? "the kernel module is not loaded: "
			 "modprobe dm-replica" : strerror(-err));
		free(real);
		return err;
	}
	real->kernel.ops = &kernel_netlink_ops;
	*kernel = &real->kernel;
	return 0;
}

static void real_close(struct kernel *kernel)
{
	dmr_nl_close(nl_of(kernel));
	free(container_of(kernel, struct real_kernel, kernel));
}

static int real_fd(struct kernel *kernel)
{
	return dmr_nl_fd(nl_of(kernel));
}

static const char *real_error(struct kernel *kernel)
{
	return dmr_nl_error(nl_of(kernel));
}

static int real_next_event(struct kernel *kernel, struct dmr_nl_event *ev)
{
	return dmr_nl_next_event(nl_of(kernel), ev);
}

static int real_get(struct kernel *kernel, uint64_t dev, struct dmr_info *info)
{
	return dmr_nl_get(nl_of(kernel), dev, info);
}

static int real_attach(struct kernel *kernel, uint64_t dev,
		       struct dmr_info *info)
{
	return dmr_nl_attach(nl_of(kernel), dev, info);
}

static int real_detach(struct kernel *kernel, uint64_t dev)
{
	return dmr_nl_detach(nl_of(kernel), dev);
}

static int real_join(struct kernel *kernel, uint64_t dev, uint64_t group)
{
	return dmr_nl_join(nl_of(kernel), dev, group);
}

static int real_cut(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		    uint32_t flags, struct dmr_cut *cut)
{
	return dmr_nl_cut(nl_of(kernel), dev, epoch, flags, cut);
}

static int real_get_frozen(struct kernel *kernel, uint64_t dev, uint64_t epoch,
			   dmr_extents_fn fn, void *arg)
{
	return dmr_nl_get_frozen(nl_of(kernel), dev, epoch, 0, 0, fn, arg);
}

static int real_get_dirty(struct kernel *kernel, uint64_t dev,
			  dmr_extents_fn fn, void *arg)
{
	return dmr_nl_get_dirty(nl_of(kernel), dev, 0, 0, fn, arg);
}

static int real_release(struct kernel *kernel, uint64_t dev, uint64_t epoch,
			const struct dmr_extent *v, size_t nr,
			struct dmr_released *out)
{
	return dmr_nl_release(nl_of(kernel), dev, epoch, v, nr, out);
}

static int real_end(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		    enum dmr_end how)
{
	return dmr_nl_end(nl_of(kernel), dev, epoch, how);
}

static int real_mark(struct kernel *kernel, uint64_t dev,
		     const struct dmr_extent *v, size_t nr)
{
	return dmr_nl_mark(nl_of(kernel), dev, v, nr);
}

static int real_set(struct kernel *kernel, uint64_t dev,
		    const struct dmr_set *set)
{
	return dmr_nl_set(nl_of(kernel), dev, set);
}

/* --- device-mapper ----------------------------------------------------- */

/* One call from outside, with the lock and device-mapper open. */
struct dm_call {
	const char *device;
	const char *metadata;		/* of insert() */
	struct kernel_device *out;	/* the same */
	struct dmr_dm *dm;
	char name[DMR_DM_NAME_LEN];
	struct dmr_dm_info info;	/* of the device, before */
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

/* replicad may live on the very device that is suspended for a moment. */
static int insert_locked_in_memory(struct dm_call *c, const char *meta)
{
	int err;

	if (mlockall(MCL_CURRENT))
		return -errno;
	err = dmr_dm_insert_kept(c->dm, c->name, meta, NULL);
	munlockall();
	if (err && meta)
		return refuse(c, err, "%.180s (metadata=%.60s; its size: "
			      "replicactl kernel meta-size %" PRIu64 ")",
			      dmr_dm_error(c->dm), c->metadata,
			      c->info.sectors);
	return err;
}

static bool is_none(const char *metadata)
{
	return !strcmp(metadata, "none");
}

/* The number of the metadata device, 0 for none, in *@dev. */
static int find_metadata(struct dm_call *c, uint64_t *dev)
{
	struct stat st;

	*dev = 0;
	if (is_none(c->metadata))
		return 0;
	if (stat(c->metadata, &st))
		return refuse(c, -errno, "metadata=%.100s: %s", c->metadata,
			      strerror(errno));
	if (!S_ISBLK(st.st_mode))
		return refuse(c, -ENOTBLK, "metadata=%.100s is not a block "
			      "device", c->metadata);
	*dev = dmr_devno(major(st.st_rdev), minor(st.st_rdev));
	return 0;
}

/* What is there keeps its metadata device. */
static int check_metadata(struct dm_call *c, uint64_t meta)
{
	if (meta == c->info.meta)
		return 0;
	if (!c->info.meta)
		return refuse(c, -EINVAL, "%.60s has no metadata device, but "
			      "metadata=%.100s: disable it first",
			      c->name, c->metadata);
	return refuse(c, -EINVAL, "%.60s has the metadata device %u:%u, not "
		      "metadata=%.100s: disable it first", c->name,
		      dmr_major(c->info.meta), dmr_minor(c->info.meta),
		      c->metadata);
}

static int insert_new(struct dm_call *c, uint64_t meta)
{
	char number[32];
	int err;

	snprintf(number, sizeof(number), "%u:%u", dmr_major(meta),
		 dmr_minor(meta));
	err = insert_locked_in_memory(c, meta ? number : NULL);
	if (!err)
		c->out->was_written = dmr_dm_written(c->dm, c->name) != 0;
	return err;
}

static int make_ready(struct dm_call *c)
{
	bool is_plain = c->info.form == DMR_DM_PLAIN;
	uint64_t meta = 0;
	int err = 0;

	if (c->metadata)
		err = find_metadata(c, &meta);
	else if (is_plain)
		return refuse(c, -EINVAL, "metadata= is missing: the device "
			      "where to remember what was written (%" PRIu64
			      " sectors: replicactl kernel meta-size), or none:"
			      " then everything is sent again after each boot",
			      c->info.sectors);
	if (!err && is_plain)
		err = insert_new(c, meta);
	else if (!err && c->metadata)
		err = check_metadata(c, meta);
	return err;
}

static int do_insert(struct dm_call *c)
{
	int err = make_ready(c);

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

static int do_take_out(struct dm_call *c)
{
	if (c->info.form == DMR_DM_INSERTED || c->info.form == DMR_DM_PLAIN)
		return dmr_dm_take_out(c->dm, c->name);
	return dmr_dm_remove_view(c->dm, c->name);
}

static int do_look(struct dm_call *c)
{
	return c->info.form == DMR_DM_PLAIN;
}

static int with_device_mapper(struct dm_call *c,
			      int (*what)(struct dm_call *c))
{
	int ret;

	c->error[0] = 0;
	pthread_mutex_lock(&dm_lock);
	ret = dmr_dm_open(&c->dm);
	if (!ret)
		ret = dmr_dm_find(c->dm, c->device, c->name);
	if (!ret)
		ret = dmr_dm_info(c->dm, c->name, &c->info);
	if (!ret)
		ret = what(c);
	if (ret < 0 && !c->error[0])
		refuse(c, ret, "%s", c->dm && dmr_dm_error(c->dm)[0] ?
		       dmr_dm_error(c->dm) : strerror(-ret));
	dmr_dm_close(c->dm);
	pthread_mutex_unlock(&dm_lock);
	return ret;
}

static int real_is_plain(const char *device, char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .device = device, .error = error };

	return with_device_mapper(&c, do_look);
}

static int real_insert(const char *device, const char *metadata,
		       struct kernel_device *out,
		       char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .device = device, .metadata = metadata,
			     .out = out, .error = error };

	out->was_written = false;
	return with_device_mapper(&c, do_insert);
}

static int real_take_out(const char *device, char error[KERNEL_ERROR_SIZE])
{
	struct dm_call c = { .device = device, .error = error };

	return with_device_mapper(&c, do_take_out);
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

/*
 * The base is the device itself. After a boot nobody knows who has written it
 * before us (L1).
 */
static int insert_below(struct dmr_dm *dm, const struct kernel_promoted *p,
			const char *meta)
{
	int err = dmr_dm_insert_kept(dm, p->name, meta, NULL);

	return err || !p->is_again ? err :
	       dmr_dm_message(dm, p->name, "mark all");
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
		return dmr_dm_create_kept(dm, p->name, base, meta,
					  p->bytes / 512, NULL);
	return err ? err : take_device(dm, p, &info, base, meta);
}

static int real_activate(const struct kernel_promoted *p,
			 char error[KERNEL_ERROR_SIZE])
{
	char base[LOOP_PATH_LEN], meta[LOOP_PATH_LEN];
	bool is_kept = !is_none(p->metadata);
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

const struct kernel_ops kernel_netlink_ops = {
	.open = real_open,
	.close = real_close,
	.fd = real_fd,
	.error = real_error,
	.next_event = real_next_event,
	.get = real_get,
	.attach = real_attach,
	.detach = real_detach,
	.join = real_join,
	.cut = real_cut,
	.get_frozen = real_get_frozen,
	.get_dirty = real_get_dirty,
	.release = real_release,
	.end = real_end,
	.mark = real_mark,
	.set = real_set,
	.is_plain = real_is_plain,
	.insert = real_insert,
	.take_out = real_take_out,
	.activate = real_activate,
};
