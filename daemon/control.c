// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A client is referenced by its open socket and by each request that has no
 * answer yet. What is to be sent waits in one buffer while the other is being
 * sent, so that answers leave in order and in few system calls.
 */
#include "control.h"

#include <errno.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon.h"
#include "notice.h"
#include "log.h"
#include "tenant.h"

#define LATE_TRIES	40
#define LATE_MS		50
#define NO_GROUP	((gid_t)-1)

struct buffer {
	char *data;
	size_t len, size;
};

struct client {
	struct client *next;
	struct control *control;
	unsigned int refs;
	int fd;				/* -1: closed */
	bool may_change;
	bool wants_events;
	uid_t uid;
	char user[TENANT_NAME_LEN];	/* of a tenant, else "" */
	struct ring_recv recv;
	struct buffer in;
	struct buffer out, sending;
	struct ring_op send;
	struct msghdr msg;
	struct iovec iov;
};

struct control {
	struct daemon *daemon;
	struct ring *ring;
	struct ring_op accept;
	int fd;
	gid_t admins;			/* the group replica, as of our start: a
					 * look at it may take long */
	struct client *clients;
	bool is_closing;
};

/* --- clients ----------------------------------------------------------- */

static void client_put(struct client *c)
{
	struct client **link = &c->control->clients;

	if (--c->refs)
		return;
	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	free(c->in.data);
	free(c->out.data);
	free(c->sending.data);
	free(c);
}

static void client_close(struct client *c)
{
	if (c->fd < 0)
		return;
	shutdown(c->fd, SHUT_RDWR); /* ends the receive, which puts it */
	c->wants_events = false;
	ring_recv_stop(&c->recv);
}

static int append(struct buffer *b, const void *data, size_t len)
{
	if (b->len + len > b->size) {
		size_t size = (b->len + len) * 2;
		char *bigger = realloc(b->data, size);

		if (!bigger)
			return -ENOMEM;
		b->data = bigger;
		b->size = size;
	}
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

static void start_send(struct client *c)
{
	struct buffer empty = c->sending;

	if (c->send.pending || c->fd < 0 || !c->out.len ||
	    c->control->is_closing)
		return;
	c->sending = c->out;
	c->out = empty;
	c->out.len = 0;
	c->iov.iov_base = c->sending.data;
	c->iov.iov_len = c->sending.len;
	c->msg.msg_iov = &c->iov;
	c->msg.msg_iovlen = 1;
	c->refs++;
	ring_send(c->control->ring, &c->send, c->fd, &c->msg);
}

static void on_sent(struct ring_op *op, int res, unsigned int flags)
{
	struct client *c = container_of(op, struct client, send);

	if (res < (int)c->sending.len)
		client_close(c);
	else
		start_send(c);
	client_put(c);
}

static void send_line(struct client *c, const char *line)
{
	if (c->fd < 0)
		return;
	if (c->out.len > CONTROL_MAX_BACKLOG ||
	    append(&c->out, line, strlen(line)) || append(&c->out, "\n", 1)) {
		client_close(c);
		return;
	}
	start_send(c);
}

void control_tell(struct control *control, const char *line)
{
	for (struct client *c = control->clients; c; c = c->next)
		if (c->wants_events)
			send_line(c, line);
}

/* --- requests ---------------------------------------------------------- */

static void request_free(struct request *request)
{
	if (request->client)
		client_put(request->client);
	json_decref(request->id);
	json_decref(request->params);
	free(request);
}

/* @body: "result" or "error", taken over. Ends the request. */
static void reply(struct request *request, const char *key, json_t *body)
{
	json_t *message = NULL;
	char *line = NULL;

	if (!body) {	/* a sentence that was cut within a letter, or memory */
		key = "error";
		body = json_pack("{si ss s{si}}", "code", -32603, "message",
				 "there is an answer, but not in UTF-8",
				 "data", "exit", 1);
	}
	if (request->id)
		message = json_pack("{ss sO so}", "jsonrpc", "2.0", "id",
				    request->id, key, body);
	else
		json_decref(body);
	if (message)
		line = json_dumps(message, JSON_COMPACT |
				  JSON_REAL_PRECISION(16));
	if (line)
		send_line(request->client, line);
	free(line);
	json_decref(message);
	request_free(request);
}

const char *request_text(const struct request *request, const char *key)
{
	return json_string_value(json_object_get(request->params, key));
}

bool request_flag(const struct request *request, const char *key)
{
	return json_is_true(json_object_get(request->params, key));
}

/* To whoever has made it himself. */
static void tell_owner(struct request *request, int exit_status,
		       const char *text, json_t *result)
{
	request->answered(request->arg, exit_status, text, result);
	json_decref(result);
	request_free(request);
}

void request_answer(struct request *request, json_t *result)
{
	if (!result)
		result = json_object();
	notice_end(request, NULL, result);
	if (request->answered)
		tell_owner(request, 0, NULL, result);
	else
		reply(request, "result", result);
}

static void refuse_code(struct request *request, int code, int exit_status,
			const char *text)
{
	reply(request, "error", json_pack("{si ss s{si}}", "code", code,
					  "message", text, "data", "exit",
					  exit_status));
}

void request_refuse(struct request *request, int exit_status, const char *fmt,
		    ...)
{
	char text[600];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	notice_end(request, text, NULL);
	if (request->answered)
		tell_owner(request, exit_status, text, NULL);
	else
		refuse_code(request, -32000 - exit_status, exit_status, text);
}

void request_subscribe(struct request *request)
{
	request->client->wants_events = true;
	request_answer(request, json_pack("{si}", "schema_version", 1));
}

struct request *request_create(struct daemon *daemon, json_t *params,
			       void (*answered)(void *arg, int exit_status,
						const char *text,
						json_t *result), void *arg)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request) {
		json_decref(params);
		return NULL;
	}
	request->daemon = daemon;
	request->params = params;
	request->may_change = true;
	request->user = "";
	request->answered = answered;
	request->arg = arg;
	return request;
}

