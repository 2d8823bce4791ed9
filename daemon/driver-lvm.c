// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Logical volumes: VG/VOLUME-dmr-origin, thin where the backend has a pool, and
 * VG/VOLUME-dmr-meta, each with the tag dmr-ID. The name of the base is the one
 * that udev and LVM leave alone (lvm.h).
 */
#include "driver.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"
#include "tool.h"

#define META_SUFFIX	"-dmr-meta"

struct texts {
	char tag[24];		/* V4 in made.h */
	char lv[MADE_NAME_LEN + 32];
	char path[2 * MADE_NAME_LEN + 32];	/* VG/LV */
	char size[32];
};

/* It is in argv[], where a "-" would make it an option. */
static bool is_lvm_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("+_.-", *c))
			return false;
	return *name && *name != '-' && strlen(name) < MADE_NAME_LEN;
}

static int lvm_plan(struct made *m, const struct section *backend,
		    struct error *err)
{
	const char *vg = backend->volume_group, *pool = backend->thin_pool;

	if (!vg || !is_lvm_name(vg))
		return error_set(err, -EINVAL, "[backend %s]: want "
				 "volume_group=, the name of one",
				 backend->name);
	if (pool && !is_lvm_name(pool))
		return error_set(err, -EINVAL, "[backend %s]: thin_pool= is "
				 "no name of one", backend->name);
	snprintf(m->place, sizeof(m->place), "%s", vg);
	snprintf(m->pool, sizeof(m->pool), "%s", pool ?: "");
	snprintf(m->base, sizeof(m->base), "/dev/%s/%s" DMR_ORIGIN_SUFFIX, vg,
		 m->volume);
	snprintf(m->metadata, sizeof(m->metadata), "/dev/%s/%s" META_SUFFIX,
		 vg, m->volume);
	return 0;
}

static struct texts texts_of(const struct made *m, const char *suffix,
			     uint64_t bytes)
{
	struct texts t;

	snprintf(t.tag, sizeof(t.tag), "dmr-%016" PRIx64, m->id);
	snprintf(t.lv, sizeof(t.lv), "%.63s%s", m->volume, suffix);
	snprintf(t.path, sizeof(t.path), "%.63s/%s", m->place, t.lv);
	snprintf(t.size, sizeof(t.size), "%" PRIu64 "b", bytes);
	return t;
}

struct found {
	uint64_t bytes;			/* 0: there is none */
	bool is_open;
	bool has_snapshots;		/* lvremove would take them along */
};

/* -EEXIST: there is a logical volume of that name, and it is not ours (V4). */
static int find(const struct made *m, const struct texts *t,
		struct found *found, struct error *err)
{
	char select[sizeof(t->lv) + 16], said[TOOL_SAID], *rest;
	const char *const argv[] = { "lvs", "--noheadings", "--binary",
		"--units", "b", "--nosuffix", "--options",
		"lv_size,lv_device_open,lv_attr,lv_tags", "--select", select, m->place,
		NULL };
	int ret;

	snprintf(select, sizeof(select), "lv_name=%s", t->lv);
	ret = tool_run(argv, TOOL_LOOKS, 1, said);
	if (ret)
		return error_set(err, ret, "lvs %s: %s", m->place, ret == -EIO ?
				 "it cannot be read" : strerror(-ret));
	found->bytes = strtoull(said, &rest, 10);
	/* -1: of one that is not active, that is not known. */
	found->is_open = strtoll(rest, &rest, 10) > 0;
	rest += strspn(rest, " ");
	found->has_snapshots = *rest == 'o' || *rest == 'O';
	if (!found->bytes || strstr(rest, t->tag))
		return 0;
	return error_set(err, -EEXIST, "there is a logical volume %s already, "
			 "of somebody else", t->path);
}

static int run(const char *const argv[], const struct texts *t,
	       struct error *err)
{
	char said[TOOL_SAID];
	int ret = tool_run(argv, TOOL_CHANGES, 2, said);

	return ret ? error_set(err, ret, "%s %s: %s", argv[0], t->path,
			       said[0] ? said : strerror(-ret)) : 0;
}

