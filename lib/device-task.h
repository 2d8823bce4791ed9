/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks of libdevmapper, for device.c. Not for others. */
#ifndef REPLICA_DEVICE_TASK_H
#define REPLICA_DEVICE_TASK_H

#include <libdevmapper.h>
#include <stdint.h>

struct dmr_dm;

static inline void dmr_dm_task_cleanup(struct dm_task **task)
{
	if (*task)
		dm_task_destroy(*task);
}

#define TASK_AUTO \
	__attribute__((cleanup(dmr_dm_task_cleanup))) struct dm_task *

/* A task; name may be NULL. NULL: the error has been set, see dmr_dm_code. */
struct dm_task *dmr_dm_task(struct dmr_dm *dm, int type, const char *name);

/* 0, or -errno without an error set. */
int dmr_dm_run(struct dm_task *task);

/* Sets the error: "WHAT NAME: REASON". Returns err. */
int dmr_dm_task_fail(struct dmr_dm *dm, int err, const char *name,
		     const char *what);

/* The code of the error that has been set. */
int dmr_dm_code(const struct dmr_dm *dm);

#endif
