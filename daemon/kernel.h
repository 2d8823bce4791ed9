/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of replication behind a small table: the real one
 * (kernel-netlink.c), or the simulated one of the tests.
 *
 * One struct kernel for each reactor, used on its thread only, except that
 * is_plain(), insert(), check_out() and take_out() take no struct kernel,
 * block, and may be called from any thread. linux/dm-replica.h says what each
 * command means; functions that return int return 0 or -errno, and
 * kernel_error() has the reason in words.
 */
#ifndef REPLICAD_KERNEL_H
#define REPLICAD_KERNEL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "netlink.h"

#define KERNEL_ERROR_SIZE	300

/* What the device of a volume is to be. Texts are the caller's. */
struct kernel_form {
	const char *device;		/* its name, path or MAJOR:MINOR */
	/*
	 * NULL: others make the device, and the replica target is inserted. Or
	 * a block device above which a replica is made, of the name device.
	 */
	const char *origin;
	/* Of the metadata; "none"; NULL where the replica target is there. */
	const char *metadata;
	bool has_no_view;		/* extend: it is not replicated */
};

struct kernel_device {
	uint64_t dev;			/* dmr_devno() of the replica device */
	char name[DMR_NAME_LEN];	/* its device-mapper name */
	char view[PATH_MAX];		/* to be opened with O_DIRECT */
	char live[PATH_MAX];		/* the same: what its users see */
	bool was_written;		/* made or inserted just now, and its
					 * origin perhaps written since that
					 * was activated */
	bool is_suspect;		/* by insertion_run(): L1 */
	/* "inserted"; "private": nobody else activates its origin; "own": it
	 * was made as a replica, but others can reach its origin. Static. */
	const char *form;
};

/* A volume that becomes a primary here. */
struct kernel_promoted {
	const char *name;		/* of the device, too */
	const char *base;		/* its data: a file or a device … */
	uint64_t bytes;
	const char *metadata;		/* … its metadata: the same, or "none" */
	uint32_t chunk_sectors;		/* of the metadata; 0 = the … */
	uint32_t region_sectors;	/* … kernel's defaults */
};

struct kernel {
	const struct kernel_ops *ops;
	/*
	 * Called after each command: events may have come in meanwhile, for
	 * which the fd does not become readable. Set by the reactor.
	 */
	void (*used)(struct kernel *kernel);
};

struct kernel_ops {
	int (*open)(struct kernel **kernel, char error[KERNEL_ERROR_SIZE]);
	void (*close)(struct kernel *kernel);
	int (*fd)(struct kernel *kernel);
	const char *(*error)(struct kernel *kernel);
	/* 1: *ev is filled; 0: none; -ENOBUFS: some were lost */
	int (*next_event)(struct kernel *kernel, struct dmr_nl_event *ev);
	int (*get)(struct kernel *kernel, uint64_t dev, struct dmr_info *info);
	/* All replica devices, in one answer; fn must not use the kernel. */
	int (*get_all)(struct kernel *kernel, dmr_info_fn fn, void *arg);
	int (*attach)(struct kernel *kernel, uint64_t dev,
		      struct dmr_info *info);
	int (*detach)(struct kernel *kernel, uint64_t dev);
	int (*join)(struct kernel *kernel, uint64_t dev, uint64_t group);
	int (*cut)(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		   uint32_t flags, struct dmr_cut *cut);
	int (*get_frozen)(struct kernel *kernel, uint64_t dev, uint64_t epoch,
			  dmr_extents_fn fn, void *arg);
	int (*get_dirty)(struct kernel *kernel, uint64_t dev,
			 dmr_extents_fn fn, void *arg);
	int (*release)(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		       const struct dmr_extent *v, size_t nr,
		       struct dmr_released *out);
	int (*end)(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		   enum dmr_end how);
	int (*mark)(struct kernel *kernel, uint64_t dev,
		    const struct dmr_extent *v, size_t nr);

