/* SPDX-License-Identifier: GPL-2.0 */
/* The target "replica". See target.c. */
#ifndef DMR_TARGET_H
#define DMR_TARGET_H

#include "device.h"

/* A table instance, ti->private. */
struct dmr_target {
	struct dm_dev *origin;
	struct dm_dev *meta;		/* NULL = "-" */
	struct dmr_device *dev;		/* one of its instances */
	struct dmr_config cfg;
};

int dmr_target_init(void);
void dmr_target_exit(void);

#endif
