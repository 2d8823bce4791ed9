// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods of the control socket: a table, and a function for each row. */
#include "methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "config-target.h"
#include "control.h"
#include "daemon.h"
#include "made.h"
#include "notice.h"
#include "ops.h"
#include "params.h"
#include "promotion.h"
#include "status.h"
#include "tenant.h"
#include "version.h"

enum exit_status {
	EXIT_FAILED_ = 1,
	EXIT_USAGE_ = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_REFUSED = 5,
	EXIT_TIMEOUT = 6,
	EXIT_PERMISSION = 7,
	EXIT_NOT_HERE = 8,
};

int method_exit_status(int err)
{
	switch (err) {
	case -ENOENT: case -ENXIO: case -ENODEV:
		return EXIT_NOT_FOUND;
	case -EDESTADDRREQ:
		return EXIT_USAGE_;
	case -EEXIST: case -EBUSY: case -ENOTBLK: case -EINVAL:
	case -EOPNOTSUPP: case -ESTALE:
		return EXIT_REFUSED;
	case -ETIMEDOUT:
		return EXIT_TIMEOUT;
	case -EPERM: case -EACCES:
		return EXIT_PERMISSION;
	case -EREMOTE:
		return EXIT_NOT_HERE;
	default:
		return EXIT_FAILED_;
	}
}

void method_refuse(struct request *request, const struct error *err)
{
	request_refuse(request, method_exit_status(err->code), "%s",
		       err->text[0] ? err->text : strerror(-err->code));
}

static void on_done(struct op *op)
{
	struct request *request = op->arg;

	if (op->err)
		request_refuse(request, method_exit_status(op->err), "%s",
			       op->error[0] ? op->error : strerror(-op->err));
	else
		request_answer(request, json_incref(op->result));
	op_free(op);
}

static void check_op(struct request *request, const struct op *op)
{
	if (!op)
		request_refuse(request, EXIT_FAILED_, "no memory");
}

/* The parameter "volume", or NULL after a refusal. */
static const char *get_volume(struct request *request)
{
	const char *name = request_text(request, "volume");

	if (!name)
		request_refuse(request, EXIT_USAGE_, "the volume is missing");
	return name;
}

static void on_status(struct op *op)
{
	struct request *request = op->arg;
	const char *only = request_text(request, "volume");
	json_t *answer = status_all(op->daemon, op->result, only);
	json_t *made = made_not_replicated(op->daemon, only);

	if (only && !json_array_size(json_object_get(answer, "volumes")) &&
	    !json_array_size(made)) {
		request_refuse(request, EXIT_NOT_FOUND,
			       promotion_is_replica(op->daemon, only) ?
			       "%s is a replica here: replicactl status %s "
			       "--replicas" : "there is no volume %s", only,
			       only);
		json_decref(answer);
		json_decref(made);
	} else {
		json_object_set_new(answer, "not_replicated", made);
		request_answer(request, answer);
	}
	op_free(op);
}

static void do_status(struct request *request)
{
	const char *only = request_text(request, "volume");

	check_op(request, op_status(request->daemon, only, on_status,
				    request));
}

/* Whose view: a tenant's own, or that of the user who is named. */
static void on_volumes(struct op *op)
{
	struct request *request = op->arg;
	const char *only = request_text(request, "volume");
	const char *user = request_text(request, "user");
	json_t *status = status_all(op->daemon, op->result, NULL);
	json_t *answer = tenant_view(op->daemon, status, request->may_change ?
				     user : request->user, only);

	if (answer)
		request_answer(request, answer);
	else
		request_refuse(request, EXIT_NOT_FOUND,
			       "there is no volume %.60s", only);
	json_decref(status);
	op_free(op);
}

static void do_volumes(struct request *request)
{
	if (request->may_change && !json_is_string(json_object_get(
						request->params, "user")))
		request_refuse(request, EXIT_USAGE_, "the user is missing");
	else
		check_op(request, op_status(request->daemon, NULL, on_volumes,
					    request));
}

static int set_text(struct volume_config *config, const char *key,
		    const json_t *value, char error[CONFIG_ERROR_SIZE])
{
	const char *text = json_string_value(value);

	if (!value || json_is_null(value))
		return 0;
	if (text)
		return volume_config_set(config, key, text, error);
	snprintf(error, CONFIG_ERROR_SIZE, "%.60s is not a text", key);
	return -EINVAL;
}

int method_set_keys(struct volume_config *config, json_t *params,
		    const char *const keys[], char *error)
{
	const char *key;
	json_t *value;
	int err = 0;

	for (; !err && *keys; keys++)
		err = set_text(config, *keys, json_object_get(params, *keys),
			       error);
	json_object_foreach(json_object_get(params, "options"), key, value)
		err = err ?: set_text(config, key, value, error);
	return err;
}

