/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the three files of the netlink client share. Not for others. */
#ifndef REPLICA_NETLINK_IMPL_H
#define REPLICA_NETLINK_IMPL_H

#include <netlink/attr.h>
#include <netlink/msg.h>

#include "netlink.h"

/*
 * netlink.c. A request is built with request_*, which remember the first
 * failure, and is used up by request_run.
 */
struct request {
	struct nl_msg *msg;
	int err;			/* -errno of building it */
};

/* Gets the attributes of one answer; not 0 ends the request with that. */
typedef int (*reply_fn)(void *arg, struct nlattr **attrs);

struct request dmr_nl_request(struct dmr_nl *nl, uint8_t cmd);
void dmr_nl_put_u32(struct request *req, int attr, uint32_t value);
void dmr_nl_put_u64(struct request *req, int attr, uint64_t value);
void dmr_nl_put_extents(struct request *req, const struct dmr_extent *v,
			size_t nr);
void dmr_nl_put_ancestors(struct request *req, const struct dmr_nl_ancestor *v,
			  size_t nr);

/* fn may be NULL. dump: every device's or extent array's answer goes to fn. */
int dmr_nl_run(struct dmr_nl *nl, struct request *req, bool dump, reply_fn fn,
	       void *arg);

/* Keeps the sentence for dmr_nl_error(), returns err. */
int dmr_nl_fail(struct dmr_nl *nl, int err, const char *text);

/*
 * A client on any datagram socket, which it closes in the end: for tests that
 * play the kernel. dmr_nl_open() does the same on a netlink socket.
 */
int dmr_nl_open_fd(struct dmr_nl **nl, int fd, uint16_t family, uint32_t port);

/*
 * netlink-parse.c, pure: from attributes to structs. 'attrs' has DMR_A_MAX + 1
 * members. -EPROTO: something that must be there is missing or malformed.
 */
int dmr_nl_parse(const struct nlmsghdr *h, struct nlattr **attrs);
int dmr_nl_parse_info(struct dmr_info *info, struct nlattr **attrs);
int dmr_nl_parse_event(struct dmr_nl_event *ev, struct nlattr **attrs);
int dmr_nl_get_u64(struct nlattr **attrs, int attr, uint64_t *value);
int dmr_nl_get_u32(struct nlattr **attrs, int attr, uint32_t *value);

/* The status and the text of an NLMSG_ERROR or NLMSG_DONE; "" without one. */
int dmr_nl_parse_status(const struct nlmsghdr *h, char *text, size_t len);

#endif
