/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of an NBD connection, and its two streams of bytes.
 *
 *	CONNECTING --nbd_negotiate--> NEGOTIATING --nbd_requests_start-->
 *	READY --nbd_disconnect--> LEAVING --all replies in--> GOODBYE
 *	any --nbd_fail, or the goodbye is sent--> DEAD --all ended--> freed
 *
 * N1  DEAD is entered in one place, nbd_fail(), which asks every operation to
 *     end and calls nobody.  What follows is done by the end work, when no
 *     operation is pending: the kernel then holds no buffer of a request.
 * N2  In DEAD no byte from the server is looked at.
 * N3  Requests are completed first, then ->closed(), then all is freed.
 * N4  The kernel copies what we send.  Zero-copy (splice into a Unix socket,
 *     MSG_ZEROCOPY) was rejected: what stands in a socket is still read, and
 *     carried out, by a server whose connection we have dropped; it must then
 *     find what was to be written, not what has since come into the buffer.
 * N5  A TCP connection that ends without a goodbye is reset, and its send queue
 *     dropped: a request of it must not reach the server later.
 */
#include "nbd-private.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_DEPTH		256

/* --- the end -------------------------------------------------------------- */

static bool has_pending(const struct nbd_conn *conn)
{
	return conn->connect_op.pending || conn->tx.op.pending ||
	       conn->recv.op.pending;
}

/*
 * N5: TCP would go on sending what is queued, for minutes, when nobody here
 * counts on it any more.
 */
static void drop_queue(struct nbd_conn *conn)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	if (conn->error.code && conn->sa.ss_family != AF_UNIX)
		setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger,
			   sizeof(linger));
}

static void conn_free(struct nbd_conn *conn)
{
	ring_timer_cancel(conn->ring, &conn->timer);
	ring_defer_cancel(conn->ring, &conn->send_work);
	ring_defer_cancel(conn->ring, &conn->refuse_work);
	ring_defer_cancel(conn->ring, &conn->end_work);
	if (conn->fd >= 0) {
		drop_queue(conn);
		close(conn->fd);
	}
	if (conn->addrs)
		freeaddrinfo(conn->addrs);
	nbd_uri_free(&conn->uri);
	tls_destroy(conn->tls);
	nbd_requests_free(conn);
	free((char *)conn->opts.ask_suffix);
	free((char *)conn->opts.congestion);
	free(conn->export);
	free(conn->canonical);
	free(conn->hello);
	free(conn->name);
	free(conn);
}

static void end_work(struct ring_work *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, end_work);
	int err = conn->error.code;

	if (has_pending(conn))
		return;
	/* After a good goodbye there are only requests that came too late. */
	nbd_requests_fail(conn, err ?: -ESHUTDOWN);
	conn->cbs->closed(conn, conn->arg, err, conn->error.text);
	conn_free(conn);
}

static void op_ended(struct nbd_conn *conn)
{
	if (conn->state == NBD_DEAD)
		ring_defer(conn->ring, &conn->end_work);
}

static void stop_all(struct nbd_conn *conn)
{
	conn->state = NBD_DEAD;
	ring_timer_cancel(conn->ring, &conn->timer);
	nbd_forget_resolve(conn);
	ring_cancel(conn->ring, &conn->connect_op);
	ring_cancel(conn->ring, &conn->tx.op);
	if (conn->recv.op.pending)
		ring_recv_stop(&conn->recv);
	ring_defer(conn->ring, &conn->end_work);
}

/* How the URI is shown: the names of key files would hide the reason. */
static int name_len(const struct nbd_conn *conn)
{
	return conn->uri.is_tls && conn->uri.host ? strcspn(conn->name, "?") :
						    strlen(conn->name);
}

int nbd_fail(struct nbd_conn *conn, int err, const char *fmt, ...)
{
	char text[ERROR_TEXT_LEN];
	va_list ap;
	int n;

	if (conn->state == NBD_DEAD)
		return err;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn->error.code = err;
	n = snprintf(conn->error.text, sizeof(text), "%.*s: %s",
		     name_len(conn), conn->name, text);
	if (n >= (int)sizeof(text))
		memcpy(conn->error.text, text, sizeof(text));
	stop_all(conn);
	return err;
}

/* --- bytes from the server ------------------------------------------------ */

