/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a URI to a connected socket.
 *
 * A host name is looked up on a thread of its own, since getaddrinfo() blocks
 * for as long as it likes.  The lookup outlives a connection that has given
 * up: it is an object of its own, and the connection only a guest in it.
 */
#include "nbd-private.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

/* Larger than the usual limit on purpose: the kernel gives what it may. */
#define SEND_BUFFER	(4 << 20)
#define KEEP_IDLE_S	30
#define KEEP_INTERVAL_S	10
#define KEEP_COUNT	3

struct nbd_resolve {
	struct ring_job job;
	struct nbd_conn *conn;	/* NULL: it does not wait any more */
	char *host, *port;
	struct addrinfo *addrs;
	int err;		/* EAI_* */
};

/* --- the socket ----------------------------------------------------------- */

static void try_address(struct nbd_conn *conn);

static void connected(struct ring_op *op, int res, unsigned int flags)
{
	struct nbd_conn *conn = container_of(op, struct nbd_conn, connect_op);

	(void)flags;
	if (conn->state == NBD_DEAD) {
		ring_defer(conn->ring, &conn->end_work);
	} else if (!res) {
		nbd_negotiate(conn);
	} else if (conn->addr && conn->addr->ai_next) {
		conn->addr = conn->addr->ai_next;
		try_address(conn);
	} else {
		nbd_fail(conn, res, "connect: %s", strerrordesc_np(-res));
	}
}

/* A connection on which nothing is asked for hours may be gone, too. */
static void keep_alive(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, KEEP_INTERVAL_S },
		{ IPPROTO_TCP, TCP_KEEPCNT, KEEP_COUNT },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name,
			   &options[i].value, sizeof(options[i].value));
}

static int set_congestion(struct nbd_conn *conn)
{
	const char *name = conn->opts.congestion;

	if (!name || !setsockopt(conn->fd, IPPROTO_TCP, TCP_CONGESTION, name,
				 strlen(name)))
		return 0;
	return nbd_fail(conn, -errno, "this kernel has no congestion control "
			"'%.16s': %s", name, strerrordesc_np(errno));
}

static int open_socket(struct nbd_conn *conn, int family)
{
	int size = SEND_BUFFER, one = 1;

	if (conn->fd >= 0)
		close(conn->fd);
	conn->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		return nbd_fail(conn, -errno, "socket: %s",
				strerrordesc_np(errno));
	/* Only for speed. */
	if (family == AF_UNIX) {
		setsockopt(conn->fd, SOL_SOCKET, SO_SNDBUF, &size,
			   sizeof(size));
		return 0;
	}
	setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	keep_alive(conn->fd);
	return set_congestion(conn);
}

static void start_connect(struct nbd_conn *conn, socklen_t len)
{
	if (open_socket(conn, conn->sa.ss_family))
		return;
	conn->connect_op.done = connected;
	ring_connect(conn->ring, &conn->connect_op, conn->fd,
		     (struct sockaddr *)&conn->sa, len);
}

static void try_address(struct nbd_conn *conn)
{
	memcpy(&conn->sa, conn->addr->ai_addr, conn->addr->ai_addrlen);
	start_connect(conn, conn->addr->ai_addrlen);
}

static void connect_unix(struct nbd_conn *conn)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&conn->sa;

	un->sun_family = AF_UNIX;
	strcpy(un->sun_path, conn->uri.socket);	/* uri.c has seen its length */
	start_connect(conn, sizeof(*un));
}

/* --- the name ------------------------------------------------------------- */

static int lookup(const char *host, const char *port, int flags,
		  struct addrinfo **addrs)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};

	return getaddrinfo(host, port, &hints, addrs);
}

static void resolve_blocking(struct ring_job *job)
{
	struct nbd_resolve *r = container_of(job, struct nbd_resolve, job);

	r->err = lookup(r->host, r->port, AI_ADDRCONFIG, &r->addrs);
}

static void resolve_free(struct nbd_resolve *r)
{
	if (!r)
		return;
	if (r->addrs)
		freeaddrinfo(r->addrs);
	free(r->host);
	free(r->port);
	free(r);
}

static void resolved(struct nbd_conn *conn, struct addrinfo *addrs, int err)
{
	if (err) {
		nbd_fail(conn, -EHOSTUNREACH, "%s: %s", conn->uri.host,
			 gai_strerror(err));
		return;
	}
	conn->addrs = conn->addr = addrs;
	try_address(conn);
}

static void resolve_done(struct ring_job *job)
{
	struct nbd_resolve *r = container_of(job, struct nbd_resolve, job);
	struct nbd_conn *conn = r->conn;
	struct addrinfo *addrs = r->addrs;

	if (conn) {
		conn->resolve = NULL;
		r->addrs = NULL;
		resolved(conn, addrs, r->err);
	}
	resolve_free(r);
}

void nbd_forget_resolve(struct nbd_conn *conn)
{
	if (conn->resolve)
		conn->resolve->conn = NULL;
	conn->resolve = NULL;
}

static void resolve_start(struct nbd_conn *conn)
{
	struct nbd_resolve *r = calloc(1, sizeof(*r));

	if (r) {
		r->conn = conn;
		r->host = strdup(conn->uri.host);
		r->port = strdup(conn->uri.port);
		r->job.blocking = resolve_blocking;
		r->job.done = resolve_done;
	}
	if (!r || !r->host || !r->port ||
	    ring_job_start(conn->ring, &r->job)) {
		resolve_free(r);
		nbd_fail(conn, -ENOMEM, "%s: cannot start to look it up",
			 conn->uri.host);
		return;
	}
	conn->resolve = r;
}

void nbd_start_connect(struct nbd_conn *conn)
{
	struct addrinfo *addrs;
	int err;

	if (conn->uri.socket) {
		connect_unix(conn);
		return;
	}
	err = lookup(conn->uri.host, conn->uri.port, AI_NUMERICHOST, &addrs);
	if (err == EAI_NONAME)
		resolve_start(conn);
	else
		resolved(conn, addrs, err);
}
