// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Live insertion from a shell, for tests in the VM:
 *
 *	insert-tool [--fail N[:suspended]] insert VOL [OPTIONS]
 *	insert-tool [--fail N[:suspended]] take-out VOL
 *	insert-tool view|drop-view|form VOL
 *
 * --fail lets the N-th change fail without being done; ":suspended": if it is a
 * swap, the device stays suspended, as after a swap that failed half way. The
 * program is linked with --wrap for dm_task_create and dm_task_run. Status 3:
 * there were fewer than N changes.
 */
#include <errno.h>
#include <libdevmapper.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device.h"

struct dm_task *__real_dm_task_create(int type);
struct dm_task *__wrap_dm_task_create(int type);
int __real_dm_task_run(struct dm_task *task);
int __wrap_dm_task_run(struct dm_task *task);

static int last_type;
static unsigned int changes, fail_at;
static bool leave_suspended;
static const char *volume;

struct dm_task *__wrap_dm_task_create(int type)
{
	last_type = type;
	return __real_dm_task_create(type);
}

static void suspend_volume(void)
{
	struct dm_task *task = __real_dm_task_create(DM_DEVICE_SUSPEND);

	if (!dm_task_set_name(task, volume) || !dm_task_skip_lockfs(task) ||
	    !__real_dm_task_run(task))
		fprintf(stderr, "can't suspend %s\n", volume);
	dm_task_destroy(task);
}

int __wrap_dm_task_run(struct dm_task *task)
{
	bool is_change = last_type != DM_DEVICE_TABLE &&
			 last_type != DM_DEVICE_INFO &&
			 last_type != DM_DEVICE_STATUS;

	if (!is_change || ++changes != fail_at)
		return __real_dm_task_run(task);
	if (last_type == DM_DEVICE_RESUME && leave_suspended)
		suspend_volume();
	return 0;
}

static int show_form(struct dmr_dm *dm)
{
	static const char *const names[] = {
		[DMR_DM_PLAIN] = "plain", [DMR_DM_REPLICA] = "replica",
		[DMR_DM_INSERTED] = "inserted", [DMR_DM_VIEW] = "view",
	};
	struct dmr_dm_info info;
	int ret = dmr_dm_info(dm, volume, &info);

	if (!ret)
		printf("%s%s\n", names[info.form],
		       info.is_suspended ? " suspended" : "");
	return ret;
}

static int run(struct dmr_dm *dm, char **argv)
{
	char path[DMR_DM_PATH_LEN];
	int ret;

	if (!strcmp(argv[0], "insert"))
		return dmr_dm_insert(dm, volume, argv[2]);
	if (!strcmp(argv[0], "take-out"))
		return dmr_dm_take_out(dm, volume);
	if (!strcmp(argv[0], "drop-view"))
		return dmr_dm_remove_view(dm, volume);
	if (!strcmp(argv[0], "form"))
		return show_form(dm);
	if (strcmp(argv[0], "view"))
		return -EINVAL;
	ret = dmr_dm_create_view(dm, volume, path);
	if (!ret)
		puts(path);
	return ret;
}

int main(int argc, char **argv)
{
	struct dmr_dm *dm;
	int ret;

	if (argc > 2 && !strcmp(argv[1], "--fail")) {
		fail_at = atoi(argv[2]);
		leave_suspended = strchr(argv[2], ':');
		argv += 2;
		argc -= 2;
	}
	if (argc < 3 || dmr_dm_open(&dm))
		return 2;
	volume = argv[2];
	ret = run(dm, argv + 1);
	if (ret)
		fprintf(stderr, "%s (%s)\n", dmr_dm_error(dm), strerror(-ret));
	dmr_dm_close(dm);
	if (changes < fail_at)
		return 3;
	return ret ? 1 : 0;
}
