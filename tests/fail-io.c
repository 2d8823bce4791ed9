// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: accesses fail with EIO as the file DMR_FAIL_IO says, at any
 * moment: "OPERATION PATH", of 63 characters with the spaces that fill it up;
 * OPERATION is read, write or sync; PATH is a part of the path of the files
 * that are meant. All others, and any other operation, are as they were.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "preload.h"

#define RULE_LEN	63

static const char *rule;

__attribute__((constructor)) static void open_rule(void)
{
	rule = preload_map("DMR_FAIL_IO", RULE_LEN);
}

/* Sets errno if it does. */
static bool fails(const char *operation, int fd)
{
	char text[RULE_LEN + 1] = "", what[RULE_LEN + 1], part[RULE_LEN + 1];
	char link[64], path[4096] = "";

	memcpy(text, rule, RULE_LEN);
	if (sscanf(text, "%s %s", what, part) != 2 || strcmp(what, operation))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0 || !strstr(path, part))
		return false;
	errno = EIO;
	return true;
}

/* The next one's, of libc; TYPE is that of a pointer to it. */
#define REAL(type, name)	((type)dlsym(RTLD_NEXT, name))

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	static ssize_t (*real)(int, void *, size_t, off_t);

	if (fails("read", fd))
		return -1;
	if (!real)
		real = REAL(ssize_t (*)(int, void *, size_t, off_t), "pread");
	return real(fd, buf, len, off);
}

ssize_t pwritev(int fd, const struct iovec *iov, int nr, off_t off)
{
	static ssize_t (*real)(int, const struct iovec *, int, off_t);

	if (fails("write", fd))
		return -1;
	if (!real)
		real = REAL(ssize_t (*)(int, const struct iovec *, int, off_t),
			    "pwritev");
	return real(fd, iov, nr, off);
}

int fdatasync(int fd)
{
	static int (*real)(int);

	if (fails("sync", fd))
		return -1;
	if (!real)
		real = REAL(int (*)(int), "fdatasync");
	return real(fd);
}
