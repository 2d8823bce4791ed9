// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * SIM_SLOW_COPY=MS: a disk that takes so long to copy 64 KiB.
 * SIM_BAD_DISK=FILE: while there is FILE, who waits for a write to end is told,
 * once, that it has failed; as the kernel does it, nobody is told again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE	65536

ssize_t __real_copy_file_range(int in, off_t *from, int out, off_t *to,
			       size_t len, unsigned int flags);
ssize_t __wrap_copy_file_range(int in, off_t *from, int out, off_t *to,
			       size_t len, unsigned int flags);

ssize_t __wrap_copy_file_range(int in, off_t *from, int out, off_t *to,
			       size_t len, unsigned int flags)
{
	const char *ms = getenv("SIM_SLOW_COPY");

	if (ms && len > PIECE)
		len = PIECE;
	if (ms)
		usleep(atoi(ms) * 1000);
	return __real_copy_file_range(in, from, out, to, len, flags);
}

int __real_sync_file_range(int fd, off_t at, off_t len, unsigned int flags);
int __wrap_sync_file_range(int fd, off_t at, off_t len, unsigned int flags);

int __wrap_sync_file_range(int fd, off_t at, off_t len, unsigned int flags)
{
	const char *bad = getenv("SIM_BAD_DISK");

	if (bad && flags & SYNC_FILE_RANGE_WAIT_AFTER && !unlink(bad)) {
		errno = EIO;
		return -1;
	}
	return __real_sync_file_range(fd, at, len, flags);
}
