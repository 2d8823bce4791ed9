// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A filter for nbdkit: lets requests of a connection be late, for as long as a
 * test wants, also when the client is long gone (which delay and rate, of
 * nbdkit 1.32, do not survive).
 *
 * hold=DIR: a connection that is opened while DIR/hold exists has its writes
 * below 1 MiB wait until DIR/go exists, at most 20 s. Each that waits adds a
 * byte to DIR/held.
 */
#define NBDKIT_API_VERSION 2
#include <nbdkit-filter.h>

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HELD_BELOW	(1 << 20)
#define TRIES		2000		/* of 10 ms */

static const char *dir;

static bool exists(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return !access(path, F_OK);
}

static void count(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/held", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, ".", 1) != 1)
		nbdkit_error("%s cannot be written", path);
	close(fd);
}

static int hold_config(nbdkit_next_config *next, nbdkit_backend *nxdata,
		       const char *key, const char *value)
{
	if (strcmp(key, "hold"))
		return next(nxdata, key, value);
	dir = value;
	return 0;
}

static void *hold_open(nbdkit_next_open *next, nbdkit_context *nxdata,
		       int readonly, const char *name, int is_tls)
{
	bool *is_held = malloc(sizeof(*is_held));

	if (!is_held || next(nxdata, readonly, name) < 0) {
		free(is_held);
		return NULL;
	}
	*is_held = exists("hold");
	return is_held;
}

static void hold_close(void *handle)
{
	free(handle);
}

static int hold_pwrite(nbdkit_next *next, void *handle, const void *buf,
		       uint32_t len, uint64_t off, uint32_t flags, int *err)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	bool *is_held = handle;

	if (*is_held && off < HELD_BELOW) {
		count();
		for (int i = 0; i < TRIES && !exists("go"); i++)
			nanosleep(&pause, NULL);
	}
	return next->pwrite(next, buf, len, off, flags, err);
}

static struct nbdkit_filter filter = {
	.name = "hold",
	.longname = "late writes, for tests",
	.config = hold_config,
	.open = hold_open,
	.close = hold_close,
	.pwrite = hold_pwrite,
};

NBDKIT_DLL_PUBLIC struct nbdkit_filter *filter_init(void);

NBDKIT_REGISTER_FILTER(filter)
