// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who is in a group, by the descriptions: of a stage that others may have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "stage-parts.h"

#define SUFFIX	".volume"

struct listing {
	struct stage s;			/* its folder, and no more */
	struct stage_volume_block of;
	struct stage_members *m;
	char damaged[STAGE_NAME_LEN];	/* one that may be of any group; "" */
	int why;
};

static int load(const struct stage *s, const char *name,
		struct stage_volume_block *b)
{
	char block[STAGE_BLOCK_BYTES];
	int ret = stage_block_read(s, name, SUFFIX, block);

	if (!ret)
		ret = stage_volume_decode(b, block);
	return !ret && strcmp(b->name, name) ? -EBADMSG : ret;
}

static int add(struct stage_members *m, const char *name)
{
	char (*more)[STAGE_NAME_LEN] = realloc(m->names, (m->nr + 1) *
					       sizeof(*m->names));

	if (!more)
		return -ENOMEM;
	m->names = more;
	memcpy(more[m->nr++], name, STAGE_NAME_LEN);
	return 0;
}

static bool cut_name(char name[STAGE_NAME_LEN], const char *file)
{
	size_t len = strlen(file), tail = strlen(SUFFIX);

	if (len <= tail || len - tail >= STAGE_NAME_LEN ||
	    strcmp(file + len - tail, SUFFIX))
		return false;
	memset(name, 0, STAGE_NAME_LEN);
	memcpy(name, file, len - tail);
	return stage_name_ok(name);
}

static int look_at(void *arg, const char *file)
{
	struct listing *l = arg;
	char name[STAGE_NAME_LEN];
	struct stage_volume_block b;
	int ret = cut_name(name, file) ? load(&l->s, name, &b) : -ENOENT;

	if (ret && ret != -ENOENT) {
		memcpy(l->damaged, name, sizeof(name));
		l->why = ret;
	}
	if (ret || memcmp(b.log_id, l->of.log_id, sizeof(b.log_id)))
		return 0;
	if (!b.member)
		memcpy(l->m->first, name, sizeof(name));
	return add(l->m, name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static int tell(const char *dir, const char *name, int why, struct error *err)
{
	return error_set(err, why, "%.150s/%.63s" SUFFIX ": not the "
			 "description of a volume, or damaged: %s", dir, name,
			 strerror(-why));
}

/* A volume that was made without a group has one of its own name. */
static bool is_alone(const struct listing *l)
{
	return l->m->nr == 1 && !strcmp(l->of.name, l->of.group);
}

static int set_dir(struct stage *s, const char *dir, struct error *err)
{
	return snprintf(s->dir, sizeof(s->dir), "%s", dir) <
	       (int)sizeof(s->dir) ? 0 :
	       error_set(err, -ENAMETOOLONG, "%.150s", dir);
}

int stage_members_list(const char *dir, const char *volume,
		       struct stage_members *m, struct error *err)
{
	struct listing l = { .s.io = &stage_view_io, .m = m };
	int ret;

	memset(m, 0, sizeof(*m));
	ret = set_dir(&l.s, dir, err);
	if (ret)
		return ret;
	ret = load(&l.s, volume, &l.of);
	if (ret)
		return tell(dir, volume, ret, err);
	memcpy(m->group, l.of.group, sizeof(m->group));
	ret = stage_view_io.list(stage_view_io.arg, dir, look_at, &l);
	if (ret)
		ret = error_set(err, ret, "%.150s: %s", dir, strerror(-ret));
	else if (l.damaged[0] && !is_alone(&l))
		ret = tell(dir, l.damaged, l.why, err);
	if (ret) {
		stage_members_clear(m);
		return ret;
	}
	qsort(m->names, m->nr, sizeof(*m->names), by_name);
	return 0;
}

static int add_any(void *arg, const char *file)
{
	char name[STAGE_NAME_LEN];

	return cut_name(name, file) ? add(arg, name) : 0;
}

int stage_members_all(const char *dir, struct stage_members *m,
		      struct error *err)
{
	int ret;

	memset(m, 0, sizeof(*m));
	ret = stage_view_io.list(stage_view_io.arg, dir, add_any, m);
	if (ret) {
		stage_members_clear(m);
		return error_set(err, ret, "%.150s: %s", dir, strerror(-ret));
	}
	if (m->nr)
		qsort(m->names, m->nr, sizeof(*m->names), by_name);
	return 0;
}

void stage_members_clear(struct stage_members *m)
{
	free(m->names);
	memset(m, 0, sizeof(*m));
}

/* --- whose base it is ----------------------------------------------------- */

struct base_search {
	struct stage s;
	const char *path;
	char *name;
	struct error *err;
};

/* -ENODEV: neither device is there, and it may have two names. */
static int is_same(const char *a, const char *b)
{
	struct stat x, y;
	bool has_a, has_b;

	if (!strcmp(a, b))
		return true;
	has_a = !stat(a, &x);
	has_b = !stat(b, &y);
	if (!has_a && !has_b && !strncmp(a, "/dev/", 5) &&
	    !strncmp(b, "/dev/", 5))
		return -ENODEV;
	if (!has_a || !has_b)
		return false;
	return S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode) ?
	       x.st_rdev == y.st_rdev :
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* 1: this one. */
static int look_at_base(void *arg, const char *file)
{
	struct base_search *f = arg;
	char name[STAGE_NAME_LEN];
	struct stage_volume_block b;
	int ret;

	if (!cut_name(name, file))
		return 0;
	ret = load(&f->s, name, &b);
	if (ret)
		return ret == -ENOENT ? 0 : tell(f->s.dir, name, ret, f->err);
	ret = is_same(b.base, f->path);
	if (ret < 0)
		return error_set(f->err, ret, "the replica of %s stands on "
				 "%.100s, which is not there, and may be "
				 "%.100s by another name", name, b.base,
				 f->path);
	if (ret)
		memcpy(f->name, name, sizeof(name));
	return ret;
}

int stage_base_user(const char *dir, const char *path,
		    char name[STAGE_NAME_LEN], struct error *err)
{
	struct base_search f = {
		.s.io = &stage_view_io, .path = path, .name = name, .err = err,
	};
	int ret = set_dir(&f.s, dir, err);

	if (ret)
		return ret;
	err->code = 0;
	ret = stage_view_io.list(stage_view_io.arg, dir, look_at_base, &f);
	if (ret == 1)
		return 0;
	if (!ret || (ret == -ENOENT && !err->code))
		return -ENOENT;
	return err->code ? ret : error_set(err, ret, "%.150s: %s", dir,
					   strerror(-ret));
}
