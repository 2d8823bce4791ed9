// SPDX-License-Identifier: GPL-2.0-or-later
/* See dm-raw.h. */
#include "dm-raw.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>

static int control = -1;
static struct {
	struct dm_ioctl io;
	char data[4096];
} call __attribute__((aligned(8)));

int dm_raw_open(void)
{
	control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	return control < 0 ? -errno : 0;
}

static void begin(const char *name, unsigned int flags)
{
	memset(&call, 0, sizeof(call));
	call.io.version[0] = DM_VERSION_MAJOR;
	call.io.data_size = sizeof(call);
	call.io.data_start = sizeof(call.io);
	call.io.flags = flags;
	snprintf(call.io.name, sizeof(call.io.name), "%s", name);
}

static int talk(unsigned long command)
{
	return ioctl(control, command, &call) ? -errno : 0;
}

static int plain(const char *name, unsigned long command, unsigned int flags)
{
	begin(name, flags);
	return talk(command);
}

int dm_raw_create(const char *name)
{
	return plain(name, DM_DEV_CREATE, 0);
}

int dm_raw_resume(const char *name)
{
	return plain(name, DM_DEV_SUSPEND, 0);
}

int dm_raw_suspend(const char *name)
{
	return plain(name, DM_DEV_SUSPEND, DM_SUSPEND_FLAG);
}

int dm_raw_clear(const char *name)
{
	return plain(name, DM_TABLE_CLEAR, 0);
}

int dm_raw_remove(const char *name)
{
	return plain(name, DM_DEV_REMOVE, 0);
}

int dm_raw_load(const char *name, uint64_t sectors, const char *target,
		const char *params, bool read_only)
{
	struct dm_target_spec *spec = (void *)call.data;

	begin(name, read_only ? DM_READONLY_FLAG : 0);
	call.io.target_count = 1;
	spec->length = sectors;
	spec->next = sizeof(*spec) + (strlen(params) + 8) / 8 * 8;
	snprintf(spec->target_type, sizeof(spec->target_type), "%s", target);
	strcpy((char *)(spec + 1), params);
	return talk(DM_TABLE_LOAD);
}

int dm_raw_message(const char *name, const char *text)
{
	struct dm_target_msg *msg = (void *)call.data;

	begin(name, 0);
	strcpy(msg->message, text);
	return talk(DM_TARGET_MSG);
}

int dm_raw_number(const char *name, uint64_t *number)
{
	int err = plain(name, DM_DEV_STATUS, 0);

	*number = (uint64_t)major(call.io.dev) << 32 | minor(call.io.dev);
	return err;
}
