// SPDX-License-Identifier: GPL-2.0-or-later
#include "compare.h"

#include "group.h"
#include "reactor.h"
#include "volume.h"

/* Wakes the group: the kernel tells only of writes. */
static int mark_all(struct volume *v)
{
	int err = kernel_mark(v->reactor->kernel, v->device.dev, NULL, 0);

	if (!err)
		err = volume_refresh(v);
	if (!err && v->group) {
		v->group->is_dirty = true;
		group_kick(v->group);
	}
	return err;
}

void compare_dirty(struct volume *v)
{
	v->is_comparing = true;
	v->is_all_sent = false;
	v->compare_after = v->info.highest_seen;
}

/* The mark first: an epoch that was cut before it proves nothing. */
int compare_all(struct volume *v)
{
	int err = mark_all(v);

	if (!err)
		compare_dirty(v);
	return err;
}

int compare_none(struct volume *v)
{
	int err = mark_all(v);

	if (err)
		return err;
	compare_dirty(v);
	v->is_all_sent = true;
	return 0;
}

void compare_committed(struct volume *v, uint64_t epoch)
{
	if (epoch > v->compare_after)
		compare_settled(v);
}

void compare_settled(struct volume *v)
{
	v->is_comparing = v->is_all_sent = false;
}

bool compare_is_wanted(const struct volume *v)
{
	return !v->is_all_sent &&
	       (v->is_comparing || v->info.dev_flags & DMR_DEV_F_SUSPECT);
}

bool compare_is_on(const struct volume *v)
{
	return compare_is_wanted(v) && v->target.state == TARGET_READY &&
	       backend_info(v->target.backend)->can & BACKEND_CAN_SUM;
}
