/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BLK_OPEN_*: since 6.5 ("block: replace fmode_t with a block-specific type
 * for block open flags"). Can go when 6.5 is the oldest kernel.
 */
#ifndef DMR_COMPAT_LINUX_BLKDEV_H
#define DMR_COMPAT_LINUX_BLKDEV_H

#include_next <linux/blkdev.h>

#ifndef BLK_OPEN_WRITE
#define BLK_OPEN_READ FMODE_READ
#define BLK_OPEN_WRITE FMODE_WRITE
#endif

#endif
