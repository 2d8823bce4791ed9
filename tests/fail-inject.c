// SPDX-License-Identifier: GPL-2.0-or-later
/* See fail-inject.h. */
#include "fail-inject.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/"

static int nth = -1;

static int put(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, word, strlen(word)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int inject_open(void)
{
	static const char *const setting[][2] = {
		{ DEBUGFS "failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "failslab/verbose", "0" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "fail_page_alloc/min-order", "0" },
		{ DEBUGFS "fail_page_alloc/verbose", "0" },
		{ DEBUGFS "fail_make_request/verbose", "0" },
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(setting) / sizeof(setting[0]); i++)
		err = put(setting[i][0], setting[i][1]);
	nth = err ? -1 : open("/proc/self/fail-nth", O_RDWR);
	if (err || nth < 0)
		return err ? err : -errno;
	/* A page fault of our own is none of their business. */
	return mlockall(MCL_CURRENT | MCL_FUTURE) ? -errno : 0;
}

static void set_nth(unsigned int n)
{
	char word[16];
	int len = snprintf(word, sizeof(word), "%u", n);

	if (pwrite(nth, word, len, 0) != len)
		abort();
}

void inject_arm(unsigned int n)
{
	set_nth(n);
}

bool inject_disarm(void)
{
	char word[16] = "";

	if (pread(nth, word, sizeof(word) - 1, 0) <= 0)
		abort();
	set_nth(0);
	return !atoi(word);
}
