// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Device-mapper devices: what they are, what they are called, replicas and
 * views. The steps stand in device-task.c, live insertion in device-insert.c.
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device-impl.h"
#include "device-task.h"

#define READ_BYTES	4096	/* whole sectors of any disk */

/* --- queries -------------------------------------------------------------- */

void dm_rows_destroy(struct dm_rows *rows)
{
	size_t i;

	for (i = 0; i < rows->nr; i++)
		free(rows->v[i].params);
	free(rows->v);
	*rows = (struct dm_rows){ 0 };
}

static int add_row(struct dm_rows *rows, uint64_t start, uint64_t sectors,
		   const char *type, const char *params)
{
	struct dm_row *v = reallocarray(rows->v, rows->nr + 1, sizeof(*v));
	struct dm_row *row;

	if (!v)
		return -ENOMEM;
	rows->v = v;
	row = &v[rows->nr];
	row->start = start;
	row->sectors = sectors;
	snprintf(row->type, sizeof(row->type), "%s", type);
	row->params = strdup(params ? params : "");
	if (!row->params)
		return -ENOMEM;
	rows->nr++;
	return 0;
}

/* Runs a table or status task; -ENXIO when there is no such device. */
static int run_query(struct dmr_dm *dm, struct dm_task *task, const char *name,
		     struct dm_info *dmi)
{
	int ret = dmr_dm_run(task);

	if (!ret && !dm_task_get_info(task, dmi))
		ret = -EIO;
	if (!ret && !dmi->exists)
		ret = -ENXIO;
	return ret ? dmr_dm_task_fail(dm, ret, name, "can't look at") : 0;
}

static int rows_of(struct dm_task *task, struct dm_rows *rows)
{
	uint64_t start, sectors;
	char *type, *params;
	void *next = NULL;
	int ret = 0;

	do {
		next = dm_get_next_target(task, next, &start, &sectors, &type,
					  &params);
		if (type)
			ret = add_row(rows, start, sectors, type, params);
	} while (next && !ret);
	return ret;
}

static int query(struct dmr_dm *dm, int type, const char *name,
		 struct dm_info *dmi, struct dm_rows *rows)
{
	TASK_AUTO task = dmr_dm_task(dm, type, name);
	int ret;

	if (!task)
		return dmr_dm_code(dm);
	dm_task_secure_data(task);	/* a table may hold a key */
	ret = run_query(dm, task, name, dmi);
	if (!ret)
		ret = rows_of(task, rows);
	if (ret == -ENOMEM)
		dmr_dm_fail(dm, ret, "not enough memory");
	return ret;
}

int dmr_dm_read_rows(struct dmr_dm *dm, const char *name, struct dm_rows *rows)
{
	struct dm_info dmi;

	return query(dm, DM_DEVICE_TABLE, name, &dmi, rows);
}

bool dmr_dm_has_uuid(struct dmr_dm *dm, const char *name, const char *uuid)
{
	TASK_AUTO task = dmr_dm_task(dm, DM_DEVICE_INFO, name);
	struct dm_info dmi;

	return task && !dmr_dm_run(task) && dm_task_get_info(task, &dmi) &&
	       dmi.exists && !strcmp(dm_task_get_uuid(task), uuid);
}

static uint64_t parse_number(const char *params)
{
	unsigned int major, minor;

	if (sscanf(params, "%u:%u", &major, &minor) != 2)
		return 0;
	return (uint64_t)major << 32 | minor;
}

/* The second word of a replica's arguments: 0 for "-". */
static uint64_t parse_meta(const char *params)
{
	unsigned int major, minor;

	if (sscanf(params, "%*s %u:%u", &major, &minor) != 2)
		return 0;
	return (uint64_t)major << 32 | minor;
}

static bool is_replica(const struct dm_row *row)
{
	return !strcmp(row->type, "replica");
}

