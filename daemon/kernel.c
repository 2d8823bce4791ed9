// SPDX-License-Identifier: GPL-2.0-or-later
#include "kernel.h"

/* The result of a command, passed through. */
static int done(struct kernel *kernel, int err)
{
	if (kernel->used)
		kernel->used(kernel);
	return err;
}

void kernel_close(struct kernel *kernel)
{
	if (kernel)
		kernel->ops->close(kernel);
}

const char *kernel_error(struct kernel *kernel)
{
	return kernel->ops->error(kernel);
}

int kernel_next_event(struct kernel *kernel, struct dmr_nl_event *ev)
{
	return kernel->ops->next_event(kernel, ev);
}

int kernel_get(struct kernel *kernel, uint64_t dev, struct dmr_info *info)
{
	return done(kernel, kernel->ops->get(kernel, dev, info));
}

int kernel_get_all(struct kernel *kernel, dmr_info_fn fn, void *arg)
{
	return done(kernel, kernel->ops->get_all(kernel, fn, arg));
}

int kernel_attach(struct kernel *kernel, uint64_t dev, struct dmr_info *info)
{
	return done(kernel, kernel->ops->attach(kernel, dev, info));
}

int kernel_detach(struct kernel *kernel, uint64_t dev)
{
	return done(kernel, kernel->ops->detach(kernel, dev));
}

int kernel_join(struct kernel *kernel, uint64_t dev, uint64_t group)
{
	return done(kernel, kernel->ops->join(kernel, dev, group));
}

int kernel_cut(struct kernel *kernel, uint64_t dev, uint64_t epoch,
	       uint32_t flags, struct dmr_cut *cut)
{
	return done(kernel, kernel->ops->cut(kernel, dev, epoch, flags, cut));
}

int kernel_get_frozen(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		      dmr_extents_fn fn, void *arg)
{
	return done(kernel, kernel->ops->get_frozen(kernel, dev, epoch, fn,
						    arg));
}

int kernel_get_dirty(struct kernel *kernel, uint64_t dev, dmr_extents_fn fn,
		     void *arg)
{
	return done(kernel, kernel->ops->get_dirty(kernel, dev, fn, arg));
}

int kernel_release(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		   const struct dmr_extent *v, size_t nr,
		   struct dmr_released *out)
{
	return done(kernel, kernel->ops->release(kernel, dev, epoch, v, nr,
						 out));
}

int kernel_end(struct kernel *kernel, uint64_t dev, uint64_t epoch,
	       enum dmr_end how)
{
	return done(kernel, kernel->ops->end(kernel, dev, epoch, how));
}

int kernel_mark(struct kernel *kernel, uint64_t dev,
		const struct dmr_extent *v, size_t nr)
{
	return done(kernel, kernel->ops->mark(kernel, dev, v, nr));
}

int kernel_set(struct kernel *kernel, uint64_t dev, const struct dmr_set *set)
{
	return done(kernel, kernel->ops->set(kernel, dev, set));
}

int kernel_hold(struct kernel *kernel, uint64_t dev, uint32_t ms)
{
	return done(kernel, kernel->ops->hold(kernel, dev, ms));
}
