// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods on the configuration: reload, set_type. */
#include "methods.h"

#include <errno.h>

#include <stdio.h>
#include <string.h>

#include "config-impl.h"
#include "control.h"
#include "daemon.h"
#include "reload-impl.h"

static void on_reloaded(void *arg, json_t *result)
{
	request_answer(arg, result);
}

void do_reload(struct request *request)
{
	char error[CONFIG_ERROR_SIZE] = "";
	int err = reload_start(request->daemon, on_reloaded, request, error);

	if (err)
		request_refuse(request, err == -EBUSY ?
			       method_exit_status(err) : 1, "%s", error);
}

/* --- set_type ------------------------------------------------------------- */

/* Not before: who reads volumes.conf would start what is not there yet. */
static void on_typed(void *arg, json_t *result)
{
	struct request *request = arg;
	struct daemon *daemon = request->daemon;
	int err = daemon_save(daemon);

	if (!err) {
		json_object_set_new(result, "schema_version", json_integer(1));
		request_answer(request, result);
		return;
	}
	json_decref(result);
	request_refuse(request, 1, "%s: the type is another one, but will not "
		       "be after a restart: %s", daemon->runtime_path,
		       strerror(-err));
}

static int check_entry(const struct entry *entry, const char *name,
		       char error[CONFIG_ERROR_SIZE])
{
	if (!entry || entry->is_disabled)
		return config_refuse(error, -ENOENT, "there is no volume %.60s "
				     "that is replicated here", name);
	if (!entry->config->is_runtime)
		return config_refuse(error, -EEXIST, "volume %s is of a file: "
			"change type= there, then: replicactl config reload",
			name);
	return 0;
}

static int add_typed(struct reload *r, const struct volume_config *before,
		     struct volume_config *now, const char *type,
		     char error[CONFIG_ERROR_SIZE])
{
	int err = volume_config_set(now, "type", type, error);

	if (!err)
		err = config_settle(&r->daemon->config, now, error);
	if (!err)
		err = volume_config_check_clear(now, error);
	if (err || volume_config_equals(before, now))
		return err;
	volume_config_spare(now, before);
	err = reload_add(r, now->name, now, "changed");
	return err ? config_refuse(error, err, "no memory") : 0;
}

static int set_type(struct reload *r, const struct request *request,
		    char error[CONFIG_ERROR_SIZE])
{
	const char *name = json_string_value(json_object_get(request->params,
							     "volume"));
	const char *type = json_string_value(json_object_get(request->params,
							     "type"));
	const struct entry *entry;
	struct volume_config *now;
	int err;

	if (!name || !type)
		return config_refuse(error, -EDESTADDRREQ, "the %s is missing",
				     name ? "type" : "volume");
	entry = daemon_find(r->daemon, name);
	err = check_entry(entry, name, error);
	if (err)
		return err;
	now = volume_config_clone(entry->config);
	err = now ? add_typed(r, entry->config, now, type, error) : -ENOMEM;
	volume_config_destroy(now);
	return err;
}

void do_set_type(struct request *request)
{
	char error[CONFIG_ERROR_SIZE] = "";
	int err;
	struct reload *r = reload_create(request->daemon, "a volume has "
					 "another type", on_typed, request,
					 &err, error);

	if (r)
		err = set_type(r, request, error);
	if (r && !err) {
		reload_run(r);
		return;
	}
	if (r)
		reload_free(r);
	request_refuse(request, method_exit_status(err), "%s", error);
}
