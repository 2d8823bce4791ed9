// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Logical volumes: VG/VOLUME-dmr-origin, thin where the backend has a pool, and
 * VG/VOLUME-dmr-meta, each with the tag dmr-ID. The name of the base is the one
 * that udev and LVM leave alone (lvm.h).
 *
 * A snapshot is VG/VOLUME-dmr-snap-NAME, with the tag of its own id. What it
 * is taken of is suspended by LVM meanwhile, with all that was written before.
 * One that is not thin has room for all of it, so it never becomes invalid.
 *
 * A clone of what is not thin is copied: of what is in use from a snapshot that
 * is the clone's, VG/CLONE-dmr-copy with its tag, and goes when that is done.
 */
#include "driver.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "file-copy.h"
#include <linux/dm-replica-format.h>
#include "tool.h"

#define META_SUFFIX	"-dmr-meta"
#define SNAP_SUFFIX	"-dmr-snap-"
#define COPY_SUFFIX	"-dmr-copy"
#define META_CLEAR	(2 * DMR_BLOCK_SIZE)

#define TAG_LEN		24

struct texts {
	char lv[2 * MADE_NAME_LEN + 32];
	char path[3 * MADE_NAME_LEN + 32];	/* VG/LV */
	char size[32];
};

/* It is in argv[], where a "-" would make it an option. */
static bool is_lvm_name(const char *name)
{
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("+_.-", *c))
			return false;
	return *name && *name != '-' && strcmp(name, ".") &&
	       strcmp(name, "..") && strlen(name) < MADE_NAME_LEN;
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

	snprintf(t.lv, sizeof(t.lv), "%.63s%s", m->volume, suffix);
	snprintf(t.path, sizeof(t.path), "%.63s/%s", m->place, t.lv);
	snprintf(t.size, sizeof(t.size), "%" PRIu64 "b", bytes);
	return t;
}

static struct texts texts_of_snapshot(const struct made *m,
				      const struct snapshot *s)
{
	char suffix[MADE_NAME_LEN + 16];

	snprintf(suffix, sizeof(suffix), SNAP_SUFFIX "%s", s->name);
	return texts_of(m, suffix, 0);
}

/* V4 in made.h */
static void tag_of(char tag[TAG_LEN], uint64_t id)
{
	snprintf(tag, TAG_LEN, "dmr-%016" PRIx64, id);
}

struct lv {
	uint64_t bytes;			/* 0: there is none */
	bool is_open;
	bool has_snapshots;		/* lvremove would take them along */
	char path[PATH_MAX];		/* of its device */
};

struct found {
	struct lv base, meta, copy;
};

/* A row for each that there is; in @said: its first ones, on one line. */
static int list(const struct made *m, const char *select, char said[TOOL_SAID],
		struct error *err)
{
	const char *const argv[] = { "lvs", "--noheadings", "--binary",
		"--units", "b", "--nosuffix", "--options",
		"lv_name,lv_size,lv_device_open,lv_attr,lv_path", "--select",
		select, m->place, NULL };
	int ret = tool_run(argv, TOOL_LOOKS, 1, said);

	return ret ? error_set(err, ret, "lvs %s: %s", m->place, ret == -EIO ?
			       "it cannot be read" : strerror(-ret)) : 0;
}

/* The rest of the row @name, at @save. -1: of one that is not active, whether
 * it is open is not known. */
static int take_row(struct lv *lv, char **save, struct error *err)
{
	const char *size = strtok_r(NULL, " ", save);
	const char *open = strtok_r(NULL, " ", save);
	const char *attr = strtok_r(NULL, " ", save);
	const char *path = strtok_r(NULL, " ", save);

	lv->bytes = path ? strtoull(size, NULL, 10) : 0;
	if (!lv->bytes)
		return error_set(err, -EIO, "lvs says what is not understood");
	lv->is_open = strtoll(open, NULL, 10) > 0;
	lv->has_snapshots = *attr == 'o' || *attr == 'O';
	snprintf(lv->path, sizeof(lv->path), "%s", path);
	return 0;
}

