// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods targets and target_*.
 *
 * G1 an edit with which any volume could not live changes nothing: one that
 *    runs, or one of a file, which would keep replicad from its next start.
 * G2 targets.conf has it, durably, before the first volume is changed.
 * G3 a volume for which nothing changes is not touched (R2).
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "config-target.h"
#include "control.h"
#include "daemon.h"
#include "methods-many.h"
#include "ops.h"
#include "reload-impl.h"
#include "status.h"

/* --- edits ---------------------------------------------------------------- */

static void on_changed(void *arg, json_t *result)
{
	json_object_set_new(result, "schema_version", json_integer(1));
	request_answer(arg, result);
}

static int add_if_changed(struct reload *r, const struct volume_config *before,
			  struct volume_config *now,
			  char error[CONFIG_ERROR_SIZE])
{
	int err = config_settle(&r->daemon->config, now, error);

	if (err || volume_config_equals(before, now))
		return err;
	err = volume_config_check_clear(now, error);
	if (err)
		return err;
	volume_config_spare(now, before);
	err = reload_add(r, now->name, now, "changed");
	return err ? config_refuse(error, err, "no memory") : 0;
}

static int look_at_volumes(struct reload *r, char error[CONFIG_ERROR_SIZE])
{
	int err = 0;

	for (struct entry *e = r->daemon->entries; !err && e; e = e->next) {
		struct volume_config *now = e->is_disabled ? NULL :
			volume_config_clone(e->config);

		if (now)
			err = add_if_changed(r, e->config, now, error);
		else if (!e->is_disabled)
			err = config_refuse(error, -ENOMEM, "no memory");
		volume_config_destroy(now);
	}
	return err;
}

static int settle_files(struct config *files, char error[CONFIG_ERROR_SIZE])
{
	char text[CONFIG_ERROR_SIZE];
	int err = 0;

	for (struct volume_config *v = files->volumes; !err && v; v = v->next) {
		struct volume_config *now = volume_config_clone(v);

		if (!now)
			return config_refuse(error, -ENOMEM, "no memory");
		err = config_settle(files, now, text);
		if (err)
			config_refuse(error, err, "volume %s (%.150s:%d): "
				      "%.250s", v->name, v->file, v->line,
				      text);
		volume_config_destroy(now);
	}
	return err;
}

/* G1, of what the next start will read. */
static int look_at_files(const struct daemon *daemon, enum target_verb verb,
			 const char *id, const json_t *keys,
			 char error[CONFIG_ERROR_SIZE])
{
	struct target_edit edit;
	struct config files;
	int err = config_init(&files);

	if (err)
		return config_refuse(error, err, "no memory");
	err = config_load_all(&files, daemon->options->config,
			      daemon->config.state_dir, error);
	if (!err)
		err = target_edit(&edit, &files, verb, id, keys, error);
	if (!err) {
		err = settle_files(&files, error);
		target_edit_keep(&edit);
	}
	config_clear(&files);
	return err;
}

/* G2 */
static int save(const struct daemon *daemon, char error[CONFIG_ERROR_SIZE])
{
	char path[500];
	int err;

	snprintf(path, sizeof(path), "%.450s/targets.conf",
		 daemon->config.state_dir);
	err = config_save_targets(&daemon->config, path);
	return err ? config_refuse(error, err, "%s: cannot be written: %s",
				   path, strerror(-err)) : 0;
}

static int edit(struct reload *r, enum target_verb verb,
		const struct request *request, char error[CONFIG_ERROR_SIZE])
{
	const char *id = json_string_value(json_object_get(request->params,
							   "id"));
	const json_t *keys = json_object_get(request->params, "keys");
	struct target_edit edit;
	int err;

	if (!id)
		return config_refuse(error, -EDESTADDRREQ, "the id of the "
				     "target is missing");
	err = target_edit(&edit, &r->daemon->config, verb, id, keys, error);
	if (err)
		return err;
	err = look_at_volumes(r, error);
	if (!err)
		err = look_at_files(r->daemon, verb, id, keys, error);
	if (!err && !r->is_dry)
		err = save(r->daemon, error);
	if (err || r->is_dry)
		target_edit_undo(&edit);	/* G1, R6 */
	else
		target_edit_keep(&edit);
	return err;
}

static void change(struct request *request, enum target_verb verb)
{
	char error[CONFIG_ERROR_SIZE] = "";
	int err;
	struct reload *r = reload_create(request->daemon, "the targets were "
					 "changed", on_changed, request, &err,
					 error);

	if (r) {
		r->is_dry = request_flag(request, "dry_run");
		err = edit(r, verb, request, error);
	}
	if (r && !err) {
		reload_run(r);
		return;
	}
	if (r)
		reload_free(r);
	request_refuse(request, method_exit_status(err), "%s", error);
}

void do_target_add(struct request *request)
{
	change(request, TARGET_ADD);
}

