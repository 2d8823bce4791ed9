// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Looking at a stage that somebody else may have open: files are read, and what
 * would change them is said to be done. So a log is recovered in memory, as it
 * would be after a kill at this moment, and nothing of it is lost.
 *
 * What is dropped, or begun, by the process that has it may be missed: so what
 * a look takes for damage counts only if there is no such process.
 */
#include "stage-io.h"

#include <errno.h>
#include <fcntl.h>

static int view_open(void *arg, const char *path, int flags)
{
	return stage_system_io.open(arg, path, flags & O_DIRECTORY);
}

static void view_close(void *arg, int fd)
{
	stage_system_io.close(arg, fd);
}

bool stage_view_is_locked(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
}

static int view_lock(void *arg, int fd)
{
	return 0;
}

static int view_size(void *arg, int fd, uint64_t *size)
{
	return stage_system_io.size(arg, fd, size);
}

static int view_pwritev(void *arg, int fd, struct iovec *iov, int nr,
			uint64_t off)
{
	return 0;
}

static ssize_t view_pread(void *arg, int fd, void *buf, size_t len,
			  uint64_t off)
{
	return stage_system_io.pread(arg, fd, buf, len, off);
}

static int view_zero(void *arg, int fd, uint64_t off, uint64_t len)
{
	return 0;
}

static bool view_is_hole(void *arg, int fd, uint64_t off, uint64_t *len)
{
	return stage_system_io.is_hole(arg, fd, off, len);
}

static int view_truncate(void *arg, int fd, uint64_t len)
{
	return 0;
}

static int view_sync(void *arg, int fd)
{
	return 0;
}

static void view_begin_sync(void *arg, int fd, uint64_t off, uint64_t len)
{
}

static void view_drop_cache(void *arg, int fd)
{
}

static int view_unlink(void *arg, const char *path)
{
	return 0;
}

static int view_rename(void *arg, const char *from, const char *to)
{
	return 0;
}

static int view_mkdir(void *arg, const char *path)
{
	return -EROFS;
}

static int view_rmdir(void *arg, const char *path)
{
	return 0;
}

static int view_most(void *arg, int fd, uint64_t *bytes)
{
	return stage_system_io.most(arg, fd, bytes);
}

static bool view_is_file(void *arg, int fd)
{
	return false;
}

static int view_sync_dir(void *arg, const char *path)
{
	return 0;
}

static int view_list(void *arg, const char *path,
		     int (*fn)(void *fn_arg, const char *name), void *fn_arg)
{
	return stage_system_io.list(arg, path, fn, fn_arg);
}

static uint64_t view_now(void *arg)
{
	return stage_system_io.now(arg);
}

const struct stage_io stage_view_io = {
	.open = view_open,
	.close = view_close,
	.lock = view_lock,
	.size = view_size,
	.pwritev = view_pwritev,
	.pread = view_pread,
	.zero = view_zero,
	.is_hole = view_is_hole,
	.truncate = view_truncate,
	.sync = view_sync,
	.drop_cache = view_drop_cache,
	.unlink = view_unlink,
	.rename = view_rename,
	.mkdir = view_mkdir,
	.rmdir = view_rmdir,
	.is_file = view_is_file,
	.most = view_most,
	.begin_sync = view_begin_sync,
	.sync_dir = view_sync_dir,
	.list = view_list,
	.now = view_now,
};