/* One that is looked for. */
struct sought {
	const char *name;
	struct lv *lv;
};

static struct lv *find_name(const struct sought *sought, int nr,
			    const char *name)
{
	for (int i = 0; i < nr; i++)
		if (!strcmp(sought[i].name, name))
			return sought[i].lv;
	return NULL;
}

/*
 * V1, V4. By their tag, so that one that was renamed is not taken for gone: it
 * is in use, by whoever gave it a name.
 */
static int find_tagged(const struct made *m, uint64_t id,
		       const struct sought *sought, int nr, struct error *err)
{
	char tag[TAG_LEN], select[TAG_LEN + 16], said[TOOL_SAID], *name, *save;
	int ret;

	tag_of(tag, id);
	snprintf(select, sizeof(select), "lv_tags=%s", tag);
	ret = list(m, select, said, err);
	name = ret ? NULL : strtok_r(said, " ", &save);
	for (; !ret && name; name = ret ? NULL : strtok_r(NULL, " ", &save)) {
		struct lv *lv = find_name(sought, nr, name);

		if (!lv)
			return error_set(err, -EBUSY, "%s/%.80s has the tag %s "
					 "of %s: is it %s, renamed? Rename it "
					 "back, or take the tag from it",
					 m->place, name, tag, m->volume,
					 sought[0].name);
		ret = take_row(lv, &save, err);
	}
	return ret;
}

static int find(const struct made *m, struct found *found, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	const struct texts copy = texts_of(m, COPY_SUFFIX, 0);
	const struct sought sought[] = {
		{ base.lv, &found->base }, { meta.lv, &found->meta },
		{ copy.lv, &found->copy },
	};

	memset(found, 0, sizeof(*found));
	return find_tagged(m, m->id, sought, 3, err);
}

static int find_snapshot(const struct made *m, const struct snapshot *s,
			 struct lv *lv, struct error *err)
{
	const struct texts t = texts_of_snapshot(m, s);
	const struct sought sought = { t.lv, lv };

	memset(lv, 0, sizeof(*lv));
	return find_tagged(m, s->id, &sought, 1, err);
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
	char tag[TAG_LEN];
	const char *const argv[] = { "lvcreate", "--yes", "--wipesignatures",
		"y", "--zero", "y", "--size", t->size, "--name", t->lv,
		"--addtag", tag, m->place, NULL };

	tag_of(tag, m->id);
	return run(argv, t, err);
}

static int create_thin(const struct made *m, const struct texts *t,
		       struct error *err)
{
	char tag[TAG_LEN];
	const char *const argv[] = { "lvcreate", "--yes", "--virtualsize",
		t->size, "--thinpool", m->pool, "--name", t->lv, "--addtag",
		tag, m->place, NULL };

	tag_of(tag, m->id);
	return run(argv, t, err);
}

/* No name is taken. lvcreate would find that out, too. */
static int lvm_check_names(struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	char select[2 * sizeof(base.lv) + 32], said[TOOL_SAID], *save, *name;
	int ret;

	snprintf(select, sizeof(select), "lv_name=%s || lv_name=%s", base.lv,
		 meta.lv);
	ret = list(m, select, said, err);
	name = ret ? NULL : strtok_r(said, " ", &save);
	return !name ? ret :
	       error_set(err, -EEXIST, "there is a logical volume %s/%.80s "
			 "already, of somebody else", m->place, name);
}

/*
 * The kernel takes them for new where there is nothing in their first blocks.
 * What lvcreate zeroes is for others to say, and may be a cache of the disk's.
 */
