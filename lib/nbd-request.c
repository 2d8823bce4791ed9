/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Requests and replies.
 *
 * Layout: taking a request; putting commands on the wire; replies; deadlines;
 * the end.
 *
 * A request (struct nbd_req) waits in the queue, then becomes one or more
 * commands, each in a slot.  The send work runs at the end of a turn and makes
 * one sendmsg of all that fits.  While that is under way, what comes is queued
 * for the next.
 *
 * Q1  A request is in the queue (its first one may have commands on the wire
 *     already), or refused, or has len == 0 and nr_wire > 0.  Its ->done() is
 *     called when it leaves, nowhere else.
 * Q2  A slot is in the wire list, sorted by age, or in the free list.
 * Q3  A slot of the send under way is not completed, since the kernel may
 *     still read its buffer: a reply to it is early, and kept until the send
 *     has ended.  An honest server sends one when the kernel is halfway
 *     through a long send; a bad one must not make us send freed memory.
 * Q4  The header and the slot of a command are used again only after Q3.
 * Q5  No command has the handle 0 before 2^32 others had its slot: what a
 *     server says unasked, with a handle that it left empty, answers none.
 */
#include "nbd-private.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS	1000000ULL
#define BATCH_BYTES	(1 << 20)	/* a send ends with what exceeds it */
#define FAST_PACE	10000		/* ns between replies */
#define MAX_PACE	100000		/* ns; a longer break counts as this */
#define GATHER_MIN	16		/* commands that the server has */
#define GATHER_MAX	50000		/* ns */
#define ZERO_MAX	(1 << 30)	/* WRITE_ZEROES has no other limit */

static int step_reply(struct nbd_conn *conn, const void *data);

/* --- lists ---------------------------------------------------------------- */

static void list_init(struct nbd_req_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_add(struct nbd_req_list *list, struct nbd_req *req)
{
	req->next = NULL;
	*list->last = req;
	list->last = &req->next;
}

static struct nbd_req *list_pop(struct nbd_req_list *list)
{
	struct nbd_req *req = list->first;

	if (req) {
		list->first = req->next;
		if (!list->first)
			list->last = &list->first;
	}
	return req;
}

static struct nbd_slot *slot_get(struct nbd_conn *conn)
{
	struct nbd_slot *slot = conn->free, *head = &conn->wire;

	conn->nr_wire++;
	conn->free = slot->next;
	slot->prev = head->prev;
	slot->next = head;
	slot->prev->next = slot->next->prev = slot;
	return slot;
}

static void slot_put(struct nbd_conn *conn, struct nbd_slot *slot)
{
	conn->nr_wire--;
	slot->prev->next = slot->next;
	slot->next->prev = slot->prev;
	slot->req = NULL;
	slot->serial++;
	slot->next = conn->free;
	conn->free = slot;
}

static bool wire_empty(const struct nbd_conn *conn)
{
	return conn->wire.next == &conn->wire;
}

/* --- taking a request ----------------------------------------------------- */

static int check_command(const struct nbd_info *info, const struct nbd_req *req)
{
	unsigned int known = 0;

	switch (req->command) {
	case NBD_CMD_WRITE_ZEROES:
		if (!info->can_write_zeroes)
			return -EOPNOTSUPP;
		known = NBD_REQ_NO_HOLE | NBD_REQ_FAST_ZERO;
		/* fall through */
	case NBD_CMD_WRITE:
		known |= NBD_REQ_FUA;
		break;
	case NBD_CMD_FLUSH:
		if (!info->can_flush)
			return -EOPNOTSUPP;
		break;
	}
	if (req->flags & ~known)
		return -EINVAL;
	if ((req->flags & NBD_REQ_FUA && !info->can_fua) ||
	    (req->flags & NBD_REQ_FAST_ZERO && !info->can_fast_zero))
		return -EOPNOTSUPP;
	if (info->is_read_only && req->command != NBD_CMD_READ &&
	    req->command != NBD_CMD_FLUSH)
		return -EROFS;
	return 0;
}

static int check(const struct nbd_conn *conn, const struct nbd_req *req)
{
	const struct nbd_info *info = &conn->info;

	if (conn->state < NBD_READY)
		return -ENOTCONN;
	if (conn->state > NBD_READY)
		return -ESHUTDOWN;
	if (req->offset > info->size || req->len > info->size - req->offset)
		return -EINVAL;
	if ((req->offset | req->len) & (info->block_min - 1))
		return -EINVAL;
	return check_command(info, req);
}

static void start(struct nbd_conn *conn, struct nbd_req *req)
{
	req->nr_wire = 0;
	req->err = check(conn, req);
	if (req->err || (!req->len && req->command != NBD_CMD_FLUSH)) {
		list_add(&conn->refused, req);
		ring_defer(conn->ring, &conn->refuse_work);
	} else {
		list_add(&conn->queue, req);
		ring_defer(conn->ring, &conn->send_work);
	}
}

void nbd_write(struct nbd_conn *conn, struct nbd_req *req, const void *buf,
	       uint64_t len, uint64_t offset, unsigned int flags)
{
	req->command = NBD_CMD_WRITE;
	req->flags = flags;
	req->buf = (uint8_t *)buf;
	req->len = len;
	req->offset = offset;
	start(conn, req);
}

void nbd_write_zeroes(struct nbd_conn *conn, struct nbd_req *req,
		      uint64_t len, uint64_t offset, unsigned int flags)
{
	req->command = NBD_CMD_WRITE_ZEROES;
	req->flags = flags;
	req->buf = NULL;
	req->len = len;
	req->offset = offset;
	start(conn, req);
}

void nbd_read(struct nbd_conn *conn, struct nbd_req *req, void *buf,
	      uint64_t len, uint64_t offset)
{
	req->command = NBD_CMD_READ;
	req->flags = 0;
	req->buf = buf;
	req->len = len;
	req->offset = offset;
	start(conn, req);
}

void nbd_flush(struct nbd_conn *conn, struct nbd_req *req)
{
	req->command = NBD_CMD_FLUSH;
	req->flags = 0;
	req->buf = NULL;
	req->len = 0;
	req->offset = 0;
	start(conn, req);
}

static void refuse_work(struct ring_work *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn,
					     refuse_work);
	struct nbd_req *last = container_of(conn->refused.last,
					    struct nbd_req, next);
	struct nbd_req *req;

	while ((req = list_pop(&conn->refused))) {
		req->done(req, req->err);
		if (req == last)
			break;
	}
}

