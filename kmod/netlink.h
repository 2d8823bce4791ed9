/* SPDX-License-Identifier: GPL-2.0 */
/* The netlink family. See netlink.c. */
#ifndef DMR_NETLINK_H
#define DMR_NETLINK_H

struct genl_family;

extern struct genl_family dmr_genl_family;

int dmr_netlink_init(void);
void dmr_netlink_exit(void);

#endif
