/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reactor's core: the io_uring, its turn, and the operations on it.
 *
 * Layout: set-up; starting operations; completions; the turn; tear-down.
 *
 * A CQE's user data is the address of its ring_op, or 0 for a request whose
 * end interests nobody (a cancellation).
 *
 * R1  An op with ->pending has exactly one request in the kernel, or one that
 *     waits in the submission queue.
 * R2  After the callback without RING_MORE the ring does not touch the op.
 * R3  A cancellation is queued before anything that its victim's owner can
 *     start after the victim's last callback.  Requests start in the order of
 *     the queue, so it cannot hit a later op at the same address.
 * R4  Callbacks run from ring_turn() and ring_destroy() only.
 *
 * One configuration, no fall-backs: SINGLE_ISSUER and DEFER_TASKRUN (Linux
 * 6.1) let completions be worked off in the one place where we wait, so that
 * the kernel neither interrupts the thread nor locks against others.
 */
#include "ring-private.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEFAULT_ENTRIES		1024
#define DEFAULT_NR_RECV		64
#define DEFAULT_RECV_SIZE	(16 << 10)
#define RECV_GROUP		0
#define LONG_SEND		(128 << 10)

enum { OP_PLAIN, OP_ACCEPT, OP_POLL, OP_RECV };

/* --- set-up --------------------------------------------------------------- */

static int open_uring(struct ring *ring, unsigned int entries)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP |
			 IORING_SETUP_CQSIZE,
		.cq_entries = 4 * entries,
	};
	int ret = io_uring_queue_init_params(entries, &ring->uring, &p);

	if (ret == -EINVAL || ret == -EPERM)
		return -ENOSYS;
	ring->is_open = !ret;
	return ret;
}

static void recv_buf_return(struct ring *ring, unsigned int id)
{
	io_uring_buf_ring_add(ring->recv_ring,
			      ring->recv_mem + id * ring->recv_size,
			      ring->recv_size, id,
			      io_uring_buf_ring_mask(ring->nr_recv), 0);
	io_uring_buf_ring_advance(ring->recv_ring, 1);
}

static void *map_anon(size_t len)
{
	void *mem = mmap(NULL, len, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mem == MAP_FAILED ? NULL : mem;
}

static size_t recv_ring_len(const struct ring *ring)
{
	return ring->nr_recv * sizeof(struct io_uring_buf);
}

static int open_recv_bufs(struct ring *ring)
{
	struct io_uring_buf_reg reg = { .bgid = RECV_GROUP };
	unsigned int i;
	int ret;

	ring->recv_ring = map_anon(recv_ring_len(ring));
	ring->recv_mem = map_anon(ring->nr_recv * ring->recv_size);
	if (!ring->recv_ring || !ring->recv_mem)
		return -ENOMEM;
	reg.ring_addr = (uintptr_t)ring->recv_ring;
	reg.ring_entries = ring->nr_recv;
	ret = io_uring_register_buf_ring(&ring->uring, &reg, 0);
	if (ret)
		return ret;
	io_uring_buf_ring_init(ring->recv_ring);
	for (i = 0; i < ring->nr_recv; i++)
		recv_buf_return(ring, i);
	return 0;
}

static int ring_open(struct ring *ring, const struct ring_opts *opts)
{
	int ret;

	ring_timers_init(ring);
	ring->nr_recv = opts->nr_recv ?: DEFAULT_NR_RECV;
	ring->recv_size = opts->recv_size ?: DEFAULT_RECV_SIZE;
	ret = ring_work_init(ring);
	if (!ret)
		ret = open_uring(ring, opts->entries ?: DEFAULT_ENTRIES);
	if (!ret)
		ret = open_recv_bufs(ring);
	if (!ret)
		ret = ring_pool_init(ring, opts->nr_bufs, opts->buf_size);
	if (!ret)
		ring_work_listen(ring);
	return ret;
}

int ring_create(struct ring **ringp, const struct ring_opts *opts)
{
	static const struct ring_opts none;
	struct ring *ring = calloc(1, sizeof(*ring));
	int ret;

	*ringp = NULL;
	if (!ring)
		return -ENOMEM;
	ring->now = ring_clock();
	ret = ring_open(ring, opts ?: &none);
	if (ret)
		ring_destroy(ring);
	else
		*ringp = ring;
	return ret;
}

/* --- starting operations -------------------------------------------------- */

/*
 * A full queue is submitted; that takes every entry, unless the kernel is out
 * of memory for the moment.
 */
static struct io_uring_sqe *get_sqe(struct ring *ring)
{
	struct io_uring_sqe *sqe;

	while (!(sqe = io_uring_get_sqe(&ring->uring)))
		io_uring_submit(&ring->uring);
	return sqe;
}

static struct io_uring_sqe *op_start(struct ring *ring, struct ring_op *op,
				     int fd, int kind)
{
	assert(!op->pending);
	op->pending = true;
	op->kind = kind;
	op->fd = fd;
	op->rearm = false;
	ring->nr_pending++;
	return get_sqe(ring);
}

/* After the prep function, which clears the user data. */
static void op_queue(struct io_uring_sqe *sqe, struct ring_op *op)
{
	io_uring_sqe_set_data(sqe, op);
}

void ring_read(struct ring *ring, struct ring_op *op, int fd, void *buf,
	       unsigned int len, uint64_t off)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	if (ring_pool_has(ring, buf, len))
		io_uring_prep_read_fixed(sqe, fd, buf, len, off, 0);
	else
		io_uring_prep_read(sqe, fd, buf, len, off);
	op_queue(sqe, op);
}