/*
 * Of a volume that was made here, what it is made of is known. What was
 * promoted has a device already, and metadata of its own.
 */
static int take_made(const struct daemon *daemon, struct volume_config *config,
		     char error[CONFIG_ERROR_SIZE])
{
	struct error err = { 0 };
	struct made *m;
	int ret;

	if (config->device || config->origin)
		return 0;
	m = malloc(sizeof(*m));
	ret = m ? made_load(daemon->config.state_dir, config->name, m, &err) :
		  -ENOMEM;
	if (!ret && m->step != MADE_READY)
		ret = error_set(&err, -EBUSY, "%s is being made, or deleted",
				config->name);
	else if (!ret)
		ret = m->is_promoted || promotion_find(daemon, config->name) ?
		      made_fill_promoted(m, config) : made_fill(m, config);
	free(m);
	if (ret && ret != -ENOENT)
		snprintf(error, CONFIG_ERROR_SIZE, "%s", err.text[0] ?
			 err.text : strerror(-ret));
	return ret == -ENOENT ? 0 : ret;
}

int method_go_with_group(const struct daemon *daemon,
			 struct volume_config *config, char *error)
{
	const char *prefer = NULL;
	int err;

	if (config->prefer)
		return target_check_preferred(&daemon->config, config, error);
	for (const struct entry *e = daemon->entries; e; e = e->next)
		if (config->group && config->target_id && e->config->prefer &&
		    e->config->group && !e->is_disabled &&
		    !strcmp(e->config->group, config->group))
			prefer = e->config->prefer;
	if (!prefer)
		return 0;
	if (daemon->is_reloading)
		return config_refuse(error, -EBUSY, "where its group goes is "
				     "being changed: this again when that is "
				     "done");
	err = volume_config_set(config, "prefer", prefer, error);
	return err ?: config_settle(&daemon->config, config, error);
}

static int fill_config(const struct daemon *daemon,
		       struct volume_config *config, json_t *params,
		       char error[CONFIG_ERROR_SIZE])
{
	static const char *const keys[] = { "device", "target", "group",
					    NULL };
	int err = method_set_keys(config, params, keys, error);

	config->is_runtime = true;
	if (!err)
		err = take_made(daemon, config, error);
	if (!err)
		err = config_settle(&daemon->config, config, error);
	if (!err)
		err = method_go_with_group(daemon, config, error);
	return err ? err : volume_config_check_clear(config, error);
}

/* As a file has it, or NULL; false: it was refused. */
static bool take_config(struct request *request, const char *name,
			struct volume_config **config)
{
	char error[CONFIG_ERROR_SIZE] = "no memory";
	int err = enable_of_file(request, name, config, error);

	if (err) {
		request_refuse(request, method_exit_status(err), "%s", error);
		return false;
	}
	if (*config)
		return true;
	*config = volume_config_create(name);
	if (!*config) {
		request_refuse(request, EXIT_USAGE_, "\"%.60s\" is not a name "
			       "for a volume: use letters, digits and . _ -",
			       name);
		return false;
	}
	if (!fill_config(request->daemon, *config, request->params, error))
		return true;
	volume_config_destroy(*config);
	request_refuse(request, EXIT_USAGE_, "%s", error);
	return false;
}

static void do_enable(struct request *request)
{
	const char *name = enable_many(request) ? NULL : get_volume(request);
	struct volume_config *config;

	if (name && take_config(request, name, &config))
		check_op(request, request_flag(request, "dry_run") ?
			 op_look_enable(request->daemon, config, on_done,
					request) :
			 op_enable(request->daemon, config, on_done, request));
}

static void do_disable(struct request *request)
{
	const char *name = disable_many(request) ? NULL : get_volume(request);

	if (name)
		check_op(request, request_flag(request, "dry_run") ?
			 op_look_disable(request->daemon, name, on_done,
					 request) :
			 op_disable(request->daemon, name, on_done, request));
}

static void do_pause(struct request *request)
{
	const char *name = get_volume(request);

	if (name)
		check_op(request, op_pause(request->daemon, name, on_done,
					   request));
}

static void do_resume(struct request *request)
{
	const char *name = get_volume(request);

	if (name)
		check_op(request, op_resume(request->daemon, name, on_done,
					    request));
}

static void do_resync(struct request *request)
{
	const char *name = get_volume(request);

	if (name)
		check_op(request, op_resync(request->daemon, name,
					    request_flag(request, "full"),
					    on_done, request));
}

static void do_verify(struct request *request)
{
	const char *name = get_volume(request);

	if (name)
		check_op(request, op_verify(request->daemon, name,
					    request_flag(request, "repair"),
					    request_flag(request, "stop"),
					    on_done, request));
}

