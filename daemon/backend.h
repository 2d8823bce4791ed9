/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target behind a small table of operations.
 *
 * A backend is an NBD server (nbd://, nbd+unix://), a stage of this process
 * (stage:DIR/VOLUME) or something local (local:PATH, a file or a block device).
 * It holds the *direct* layout of a volume of N bytes: N bytes of data and,
 * from the next multiple of 1 MiB, the 64 KiB tail with the replica header.
 *
 * Everything runs on the thread of the ring that the backend was opened with,
 * callbacks included. A callback never comes from inside the call that asked
 * for it, and it comes exactly once for each call that returned 0.
 *
 * B1 a request that was answered with 0 was done; a request that was answered
 *    with an error may have been done, partly done, or may be done later by a
 *    server that still runs it (see backend_unclean()).
 * B2 a request with BACKEND_FUA is durable when it is answered with 0, whether
 *    or not the target knows FUA; it says nothing of other requests.
 * B3 backend_flush() makes durable all that was answered before it was called,
 *    on whichever connection that was.
 * B4 backend_write_each() is answered when each connection has answered: with
 *    0 only if all of them did it.
 */
#ifndef REPLICA_BACKEND_H
#define REPLICA_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;
struct ring;

#define BACKEND_TAIL_ALIGN	(1024 * 1024)
#define BACKEND_TAIL_BYTES	(64 * 1024)
#define BACKEND_BLOCK		4096	/* a target must do with these blocks */

/* Flags of backend_write() and backend_zero(). */
#define BACKEND_FUA		(1u << 0)

/* Abilities of a target. */
#define BACKEND_CAN_ZERO	(1u << 0)	/* zeros need not be sent */
#define BACKEND_CAN_FUA		(1u << 1)	/* else a flush stands in */
#define BACKEND_CAN_FLUSH	(1u << 2)	/* else opened with unsafe */
#define BACKEND_CAN_SUM		(1u << 3)	/* knows digests of chunks */

struct backend_info {
	uint64_t size;		/* bytes of the whole target */
	uint32_t max_io;	/* bytes of the biggest request worth making */
	uint32_t min_block;	/* offsets and lengths are multiples of it */
	unsigned int can;	/* BACKEND_CAN_* */
	unsigned int connections;	/* in use; 1 for a local target */
	const char *tls;	/* who encrypts what is sent: "kernel" or
				 * "userspace", also where one connection of
				 * several is; NULL: nobody */
	bool is_staged;		/* writes are a protocol: see protocol.rst */
	bool is_smaller;	/* … and the replica of a smaller volume: the
				 * tail ends @size, and a hello there makes it
				 * larger */
};

/* What becomes of writes at the target. */
enum backend_apply {
	BACKEND_APPLY_AUTO,	/* whatever it is */
	BACKEND_APPLY_STAGED,	/* refuse a target that is no stage */
	BACKEND_APPLY_DIRECT,	/* don't ask: they go to their place */
};

struct backend_options {
	uint64_t volume_bytes;	/* refuse a target without room for volume and
				 * tail; 0: any size does */
	unsigned int connections;	/* wanted, 1 … 16; 0 = 1 */
	unsigned int deadline_ms;	/* for connecting, and for each request;
					 * 0 = the default of 30 s */
	bool unsafe;		/* take a server that cannot flush */
	bool no_clear_tcp;	/* refuse nbd://: the data would be readable */
	enum backend_apply apply;
	uint32_t chunk_bytes;	/* of the volume; 0 = 4096 */
	const char *congestion;	/* TCP's; NULL: the kernel's. As group: */
	const char *group;	/* that it belongs to; NULL: to none. Stays the
				 * caller's until the backend is closed */
};

typedef void backend_done_fn(void *arg, int err);

/* Both may close the backend. The text is valid during the call. */
struct backend_events {
	/* Once: 0, or why the target cannot be used (then close it). */
	void (*ready)(void *arg, int err, const char *text);
	/* At most once, only after ready(0): the target is gone. All requests
	 * have been answered with an error; later ones get -ENOTCONN. */
	void (*lost)(void *arg, int err, const char *text);
};

/*
 * Starts to open a target; ready() tells the result. Returns 0 or -errno
 * (-EINVAL: the name; -ENOMEM); with an error, @text (may be NULL) gets the
 * reason and *@b is NULL.
 */
int backend_open(struct backend **b, struct ring *ring, const char *target,
		 const struct backend_options *opts,
		 const struct backend_events *events, void *arg,
		 char *text, size_t text_len);

/*
 * Ends it: requests under way are answered (-ECANCELED), the server gets a
 * proper goodbye, then @closed(arg) is called, and @b is no more. No other
 * event comes after this call. @closed may be NULL. NULL is a no-op, without
 * a callback.
 */
void backend_close(struct backend *b, void (*closed)(void *arg), void *arg);

/* Valid after ready(0). */
const struct backend_info *backend_info(const struct backend *b);

/* What was given to backend_open(). */
const char *backend_name(const struct backend *b);

/* Plain words on the latest error of a request or of the target, naming the
 * operation, the place and the reason; "" if there was none. */
const char *backend_error(const struct backend *b);

/* A request was refused because the stage's log is full (S6). */
bool backend_is_full(const struct backend *b);

/*
 * True if writes are unanswered, or were when a connection ended: once it is
 * closed the server may go on executing them, and the chunks of that epoch
 * have to be shipped again, stale_wait later (C2, W6). Ask before closing.
 */
bool backend_unclean(const struct backend *b);

/*
 * The operations. @off and @len are multiples of min_block. A buffer must stay
 * until the callback; any alignment does, 4 KiB is best. They return 0, or
 * -ENOTCONN, -EINVAL, -ENOMEM without a callback; backend_zero() -EOPNOTSUPP
 * where BACKEND_CAN_ZERO is missing.
 */
int backend_write(struct backend *b, const void *buf, size_t len, uint64_t off,
		  unsigned int flags, backend_done_fn *done, void *arg);
int backend_zero(struct backend *b, uint64_t len, uint64_t off,
		 unsigned int flags, backend_done_fn *done, void *arg);
int backend_read(struct backend *b, void *buf, size_t len, uint64_t off,
		 backend_done_fn *done, void *arg);
int backend_flush(struct backend *b, backend_done_fn *done, void *arg);

/* A durable write on each connection there is (B4): how a session begins. */
int backend_write_each(struct backend *b, const void *buf, size_t len,
		       uint64_t off, backend_done_fn *done, void *arg);

/*
 * The digests (replica_sum()) of @nr chunks from @first on, as they would be
 * read if the next commit had no data: REPLICA_SUM_BYTES each. @seed is the
 * random number of the session that has said hello. -EOPNOTSUPP where
 * BACKEND_CAN_SUM is missing; that may go when it is first used.
 */
int backend_sums(struct backend *b, uint64_t first, uint32_t nr, void *sums,
		 uint64_t seed, backend_done_fn *done, void *arg);

/* Where the tail of a volume begins, and the bytes that its target needs. */
static inline uint64_t backend_tail_offset(uint64_t volume_bytes)
{
	return (volume_bytes + BACKEND_TAIL_ALIGN - 1) /
	       BACKEND_TAIL_ALIGN * BACKEND_TAIL_ALIGN;
}

static inline uint64_t backend_bytes_needed(uint64_t volume_bytes)
{
	return backend_tail_offset(volume_bytes) + BACKEND_TAIL_BYTES;
}

#endif