static int create_plain(const struct made *m, const struct texts *t,
			struct error *err)
{
	const char *const argv[] = { "lvcreate", "--yes", "--wipesignatures",
		"y", "--zero", "y", "--size", t->size, "--name", t->lv,
		"--addtag", t->tag, m->place, NULL };

	return run(argv, t, err);
}

static int create_thin(const struct made *m, const struct texts *t,
		       struct error *err)
{
	const char *const argv[] = { "lvcreate", "--yes", "--virtualsize",
		t->size, "--thinpool", m->pool, "--name", t->lv, "--addtag",
		t->tag, m->place, NULL };

	return run(argv, t, err);
}

/* No name is taken. lvcreate would find that out, too. */
static int lvm_check_names(const struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	struct found found;

	return find(m, &base, &found, err) ?: find(m, &meta, &found, err);
}

/* It has whole extents, so its metadata is of what it became. */
static int lvm_create(struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, m->bytes);
	struct found found = { 0 };
	struct texts meta;
	int ret = m->pool[0] ? create_thin(m, &base, err) :
			       create_plain(m, &base, err);

	if (!ret)
		ret = find(m, &base, &found, err);
	if (ret)
		return ret;
	if (!found.bytes)
		return error_set(err, -EIO, "%s is gone", base.path);
	m->bytes = found.bytes;
	meta = texts_of(m, META_SUFFIX, driver_metadata_bytes(m->bytes));
	return create_plain(m, &meta, err);
}

/* *@is: how large it is then. */
static int grow_lv(const struct made *m, const char *suffix, uint64_t bytes,
		   uint64_t *is, struct error *err)
{
	const struct texts t = texts_of(m, suffix, bytes);
	const char *const argv[] = { "lvextend", "--yes", "--size", t.size,
				     t.path, NULL };
	struct found found;
	int ret = find(m, &t, &found, err);

	if (!ret && !found.bytes)
		return error_set(err, -ENOENT, "there is no %s", t.path);
	if (!ret && found.bytes < bytes)
		ret = run(argv, &t, err) ?: find(m, &t, &found, err);
	*is = ret ? 0 : found.bytes;
	return ret;
}

/* V5. Of a base in whole extents, which is larger than what was asked for. */
static int lvm_extend(struct made *m, struct error *err)
{
	const uint64_t extent = 4ULL << 30;	/* the largest that is usual */
	uint64_t is;

	return grow_lv(m, META_SUFFIX, driver_metadata_bytes(m->bytes + extent),
		       &is, err) ?:
	       grow_lv(m, DMR_ORIGIN_SUFFIX, m->bytes, &m->bytes, err);
}

/* Is there one of ours to remove? One of somebody else is none. */
static int look(const struct made *m, const struct texts *t,
		struct found *found, struct error *err)
{
	struct error why = { 0 };

	if (!find(m, t, found, &why)) {
		if (found->is_open)
			return error_set(err, -EBUSY, "%s is in use", t->path);
		return !found->has_snapshots ? 0 :
		       error_set(err, -EBUSY, "%s has snapshots, which would "
				 "go with it", t->path);
	}
	found->bytes = 0;
	return why.code == -EEXIST ? 0 :
	       error_set(err, why.code, "%s", why.text);
}

static int remove_lv(const struct texts *t, const struct found *found,
		     struct error *err)
{
	const char *const argv[] = { "lvremove", "--yes", t->path, NULL };

	return found->bytes ? run(argv, t, err) : 0;
}

static int lvm_check_free(const struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	struct found found;

	return look(m, &base, &found, err) ?: look(m, &meta, &found, err);
}

static int lvm_destroy(const struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	struct found a, b;

	return look(m, &base, &a, err) ?: look(m, &meta, &b, err) ?:
	       remove_lv(&base, &a, err) ?: remove_lv(&meta, &b, err);
}

const struct driver driver_lvm = {
	.name = "lvm",
	.plan = lvm_plan,
	.check = lvm_check_names,
	.create = lvm_create,
	.extend = lvm_extend,
	.check_free = lvm_check_free,
	.destroy = lvm_destroy,
};
