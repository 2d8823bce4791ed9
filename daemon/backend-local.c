// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file or a block device of this machine as a target: local:PATH.
 *
 * It is ours alone while it is open: a block device is opened O_EXCL (which
 * also refuses a mounted one), a file is locked. O_DIRECT where the file system
 * has it. Zeros are a hole in a file, and on a device what the device makes of
 * BLKZEROOUT; where neither is there they are written.
 *
 * What it knows of its chunks it finds out by reading them.
 *
 * L1 with O_DIRECT, offsets, lengths and memory are multiples of the block
 *    size: min_block says so for the first two, a request with memory that is
 *    not aligned is copied.
 */
#include "backend-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "header.h"
#include "xfer.h"

#define PREFIX		"local:"
#define ALIGN		4096
#define MAX_IO		(1024 * 1024)
#define ZEROS		(256 * 1024)	/* written at once where they must be */
#define SUM_READ	(256 * 1024)	/* read at once for digests, if chunks
					 * are not larger */

struct local {
	struct backend base;
	int fd;
	bool is_device, is_direct;
	int open_err;
	unsigned int pending;
	char *zeros;			/* made when holes turn out not to be
					 * possible; then they are written */
	struct ring_work opened, ended;
	bool is_closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct call {
	struct local *local;
	struct xfer xfer;
	struct ring_op op;		/* fallocate, fsync */
	const char *what;
	uint64_t len, off, zeroed;
	void *bounce;			/* memory of ours, for L1 */
	void *to;			/* where a read that bounces goes */
	bool is_write, then_sync;
	/* digests */
	char *sums;
	uint64_t seed, left;		/* bytes that are to be read … */
	uint32_t piece;			/* … of which so many now */
	backend_done_fn *done;
	void *arg;
};

static struct local *to_local(struct backend *b)
{
	return container_of(b, struct local, base);
}

/* --- requests ------------------------------------------------------------ */

static void call_end(struct call *call, int err)
{
	struct local *local = call->local;
	backend_done_fn *done = call->done;
	void *arg = call->arg;

	if (err)
		backend_failed(&local->base, call->what, call->len, call->off,
			       err);
	else if (call->to)
		memcpy(call->to, call->bounce, call->len);
	local->base.writes -= call->is_write;
	local->pending--;
	free(call->bounce);
	free(call);
	if (local->is_closing && !local->pending)
		ring_defer(local->base.ring, &local->ended);
	done(arg, err);
}

static void call_synced(struct ring_op *op, int res, unsigned int flags)
{
	call_end(container_of(op, struct call, op), res < 0 ? res : 0);
}

static void call_sync(struct call *call)
{
	call->op.done = call_synced;
	ring_fsync(call->local->base.ring, &call->op, call->local->fd, true);
}

/* The data is there; B2 may want it durable. */
static void call_stored(struct call *call, int err)
{
	if (!err && call->then_sync)
		call_sync(call);
	else
		call_end(call, err);
}

static void call_moved(struct xfer *xfer, int err)
{
	call_stored(container_of(xfer, struct call, xfer), err);
}

/* Why there is no call. */
static int local_refusal(struct backend *b)
{
	return to_local(b)->is_closing ? -ENOTCONN : -ENOMEM;
}

static struct call *call_create(struct backend *b, const char *what,
				uint64_t len, uint64_t off,
				backend_done_fn *done, void *arg)
{
	struct local *local = to_local(b);
	struct call *call = local->is_closing ? NULL : calloc(1, sizeof(*call));

	if (!call) {
		backend_failed(b, what, len, off, local_refusal(b));
		return NULL;
	}
	call->local = local;
	call->what = what;
	call->len = len;
	call->off = off;
	call->done = done;
	call->arg = arg;
	call->xfer.done = call_moved;
	local->pending++;
	return call;
}

static void call_drop(struct call *call)
{
	backend_failed(&call->local->base, call->what, call->len, call->off,
		       -ENOMEM);
	call->local->pending--;
	free(call);
}

static void mark_write(struct call *call, unsigned int flags)
{
	call->is_write = true;
	call->then_sync = flags & BACKEND_FUA;
	call->local->base.writes++;
}

static bool must_bounce(const struct local *local, const void *buf)
{
	return local->is_direct && (uintptr_t)buf % ALIGN;
}

static int local_write(struct backend *b, const void *buf, size_t len,
		       uint64_t off, unsigned int flags, backend_done_fn *done,
		       void *arg)
{
	struct call *call = call_create(b, "write", len, off, done, arg);

	if (!call)
		return local_refusal(b);
	if (must_bounce(call->local, buf)) {
		if (posix_memalign(&call->bounce, ALIGN, len)) {
			call_drop(call);
			return -ENOMEM;
		}
		buf = memcpy(call->bounce, buf, len);
	}
	mark_write(call, flags);
	xfer_write(&call->xfer, b->ring, call->local->fd, buf, len, off);
	return 0;
}

static int local_read(struct backend *b, void *buf, size_t len, uint64_t off,
		      backend_done_fn *done, void *arg)
{
	struct call *call = call_create(b, "read", len, off, done, arg);

	if (!call)
		return local_refusal(b);
	if (must_bounce(call->local, buf)) {
		if (posix_memalign(&call->bounce, ALIGN, len)) {
			call_drop(call);
			return -ENOMEM;
		}
		call->to = buf;
		buf = call->bounce;
	}
	xfer_read(&call->xfer, b->ring, call->local->fd, buf, len, off);
	return 0;
}

static int local_flush(struct backend *b, backend_done_fn *done, void *arg)
{
	struct call *call = call_create(b, "flush", 0, 0, done, arg);

	if (!call)
		return local_refusal(b);
	call_sync(call);
	return 0;
}

/* Plain zeros, a piece at a time. */
static void zeros_written(struct xfer *xfer, int err)
{
	struct call *call = container_of(xfer, struct call, xfer);
	struct local *local = call->local;
	uint64_t left = call->len - call->zeroed;
	size_t n = left < ZEROS ? left : ZEROS;

	if (err || !left) {
		call_stored(call, err);
		return;
	}
	xfer_write(xfer, local->base.ring, local->fd, local->zeros, n,
		   call->off + call->zeroed);
	call->zeroed += n;
}

static void call_write_zeros(struct call *call)
{
	call->xfer.done = zeros_written;
	zeros_written(&call->xfer, 0);
}

static int make_zeros(struct local *local)
{
	void *zeros;

	if (posix_memalign(&zeros, ALIGN, ZEROS))
		return -ENOMEM;
	local->zeros = memset(zeros, 0, ZEROS);
	return 0;
}

static void call_zeroed(struct ring_op *op, int res, unsigned int flags)
{
	struct call *call = container_of(op, struct call, op);

	if (res == -EOPNOTSUPP || res == -ENOSYS || res == -ENODEV ||
	    res == -EINVAL) {
		if (!call->local->zeros && make_zeros(call->local))
			call_end(call, -ENOMEM);
		else
			call_write_zeros(call);
	} else {
		call_stored(call, res < 0 ? res : 0);
	}
}

static int local_zero(struct backend *b, uint64_t len, uint64_t off,
		      unsigned int flags, backend_done_fn *done, void *arg)
{
	struct call *call = call_create(b, "zeroing", len, off, done, arg);
	int mode = FALLOC_FL_KEEP_SIZE;

	if (!call)
		return local_refusal(b);
	mark_write(call, flags);
	call->op.done = call_zeroed;
	if (call->local->zeros) {
		call_write_zeros(call);
		return 0;
	}
	mode |= call->local->is_device ? FALLOC_FL_ZERO_RANGE :
					 FALLOC_FL_PUNCH_HOLE;
	ring_fallocate(b->ring, &call->op, call->local->fd, mode, off, len);
	return 0;
}

/* --- digests ------------------------------------------------------------- */

static uint32_t min_u32(uint64_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* L1: whole blocks. What is beyond the volume's end is there, and not used. */
static void sums_read(struct call *call)
{
	struct backend *b = &call->local->base;
	uint32_t chunk = backend_chunk_bytes(b);
	uint32_t most = chunk > SUM_READ ? chunk : SUM_READ / chunk * chunk;

	call->piece = min_u32(call->left, most);
	xfer_read(&call->xfer, b->ring, call->local->fd, call->bounce,
		  (call->piece + ALIGN - 1) / ALIGN * ALIGN, call->off);
}

static void sums_moved(struct xfer *xfer, int err)
{
	struct call *call = container_of(xfer, struct call, xfer);
	uint32_t chunk = backend_chunk_bytes(&call->local->base), len;

	if (err) {
		call_end(call, err);
		return;
	}
	for (uint32_t at = 0; at < call->piece; at += len) {
		len = min_u32(call->piece - at, chunk);
		replica_sum(call->sums, (char *)call->bounce + at, len,
			    call->seed);
		call->sums += REPLICA_SUM_BYTES;
	}
	call->off += call->piece;
	call->left -= call->piece;
	if (call->left)
		sums_read(call);
	else
		call_end(call, 0);
}

static int local_sums(struct backend *b, uint64_t first, uint32_t nr,
		      void *sums, uint64_t seed, backend_done_fn *done,
		      void *arg)
{
	uint32_t chunk = backend_chunk_bytes(b);
	uint64_t off = first * chunk, left = (uint64_t)nr * chunk;
	struct call *call = call_create(b, "digests", left, off, done, arg);

	if (!call)
		return local_refusal(b);
	if (left > b->opts.volume_bytes - off)
		left = b->opts.volume_bytes - off;
	if (posix_memalign(&call->bounce, ALIGN,
			   chunk > SUM_READ ? chunk : SUM_READ)) {
		call_drop(call);
		return -ENOMEM;
	}
	call->sums = sums;
	call->seed = seed;
	call->left = left;
	call->xfer.done = sums_moved;
	sums_read(call);
	return 0;
}

/* --- open and close ------------------------------------------------------ */

static int refuse(struct local *local, int err, const char *why)
{
	return backend_set_error(&local->base, err, "%s: %s",
				 local->base.name + strlen(PREFIX), why);
}

static int refuse_open(struct local *local, int err)
{
	switch (err) {
	case -EBUSY:
		return refuse(local, err, "the device is in use (mounted, or "
			      "held by another device or program)");
	case -ENOENT:
		return refuse(local, err, "there is no such file or device; "
			      "\"truncate -s SIZE PATH\" makes a file");
	default:
		return refuse(local, err, strerror(-err));
	}
}

/* O_EXCL without O_CREAT means something for block devices only. */
static int open_path(const char *path, bool *is_direct)
{
	int flags = O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK;
	int fd = open(path, flags | O_DIRECT);

	*is_direct = fd >= 0;
	if (fd < 0 && errno == EINVAL)
		fd = open(path, flags);
	return fd < 0 ? -errno : fd;
}

static int measure_device(struct local *local)
{
	struct backend_info *info = &local->base.info;
	int block;

	if (ioctl(local->fd, BLKGETSIZE64, &info->size) ||
	    ioctl(local->fd, BLKSSZGET, &block))
		return refuse(local, -errno, "its size cannot be read");
	info->min_block = block;
	return 0;
}

static int measure_file(struct local *local, const struct stat *st)
{
	if (flock(local->fd, LOCK_EX | LOCK_NB))
		return refuse(local, -EBUSY, "the file is in use (locked by "
			      "another program)");
	local->base.info.size = st->st_size;
	local->base.info.min_block = local->is_direct ? ALIGN : 1;
	return 0;
}

static int local_measure(struct local *local)
{
	struct stat st;

	if (fstat(local->fd, &st))
		return refuse(local, -errno, strerror(errno));
	local->is_device = S_ISBLK(st.st_mode);
	if (local->is_device)
		return measure_device(local);
	if (S_ISREG(st.st_mode))
		return measure_file(local, &st);
	return refuse(local, -EINVAL, "neither a file nor a block device");
}

static int local_try_open(struct local *local)
{
	struct backend *b = &local->base;
	int err;

	local->fd = open_path(b->name + strlen(PREFIX), &local->is_direct);
	if (local->fd < 0)
		return refuse_open(local, local->fd);
	err = local_measure(local);
	if (err)
		return err;
	if (b->opts.apply == BACKEND_APPLY_STAGED)
		return refuse(local, -EOPNOTSUPP, "it is written in place, but "
			      "apply=staged is asked for");
	b->info.max_io = MAX_IO;
	b->info.can = BACKEND_CAN_ZERO | BACKEND_CAN_FUA | BACKEND_CAN_FLUSH |
		      BACKEND_CAN_SUM;
	b->info.connections = 1;
	return backend_check(b);
}

static void local_opened(struct ring_work *work)
{
	struct local *local = container_of(work, struct local, opened);
	struct backend *b = &local->base;

	b->events->ready(b->arg, local->open_err, b->error);
}

static void local_ended(struct ring_work *work)
{
	struct local *local = container_of(work, struct local, ended);
	void (*closed)(void *arg) = local->closed;
	void *arg = local->closed_arg;

	if (local->fd >= 0)
		close(local->fd);
	free(local->zeros);
	free(local);
	if (closed)
		closed(arg);
}

/* Requests under way cannot be stopped and are soon done: they are awaited. */
static void local_close(struct backend *b, void (*closed)(void *arg), void *arg)
{
	struct local *local = to_local(b);

	local->is_closing = true;
	local->closed = closed;
	local->closed_arg = arg;
	ring_defer_cancel(b->ring, &local->opened);
	if (!local->pending)
		ring_defer(b->ring, &local->ended);
}

static const struct backend_ops local_ops = {
	.write = local_write,
	.zero = local_zero,
	.read = local_read,
	.flush = local_flush,
	.sums = local_sums,
	.close = local_close,
};

int local_backend_open(struct backend **b, struct ring *ring,
		       const char *target, const struct backend_options *opts,
		       const struct backend_events *events, void *arg,
		       char *text, size_t text_len)
{
	struct local *local;

	if (strlen(target) >= sizeof(local->base.name) ||
	    strlen(target) == strlen(PREFIX)) {
		snprintf(text, text_len, "local: needs a path of at most %zu "
			 "bytes", sizeof(local->base.name) - strlen(PREFIX) -
			 1);
		return -EINVAL;
	}
	local = calloc(1, sizeof(*local));
	if (!local)
		return -ENOMEM;
	backend_init(&local->base, &local_ops, ring, target, opts, events,
		     arg);
	local->opened.run = local_opened;
	local->ended.run = local_ended;
	local->open_err = local_try_open(local);
	ring_defer(ring, &local->opened);
	*b = &local->base;
	return 0;
}