static enum dmr_dm_form form_of(struct dmr_dm *dm, const char *name,
				const struct dm_rows *rows, uint64_t *origin)
{
	char hidden[DMR_DM_NAME_LEN + sizeof(DMR_ORIGIN_SUFFIX)];
	size_t i;

	*origin = 0;
	for (i = 0; i < rows->nr; i++) {
		const struct dm_row *row = &rows->v[i];

		if (!is_replica(row) && strcmp(row->type, "replica-view"))
			continue;
		*origin = parse_number(row->params);
		if (!is_replica(row))
			return DMR_DM_VIEW;
		snprintf(hidden, sizeof(hidden), "%s" DMR_ORIGIN_SUFFIX, name);
		return rows->nr == 1 && *origin &&
		       strlen(hidden) < DMR_DM_NAME_LEN &&
		       dmr_dm_number(hidden) == *origin ? DMR_DM_INSERTED :
						      DMR_DM_REPLICA;
	}
	return DMR_DM_PLAIN;
}

static void fill_info(struct dmr_dm *dm, const char *name,
		      const struct dm_info *dmi, const struct dm_rows *rows,
		      struct dmr_dm_info *info)
{
	size_t i;

	memset(info, 0, sizeof(*info));
	snprintf(info->name, sizeof(info->name), "%s", name);
	info->dev = (uint64_t)dmi->major << 32 | dmi->minor;
	info->nr_targets = rows->nr;
	info->open_count = dmi->open_count;
	info->is_suspended = dmi->suspended;
	info->is_read_only = dmi->read_only;
	info->has_inactive = dmi->inactive_table;
	for (i = 0; i < rows->nr; i++)
		info->sectors += rows->v[i].sectors;
	if (rows->nr) {
		snprintf(info->type, sizeof(info->type), "%s",
			 rows->v[0].type);
		snprintf(info->params, sizeof(info->params), "%s",
			 rows->v[0].params);
	}
	info->form = form_of(dm, name, rows, &info->origin);
	if (rows->nr && is_replica(&rows->v[0]))
		info->meta = parse_meta(rows->v[0].params);
}

int dmr_dm_look(struct dmr_dm *dm, const char *name, struct dmr_dm_info *info)
{
	DM_ROWS_AUTO rows = { 0 };
	struct dm_info dmi;
	int ret = query(dm, DM_DEVICE_TABLE, name, &dmi, &rows);

	if (!ret)
		fill_info(dm, name, &dmi, &rows, info);
	return ret;
}

int dmr_dm_info(struct dmr_dm *dm, const char *name, struct dmr_dm_info *info)
{
	dmr_dm_begin(dm);
	return dmr_dm_look(dm, name, info);
}

int dmr_dm_status(struct dmr_dm *dm, const char *name, char *buf, size_t len)
{
	DM_ROWS_AUTO rows = { 0 };
	struct dm_info dmi;
	int ret;

	dmr_dm_begin(dm);
	ret = query(dm, DM_DEVICE_STATUS, name, &dmi, &rows);
	if (!ret)
		snprintf(buf, len, "%s", rows.nr ? rows.v[0].params : "");
	return ret;
}

/* --- whether it was written ----------------------------------------------- */

/*
 * Field 0 counts reads, 6 sectors written, 13 discarded. Not the requests: a
 * flush is a write of nothing. Not what is under way: a swap has waited for it.
 * Where no read was counted, writes may not have been either.
 */
bool dmr_dm_stat_is_written(const char *line)
{
	unsigned long long n[14];
	int i, at, used;

	for (i = at = 0; i < 14; i++, at += used)
		if (sscanf(line + at, "%llu%n", &n[i], &used) != 1)
			return true;
	return !n[0] || n[6] || n[13];
}

/* A read that is counted, if any is; past the page cache. */
static void read_once(const char *path)
{
	void *buf = NULL;
	int fd;

	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return;
	if (!posix_memalign(&buf, READ_BYTES, READ_BYTES) &&
	    pread(fd, buf, READ_BYTES, 0) < 0)
		errno = 0;	/* then it is not counted */
	free(buf);
	close(fd);
}

/* The line, "" if it can't be read. */
static void read_stat(uint64_t dev, char *line, size_t len)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat",
		 (unsigned int)(dev >> 32), (unsigned int)dev);
	f = fopen(path, "re");
	if (!f || !fgets(line, len, f))
		line[0] = 0;
	if (f)
		fclose(f);
}

