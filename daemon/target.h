/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The target of one volume: its connection, and the replica header on it.
 *
 * Opening a target reads the header, has it judged by the owner, says hello on
 * each connection (W1) and reads the header again; after that it is ready and
 * its header is final. All on the thread of the ring.
 */
#ifndef REPLICAD_TARGET_H
#define REPLICAD_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "header.h"
#include "probe.h"
#include "ring.h"

enum target_state {
	TARGET_CLOSED,
	TARGET_OPENING,		/* connecting, judging, hello */
	TARGET_READY,
	TARGET_FAILED,		/* failed() was said; close it */
	TARGET_CLOSING,
};

struct target;

struct target_events {
	/*
	 * @h is the header that was read, or zeroes where the target is new.
	 * 0: *h was made into the hello that is written now. -errno: hands off,
	 * @why tells why; with -EBUSY it is worth trying again, with
	 * -EKEYREVOKED another session has the target now.
	 */
	int (*judge)(struct target *t, struct replica_header *h, bool is_new,
		     struct replica_why *why);
	void (*ready)(struct target *t);
	/*
	 * It cannot be used, or not any more. @is_refused: trying again will
	 * not help by itself. Not called from inside a target_ function.
	 */
	void (*failed)(struct target *t, bool is_refused, const char *text);
	void (*closed)(struct target *t);
};

/*
 * @maybe: the write of the header was sent, so with an error it may have been
 * done, or may still be done (W3).
 */
typedef void target_done_fn(struct target *t, int err, bool maybe);

struct target {
	enum target_state state;
	struct ring *ring;
	const char *name;		/* for the log */
	const struct target_events *events;
	struct backend *backend;
	uint64_t volume_bytes;
	uint64_t old_bytes;		/* that it had when it was written here
					 * last; 0 = not known */
	struct replica_header header;	/* READY: what stands on the target;
					 * else what was ours there, last */
	struct replica_header next;	/* being written */
	void *slots;			/* REPLICA_HEADERS_BYTES, aligned */
	struct probe probe;
	bool may_overwrite;		/* of target_open() */
	bool is_writing;		/* a header is under way */
	bool is_sent;
	bool is_staged;			/* by the last that was opened */
	unsigned int opens;		/* counts target_open() */
	unsigned int nr_rejected;	/* handshakes (T7) */
	bool had_hello;			/* sent since the last open */
	uint64_t last_contact;		/* when a header of ours was taken last,
					 * seconds since 1970; 0 = never */
	bool was_unclean;		/* of the last close */
	target_done_fn *done;
	struct ring_work report;	/* failed(), outside of any call */
	bool is_report_due;		/* … has not come yet */
	bool is_refused;
	bool is_superseded;		/* by another session, until opened */
	char text[300];
};

/* 0 or -ENOMEM. The strings stay the caller's. */
int target_init(struct target *t, struct ring *ring, const char *name,
		uint64_t volume_bytes, const struct target_events *events);
/* Only while CLOSED. */
void target_clear(struct target *t);

/*
 * Only while CLOSED. ready() or failed() follows. @may_overwrite: a target that
 * has no header but other data is taken too.
 */
void target_open(struct target *t, const char *uri,
		 const struct backend_options *opts, bool may_overwrite);

/* closed() follows, later; requests under way are answered before. */
void target_close(struct target *t);

/*
 * A request was answered with an error: nothing is begun any more. The owner
 * closes it, but not from inside that answer: only when a connection that broke
 * has told all is it known whether it was unclean.
 */
void target_distrust(struct target *t);

/*
 * Writes a header; its number is set here. @is_durable: answered when it is on
 * the target's disk. One at a time: -EBUSY. Else done() follows, once.
 */
int target_write_header(struct target *t, const struct replica_header *h,
			bool is_durable, target_done_fn *done);

/*
 * The same for a header that commits: everything answered before is durable
 * first. That takes a flush (W6), but for a stage, whose commits are just that.
 */
int target_commit(struct target *t, const struct replica_header *h,
		  target_done_fn *done);

#endif