static int clear_metadata(const char *path, struct error *err)
{
	static const char zeros[META_CLEAR];
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : pwrite(fd, zeros, sizeof(zeros), 0);
	int ret = n < 0 || fdatasync(fd) ? -errno :
		  n < META_CLEAR ? -EIO : 0;

	if (fd >= 0)
		close(fd);
	return ret ? error_set(err, ret, "%.180s: %s", path, strerror(-ret)) :
		     0;
}

/* Of a base that was made, and has whole extents. */
static int create_metadata(struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	struct found found = { 0 };
	struct texts meta;
	int ret = find(m, &found, err);

	if (ret)
		return ret;
	if (!found.base.bytes)
		return error_set(err, -EIO, "%s is gone", base.path);
	m->bytes = found.base.bytes;
	meta = texts_of(m, META_SUFFIX, driver_metadata_bytes(m->bytes));
	ret = create_plain(m, &meta, err) ?: find(m, &found, err);
	if (!ret && !found.meta.bytes)
		return error_set(err, -EIO, "%s is gone", meta.path);
	return ret ?: clear_metadata(found.meta.path, err);
}

static int lvm_create(struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, m->bytes);

	return (m->pool[0] ? create_thin(m, &base, err) :
			     create_plain(m, &base, err)) ?:
	       create_metadata(m, err);
}

static int grow_lv(const struct made *m, const char *suffix,
		   const struct lv *lv, uint64_t bytes, struct error *err)
{
	const struct texts t = texts_of(m, suffix, bytes);
	const char *const argv[] = { "lvextend", "--yes", "--size", t.size,
				     t.path, NULL };

	if (!lv->bytes)
		return error_set(err, -ENOENT, "there is no %s", t.path);
	return lv->bytes < bytes ? run(argv, &t, err) : 0;
}

/*
 * V5; of what was promoted: M3. Of a base in whole extents, which is larger
 * than what was asked for.
 */
static int lvm_extend(struct made *m, struct error *err)
{
	const uint64_t extent = 4ULL << 30;	/* the largest that is usual */
	struct found found;
	int ret = find(m, &found, err);

	if (!ret && !m->has_others_metadata)
		ret = grow_lv(m, META_SUFFIX, &found.meta,
			      driver_metadata_bytes(m->bytes + extent), err);
	if (!ret)
		ret = grow_lv(m, DMR_ORIGIN_SUFFIX, &found.base, m->bytes,
			      err) ?: find(m, &found, err);
	if (!ret)
		m->bytes = found.base.bytes;
	return ret;
}

static int lvm_find_base(const struct made *m, bool *is_there,
			 struct error *err)
{
	struct found found;
	int ret = find(m, &found, err);

	*is_there = !ret && found.base.bytes;
	return ret;
}

static int check_lv(const struct texts *t, const struct lv *lv,
		    struct error *err)
{
	if (lv->is_open)
		return error_set(err, -EBUSY, "%s is in use", t->path);
	return !lv->has_snapshots ? 0 :
	       error_set(err, -EBUSY, "%s has snapshots, which would go with "
			 "it", t->path);
}

static int find_free(const struct made *m, struct found *found,
		     struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	const struct texts copy = texts_of(m, COPY_SUFFIX, 0);

	return find(m, found, err) ?: check_lv(&base, &found->base, err) ?:
	       check_lv(&meta, &found->meta, err) ?:
	       check_lv(&copy, &found->copy, err);
}

static int lvm_check_free(const struct made *m, struct error *err)
{
	struct found found;

	return find_free(m, &found, err);
}

/* V4. Of that name, and ours when it goes. */
static int remove_lv(const struct made *m, const struct texts *t, uint64_t id,
		     const struct lv *lv, struct error *err)
{
	char tag[TAG_LEN], select[sizeof(t->lv) + TAG_LEN + 32];
	const char *const argv[] = { "lvremove", "--yes", "--select", select,
				     m->place, NULL };

	tag_of(tag, id);
	snprintf(select, sizeof(select), "lv_name=%s && lv_tags=%s", t->lv,
		 tag);
	return lv->bytes ? run(argv, t, err) : 0;
}