/* --- putting commands on the wire ----------------------------------------- */

static uint64_t limit(const struct nbd_conn *conn, const struct nbd_req *req)
{
	if (req->command == NBD_CMD_WRITE_ZEROES)
		return ZERO_MAX;
	return conn->info.block_max;
}

static void fill_header(struct nbd_request *header, const struct nbd_req *req,
			uint64_t cookie, uint32_t len)
{
	header->magic = htobe32(NBD_REQUEST_MAGIC);
	header->flags = htobe16(req->flags);
	header->command = htobe16(req->command);
	header->cookie = cookie;
	header->offset = htobe64(req->offset);
	header->len = htobe32(len);
}

/* The next command of @req: all that is left of it, or the server's maximum. */
static void put_command(struct nbd_conn *conn, struct nbd_req *req)
{
	struct nbd_slot *slot = slot_get(conn);
	struct nbd_request *header = conn->headers + (slot - conn->slots);
	uint64_t max = limit(conn, req);

	slot->req = req;
	slot->buf = req->buf;
	slot->len = req->len < max ? req->len : max;
	slot->is_early = false;
	slot->batch = conn->tx.batch;
	slot->sent = ring_now(conn->ring);
	fill_header(header, req, (uint64_t)slot->serial << 32 |
		    (slot - conn->slots), slot->len);
	nbd_tx_add(&conn->tx, header, sizeof(*header));
	if (req->command == NBD_CMD_WRITE)
		nbd_tx_add(&conn->tx, req->buf, slot->len);
	if (req->buf)
		req->buf += slot->len;
	req->offset += slot->len;
	req->len -= slot->len;
	req->nr_wire++;
}

static void send_batch(struct nbd_conn *conn)
{
	struct nbd_tx *tx = &conn->tx;
	struct nbd_req *req;

	tx->batch++;
	while ((req = conn->queue.first) && conn->free &&
	       tx->nr_iov + 2 <= NBD_MAX_IOV && tx->len < BATCH_BYTES) {
		put_command(conn, req);
		if (!req->len)
			list_pop(&conn->queue);
	}
	if (!tx->nr_iov)
		return;
	if (!ring_timer_running(&conn->timer))
		ring_timer_add(conn->ring, &conn->timer,
			       conn->opts.deadline_ms);
	nbd_send(conn);
}

