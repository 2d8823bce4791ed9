// SPDX-License-Identifier: GPL-2.0-or-later
/* One thread at a time writes; to read is fine meanwhile. */
#include "stages.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local-stage.h"
#include "promoted.h"
#include "stage-promote.h"
#include "state-file.h"

#define NOT_YET	"-"		/* instead of an ID: there was no folder */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int refuse(struct error *err, int code)
{
	return error_set(err, code, "the list of stages: %s", strerror(-code));
}

/* *@text: "ID FOLDER" a line; empty where there is none yet. */
static int load(const char *state_dir, char path[PATH_MAX], char **text,
		struct error *err)
{
	size_t len;
	int ret = snprintf(path, PATH_MAX, "%s/stages", state_dir) < PATH_MAX ?
		  state_file_read(path, text, &len) : -ENAMETOOLONG;

	if (ret == -ENOENT) {
		*text = strdup("");
		ret = *text ? 0 : -ENOMEM;
	}
	return ret ? refuse(err, ret) : 0;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	while (*text) {
		size_t n = strcspn(text, "\n");

		if (n == len && !memcmp(text, line, len))
			return true;
		text += n + (text[n] == '\n');
	}
	return false;
}

static int add(const char *path, const char *text, const char *line,
	       struct error *err)
{
	char *more;
	int len = asprintf(&more, "%s%s\n", text, line);
	int ret = len < 0 ? -ENOMEM : state_file_write(path, more, len);

	if (len >= 0)
		free(more);
	return ret ? refuse(err, ret) : 0;
}

int stages_note(const char *state_dir, const char *dir, struct error *err)
{
	char path[PATH_MAX], line[STATE_FOLDER_ID_LEN + PATH_MAX + 1], *text;
	char id[STATE_FOLDER_ID_LEN] = NOT_YET;
	int ret;

	state_folder_id(dir, id);
	if (snprintf(line, sizeof(line), "%s %s", id, dir) >= (int)sizeof(line))
		return refuse(err, -ENAMETOOLONG);
	if (strchr(dir, '\n'))
		return error_set(err, -EINVAL, "the folder of a stage has a "
				 "line break in its name");
	pthread_mutex_lock(&lock);
	ret = load(state_dir, path, &text, err);
	if (!ret) {
		ret = has_line(text, line) ? 0 : add(path, text, line, err);
		free(text);
	}
	pthread_mutex_unlock(&lock);
	return ret;
}

/* A folder whose file system is not mounted looks like one without replicas. */
static int check_there(const char *id, const char *dir, struct error *err)
{
	char now[STATE_FOLDER_ID_LEN];

	if (!strcmp(id, NOT_YET) ||
	    (!state_folder_id(dir, now) && !strcmp(id, now)))
		return 0;
	return error_set(err, -ENXIO, "the stage %.110s is not there (is it "
			 "mounted?), and a replica in it may stand on it; if it "
			 "is gone for good, take its line out of the file stages",
			 dir);
}

static int check_in(char *line, const char *base, const struct promoted *but,
		    struct error *err)
{
	char name[STAGE_NAME_LEN];
	char *dir = strchr(line, ' ');
	int ret;

	if (!dir)
		return error_set(err, -EBADMSG, "the list of stages: %.80s: no "
				 "folder", line);
	*dir++ = 0;
	ret = check_there(line, dir, err);
	if (!ret)
		ret = stage_base_user(dir, base, name, err);
	if (ret == -ENOENT ||
	    (!ret && but && !strcmp(name, but->volume) &&
	     local_stage_is_same_dir(dir, but->dir)))
		return 0;
	return ret ? ret :
	       error_set(err, -EBUSY, "the replica of %.60s in the stage "
			 "%.120s stands on it (replicactl delete %.60s "
			 "--replica --dir …)", name, dir, name);
}

int stages_check_base(const char *state_dir, const char *base,
		      const struct promoted *but, struct error *err)
{
	char path[PATH_MAX], *text, *line, *save;
	int ret = load(state_dir, path, &text, err);

	if (ret)
		return ret;
	for (line = strtok_r(text, "\n", &save); !ret && line;
	     line = strtok_r(NULL, "\n", &save))
		ret = check_in(line, base, but, err);
	free(text);
	return ret;
}
