// SPDX-License-Identifier: GPL-2.0-or-later
/* Methods about what a failover has dropped: salvage_*. */
#include "methods.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "log.h"
#include "promotion.h"
#include "salvage-file.h"
#include "testdev.h"

#define NS	1e9

/* "NAME.salvage": the length of NAME, or 0. */
static size_t name_of(const char *file)
{
	size_t len = strlen(file), tail = strlen(SALVAGE_SUFFIX);

	return len > tail && len - tail < SALVAGE_NAME_LEN &&
	       !strcmp(file + len - tail, SALVAGE_SUFFIX) ? len - tail : 0;
}

static json_t *describe(const char *path, const char *file)
{
	struct error err = { 0 };
	struct salvage_info s;
	json_t *o = json_pack("{ss% ss}", "name", file, name_of(file), "path",
			      path);

	if (salvage_look(&s, path, &err)) {
		json_object_set_new(o, "error", json_string(err.text));
		return o;
	}
	json_object_set_new(o, "volume", json_string(s.volume));
	json_object_set_new(o, "epoch", json_integer(s.epoch));
	json_object_set_new(o, "last_clean", json_integer(s.last_clean));
	json_object_set_new(o, "last_partial",
			    json_integer(s.last_partial));
	json_object_set_new(o, "bytes", json_integer(s.data_bytes));
	json_object_set_new(o, "volume_bytes",
			    json_integer(s.volume_bytes));
	json_object_set_new(o, "extents", json_integer(s.nr_extents));
	json_object_set_new(o, "time", json_real(s.time / NS));
	json_object_set_new(o, "generation", json_sprintf("%016" PRIx64,
							  s.generation));
	return o;
}

static void list_dir(json_t *all, const char *dir)
{
	DIR *d = opendir(dir);
	char path[PATH_MAX];
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (name_of(e->d_name) &&
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) <
		    PATH_MAX)
			json_array_append_new(all, describe(path, e->d_name));
	if (d)
		closedir(d);
}

enum salvages_do { DO_LIST, DO_DROP, DO_SHOW };

/*
 * The folders are read, and a file is dropped, on a thread: neither is quick
 * where there are many extents.
 */
struct salvages {
	struct ring_job job;
	struct request *request;
	json_t *dirs, *all;
	enum salvages_do what;
	char name[SALVAGE_NAME_LEN];	/* of the one, unless all are listed */
	const char *path;		/* in all; NULL: there is none */
	struct error err;
};

static const char *path_in(const json_t *all, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "name")),
			    name))
			return json_string_value(json_object_get(one, "path"));
	return NULL;
}

static void work_blocking(struct ring_job *job)
{
	struct salvages *s = container_of(job, struct salvages, job);
	json_t *one;
	size_t i;

	json_array_foreach(s->dirs, i, one)
		list_dir(s->all, json_string_value(one));
	if (s->what == DO_LIST)
		return;
	s->path = path_in(s->all, s->name);
	if (!s->path)
		error_set(&s->err, -ENOENT, "there is no salvage %.100s",
			  s->name);
	else if (s->what == DO_DROP && unlink(s->path))
		error_set(&s->err, -errno, "%.200s: %s", s->path,
			  strerror(errno));
}

static void show(struct salvages *s)
{
	const struct testdev_wish wish = {
		.target = s->path, .is_salvage = true,
		.name = request_text(s->request, "as"),
		.attach = testdev_attach_of(json_object_get(
						s->request->params, "attach")),
	};

	if (testdev_create(s->request->daemon, &wish, method_testdev_done,
			   s->request, &s->err))
		method_refuse(s->request, &s->err);
}

static void on_worked(struct ring_job *job)
{
	struct salvages *s = container_of(job, struct salvages, job);
	struct daemon *daemon = s->request->daemon;

	if (s->err.code) {
		method_refuse(s->request, &s->err);
	} else if (s->what == DO_SHOW) {
		show(s);
	} else if (s->what == DO_DROP) {
		log_info(s->name, "salvage: dropped");
		request_answer(s->request, NULL);
	} else {
		request_answer(s->request, json_pack("{si sO}",
			       "schema_version", 1, "salvages", s->all));
	}
	json_decref(s->dirs);
	json_decref(s->all);
	free(s);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void start(struct request *request, enum salvages_do what,
		  const char *name)
{
	struct salvages *s = calloc(1, sizeof(*s));
	const char *dir = request_text(request, "dir");
	struct daemon *daemon = request->daemon;

	if (!s) {
		request_refuse(request, 1, "no memory");
		return;
	}
	s->request = request;
	s->what = what;
	s->all = json_array();
	s->dirs = dir ? json_pack("[s]", dir) : promotion_dirs(daemon);
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->job.blocking = work_blocking;
	s->job.done = on_worked;
	daemon->nr_methods++;
	if (!ring_job_start(daemon->reactors[0].ring, &s->job))
		return;
	error_set(&s->err, -ENOMEM, "no thread");
	on_worked(&s->job);
}

void do_salvage_list(struct request *request)
{
	start(request, DO_LIST, "");
}

/* The name that is asked for, or NULL after a refusal. */
static const char *need_name(struct request *request)
{
	const char *name = request_text(request, "name");

	if (!name || !*name)
		request_refuse(request, 2, "the name is missing");
	else if (strlen(name) >= SALVAGE_NAME_LEN)
		request_refuse(request, 3, "there is no salvage %.100s", name);
	else
		return name;
	return NULL;
}

void do_salvage_drop(struct request *request)
{
	const char *name = need_name(request);
	const char *device = name ? testdev_of_salvage(request->daemon, name) :
				    NULL;

	if (device)
		request_refuse(request, 5, "the device %s shows it: drop that "
			       "first (replicactl test --drop %s)", device,
			       device);
	else if (name)
		start(request, DO_DROP, name);
}

void do_salvage_device(struct request *request)
{
	const char *name = need_name(request);

	if (name)
		start(request, DO_SHOW, name);
}
