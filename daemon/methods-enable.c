// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods enable and disable of many volumes, and enable of those that a
 * file has.
 *
 * F1 a volume of a file is enabled as the files have it now: they are read
 *    again. What it refers to (its type, its target) is as of the last reload.
 * F2 no volume is kept in volumes.conf that a file has. Where both have one (it
 *    was added to a file later), the file's is the one.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "control.h"
#include "daemon.h"
#include "methods-many.h"
#include "ops.h"

static void on_done(struct op *op)
{
	struct many *m = op->arg;
	json_t *one = many_note(m, !op->err ? NULL : op->error[0] ? op->error :
				strerror(-op->err));

	if (!op->err && op->result)
		json_object_update_missing(one, op->result);
	op_free(op);
	many_go_on(m);
}

static bool note_no_memory(struct many *m)
{
	many_note(m, "no memory");
	return false;
}

/* --- disable -------------------------------------------------------------- */

static bool disable_one(struct many *m, const char *name)
{
	struct daemon *daemon = m->request->daemon;

	return (request_flag(m->request, "dry_run") ?
		op_look_disable(daemon, name, on_done, m) :
		op_disable(daemon, name, on_done, m)) || note_no_memory(m);
}

/* Who is meant of those that are replicated. */
static void add_entries(struct many *m, const struct scope *scope)
{
	for (struct entry *e = m->request->daemon->entries; e; e = e->next)
		if (scope_has(scope, e->config) &&
		    !config_find(&m->files, e->config->name))
			many_add(m, e->config->name);
}

bool disable_many(struct request *request)
{
	struct scope scope;
	struct many *m;

	if (many_is_one(request))
		return false;
	if (!many_scope(request, &scope))
		return true;
	m = many_create(request, disable_one);
	if (!m)
		return true;
	add_entries(m, &scope);
	if (json_array_size(m->volumes))
		many_run(m);
	else
		many_refuse(m, 3, "no volume is replicated%s%.60s",
			    many_name(&scope) ? " of " : " here",
			    many_name(&scope) ?: "");
	return true;
}

/* --- enable --------------------------------------------------------------- */

static bool is_there(const struct daemon *daemon, const char *name)
{
	const struct entry *entry = daemon_find(daemon, name);

	return entry && !entry->is_disabled;
}

static bool enable_one(struct many *m, const char *name)
{
	struct daemon *daemon = m->request->daemon;
	const struct volume_config *v = config_find(&m->files, name);
	struct volume_config *copy;

	if (is_there(daemon, name)) {
		json_object_set_new(many_note(m, NULL), "already", json_true());
		return false;
	}
	copy = v ? volume_config_clone(v) : NULL;
	return (copy && (request_flag(m->request, "dry_run") ?
			 op_look_enable(daemon, copy, on_done, m) :
			 op_enable(daemon, copy, on_done, m))) ||
	       note_no_memory(m);
}

/* 0 or -errno with a sentence (A1). */
static int check_volume(const struct daemon *daemon, struct volume_config *v,
			char error[CONFIG_ERROR_SIZE])
{
	char text[CONFIG_ERROR_SIZE];
	int err = config_settle(&daemon->config, v, text);

	if (!err)
		err = volume_config_check_clear(v, text);
	return err ? config_refuse(error, err, "%s: %.330s", v->name, text) : 0;
}

static int read_files(struct many *m, char error[CONFIG_ERROR_SIZE])
{
	const struct daemon *daemon = m->request->daemon;
	int err = config_init(&m->files);

	if (err)
		return config_refuse(error, err, "no memory");
	return config_load_all(&m->files, daemon->options->config,
			       daemon->config.state_dir, error);
}

/* A runtime volume is there, or it is not in volumes.conf. */
static int add_volumes(struct many *m, const struct scope *scope,
		       char error[CONFIG_ERROR_SIZE])
{
	const struct daemon *daemon = m->request->daemon;
	int err = 0;

	for (struct volume_config *v = m->files.volumes; !err && v;
	     v = v->next) {
		if (!scope_has(scope, v))
			continue;
		if (!is_there(daemon, v->name))
			err = check_volume(daemon, v, error);
		many_add(m, v->name);
	}
	if (!err)
		add_entries(m, scope);
	return err;
}

static void enable_scope(struct request *request, const struct scope *scope)
{
	struct many *m = many_create(request, enable_one);
	char error[CONFIG_ERROR_SIZE];
	int err;

	if (!m)
		return;
	err = read_files(m, error);
	if (!err)
		err = add_volumes(m, scope, error);
	if (err)
		many_refuse(m, method_exit_status(err), "%s", error);
	else if (!json_array_size(m->volumes))
		many_refuse(m, 3, "the files have no volume%s%.60s",
			    many_name(scope) ? " of " : "",
			    many_name(scope) ?: "");
	else
		many_run(m);
}

bool enable_many(struct request *request)
{
	struct scope scope;

	/* with a volume, the group is what it is to be in */
	if (json_object_get(request->params, "volume") &&
	    !json_object_get(request->params, "pool") &&
	    !json_is_true(json_object_get(request->params, "host")))
		return false;
	if (many_scope(request, &scope))
		enable_scope(request, &scope);
	return true;
}

/* Nothing is said of the volume but its name. */
static bool is_name_only(const struct request *request)
{
	return !json_object_get(request->params, "device") &&
	       !json_object_get(request->params, "target") &&
	       !json_object_get(request->params, "group") &&
	       !json_object_size(json_object_get(request->params, "options"));
}

/* What the files have of it; *@found is NULL if they have nothing. */
static int find_in_files(struct config *files, const struct daemon *daemon,
			 const char *name, const struct volume_config **found,
			 char *error)
{
	struct volume_config *v;
	int err = config_init(files);

	if (err)
		return config_refuse(error, err, "no memory");
	err = config_load_all(files, daemon->options->config,
			      daemon->config.state_dir, error);
	if (err)
		return err;
	v = config_find(files, name);
	*found = v && !v->is_runtime ? v : NULL;
	return 0;
}

int enable_check_no_file(const struct daemon *daemon, const char *name,
			 struct error *err)
{
	const struct volume_config *v = NULL;
	char error[CONFIG_ERROR_SIZE] = "";
	struct config files;
	int ret = find_in_files(&files, daemon, name, &v, error);

	if (ret)
		error_set(err, ret, "%.250s", error);
	else if (v)
		ret = error_set(err, -EBUSY, "volume %.60s is of %.150s:%d: "
				"remove it there first", name, v->file,
				v->line);
	config_clear(&files);
	return ret;
}

int enable_of_file(const struct request *request, const char *name,
		   struct volume_config **config, char *error)
{
	const struct volume_config *v = NULL;
	struct config files;
	int err = find_in_files(&files, request->daemon, name, &v, error);

	*config = v && is_name_only(request) ? volume_config_clone(v) : NULL;
	if (v && !is_name_only(request))
		err = config_refuse(error, -EEXIST, "volume %s is of %.200s:%d: "
				    "change it there, and enable it by its "
				    "name", name, v->file, v->line);
	else if (v && !*config)
		err = config_refuse(error, -ENOMEM, "no memory");
	config_clear(&files);
	return err;
}
