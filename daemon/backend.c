// SPDX-License-Identifier: GPL-2.0-or-later
/* What all backends share: the choice by name, checks, words. */
#include "backend-impl.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "local-stage.h"

#define MAX_CONNECTIONS	16

static const struct {
	const char *prefix;
	typeof(nbd_backend_open) *open;
} kinds[] = {
	{ "nbd://", nbd_backend_open },
	{ "nbd+unix://", nbd_backend_open },
	{ "nbds://", nbd_backend_open },
	{ "nbds+unix://", nbd_backend_open },
	{ "local:", local_backend_open },
	{ LOCAL_STAGE_PREFIX, stage_backend_open },
};

int backend_open(struct backend **b, struct ring *ring, const char *target,
		 const struct backend_options *opts,
		 const struct backend_events *events, void *arg,
		 char *text, size_t text_len)
{
	*b = NULL;
	if (opts->connections > MAX_CONNECTIONS) {
		snprintf(text, text_len, "%u connections are too many, at most "
			 "%u", opts->connections, MAX_CONNECTIONS);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!strncmp(target, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].open(b, ring, target, opts, events,
					     arg, text, text_len);
	}
	if (!strncmp(target, "pair:", 5)) {	/* a sentence, see volume.c */
		snprintf(text, text_len, "%s", target + 5);
		return -ENOENT;
	}
	snprintf(text, text_len, "the target %.100s is not one of nbd[s]://…, "
		 "nbd[s]+unix://…, local:PATH, stage:DIR/VOLUME", target);
	return -EINVAL;
}

void backend_init(struct backend *b, const struct backend_ops *ops,
		  struct ring *ring, const char *target,
		  const struct backend_options *opts,
		  const struct backend_events *events, void *arg)
{
	b->ops = ops;
	b->ring = ring;
	b->events = events;
	b->arg = arg;
	b->opts = *opts;
	snprintf(b->name, sizeof(b->name), "%s", target);
}

int backend_set_error(struct backend *b, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(b->error, sizeof(b->error), fmt, args);
	va_end(args);
	return err;
}

void backend_failed(struct backend *b, const char *what, uint64_t len,
		    uint64_t off, int err)
{
	bool is_full = err == -ENOSPC && b->info.is_staged;

	b->is_full |= is_full;
	backend_set_error(b, err, "%s of %llu bytes at %llu: %s", what,
			  (unsigned long long)len, (unsigned long long)off,
			  is_full ? "the target's log is full" :
				    strerror(-err));
}

bool backend_is_full(const struct backend *b)
{
	return b->is_full;
}

int backend_check(struct backend *b)
{
	uint64_t need = backend_bytes_needed(b->opts.volume_bytes);

	if (b->opts.volume_bytes && b->info.size < need)
		return backend_set_error(b, -ENOSPC,
			"too small: it has %llu bytes, a volume of %llu "
			"bytes needs %llu",
			(unsigned long long)b->info.size,
			(unsigned long long)b->opts.volume_bytes,
			(unsigned long long)need);
	if (b->info.min_block > BACKEND_BLOCK)
		return backend_set_error(b, -EINVAL,
			"it takes blocks of %u bytes only, ours have %u",
			b->info.min_block, BACKEND_BLOCK);
	if (b->info.max_io < BACKEND_BLOCK)
		return backend_set_error(b, -EINVAL,
			"it takes at most %u bytes at once, blocks have %u",
			b->info.max_io, BACKEND_BLOCK);
	return 0;
}

static int check_range(struct backend *b, const char *what, uint64_t len,
		       uint64_t off)
{
	uint32_t block = b->info.min_block;

	if (block && !(off % block) && !(len % block) && len &&
	    off <= b->info.size && len <= b->info.size - off)
		return 0;
	backend_failed(b, what, len, off, -EINVAL);
	return -EINVAL;
}

int backend_write(struct backend *b, const void *buf, size_t len, uint64_t off,
		  unsigned int flags, backend_done_fn *done, void *arg)
{
	int err = check_range(b, "write", len, off);

	return err ? err : b->ops->write(b, buf, len, off, flags, done, arg);
}

int backend_zero(struct backend *b, uint64_t len, uint64_t off,
		 unsigned int flags, backend_done_fn *done, void *arg)
{
	int err = check_range(b, "zeroing", len, off);

	if (!err && !(b->info.can & BACKEND_CAN_ZERO))
		err = -EOPNOTSUPP;
	return err ? err : b->ops->zero(b, len, off, flags, done, arg);
}

int backend_read(struct backend *b, void *buf, size_t len, uint64_t off,
		 backend_done_fn *done, void *arg)
{
	int err = check_range(b, "read", len, off);

	return err ? err : b->ops->read(b, buf, len, off, done, arg);
}

int backend_flush(struct backend *b, backend_done_fn *done, void *arg)
{
	return b->ops->flush(b, done, arg);
}

int backend_write_each(struct backend *b, const void *buf, size_t len,
		       uint64_t off, backend_done_fn *done, void *arg)
{
	int err = check_range(b, "write", len, off);

	if (err)
		return err;
	if (b->ops->write_each)
		return b->ops->write_each(b, buf, len, off, done, arg);
	return b->ops->write(b, buf, len, off, BACKEND_FUA, done, arg);
}

int backend_sums(struct backend *b, uint64_t first, uint32_t nr, void *sums,
		 uint64_t seed, backend_done_fn *done, void *arg)
{
	uint64_t chunks = backend_nr_chunks(b);

	if (!(b->info.can & BACKEND_CAN_SUM))
		return -EOPNOTSUPP;
	if (!nr || first > chunks || nr > chunks - first)
		return backend_set_error(b, -EINVAL, "there are no digests of "
					 "%u chunks from %llu on", nr,
					 (unsigned long long)first);
	return b->ops->sums(b, first, nr, sums, seed, done, arg);
}

uint32_t backend_chunk_bytes(const struct backend *b)
{
	return b->opts.chunk_bytes ? b->opts.chunk_bytes : BACKEND_BLOCK;
}

uint64_t backend_nr_chunks(const struct backend *b)
{
	uint32_t chunk = backend_chunk_bytes(b);

	return (b->opts.volume_bytes + chunk - 1) / chunk;
}

void backend_close(struct backend *b, void (*closed)(void *arg), void *arg)
{
	if (b)
		b->ops->close(b, closed, arg);
}

const struct backend_info *backend_info(const struct backend *b)
{
	return &b->info;
}

const char *backend_name(const struct backend *b)
{
	return b->name;
}

const char *backend_error(const struct backend *b)
{
	return b->error;
}

bool backend_unclean(const struct backend *b)
{
	return b->unclean || b->writes;
}
