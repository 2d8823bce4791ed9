/* SPDX-License-Identifier: GPL-2.0 */
/* The epochs of a group: cut, freeze, release, end. See epoch.c. */
#ifndef DMR_EPOCH_H
#define DMR_EPOCH_H

#include "device.h"

/*
 * All functions that take @why set it to a sentence when they refuse. Group
 * lock unless another is named. They may sleep for a grace period and for
 * memory (GFP_NOIO), never for a disk.
 */

int dmr_epoch_cut(struct dmr_group *g, u64 epoch, u32 flags, const char **why);
int dmr_epoch_release(struct dmr_device *dev, struct dmr_group *g, u64 epoch,
		      const struct dmr_extent *ext, unsigned int nr,
		      const char **why);
int dmr_epoch_end(struct dmr_group *g, u64 epoch, enum dmr_end how,
		  const char **why);

/* @ext NULL: everything. */
int dmr_epoch_mark(struct dmr_device *dev, struct dmr_group *g,
		   const struct dmr_extent *ext, unsigned int nr,
		   const char **why);
int dmr_epoch_forget(struct dmr_device *dev, struct dmr_group *g,
		     u64 generation, u64 epoch, const char **why);

/* What SET may change; a pointer that is NULL changes nothing. */
struct dmr_settings {
	const u32 *role;
	const u64 *generation;
	const u64 *last_committed;
	const struct dmr_nl_ancestor *ancestors;
	unsigned int nr_ancestors;
};

int dmr_epoch_set(struct dmr_device *dev, struct dmr_group *g,
		  const struct dmr_settings *set, const char **why);

/* Aborts the open epoch, if there is one; can't be refused. */
void dmr_epoch_abort(struct dmr_group *g);

/* A member has left: the others may have waited for its writes only. */
void dmr_epoch_recheck(struct dmr_group *g);

/* dmr_device::drain_work. */
void dmr_epoch_drain_work(struct work_struct *work);

/* The sets as they are now. Valid while the group lock is held. */
struct dmr_map *dmr_epoch_dirty(struct dmr_device *dev, struct dmr_group *g);
struct dmr_map *dmr_epoch_frozen(struct dmr_device *dev, struct dmr_group *g);

const char *dmr_state_name(enum dmr_state state);

#endif