/* V1. What was renamed meanwhile is not -EBUSY: the other one may have gone. */
static int check_gone(const struct made *m, struct error *err)
{
	struct error why = { 0 };
	struct found left;
	int ret = find(m, &left, &why);

	if (ret)
		return error_set(err, ret == -EBUSY ? -EIO : ret, "%s",
				 why.text);
	return !left.base.bytes && !left.meta.bytes && !left.copy.bytes ? 0 :
	       error_set(err, -EIO, "%s is there after lvremove",
			 left.base.bytes ? left.base.path : left.meta.bytes ?
			 left.meta.path : left.copy.path);
}

static int lvm_destroy(const struct made *m, struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts meta = texts_of(m, META_SUFFIX, 0);
	const struct texts copy = texts_of(m, COPY_SUFFIX, 0);
	struct found found;

	return find_free(m, &found, err) ?:
	       remove_lv(m, &base, m->id, &found.base, err) ?:
	       remove_lv(m, &meta, m->id, &found.meta, err) ?:
	       remove_lv(m, &copy, m->id, &found.copy, err) ?:
	       check_gone(m, err);
}

/* --- snapshots ------------------------------------------------------------ */

static int snapshot_thin(const struct made *m, const struct snapshot *s,
			 const struct texts *base, struct error *err)
{
	const struct texts t = texts_of_snapshot(m, s);
	char tag[TAG_LEN];
	const char *const argv[] = { "lvcreate", "--yes", "--snapshot",
		"--setactivationskip", "y", "--permission", "r", "--name",
		t.lv, "--addtag", tag, base->path, NULL };

	tag_of(tag, s->id);
	return run(argv, &t, err);
}

static int snapshot_plain(const struct texts *t, uint64_t id,
			  const struct texts *base, struct error *err)
{
	char tag[TAG_LEN];
	const char *const argv[] = { "lvcreate", "--yes", "--snapshot",
		"--extents", "100%ORIGIN", "--permission", "r", "--name",
		t->lv, "--addtag", tag, base->path, NULL };

	tag_of(tag, id);
	return run(argv, t, err);
}

static int lvm_snapshot(const struct made *m, struct snapshot *s,
			struct error *err)
{
	const struct texts base = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	const struct texts t = texts_of_snapshot(m, s);
	struct found found;
	int ret = find(m, &found, err);

	if (!ret && !found.base.bytes)
		ret = error_set(err, -ENOENT, "there is no %s", base.path);
	s->bytes = found.base.bytes;
	return ret ?: m->pool[0] ? snapshot_thin(m, s, &base, err) :
				   snapshot_plain(&t, s->id, &base, err);
}

/*
 * What a clone is of, by its tag, too. lvs says of a snapshot that is not thin
 * how large its store is, which is more than what it was taken of.
 */
static int find_source(const struct made *from, const struct snapshot *s,
		       struct texts *of, struct lv *lv, struct error *err)
{
	struct found found = { 0 };
	int ret;

	*of = s ? texts_of_snapshot(from, s) :
		  texts_of(from, DMR_ORIGIN_SUFFIX, 0);
	ret = s ? find_snapshot(from, s, &found.base, err) :
		  find(from, &found, err);
	*lv = found.base;
	return ret || lv->bytes ? ret :
	       error_set(err, -ENOENT, "there is no %s", of->path);
}

/* A thin snapshot is a volume like any other: it needs nothing of what it was
 * taken of. */
static int clone_thin(struct made *m, const struct texts *of,
		      struct error *err)
{
	const struct texts t = texts_of(m, DMR_ORIGIN_SUFFIX, 0);
	char tag[TAG_LEN];
	const char *const argv[] = { "lvcreate", "--yes", "--snapshot",
		"--setactivationskip", "n", "--activate", "y", "--permission",
		"rw", "--name", t.lv, "--addtag", tag, of->path, NULL };

