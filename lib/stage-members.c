// SPDX-License-Identifier: LGPL-2.1-or-later
/* Who is in a group, by the descriptions: of a stage that others may have. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int look_at(void *arg, const char *file)
{
	struct listing *l = arg;
	size_t len = strlen(file), tail = strlen(SUFFIX);
	char name[STAGE_NAME_LEN] = "";
	struct stage_volume_block b;
	int ret;

	if (len <= tail || len - tail >= sizeof(name) ||
	    strcmp(file + len - tail, SUFFIX))
		return 0;
	memcpy(name, file, len - tail);
	ret = stage_name_ok(name) ? load(&l->s, name, &b) : -ENOENT;
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

int stage_members_list(const char *dir, const char *volume,
		       struct stage_members *m, struct error *err)
{
	struct listing l = { .s.io = &stage_view_io, .m = m };
	int ret;

	memset(m, 0, sizeof(*m));
	if (snprintf(l.s.dir, sizeof(l.s.dir), "%s", dir) >=
	    (int)sizeof(l.s.dir))
		return error_set(err, -ENAMETOOLONG, "%.150s", dir);
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

void stage_members_clear(struct stage_members *m)
{
	free(m->names);
	memset(m, 0, sizeof(*m));
}
