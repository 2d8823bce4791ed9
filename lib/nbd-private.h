/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the NBD client share: nbd.c (the life of a connection),
 * nbd-connect.c (name, socket), nbd-negotiate.c (up to ->ready),
 * nbd-request.c (from then on).
 */
#ifndef REPLICA_NBD_PRIVATE_H
#define REPLICA_NBD_PRIVATE_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "error.h"
#include "nbd-wire.h"
#include "nbd.h"
#include "ring.h"
#include "tls.h"
#include "uri.h"

#define NBD_MAX_OPT_REPLY	8192	/* a reply to an option, at most */
#define NBD_MAX_IOV		1024	/* the kernel's limit */

/* The questions of the negotiation, in this order. */
enum nbd_question {
	NBD_ASK_NAME,		/* what the default export is called */
	NBD_ASK_SIBLING,	/* whether there is export + ask_suffix */
	NBD_OPEN,
};

enum nbd_state {
	NBD_CONNECTING,		/* name, socket */
	NBD_NEGOTIATING,
	NBD_READY,
	NBD_LEAVING,		/* READY, but no new requests */
	NBD_GOODBYE,		/* DISC is being sent */
	NBD_DEAD,		/* waits for its operations to end */
};

/*
 * The stream of bytes from the server, cut into messages: when @want bytes
 * are together, ->step looks at them and says what it wants next.  A step
 * returns 0, or -errno after nbd_fail().
 */
struct nbd_rx {
	int (*step)(struct nbd_conn *conn, const void *data);
	uint8_t *into;		/* where they go: buf, or a reader's buffer */
	size_t want, have;
	uint8_t buf[NBD_MAX_OPT_REPLY];
};

/* A command on the wire. */
struct nbd_slot {
	struct nbd_req *req;	/* NULL: the slot is free */
	uint8_t *buf;		/* a READ's data */
	uint32_t len;
	uint32_t serial;	/* upper half of the cookie */
	uint32_t batch;		/* tx.batch when it was sent */
	int err;		/* of an early reply */
	bool is_early;		/* replied to before it was sent, see Q3 */
	uint64_t sent;		/* ring_now() */
	struct nbd_slot *next, *prev;	/* by age if used; next free */
};

/* One sendmsg at a time. */
struct nbd_tx {
	struct ring_op op;
	struct msghdr msg;
	unsigned int nr_iov;
	size_t len;		/* bytes in iov */
	size_t wire_len;	/* of the send under way */
	uint64_t start;
	uint32_t batch;		/* counts the sends */
	unsigned int nr_early;	/* slots with ->is_early */
	struct iovec iov[NBD_MAX_IOV];
};

/* How fast replies come, see gather() in nbd-request.c. */
struct nbd_pace {
	uint64_t last;			/* ns, when replies came before */
	unsigned int nr_replies;	/* since then */
	unsigned int interval;		/* ns between two, smoothed */
};

struct nbd_req_list {
	struct nbd_req *first, **last;
};

struct nbd_conn {
	struct ring *ring;
	const struct nbd_callbacks *cbs;
	void *arg;
	struct nbd_opts opts;
	char *name;			/* the URI, for messages */
	struct nbd_uri uri;
	enum nbd_state state;
	struct error error;		/* why it is dead */
	struct ring_work end_work;	/* DEAD: look whether all has ended */
	struct ring_timer timer;	/* negotiation, or the oldest request */

	int fd;				/* -1: none */
	struct ring_op connect_op;
	struct nbd_resolve *resolve;	/* the name is being looked up */
	struct addrinfo *addrs, *addr;	/* all; the one being tried */
	struct sockaddr_storage sa;

	struct nbd_info info;
	char *export;			/* that we open */
	char *canonical;		/* as the server calls it, or NULL */
	enum nbd_question question;
	bool is_question_due;		/* when the one before has been sent */
	unsigned int nr_questions, nr_opt_replies;
	bool has_export_info;
	struct nbd_opt_reply opt_reply;	/* host order */
	uint8_t *hello;			/* the option that we send */

