// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Layout: devices[] is the kernel's state. A table is a few targets; its users
 * are counted by looking for "253:N" at the start of the others' params.
 * These definitions come before those of libdevmapper.so.
 */
#include "fake-dm.h"

#include <errno.h>
#include <libdevmapper.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEVICES 8
#define MAX_TARGETS 3
#define MAJOR 253

struct target {
	uint64_t start, sectors;
	char type[16];
	char params[128];
};

struct table {
	int nr;				/* 0 = there is no table */
	struct target v[MAX_TARGETS];
};

struct device {
	bool exists, is_suspended, is_read_only;
	bool is_retired;		/* since the last resume */
	char name[128], uuid[129];
	struct table live, inactive;
	int openers;
};

struct dm_task {
	int type;
	char name[128], uuid[129], message[64];
	struct table table;
	bool is_read_only;
	int minor;			/* -1: by name */
	int err;
	struct device *dev;		/* after run */
};

unsigned int fake_dm_changes, fake_dm_fail_at;
enum fake_dm_failure fake_dm_failure;
char fake_dm_message[64];
static struct device devices[MAX_DEVICES];

/* --- the kernel ----------------------------------------------------------- */

static struct device *find(const char *name)
{
	int i;

	for (i = 0; i < MAX_DEVICES; i++)
		if (devices[i].exists && !strcmp(devices[i].name, name))
			return &devices[i];
	return NULL;
}

static struct device *make(const char *name, const char *uuid)
{
	struct device *d = devices;

	while (d->exists)
		d++;
	memset(d, 0, sizeof(*d));
	d->exists = true;
	snprintf(d->name, sizeof(d->name), "%s", name);
	snprintf(d->uuid, sizeof(d->uuid), "%s", uuid ? uuid : "");
	return d;
}

static int users_in(const struct table *t, int minor)
{
	char number[16];
	int i, nr = 0;

	snprintf(number, sizeof(number), "%d:%d ", MAJOR, minor);
	for (i = 0; i < t->nr; i++) {
		char params[130];

		snprintf(params, sizeof(params), "%s ", t->v[i].params);
		nr += !strncmp(params, number, strlen(number));
	}
	return nr;
}

static int open_count(const struct device *d)
{
	int i, nr = d->openers;

	for (i = 0; i < MAX_DEVICES; i++) {
		if (!devices[i].exists)
			continue;
		nr += users_in(&devices[i].live, d - devices);
		nr += users_in(&devices[i].inactive, d - devices);
	}
	return nr;
}

static int do_remove(struct device *d)
{
	if (open_count(d))
		return -EBUSY;
	d->exists = false;
	return 0;
}

static int do_resume(struct device *d, bool fails)
{
	if (fails) {
		d->is_suspended = true;
		if (fake_dm_failure == FAKE_DM_LEFT_SWAPPED && d->inactive.nr)
			d->live = d->inactive;
		d->inactive.nr = 0;
		return -EIO;
	}
	if (d->inactive.nr || d->is_suspended)
		d->is_retired = false;
	if (d->inactive.nr)
		d->live = d->inactive;
	d->inactive.nr = 0;
	d->is_suspended = false;
	return 0;
}

static int change(struct dm_task *task, bool fails)
{
	struct device *d = task->dev;

	if (fails && (task->type != DM_DEVICE_RESUME ||
		      fake_dm_failure == FAKE_DM_REFUSED))
		return -EINVAL;
	switch (task->type) {
	case DM_DEVICE_CREATE:
		if (d)
			return -EBUSY;
		task->dev = make(task->name, task->uuid);
		task->dev->live = task->table;
		task->dev->is_read_only = task->is_read_only;
		return 0;
	case DM_DEVICE_RELOAD:
		d->inactive = task->table;
		return 0;
	case DM_DEVICE_RESUME:
		return do_resume(d, fails);
	case DM_DEVICE_CLEAR:
		d->inactive.nr = 0;
		return 0;
	case DM_DEVICE_REMOVE:
		return do_remove(d);
	case DM_DEVICE_TARGET_MSG:
		snprintf(fake_dm_message, sizeof(fake_dm_message), "%s",
			 task->message);
		d->is_retired |= !strcmp(task->message, "retire");
		return 0;
	}
	return -EINVAL;
}

int dm_task_run(struct dm_task *task)
{
	task->dev = task->minor >= 0 ? &devices[task->minor] :
				       find(task->name);
	if (task->dev && !task->dev->exists)
		task->dev = NULL;
	if (task->type == DM_DEVICE_INFO)
		return 1;
	task->err = !task->dev && task->type != DM_DEVICE_CREATE ? -ENXIO : 0;
	if (!task->err && task->type != DM_DEVICE_TABLE &&
	    task->type != DM_DEVICE_STATUS)
		task->err = change(task, ++fake_dm_changes == fake_dm_fail_at);
	return !task->err;
}

/* --- the library ---------------------------------------------------------- */

struct dm_task *dm_task_create(int type)
{
	struct dm_task *task = calloc(1, sizeof(*task));

	task->type = type;
	task->minor = -1;
	return task;
}

void dm_task_destroy(struct dm_task *task)
{
	free(task);
}

