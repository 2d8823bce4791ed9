// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle-sim-writer: oracle-writer on volumes of the simulated kernel
 * (sim-kernel.h), which are named by a word instead of a path. Its system calls
 * are replaced by these (ld's --wrap).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sim-kernel.h"

#define FD_BASE		10000
#define MAX		16

int __real_open(const char *path, int flags, mode_t mode);
off_t __real_lseek(int fd, off_t off, int whence);
int __wrap_open(const char *path, int flags, ...);
off_t __wrap_lseek(int fd, off_t off, int whence);
ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int nr, off_t off,
			int flags);
int __wrap_fdatasync(int fd);
int __wrap_ioctl(int fd, unsigned long request, ...);

static const char *names[MAX];
static int nr_names;

static int fail(int err)
{
	errno = -err;
	return -1;
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
	va_end(args);
	if (strchr(path, '/'))
		return __real_open(path, flags, mode);
	if (nr_names == MAX)
		return fail(-EMFILE);
	names[nr_names] = path;
	return FD_BASE + nr_names++;
}

off_t __wrap_lseek(int fd, off_t off, int whence)
{
	struct dmr_info info;
	bool is_plain;
	int err;

	if (fd < FD_BASE)
		return __real_lseek(fd, off, whence);
	err = sim_info(names[fd - FD_BASE], &info, &is_plain);
	return err ? fail(err) : (off_t)info.sectors * 512;
}

ssize_t __wrap_pwritev2(int fd, const struct iovec *iov, int nr, off_t off,
			int flags)
{
	int err = sim_write(names[fd - FD_BASE], iov->iov_base, iov->iov_len,
			    off);

	return err ? fail(err) : (ssize_t)iov->iov_len;
}

int __wrap_fdatasync(int fd)
{
	return 0;
}

/* BLKZEROOUT and BLKDISCARD: zeros, here. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
	const uint64_t *range;
	va_list args;
	void *zeros;
	int err;

	va_start(args, request);
	range = va_arg(args, const uint64_t *);
	va_end(args);
	zeros = calloc(1, range[1]);
	if (!zeros)
		return fail(-ENOMEM);
	err = sim_write(names[fd - FD_BASE], zeros, range[1], range[0]);
	free(zeros);
	return err ? fail(err) : 0;
}