	struct ring_recv recv;
	struct nbd_rx rx;
	struct nbd_tx tx;
	struct tls *tls;		/* NULL: none, or not yet */
	bool is_shaking;		/* hands: the handshake is under way */
	bool is_handing;		/* … over: it is done, but its last
					 * words have not been sent */
	struct iovec tls_iov;		/* what is being sent of it */

	struct nbd_req_list queue;	/* not, or not wholly, on the wire */
	struct nbd_req_list refused;	/* err is set */
	struct ring_work send_work, refuse_work;
	struct nbd_request *headers;	/* one for each slot, one for DISC */
	struct nbd_slot *slots, *free;
	struct nbd_slot *reading;	/* whose data is arriving */
	struct nbd_slot wire;		/* head of the used, oldest first */
	unsigned int nr_wire;
	struct nbd_pace pace;
};

/* --- nbd.c ---------------------------------------------------------------- */

/*
 * The end of @conn, for a reason in plain words; the first one stays.
 * Returns @err.  The caller must not touch @conn much more: ->closed() comes
 * in a later turn.
 */
int nbd_fail(struct nbd_conn *conn, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The next message: @want bytes, in rx.buf or at @into. */
void nbd_expect(struct nbd_conn *conn, size_t want, uint8_t *into,
		int (*step)(struct nbd_conn *conn, const void *data));

/* Send what is in tx.iov; nbd_sent() follows. */
void nbd_send(struct nbd_conn *conn);
void nbd_tx_add(struct nbd_tx *tx, void *data, size_t len);
/* tx.msg is the whole of tx.iov. */
void nbd_tx_ready(struct nbd_tx *tx);
/* Bytes in clear, in pieces of any size. */
void nbd_rx_feed(struct nbd_conn *conn, const uint8_t *data, size_t len);
/* The stream from the server has ended, with 0 or -errno. */
void nbd_rx_ended(struct nbd_conn *conn, int res);

/* --- nbd-connect.c -------------------------------------------------------- */

/* Leads to nbd_negotiate() or nbd_fail(). */
void nbd_start_connect(struct nbd_conn *conn);
void nbd_forget_resolve(struct nbd_conn *conn);

/* --- nbd-negotiate.c ------------------------------------------------------ */

/* conn->fd is connected.  Leads to nbd_requests_start() or nbd_fail(). */
void nbd_negotiate(struct nbd_conn *conn);
/* The TLS handshake is done: the negotiation goes on in it. */
int nbd_negotiate_in_tls(struct nbd_conn *conn);

/* --- nbd-tls.c ------------------------------------------------------------ */

/* The server agrees to TLS.  Leads to nbd_negotiate_in_tls() or nbd_fail(). */
int nbd_tls_start(struct nbd_conn *conn);
void nbd_tls_received(struct nbd_conn *conn, const void *data, size_t len);
/* Encrypt what is in tx.iov, and send it when the wire is free. */
void nbd_tls_send(struct nbd_conn *conn);
/* A send has ended well.  True: another one has followed at once. */
bool nbd_tls_sent(struct nbd_conn *conn);
/* @res bytes of a send have been taken.  True: the rest follows. */
bool nbd_tls_sent_some(struct nbd_conn *conn, int res);
/* What was being sent has been. */
void nbd_negotiate_sent(struct nbd_conn *conn);

/* --- nbd-request.c -------------------------------------------------------- */

int nbd_requests_init(struct nbd_conn *conn);
void nbd_requests_start(struct nbd_conn *conn);
/* The send of a batch has ended well. */
void nbd_requests_sent(struct nbd_conn *conn);
void nbd_requests_timeout(struct nbd_conn *conn);
/* Each request that there still is gets its ->done(). */
void nbd_requests_fail(struct nbd_conn *conn, int err);
void nbd_requests_free(struct nbd_conn *conn);

#endif
