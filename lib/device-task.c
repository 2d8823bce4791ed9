// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Single steps on device-mapper devices. Together with device.c, which asks and
 * names, the only user of libdevmapper; device-insert.c builds on both.
 *
 * V1 libdevmapper prints nothing: its messages become the error's text. When a
 *    table is refused, the kernel's reason is taken from its log, the only
 *    place where it is said.
 * V2 devices that are for us alone (the hidden origin, the view) are made with
 *    all udev rules off, without waiting for udev: no blkid, no second
 *    /dev/disk/by-uuid link to the same filesystem, nobody who opens them.
 * V3 the uevent of a table swap carries no flags, so udev keeps those that it
 *    knows of the device.
 * V4 a swap does not freeze the filesystem: the data does not change, and
 *    syncing it could take minutes.
 */
#include "device-task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device-impl.h"
#include "error.h"

#define HIDDEN_FLAGS (DM_UDEV_DISABLE_DM_RULES_FLAG | \
		      DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG | \
		      DM_UDEV_DISABLE_DISK_RULES_FLAG | \
		      DM_UDEV_DISABLE_OTHER_RULES_FLAG)

struct dmr_dm {
	struct error error;		/* of the last call */
};

/* The last message of libdevmapper in this thread (V1). */
static __thread char dm_said[ERROR_TEXT_LEN];

static void __attribute__((format(printf, 5, 6)))
keep_message(int level, const char *file, int line, int dm_errno_or_class,
	     const char *fmt, ...)
{
	va_list args;

	if ((level & 7) > 3 || dm_said[0])
		return;
	va_start(args, fmt);
	vsnprintf(dm_said, sizeof(dm_said), fmt, args);
	va_end(args);
}

int dmr_dm_open(struct dmr_dm **dm)
{
	*dm = calloc(1, sizeof(**dm));
	if (!*dm)
		return -ENOMEM;
	dm_log_with_errno_init(keep_message);
	dm_udev_set_checking(0);
	return 0;
}

void dmr_dm_close(struct dmr_dm *dm)
{
	free(dm);
}

int dmr_dm_code(const struct dmr_dm *dm)
{
	return dm->error.code;
}

const char *dmr_dm_error(const struct dmr_dm *dm)
{
	return dm->error.text;
}

void dmr_dm_begin(struct dmr_dm *dm)
{
	error_clear(&dm->error);
}

int dmr_dm_fail(struct dmr_dm *dm, int err, const char *fmt, ...)
{
	char text[ERROR_TEXT_LEN];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return error_set(&dm->error, err, "%s", text);
}

/* --- tasks ---------------------------------------------------------------- */

struct dm_task *dmr_dm_task(struct dmr_dm *dm, int type, const char *name)
{
	struct dm_task *task;

	dm_said[0] = 0;
	task = dm_task_create(type);
	if (task && name && !dm_task_set_name(task, name)) {
		dm_task_destroy(task);
		dmr_dm_fail(dm, -EINVAL, "%s is not a good name", name);
		return NULL;
	}
	if (!task)
		dmr_dm_fail(dm, -ENOMEM, "device-mapper: %s",
			    dm_said[0] ? dm_said : "not enough memory");
	return task;
}

int dmr_dm_run(struct dm_task *task)
{
	int err;

	dm_said[0] = 0;
	if (dm_task_run(task))
		return 0;
	err = dm_task_get_errno(task);
	if (!err && access("/dev/mapper/control", W_OK))
		err = errno;
	return err ? -err : -EIO;
}

int dmr_dm_task_fail(struct dmr_dm *dm, int err, const char *name,
		     const char *what)
{
	if (err == -ENXIO)
		return dmr_dm_fail(dm, err, "there is no device %s", name);
	if (err == -EPERM || err == -EACCES)
		return dmr_dm_fail(dm, err, "%s %s: only root may", what,
				   name);
	if (err == -EBUSY)
		return dmr_dm_fail(dm, err, "%s %s: it is in use", what, name);
	return dmr_dm_fail(dm, err, "%s %s: %s", what, name,
			   dm_said[0] ? dm_said : strerror(-err));
}

static int simple_task(struct dmr_dm *dm, int type, const char *name,
		       const char *what)
{
	TASK_AUTO task = dmr_dm_task(dm, type, name);
	int ret = task ? dmr_dm_run(task) : -ENOMEM;

	return ret && task ? dmr_dm_task_fail(dm, ret, name, what) : ret;
}

uint64_t dmr_dm_number(const char *name)
{
	TASK_AUTO task = dm_task_create(DM_DEVICE_INFO);
	struct dm_info dmi;

	if (!task || !dm_task_set_name(task, name) || dmr_dm_run(task) ||
	    !dm_task_get_info(task, &dmi) || !dmi.exists)
		return 0;
	return (uint64_t)dmi.major << 32 | dmi.minor;
}

/* --- what the kernel says of a refused table (V1) ------------------------- */

static int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * "device-mapper: table: 253:1: replica: REASON (-EINVAL)", or what a replica
 * says when it can't come up: "device-mapper: replica: vol: metadata: REASON".
 */
static const char *reason_in(const char *record)
{
	static const char *const marks[] = {
		"device-mapper: table: ", "device-mapper: replica: ",
	};
	const char *at;
	size_t i;

	for (i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		at = strstr(record, marks[i]);
		if (at && (!i || strstr(at, ": error ")))
			return at + strlen(marks[i]);
	}
	return NULL;
}

