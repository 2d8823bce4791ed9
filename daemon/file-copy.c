// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A lease for writing is given to the only one who has a file open. Whoever
 * opens it then waits, until it is closed, or the kernel takes the lease away
 * after its lease-break-time; we are told by a signal that does nothing, and
 * look.
 *
 * A reflink is made while the kernel lets nobody write to the file, after all
 * writes that have begun, also those in its page cache.
 *
 * C1 between any two looks at is_stopping not more than two pieces are copied,
 *    or written to the disk: replicad's stop waits no longer for a copy.
 * C2 a copy is one only if no write of it has failed. Who waits for some of it
 *    is told of a failure, and nobody after him: fsync() isn't, so each counts.
 */
#include "file-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEASE_MS	2000
#define LEASE_NAP_MS	50
#define PIECE		(16 << 20)	/* between two looks at the lease */

static atomic_bool is_stopping;

void file_copy_stop(void)
{
	is_stopping = true;
}

static int take_lease(int fd)
{
	return fcntl(fd, F_SETSIG, SIGURG) ||
	       fcntl(fd, F_SETLEASE, F_WRLCK) ? -errno : 0;
}

/* A loop device lets go of its file a moment after it was told to. */
static int wait_for_lease(int fd)
{
	const struct timespec nap = { 0, LEASE_NAP_MS * 1000000 };
	int tries = LEASE_MS / LEASE_NAP_MS, ret = take_lease(fd);

	while (ret == -EAGAIN && tries--) {
		nanosleep(&nap, NULL);
		ret = take_lease(fd);
	}
	return ret == -EAGAIN ? -EBUSY : ret;
}

int file_check_unused(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int ret = fd < 0 ? -errno : wait_for_lease(fd);

	if (fd >= 0)
		close(fd);
	return ret == -ENOENT ? 0 : ret;
}

/* The piece that is on its way to the disk; len 0: none. */
struct piece {
	off_t at, len;
};

/* C2. This one begins its way when the one before it is there. */
static int write_back(int fd, struct piece *before, off_t at, off_t len)
{
	if (sync_file_range(fd, at, len, SYNC_FILE_RANGE_WRITE))
		return -errno;
	if (before->len &&
	    sync_file_range(fd, before->at, before->len,
			    SYNC_FILE_RANGE_WAIT_BEFORE |
			    SYNC_FILE_RANGE_WRITE |
			    SYNC_FILE_RANGE_WAIT_AFTER))
		return -errno;
	*before = (struct piece){ at, len };
	return 0;
}

/* A copy that is under way. */
struct copy {
	int from, to;
	struct piece before;
	atomic_ullong *done;
};

/* C1, C2: after each piece. */
static int go_on(struct copy *c, off_t at, off_t len)
{
	atomic_fetch_add(c->done, len);
	return is_stopping ? -ECANCELED :
			     write_back(c->to, &c->before, at, len);
}

/* What is between @at and @end. */
static int copy_extent(struct copy *c, off_t at, off_t end)
{
	off_t to_at = at;
	int ret = 0;

	while (!ret && at < end) {
		size_t len = end - at < PIECE ? end - at : PIECE;
		ssize_t n = copy_file_range(c->from, &at, c->to, &to_at, len,
					    0);

		if (n <= 0)
			return n ? -errno : -EIO;
		if (fcntl(c->from, F_GETLEASE) != F_WRLCK)
			return -EBUSY;
		ret = go_on(c, to_at - n, n);
	}
	return ret;
}

/* Holes stay holes. Under the lease, so that it stays as it is. */
static int copy_all(struct copy *c)
{
	struct stat st;
	off_t at = 0;
	int ret = fstat(c->from, &st) || ftruncate(c->to, st.st_size) ?
		  -errno : 0;

	while (!ret) {
		off_t data = lseek(c->from, at, SEEK_DATA);

		if (data < 0 && errno != ENXIO)
			return -errno;
		if (data < 0)
			return fcntl(c->from, F_GETLEASE) == F_WRLCK ? 0 :
								       -EBUSY;
		at = lseek(c->from, data, SEEK_HOLE);
		ret = at < 0 ? -errno : copy_extent(c, data, at);
	}
	return ret;
}

int file_reflink(const char *from, const char *to)
{
	int in = open(from, O_RDWR | O_CLOEXEC);
	int out = in < 0 ? -1 : open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				     0600);
	int ret = out < 0 || ioctl(out, FICLONE, in) || fsync(out) ? -errno : 0;

	if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
	return ret == -ENOTTY || ret == -EINVAL ? -EOPNOTSUPP : ret;
}

/* Both are closed. */
static int end(struct copy *c, int ret)
{
	if (!ret && is_stopping)
		ret = -ECANCELED;
	if (!ret && fsync(c->to))
		ret = -errno;
	if (c->to >= 0)
		close(c->to);
	if (c->from >= 0)
		close(c->from);
	return ret;
}

int file_copy(const char *from, const char *to, atomic_ullong *done)
{
	struct copy c = { .done = done };
	int ret;

	c.from = open(from, O_RDWR | O_CLOEXEC);
	c.to = c.from < 0 ? -1 : open(to, O_RDWR | O_CLOEXEC);
	ret = c.to < 0 ? -errno : wait_for_lease(c.from);
	return end(&c, ret ?: copy_all(&c));
}

/* --- devices -------------------------------------------------------------- */

/* The page cache is for others. What was written in part is read again. */
static int copy_bytes(struct copy *c, char *buf, uint64_t bytes)
{
	off_t at = 0;
	int ret = 0;

	while (!ret && (uint64_t)at < bytes) {
		size_t len = bytes - at < PIECE ? bytes - at : PIECE;
		ssize_t n = pread(c->from, buf, len, at);

		if (n > 0)
			n = pwrite(c->to, buf, n, at);
		if (n <= 0)
			return n ? -errno : -EIO;
		ret = go_on(c, at, n);
		posix_fadvise(c->from, at, n, POSIX_FADV_DONTNEED);
		posix_fadvise(c->to, 0, at, POSIX_FADV_DONTNEED);
		at += n;
	}
	return ret;
}

int device_copy(const char *from, const char *to, uint64_t bytes,
		atomic_ullong *done)
{
	struct copy c = { .done = done };
	char *buf = malloc(PIECE);
	int ret;

	c.from = open(from, O_RDONLY | O_CLOEXEC);
	c.to = c.from < 0 ? -1 : open(to, O_WRONLY | O_EXCL | O_CLOEXEC);
	ret = c.to < 0 ? -errno : buf ? copy_bytes(&c, buf, bytes) : -ENOMEM;
	free(buf);
	return end(&c, ret);
}
