// SPDX-License-Identifier: GPL-2.0-or-later
/* Methods for when the other site is lost: failover, salvage_*. */
#include "methods-failover.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "control.h"
#include "daemon.h"
#include "log.h"
#include "methods.h"
#include "resolve.h"
#include "salvage-file.h"

#define NS	1e9
#define RESOLVE_WAIT_MS	30000

static void refuse(struct request *request, const struct error *err)
{
	request_refuse(request, method_exit_status(err->code), "%s",
		       err->text[0] ? err->text : strerror(-err->code));
}

/* --- failover ------------------------------------------------------------- */

static void on_promoted(void *arg, json_t *result, const struct error *err)
{
	if (err)
		refuse(arg, err);
	else
		request_answer(arg, result);
}

int failover_wish(struct promotion_wish *wish, const struct request *request,
		  struct error *err)
{
	const json_t *epoch = json_object_get(request->params, "epoch");
	const json_t *at = json_object_get(request->params, "at");
	double seconds = json_number_value(at);

	if (epoch && at)
		return error_set(err, -EDESTADDRREQ, "epoch and at: one of "
				 "them");
	if (epoch && (!json_is_integer(epoch) ||
		      json_integer_value(epoch) <= 0))
		return error_set(err, -EDESTADDRREQ, "epoch is not a number "
				 "from 1 on");
	if (at && (!json_is_number(at) || seconds <= 0 || seconds > 9e9))
		return error_set(err, -EDESTADDRREQ, "at is not a time in "
				 "seconds since 1970");
	*wish = (struct promotion_wish){ 0 };
	wish->epoch = json_integer_value(epoch);
	wish->at_ns = seconds * NS;
	return 0;
}

unsigned int failover_wait_ms(const struct request *request)
{
	double wait_s = json_number_value(json_object_get(request->params,
							  "wait_s"));

	return wait_s > 0 && wait_s < 3600 ? wait_s * 1000 : RESOLVE_WAIT_MS;
}

static void hand_over(struct request *request)
{
	const struct resolve_request q = {
		.volume = request_text(request, "volume"),
		.is_planned = true,
		.is_group = request_flag(request, "group"),
		.is_dry = request_flag(request, "dry_run"),
		.wait_ms = failover_wait_ms(request),
	};

	resolve_keep_peer(request->daemon, &q, on_promoted, request);
}

/* F1 of methods-failover-ask.c */
static void take_over(struct request *request, const json_t *overtaken)
{
	struct promotion_request q = {
		.volume = request_text(request, "volume"),
		.dir = request_text(request, "dir"),
		.metadata = request_text(request, "metadata"),
		.is_dry = request_flag(request, "dry_run"),
		.is_group = request_flag(request, "group"),
	};
	const char *why = failover_overtaken(request, overtaken, q.volume,
					     q.is_group);
	struct error err = { 0 };

	if (why)
		error_set(&err, -ESTALE, "%s", why);
	if (err.code || failover_wish(&q.wish, request, &err))
		refuse(request, &err);
	else
		promotion_start(request->daemon, &q, on_promoted, request);
}

void do_failover(struct request *request)
{
	const char *volume = request_text(request, "volume");
	struct error err = { 0 };

	if (failover_many(request))
		return;
	if (volume && request_flag(request, "planned")) {
		hand_over(request);
		return;
	}
	if (!volume)
		error_set(&err, -EDESTADDRREQ, "the volume is missing");
	else if (!request_flag(request, "force") &&
		 !request_flag(request, "dry_run"))
		error_set(&err, -EDESTADDRREQ, "neither force nor planned is "
			  "set");
	if (err.code)
		refuse(request, &err);
	else
		failover_ask(request, take_over);
}

/* --- resolve -------------------------------------------------------------- */

static bool keeps_local(struct request *request)
{
	const char *keep = request_text(request, "keep");
	struct error err = { 0 };

	if (!keep || strcmp(keep, "local"))
		return false;
	if (request_flag(request, "group") || request_text(request, "dir"))
		error_set(&err, -EDESTADDRREQ, "keep=local: neither with group "
			  "nor with dir: each volume by itself, and what the "
			  "other site gives up is kept aside there");
	if (err.code)
		refuse(request, &err);
	else
		keep_local(request);
	return true;
}

void do_resolve(struct request *request)
{
	const struct resolve_request q = {
		.volume = request_text(request, "volume"),
		.dir = request_text(request, "dir"),
		.is_group = request_flag(request, "group"),
		.is_dry = request_flag(request, "dry_run"),
		.wait_ms = failover_wait_ms(request),
	};
	const char *keep = request_text(request, "keep");
	struct error err = { 0 };

	if (!q.volume)
		error_set(&err, -EDESTADDRREQ, "the volume is missing");
	else if (keeps_local(request))
		return;
	else if (!keep || strcmp(keep, "peer"))
		error_set(&err, -EDESTADDRREQ, "keep: want local or peer: "
			  "whose data count");
	else if (request_text(request, "pair"))
		error_set(&err, -EDESTADDRREQ, "pair: only with keep=local: "
			  "who is asked");
	if (err.code)
		refuse(request, &err);
	else
		resolve_keep_peer(request->daemon, &q, on_promoted, request);
}

/* --- salvage -------------------------------------------------------------- */

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

/*
 * The folders are read, and a file is dropped, on a thread: neither is quick
 * where there are many extents.
 */
struct salvages {
	struct ring_job job;
	struct request *request;
	json_t *dirs, *all;
	char name[SALVAGE_NAME_LEN];	/* to be dropped; "": to be listed */
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
	const char *path;
	json_t *one;
	size_t i;

	json_array_foreach(s->dirs, i, one)
		list_dir(s->all, json_string_value(one));
	if (!s->name[0])
		return;
	path = path_in(s->all, s->name);
	if (!path)
		error_set(&s->err, -ENOENT, "there is no salvage %.100s",
			  s->name);
	else if (unlink(path))
		error_set(&s->err, -errno, "%.200s: %s", path,
			  strerror(errno));
}

static void on_worked(struct ring_job *job)
{
	struct salvages *s = container_of(job, struct salvages, job);
	struct daemon *daemon = s->request->daemon;

	if (s->err.code) {
		refuse(s->request, &s->err);
	} else if (s->name[0]) {
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

static void start(struct request *request, const char *name)
{
	struct salvages *s = calloc(1, sizeof(*s));
	const char *dir = request_text(request, "dir");
	struct daemon *daemon = request->daemon;

	if (!s) {
		request_refuse(request, 1, "no memory");
		return;
	}
	s->request = request;
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
	start(request, "");
}

void do_salvage_drop(struct request *request)
{
	const char *name = request_text(request, "name");

	if (!name || !*name)
		request_refuse(request, 2, "the name is missing");
	else if (strlen(name) >= SALVAGE_NAME_LEN)
		request_refuse(request, 3, "there is no salvage %.100s", name);
	else
		start(request, name);
}
