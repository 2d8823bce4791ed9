/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A reactor: one thread, one io_uring, callbacks.
 *
 * The thread that calls ring_create() is the ring's thread.  It alone may call
 * the functions below, except ring_post() and ring_stop(); every callback runs
 * on it, from ring_run().
 *
 * Operations are objects of the caller: put a struct ring_op into your own
 * struct, set ->done, and find your struct in the callback with
 * container_of().  Nothing is allocated for an operation, and starting one
 * cannot fail: an error arrives in the callback, which is never called from
 * inside the function that started the operation.
 *
 * A turn of the ring: callbacks for everything that has completed, timers that
 * are due, posted work, deferred work; then one system call submits whatever
 * these have started and waits.
 */
#ifndef REPLICA_RING_H
#define REPLICA_RING_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif

struct ring;
struct ring_op;

/* Another callback of the same operation will follow. */
#define RING_MORE	1u

/*
 * @res: the result as io_uring gives it, >= 0 or -errno.  Without RING_MORE
 * in @flags this is the operation's last callback: @op may be freed or started
 * again.
 */
typedef void ring_done_fn(struct ring_op *op, int res, unsigned int flags);

struct ring_op {
	ring_done_fn *done;	/* set by the owner before the start */
	bool pending;		/* started, and the last callback has not run */
	bool rearm;		/* private: start again when it ends well */
	uint8_t kind;		/* private */
	int fd;			/* private */
	unsigned int events;	/* private */
};

struct ring_opts {
	unsigned int entries;	/* submission queue; 0 = 1024 */
	unsigned int nr_bufs;	/* pool of ring_buf_get(); may be 0 */
	size_t buf_size;	/* multiple of 4096 */
	unsigned int nr_recv;	/* buffers of ring_recv(), 2^n; 0 = 64 */
	size_t recv_size;	/* of one of them; 0 = 16 KiB */
};

/*
 * @opts may be NULL.  Returns 0 or -errno; -ENOSYS where io_uring is missing,
 * disabled, or older than Linux 6.1.
 */
int ring_create(struct ring **ringp, const struct ring_opts *opts);

/*
 * Cancels what is pending, runs the last callback of each operation (with
 * -ECANCELED, or its result), waits for jobs and runs their ->done, drops
 * timers and work without a call, frees.  The callbacks must not start
 * anything.  Close NBD connections before.  NULL is fine.
 */
void ring_destroy(struct ring *ring);

/*
 * Runs turns until ring_stop().  Returns 0, or -errno if the ring itself
 * failed.  May be called again.  @ring_stop: from any thread, or a callback;
 * the running turn is completed.
 */
int ring_run(struct ring *ring);
void ring_stop(struct ring *ring);

/* CLOCK_MONOTONIC in nanoseconds, as of the start of the turn. */
uint64_t ring_now(const struct ring *ring);

/* --- operations (res in the callback) ------------------------------------ */

/*
 * Files.  res = bytes, may be short.  A buffer that lies in the ring's pool
 * is used as a registered buffer without more ado.  O_DIRECT is the business
 * of whoever opened @fd.
 */
void ring_read(struct ring *ring, struct ring_op *op, int fd, void *buf,
	       unsigned int len, uint64_t off);
void ring_write(struct ring *ring, struct ring_op *op, int fd, const void *buf,
		unsigned int len, uint64_t off);
void ring_fsync(struct ring *ring, struct ring_op *op, int fd, bool data_only);
void ring_fallocate(struct ring *ring, struct ring_op *op, int fd, int mode,
		    uint64_t off, uint64_t len);

/* res = 0 or -errno.  @addr is copied at the next submission: keep it. */
void ring_connect(struct ring *ring, struct ring_op *op, int fd,
		  const struct sockaddr *addr, socklen_t len);

/* Multishot: res = a new socket (close-on-exec), one for each callback. */
void ring_accept(struct ring *ring, struct ring_op *op, int fd);

/*
 * Sends all of @msg (MSG_WAITALL, MSG_NOSIGNAL); res = bytes, short only when
 * the connection failed underway.  @msg, its vector and its data stay valid
 * and unchanged until the last callback.
 */
void ring_send(struct ring *ring, struct ring_op *op, int fd,
	       const struct msghdr *msg);

/*
 * Sends what there is room for: a socket with TLS in the kernel takes no
 * MSG_WAITALL.  Else as ring_send(); res > 0 may be short on a sound
 * connection.
 */
void ring_send_some(struct ring *ring, struct ring_op *op, int fd,
		    const struct msghdr *msg);

