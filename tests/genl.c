// SPDX-License-Identifier: GPL-2.0-or-later
#include "genl.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct genl_event {
	struct genl_event *next;
	int len;
	struct nlattr first[];
};

/* One command under way. */
struct talk {
	struct genl *genl;
	uint32_t seq;
	genl_answer_fn answer;
	void *arg;
	bool done;
	int error;
};

static const struct nlattr *next_attr(const struct nlattr *attr, int *left)
{
	int size = NLA_ALIGN(attr->nla_len);

	*left -= size;
	return (const struct nlattr *)((const char *)attr + size);
}

const struct nlattr *genl_find(const struct nlattr *attr, int left, int type)
{
	while (left >= NLA_HDRLEN && attr->nla_len >= NLA_HDRLEN &&
	       attr->nla_len <= left) {
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;
		attr = next_attr(attr, &left);
	}
	return NULL;
}

uint64_t genl_number(const struct nlattr *first, int len, int type)
{
	const struct nlattr *attr = genl_find(first, len, type);
	uint64_t number = 0;

	if (attr && (genl_len(attr) == 4 || genl_len(attr) == 8))
		memcpy(&number, genl_data(attr), genl_len(attr));
	return number;
}

void genl_begin(struct genl *genl, struct genl_request *req, int cmd,
		int nl_flags)
{
	struct genlmsghdr *genl_header = NLMSG_DATA(&req->header);

	memset(&req->header, 0, sizeof(req->header));
	req->header.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	req->header.nlmsg_type = genl->family;
	req->header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | nl_flags;
	req->header.nlmsg_seq = ++genl->seq;
	memset(genl_header, 0, GENL_HDRLEN);
	genl_header->cmd = cmd;
	genl_header->version = 1;
}

void genl_put(struct genl_request *req, int type, const void *data, int len)
{
	uint32_t at = NLMSG_ALIGN(req->header.nlmsg_len);
	struct nlattr *attr = (struct nlattr *)(req->bytes + at);

	if (at + NLA_HDRLEN + NLA_ALIGN(len) > sizeof(req->bytes))
		abort();
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	memset((char *)attr + NLA_HDRLEN, 0, NLA_ALIGN(len));
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	req->header.nlmsg_len = at + NLA_HDRLEN + NLA_ALIGN(len);
}

void genl_put_u32(struct genl_request *req, int type, uint32_t value)
{
	genl_put(req, type, &value, sizeof(value));
}

void genl_put_u64(struct genl_request *req, int type, uint64_t value)
{
	genl_put(req, type, &value, sizeof(value));
}

static int queue_event(struct genl *genl, const struct nlattr *first, int len)
{
	struct genl_event *event = malloc(sizeof(*event) + len);

	if (!event)
		return -ENOMEM;
	event->next = NULL;
	event->len = len;
	memcpy(event->first, first, len);
	*genl->last = event;
	genl->last = &event->next;
	return 0;
}

/* The text that the kernel adds to an ack or to the end of a dump. */
static void save_extack(struct genl *genl, const struct nlmsghdr *header,
			int fixed)
{
	int left = (int)header->nlmsg_len - NLMSG_HDRLEN - NLMSG_ALIGN(fixed);
	const struct nlattr *first = (const void *)
		((const char *)header + NLMSG_HDRLEN + NLMSG_ALIGN(fixed));
	const struct nlattr *text;

	if (!(header->nlmsg_flags & NLM_F_ACK_TLVS) || left <= 0)
		return;
	text = genl_find(first, left, NLMSGERR_ATTR_MSG);
	if (text)
		strncpy(genl->extack, genl_data(text),
			sizeof(genl->extack) - 1);
}

static void take_ack(struct talk *talk, const struct nlmsghdr *header)
{
	const struct nlmsgerr *err = NLMSG_DATA(header);
	int fixed = sizeof(*err);

	if (err->error && !(header->nlmsg_flags & NLM_F_CAPPED))
		fixed += err->msg.nlmsg_len - sizeof(err->msg);
	save_extack(talk->genl, header, fixed);
	talk->error = err->error;
	talk->done = true;
}

static void take_dump_end(struct talk *talk, const struct nlmsghdr *header)
{
	talk->error = *(const int *)NLMSG_DATA(header);
	save_extack(talk->genl, header, sizeof(int));
	talk->done = true;
}

static int take_message(struct talk *talk, const struct nlmsghdr *header)
{
	const struct nlattr *first = (const void *)
		((const char *)NLMSG_DATA(header) + GENL_HDRLEN);
	int len = (int)header->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);

	if (header->nlmsg_seq == 0)
		return queue_event(talk->genl, first, len);
	if (header->nlmsg_seq != talk->seq)
		return 0;
	if (header->nlmsg_type == NLMSG_ERROR)
		take_ack(talk, header);
	else if (header->nlmsg_type == NLMSG_DONE)
		take_dump_end(talk, header);
	else if (talk->answer)
		talk->answer(first, len, talk->arg);
	return 0;
}

