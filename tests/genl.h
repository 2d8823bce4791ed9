/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Generic netlink by hand, for tests only: it can send what a library refuses
 * to build (truncated, oversized, doubled attributes), and it shares no code
 * with the client that it tests against.
 *
 * One socket carries commands and events; events that arrive while a command
 * waits for its answer are queued. Not thread-safe: one user for each struct.
 */
#ifndef TESTS_GENL_H
#define TESTS_GENL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdint.h>

#define GENL_REQUEST_MAX	(128 * 1024)
#define GENL_TIMEOUT_MS		120000	/* longest wait for an answer */

struct genl_event;

struct genl {
	int fd;
	uint16_t family;
	uint32_t events_group;
	uint32_t seq;
	char extack[256];		/* of the last command; "" if none */
	struct genl_event *first;	/* queued events, oldest first */
	struct genl_event **last;
};

/* A request under construction. */
struct genl_request {
	union {
		struct nlmsghdr header;
		char bytes[GENL_REQUEST_MAX];
	};
};

/* Called for each answer message: attributes and their length. */
typedef void (*genl_answer_fn)(const struct nlattr *first, int len, void *arg);

/* Opens the family by name. -ENOENT: the module is not loaded. */
int genl_open(struct genl *genl, const char *family);
/* Joins the family's multicast group. */
int genl_subscribe(struct genl *genl);
void genl_close(struct genl *genl);

void genl_begin(struct genl *genl, struct genl_request *req, int cmd,
		int nl_flags);
/* Appends any attribute; nothing is checked but the room in the request. */
void genl_put(struct genl_request *req, int type, const void *data, int len);
void genl_put_u32(struct genl_request *req, int type, uint32_t value);
void genl_put_u64(struct genl_request *req, int type, uint64_t value);

/*
 * Sends and waits for the end of the answer: the ack, or the end of a dump.
 * Returns 0 or -errno as the kernel said; -ETIMEDOUT after GENL_TIMEOUT_MS,
 * -ENOBUFS if the socket had overrun by then, so that the answer may be lost.
 */
int genl_talk(struct genl *genl, struct genl_request *req,
	      genl_answer_fn answer, void *arg);

/*
 * The next event, at most timeout_ms later: its attributes are handed to fn.
 * Returns 0, -ETIMEDOUT, or -ENOBUFS (events were lost).
 */
int genl_next_event(struct genl *genl, int timeout_ms, genl_answer_fn fn,
		    void *arg);

/* Lookup in an answer: NULL if it is not there. */
const struct nlattr *genl_find(const struct nlattr *first, int len, int type);
static inline const void *genl_data(const struct nlattr *attr)
{
	return (const char *)attr + NLA_HDRLEN;
}
static inline int genl_len(const struct nlattr *attr)
{
	return attr->nla_len - NLA_HDRLEN;
}
/* The number in an attribute of 4 or 8 bytes; 0 if it is not there. */
uint64_t genl_number(const struct nlattr *first, int len, int type);

#endif