	tag_of(tag, m->id);
	return run(argv, &t, err) ?: create_metadata(m, err);
}

/* A snapshot is kept as it is by who has it. */
static int begin_plain(struct made *m, const struct snapshot *s,
		       const struct texts *of, uint64_t bytes,
		       struct error *err)
{
	const struct texts t = texts_of(m, DMR_ORIGIN_SUFFIX, bytes);
	const struct texts copy = texts_of(m, COPY_SUFFIX, 0);

	m->bytes = bytes;
	return (s ? 0 : snapshot_plain(&copy, m->id, of, err)) ?:
	       create_plain(m, &t, err) ?: -EINPROGRESS;
}

static int lvm_clone(struct made *m, const struct made *from,
		     const struct snapshot *s, struct error *err)
{
	struct texts of;
	struct lv lv;
	int ret = find_source(from, s, &of, &lv, err);

	return ret ?: from->pool[0] ? clone_thin(m, &of, err) :
		       begin_plain(m, s, &of, s ? s->bytes : lv.bytes, err);
}

static int lvm_copy(const struct made *m, const struct made *from,
		    const struct snapshot *s, atomic_ullong *done,
		    struct error *err)
{
	struct texts of;
	struct found found;
	struct lv source;
	int ret = find(m, &found, err) ?:
		  find_source(from, s, &of, &source, err);

	if (ret)
		return ret;
	if (!s)
		source = found.copy;
	if (!source.bytes || found.base.bytes < m->bytes)
		return error_set(err, -EIO, "what %s is copied from, or to, is "
				 "gone", m->volume);
	ret = device_copy(source.path, found.base.path, m->bytes, done);
	if (ret == -ECANCELED)
		return error_set(err, ret, "replicad is stopping: %s was not "
				 "copied", of.path);
	return ret ? error_set(err, ret, "%s to %.120s: %s", of.path,
			       found.base.path, strerror(-ret)) : 0;
}

static int lvm_copied(struct made *m, struct error *err)
{
	const struct texts copy = texts_of(m, COPY_SUFFIX, 0);
	struct found found;

	return find(m, &found, err) ?:
	       remove_lv(m, &copy, m->id, &found.copy, err) ?:
	       create_metadata(m, err);
}

static int lvm_check_snapshot_free(const struct made *m,
				   const struct snapshot *s, struct error *err)
{
	const struct texts t = texts_of_snapshot(m, s);
	struct lv lv;

	return find_snapshot(m, s, &lv, err) ?: check_lv(&t, &lv, err);
}

static int lvm_drop_snapshot(const struct made *m, const struct snapshot *s,
			     struct error *err)
{
	const struct texts t = texts_of_snapshot(m, s);
	struct lv lv;
	int ret = find_snapshot(m, s, &lv, err) ?: check_lv(&t, &lv, err) ?:
		  remove_lv(m, &t, s->id, &lv, err) ?:
		  find_snapshot(m, s, &lv, err);

	return ret || !lv.bytes ? ret :
	       error_set(err, -EIO, "%s is there after lvremove", t.path);
}

static void lvm_snapshot_path(const struct made *m, const struct snapshot *s,
			      char *path)
{
	const struct texts t = texts_of_snapshot(m, s);

	snprintf(path, PATH_MAX, "/dev/%s", t.path);
}

const struct driver driver_lvm = {
	.name = "lvm",
	.plan = lvm_plan,
	.check = lvm_check_names,
	.create = lvm_create,
	.extend = lvm_extend,
	.find_base = lvm_find_base,
	.check_free = lvm_check_free,
	.destroy = lvm_destroy,
	.clone = lvm_clone,
	.copy = lvm_copy,
	.copied = lvm_copied,
	.snapshot = lvm_snapshot,
	.check_snapshot_free = lvm_check_snapshot_free,
	.drop_snapshot = lvm_drop_snapshot,
	.snapshot_path = lvm_snapshot_path,
};
