// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process of its own, not a thread of replicad: what listens on the network
 * has no key, needs no root, and its end is not replicad's. It knows one page,
 * which takes no input, and asks for the status only. Nothing else holds it: to
 * ask it must be in the group replica, and that group may call every method, so
 * whoever took this process over could also pause, disable or fail over.
 *
 * H1 each scrape asks replicad anew, with a time limit; if that does not answer
 *    the page is there all the same, and says replica_up 0;
 * H2 at most CONNECTIONS at once, and none is idle longer than IDLE_S: a client
 *    that does nothing keeps nobody out for long;
 * H3 without an address it listens on 127.0.0.1 only.
 */
#include "metrics-http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "metrics.h"
#include "notify.h"

#define CONNECTIONS	16
#define IDLE_S		10
#define PAGE		"/metrics"

static enum MHD_Result answer(struct MHD_Connection *conn, unsigned int code,
			      const char *type, char *text, size_t len)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(len, text,
						MHD_RESPMEM_MUST_FREE);
	enum MHD_Result ret;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					"GET, HEAD");
	ret = MHD_queue_response(conn, code, response);
	MHD_destroy_response(response);
	return ret;
}

static enum MHD_Result refuse(struct MHD_Connection *conn, unsigned int code,
			      const char *why)
{
	char *text = strdup(why);

	return text ? answer(conn, code, "text/plain", text, strlen(text)) :
		      MHD_NO;
}

static enum MHD_Result send_metrics(struct MHD_Connection *conn,
				    const struct args *args)
{
	json_t *status = ctl_peek(args, "status", json_object());
	size_t len;
	char *text = metrics_render(status, &len);

	json_decref(status);
	return text ? answer(conn, MHD_HTTP_OK, METRICS_TYPE, text, len) :
		      MHD_NO;
}

static enum MHD_Result handle(void *args, struct MHD_Connection *conn,
			      const char *url, const char *method,
			      const char *version, const char *upload,
			      size_t *upload_len, void **state)
{
	if (strcmp(method, MHD_HTTP_METHOD_GET) &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD)) {
		*upload_len = 0;
		return refuse(conn, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "only GET and HEAD\n");
	}
	if (!strcmp(url, PAGE))
		return send_metrics(conn, args);
	return refuse(conn, MHD_HTTP_NOT_FOUND, "the metrics are at " PAGE
		      "\n");
}

/* --- where ---------------------------------------------------------------- */

/* Splits "[V6]:PORT", "ADDRESS:PORT", "PORT". -1: it is none. */
static int split(const char *where, char host[64], char port[8])
{
	const char *colon = strrchr(where, ':');
	size_t len = colon ? (size_t)(colon - where) : 0;
	const char *digits = colon ? colon + 1 : where;

	snprintf(host, 64, "127.0.0.1");
	if (colon && where[0] == '[' && len >= 3 && where[len - 1] == ']') {
		where++;
		len -= 2;
	}
	if (len >= 64 || (colon && !len))
		return -1;
	if (colon)
		snprintf(host, 64, "%.*s", (int)len, where);
	if (!digits[0] || strlen(digits) > 5 ||
	    strspn(digits, "0123456789") != strlen(digits) ||
	    atoi(digits) > 65535)
		return -1;
	snprintf(port, 8, "%s", digits);
	return 0;
}

static struct addrinfo *resolve(const char *where)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_PASSIVE };
	struct addrinfo *list = NULL;
	char host[64], port[8];

	if (split(where, host, port) || getaddrinfo(host, port, &hints, &list))
		return NULL;
	return list;
}

static struct MHD_Daemon *start(const struct args *args,
				const struct addrinfo *a)
{
	unsigned int flags = MHD_USE_INTERNAL_POLLING_THREAD |
			     (a->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, handle, (void *)args,
				MHD_OPTION_SOCK_ADDR, a->ai_addr,
				MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
				MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				MHD_OPTION_END);
}

/* Port 0 is any: which one it is must be told. */
static void tell_where(struct MHD_Daemon *daemon)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);

	printf("serving %s at port %u\n", PAGE, info ? info->port : 0);
	fflush(stdout);
}

int metrics_serve(const struct args *args, const char *where)
{
	struct addrinfo *list = resolve(where);
	struct MHD_Daemon *daemon;
	sigset_t set;
	int sig;

	if (!list)
		return ctl_fail(args, STATUS_USAGE, "--listen %.80s is none of "
				"PORT, ADDRESS:PORT, [V6]:PORT", where);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	errno = 0;
	daemon = start(args, list);
	freeaddrinfo(list);
	if (!daemon)
		return ctl_fail(args, STATUS_FAILED, "--listen %.80s: %s", where,
				errno ? strerror(errno) : "cannot be served");
	tell_where(daemon);
	notify_systemd("READY=1");
	sigwait(&set, &sig);
	MHD_stop_daemon(daemon);
	return STATUS_OK;
}