int dm_task_set_name(struct dm_task *task, const char *name)
{
	snprintf(task->name, sizeof(task->name), "%s", name);
	return strlen(name) < 128;
}

int dm_task_set_uuid(struct dm_task *task, const char *uuid)
{
	snprintf(task->uuid, sizeof(task->uuid), "%s", uuid);
	return 1;
}

int dm_task_set_major_minor(struct dm_task *task, int major, int minor,
			    int fallback)
{
	task->minor = minor < MAX_DEVICES ? minor : MAX_DEVICES - 1;
	return 1;
}

int dm_task_set_ro(struct dm_task *task)
{
	task->is_read_only = true;
	return 1;
}

int dm_task_set_message(struct dm_task *task, const char *message)
{
	snprintf(task->message, sizeof(task->message), "%s", message);
	return 1;
}

int dm_task_add_target(struct dm_task *task, uint64_t start, uint64_t size,
		       const char *type, const char *params)
{
	struct target *t = &task->table.v[task->table.nr++];

	t->start = start;
	t->sectors = size;
	snprintf(t->type, sizeof(t->type), "%s", type);
	snprintf(t->params, sizeof(t->params), "%s", params);
	return 1;
}

int dm_task_get_errno(struct dm_task *task)
{
	return -task->err;
}

int dm_task_get_info(struct dm_task *task, struct dm_info *info)
{
	struct device *d = task->dev;

	memset(info, 0, sizeof(*info));
	if (!d)
		return 1;
	info->exists = 1;
	info->suspended = d->is_suspended;
	info->live_table = d->live.nr > 0;
	info->inactive_table = d->inactive.nr > 0;
	info->open_count = open_count(d);
	info->major = MAJOR;
	info->minor = d - devices;
	info->read_only = d->is_read_only;
	info->target_count = d->live.nr;
	return 1;
}

const char *dm_task_get_name(const struct dm_task *task)
{
	return task->dev ? task->dev->name : "";
}

const char *dm_task_get_uuid(const struct dm_task *task)
{
	return task->dev ? task->dev->uuid : "";
}

void *dm_get_next_target(struct dm_task *task, void *next, uint64_t *start,
			 uint64_t *length, char **type, char **params)
{
	struct table *table = &task->dev->live;
	struct target *t = next ? next : table->v;

	*type = *params = NULL;
	if (!table->nr)
		return NULL;
	*start = t->start;
	*length = t->sectors;
	*type = t->type;
	*params = t->params;
	return t + 1 < table->v + table->nr ? t + 1 : NULL;
}

int dm_is_dm_major(uint32_t major)
{
	return major == MAJOR;
}

const char *dm_dir(void)
{
	return "/dev/mapper";
}

#define YES(name, ...) int name(__VA_ARGS__) { return 1; }

YES(dm_task_set_cookie, struct dm_task *task, uint32_t *cookie, uint16_t flags)
YES(dm_task_set_sector, struct dm_task *task, uint64_t sector)
YES(dm_task_secure_data, struct dm_task *task)
YES(dm_task_retry_remove, struct dm_task *task)
YES(dm_task_skip_lockfs, struct dm_task *task)
YES(dm_udev_wait, uint32_t cookie)

void dm_udev_set_sync_support(int sync)
{
}

void dm_udev_set_checking(int checking)
{
}

void dm_log_with_errno_init(dm_log_with_errno_fn fn)
{
}

/* --- the test's hands ----------------------------------------------------- */

void fake_dm_reset(void)
{
	memset(devices, 0, sizeof(devices));
	fake_dm_changes = fake_dm_fail_at = 0;
	fake_dm_failure = FAKE_DM_REFUSED;
	fake_dm_message[0] = 0;
}

void fake_dm_add(const char *name, const char *uuid, const char *type,
		 const char *params)
{
	struct device *d = find(name);
	struct target *t;

	if (!d)
		d = make(name, uuid);
	t = &d->live.v[d->live.nr++];
	t->start = (d->live.nr - 1) * 2048;
	t->sectors = 2048;
	snprintf(t->type, sizeof(t->type), "%s", type);
	snprintf(t->params, sizeof(t->params), "%s", params);
}

void fake_dm_replace(const char *name, const char *type, const char *params)
{
	struct target *t = find(name)->live.v;

	find(name)->live.nr = 1;
	snprintf(t->type, sizeof(t->type), "%s", type);
	snprintf(t->params, sizeof(t->params), "%s", params);
}

void fake_dm_open(const char *name, int openers)
{
	find(name)->openers = openers;
}

void fake_dm_suspend(const char *name)
{
	find(name)->is_suspended = true;
}

void fake_dm_set_read_only(const char *name)
{
	find(name)->is_read_only = true;
}

void fake_dm_load(const char *name)
{
	find(name)->inactive = find(name)->live;
}

const char *fake_dm_show(const char *name)
{
	struct device *d = find(name);
	static char text[200];

	if (!d)
		return "-";
	snprintf(text, sizeof(text), "%s %s%s%s%s", d->live.v[0].type,
		 d->live.v[0].params, d->is_suspended ? " suspended" : "",
		 d->inactive.nr ? " inactive" : "",
		 d->is_retired ? " retired" : "");
	return text;
}
