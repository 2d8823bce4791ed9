/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NBD client: one connection, asynchronous, on a ring.
 *
 * Fixed newstyle, OPT_GO with block sizes, simple replies, Unix and TCP
 * sockets.  All functions and callbacks are on the ring's thread.
 *
 * Life of a connection:
 *
 *	nbd_connect() ... ->ready() ... requests ... ->closed()
 *
 * ->closed() is called exactly once for each nbd_connect() that returned 0,
 * with or without ->ready() before, never from inside a call of the user.
 * Before it, each request has had its ->done(), also exactly once.  After it
 * has returned the connection is freed.  A ring is destroyed only after its
 * connections have been closed.
 *
 * A reply with an error ends a request, not the connection.  Whatever breaks
 * the protocol, a deadline or the socket ends the connection: every request
 * without a reply then gets that error.  Such a request may or may not have
 * been, and may still be, carried out by the server.
 */
#ifndef REPLICA_NBD_H
#define REPLICA_NBD_H

#include <stdbool.h>
#include <stdint.h>

struct nbd_conn;
struct nbd_req;
struct ring;

/* What a server says of an export that is not the one to be opened. */
struct nbd_sibling {
	bool exists;
	bool is_read_only;
	uint64_t size;			/* bytes */
};

/* Who encrypts what we send. */
enum nbd_tls {
	NBD_TLS_NONE,
	NBD_TLS_USERSPACE,
	NBD_TLS_KERNEL,
};

/* What the server has agreed to. */
struct nbd_info {
	uint64_t size;			/* bytes */
	bool is_read_only;
	bool can_flush, can_fua;
	bool can_write_zeroes;
	bool can_fast_zero;
	bool can_multi_conn;		/* a flush covers all connections */
	bool is_rotational;
	uint32_t block_min;		/* requests are multiples of it */
	uint32_t block_pref;
	uint32_t block_max;		/* of one read or write on the wire */
	const char *export;		/* its name; with ask_suffix, what the
					 * server calls the default export */
	struct nbd_sibling sibling;	/* with ask_suffix */
	enum nbd_tls tls;
};

#define NBD_DEADLINE_MS	30000

struct nbd_opts {
	/*
	 * Limit for connect and negotiation together, for a request from the
	 * moment it is being sent to its reply, and for the goodbye.
	 * 0 = NBD_DEADLINE_MS.
	 */
	unsigned int deadline_ms;
	/* Requests on the wire at a time, others wait; 0 = 256. */
	unsigned int depth;
	/* Instead of the export of the URI. */
	const char *export;
	/*
	 * Before the export is opened, the server is asked (NBD_OPT_INFO) for
	 * the one whose name has this behind it. A server that does not know
	 * the question has no such export.
	 */
	const char *ask_suffix;
	/*
	 * TCP's congestion control, as in tcp(7); NULL: what the kernel uses.
	 * One that it does not have is an error, -ENOENT.
	 */
	const char *congestion;
};

struct nbd_callbacks {
	/* The export is open: see nbd_get_info(). */
	void (*ready)(struct nbd_conn *conn, void *arg);
	/*
	 * The end.  @err: 0 after nbd_disconnect(), -ECANCELED after
	 * nbd_abort(), else -errno.  @text says what happened, naming the
	 * server and export; it and @conn are gone after the return.
	 */
	void (*closed)(struct nbd_conn *conn, void *arg, int err,
		       const char *text);
};

/*
 * Start to connect to @uri:
 *
 *	nbd://HOST[:PORT]/EXPORT
 *	nbd+unix:///EXPORT?socket=PATH
 *	nbds://, nbds+unix://	with TLS, or not at all: see uri.h
 *
 * @opts may be NULL.  Strings and options are copied, @cbs must stay.
 * Returns 0 or -ENOMEM; a URI that is wrong or not supported, like any other
 * failure, is told by ->closed(), with -EINVAL or -EPROTONOSUPPORT.
 */
int nbd_connect(struct ring *ring, const char *uri,
		const struct nbd_opts *opts, const struct nbd_callbacks *cbs,
		void *arg, struct nbd_conn **connp);

/* Valid from ->ready() to the return of ->closed(). */
const struct nbd_info *nbd_get_info(const struct nbd_conn *conn);

/*
 * Goodbye: what has been asked is carried out, NBD_CMD_DISC follows, then
 * ->closed(0).  Requests from now on fail with -ESHUTDOWN.
 */
void nbd_disconnect(struct nbd_conn *conn);

/* Drop the connection now: requests get -ECANCELED, then ->closed(). */
void nbd_abort(struct nbd_conn *conn);

/* --- requests ------------------------------------------------------------- */

/*
 * Owned by the caller, who sets ->done, and finds his own struct with
 * container_of().  It and the data stay in place until ->done().
 */
struct nbd_req {
	/*
	 * @err: 0, or -errno: the server's answer, or why the connection
	 * ended, or -EINVAL (off the export, or not a multiple of
	 * block_min), -EROFS, -EOPNOTSUPP (the server lacks the command or
	 * the flag), -ENOTCONN (before ->ready), -ESHUTDOWN.
	 * New requests may be made from here, but one that failed must
	 * not be repeated without end on a connection that is closing.
	 */
	void (*done)(struct nbd_req *req, int err);

	/* private */
	struct nbd_req *next;
	uint64_t offset, len;		/* of what has not been sent */
	uint8_t *buf;
	uint16_t command, flags;
	unsigned int nr_wire;		/* commands without a reply */
	int err;			/* the first one */
};

#define NBD_REQ_FUA		(1u << 0)
#define NBD_REQ_NO_HOLE		(1u << 1)	/* write_zeroes only */
#define NBD_REQ_FAST_ZERO	(1u << 4)	/* write_zeroes only */

/*
 * The requests of a turn of the ring leave in one sendmsg, at its end.  One
 * that is larger than the server's limit goes as several commands; it has one
 * ->done(), after the last reply, with the first error.  Commands may be
 * carried out in any order: NBD orders nothing.  len 0 succeeds at once.
 */
void nbd_write(struct nbd_conn *conn, struct nbd_req *req, const void *buf,
	       uint64_t len, uint64_t offset, unsigned int flags);
void nbd_write_zeroes(struct nbd_conn *conn, struct nbd_req *req,
		      uint64_t len, uint64_t offset, unsigned int flags);
void nbd_read(struct nbd_conn *conn, struct nbd_req *req, void *buf,
	      uint64_t len, uint64_t offset);

/* Covers writes whose ->done() came before this call, no others. */
void nbd_flush(struct nbd_conn *conn, struct nbd_req *req);

#endif
