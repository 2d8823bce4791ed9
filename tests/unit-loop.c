// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Files as block devices. If this failed, a promoted volume would have the size
 * that its file had once, or begin in the middle of it. Needs root and loop
 * devices.
 */
#include "loop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tap.h"

#define MIB	(1 << 20)

static char path[64];

static uint64_t size_of(const char *device)
{
	uint64_t size = 0;
	int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return 0;
	close(fd);
	return size;
}

static void detach(const char *device)
{
	int fd = open(device, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	ioctl(fd, LOOP_CLR_FD);
	close(fd);
}

/* A loop device of our own making. */
static int attach(const struct loop_config *how, char *device, size_t size)
{
	struct loop_config config = *how;
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC), fd, ret;

	snprintf(device, size, "/dev/loop%d", ioctl(ctl, LOOP_CTL_GET_FREE));
	close(ctl);
	fd = open(device, O_RDWR | O_CLOEXEC);
	config.fd = open(path, O_RDWR | O_CLOEXEC);
	ret = ioctl(fd, LOOP_CONFIGURE, &config) ? -errno : 0;
	close(config.fd);
	close(fd);
	return ret;
}

static void test_again(void)
{
	char first[LOOP_PATH_LEN], again[LOOP_PATH_LEN];

	is_int(truncate(path, MIB), 0, "a file");
	is_int(loop_device_of(path, first, sizeof(first)), 0, "gets a device");
	is_int(size_of(first), MIB, "of its size");
	is_int(loop_device_of(first, again, sizeof(again)), 0,
	       "a device is a device");
	is_str(again, first, "itself");
	is_int(truncate(path, 3 * MIB), 0, "the file grows");
	is_int(loop_device_of(path, again, sizeof(again)), 0, "asked again");
	is_str(again, first, "it has the same device");
	is_int(size_of(first), 3 * MIB, "which has grown, too");
	is_int(loop_release(path), 0, "it is taken away");
	is_int(size_of(first), 0, "and has no file then");
}

static void test_refused(const char *what, const struct loop_config *how)
{
	char theirs[LOOP_PATH_LEN], device[LOOP_PATH_LEN];

	is_int(attach(how, theirs, sizeof(theirs)), 0, "a device: %s", what);
	is_int(loop_device_of(path, device, sizeof(device)), -EBUSY,
	       "it is not used");
	is_int(loop_release(path), -EBUSY, "nor taken away");
	ok(size_of(theirs) > 0, "it has the file still");
	detach(theirs);
}

int main(void)
{
	struct loop_config how = { 0 };
	int fd;

	snprintf(path, sizeof(path), "/tmp/dm-replica-loop.XXXXXX");
	fd = mkstemp(path);
	if (geteuid() || access("/dev/loop-control", W_OK)) {
		unlink(path);
		return tap_skip_all("needs root and loop devices");
	}
	close(fd);
	test_again();
	how.info.lo_offset = 4096;
	test_refused("of a part of it", &how);
	how.info.lo_offset = 0;
	how.info.lo_sizelimit = 65536;
	test_refused("of the start of it", &how);
	how.info.lo_sizelimit = 0;
	how.info.lo_flags = LO_FLAGS_READ_ONLY;
	test_refused("read-only", &how);
	unlink(path);
	return tap_done();
}
