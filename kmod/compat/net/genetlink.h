/* SPDX-License-Identifier: GPL-2.0 */
/*
 * genl_info_dump(): since 6.6 ("genetlink: add struct genl_info to struct
 * genl_dumpit_info") the attributes of a dump come through a genl_info. Can go
 * when 6.6 is the oldest kernel.
 */
#ifndef DMR_COMPAT_NET_GENETLINK_H
#define DMR_COMPAT_NET_GENETLINK_H

#include_next <net/genetlink.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define genl_info_dump(cb) genl_dumpit_info(cb)
#endif

#endif