static bool is_written(const char *path, uint64_t dev)
{
	char line[400];

	read_once(path);
	read_stat(dev, line, sizeof(line));
	return dmr_dm_stat_is_written(line);
}

int dmr_dm_written(struct dmr_dm *dm, const char *name)
{
	char path[DMR_DM_PATH_LEN];
	struct dmr_dm_info info;
	int ret;

	dmr_dm_begin(dm);
	ret = dmr_dm_look(dm, name, &info);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s", dm_dir(), name);
	return is_written(path, info.dev);
}

bool dmr_block_written(uint64_t dev)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/block/%u:%u",
		 (unsigned int)(dev >> 32), (unsigned int)dev);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return true;
	if (fsync(fd)) {	/* what is in the page cache counts, too */
		close(fd);
		return true;
	}
	close(fd);
	return is_written(path, dev);
}

/* --- names ---------------------------------------------------------------- */

static int find_number(struct dmr_dm *dm, const char *what, unsigned int major,
		       unsigned int minor, char *name)
{
	TASK_AUTO task = dmr_dm_task(dm, DM_DEVICE_INFO, NULL);
	struct dm_info dmi;
	int ret;

	if (!task)
		return dmr_dm_code(dm);
	if (!dm_is_dm_major(major))
		return dmr_dm_fail(dm, -ENOTBLK,
				   "%s is not a device-mapper device", what);
	if (!dm_task_set_major_minor(task, major, minor, 0))
		return dmr_dm_fail(dm, -ENOMEM, "not enough memory");
	ret = run_query(dm, task, what, &dmi);
	if (!ret)
		snprintf(name, DMR_DM_NAME_LEN, "%s", dm_task_get_name(task));
	return ret;
}

static int find_path(struct dmr_dm *dm, const char *path, char *name)
{
	struct stat st;

	if (stat(path, &st)) {
		int err = errno == ENOENT ? ENXIO : errno;

		return dmr_dm_fail(dm, -err, "%s: %s", path, strerror(errno));
	}
	if (!S_ISBLK(st.st_mode))
		return dmr_dm_fail(dm, -ENOTBLK, "%s is not a block device",
				   path);
	return find_number(dm, path, major(st.st_rdev), minor(st.st_rdev),
			   name);
}

int dmr_dm_find(struct dmr_dm *dm, const char *what,
		char name[DMR_DM_NAME_LEN])
{
	unsigned int major, minor;
	struct dmr_dm_info info;
	int end = 0;

	dmr_dm_begin(dm);
	if (what[0] == '/')
		return find_path(dm, what, name);
	if (sscanf(what, "%u:%u%n", &major, &minor, &end) == 2 && !what[end])
		return find_number(dm, what, major, minor, name);
	if (strlen(what) >= DMR_DM_NAME_LEN)
		return dmr_dm_fail(dm, -ENXIO, "there is no device %s", what);
	snprintf(name, DMR_DM_NAME_LEN, "%s", what);
	return dmr_dm_look(dm, what, &info);
}

int dmr_dm_name(struct dmr_dm *dm, const char *volume, const char *suffix,
		char name[DMR_DM_NAME_LEN])
{
	int n = snprintf(name, DMR_DM_NAME_LEN, "%s%s", volume, suffix);

	if (n >= 0 && n < DMR_DM_NAME_LEN)
		return 0;
	return dmr_dm_fail(dm, -EINVAL, "%s is too long: at most %zu letters",
			   volume, DMR_DM_NAME_LEN - 1 - strlen(suffix));
}

static bool ends_in(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len && !strcmp(name + len - suffix_len, suffix);
}

