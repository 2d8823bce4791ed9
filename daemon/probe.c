// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe.h"

#include <errno.h>
#include <stdlib.h>

#include "backend.h"
#include "util/zero.h"

static void finish(struct probe *p, int err, const char *what)
{
	free(p->buf);
	p->buf = NULL;
	p->done(p, err, what);
}

static uint64_t at_start(uint64_t size)
{
	return 0;
}

static uint64_t at_last_header(uint64_t size)
{
	uint64_t tail = (size - BACKEND_TAIL_BYTES) / BACKEND_TAIL_ALIGN *
			BACKEND_TAIL_ALIGN;

	return tail < size - PROBE_BYTES ? tail : size - PROBE_BYTES;
}

static uint64_t at_end(uint64_t size)
{
	return size - PROBE_BYTES;
}

static const struct {
	const char *name;
	uint64_t (*offset)(uint64_t size);
} pieces[] = {
	{ "its first 128 KiB", at_start },
	{ "where the header of a larger volume would be", at_last_header },
	{ "its last 128 KiB", at_end },
	{ NULL }
};

static void on_read(void *arg, int err);

static int read_piece(struct probe *p)
{
	return backend_read(p->backend, p->buf, PROBE_BYTES,
			    pieces[p->piece].offset(p->size), on_read, p);
}

static void on_read(void *arg, int err)
{
	struct probe *p = arg;

	if (!err && !is_zero(p->buf, PROBE_BYTES)) {
		finish(p, 0, pieces[p->piece].name);
		return;
	}
	if (!err && pieces[++p->piece].name) {
		err = read_piece(p);
		if (!err)
			return;
	}
	finish(p, err, NULL);
}

int probe_start(struct probe *p, struct backend *backend,
		void (*done)(struct probe *probe, int err, const char *what))
{
	int err;

	p->backend = backend;
	p->size = backend_info(backend)->size & ~(BACKEND_BLOCK - 1ULL);
	p->piece = 0;
	p->done = done;
	/* A volume with its tail is bigger than that, unless it is tiny. */
	if (p->size < PROBE_BYTES)
		return -ENOSPC;
	p->buf = aligned_alloc(BACKEND_BLOCK, PROBE_BYTES);
	err = p->buf ? read_piece(p) : -ENOMEM;
	if (err)
		free(p->buf);
	return err;
}