void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *buf,
		unsigned int len, uint64_t off)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	if (ring_pool_has(ring, buf, len))
		io_uring_prep_write_fixed(sqe, fd, buf, len, off, 0);
	else
		io_uring_prep_write(sqe, fd, buf, len, off);
	op_queue(sqe, op);
}

void ring_fsync(struct ring *ring, struct ring_op *op, int fd, bool data_only)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	io_uring_prep_fsync(sqe, fd, data_only ? IORING_FSYNC_DATASYNC : 0);
	op_queue(sqe, op);
}

void ring_fallocate(struct ring *ring, struct ring_op *op, int fd, int mode,
		    uint64_t off, uint64_t len)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	io_uring_prep_fallocate(sqe, fd, mode, off, len);
	op_queue(sqe, op);
}

void ring_connect(struct ring *ring, struct ring_op *op, int fd,
		  const struct sockaddr *addr, socklen_t len)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	io_uring_prep_connect(sqe, fd, addr, len);
	op_queue(sqe, op);
}

static bool is_long(const struct msghdr *msg)
{
	size_t len = 0;

	for (size_t i = 0; i < msg->msg_iovlen && len < LONG_SEND; i++)
		len += msg->msg_iov[i].iov_len;
	return len >= LONG_SEND;
}

/*
 * The copying of a long message is left to a thread of the kernel's, beside
 * ours: two thirds of the time of a bulk transfer go there, so with several
 * connections one ring can use several processors.
 */
static void start_send(struct ring *ring, struct ring_op *op, int fd,
		       const struct msghdr *msg, unsigned int flags)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	io_uring_prep_sendmsg(sqe, fd, msg, flags | MSG_NOSIGNAL);
	if (is_long(msg))
		sqe->flags |= IOSQE_ASYNC;
	op_queue(sqe, op);
}

void ring_send(struct ring *ring, struct ring_op *op, int fd,
	       const struct msghdr *msg)
{
	start_send(ring, op, fd, msg, MSG_WAITALL);
}

void ring_send_some(struct ring *ring, struct ring_op *op, int fd,
		    const struct msghdr *msg)
{
	start_send(ring, op, fd, msg, 0);
}

void ring_recv_once(struct ring *ring, struct ring_op *op, int fd, void *buf,
		    unsigned int len)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_PLAIN);

	io_uring_prep_recv(sqe, fd, buf, len, 0);
	op_queue(sqe, op);
}

/* Multishot requests: the first time, and again when the kernel ended one. */
static void arm(struct io_uring_sqe *sqe, struct ring_op *op)
{
	switch (op->kind) {
	case OP_ACCEPT:
		io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL,
					       SOCK_CLOEXEC);
		break;
	case OP_POLL:
		io_uring_prep_poll_multishot(sqe, op->fd, op->events);
		break;
	case OP_RECV:
		io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = RECV_GROUP;
		break;
	}
	op_queue(sqe, op);
}

void ring_accept(struct ring *ring, struct ring_op *op, int fd)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_ACCEPT);

	op->rearm = true;
	arm(sqe, op);
}

void ring_poll(struct ring *ring, struct ring_op *op, int fd,
	       unsigned int events, bool multishot)
{
	struct io_uring_sqe *sqe = op_start(ring, op, fd, OP_POLL);

	op->events = events;
	op->rearm = multishot;
	if (multishot) {
		arm(sqe, op);
		return;
	}
	io_uring_prep_poll_add(sqe, fd, events);
	op_queue(sqe, op);
}

void ring_recv(struct ring *ring, struct ring_recv *recv, int fd)
{
	struct io_uring_sqe *sqe = op_start(ring, &recv->op, fd, OP_RECV);

	recv->ring = ring;
	recv->stop = false;
	recv->op.rearm = true;
	arm(sqe, &recv->op);
}

void ring_cancel(struct ring *ring, struct ring_op *op)
{
	struct io_uring_sqe *sqe;

	if (!op->pending)
		return;
	op->rearm = false;
	sqe = get_sqe(ring);
	io_uring_prep_cancel(sqe, op, 0);
	op_queue(sqe, NULL);
}

void ring_recv_stop(struct ring_recv *recv)
{
	if (recv->stop)
		return;
	recv->stop = true;
	ring_cancel(recv->ring, &recv->op);
}

/* --- completions ---------------------------------------------------------- */

/* The kernel has ended the request: is the op's end to be told, too? */
static bool op_ends(struct ring *ring, struct ring_op *op, bool again)
{
	if (op->rearm && again) {
		arm(get_sqe(ring), op);
		return false;
	}
	op->pending = false;
	ring->nr_pending--;
	return true;
}

