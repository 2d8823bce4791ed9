// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The netlink socket: requests and their answers, and the events that come in
 * between. What the commands are stands in netlink-cmd.c.
 *
 * N1 an answer belongs to a request by its sequence number; late answers of
 *    requests that were given up are ignored. Events have no number of ours.
 * N2 an event is queued as soon as it has been received, so none is lost to a
 *    command that runs; when the queue is full or there is no memory, that
 *    counts as an overrun.
 * N3 an overrun (ENOBUFS) is remembered until next_event has told it.
 * N4 after an overrun the answer of the running request may be lost: what is
 *    left in the socket is read, then the request is sent again. The protocol
 *    makes every command repeatable. A dump whose beginning has been handed out
 *    is not repeated here but reported as -EINTR.
 *
 * Only messages of the kernel (port 0) count.
 */
#include "netlink.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "error.h"
#include "netlink-impl.h"

#define RECEIVE_BYTES	(128 << 10)
#define SOCKET_BYTES	(4 << 20)
#define ANSWER_MS	10000
#define TRIES		5
#define QUEUE_MAX	4096
#define REQUEST_BYTES	(DMR_MAX_EXTENTS * sizeof(struct dmr_extent) + 512)

struct queued {
	struct queued *next;
	struct dmr_nl_event event;
};

