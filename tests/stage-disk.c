// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The trace has every change with its data. A file is its changes in their
 * order; which of them are safe at a moment follows from the syncs before it.
 * Names are the same: made, removed and renamed in the trace, safe with the
 * sync of their directory.
 */
#include "stage-disk-impl.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- files and names ------------------------------------------------------ */

void disk_file_resize(struct file *f, uint64_t size)
{
	if (size > f->size) {
		f->data = realloc(f->data, size);
		memset(f->data + f->size, 0, size - f->size);
	}
	f->size = size;
	if (f->filled > size)
		f->filled = size;
}

void disk_file_write(struct file *f, const char *data, uint64_t off,
		     uint64_t len)
{
	if (off + len > f->size)
		disk_file_resize(f, off + len);
	if (!len)
		return;
	if (data)
		memcpy(f->data + off, data, len);
	else
		memset(f->data + off, 0, len);
}

int disk_add_file(struct disk *d)
{
	d->files = realloc(d->files, (d->nr_files + 1) * sizeof(*d->files));
	d->files[d->nr_files] = (struct file) { 0 };
	return d->nr_files++;
}

static struct name *find_name(struct disk *d, const char *path)
{
	for (unsigned int i = 0; i < d->nr_names; i++)
		if (!strcmp(d->names[i].path, path))
			return &d->names[i];
	return NULL;
}

void disk_set_name(struct disk *d, const char *path, int file)
{
	struct name *n = find_name(d, path);

	if (!n) {
		d->names = realloc(d->names, (d->nr_names + 1) *
				   sizeof(*d->names));
		n = &d->names[d->nr_names++];
		snprintf(n->path, sizeof(n->path), "%s", path);
	}
	n->file = file;
}

static int file_of(struct disk *d, const char *path)
{
	struct name *n = find_name(d, path);

	return n ? n->file : -1;
}

void disk_trace(struct disk *d, enum op_type type, int file, const char *path,
		uint64_t off, uint64_t len, const char *data)
{
	struct op *op;

	if (!d->tracing)
		return;
	if (d->nr_ops == d->max_ops) {
		d->max_ops = d->max_ops ? d->max_ops * 2 : 1024;
		d->ops = realloc(d->ops, d->max_ops * sizeof(*d->ops));
	}
	op = &d->ops[d->nr_ops++];
	*op = (struct op) { type, file, -1, "", off, len, NULL, d->now };
	snprintf(op->path, sizeof(op->path), "%s", path ? path : "");
	if (data) {
		op->data = malloc(len);
		memcpy(op->data, data, len);
	}
}

/* --- calls ---------------------------------------------------------------- */

static int enter(struct disk *d, bool can_fail)
{
	pthread_mutex_lock(&d->lock);
	if (!can_fail)
		return 0;
	d->calls++;
	if (d->fail_at && d->calls >= d->fail_at &&
	    d->calls <= d->fail_at + d->fail_more)
		return d->fail_err;
	return 0;
}

static int leave(struct disk *d, int ret)
{
	pthread_mutex_unlock(&d->lock);
	return ret;
}

static int fd_file(struct disk *d, int fd)
{
	int file = d->fds[fd - FD_BASE] - 1;

	assert(fd >= FD_BASE && file >= 0);
	return file;
}

static const char *path_of(struct disk *d, int file)
{
	for (unsigned int i = 0; i < d->nr_names; i++)
		if (d->names[i].file == file)
			return d->names[i].path;
	return "";
}

static bool is_part(const char *part, const char *path)
{
	return part[0] && strstr(path, part);
}

static bool is_broken(struct disk *d, int file)
{
	return is_part(d->broken_part, path_of(d, file));
}

static bool is_bad(struct disk *d, const struct bad_range *r, int file,
		   uint64_t off, uint64_t len)
{
	return r->len && !strcmp(path_of(d, file), r->path) &&
	       off < r->off + r->len && r->off < off + len;
}

static int take_fd(struct disk *d, int file)
{
	for (int i = 0; i < FDS; i++) {
		if (d->fds[i])
			continue;
		d->fds[i] = file + 1;
		d->locked[i] = false;
		return FD_BASE + i;
	}
	return -EMFILE;
}