	int (*set)(struct kernel *kernel, uint64_t dev,
		   const struct dmr_set *set);
	/* Of the group; 0 ends it (K6). */
	int (*hold)(struct kernel *kernel, uint64_t dev, uint32_t ms);

	/* 1: there is no replica device yet, insert() would make it one. */
	int (*is_plain)(const struct kernel_form *form,
			char error[KERNEL_ERROR_SIZE]);
	/*
	 * Makes the device of a volume ready, and its view. Nothing to do if
	 * both are there; they must be of this form.
	 */
	int (*insert)(const struct kernel_form *form, struct kernel_device *out,
		      char error[KERNEL_ERROR_SIZE]);
	/*
	 * The device becomes as large as its origin is, *@bytes, and its view
	 * as it; nobody has the view open. Nothing to do if they are.
	 * Blocks, any thread, takes no struct kernel.
	 */
	int (*extend)(const struct kernel_form *form, uint64_t *bytes,
		      char error[KERNEL_ERROR_SIZE]);
	/* 0: take_out() can be tried. -EBUSY: its users must end first. */
	int (*check_out)(const struct kernel_form *form,
			 char error[KERNEL_ERROR_SIZE]);
	/*
	 * The reverse. A device that was made above an origin is removed; one
	 * that others made as a replica keeps its table. -ENXIO: it is gone.
	 */
	int (*take_out)(const struct kernel_form *form,
			char error[KERNEL_ERROR_SIZE]);
	/*
	 * Makes the device of a volume that was promoted; where its base is the
	 * device of that name, the target is put below that. Nothing to do if
	 * it is there. Blocks, any thread, takes no struct kernel.
	 */
	int (*activate)(const struct kernel_promoted *p,
			char error[KERNEL_ERROR_SIZE]);
	/*
	 * The reverse, when this site is the primary no more. Nothing to do if
	 * there is none; -EBUSY: in use. As above.
	 */
	int (*deactivate)(const char *name, char error[KERNEL_ERROR_SIZE]);
	/* Does nobody else activate this base (L1)? Blocks, any thread. */
	bool (*is_private_base)(const char *base);
	/* How often the device of that name is open now; -errno. As above. */
	int (*nr_opens)(const char *name, char error[KERNEL_ERROR_SIZE]);
	/* For tests: how far a verb has come. NULL: nobody asks. */
	void (*note_step)(const char *step);
};

extern const struct kernel_ops kernel_netlink_ops;

void kernel_close(struct kernel *kernel);	/* NULL is fine */
const char *kernel_error(struct kernel *kernel);
int kernel_next_event(struct kernel *kernel, struct dmr_nl_event *ev);
int kernel_get(struct kernel *kernel, uint64_t dev, struct dmr_info *info);
int kernel_get_all(struct kernel *kernel, dmr_info_fn fn, void *arg);
int kernel_attach(struct kernel *kernel, uint64_t dev, struct dmr_info *info);
int kernel_detach(struct kernel *kernel, uint64_t dev);
int kernel_join(struct kernel *kernel, uint64_t dev, uint64_t group);
int kernel_cut(struct kernel *kernel, uint64_t dev, uint64_t epoch,
	       uint32_t flags, struct dmr_cut *cut);
int kernel_get_frozen(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		      dmr_extents_fn fn, void *arg);
int kernel_get_dirty(struct kernel *kernel, uint64_t dev, dmr_extents_fn fn,
		     void *arg);
int kernel_release(struct kernel *kernel, uint64_t dev, uint64_t epoch,
		   const struct dmr_extent *v, size_t nr,
		   struct dmr_released *out);
int kernel_end(struct kernel *kernel, uint64_t dev, uint64_t epoch,
	       enum dmr_end how);
int kernel_mark(struct kernel *kernel, uint64_t dev,
		const struct dmr_extent *v, size_t nr);
int kernel_set(struct kernel *kernel, uint64_t dev, const struct dmr_set *set);
int kernel_hold(struct kernel *kernel, uint64_t dev, uint32_t ms);

#endif
