// SPDX-License-Identifier: GPL-2.0-or-later
/* The real kernel: generic netlink for the commands, device-mapper below. */
#include "kernel.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "device.h"
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

/* --- device-mapper ----------------------------------------------------- */

/* replicad may live on the very device that is suspended for a moment. */
static int insert_locked_in_memory(struct dmr_dm *dm, const char *name)
{
	int err;

	if (mlockall(MCL_CURRENT))
		return -errno;
	err = dmr_dm_insert(dm, name, NULL);
	munlockall();
	return err;
}

static int insert_with(struct dmr_dm *dm, const char *device,
		       struct kernel_device *out)
{
	struct dmr_dm_info info;
	int err = dmr_dm_find(dm, device, out->name);

	if (!err)
		err = dmr_dm_info(dm, out->name, &info);
	if (!err && info.form == DMR_DM_PLAIN)
		err = insert_locked_in_memory(dm, out->name);
	if (!err)
		err = dmr_dm_info(dm, out->name, &info);
	if (err)
		return err;
	if (info.form != DMR_DM_INSERTED && info.form != DMR_DM_REPLICA)
		return -EINVAL;
	out->dev = info.dev;
	err = dmr_dm_create_view(dm, out->name, out->view);
	if (!err)	/* it stands beside the view */
		snprintf(out->live, sizeof(out->live), "%.*s",
			 (int)(strlen(out->view) - strlen(DMR_VIEW_SUFFIX)),
			 out->view);
	return err;
}

static int take_out_with(struct dmr_dm *dm, const char *device)
{
	char name[DMR_DM_NAME_LEN];
	struct dmr_dm_info info;
	int err = dmr_dm_find(dm, device, name);

	if (!err)
		err = dmr_dm_info(dm, name, &info);
	if (err || info.form == DMR_DM_PLAIN)
		return err;
	if (info.form == DMR_DM_INSERTED)
		return dmr_dm_take_out(dm, name);
	return dmr_dm_remove_view(dm, name);
}

/* Exactly one of @out (insert) and NULL (take out). */
static int with_device_mapper(const char *device, struct kernel_device *out,
			      char error[KERNEL_ERROR_SIZE])
{
	struct dmr_dm *dm = NULL;
	int err;

	pthread_mutex_lock(&dm_lock);
	err = dmr_dm_open(&dm);
	if (!err)
		err = out ? insert_with(dm, device, out) :
			    take_out_with(dm, device);
	if (err)
		snprintf(error, KERNEL_ERROR_SIZE, "%s",
			 dm && dmr_dm_error(dm)[0] ? dmr_dm_error(dm) :
			 strerror(-err));
	dmr_dm_close(dm);
	pthread_mutex_unlock(&dm_lock);
	return err;
}

static int real_insert(const char *device, struct kernel_device *out,
		       char error[KERNEL_ERROR_SIZE])
{
	return with_device_mapper(device, out, error);
}

static int real_take_out(const char *device, char error[KERNEL_ERROR_SIZE])
{
	return with_device_mapper(device, NULL, error);
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
	.insert = real_insert,
	.take_out = real_take_out,
};
