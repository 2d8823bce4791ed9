/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS between the streams of an NBD connection (nbd.c) and its socket.
 *
 *	received -> engine -> [is_shaking: the handshake] -> nbd_rx_feed()
 *	tx.iov -> engine -> what is to be sent -> one sendmsg at a time
 *
 * and where the kernel takes the sending side:
 *
 *	handshake -> [is_handing: its last words are sent] -> tls_hand_over()
 *	tx.iov -> sendmsg, until all of it is sent
 *
 * All on the ring's thread, nothing waits: the engine (tls.h) has no socket.
 * The deadlines are the connection's: one for all up to ->ready().
 *
 * X1  Once conn->tls is set, no byte goes to the socket but from the engine,
 *     and no byte from the socket is looked at but by the engine; but for
 *     NBD_TLS_KERNEL, where no byte goes there from the engine.
 * X2  tx.iov has been encrypted, and with that copied, before nbd_tls_send()
 *     returns.  It is answered as sent when the send that has it has ended.
 *     The kernel copies or encrypts it before that send ends (N4, Q3).
 * X3  The socket is handed over between two sends, and nothing is asked of the
 *     server before: what it says till then in the session is no answer.
 */
#include "nbd-private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CLEAR_BYTES	(16 << 10)	/* a record's, at most */

/* X1: the send of the engine's bytes, unless one is under way. */
static bool kick(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;
	const void *data;
	size_t len;

	if (tx->op.pending || conn->state == NBD_DEAD)
		return false;
	tls_take(conn->tls, &data, &len);
	if (!len)
		return false;
	conn->tls_iov = (struct iovec){ (void *)data, len };
	tx->msg.msg_iov = &conn->tls_iov;
	tx->msg.msg_iovlen = 1;
	tx->wire_len = len;
	ring_send(conn->ring, &tx->op, conn->fd, &tx->msg);
	return true;
}

/* --- the kernel ----------------------------------------------------------- */

/* X3 */
static int begin(struct nbd_conn *conn)
{
	assert(!conn->tx.op.pending);
	conn->is_handing = false;
	conn->info.tls = tls_hand_over(conn->tls, conn->fd) ?
			 NBD_TLS_USERSPACE : NBD_TLS_KERNEL;
	return nbd_negotiate_in_tls(conn);
}

static void send_plain(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;

	ring_send_some(conn->ring, &tx->op, conn->fd, &tx->msg);
}

static void skip(struct msghdr *msg, size_t len)
{
	while (len) {
		struct iovec *iov = msg->msg_iov;
		size_t n = len < iov->iov_len ? len : iov->iov_len;

		iov->iov_base = (uint8_t *)iov->iov_base + n;
		iov->iov_len -= n;
		len -= n;
		if (!iov->iov_len) {
			msg->msg_iov++;
			msg->msg_iovlen--;
		}
	}
}

bool nbd_tls_sent_some(struct nbd_conn *conn, int res)
{
	struct nbd_tx *tx = &conn->tx;

	if (conn->info.tls != NBD_TLS_KERNEL || conn->state == NBD_DEAD ||
	    res <= 0 || (size_t)res >= tx->wire_len)
		return false;
	tx->wire_len -= res;
	skip(&tx->msg, res);
	send_plain(conn);
	return true;
}

/* --- both ----------------------------------------------------------------- */

bool nbd_tls_sent(struct nbd_conn *conn)
{
	if (conn->info.tls == NBD_TLS_KERNEL) {
		if (conn->state == NBD_GOODBYE)
			tls_end_handed(conn->tls, conn->fd);
		return false;
	}
	if (kick(conn))
		return true;
	if (conn->is_handing && conn->state != NBD_DEAD)
		begin(conn);
	return conn->tx.op.pending;
}

static int encrypt(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;
	int ret = 0;

	for (unsigned int i = 0; i < tx->nr_iov && !ret; i++)
		ret = tls_write(conn->tls, tx->iov[i].iov_base,
				tx->iov[i].iov_len);
	tx->nr_iov = 0;
	tx->len = 0;
	if (ret)
		return ret;
	return conn->state == NBD_GOODBYE ? tls_end(conn->tls) :
					    tls_push(conn->tls);
}

void nbd_tls_send(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;
	int ret;

	tx->start = ring_now(conn->ring);
	if (conn->info.tls == NBD_TLS_KERNEL) {
		nbd_tx_ready(tx);
		send_plain(conn);
		return;
	}
	ret = encrypt(conn);
	if (ret)
		nbd_fail(conn, ret, "TLS cannot encrypt");
	else
		kick(conn);
}

/* 1 = the session is there. */
static int shake(struct nbd_conn *conn)
{
	struct error err = { 0 };
	int ret = tls_handshake(conn->tls, &err);

	if (ret < 0)
		return nbd_fail(conn, ret, "%s", err.text);
	kick(conn);
	if (!ret)
		return 0;
	conn->is_shaking = false;
	conn->is_handing = true;
	ret = conn->tx.op.pending ? 0 : begin(conn);
	return ret ?: 1;
}

static void read_clear(struct nbd_conn *conn)
{
	uint8_t clear[CLEAR_BYTES];
	struct error err = { 0 };
	int n;

	while (conn->state != NBD_DEAD) {
		n = tls_read(conn->tls, clear, sizeof(clear), &err);
		if (n == -EAGAIN)
			break;
		if (n < 0)
			nbd_fail(conn, n, "%s", err.text);
		else if (!n)
			nbd_rx_ended(conn, 0);
		else if (conn->is_handing)	/* X3 */
			nbd_fail(conn, -EPROTO, "the server answers before it "
				 "has been asked");
		else
			nbd_rx_feed(conn, clear, n);
	}
	kick(conn);	/* the peer may have asked for new keys */
}

void nbd_tls_received(struct nbd_conn *conn, const void *data, size_t len)
{
	if (conn->state == NBD_DEAD)
		return;
	tls_feed(conn->tls, data, len);
	if (!conn->is_shaking || shake(conn) == 1)
		read_clear(conn);
}

int nbd_tls_start(struct nbd_conn *conn)
{
	const struct nbd_uri *uri = &conn->uri;
	const struct tls_identity id = {
		.psk_user = uri->user,
		.psk_file = uri->psk_file,
		.certificates = uri->certificates,
		.hostname = uri->hostname,
	};
	struct error err = { 0 };
	int ret = tls_create(&conn->tls, &id, &err);

	if (ret)
		return nbd_fail(conn, ret, "%s", err.text);
	conn->is_shaking = true;
	ret = shake(conn);
	return ret < 0 ? ret : 0;
}