void do_extend(struct request *request)
{
	const char *name = get_volume(request);

	if (name && json_object_get(request->params, "size_bytes"))
		extend_made(request, name);
	else if (name && request_flag(request, "dry_run"))
		request_refuse(request, EXIT_USAGE_, "dry_run: only with "
			       "size_bytes");
	else if (name)
		check_op(request, op_extend(request->daemon, name, false,
					    on_done, request));
}

static void do_shutdown(struct request *request)
{
	struct daemon *daemon = request->daemon;

	request_answer(request, NULL);
	daemon_stop(daemon);
}

static const struct method {
	const char *name;
	void (*call)(struct request *request);
	bool is_admins;
	const char *params;		/* params.h */
} methods[] = {
	{ "volumes", do_volumes, false, "volume user" },
	{ "status", do_status, true, "volume" },
	{ "enable", do_enable, true,
	  "volume target device group pool host? dry_run? options{" },
	{ "disable", do_disable, true, "volume group pool host? dry_run?" },
	{ "pause", do_pause, true, "volume" },
	{ "resume", do_resume, true, "volume" },
	{ "recover", do_recover, true,
	  "volume group pool host? dry_run? wait_s#" },
	{ "resync", do_resync, true, "volume full?" },
	{ "history", do_history, true, "volume target" },
	{ "replicas", do_replicas, true, "volume" },
	{ "create", do_create, true,
	  "volume size_bytes# type backend target dry_run? options{" },
	{ "clone", do_clone, true,
	  "volume name snapshot type target dry_run? options{" },
	{ "delete", do_delete, true,
	  "volume disable? group? dry_run? any_site?" },
	{ "made", do_made, true, "" },
	{ "snapshot", do_snapshot, true, "volume name" },
	{ "snapshot_list", do_snapshot_list, true, "volume" },
	{ "snapshot_drop", do_snapshot_drop, true, "volume name" },
	{ "path", do_path, true, "volume any_site?" },
	{ "delete_replica", do_delete_replica, true,
	  "volume dir group? keep_base? dry_run?" },
	{ "test", do_test, true, "volume target epoch# at# name attach?" },
	{ "test_list", do_test_list, true, "" },
	{ "test_drop", do_test_drop, true, "name" },
	{ "verify", do_verify, true, "volume repair? stop?" },
	{ "extend", do_extend, true, "volume size_bytes# dry_run?" },
	{ "failover", do_failover, true,
	  "volume pool host? group? force? planned? dry_run? epoch# at# "
	  "dir metadata to wait_s#" },
	{ "resolve", do_resolve, true,
	  "volume keep pair group? dry_run? dir wait_s#" },
	{ "salvage_list", do_salvage_list, true, "dir" },
	{ "salvage_drop", do_salvage_drop, true, "name dir" },
	{ "salvage_device", do_salvage_device, true, "name dir as attach?" },
	{ "pair_invite", do_pair_invite, true,
	  "name address listen params[ expires_s#" },
	{ "pair_join", do_pair_join, true, "name token" },
	{ "pair_list", do_pair_list, true, "" },
	{ "pair_revoke", do_pair_revoke, true, "name" },
	{ "reload", do_reload, true, "dry_run?" },
	{ "set_type", do_set_type, true, "volume type dry_run?" },
	{ "targets", do_targets, true, "volume group pool host?" },
	{ "target_check", do_target_check, true, "id volume" },
	{ "target_add", do_target_add, true, "id keys{ dry_run?" },
	{ "target_set", do_target_set, true, "id keys{ dry_run?" },
	{ "target_remove", do_target_remove, true, "id dry_run?" },
	{ "target_use", do_target_use, true, "id volume dry_run?" },
	{ "peer", do_peer, true, "pair_id message" },
	{ "events", request_subscribe, true, "" },
	{ "shutdown", do_shutdown, true, "" },
};

static void call(struct request *request, const struct method *m)
{
	notice_begin(request, m->name);
	if (!route_request(request, m->name, m->call))
		m->call(request);
}

void method_call(struct request *request, const char *method)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const struct method *m = &methods[i];

		if (strcmp(m->name, method))
			continue;
		if (m->is_admins && !request->may_change)
			request_refuse(request, EXIT_PERMISSION,
				       "%s: only root and the group replica "
				       "may do that", method);
		else if (m->is_admins && request->daemon->is_stopping &&
			 m->call != do_status)
			request_refuse(request, EXIT_FAILED_,
				       "replicad is stopping");
		else if (params_check(request, method, m->params))
			call(request, m);
		return;
	}
	request_refuse(request, EXIT_USAGE_, "there is no method %.60s in "
		       "replicad " REPLICA_VERSION, method);
}
