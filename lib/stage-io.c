// SPDX-License-Identifier: LGPL-2.1-or-later
/* The system's calls behind a stage, each until it has done the whole. */
#include "stage-io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define ZEROS_LEN	(256 * 1024)

static int sys_open(void *arg, const char *path, int flags)
{
	int fd;

	/* Whatever stands in a directory: a pipe is not waited for. */
	if ((flags & O_ACCMODE) == O_RDONLY)
		flags |= O_NONBLOCK;
	fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : fd;
}

static void sys_close(void *arg, int fd)
{
	close(fd);
}

static int sys_lock(void *arg, int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (!fcntl(fd, F_OFD_SETLK, &lock))
		return 0;
	return errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
}

static int sys_size(void *arg, int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode)) {
		*size = st.st_size;
		return 0;
	}
	return ioctl(fd, BLKGETSIZE64, size) ? -errno : 0;
}

static void advance(struct iovec **iov, int *nr, size_t done)
{
	while (*nr && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		++*iov;
		--*nr;
	}
	if (*nr) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

static int sys_pwritev(void *arg, int fd, struct iovec *iov, int nr,
		       uint64_t off)
{
	while (nr) {
		ssize_t n = pwritev(fd, iov, nr, off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		off += n;
		advance(&iov, &nr, n);
	}
	return 0;
}

static ssize_t sys_pread(void *arg, int fd, void *buf, size_t len,
			 uint64_t off)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done,
				  off + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return done;
}

static int write_zeros(void *arg, int fd, uint64_t off, uint64_t len)
{
	static const char zeros[ZEROS_LEN];
	int err = 0;

	while (!err && len) {
		struct iovec iov = {
			.iov_base = (void *)zeros,
			.iov_len = len < ZEROS_LEN ? len : ZEROS_LEN,
		};
		uint64_t now = iov.iov_len;

		err = sys_pwritev(arg, fd, &iov, 1, off);
		off += now;
		len -= now;
	}
	return err;
}

/* Punching keeps a sparse base sparse; a block device does it by itself. */
static int sys_zero(void *arg, int fd, uint64_t off, uint64_t len)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	if (!fallocate(fd, mode, off, len))
		return 0;
	if (errno != EOPNOTSUPP && errno != ENODEV && errno != EINVAL)
		return -errno;
	return write_zeros(arg, fd, off, len);
}

static bool sys_is_hole(void *arg, int fd, uint64_t off, uint64_t *len)
{
	off_t data = lseek(fd, off, SEEK_DATA), hole;

	if (data < 0)
		return errno == ENXIO;	/* nothing but a hole up to the end */
	if ((uint64_t)data > off) {
		if ((uint64_t)data - off < *len)
			*len = data - off;
		return true;
	}
	hole = lseek(fd, off, SEEK_HOLE);
	if (hole > (off_t)off && (uint64_t)hole - off < *len)
		*len = hole - off;
	return false;
}

static int sys_truncate(void *arg, int fd, uint64_t len)
{
	return ftruncate(fd, len) ? -errno : 0;
}

static int sys_sync(void *arg, int fd)
{
	return fdatasync(fd) ? -errno : 0;
}

/* WRITE alone leaves an error to be told by the next fdatasync. */
static void sys_begin_sync(void *arg, int fd, uint64_t off, uint64_t len)
{
	sync_file_range(fd, off, len, SYNC_FILE_RANGE_WRITE);
}

static void sys_drop_cache(void *arg, int fd)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

static int sys_unlink(void *arg, const char *path)
{
	return unlink(path) ? -errno : 0;
}

static int sys_rename(void *arg, const char *from, const char *to)
{
	return rename(from, to) ? -errno : 0;
}

static int sys_mkdir(void *arg, const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static int sys_rmdir(void *arg, const char *path)
{
	return rmdir(path) && errno != ENOTEMPTY && errno != EEXIST &&
	       errno != ENOENT ? -errno : 0;
}

static bool sys_is_file(void *arg, int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode);
}

/* A file system that does not say how large it is sets no limit. */
static int sys_most(void *arg, int fd, uint64_t *bytes)
{
	struct statvfs fs;

	if (!sys_is_file(arg, fd))
		return sys_size(arg, fd, bytes);
	if (fstatvfs(fd, &fs))
		return -errno;
	*bytes = fs.f_blocks ? (uint64_t)fs.f_blocks * fs.f_frsize :
			       UINT64_MAX;
	return 0;
}

static int sys_sync_dir(void *arg, const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

static int sys_list(void *arg, const char *path,
		    int (*fn)(void *fn_arg, const char *name), void *fn_arg)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int err = 0;

	if (!dir)
		return -errno;
	while (!err && (e = readdir(dir)))
		err = fn(fn_arg, e->d_name);
	closedir(dir);
	return err;
}

static uint64_t sys_now(void *arg)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/*
 * A block device tells its driver's word for it to who reads past the cache
 * (O_DIRECT), and some file systems hand it on; the cache makes EIO of all.
 * What heals by itself, or once a cable, a path, a reservation or some memory
 * is there again: ETIMEDOUT, ETIME, ENOLINK, EBADE, ENODEV, ENXIO, ENOMEM,
 * EAGAIN, EBUSY and whatever is not known. EUCLEAN and EBADMSG are a file
 * system's that is to be checked.
 */
int stage_read_error(int err)
{
	switch (err) {
	case -EIO:
	case -ENODATA:		/* the medium: BLK_STS_MEDIUM */
	case -EREMOTEIO:	/* the device, by any path: BLK_STS_TARGET */
	case -EILSEQ:		/* its checksum: BLK_STS_PROTECTION */
		return -EIO;
	case -EBADMSG:
	case -ENOENT:
	case -EPROTONOSUPPORT:
		return -EUCLEAN;
	}
	return err;
}

ssize_t stage_pread(const struct stage_io *io, int fd, void *buf, size_t len,
		    uint64_t off)
{
	ssize_t n = io->pread(io->arg, fd, buf, len, off);

	return n < 0 ? stage_read_error(n) : n;
}

const struct stage_io stage_system_io = {
	.open = sys_open,
	.close = sys_close,
	.lock = sys_lock,
	.size = sys_size,
	.pwritev = sys_pwritev,
	.pread = sys_pread,
	.zero = sys_zero,
	.is_hole = sys_is_hole,
	.truncate = sys_truncate,
	.sync = sys_sync,
	.drop_cache = sys_drop_cache,
	.unlink = sys_unlink,
	.rename = sys_rename,
	.mkdir = sys_mkdir,
	.rmdir = sys_rmdir,
	.is_file = sys_is_file,
	.most = sys_most,
	.begin_sync = sys_begin_sync,
	.sync_dir = sys_sync_dir,
	.list = sys_list,
	.now = sys_now,
};
