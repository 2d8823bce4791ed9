/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pump ships a set of extents of one volume from a source to a backend:
 * it reads, finds zeros, asks what the target has, sends and collects the
 * replies. It knows nothing of epochs, headers or the kernel.
 *
 * One pump for each volume; it lives as long as the volume and keeps its
 * buffers. One job at a time: pump_start() … done(). All on the thread of the
 * ring, callbacks included. No callback comes from inside pump_start() or
 * pump_abort().
 */
#ifndef REPLICA_PUMP_H
#define REPLICA_PUMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;
struct dmr_extent;	/* <linux/dm-replica.h>: start and count, in chunks */
struct limiter;
struct pump;
struct ring;

struct pump_options {
	uint32_t chunk_bytes;	/* a multiple of 512; 0 = 4096 */
	uint32_t io_bytes;	/* most bytes of one read and one request, a
				 * multiple of the chunk; 0 = 256 KiB */
	uint64_t memory;	/* budget for buffers; 0 = 64 MiB. At least one
				 * buffer of io_bytes is always used */
	unsigned int depth;	/* most requests under way at the backend;
				 * 0 = 1024 */
	const char *spool_path;	/* file (made when first needed, deleted at
				 * once) or block device; NULL = no spool */
	uint64_t spool_bytes;	/* its size */
	struct limiter *limit;	/* may be NULL; may be shared; not owned */
	bool ring_buffers;	/* take buffers from the ring's pool, which are
				 * of io_bytes, as long as it has some */
};

/* What a job did. Bytes that went to the spool are not counted again. */
struct pump_stats {
	uint64_t bytes_read;	/* from the source */
	uint64_t bytes_sent;	/* as data, and answered */
	uint64_t bytes_zero;	/* as WRITE_ZEROES, and answered */
	uint64_t bytes_spooled;	/* took the way through the spool */
	uint64_t bytes_compared; /* data of which the target told digests … */
	uint64_t bytes_equal;	/* … and that it had already: not sent */
	bool is_unknown;	/* a digest could not be had: it was all sent */
	uint64_t records;	/* requests answered, data and zeros */
	uint64_t digest;	/* sum over the records: replica_digest() */
	uint64_t bad_sector;	/* 512-byte sector of the source that cannot be
				 * read; UINT64_MAX = none */
};

struct pump_job {
	struct backend *backend;	/* ready; must stay until done() */
	int fd;			/* the source; O_DIRECT does; -1: memory */
	const void *mem;	/* the source if fd is -1: volume_bytes */
	uint64_t volume_bytes;	/* the last chunk may be short */
	const struct dmr_extent *extents; /* sorted, not overlapping; must stay
					   * until done() */
	size_t nr_extents;
	bool compare;		/* ask for digests, and send what differs; if
				 * there are none, all of it */
	uint64_t seed;		/* of the digests: the session's */
	bool held;		/* the kernel holds the chunks until they are
				 * released: what the target cannot take now
				 * goes to the spool */
	/*
	 * These extents are safe in memory or spool: they can be released.
	 * Sorted; each chunk once. May call pump_abort(). May be NULL.
	 */
	void (*on_read)(void *arg, const struct dmr_extent *extents, size_t nr);
	/*
	 * Exactly once. 0: all extents were sent and answered, none is left
	 * anywhere. -ECANCELED: aborted. Else the first error, in words in
	 * pump_error(). No request is under way any more. May start the next
	 * job or destroy the pump. A chunk that on_read named may be unsent.
	 */
	void (*done)(void *arg, int err, const struct pump_stats *stats);
	void *arg;
};

/* Returns 0, -EINVAL (options) or -ENOMEM. */
int pump_create(struct pump **p, struct ring *ring,
		const struct pump_options *opts);

/* No job may be under way. NULL is a no-op. */
void pump_destroy(struct pump *p);

/*
 * Starts a job, which is copied. Returns 0, -EBUSY, or -EINVAL with
 * pump_error() (extents out of order or beyond the volume).
 */
int pump_start(struct pump *p, const struct pump_job *job);

/*
 * Sends nothing more, waits for what is under way (to hurry that, close the
 * backend) and calls done(-ECANCELED). Without a job, or again: a no-op.
 */
void pump_abort(struct pump *p);

/*
 * For a pump that has nothing to do: gives its buffers back. While a job needs
 * them this is a no-op, and the next job takes new ones. NULL is fine.
 */
void pump_trim(struct pump *p);

/* Progress of the present or last job. */
const struct pump_stats *pump_stats(const struct pump *p);

/* Plain words on the last error; "" if there was none. */
const char *pump_error(const struct pump *p);

/* Why the spool is not used although one was asked for; "" if it is. Never an
 * error of a job: one goes on without it, and a full spool is just full. */
const char *pump_spool_error(const struct pump *p);

#endif