void nbd_expect(struct nbd_conn *conn, size_t want, uint8_t *into,
		int (*step)(struct nbd_conn *conn, const void *data))
{
	struct nbd_rx *rx = &conn->rx;

	assert(want && (into || want <= sizeof(rx->buf)));
	rx->want = want;
	rx->have = 0;
	rx->into = into ?: rx->buf;
	rx->step = step;
}

/* Put as much together as is wanted; false = more must come first. */
static bool rx_collect(struct nbd_rx *rx, const uint8_t **data, size_t *len)
{
	size_t n = rx->want - rx->have;

	if (n > *len)
		n = *len;
	memcpy(rx->into + rx->have, *data, n);
	rx->have += n;
	*data += n;
	*len -= n;
	return rx->have == rx->want;
}

void nbd_rx_feed(struct nbd_conn *conn, const uint8_t *data, size_t len)
{
	struct nbd_rx *rx = &conn->rx;
	const uint8_t *message;

	while (len && conn->state != NBD_DEAD) {
		if (!rx->have && rx->into == rx->buf && len >= rx->want) {
			message = data;		/* whole: no need to copy */
			data += rx->want;
			len -= rx->want;
		} else if (rx_collect(rx, &data, &len)) {
			message = rx->into;
		} else {
			return;
		}
		if (rx->step(conn, message))
			return;
		if (conn->is_shaking && len) {
			nbd_fail(conn, -EPROTO,
				 "the server goes on in clear after STARTTLS");
			return;
		}
	}
}

void nbd_rx_ended(struct nbd_conn *conn, int res)
{
	if (res < 0 && res != -ECONNRESET)
		nbd_fail(conn, res, "receive: %s", strerrordesc_np(-res));
	else if (conn->is_shaking)
		nbd_fail(conn, -EKEYREJECTED, "the server closed the "
			 "connection in the TLS handshake: is it the same key "
			 "there, and the same name?");
	else if (conn->state < NBD_READY)
		nbd_fail(conn, -ECONNRESET,
			 "the server closed the connection in the negotiation");
	else if (conn->rx.have || conn->reading)
		nbd_fail(conn, -ECONNRESET,
			 "the server closed the connection in mid-reply");
	else
		nbd_fail(conn, -ECONNRESET,
			 "the server closed the connection");
}

static void received(struct ring_recv *recv, const void *buf, int res,
		     unsigned int flags)
{
	struct nbd_conn *conn = container_of(recv, struct nbd_conn, recv);

	if (!(flags & RING_MORE)) {
		nbd_rx_ended(conn, res);
		op_ended(conn);
	} else if (conn->tls) {
		nbd_tls_received(conn, buf, res);
	} else {
		nbd_rx_feed(conn, buf, res);
	}
}

/* --- bytes to the server -------------------------------------------------- */

/* Neighbours in memory make one entry. */
void nbd_tx_add(struct nbd_tx *tx, void *data, size_t len)
{
	struct iovec *last = tx->iov + tx->nr_iov - 1;

	tx->len += len;
	if (tx->nr_iov && (uint8_t *)last->iov_base + last->iov_len == data) {
		last->iov_len += len;
		return;
	}
	assert(tx->nr_iov < NBD_MAX_IOV);
	tx->iov[tx->nr_iov++] = (struct iovec){ data, len };
}

void nbd_tx_ready(struct nbd_tx *tx)
{
	tx->msg.msg_iov = tx->iov;
	tx->msg.msg_iovlen = tx->nr_iov;
	tx->wire_len = tx->len;
}

void nbd_send(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;

	if (conn->tls) {
		nbd_tls_send(conn);
		return;
	}
	nbd_tx_ready(tx);
	tx->start = ring_now(conn->ring);
	ring_send(conn->ring, &tx->op, conn->fd, &tx->msg);
}

static void sent(struct ring_op *op, int res, unsigned int flags)
{
	struct nbd_conn *conn = container_of(op, struct nbd_conn, tx.op);
	size_t len = conn->tx.wire_len;

	if (flags & RING_MORE || nbd_tls_sent_some(conn, res))
		return;
	conn->tx.nr_iov = 0;
	conn->tx.len = 0;
	if (res < 0)
		nbd_fail(conn, res, "send: %s", strerrordesc_np(-res));
	else if ((size_t)res != len)
		nbd_fail(conn, -EPIPE, "the connection broke in a send");
	else if (conn->tls && nbd_tls_sent(conn))
		return;
	else if (conn->state == NBD_GOODBYE)
		stop_all(conn);
	else if (conn->state >= NBD_READY)
		nbd_requests_sent(conn);
	else
		nbd_negotiate_sent(conn);
	op_ended(conn);
}