static void send_goodbye(struct nbd_conn *conn)
{
	static const struct nbd_req disc = { .command = NBD_CMD_DISC };
	struct nbd_request *header = conn->headers + conn->opts.depth;

	conn->state = NBD_GOODBYE;
	fill_header(header, &disc, 0, 0);
	nbd_tx_add(&conn->tx, header, sizeof(*header));
	ring_timer_add(conn->ring, &conn->timer, conn->opts.deadline_ms);
	nbd_send(conn);
}

/* The time between replies; a break between bursts is not taken as one. */
static void measure_pace(struct nbd_conn *conn)
{
	struct nbd_pace *pace = &conn->pace;
	uint64_t ns, now = ring_now(conn->ring);

	if (!pace->nr_replies)
		return;
	ns = (now - pace->last) / pace->nr_replies;
	if (ns > MAX_PACE)
		ns = MAX_PACE;
	pace->interval = (7 * pace->interval + ns) / 8;
	pace->last = now;
	pace->nr_replies = 0;
}

/*
 * Small requests to a fast server: replies come every few microseconds, and
 * to take each on its own, and to send one request for it, would cost more
 * than the request does.  While the server has enough to do, an eighth of it
 * may come back first.  (To sleep in that time halves our CPU, but lets nbdkit
 * run on two processors, where its threads fight for locks: a quarter less.)
 */
static void gather(struct nbd_conn *conn)
{
	uint64_t ns;

	measure_pace(conn);
	if (conn->pace.interval > FAST_PACE || conn->nr_wire < GATHER_MIN)
		return;
	ns = (uint64_t)conn->pace.interval * conn->nr_wire / 8;
	ring_gather(conn->ring, ns < GATHER_MAX ? ns : GATHER_MAX);
}

static void send_work(struct ring_work *work)
{
	struct nbd_conn *conn = container_of(work, struct nbd_conn, send_work);

	if (conn->state != NBD_READY && conn->state != NBD_LEAVING)
		return;
	if (conn->tx.op.pending)
		return;
	send_batch(conn);
	gather(conn);
	if (conn->state == NBD_LEAVING && wire_empty(conn))
		send_goodbye(conn);
}

/* --- replies -------------------------------------------------------------- */

/* A command has ended; the request ends with its last, or its first bad one
 * once those under way have ended. */
static void slot_complete(struct nbd_conn *conn, struct nbd_slot *slot,
			  int err)
{
	struct nbd_req *req = slot->req;

	slot_put(conn, slot);
	req->nr_wire--;
	if (err && !req->err)
		req->err = err;
	if (err && req->len) {
		list_pop(&conn->queue);		/* Q1: it is the first */
		req->len = 0;
	}
	conn->pace.nr_replies++;
	ring_defer(conn->ring, &conn->send_work);
	if (!req->nr_wire && !req->len)
		req->done(req, req->err);
}

/* Q3. */
static int slot_reply(struct nbd_conn *conn, struct nbd_slot *slot, int err)
{
	if (conn->tx.op.pending && slot->batch == conn->tx.batch) {
		slot->is_early = true;
		slot->err = err;
		conn->tx.nr_early++;
	} else {
		slot_complete(conn, slot, err);
	}
	return 0;
}

static int step_read_data(struct nbd_conn *conn, const void *data)
{
	struct nbd_slot *slot = conn->reading;

	(void)data;
	conn->reading = NULL;
	nbd_expect(conn, sizeof(struct nbd_simple_reply), NULL, step_reply);
	return slot_reply(conn, slot, 0);
}

static struct nbd_slot *find_slot(struct nbd_conn *conn, uint64_t cookie)
{
	uint32_t i = cookie;
	struct nbd_slot *slot = conn->slots + i;

	if (i >= conn->opts.depth || !slot->req || slot->is_early ||
	    slot->serial != cookie >> 32)
		return NULL;
	return slot;
}

static int reply_errno(uint32_t error)
{
	switch (error) {
	case 0:
	case NBD_EPERM:
	case NBD_EIO:
	case NBD_ENOMEM:
	case NBD_EINVAL:
	case NBD_ENOSPC:
	case NBD_EOVERFLOW:
	case NBD_ENOTSUP:
	case NBD_ESHUTDOWN:
		return -(int)error;
	default:
		return -EIO;
	}
}