static struct request *request_of_client(struct client *c)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->daemon = c->control->daemon;
	request->client = c;
	request->may_change = c->may_change;
	request->user = c->user;
	c->refs++;
	return request;
}

static void take_message(struct client *c, const char *line, size_t len)
{
	json_t *message = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	const char *method = json_string_value(json_object_get(message,
							       "method"));
	json_t *params = json_object_get(message, "params");
	struct request *request = request_of_client(c);

	if (!request) {
		json_decref(message);
		client_close(c);
		return;
	}
	request->id = json_incref(json_object_get(message, "id"));
	request->params = params ? json_incref(params) : json_object();
	if (!message || !method || !json_is_object(request->params)) {
		if (!request->id)
			request->id = json_null();
		refuse_code(request, message ? -32600 : -32700, 2, message ?
			    "this is not a request" : "this is not JSON");
	} else if (!c->may_change && c->refs > TENANT_MAX_REQUESTS + 1) {
		request_refuse(request, 1, "too many requests at once");
	} else {
		method_call(request, method);
	}
	json_decref(message);
}

/* Takes the complete lines out of the buffer. */
static void take_lines(struct client *c)
{
	size_t start = 0;
	char *end;

	while ((end = memchr(c->in.data + start, '\n', c->in.len - start))) {
		size_t len = end - (c->in.data + start);

		if (len)
			take_message(c, c->in.data + start, len);
		start += len + 1;
	}
	memmove(c->in.data, c->in.data + start, c->in.len - start);
	c->in.len -= start;
}

static void on_data(struct ring_recv *recv, const void *buf, int res,
		    unsigned int flags)
{
	struct client *c = container_of(recv, struct client, recv);

	if (!(flags & RING_MORE)) {
		close(c->fd);
		c->fd = -1;
		c->wants_events = false;
		client_put(c);
		return;
	}
	if (append(&c->in, buf, res)) {
		client_close(c);
		return;
	}
	take_lines(c);
	if (c->in.len > CONTROL_MAX_REQUEST)
		client_close(c);
}

/* --- who may what ------------------------------------------------------ */

static bool is_in_group(int fd, gid_t primary, gid_t wanted)
{
	gid_t groups[256];
	socklen_t len = sizeof(groups);

	if (primary == wanted)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == wanted)
			return true;
	return false;
}

static bool may_change(const struct control *control, int fd,
		       const struct ucred *cred)
{
	return cred->uid == 0 || cred->uid == geteuid() ||
	       (control->admins != NO_GROUP &&
		is_in_group(fd, cred->gid, control->admins));
}

