// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dm-turn NAME...: suspends, reloads and resumes device-mapper devices in turn,
 * in every way there is, as fast as it goes, until SIGTERM; then prints how
 * often. Status 1 if any of it was refused. A process for each dmsetup would
 * be too slow under emulation to meet an epoch at an interesting moment.
 */
#include <libdevmapper.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	stop = 1;
}

static bool run(const char *name, int type, bool flush, bool lockfs)
{
	struct dm_task *task = dm_task_create(type);
	bool good = task && dm_task_set_name(task, name);

	if (good && !flush)
		good = dm_task_no_flush(task);
	if (good && !lockfs)
		good = dm_task_skip_lockfs(task);
	good = good && dm_task_run(task);
	if (task)
		dm_task_destroy(task);
	return good;
}

/* The first line of its table, to be freed; NULL: it can't be read. */
static char *get_table(const char *name, uint64_t *len, char **type)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_TABLE);
	char *params = NULL, *first_type = NULL, *first_params = NULL;
	uint64_t start;

	if (task && dm_task_set_name(task, name) && dm_task_run(task)) {
		dm_get_next_target(task, NULL, &start, len, &first_type,
				   &first_params);
		if (first_type && first_params) {
			*type = strdup(first_type);
			params = strdup(first_params);
		}
	}
	if (task)
		dm_task_destroy(task);
	return params;
}

static bool reload(const char *name)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_RELOAD);
	char *type = NULL, *params;
	uint64_t len = 0;
	bool good;

	params = get_table(name, &len, &type);
	good = task && params && dm_task_set_name(task, name) &&
	       dm_task_add_target(task, 0, len, type, params) &&
	       dm_task_run(task);
	if (task)
		dm_task_destroy(task);
	free(type);
	free(params);
	return good;
}

static bool turn(const char *name, unsigned int way)
{
	bool flush = way & 1, lockfs = way & 2, with_reload = way & 4;

	if (with_reload && !reload(name))
		return false;
	if (way & 8)		/* one resume does it all */
		return run(name, DM_DEVICE_RESUME, flush, lockfs);
	return run(name, DM_DEVICE_SUSPEND, flush, lockfs) &&
	       run(name, DM_DEVICE_RESUME, flush, lockfs);
}

int main(int argc, char **argv)
{
	unsigned int turns = 0;
	bool good = true;
	int i;

	if (argc < 2) {
		fprintf(stderr, "usage: dm-turn NAME...\n");
		return 2;
	}
	signal(SIGTERM, on_signal);
	setenv("DM_DISABLE_UDEV", "1", 1);
	for (i = 1; good && !stop; i = i + 1 < argc ? i + 1 : 1) {
		good = turn(argv[i], turns++);
		if (!good)
			printf("# dm-turn: turn %u of %s failed\n", turns,
			       argv[i]);
		usleep(20000);
	}
	printf("# dm-turn: %u turns\n", turns);
	return good ? 0 : 1;
}
