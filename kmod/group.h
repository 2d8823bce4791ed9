/* SPDX-License-Identifier: GPL-2.0 */
/* Groups of devices and their gate. See group.c. */
#ifndef DMR_GROUP_H
#define DMR_GROUP_H

#include "device.h"

/* Registry lock, or before the device is known. -ENOMEM. */
int dmr_group_start(struct dmr_device *dev);

/* Registry lock: the last instance is gone; an open epoch is aborted. */
void dmr_group_leave(struct dmr_device *dev);

/* The last reference to @dev is gone. */
void dmr_group_forget(struct dmr_device *dev);

/*
 * Registry lock, no group lock. -EPERM unless socket @owner owns @dev, -EBUSY
 * while an epoch is open or writes are held; *@why is a sentence then.
 */
int dmr_group_join(struct dmr_device *dev, u64 number, u32 owner,
		   const char **why);

/* Locks the group that @dev is in. The caller has a reference to @dev. */
struct dmr_group *dmr_group_lock(struct dmr_device *dev);
void dmr_group_unlock(struct dmr_group *g);

/* Group lock. @ms 0 ends a hold. @owner: the port id, 0 for dmsetup. */
int dmr_group_hold(struct dmr_group *g, u32 ms, u32 owner, const char **why);
void dmr_group_unhold(struct dmr_group *g);

/* Group lock: socket @owner lets @dev go, and what it holds of its group. */
void dmr_group_let_go(struct dmr_device *dev, struct dmr_group *g, u32 owner);

/* Socket @owner has closed: whatever it owns is let go. No lock. */
void dmr_group_detach(u32 owner);

/* ---- the gate; group lock ---- */

static inline struct dmr_gate *dmr_gate(struct dmr_group *g)
{
	return rcu_dereference_protected(g->gate, lockdep_is_held(&g->lock));
}

/* A copy, to be changed and published (or kfree'd). NULL without memory. */
struct dmr_gate *dmr_gate_copy(struct dmr_group *g);
struct dmr_gate *dmr_gate_copy_nofail(struct dmr_group *g);

/* From now on markers see @new, which belongs to the group then. */
void dmr_gate_publish(struct dmr_group *g, struct dmr_gate *new);

/* The gate has been opened: parked writes of all members go on. */
void dmr_group_unpark(struct dmr_group *g);

#endif
