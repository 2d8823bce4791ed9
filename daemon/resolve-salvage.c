// SPDX-License-Identifier: GPL-2.0-or-later
/* What is only here is kept aside (L4); see resolve.h. */
#include "resolve-impl.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "state-file.h"

#define PIECE_BYTES	(1U << 20)

bool resolve_has_dirty(const struct resolution *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (dmr_extents_chunks(r->all[i].dirty))
			return true;
	return false;
}

static int copy_run(struct resolve_member *m, struct salvage_writer *w,
		    char *buf, const struct dmr_extent *e, struct error *err)
{
	uint64_t off = e->start * m->chunk_bytes;
	uint64_t end = off + e->count * m->chunk_bytes;
	int ret = 0;

	if (end >= m->info.volume_bytes + m->chunk_bytes)
		return error_set(err, -EAGAIN, "%s: it has grown meanwhile",
				 m->info.volume);
	if (end > m->info.volume_bytes)
		end = m->info.volume_bytes;
	while (!ret && off < end) {
		size_t part = end - off < PIECE_BYTES ? end - off : PIECE_BYTES;
		ssize_t n = pread(m->fd, buf, part, off);

		if (n != (ssize_t)part)
			return error_set(err, n < 0 ? -errno : -EIO,
					 "%.180s: cannot be read at %" PRIu64,
					 m->live, off);
		ret = salvage_add(w, off, buf, part, err);
		off += part;
	}
	return ret;
}

static int write_one(struct resolve_member *m, struct error *err)
{
	struct salvage_writer *w = NULL;
	char *buf = malloc(PIECE_BYTES);
	const struct dmr_extent *e;
	size_t nr;
	int ret = buf ? salvage_begin(&w, m->path, &m->info, err) :
			error_set(err, -ENOMEM, "no memory");

	e = dmr_extents_array(m->dirty, &nr);
	for (size_t i = 0; !ret && i < nr; i++)
		ret = copy_run(m, w, buf, &e[i], err);
	if (!ret)
		ret = salvage_end(w, err);
	else if (w)
		salvage_give_up(w);
	free(buf);
	return ret;
}

static int name_file(const struct resolution *r, struct resolve_member *m)
{
	return snprintf(m->path, sizeof(m->path), "%s/%s-%" PRIu64 "-%08" PRIx32
			SALVAGE_SUFFIX, r->dir, m->info.volume, m->info.epoch,
			(uint32_t)m->info.generation) < PATH_MAX ?
	       0 : -ENAMETOOLONG;
}

static int salvage_one(struct resolution *r, struct resolve_member *m)
{
	struct timespec now;

	if (!dmr_extents_chunks(m->dirty))
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	m->info.time = now.tv_sec * 1000000000ULL + now.tv_nsec;
	if (name_file(r, m))
		return error_set(&r->error, -ENAMETOOLONG, "%.200s", r->dir);
	return write_one(m, &r->error);
}

static bool is_of(const struct resolve_member *m, const char *path,
		  struct salvage_info *s)
{
	struct error err = { 0 };

	return !salvage_look(s, path, &err) &&
	       !strcmp(s->volume, m->info.volume) &&
	       (!m->info.generation || s->generation == m->info.generation);
}

/* The newest; a file that is none is passed over. */
static void find_one(const struct resolution *r, struct resolve_member *m)
{
	DIR *d = opendir(r->dir);
	char path[PATH_MAX];
	struct salvage_info s;
	uint64_t newest = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!strstr(e->d_name, SALVAGE_SUFFIX) ||
		    snprintf(path, sizeof(path), "%s/%s", r->dir, e->d_name) >=
		    PATH_MAX || !is_of(m, path, &s) || s.time < newest)
			continue;
		newest = s.time;
		m->kept_bytes = s.data_bytes;
		snprintf(m->path, sizeof(m->path), "%s", path);
	}
	if (d)
		closedir(d);
}

void resolve_find_salvages(struct resolution *r)
{
	for (unsigned int i = 0; i < r->nr; i++)
		find_one(r, &r->all[i]);
}

void resolve_salvage(struct resolution *r)
{
	int ret = state_folder_make(r->dir);

	if (ret)
		error_set(&r->error, ret, "%.200s: %s", r->dir,
			  strerror(-ret));
	for (unsigned int i = 0; !ret && i < r->nr; i++)
		ret = salvage_one(r, &r->all[i]);
}