/* Receives one datagram; -ETIMEDOUT if there is none in time. */
static int receive(struct talk *talk, int timeout_ms)
{
	static char buffer[256 * 1024] __attribute__((aligned(8)));
	struct pollfd pollfd = { .fd = talk->genl->fd, .events = POLLIN };
	struct nlmsghdr *header = (struct nlmsghdr *)buffer;
	ssize_t len;
	int left, err;

	err = poll(&pollfd, 1, timeout_ms);
	if (err < 0)
		return errno == EINTR ? 0 : -errno;
	if (err == 0)
		return -ETIMEDOUT;
	len = recv(talk->genl->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (left = len, err = 0; !err && NLMSG_OK(header, left);
	     header = NLMSG_NEXT(header, left))
		err = take_message(talk, header);
	return err;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int genl_talk(struct genl *genl, struct genl_request *req,
	      genl_answer_fn answer, void *arg)
{
	struct talk talk = { .genl = genl, .seq = req->header.nlmsg_seq,
			     .answer = answer, .arg = arg };
	int64_t end = now_ms() + GENL_TIMEOUT_MS;
	bool is_overrun = false;
	int err;

	genl->extack[0] = '\0';
	if (send(genl->fd, req->bytes, req->header.nlmsg_len, 0) < 0)
		return -errno;
	while (!talk.done) {
		int64_t left = end - now_ms();

		err = left > 0 ? receive(&talk, left) : -ETIMEDOUT;
		/* Behind too many events there was no room for the answer. */
		if (err == -ETIMEDOUT && is_overrun)
			return -ENOBUFS;
		if (err && err != -ENOBUFS)
			return err;
		is_overrun |= err == -ENOBUFS;
	}
	return talk.error;
}

int genl_next_event(struct genl *genl, int timeout_ms, genl_answer_fn fn,
		    void *arg)
{
	struct talk talk = { .genl = genl, .seq = UINT32_MAX };
	int64_t end = now_ms() + timeout_ms;
	struct genl_event *event;

	while (!genl->first) {
		int64_t left = end - now_ms();
		int err = receive(&talk, left > 0 ? left : 0);

		if (err)
			return err;
	}
	event = genl->first;
	genl->first = event->next;
	if (!genl->first)
		genl->last = &genl->first;
	fn(event->first, event->len, arg);
	free(event);
	return 0;
}

/* --- opening -------------------------------------------------------------- */

static void take_family(const struct nlattr *first, int len, void *arg)
{
	struct genl *genl = arg;
	const struct nlattr *groups, *group;

	genl->family = 0;
	groups = genl_find(first, len, CTRL_ATTR_FAMILY_ID);
	if (groups)
		memcpy(&genl->family, genl_data(groups), sizeof(uint16_t));
	groups = genl_find(first, len, CTRL_ATTR_MCAST_GROUPS);
	if (!groups)
		return;
	group = genl_data(groups);	/* the family has one group only */
	genl->events_group = genl_number(genl_data(group), genl_len(group),
					 CTRL_ATTR_MCAST_GRP_ID);
}

static int find_family(struct genl *genl, const char *name)
{
	static struct genl_request req;
	int err;

	genl->family = GENL_ID_CTRL;
	genl_begin(genl, &req, CTRL_CMD_GETFAMILY, 0);
	genl_put(&req, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	err = genl_talk(genl, &req, take_family, genl);
	return err ? err : genl->family ? 0 : -ENOENT;
}

int genl_open(struct genl *genl, const char *family)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK };
	int on = 1, room = 4 << 20, err;

	memset(genl, 0, sizeof(*genl));
	genl->last = &genl->first;
	genl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			  NETLINK_GENERIC);
	if (genl->fd < 0)
		return -errno;
	setsockopt(genl->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	setsockopt(genl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(genl->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on,
		   sizeof(on));
	if (bind(genl->fd, (struct sockaddr *)&address, sizeof(address)))
		err = -errno;
	else
		err = find_family(genl, family);
	if (err) {
		close(genl->fd);
		genl->fd = -1;
	}
	return err;
}

int genl_subscribe(struct genl *genl)
{
	if (setsockopt(genl->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
		       &genl->events_group, sizeof(genl->events_group)))
		return -errno;
	return 0;
}

void genl_close(struct genl *genl)
{
	while (genl->first) {
		struct genl_event *event = genl->first;

		genl->first = event->next;
		free(event);
	}
	if (genl->fd >= 0)
		close(genl->fd);
	genl->fd = -1;
}