/* N3 of tenant.h */
static bool is_one_too_many(const struct control *control, uid_t uid)
{
	unsigned int all = 0, own = 0;

	for (const struct client *c = control->clients; c; c = c->next) {
		all += !c->may_change;
		own += !c->may_change && c->uid == uid;
	}
	return own >= TENANT_MAX_CONNECTIONS || all >= TENANTS_MAX_CONNECTIONS;
}

/* false: it is not let in. */
static bool identify(struct client *c, const struct control *control, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	c->uid = cred.uid;
	c->may_change = may_change(control, fd, &cred);
	if (c->may_change)
		return true;
	if (is_one_too_many(control, cred.uid))
		return false;
	tenant_name(cred.uid, c->user);
	return true;
}

/* --- the socket -------------------------------------------------------- */

static void add_client(struct control *control, int fd)
{
	struct client *c = calloc(1, sizeof(*c));

	if (!c || !identify(c, control, fd)) {
		free(c);
		close(fd);
		return;
	}
	c->control = control;
	c->refs = 1;
	c->fd = fd;
	c->recv.data = on_data;
	c->send.done = on_sent;
	c->next = control->clients;
	control->clients = c;
	ring_recv(control->ring, &c->recv, fd);
}

static void on_accept(struct ring_op *op, int res, unsigned int flags)
{
	struct control *control = container_of(op, struct control, accept);

	if (res >= 0)
		add_client(control, res);
	if (!(flags & RING_MORE) && !control->is_closing && res != -ECANCELED)
		ring_accept(control->ring, op, control->fd);
}

/*
 * A socket file that nobody listens on is left over from a daemon that died.
 * One that was killed a moment ago may still seem to listen: io_uring lets go
 * of a dead process's files late.
 */
static bool is_served(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is = fd >= 0 && !connect(fd, (const struct sockaddr *)addr,
				      sizeof(*addr));

	if (fd >= 0)
		close(fd);
	return is;
}

static bool is_served_for_long(const struct sockaddr_un *addr)
{
	for (int i = 0; is_served(addr); i++) {
		if (i == LATE_TRIES)
			return true;
		usleep(LATE_MS * 1000);
	}
	return false;
}

static void make_folder_of(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = 0;
	mkdir(folder, 0755); /* bind() tells if it is not there */
}

static gid_t find_admins(void)
{
	const struct group *group = getgrnam("replica");

	return group ? group->gr_gid : NO_GROUP;
}

static int listen_at(int fd, const struct sockaddr_un *addr, gid_t admins)
{
	mode_t mask;
	int err;

	make_folder_of(addr->sun_path);
	if (is_served_for_long(addr))
		return -EADDRINUSE;
	unlink(addr->sun_path);
	mask = umask(0111);
	err = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno :
								       0;
	umask(mask);
	if (!err && chown(addr->sun_path, -1, admins))	/* -1: as it is */
		log_warn(NULL, "%s: %s", addr->sun_path, strerror(errno));
	return err ? err : listen(fd, 64) ? -errno : 0;
}

static int open_socket(const char *path, gid_t admins)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = listen_at(fd, &addr, admins);
	if (!err)
		return fd;
	close(fd);
	return err;
}

static void on_event(void *arg, const char *line)
{
	control_tell(arg, line);
}

int control_create(struct control **control, struct daemon *daemon,
		   struct ring *ring, char error[CONFIG_ERROR_SIZE])
{
	struct control *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->daemon = daemon;
	c->ring = ring;
	c->accept.done = on_accept;
	c->admins = find_admins();
	c->fd = open_socket(daemon->config.socket, c->admins);
	if (c->fd < 0) {
		int err = c->fd;

		snprintf(error, CONFIG_ERROR_SIZE, "control socket %.200s: %s",
			 daemon->config.socket, strerror(-err));
		free(c);
		return err;
	}
	ring_accept(ring, &c->accept, c->fd);
	events_init(&daemon->events, ring, on_event, c);
	*control = c;
	return 0;
}

void control_close(struct control *control)
{
	if (!control)
		return;
	control->is_closing = true;
	unlink(control->daemon->config.socket);
	for (struct client *c = control->clients; c; c = c->next)
		client_close(c);
}

/* The ring has called the last callback of everything; requests have ended. */
void control_free(struct control *control)
{
	if (!control)
		return;
	events_clear(&control->daemon->events);
	close(control->fd);
	free(control);
}