int dmr_dm_check_name(struct dmr_dm *dm, const char *name)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._+-";
	char hidden[DMR_DM_NAME_LEN];

	dmr_dm_begin(dm);
	if (!name[0] || name[strspn(name, good)] || name[0] == '-' ||
	    !strcmp(name, ".") || !strcmp(name, ".."))
		return dmr_dm_fail(dm, -EINVAL,
				   "'%.100s' can't be a volume's name: use letters, "
				   "digits and . _ + -, '-' not first", name);
	if (ends_in(name, DMR_ORIGIN_SUFFIX) || ends_in(name, DMR_VIEW_SUFFIX))
		return dmr_dm_fail(dm, -EINVAL,
				   "%.100s is a part of another volume", name);
	return dmr_dm_name(dm, name, DMR_ORIGIN_SUFFIX, hidden);
}

/* --- replicas and views --------------------------------------------------- */

int dmr_dm_create(struct dmr_dm *dm, const char *name, const char *origin,
		  const char *meta, uint64_t sectors, const char *options)
{
	char params[DMR_DM_PARAMS_LEN];
	struct dm_row row = { 0, sectors, "replica", params };
	struct dm_rows rows = { &row, 1 };
	int ret = dmr_dm_check_name(dm, name);

	if (ret)
		return ret;
	if (dmr_dm_number(name))
		return dmr_dm_fail(dm, -EEXIST,
				   "there is a device %s already", name);
	if (snprintf(params, sizeof(params), "%s %s %s", origin,
		     meta ? meta : "-", options ? options : "0") >=
	    (int)sizeof(params))
		return dmr_dm_fail(dm, -EINVAL, "%s: too many options", name);
	return dmr_dm_make(dm, name, NULL, &rows, DM_SHOWN);
}

int dmr_dm_remove(struct dmr_dm *dm, const char *name)
{
	dmr_dm_begin(dm);
	return dmr_dm_unmake(dm, name, DM_SHOWN);
}

/* 1: there is a view of this volume that fits, 0: there is none now. */
static int check_old_view(struct dmr_dm *dm, const char *view,
			  const struct dmr_dm_info *volume)
{
	struct dmr_dm_info old;
	int ret;

	if (!dmr_dm_number(view))
		return 0;
	ret = dmr_dm_look(dm, view, &old);
	if (ret)
		return ret;
	if (old.form == DMR_DM_VIEW && old.origin == volume->origin &&
	    old.sectors == volume->sectors && !old.is_suspended)
		return 1;
	return dmr_dm_unmake(dm, view, DM_HIDDEN_READ_ONLY);
}

int dmr_dm_create_view(struct dmr_dm *dm, const char *volume, char *path)
{
	char view[DMR_DM_NAME_LEN], params[32];
	struct dm_row row = { 0, 0, "replica-view", params };
	struct dm_rows rows = { &row, 1 };
	struct dmr_dm_info info;
	int ret;

	dmr_dm_begin(dm);
	ret = dmr_dm_name(dm, volume, DMR_VIEW_SUFFIX, view);
	if (!ret)
		ret = dmr_dm_look(dm, volume, &info);
	if (!ret && info.form != DMR_DM_REPLICA && info.form != DMR_DM_INSERTED)
		ret = dmr_dm_fail(dm, -EINVAL, "%s is not a replica device",
				  volume);
	if (ret)
		return ret;
	snprintf(path, DMR_DM_PATH_LEN, "%s/%s", dm_dir(), view);
	ret = check_old_view(dm, view, &info);
	if (ret)
		return ret < 0 ? ret : 0;
	row.sectors = info.sectors;
	snprintf(params, sizeof(params), "%u:%u",
		 (unsigned int)(info.origin >> 32), (unsigned int)info.origin);
	return dmr_dm_make(dm, view, NULL, &rows, DM_HIDDEN_READ_ONLY);
}

int dmr_dm_drop_view(struct dmr_dm *dm, const char *volume)
{
	char view[DMR_DM_NAME_LEN];
	int ret = dmr_dm_name(dm, volume, DMR_VIEW_SUFFIX, view);

	return ret ? ret : dmr_dm_unmake(dm, view, DM_HIDDEN_READ_ONLY);
}

int dmr_dm_remove_view(struct dmr_dm *dm, const char *volume)
{
	dmr_dm_begin(dm);
	return dmr_dm_drop_view(dm, volume);
}