/* What was said since kmsg_open. */
static void kmsg_take_reason(int fd, char *reason, size_t len)
{
	char record[1024];
	ssize_t n;

	reason[0] = 0;
	while (fd >= 0 && (n = read(fd, record, sizeof(record) - 1)) > 0) {
		const char *at;

		record[n] = 0;
		at = reason_in(record);
		if (!at)
			continue;
		snprintf(reason, len, "%.*s", (int)strcspn(at, "\n"), at);
		return;
	}
}

/* Runs a task that brings a table; the reason of a refusal goes into error. */
static int run_table_task(struct dmr_dm *dm, struct dm_task *task,
			  const char *name, const char *what)
{
	char reason[200];
	int fd = kmsg_open(), ret = dmr_dm_run(task);

	if (ret) {
		kmsg_take_reason(fd, reason, sizeof(reason));
		if (reason[0])
			dmr_dm_fail(dm, ret, "%s %s: %s", what, name, reason);
	}
	if (fd >= 0)
		close(fd);
	return ret ? dmr_dm_task_fail(dm, ret, name, what) : 0;
}

/* --- changes -------------------------------------------------------------- */

static int put_rows(struct dm_task *task, const struct dm_rows *rows)
{
	size_t i;

	for (i = 0; i < rows->nr; i++) {
		const struct dm_row *row = &rows->v[i];

		if (!dm_task_add_target(task, row->start, row->sectors,
					row->type, row->params))
			return -ENOMEM;
	}
	return 0;
}

/* V2, V3: runs a create or remove task with the udev manners of this look. */
static int run_seen(struct dmr_dm *dm, struct dm_task *task, const char *name,
		    const char *what, enum dm_look look)
{
	uint32_t cookie = 0;
	int ret;

	dm_udev_set_sync_support(look == DM_SHOWN);
	if (!dm_task_set_cookie(task, &cookie,
				look == DM_SHOWN ? 0 : HIDDEN_FLAGS))
		return dmr_dm_fail(dm, -EIO, "udev: %s", dm_said);
	ret = run_table_task(dm, task, name, what);
	if (cookie)
		dm_udev_wait(cookie);
	else
		dm_task_update_nodes(); /* else only at the process's end */
	return ret;
}

int dmr_dm_make(struct dmr_dm *dm, const char *name, const char *uuid,
		const struct dm_rows *rows, enum dm_look look)
{
	TASK_AUTO task = dmr_dm_task(dm, DM_DEVICE_CREATE, name);

	if (!task)
		return dmr_dm_code(dm);
	dm_task_secure_data(task);
	if ((uuid && !dm_task_set_uuid(task, uuid)) ||
	    (look == DM_HIDDEN_READ_ONLY && !dm_task_set_ro(task)) ||
	    put_rows(task, rows))
		return dmr_dm_fail(dm, -ENOMEM, "not enough memory");
	return run_seen(dm, task, name, "can't create", look);
}

int dmr_dm_unmake(struct dmr_dm *dm, const char *name, enum dm_look look)
{
	TASK_AUTO task = NULL;

	if (!dmr_dm_number(name))
		return 0;
	task = dmr_dm_task(dm, DM_DEVICE_REMOVE, name);
	if (!task)
		return dmr_dm_code(dm);
	if (look == DM_SHOWN)
		dm_task_retry_remove(task);
	return run_seen(dm, task, name, "can't remove", look);
}

int dmr_dm_load(struct dmr_dm *dm, const char *name,
		const struct dm_rows *rows)
{
	TASK_AUTO task = dmr_dm_task(dm, DM_DEVICE_RELOAD, name);

	if (!task)
		return dmr_dm_code(dm);
	dm_task_secure_data(task);
	if (put_rows(task, rows))
		return dmr_dm_fail(dm, -ENOMEM, "not enough memory");
	return run_table_task(dm, task, name, "can't load a table into");
}

int dmr_dm_resume(struct dmr_dm *dm, const char *name)
{
	TASK_AUTO task = dmr_dm_task(dm, DM_DEVICE_RESUME, name);

	if (!task)
		return dmr_dm_code(dm);
	dm_udev_set_sync_support(0);
	dm_task_skip_lockfs(task);				/* V4 */
	return run_table_task(dm, task, name, "can't resume");
}

int dmr_dm_clear(struct dmr_dm *dm, const char *name)
{
	return simple_task(dm, DM_DEVICE_CLEAR, name, "can't clear");
}

int dmr_dm_tell(struct dmr_dm *dm, const char *name, const char *text)
{
	TASK_AUTO task = dmr_dm_task(dm, DM_DEVICE_TARGET_MSG, name);
	int ret;

	if (!task)
		return dmr_dm_code(dm);
	if (!dm_task_set_sector(task, 0) || !dm_task_set_message(task, text))
		return dmr_dm_fail(dm, -ENOMEM, "not enough memory");
	ret = dmr_dm_run(task);
	return ret ? dmr_dm_task_fail(dm, ret, name, "can't message") : 0;
}

int dmr_dm_message(struct dmr_dm *dm, const char *name, const char *text)
{
	dmr_dm_begin(dm);
	return dmr_dm_tell(dm, name, text);
}