struct dmr_nl {
	struct nl_sock *sock;		/* owns fd; NULL in tests */
	int fd;
	uint16_t family;
	uint32_t port;
	uint32_t seq;			/* of the last request, never 0 */
	bool has_overrun;		/* N3 */
	struct queued *first, **last;	/* N2 */
	unsigned int nr_queued;
	struct error error;		/* of the last call */
	char buf[RECEIVE_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* One request under way. */
struct exchange {
	uint32_t seq;
	bool is_dump;
	reply_fn fn;
	void *arg;
	unsigned int nr_answers;
	bool is_interrupted;
	bool is_done;
	int status;			/* of the kernel, or of fn */
};

/* --- the socket ---------------------------------------------------------- */

int dmr_nl_open_fd(struct dmr_nl **out, int fd, uint16_t family, uint32_t port)
{
	struct dmr_nl *nl = calloc(1, sizeof(*nl));

	*out = nl;
	if (!nl)
		return -ENOMEM;
	nl->fd = fd;
	nl->family = family;
	nl->port = port;
	nl->last = &nl->first;
	return 0;
}

static int errno_of(int nle)
{
	switch (-nle) {
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_AF_NOSUPPORT:
		return -EAFNOSUPPORT;
	default:
		return -EIO;
	}
}

static void set_options(int fd)
{
	int one = 1, bytes = SOCKET_BYTES;

	/* Each is a convenience: without it an answer says less. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
}

static int connect_family(struct nl_sock *sock, int *family)
{
	int group, ret = genl_connect(sock);

	if (ret < 0)
		return errno_of(ret);
	*family = genl_ctrl_resolve(sock, DMR_GENL_NAME);
	if (*family < 0)
		return errno_of(*family);
	group = genl_ctrl_resolve_grp(sock, DMR_GENL_NAME,
				      DMR_GENL_MCGRP_EVENTS);
	if (group < 0)
		return errno_of(group);
	ret = nl_socket_add_membership(sock, group);
	return ret < 0 ? errno_of(ret) : 0;
}

int dmr_nl_open(struct dmr_nl **out)
{
	struct nl_sock *sock = nl_socket_alloc();
	int family = 0, ret;

	*out = NULL;
	if (!sock)
		return -ENOMEM;
	ret = connect_family(sock, &family);
	if (!ret)
		ret = dmr_nl_open_fd(out, nl_socket_get_fd(sock), family,
				     nl_socket_get_local_port(sock));
	if (ret) {
		nl_socket_free(sock);
		return ret;
	}
	set_options((*out)->fd);
	(*out)->sock = sock;
	return 0;
}

void dmr_nl_close(struct dmr_nl *nl)
{
	struct queued *q;

	if (!nl)
		return;
	while ((q = nl->first)) {
		nl->first = q->next;
		free(q);
	}
	if (nl->sock)
		nl_socket_free(nl->sock);
	else
		close(nl->fd);
	free(nl);
}

int dmr_nl_fd(const struct dmr_nl *nl)
{
	return nl->fd;
}

uint32_t dmr_nl_port(const struct dmr_nl *nl)
{
	return nl->port;
}

const char *dmr_nl_error(const struct dmr_nl *nl)
{
	return nl->error.text;
}

int dmr_nl_fail(struct dmr_nl *nl, int err, const char *text)
{
	return error_set(&nl->error, err, "%s", text);
}

/* --- events -------------------------------------------------------------- */

static void queue_event(struct dmr_nl *nl, const struct nlmsghdr *h)
{
	struct nlattr *attrs[DMR_A_MAX + 1];
	struct queued *q;

	q = nl->nr_queued < QUEUE_MAX ? malloc(sizeof(*q)) : NULL;
	if (!q || dmr_nl_parse(h, attrs) ||
	    dmr_nl_parse_event(&q->event, attrs)) {
		free(q);
		nl->has_overrun = true;			/* N2 */
		return;
	}
	q->next = NULL;
	*nl->last = q;
	nl->last = &q->next;
	nl->nr_queued++;
}

static bool unqueue_event(struct dmr_nl *nl, struct dmr_nl_event *ev)
{
	struct queued *q = nl->first;

	if (!q)
		return false;
	*ev = q->event;
	nl->first = q->next;
	if (!nl->first)
		nl->last = &nl->first;
	nl->nr_queued--;
	free(q);
	return true;
}

/* --- receiving ----------------------------------------------------------- */

/* Bytes of the next datagram in nl->buf, or -errno; -EAGAIN: none by then. */
static int receive(struct dmr_nl *nl, int timeout_ms)
{
	struct pollfd pfd = { .fd = nl->fd, .events = POLLIN };
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t n;

	if (poll(&pfd, 1, timeout_ms) < 0)
		return errno == EINTR ? 0 : -errno;
	n = recvfrom(nl->fd, nl->buf, sizeof(nl->buf),
		     MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from,
		     &from_len);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (n == 0 && !nl->sock)
		return -EPIPE;
	if ((size_t)n > sizeof(nl->buf))
		return -EMSGSIZE;
	if (nl->sock && (from_len < sizeof(from) || from.nl_pid))
		return 0;
	return n;
}

static void take_status(struct dmr_nl *nl, struct exchange *ex,
			const struct nlmsghdr *h)
{
	char text[ERROR_TEXT_LEN];
	int status = dmr_nl_parse_status(h, text, sizeof(text));

	ex->is_done = true;
	if (ex->status)
		return;			/* fn has ended it before */
	ex->status = status;
	if (!status)
		return;
	if (!text[0] && status == -EPERM)
		dmr_nl_fail(nl, status, "only root (CAP_SYS_ADMIN) may");
	dmr_nl_fail(nl, status, text[0] ? text : strerror(-status));
}

static void take_answer(struct dmr_nl *nl, struct exchange *ex,
			const struct nlmsghdr *h)
{
	struct nlattr *attrs[DMR_A_MAX + 1];
	int ret;

	ex->nr_answers++;
	if (!ex->fn || ex->status)
		return;
	ret = dmr_nl_parse(h, attrs);
	if (!ret)
		ret = ex->fn(ex->arg, attrs);
	ex->status = ret;
	if (ret == -EPROTO)
		dmr_nl_fail(nl, ret, "the kernel's answer is incomplete");
}

static bool is_event(const struct dmr_nl *nl, const struct nlmsghdr *h)
{
	const struct genlmsghdr *genl = nlmsg_data(h);

	return h->nlmsg_type == nl->family &&
	       nlmsg_datalen(h) >= (int)GENL_HDRLEN &&
	       genl->cmd == DMR_CMD_EVENT;
}

/* ex NULL: no request is under way. */
static void take_messages(struct dmr_nl *nl, int len, struct exchange *ex)
{
	struct nlmsghdr *h = (struct nlmsghdr *)nl->buf;

	for (; nlmsg_ok(h, len); h = nlmsg_next(h, &len)) {
		if (is_event(nl, h)) {
			queue_event(nl, h);
			continue;
		}
		if (!ex || h->nlmsg_seq != ex->seq || ex->is_done)
			continue;				/* N1 */
		if (h->nlmsg_flags & NLM_F_DUMP_INTR)
			ex->is_interrupted = true;
		if (h->nlmsg_type == NLMSG_ERROR ||
		    h->nlmsg_type == NLMSG_DONE)
			take_status(nl, ex, h);
		else if (h->nlmsg_type == nl->family)
			take_answer(nl, ex, h);
	}
}

int dmr_nl_next_event(struct dmr_nl *nl, struct dmr_nl_event *ev)
{
	int n;

	error_clear(&nl->error);
	for (;;) {
		if (unqueue_event(nl, ev))
			return 1;
		if (nl->has_overrun) {
			nl->has_overrun = false;
			return dmr_nl_fail(nl, -ENOBUFS, "events were lost");
		}
		n = receive(nl, 0);
		if (n == -EAGAIN)
			return 0;
		if (n < 0 && n != -ENOBUFS)
			return dmr_nl_fail(nl, n, strerror(-n));
		if (n < 0)
			nl->has_overrun = true;			/* N3 */
		else
			take_messages(nl, n, NULL);
	}
}

/* --- requests ------------------------------------------------------------ */

struct request dmr_nl_request(struct dmr_nl *nl, uint8_t cmd)
{
	struct request req = { .msg = nlmsg_alloc_size(REQUEST_BYTES) };

	if (!req.msg || !genlmsg_put(req.msg, nl->port, 0, nl->family, 0,
				     NLM_F_REQUEST, cmd, DMR_GENL_VERSION))
		req.err = -ENOMEM;
	return req;
}

static void put(struct request *req, int attr, const void *data, size_t len)
{
	if (!req->err && nla_put(req->msg, attr, len, data) < 0)
		req->err = -EMSGSIZE;
}

void dmr_nl_put_u32(struct request *req, int attr, uint32_t value)
{
	put(req, attr, &value, sizeof(value));
}

void dmr_nl_put_u64(struct request *req, int attr, uint64_t value)
{
	put(req, attr, &value, sizeof(value));
}

void dmr_nl_put_extents(struct request *req, const struct dmr_extent *v,
			size_t nr)
{
	put(req, DMR_A_EXTENTS, v, nr * sizeof(*v));
}

void dmr_nl_put_ancestors(struct request *req, const struct dmr_nl_ancestor *v,
			  size_t nr)
{
	put(req, DMR_A_ANCESTORS, v, nr * sizeof(*v));
}

static int transmit(struct dmr_nl *nl, struct nl_msg *msg, struct exchange *ex)
{
	struct nlmsghdr *h = nlmsg_hdr(msg);
	ssize_t n;

	if (!++nl->seq)
		nl->seq = 1;
	ex->seq = h->nlmsg_seq = nl->seq;
	h->nlmsg_flags |= ex->is_dump ? NLM_F_DUMP : NLM_F_ACK;
	do {
		n = send(nl->fd, h, h->nlmsg_len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* Until the request is done; -ENOBUFS: its answer is lost (N4). */
static int await(struct dmr_nl *nl, struct exchange *ex)
{
	bool is_lossy = false;
	int n;

	while (!ex->is_done) {
		n = receive(nl, is_lossy ? 0 : ANSWER_MS);
		if (n == -EAGAIN)
			return is_lossy ? -ENOBUFS : -ETIMEDOUT;
		if (n < 0 && n != -ENOBUFS)
			return n;
		if (n < 0)
			nl->has_overrun = is_lossy = true;	/* N3 */
		else
			take_messages(nl, n, ex);
	}
	return 0;
}

static int run_tries(struct dmr_nl *nl, struct nl_msg *msg,
		     struct exchange *ex)
{
	int ret, try;

	for (try = 0; try < TRIES; try++) {
		ret = transmit(nl, msg, ex);
		if (!ret)
			ret = await(nl, ex);
		if (ret == -ENOBUFS && ex->is_dump && ex->nr_answers)
			return -EINTR;				/* N4 */
		if (ret != -ENOBUFS)
			return ret;
	}
	return ret;
}

static const char *words_for(int ret)
{
	switch (ret) {
	case -EINTR:
		return "what was read has changed meanwhile";
	case -ETIMEDOUT:
		return "the kernel does not answer";
	case -ENOBUFS:
		return "the kernel's answers are lost again and again";
	default:
		return strerror(ret < 0 ? -ret : ret);
	}
}

int dmr_nl_run(struct dmr_nl *nl, struct request *req, bool dump, reply_fn fn,
	       void *arg)
{
	struct exchange ex = { .is_dump = dump, .fn = fn, .arg = arg };
	int ret = req->err;

	error_clear(&nl->error);
	if (!ret)
		ret = run_tries(nl, req->msg, &ex);
	nlmsg_free(req->msg);
	req->msg = NULL;
	if (!ret)
		ret = ex.status;
	if (!ret && ex.is_interrupted)
		ret = -EINTR;
	if (ret)
		dmr_nl_fail(nl, ret, words_for(ret));
	return ret;
}
