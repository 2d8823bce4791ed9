// SPDX-License-Identifier: GPL-2.0-or-later
/* SIM_SLOW_COPY=MS: a disk that takes so long to copy 64 KiB. */
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