void do_target_set(struct request *request)
{
	change(request, TARGET_SET);
}

void do_target_remove(struct request *request)
{
	change(request, TARGET_REMOVE);
}

/* --- targets -------------------------------------------------------------- */

static const json_t *status_of(const json_t *all, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
		if (!strcmp(json_string_value(json_object_get(one, "name")),
			    name))
			return one;
	return NULL;
}

/* A volume that does not run knows nothing of its target. */
static json_t *describe_volume(const struct section *target,
			       const struct entry *e, const json_t *running)
{
	const json_t *s = status_of(running, e->config->name);
	bool is_active = e->config->target_id &&
			 !strcmp(e->config->target_id, target->name);
	json_t *o = json_pack("{ss sb}", "name", e->config->name, "active",
			      is_active);

	if (is_active && s)
		json_object_update_new(o, json_pack("{sO* sO* sO* sO*}", "state",
			json_object_get(s, "state"), "lag_s",
			json_object_get(s, "lag_s"), "connections",
			json_object_get(s, "connections"), "last_contact",
			json_object_get(s, "last_contact")));
	return o;
}

/* True or false by the volumes that use it now; null: none does. */
static json_t *does_answer(const json_t *volumes)
{
	bool is_used = false;
	json_t *one;
	size_t i;

	json_array_foreach(volumes, i, one) {
		if (!json_is_true(json_object_get(one, "active")))
			continue;
		is_used = true;
		if (json_integer_value(json_object_get(one, "connections")))
			return json_true();
	}
	return is_used ? json_false() : json_null();
}

/* The newest of those that use it; null: there was none. */
static json_t *last_contact_of(const json_t *volumes)
{
	json_int_t last = 0;
	json_t *one;
	size_t i;

	json_array_foreach(volumes, i, one) {
		json_int_t at = json_integer_value(json_object_get(one,
							"last_contact"));

		last = at > last ? at : last;
	}
	return last ? json_integer(last) : json_null();
}

static json_t *describe(const struct daemon *daemon,
			const struct section *target, const json_t *running)
{
	json_t *o = target_json(target), *volumes = json_array();

	for (struct entry *e = daemon->entries; e; e = e->next)
		if (target_is_of(&daemon->config, target, e->config))
			json_array_append_new(volumes, describe_volume(target,
							e, running));
	json_object_set_new(o, "answers", does_answer(volumes));
	json_object_set_new(o, "last_contact", last_contact_of(volumes));
	json_object_set_new(o, "volumes", volumes);
	return o;
}

/* Who is asked for: one volume, many, or (the host, or nobody) all targets. */
static bool is_meant(const struct request *request, const struct scope *scope,
		     const struct entry *e)
{
	const char *only = json_string_value(json_object_get(request->params,
							     "volume"));

	return only ? !strcmp(e->config->name, only) :
		      scope_has(scope, e->config);
}

static bool is_all(const struct request *request)
{
	return !json_object_size(request->params) ||
	       json_is_true(json_object_get(request->params, "host"));
}

static bool is_wanted(const struct request *request, const struct scope *scope,
		      const struct section *target)
{
	const struct daemon *daemon = request->daemon;

	if (target->kind != SECTION_TARGET)
		return false;
	if (is_all(request))
		return true;
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (is_meant(request, scope, e) &&
		    target_is_of(&daemon->config, target, e->config))
			return true;
	return false;
}

static bool is_anybody(const struct request *request,
		       const struct scope *scope)
{
	for (struct entry *e = request->daemon->entries; e; e = e->next)
		if (is_meant(request, scope, e))
			return true;
	return is_all(request);
}

static void list_targets(struct request *request, const struct scope *scope,
			 const json_t *running)
{
	const struct daemon *daemon = request->daemon;
	json_t *list = json_array();

	for (const struct section *s = daemon->config.sections; s; s = s->next)
		if (is_wanted(request, scope, s))
			json_array_append_new(list, describe(daemon, s,
							     running));
	request_answer(request, json_pack("{si so}", "schema_version", 1,
					  "targets", list));
}

static void on_targets(struct op *op)
{
	struct request *request = op->arg;
	const char *only = json_string_value(json_object_get(request->params,
							     "volume"));
	struct scope scope = { 0 };

	if (!json_object_size(request->params))
		list_targets(request, &scope, op->result);
	else if (!many_scope(request, &scope))
		;	/* it was refused */
	else if (is_anybody(request, &scope))
		list_targets(request, &scope, op->result);
	else
		request_refuse(request, 3, only ? "there is no volume %.60s" :
			       "no volume is replicated of %.60s", only ? only :
			       many_name(&scope));
	op_free(op);
}

void do_targets(struct request *request)
{
	if (!op_status(request->daemon, NULL, on_targets, request))
		request_refuse(request, 1, "no memory");
}