static void plain_complete(struct ring *ring, struct ring_op *op, int res,
			   bool more)
{
	if (!more)
		more = !op_ends(ring, op, res >= 0);
	op->done(op, res, more ? RING_MORE : 0);
}

/*
 * Out of buffers (-ENOBUFS) is no error: they have come back by the time the
 * request starts anew, since callbacks don't keep them.
 */
static void recv_complete(struct ring *ring, struct ring_op *op, int res,
			  unsigned int cqe_flags)
{
	struct ring_recv *recv = container_of(op, struct ring_recv, op);
	unsigned int id = cqe_flags >> IORING_CQE_BUFFER_SHIFT;

	if (res > 0 && !recv->stop)
		recv->data(recv, ring->recv_mem + id * ring->recv_size, res,
			   RING_MORE);
	if (cqe_flags & IORING_CQE_F_BUFFER)
		recv_buf_return(ring, id);
	if (cqe_flags & IORING_CQE_F_MORE)
		return;
	if (op_ends(ring, op, res > 0 || res == -ENOBUFS))
		recv->data(recv, NULL, recv->stop ? -ECANCELED : res, 0);
}

static void complete(struct ring *ring, struct ring_op *op, int res,
		     unsigned int cqe_flags)
{
	if (!op)
		return;
	if (op->kind == OP_RECV)
		recv_complete(ring, op, res, cqe_flags);
	else
		plain_complete(ring, op, res, cqe_flags & IORING_CQE_F_MORE);
}

static void reap(struct ring *ring)
{
	/* What comes meanwhile waits until what these start is submitted. */
	unsigned int nr = io_uring_cq_ready(&ring->uring);
	struct io_uring_cqe *cqe;

	while (nr-- && io_uring_peek_cqe(&ring->uring, &cqe) == 0) {
		struct ring_op *op = io_uring_cqe_get_data(cqe);
		unsigned int flags = cqe->flags;
		int res = cqe->res;

		io_uring_cqe_seen(&ring->uring, cqe);
		complete(ring, op, res, flags);
	}
}

/* --- the turn ------------------------------------------------------------- */

uint64_t ring_now(const struct ring *ring)
{
	return ring->now;
}

/* @ns: at most so long, -1 = until something completes. */
static int submit_and_wait(struct ring *ring, int64_t ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000,
	};
	struct io_uring_cqe *cqe;
	int ret;

	ret = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1,
					       ns < 0 ? NULL : &ts, NULL);
	if (ret == -ETIME || ret == -EINTR || ret == -EAGAIN || ret == -EBUSY)
		return 0;
	return ret < 0 ? ret : 0;
}

void ring_gather(struct ring *ring, unsigned int ns)
{
	if (ns > ring->gather_ns)
		ring->gather_ns = ns;
}

/* The kernel queues completions, without delivering them to us. */
static void gather(struct ring *ring)
{
	uint64_t end = ring->now + ring->gather_ns;

	if (!ring->gather_ns)
		return;
	ring->gather_ns = 0;
	io_uring_submit(&ring->uring);
	while (ring_clock() < end)
		sched_yield();
}

static int ring_turn(struct ring *ring)
{
	int64_t ns;
	int ret;

	ring->now = ring_clock();
	ring_timers_run(ring);
	ring_work_run_deferred(ring);
	ns = ring_timers_wait(ring);
	if (ring->deferred || atomic_load(&ring->stop))
		ns = 0;
	gather(ring);
	ret = submit_and_wait(ring, ns);
	ring->now = ring_clock();
	reap(ring);
	return ret;
}

int ring_run(struct ring *ring)
{
	int ret = 0;

	while (!ret && !atomic_load(&ring->stop))
		ret = ring_turn(ring);
	atomic_store(&ring->stop, false);
	return ret;
}

void ring_stop(struct ring *ring)
{
	atomic_store(&ring->stop, true);
	ring_wake(ring);
}

/* --- tear-down ------------------------------------------------------------ */

/*
 * Asked again in each round: a request that was just being started may have
 * escaped.  Disk I/O is beyond recall and ends by itself.
 */
static void cancel_all(struct ring *ring)
{
	struct io_uring_sqe *sqe;

	while (ring->nr_pending) {
		sqe = get_sqe(ring);
		io_uring_prep_cancel(sqe, NULL, IORING_ASYNC_CANCEL_ANY);
		op_queue(sqe, NULL);
		if (submit_and_wait(ring, 100000000))
			break;
		reap(ring);
	}
}

static void unmap(void *mem, size_t len)
{
	if (mem)
		munmap(mem, len);
}

void ring_destroy(struct ring *ring)
{
	if (!ring)
		return;
	ring_work_drain(ring);
	if (ring->is_open) {
		cancel_all(ring);
		io_uring_queue_exit(&ring->uring);
	}
	ring_pool_exit(ring);
	unmap(ring->recv_ring, recv_ring_len(ring));
	unmap(ring->recv_mem, ring->nr_recv * ring->recv_size);
	ring_work_exit(ring);
	free(ring);
}