static int disk_open(void *arg, const char *path, int flags)
{
	struct disk *d = arg;
	int file, ret = enter(d, flags & O_CREAT);

	if (ret)
		return leave(d, ret);
	file = file_of(d, path);
	if (file < 0 && !(flags & O_CREAT))
		return leave(d, -ENOENT);
	if (file < 0) {
		file = disk_add_file(d);
		disk_set_name(d, path, file);
		disk_trace(d, OP_CREATE, file, path, 0, 0, NULL);
	} else if (flags & O_TRUNC && d->files[file].size) {
		d->used -= d->files[file].filled;
		disk_file_resize(&d->files[file], 0);
		disk_trace(d, OP_SIZE, file, NULL, 0, 0, NULL);
	}
	return leave(d, take_fd(d, file));
}

static void disk_close(void *arg, int fd)
{
	struct disk *d = arg;

	enter(d, false);
	fd_file(d, fd);
	d->fds[fd - FD_BASE] = 0;
	leave(d, 0);
}

static int disk_lock(void *arg, int fd)
{
	struct disk *d = arg;
	int ret = enter(d, false), file = fd_file(d, fd);

	for (int i = 0; i < FDS; i++)
		if (d->fds[i] == file + 1 && d->locked[i] && i != fd - FD_BASE)
			ret = -EBUSY;
	d->locked[fd - FD_BASE] = !ret;
	return leave(d, ret);
}

static int disk_size(void *arg, int fd, uint64_t *size)
{
	struct disk *d = arg;

	enter(d, false);
	*size = d->files[fd_file(d, fd)].size;
	return leave(d, 0);
}

/* A hole before the end costs as data does, one behind all data nothing. */
static int allocate(struct disk *d, int file, uint64_t end)
{
	uint64_t *filled = &d->files[file].filled, used = d->used;

	if (end <= *filled)
		return 0;
	used += end - *filled;
	if (d->space && used > d->space)
		return -ENOSPC;
	d->used = used;
	*filled = end;
	return 0;
}

static int disk_pwritev(void *arg, int fd, struct iovec *iov, int nr,
			uint64_t off)
{
	struct disk *d = arg;
	uint64_t at = off, len = 0;
	int file, ret = enter(d, true);
	char *all;

	file = fd_file(d, fd);
	if (is_part(d->slow_part, path_of(d, file))) {
		leave(d, 0);
		usleep(d->slow_ms * 1000);
		pthread_mutex_lock(&d->lock);
	}
	for (int i = 0; i < nr; i++)
		len += iov[i].iov_len;
	if (is_broken(d, file) || is_bad(d, &d->bad, file, off, len))
		ret = -EIO;
	if (!ret)
		ret = allocate(d, file, off + len);
	if (ret)
		return leave(d, ret);
	all = malloc(len);
	for (int i = 0; i < nr; at += iov[i].iov_len, i++)
		memcpy(all + (at - off), iov[i].iov_base, iov[i].iov_len);
	disk_file_write(&d->files[file], all, off, len);
	disk_trace(d, OP_WRITE, file, NULL, off, len, all);
	free(all);
	return leave(d, 0);
}

static ssize_t disk_pread(void *arg, int fd, void *buf, size_t len,
			  uint64_t off)
{
	struct disk *d = arg;
	struct file *f;

	enter(d, false);
	if (++d->reads == d->fail_read || is_broken(d, fd_file(d, fd)) ||
	    is_bad(d, &d->unreadable, fd_file(d, fd), off, len))
		return leave(d, d->read_err ? d->read_err : -EIO);
	f = &d->files[fd_file(d, fd)];
	if (off >= f->size)
		len = 0;
	else if (len > f->size - off)
		len = f->size - off;
	if (len)
		memcpy(buf, f->data + off, len);
	leave(d, 0);
	return len;
}

static int disk_zero(void *arg, int fd, uint64_t off, uint64_t len)
{
	struct disk *d = arg;
	int ret = enter(d, true), file = fd_file(d, fd);

	if (is_broken(d, file))
		ret = -EIO;
	if (ret)
		return leave(d, ret);
	disk_file_write(&d->files[file], NULL, off, len);
	disk_trace(d, OP_ZERO, file, NULL, off, len, NULL);
	return leave(d, 0);
}

static bool disk_is_hole(void *arg, int fd, uint64_t off, uint64_t *len)
{
	return false;
}

