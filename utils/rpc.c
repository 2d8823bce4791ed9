// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One connection, one call. A message is a line; what has come in
 * behind it stays in buf. Notifications that arrive before the answer of a call
 * are dropped: only "events" asks for any, and only after its answer.
 *
 * N1 until the answer is there nothing waits beyond the deadline that rpc_open
 *    sets: not the connect (a listener with a full backlog blocks it), not the
 *    sending (SO_SNDTIMEO is for both), not the receiving (poll).
 */
#include "rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "exit-status.h"

#define MAX_MESSAGE	(64 << 20)

struct rpc {
	int fd;
	int last_id;
	double deadline;		/* N1; CLOCK_MONOTONIC */
	char *buf;
	size_t len;			/* bytes in buf */
	size_t cap;
	size_t taken;			/* bytes of the line given out last */
};

static void __attribute__((format(printf, 3, 4)))
fail(struct rpc_error *err, int exit_status, const char *fmt, ...)
{
	va_list args;

	err->exit_status = exit_status;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
}

double rpc_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

const char *rpc_text(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

/* What is left of the time, for the next connect or send; 0 were for ever. */
static void limit_sending(int fd, double deadline)
{
	double left = deadline - rpc_now();
	struct timeval limit = { .tv_usec = 1 };

	if (left > 1e-6) {
		limit.tv_sec = left;
		limit.tv_usec = (left - (double)limit.tv_sec) * 1e6 + 1;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void fail_late(struct rpc_error *err)
{
	fail(err, STATUS_TIMEOUT, "replicad does not answer in time");
}

static void fail_strange(struct rpc_error *err)
{
	fail(err, STATUS_FAILED, "replicad's answer is not JSON-RPC");
}

static int connect_to(const char *path, double deadline, struct rpc_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		fail(err, STATUS_USAGE, "the socket's path is too long");
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	limit_sending(fd, deadline);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	ret = -errno;
	if (fd >= 0)
		close(fd);
	if (ret == -EACCES || ret == -EPERM)
		fail(err, STATUS_PERMISSION,
		     "%s: only root and the group replica may do that", path);
	else if (ret == -EAGAIN)
		fail_late(err);
	else if (ret == -ENOENT || ret == -ECONNREFUSED)
		fail(err, STATUS_FAILED, "replicad does not run (%s)", path);
	else
		fail(err, STATUS_FAILED, "%s: %s", path, strerror(-ret));
	return ret;
}

int rpc_open(struct rpc **rpc, const char *path, double seconds,
	     struct rpc_error *err)
{
	double deadline = rpc_now() + seconds;
	int fd = connect_to(path, deadline, err);

	*rpc = NULL;
	if (fd < 0)
		return fd;
	*rpc = calloc(1, sizeof(**rpc));
	if (!*rpc) {
		close(fd);
		fail(err, STATUS_FAILED, "not enough memory");
		return -ENOMEM;
	}
	(*rpc)->fd = fd;
	(*rpc)->deadline = deadline;
	return 0;
}

void rpc_close(struct rpc *rpc)
{
	if (!rpc)
		return;
	close(rpc->fd);
	free(rpc->buf);
	free(rpc);
}

static int send_all(struct rpc *rpc, const char *data, size_t len,
		    struct rpc_error *err)
{
	while (len) {
		ssize_t n;

		limit_sending(rpc->fd, rpc->deadline);
		n = send(rpc->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			fail_late(err);
			return -1;
		}
		if (n < 0) {
			fail(err, STATUS_FAILED,
			     "the connection to replicad broke: %s",
			     strerror(errno));
			return -1;
		}
		data += n;
		len -= n;
	}
	return 0;
}

static int make_room(struct rpc *rpc, struct rpc_error *err)
{
	size_t cap = rpc->cap ? 2 * rpc->cap : 65536;
	char *buf;

	if (rpc->len + 1 < rpc->cap)
		return 0;
	buf = cap <= MAX_MESSAGE ? realloc(rpc->buf, cap) : NULL;
	if (!buf) {
		fail(err, STATUS_FAILED, "replicad's answer is too long");
		return -1;
	}
	rpc->buf = buf;
	rpc->cap = cap;
	return 0;
}

/* deadline 0: none. */
static int wait_readable(struct rpc *rpc, double deadline,
			 struct rpc_error *err)
{
	struct pollfd pfd = { .fd = rpc->fd, .events = POLLIN };
	double left = deadline ? deadline - rpc_now() : -1e-3;
	int ret;

	if (deadline && left <= 0)
		left = 0;
	ret = poll(&pfd, 1, left > 2e6 ? -1 : (int)(left * 1e3));
	if (ret > 0 || (ret < 0 && errno == EINTR))
		return 0;
	fail_late(err);
	return -1;
}

static int receive(struct rpc *rpc, double deadline, struct rpc_error *err)
{
	ssize_t n;

	if (make_room(rpc, err) || wait_readable(rpc, deadline, err))
		return -1;
	n = recv(rpc->fd, rpc->buf + rpc->len, rpc->cap - rpc->len - 1,
		 MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	if (n > 0) {
		rpc->len += n;
		return 0;
	}
	fail(err, STATUS_FAILED, "replicad has closed the connection%s%s",
	     n ? ": " : "", n ? strerror(errno) : "");
	return -1;
}

/* The next line; at is NULL: there is none. Valid until the next one. */
static struct json_text next_line(struct rpc *rpc, double deadline,
				  struct rpc_error *err)
{
	char *end;

	if (rpc->taken)
		memmove(rpc->buf, rpc->buf + rpc->taken,
			rpc->len - rpc->taken);
	rpc->len -= rpc->taken;
	rpc->taken = 0;
	while (!rpc->len || !(end = memchr(rpc->buf, '\n', rpc->len)))
		if (receive(rpc, deadline, err))
			return (struct json_text){ NULL, 0 };
	rpc->taken = end + 1 - rpc->buf;
	return (struct json_text){ rpc->buf, end - rpc->buf };
}

static json_t *parse(struct json_text line, struct rpc_error *err)
{
	json_t *msg = json_loadb(line.at, line.len, 0, NULL);

	if (!json_is_object(msg)) {
		json_decref(msg);
		fail_strange(err);
		return NULL;
	}
	return msg;
}

/* The next line as an object, or NULL. */
static json_t *next_message(struct rpc *rpc, double deadline,
			    struct rpc_error *err)
{
	struct json_text line = next_line(rpc, deadline, err);

	return line.at ? parse(line, err) : NULL;
}

/* The result, or NULL with what the error object says. Takes msg over. */
static json_t *take_result(json_t *msg, struct rpc_error *err)
{
	json_t *result = json_object_get(msg, "result");
	json_t *error = json_object_get(msg, "error");
	const char *text = json_string_value(json_object_get(error,
							     "message"));
	json_t *status = json_object_get(json_object_get(error, "data"),
					 "exit");

	if (result && !error) {
		json_incref(result);
	} else {
		result = NULL;
		fail(err, json_is_integer(status) &&
			  json_integer_value(status) > 0 &&
			  json_integer_value(status) < 126 ?
			  (int)json_integer_value(status) : STATUS_FAILED,
		     "%s", text ? text : "replicad refuses without a reason");
	}
	json_decref(msg);
	return result;
}

static int send_call(struct rpc *rpc, const char *method, json_t *params,
		     struct rpc_error *err)
{
	json_t *call = json_pack("{ss si ss so}", "jsonrpc", "2.0", "id",
				 ++rpc->last_id, "method", method, "params",
				 params);
	char *line = call ? json_dumps(call, JSON_COMPACT) : NULL;
	int ret = -1;

	json_decref(call);
	if (line) {
		ret = send_all(rpc, line, strlen(line), err);
		if (!ret)
			ret = send_all(rpc, "\n", 1, err);
	} else {
		fail(err, STATUS_FAILED, "not enough memory");
	}
	free(line);
	return ret;
}

static bool is_answer(const struct rpc *rpc, const json_t *msg)
{
	const json_t *id = json_object_get(msg, "id");

	return json_is_null(id) || (json_is_integer(id) &&
				    json_integer_value(id) == rpc->last_id);
}

json_t *rpc_call(struct rpc *rpc, const char *method, json_t *params,
		 struct rpc_error *err)
{
	json_t *msg;

	if (send_call(rpc, method, params, err))
		return NULL;
	while ((msg = next_message(rpc, rpc->deadline, err))) {
		if (is_answer(rpc, msg))
			return take_result(msg, err);
		json_decref(msg);
	}
	return NULL;
}

/* JSON-RPC gives an answer either a result or an error. */
static bool is_result(const struct rpc *rpc, struct json_text line,
		      struct json_text *result)
{
	struct json_text id;
	char wanted[16];

	snprintf(wanted, sizeof(wanted), "%d", rpc->last_id);
	return json_text_get(line, "id", &id) && id.len == strlen(wanted) &&
	       !memcmp(id.at, wanted, id.len) &&
	       json_text_get(line, "result", result);
}

/* What was not found in an answer is there: it was written in another way. */
static void refuse(json_t *result, struct rpc_error *err)
{
	if (result)
		fail_strange(err);
	json_decref(result);
}

bool rpc_call_text(struct rpc *rpc, const char *method, json_t *params,
		   struct json_text *result, struct rpc_error *err)
{
	struct json_text line;
	json_t *msg;

	if (send_call(rpc, method, params, err))
		return false;
	while ((line = next_line(rpc, rpc->deadline, err)).at) {
		if (is_result(rpc, line, result))
			return true;
		msg = parse(line, err);
		if (msg && !is_answer(rpc, msg)) {
			json_decref(msg);
			continue;
		}
		if (msg)
			refuse(take_result(msg, err), err);
		return false;
	}
	return false;
}

json_t *rpc_next(struct rpc *rpc, struct rpc_error *err)
{
	json_t *msg, *params;

	while ((msg = next_message(rpc, 0, err))) {
		params = json_object_get(msg, "params");
		if (json_is_object(params) && json_object_get(msg, "method")) {
			json_incref(params);
			json_decref(msg);
			return params;
		}
		json_decref(msg);
	}
	return NULL;
}