/* --- the beginning -------------------------------------------------------- */

static void timeout(struct ring_timer *timer)
{
	struct nbd_conn *conn = container_of(timer, struct nbd_conn, timer);
	unsigned int ms = conn->opts.deadline_ms;

	if (conn->state == NBD_CONNECTING)
		nbd_fail(conn, -ETIMEDOUT, "no connection within %u ms", ms);
	else if (conn->state == NBD_NEGOTIATING)
		nbd_fail(conn, -ETIMEDOUT, "no answer in the negotiation "
			 "within %u ms", ms);
	else if (conn->state == NBD_GOODBYE)
		nbd_fail(conn, -ETIMEDOUT, "the goodbye could not be sent "
			 "within %u ms", ms);
	else
		nbd_requests_timeout(conn);
}

static int copy_text(const char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return text && !*to ? -ENOMEM : 0;
}

static int set_opts(struct nbd_conn *conn, const struct nbd_opts *opts)
{
	const struct nbd_opts none = { 0 };

	conn->opts = opts ? *opts : none;
	if (!conn->opts.deadline_ms)
		conn->opts.deadline_ms = NBD_DEADLINE_MS;
	if (!conn->opts.depth)
		conn->opts.depth = DEFAULT_DEPTH;
	conn->opts.export = NULL;	/* it becomes conn->export */
	conn->opts.ask_suffix = conn->opts.congestion = NULL;
	if (copy_text(&conn->opts.ask_suffix, opts ? opts->ask_suffix : NULL) ||
	    copy_text(&conn->opts.congestion, opts ? opts->congestion : NULL))
		return -ENOMEM;
	return copy_text((const char **)&conn->export,
			 opts ? opts->export : NULL);
}

static void set_callbacks(struct nbd_conn *conn)
{
	conn->end_work.run = end_work;
	conn->timer.fire = timeout;
	conn->recv.data = received;
	conn->tx.op.done = sent;
}

/* From now on it is for messages only. */
static void mask_name(struct nbd_conn *conn)
{
	size_t len;
	const char *password = uri_password(conn->name, &len);

	if (password)
		memset(conn->name + (password - conn->name), '*', len);
}

static void conn_start(struct nbd_conn *conn)
{
	struct error err = { 0 };
	int ret = nbd_uri_parse(&conn->uri, conn->name, &err);

	mask_name(conn);
	if (ret) {
		nbd_fail(conn, ret, "%s", err.text);
		return;
	}
	if (!conn->export)
		conn->export = strdup(conn->uri.export);
	if (!conn->export) {
		nbd_fail(conn, -ENOMEM, "out of memory");
		return;
	}
	ring_timer_add(conn->ring, &conn->timer, conn->opts.deadline_ms);
	nbd_start_connect(conn);
}

int nbd_connect(struct ring *ring, const char *uri,
		const struct nbd_opts *opts, const struct nbd_callbacks *cbs,
		void *arg, struct nbd_conn **connp)
{
	struct nbd_conn *conn = calloc(1, sizeof(*conn));

	*connp = NULL;
	if (!conn)
		return -ENOMEM;
	conn->ring = ring;
	conn->cbs = cbs;
	conn->arg = arg;
	conn->fd = -1;
	set_callbacks(conn);
	conn->name = strdup(uri);
	if (set_opts(conn, opts) || !conn->name || nbd_requests_init(conn)) {
		conn_free(conn);
		return -ENOMEM;
	}
	*connp = conn;
	conn_start(conn);
	return 0;
}

const struct nbd_info *nbd_get_info(const struct nbd_conn *conn)
{
	return &conn->info;
}

void nbd_abort(struct nbd_conn *conn)
{
	nbd_fail(conn, -ECANCELED, "dropped");
}

void nbd_disconnect(struct nbd_conn *conn)
{
	if (conn->state < NBD_READY) {
		stop_all(conn);
	} else if (conn->state == NBD_READY) {
		conn->state = NBD_LEAVING;
		ring_defer(conn->ring, &conn->send_work);
	}
}
