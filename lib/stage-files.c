// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Segments as files of the group's directory: NUMBER.seg.
 *
 * A file is sparse: what is behind the end of the log in it takes no room, and
 * counts as none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stage-parts.h"

#define PATH(g)		(sizeof((g)->dir) + 32)

static void make_path(const struct stage_group *g, uint64_t number,
		      const char *suffix, char *path, size_t size)
{
	snprintf(path, size, "%s/%010" PRIu64 ".seg%s", g->dir, number,
		 suffix);
}

struct listing {
	int (*fn)(void *arg, const struct stage_segment *s);
	void *arg;
};

static int look_at(void *arg, const char *name)
{
	const struct listing *l = arg;
	struct stage_segment s = { .fd = -1 };
	unsigned long long number;
	int len = 0;

	if (sscanf(name, "%10llu.seg%n", &number, &len) != 1 || !len ||
	    name[len] || !number || number > UINT32_MAX)
		return 0;
	s.number = number;
	return l->fn(l->arg, &s);
}

static int files_list(struct stage_group *g,
		      int (*fn)(void *arg, const struct stage_segment *s),
		      void *arg)
{
	const struct stage_io *io = g->stage->io;
	struct listing l = { fn, arg };

	return io->list(io->arg, g->dir, look_at, &l);
}

static int files_open(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;
	char path[PATH(g)];

	make_path(g, s->number, "", path, sizeof(path));
	s->fd = io->open(io->arg, path, O_RDWR);
	return s->fd < 0 ? s->fd : io->size(io->arg, s->fd, &s->bytes);
}

static void files_close(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;

	if (s->fd >= 0)
		io->close(io->arg, s->fd);
	s->fd = -1;
}

static int files_create(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;
	char path[PATH(g)];

	make_path(g, s->number, "", path, sizeof(path));
	s->fd = io->open(io->arg, path, O_RDWR | O_CREAT | O_TRUNC);
	if (s->fd < 0)
		return s->fd;
	g->is_dir_dirty = true;
	return io->truncate(io->arg, s->fd, s->bytes);
}

static void files_remove(struct stage_group *g, struct stage_segment *s)
{
	const struct stage_io *io = g->stage->io;
	char path[PATH(g)];

	make_path(g, s->number, "", path, sizeof(path));
	io->unlink(io->arg, path);
	g->is_dir_dirty = true;
	files_close(g, s);
}

/* Where that fails it is there as before. */
static int files_keep(struct stage_group *g, struct stage_segment *s,
		      struct error *err)
{
	const struct stage_io *io = g->stage->io;
	char path[PATH(g)], lost[PATH(g)];

	make_path(g, s->number, "", path, sizeof(path));
	make_path(g, s->number, ".lost", lost, sizeof(lost));
	io->rename(io->arg, path, lost);
	g->is_dir_dirty = true;
	files_close(g, s);
	return 0;
}

static int files_settle(struct stage_group *g)
{
	return g->stage->io->sync_dir(g->stage->io->arg, g->dir);
}

static void files_cut(struct stage_group *g, struct stage_segment *s,
		      uint64_t end)
{
	const struct stage_io *io = g->stage->io;

	if (!io->truncate(io->arg, s->fd, end))
		stage_segment_limit(g, s, end);
}

static bool files_has_room(const struct stage_group *g, unsigned int nr)
{
	return true;			/* the disk will say */
}

static bool files_is_shared(const struct stage_group *g)
{
	return false;
}

/* A file has its number as its name. */
static unsigned int files_nr_unknown(const struct stage_group *g)
{
	return 0;
}

static int remove_one(void *arg, const struct stage_segment *s)
{
	struct stage_group *g = arg;
	const struct stage_io *io = g->stage->io;
	char path[PATH(g)];

	make_path(g, s->number, "", path, sizeof(path));
	return io->unlink(io->arg, path);
}

static void files_remove_all(struct stage_group *g)
{
	files_list(g, remove_one, g);
}

const struct stage_medium stage_files = {
	.is_sparse = true,
	.list = files_list,
	.open = files_open,
	.close = files_close,
	.create = files_create,
	.remove = files_remove,
	.keep = files_keep,
	.settle = files_settle,
	.cut = files_cut,
	.has_room = files_has_room,
	.nr_unknown = files_nr_unknown,
	.is_shared = files_is_shared,
	.remove_all = files_remove_all,
};
