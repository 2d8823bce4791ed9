// SPDX-License-Identifier: GPL-2.0-or-later
#include "log-writes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_FLUSH	1
#define LOG_FUA		2
#define LOG_DISCARD	4
#define LOG_MARK	8
#define SECTOR		512

struct log_super {
	uint64_t magic, version, nr_entries;
	uint32_t sectorsize;
};

struct log_entry {
	uint64_t sector, nr_sectors, flags, data_len;
};

/* A write that is not durable yet. */
struct pending {
	uint64_t sector, nr_sectors;
	uint8_t *data;			/* NULL = zeros */
};

struct replay {
	const struct log_writes *lw;
	int fd, err;
	uint64_t at;			/* in the log */
	uint8_t *disk, *scratch;
	struct pending *held;
	size_t nr_held, room;
	bool is_counting;
	unsigned int dice;
};

static bool fail(struct replay *r, int err)
{
	if (!r->err)
		r->err = err;
	return false;
}

static bool read_log(struct replay *r, void *buf, size_t len)
{
	if (pread(r->fd, buf, len, r->at) != (ssize_t)len)
		return fail(r, -EBADMSG);
	r->at += len;
	return true;
}

static void apply(uint8_t *disk, const struct pending *w)
{
	uint8_t *to = disk + w->sector * SECTOR;

	if (w->data)
		memcpy(to, w->data, w->nr_sectors * SECTOR);
	else
		memset(to, 0, w->nr_sectors * SECTOR);
}

/* Some of its sectors. */
static void apply_torn(struct replay *r, const struct pending *w)
{
	for (uint64_t i = 0; i < w->nr_sectors; i++) {
		const struct pending one = {
			w->sector + i, 1,
			w->data ? w->data + i * SECTOR : NULL,
		};

		if (rand_r(&r->dice) % 2)
			apply(r->scratch, &one);
	}
}

static void look(struct replay *r, const uint8_t *disk, bool is_subset)
{
	if (r->is_counting && !r->err &&
	    !r->lw->look(r->lw->arg, disk, is_subset))
		r->err = -ECANCELED;
}

static void try_subset(struct replay *r)
{
	memcpy(r->scratch, r->disk, r->lw->bytes);
	for (size_t i = 0; i < r->nr_held; i++) {
		switch (rand_r(&r->dice) % 3) {
		case 0:
			apply(r->scratch, &r->held[i]);
			break;
		case 1:
			apply_torn(r, &r->held[i]);
			break;
		}
	}
	look(r, r->scratch, true);
}

static void flush(struct replay *r)
{
	for (unsigned int i = 0; i < r->lw->subsets && r->nr_held; i++)
		try_subset(r);
	for (size_t i = 0; i < r->nr_held; i++) {
		apply(r->disk, &r->held[i]);
		free(r->held[i].data);
	}
	r->nr_held = 0;
}

static bool hold(struct replay *r, const struct pending *w)
{
	struct pending *more;

	if (r->nr_held == r->room) {
		r->room = r->room ? 2 * r->room : 64;
		more = realloc(r->held, r->room * sizeof(*more));
		if (!more)
			return fail(r, -ENOMEM);
		r->held = more;
	}
	r->held[r->nr_held++] = *w;
	return true;
}

static void read_mark(struct replay *r, const struct log_entry *e,
		      const uint8_t *sector)
{
	char text[128] = "";

	if (e->data_len < sizeof(text))
		memcpy(text, sector + sizeof(*e), e->data_len);
	r->is_counting = r->lw->mark(r->lw->arg, text);
}

static bool read_write(struct replay *r, const struct log_entry *e,
		       struct pending *w)
{
	uint64_t last = r->lw->bytes / SECTOR;

	*w = (struct pending) { e->sector, e->nr_sectors, NULL };
	if (w->sector > last || w->nr_sectors > last - w->sector)
		return fail(r, -EBADMSG);
	if (e->flags & LOG_DISCARD || !w->nr_sectors)
		return true;
	w->data = malloc(w->nr_sectors * SECTOR);
	return w->data ? read_log(r, w->data, w->nr_sectors * SECTOR) :
			 fail(r, -ENOMEM);
}

static bool replay_one(struct replay *r)
{
	uint8_t sector[SECTOR];
	struct log_entry e;
	struct pending w;

	if (!read_log(r, sector, sizeof(sector)))
		return false;
	memcpy(&e, sector, sizeof(e));
	if (e.flags & LOG_MARK) {
		read_mark(r, &e, sector);
		return true;
	}
	if (!read_write(r, &e, &w))
		return false;
	if (e.flags & LOG_FLUSH)
		flush(r);
	if (!(e.flags & (LOG_FLUSH | LOG_FUA)))
		return hold(r, &w);
	apply(r->disk, &w);
	free(w.data);
	look(r, r->disk, false);
	return !r->err;
}

static int replay_all(struct replay *r)
{
	struct log_super super;

	if (!read_log(r, &super, sizeof(super)))
		return r->err;
	if (super.magic != LOG_MAGIC || super.sectorsize != SECTOR)
		return -EBADMSG;
	r->at = SECTOR;
	while (super.nr_entries-- && replay_one(r))
		;
	return r->err;
}

int log_writes_replay(const struct log_writes *lw)
{
	struct replay r = { .lw = lw, .dice = lw->seed };
	int err = -ENOMEM;

	r.fd = open(lw->path, O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return -errno;
	r.disk = calloc(1, lw->bytes);
	r.scratch = calloc(1, lw->bytes);
	if (r.disk && r.scratch)
		err = replay_all(&r);
	while (r.nr_held)
		free(r.held[--r.nr_held].data);
	free(r.held);
	free(r.disk);
	free(r.scratch);
	close(r.fd);
	return err;
}
