// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * L1 A loop device is used again only if it is the whole file and can be
 *    written; one that is not is somebody's who uses the file otherwise.
 * L2 It has the file's size of now.
 */
#include "loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES	10		/* another may take the free one first */

/* Does this loop device have that file? The path is that of its opening. */
static bool has_file(const char *loop, const char *file)
{
	char path[PATH_MAX], backing[PATH_MAX] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", loop);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(backing, sizeof(backing), f))
		backing[0] = 0;
	fclose(f);
	backing[strcspn(backing, "\n")] = 0;
	return !strcmp(backing, file);
}

/* L1. @request is done; 0 or -errno. -EBUSY: the file is in use otherwise. */
static int do_to_ours(const char *device, int flags, unsigned long request)
{
	int fd = open(device, O_RDWR | O_CLOEXEC | flags), ret = 0;
	struct loop_info64 info;

	if (fd < 0)
		return errno == EROFS || errno == EACCES ? -EBUSY : -errno;
	if (ioctl(fd, LOOP_GET_STATUS64, &info))
		ret = -errno;
	else if (info.lo_offset || info.lo_sizelimit ||
		 info.lo_flags & LO_FLAGS_READ_ONLY)
		ret = -EBUSY;
	else if (ioctl(fd, request))
		ret = -errno;
	close(fd);
	return ret;
}

/*
 * Opened exclusively: who has it mounted, or a table above it, keeps it.
 * -ENOENT: this one has the file no more, or loses it when it is closed; the
 * next one is looked at.
 */
static int detach(const char *device)
{
	return do_to_ours(device, O_EXCL, LOOP_CLR_FD) ?: -ENOENT;
}

/* L2 */
static int use_again(const char *device)
{
	return do_to_ours(device, 0, LOOP_SET_CAPACITY);
}

/* What @use says of the first that it takes. -ENOENT: no loop device has it. */
static int find(const char *file, char *device, size_t size,
		int (*use)(const char *device))
{
	DIR *dir = opendir("/sys/block");
	int ret = -ENOENT;
	struct dirent *e;

	while (ret == -ENOENT && dir && (e = readdir(dir))) {
		if (strncmp(e->d_name, "loop", 4) || !has_file(e->d_name, file))
			continue;
		snprintf(device, size, "/dev/%.40s", e->d_name);
		ret = use(device);
	}
	if (dir)
		closedir(dir);
	return ret;
}

static int configure(const char *device, const char *file)
{
	struct loop_config config = { 0 };
	int fd = open(device, O_RDWR | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	config.fd = open(file, O_RDWR | O_CLOEXEC);
	snprintf((char *)config.info.lo_file_name, LO_NAME_SIZE, "%.63s", file);
	if ((int)config.fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config))
		ret = -errno;
	if ((int)config.fd >= 0)
		close(config.fd);
	close(fd);
	return ret;
}

static int attach(const char *file, char *device, size_t size)
{
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int ret = ctl < 0 ? -errno : -EBUSY;

	for (int i = 0; ret == -EBUSY && i < TRIES; i++) {
		int nr = ioctl(ctl, LOOP_CTL_GET_FREE);

		if (nr < 0)
			ret = -errno;
		if (nr < 0)
			break;
		snprintf(device, size, "/dev/loop%d", nr);
		ret = configure(device, file);
	}
	if (ctl >= 0)
		close(ctl);
	return ret;
}

int loop_device_of(const char *path, char *device, size_t size)
{
	char file[PATH_MAX];
	struct stat st;
	int ret;

	if (stat(path, &st) || !realpath(path, file))
		return -errno;
	if (S_ISBLK(st.st_mode))
		return snprintf(device, size, "%s", path) < (int)size ?
		       0 : -ENAMETOOLONG;
	if (!S_ISREG(st.st_mode))
		return -ENOTBLK;
	ret = find(file, device, size, use_again);
	return ret == -ENOENT ? attach(file, device, size) : ret;
}

int loop_release(const char *path)
{
	char file[PATH_MAX], device[LOOP_PATH_LEN];
	struct stat st;
	int ret;

	if (stat(path, &st) || !realpath(path, file))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode))
		return 0;
	ret = find(file, device, sizeof(device), detach);
	return ret == -ENOENT ? 0 : ret;
}