/* A plain receive of at most @len bytes; res = 0 at the end of the stream. */
void ring_recv_once(struct ring *ring, struct ring_op *op, int fd, void *buf,
		    unsigned int len);

/*
 * Once or, if @multishot, until cancelled; res = the poll events.  Multishot
 * tells changes: read @fd until -EAGAIN each time.
 */
void ring_poll(struct ring *ring, struct ring_op *op, int fd,
	       unsigned int events, bool multishot);

/*
 * Asks for the end of a pending operation; its last callback follows in a
 * later turn, with -ECANCELED or with its result, whichever came first.
 * Nothing happens if @op is not pending.
 */
void ring_cancel(struct ring *ring, struct ring_op *op);

/* --- stream receive ------------------------------------------------------- */

/*
 * Multishot receive into buffers of the ring, started again as needed.
 * ->data is called with res > 0 and that many bytes at @buf, which are gone
 * when it returns.  The last call has RING_MORE clear, @buf NULL and res = 0
 * (end of the stream) or -errno (-ECANCELED after ring_recv_stop()).
 */
struct ring_recv {
	struct ring_op op;	/* private */
	struct ring *ring;	/* private */
	bool stop;		/* private */
	void (*data)(struct ring_recv *recv, const void *buf, int res,
		     unsigned int flags);
};

void ring_recv(struct ring *ring, struct ring_recv *recv, int fd);
void ring_recv_stop(struct ring_recv *recv);

/* --- timers, signals, work ------------------------------------------------ */

/* Initialise with zeroes and ->fire.  Fires once; may be added again. */
struct ring_timer {
	void (*fire)(struct ring_timer *timer);
	uint64_t when;			/* private */
	struct ring_timer *next, *prev;	/* private */
};

/* In @ms from now (monotonic).  If it is running it is moved. */
void ring_timer_add(struct ring *ring, struct ring_timer *timer,
		    unsigned int ms);
/* The same at an instant of ring_now(): those of the same one are in order. */
void ring_timer_set(struct ring *ring, struct ring_timer *timer,
		    uint64_t when_ns);
/* At once: ->fire will not be called any more.  Harmless if not running. */
void ring_timer_cancel(struct ring *ring, struct ring_timer *timer);
bool ring_timer_running(const struct ring_timer *timer);

/*
 * Blocks the signals of @set in this thread (do it in main() before threads
 * start) and calls ->signal for each that arrives, until ring_signal_stop().
 */
struct ring_signal {
	struct ring_op op;	/* private */
	int fd;			/* private */
	void (*signal)(struct ring_signal *sig, int signo);
};

int ring_signal_start(struct ring *ring, struct ring_signal *sig,
		      const sigset_t *set);
/* @sig must live on until the ring has done another turn or is destroyed. */
void ring_signal_stop(struct ring *ring, struct ring_signal *sig);

/*
 * Initialise with zeroes and ->run.  Queued at most once at a time; use one
 * either with ring_post() or with ring_defer(), not with both.
 */
struct ring_work {
	void (*run)(struct ring_work *work);
	struct ring_work *next;		/* private */
	bool queued;			/* private */
};

/* Run @work on the ring's thread.  From any thread, any number of rings. */
void ring_post(struct ring *ring, struct ring_work *work);

/*
 * Run @work at the end of this turn, after all callbacks and before the
 * submission: the place to send in one go what a turn has brought together.
 */
void ring_defer(struct ring *ring, struct ring_work *work);
void ring_defer_cancel(struct ring *ring, struct ring_work *work);

/*
 * Something that blocks (name resolution, libdevmapper): ->blocking runs on a
 * thread of its own, then ->done on the ring's thread.  Returns 0 or -errno;
 * after 0 @job must stay until ->done.
 */
struct ring_job {
	void (*blocking)(struct ring_job *job);
	void (*done)(struct ring_job *job);
	struct ring *ring;		/* private */
	struct ring_work work;		/* private */
};

int ring_job_start(struct ring *ring, struct ring_job *job);

/*
 * Said in a turn: completions come so fast that for @ns nanoseconds (tens of
 * microseconds) it pays neither to look at them nor to sleep.  The ring yields
 * the processor meanwhile; then it takes what has gathered, all at once.
 */
void ring_gather(struct ring *ring, unsigned int ns);

/* --- buffers -------------------------------------------------------------- */

/* A page-aligned buffer of opts.buf_size bytes; NULL when all are out. */
void *ring_buf_get(struct ring *ring);
void ring_buf_put(struct ring *ring, void *buf);
unsigned int ring_buf_available(const struct ring *ring);

#endif
