// SPDX-License-Identifier: GPL-2.0-or-later
/* The real kernel: generic netlink for the commands; devices: kernel-dm.c. */
#include "kernel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel-dm.h"
#include "ring.h"

struct real_kernel {
	struct kernel kernel;
	struct dmr_nl *nl;
};

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

static int real_get_all(struct kernel *kernel, dmr_info_fn fn, void *arg)
{
	return dmr_nl_get_all(nl_of(kernel), fn, arg);
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

static int real_hold(struct kernel *kernel, uint64_t dev, uint32_t ms)
{
	return dmr_nl_hold(nl_of(kernel), dev, ms);
}

const struct kernel_ops kernel_netlink_ops = {
	.open = real_open,
	.close = real_close,
	.fd = real_fd,
	.error = real_error,
	.next_event = real_next_event,
	.get = real_get,
	.get_all = real_get_all,
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
	.hold = real_hold,
	.is_plain = kernel_dm_is_plain,
	.insert = kernel_dm_insert,
	.extend = kernel_dm_extend,
	.check_out = kernel_dm_check_out,
	.take_out = kernel_dm_take_out,
	.activate = kernel_dm_activate,
	.deactivate = kernel_dm_deactivate,
	.is_private_base = kernel_dm_is_private_base,
	.nr_opens = kernel_dm_nr_opens,
};