static int disk_truncate(void *arg, int fd, uint64_t len)
{
	struct disk *d = arg;
	int ret = enter(d, true), file = fd_file(d, fd);

	if (ret)
		return leave(d, ret);
	if (len < d->files[file].filled)
		d->used -= d->files[file].filled - len;
	disk_file_resize(&d->files[file], len);
	disk_trace(d, OP_SIZE, file, NULL, 0, len, NULL);
	return leave(d, 0);
}

static int disk_sync(void *arg, int fd)
{
	struct disk *d = arg;
	int ret = enter(d, true), file = fd_file(d, fd);

	if (is_broken(d, file))
		ret = -EIO;
	if (d->sync_fails && is_part(d->sync_part, path_of(d, file))) {
		d->sync_fails--;
		ret = d->sync_err ? d->sync_err : -EIO;
	}
	disk_trace(d, ret ? OP_LOST : OP_SYNC, file, NULL, 0, 0, NULL);
	return leave(d, ret);
}

/* It may be there then, or not: so may all that was not synced. */
static void disk_begin_sync(void *arg, int fd, uint64_t off, uint64_t len)
{
	struct disk *d = arg;

	enter(d, false);
	assert(off + len <= d->files[fd_file(d, fd)].size);
	d->begun += len;
	leave(d, 0);
}

/* What is on the disk, where a failed sync has lost something. */
static void disk_drop_cache(void *arg, int fd)
{
	struct disk *d = arg;
	enum fate *fates;
	struct file *f;
	int file;

	enter(d, false);
	if (!d->tracing) {
		leave(d, 0);
		return;
	}
	fates = disk_find_fates(d, d->nr_ops);
	file = fd_file(d, fd);
	f = &d->files[file];
	disk_file_resize(f, 0);
	for (uint64_t i = 0; i < d->nr_ops; i++)
		if (d->ops[i].file == file && fates[i] != LOST)
			disk_replay(f, &d->ops[i]);
	free(fates);
	leave(d, 0);
}

static int disk_unlink(void *arg, const char *path)
{
	struct disk *d = arg;
	int ret = enter(d, true), file = file_of(d, path);

	if (!ret && file < 0)
		ret = -ENOENT;
	if (ret)
		return leave(d, ret);
	d->used -= d->files[file].filled;
	disk_set_name(d, path, -1);
	disk_trace(d, OP_UNLINK, file, path, 0, 0, NULL);
	return leave(d, 0);
}

static int disk_rename(void *arg, const char *from, const char *to)
{
	struct disk *d = arg;
	int ret = enter(d, true), file = file_of(d, from);

	if (ret || file < 0)
		return leave(d, ret ? ret : -ENOENT);
	disk_set_name(d, from, -1);
	disk_set_name(d, to, file);
	disk_trace(d, OP_RENAME, file, from, 0, strlen(to) + 1, to);
	return leave(d, 0);
}

static int disk_mkdir(void *arg, const char *path)
{
	return 0;
}

static int disk_rmdir(void *arg, const char *path)
{
	return 0;
}

static bool disk_is_file(void *arg, int fd)
{
	return true;
}

static int disk_most(void *arg, int fd, uint64_t *bytes)
{
	struct disk *d = arg;

	enter(d, false);
	*bytes = d->space ? d->space : UINT64_MAX;
	return leave(d, 0);
}

static int disk_sync_dir(void *arg, const char *path)
{
	struct disk *d = arg;
	int ret = enter(d, true);

	if (!ret)
		disk_trace(d, OP_SYNC_DIR, -1, path, 0, 0, NULL);
	return leave(d, ret);
}

static int disk_list(void *arg, const char *path,
		     int (*fn)(void *fn_arg, const char *name), void *fn_arg)
{
	struct disk *d = arg;
	size_t len = strlen(path);
	int ret = 0;

	for (unsigned int i = 0; !ret && i < d->nr_names; i++) {
		const char *p = d->names[i].path;

		if (d->names[i].file < 0 || strncmp(p, path, len) ||
		    p[len] != '/' || strchr(p + len + 1, '/'))
			continue;
		ret = fn(fn_arg, p + len + 1);
	}
	return ret;
}

static uint64_t disk_now(void *arg)
{
	struct disk *d = arg;
	uint64_t now;

	enter(d, false);
	now = d->now += 1000;
	leave(d, 0);
	return now;
}

/* --- making and breaking -------------------------------------------------- */

struct disk *disk_create(void)
{
	struct disk *d = calloc(1, sizeof(*d));