static int step_reply(struct nbd_conn *conn, const void *data)
{
	const struct nbd_simple_reply *msg = data;
	int err = reply_errno(be32toh(msg->error));
	struct nbd_slot *slot;

	if (be32toh(msg->magic) != NBD_SIMPLE_REPLY_MAGIC)
		return nbd_fail(conn, -EPROTO, "a reply begins with %#x, "
				"which is not NBD", be32toh(msg->magic));
	slot = find_slot(conn, msg->cookie);
	if (!slot)
		return nbd_fail(conn, -EPROTO, "a reply with the unknown "
				"handle %#" PRIx64, msg->cookie);
	if (slot->req->command != NBD_CMD_READ || err)
		return slot_reply(conn, slot, err);
	conn->reading = slot;
	nbd_expect(conn, slot->len, slot->buf, step_read_data);
	return 0;
}

static void complete_early(struct nbd_conn *conn)
{
	struct nbd_slot *slot = conn->wire.next, *next;

	for (; slot != &conn->wire; slot = next) {
		next = slot->next;
		if (slot->is_early)
			slot_complete(conn, slot, slot->err);
	}
	conn->tx.nr_early = 0;
}

/* --- deadlines ------------------------------------------------------------ */

/* A send that took long counts for those in it: their time begins anew. */
static void refresh(struct nbd_conn *conn)
{
	struct nbd_slot *slot = conn->wire.prev;

	if (ring_now(conn->ring) - conn->tx.start < 10 * NS_PER_MS)
		return;
	for (; slot != &conn->wire && slot->batch == conn->tx.batch;
	     slot = slot->prev)
		slot->sent = ring_now(conn->ring);
}

void nbd_requests_sent(struct nbd_conn *conn)
{
	refresh(conn);
	if (conn->tx.nr_early)
		complete_early(conn);
	ring_defer(conn->ring, &conn->send_work);
}

static const char *command_name(unsigned int command)
{
	switch (command) {
	case NBD_CMD_READ:
		return "read";
	case NBD_CMD_WRITE:
		return "write";
	case NBD_CMD_FLUSH:
		return "flush";
	default:
		return "write-zeroes";
	}
}

void nbd_requests_timeout(struct nbd_conn *conn)
{
	const struct nbd_slot *oldest = conn->wire.next;
	const struct nbd_request *header;
	uint64_t ms;

	if (wire_empty(conn))
		return;
	ms = (ring_now(conn->ring) - oldest->sent) / NS_PER_MS;
	if (ms < conn->opts.deadline_ms) {
		ring_timer_add(conn->ring, &conn->timer,
			       conn->opts.deadline_ms - ms);
		return;
	}
	header = conn->headers + (oldest - conn->slots);
	nbd_fail(conn, -ETIMEDOUT, "no reply to a %s of %u bytes at %" PRIu64
		 " within %u ms", command_name(be16toh(header->command)),
		 oldest->len, (uint64_t)be64toh(header->offset),
		 conn->opts.deadline_ms);
}

/* --- begin and end -------------------------------------------------------- */

int nbd_requests_init(struct nbd_conn *conn)
{
	unsigned int i;

	list_init(&conn->queue);
	list_init(&conn->refused);
	conn->wire.next = conn->wire.prev = &conn->wire;
	conn->send_work.run = send_work;
	conn->refuse_work.run = refuse_work;
	conn->headers = calloc(conn->opts.depth + 1, sizeof(*conn->headers));
	conn->slots = calloc(conn->opts.depth, sizeof(*conn->slots));
	if (!conn->headers || !conn->slots)
		return -ENOMEM;
	for (i = conn->opts.depth; i--; ) {
		conn->slots[i].serial = 1;	/* Q5 */
		conn->slots[i].next = conn->free;
		conn->free = conn->slots + i;
	}
	return 0;
}

void nbd_requests_start(struct nbd_conn *conn)
{
	conn->state = NBD_READY;
	ring_timer_cancel(conn->ring, &conn->timer);
	nbd_expect(conn, sizeof(struct nbd_simple_reply), NULL, step_reply);
	conn->cbs->ready(conn, conn->arg);
}

void nbd_requests_fail(struct nbd_conn *conn, int err)
{
	struct nbd_req *req;

	while (!wire_empty(conn))
		slot_complete(conn, conn->wire.next, err);
	while ((req = list_pop(&conn->queue)))
		req->done(req, err);
	while ((req = list_pop(&conn->refused)))
		req->done(req, req->err);
}

void nbd_requests_free(struct nbd_conn *conn)
{
	free(conn->slots);
	free(conn->headers);
}
