// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is told of a test device, and what is left of those of a daemon that
 * was killed: STATE_DIR/tests/NAME.json, .sock and .log.
 *
 * An nbdkit that has outlived its daemon (killed in the moment between starting
 * nbdkit and nbdkit's asking to end with it) is found by its socket, which
 * stands in its command line and is nobody else's. Its data is worthless: it
 * was to be gone with it.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "state-file.h"
#include "testdev-impl.h"

#define NS	1e9
#define KILL_TRIES	100
#define KILL_US		20000

enum testdev_attach testdev_attach_of(const json_t *attach)
{
	return json_is_true(attach) ? TESTDEV_ATTACH_YES :
	       json_is_false(attach) ? TESTDEV_ATTACH_NO : TESTDEV_ATTACH_AUTO;
}

static const char *state_name(const struct testdev *t)
{
	return t->state == TESTDEV_READY ? "ready" :
	       t->state == TESTDEV_ENDED ? "ended" :
	       t->state == TESTDEV_DROPPING ? "dropping" : "starting";
}

static json_t *time_or_null(uint64_t ns)
{
	return ns ? json_real(ns / NS) : json_null();
}

json_t *testdev_json(const struct testdev *t)
{
	return json_pack("{ss ss ss sI so so sI so ss si so ss ss}",
			 "name", t->name, "volume", t->volume,
			 "target", t->target, "epoch", (json_int_t)t->epoch,
			 "cut_time", time_or_null(t->cut_time),
			 "created", time_or_null(t->created_ns),
			 "size_bytes", (json_int_t)t->bytes,
			 "uri", json_sprintf("nbd+unix:///?socket=%s",
					     t->socket),
			 "socket", t->socket, "device_pid", t->device_pid,
			 "device", t->device[0] ? json_string(t->device) :
						  json_null(),
			 "state", state_name(t), "reason", t->reason);
}

json_t *testdev_list(const struct daemon *daemon)
{
	json_t *all = json_array();

	for (struct testdev *t = daemon->testdevs; t; t = t->next)
		if (!t->done)
			json_array_append_new(all, testdev_json(t));
	return all;
}

/* --- what an earlier daemon has left -------------------------------------- */

/* Is @arg one of the words of this process? */
static bool has_word(const char *pid, const char *arg)
{
	char path[300], words[4096];
	size_t len, at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/cmdline", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	len = fread(words, 1, sizeof(words) - 1, f);
	fclose(f);
	words[len] = 0;
	for (at = 0; at < len; at += strlen(words + at) + 1)
		if (!strcmp(words + at, arg))
			return true;
	return false;
}

/* The pid as text of a process with this word; false: there is none. */
static bool find_process(const char *arg, char pid[24])
{
	struct dirent *e;
	DIR *dir = opendir("/proc");
	bool is_found = false;

	if (!dir)
		return false;
	while (!is_found && (e = readdir(dir)))
		if (isdigit((unsigned char)e->d_name[0]) &&
		    has_word(e->d_name, arg)) {
			snprintf(pid, 24, "%.20s", e->d_name);
			is_found = true;
		}
	closedir(dir);
	return is_found;
}

static void end_left_over(const char *socket, const char *name)
{
	char pid[24];
	int i;

	for (i = 0; i < KILL_TRIES && find_process(socket, pid); i++) {
		if (!i)
			log_info(NULL, "test device %s: its nbdkit (pid %s) is "
				 "ended", name, pid);
		kill(atoi(pid), SIGKILL);
		usleep(KILL_US);
	}
	if (i == KILL_TRIES)
		log_warn(NULL, "test device %s: process %s does not end", name,
			 pid);
}

static void recover_one(const struct daemon *daemon, const char *name)
{
	static const char *const suffixes[] = { ".sock", ".log", ".json" };
	char path[TESTDEV_PATH_LEN], socket[TESTDEV_PATH_LEN], *text = NULL;
	const char *device;
	json_t *record;
	size_t len;

	testdev_path(daemon, name, ".sock", socket);
	testdev_path(daemon, name, ".json", path);
	state_file_read(path, &text, &len);
	record = text ? json_loads(text, 0, NULL) : NULL;
	device = json_string_value(json_object_get(record, "device"));
	end_left_over(socket, name);
	if (device)
		testdev_detach(device, json_integer_value(json_object_get(
						record, "device_pid")));
	for (int i = 0; i < 3; i++) {
		testdev_path(daemon, name, suffixes[i], path);
		unlink(path);
	}
	json_decref(record);
	free(text);
}

void testdev_recover(struct daemon *daemon)
{
	char path[TESTDEV_PATH_LEN];
	struct dirent *e;
	DIR *dir;

	testdev_path(daemon, "", "", path);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		if (len < 6 || strcmp(e->d_name + len - 5, ".json"))
			continue;
		e->d_name[len - 5] = 0;
		recover_one(daemon, e->d_name);
	}
	if (dir)
		closedir(dir);
}