	pthread_mutex_init(&d->lock, NULL);
	d->tracing = true;
	d->now = 1000000000000ULL;
	d->io = (struct stage_io) {
		d, disk_open, disk_close, disk_lock, disk_size, disk_pwritev,
		disk_pread, disk_zero, disk_is_hole, disk_truncate,
		disk_sync, disk_drop_cache, disk_unlink,
		disk_rename, disk_mkdir, disk_sync_dir, disk_list, disk_now,
		disk_rmdir, disk_is_file, disk_most, disk_begin_sync,
	};
	return d;
}

void disk_destroy(struct disk *d)
{
	for (int i = 0; i < d->nr_files; i++)
		free(d->files[i].data);
	for (uint64_t i = 0; i < d->nr_ops; i++)
		free(d->ops[i].data);
	free(d->files);
	free(d->names);
	free(d->ops);
	free(d);
}

const struct stage_io *disk_io(struct disk *d)
{
	return &d->io;
}

void disk_set_now(struct disk *d, uint64_t now)
{
	enter(d, false);
	d->now = now;
	leave(d, 0);
}

void disk_fail(struct disk *d, uint64_t nth, int err, uint64_t more)
{
	enter(d, false);
	d->calls = 0;
	d->fail_at = nth;
	d->fail_err = err;
	d->fail_more = more;
	leave(d, 0);
}

uint64_t disk_calls(const struct disk *d)
{
	return d->calls;
}

void disk_fail_read(struct disk *d, uint64_t nth)
{
	enter(d, false);
	d->reads = 0;
	d->fail_read = nth;
	leave(d, 0);
}

void disk_set_read_error(struct disk *d, int err)
{
	enter(d, false);
	d->read_err = err;
	leave(d, 0);
}

uint64_t disk_begun(const struct disk *d)
{
	return d->begun;
}

uint64_t disk_reads(const struct disk *d)
{
	return d->reads;
}

void disk_fail_sync(struct disk *d, const char *part, unsigned int nr)
{
	enter(d, false);
	snprintf(d->sync_part, sizeof(d->sync_part), "%s", part);
	d->sync_fails = nr;
	leave(d, 0);
}

void disk_set_sync_error(struct disk *d, int err)
{
	enter(d, false);
	d->sync_err = err;
	leave(d, 0);
}

void disk_set_space(struct disk *d, uint64_t bytes)
{
	enter(d, false);
	d->space = bytes;
	leave(d, 0);
}

void disk_break(struct disk *d, const char *part)
{
	enter(d, false);
	snprintf(d->broken_part, sizeof(d->broken_part), "%s", part);
	leave(d, 0);
}

static void set_range(struct disk *d, struct bad_range *r, const char *path,
		      uint64_t off, uint64_t len)
{
	enter(d, false);
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->off = off;
	r->len = len;
	leave(d, 0);
}

void disk_break_range(struct disk *d, const char *path, uint64_t off,
		      uint64_t len)
{
	set_range(d, &d->bad, path, off, len);
}

void disk_break_reads(struct disk *d, const char *path, uint64_t off,
		      uint64_t len)
{
	set_range(d, &d->unreadable, path, off, len);
}

void disk_slow(struct disk *d, const char *part, unsigned int ms)
{
	enter(d, false);
	snprintf(d->slow_part, sizeof(d->slow_part), "%s", part);
	d->slow_ms = ms;
	leave(d, 0);
}

uint64_t disk_moment(const struct disk *d)
{
	return d->nr_ops;
}

bool disk_is_sync(const struct disk *d, uint64_t moment)
{
	return d->ops[moment].type == OP_SYNC ||
	       d->ops[moment].type == OP_SYNC_DIR;
}

char *disk_data(struct disk *d, const char *path, uint64_t *size)
{
	int file = file_of(d, path);

	if (file < 0)
		return NULL;
	*size = d->files[file].size;
	return d->files[file].data;
}

void disk_remove(struct disk *d, const char *path)
{
	disk_set_name(d, path, -1);
}

void disk_resize(struct disk *d, const char *path, uint64_t size)
{
	int file = file_of(d, path);

	if (file >= 0)
		disk_file_resize(&d->files[file], size);
}

const char *disk_name(struct disk *d, unsigned int nth)
{
	for (unsigned int i = 0; i < d->nr_names; i++)
		if (d->names[i].file >= 0 && !nth--)
			return d->names[i].path;
	return NULL;
}
