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

/* What is between @at and @end. */
static int copy_extent(int from, int to, struct piece *before, off_t at,
		       off_t end)
{
	off_t to_at = at;
	int ret = 0;

	while (!ret && at < end) {
		size_t len = end - at < PIECE ? end - at : PIECE;
		ssize_t n = copy_file_range(from, &at, to, &to_at, len, 0);

		if (n <= 0)
			return n ? -errno : -EIO;
		if (fcntl(from, F_GETLEASE) != F_WRLCK)
			return -EBUSY;
		if (is_stopping)
			return -ECANCELED;
		ret = write_back(to, before, to_at - n, n);
	}
	return ret;
}

/* Holes stay holes. Under the lease, so that it stays as it is. */
static int copy_all(int from, int to, off_t bytes)
{
	struct piece before = { 0 };
	off_t at = 0;
	int ret = ftruncate(to, bytes) ? -errno : 0;

	while (!ret) {
		off_t data = lseek(from, at, SEEK_DATA);

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		at = lseek(from, data, SEEK_HOLE);
		ret = at < 0 ? -errno : copy_extent(from, to, &before, data,
						 at);
	}
	return ret;
}

static int copy(int from, int to)
{
	struct stat st;
	int ret;

	if (!ioctl(to, FICLONE, from))
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOTTY && errno != EINVAL)
		return -errno;
	ret = wait_for_lease(from);
	if (!ret && fstat(from, &st))
		ret = -errno;
	return ret ? ret : copy_all(from, to, st.st_size);
}

int file_copy(const char *from, const char *to, uint64_t *bytes)
{
	int in = open(from, O_RDWR | O_CLOEXEC);
	int out = in < 0 ? -1 : open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
				     0600);
	int ret = out < 0 ? -errno : copy(in, out);
	struct stat st;

	if (!ret && is_stopping)
		ret = -ECANCELED;
	if (!ret && (fsync(out) || fstat(out, &st)))
		ret = -errno;
	if (!ret)
		*bytes = st.st_size;
	if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
	return ret;
}
