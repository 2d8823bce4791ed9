/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the netlink*.c files. */
#ifndef DMR_NETLINK_IMPL_H
#define DMR_NETLINK_IMPL_H

#include "device.h"

struct netlink_callback;
struct netlink_ext_ack;
struct nlattr;
struct nlmsghdr;
struct sk_buff;

/* DMR_EPOCH_F_* of the device's open epoch. */
u32 dmr_epoch_flags(struct dmr_device *dev);

/* 0 or -EMSGSIZE. */
int dmr_put_u64(struct sk_buff *skb, int attr, u64 value);

/*
 * A whole message of GET. Registry lock, for the name. -EMSGSIZE: @skb is full
 * and as it was.
 */
int dmr_put_info(struct sk_buff *skb, struct dmr_device *dev, u32 portid,
		 u32 seq, int flags);

/* The doors. Each refuses with -errno and a sentence in @extack. */
/* Both the sender and who opened the socket need CAP_SYS_ADMIN. */
int dmr_check_sender(struct sk_buff *skb, struct netlink_ext_ack *extack);
int dmr_check_duplicates(const struct nlmsghdr *nlh,
			 struct netlink_ext_ack *extack);
/* @needed: attributes, ended by 0. */
int dmr_check_present(struct nlattr **attrs, const int *needed,
		      struct netlink_ext_ack *extack);
/* The device that DMR_A_DEV names; the caller has a reference then. */
int dmr_find_device(struct nlattr **attrs, struct netlink_ext_ack *extack,
		    struct dmr_device **dev);

#define DMR_NEEDS(...)	((const int []){ DMR_A_DEV, ##__VA_ARGS__, 0 })

/* The dumps. */
int dmr_dump_get(struct sk_buff *skb, struct netlink_callback *cb);
int dmr_dump_frozen(struct sk_buff *skb, struct netlink_callback *cb);
int dmr_dump_dirty(struct sk_buff *skb, struct netlink_callback *cb);
int dmr_done_extents(struct netlink_callback *cb);

#endif
