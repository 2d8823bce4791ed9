// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods on the configuration: reload, set_type, target_use. */
#include "methods.h"

#include <errno.h>

#include <stdio.h>
#include <string.h>

#include "config-impl.h"
#include "config-target.h"
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
	int err = reload_start(request->daemon, request_flag(request,
			       "dry_run"), on_reloaded, request, error);

	if (err)
		request_refuse(request, err == -EBUSY ?
			       method_exit_status(err) : 1, "%s", error);
}

/* --- a key of a volume ---------------------------------------------------- */

/* Not before: who reads volumes.conf would start what is not there yet. */
static void on_set(void *arg, json_t *result)
{
	struct request *request = arg;
	struct daemon *daemon = request->daemon;
	bool is_dry = json_is_true(json_object_get(result, "dry_run"));
	int err;

	if (daemon->is_stopping && !is_dry) {
		json_decref(result);
		request_refuse(request, 1, "replicad stops: perhaps not all of "
			       "it is done; say it again when it runs");
		return;
	}
	err = is_dry ? 0 : daemon_save(daemon);
	if (!err) {
		json_object_set_new(result, "schema_version", json_integer(1));
		request_answer(request, result);
		return;
	}
	json_decref(result);
	request_refuse(request, 1, "%s: it is so now, but will not be after a "
		       "restart: %s", daemon->runtime_path, strerror(-err));
}

static int check_entry(const struct entry *entry, const char *name,
		       const char *key, char error[CONFIG_ERROR_SIZE])
{
	if (!entry || entry->is_disabled)
		return config_refuse(error, -ENOENT, "there is no volume %.60s "
				     "that is replicated here", name);
	if (!entry->config->is_runtime)
		return config_refuse(error, -EEXIST, "volume %s is of a file: "
			"change %s= there, then: replicactl config reload",
			entry->config->name, key);
	return 0;
}

static int add_changed(struct reload *r, const struct volume_config *before,
		       struct volume_config *now, const char *key,
		       const char *value, char error[CONFIG_ERROR_SIZE])
{
	int err = volume_config_set(now, key, value, error);

	if (!err)
		err = target_check_preferred(&r->daemon->config, now, error);
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

static int set_key(struct reload *r, const struct entry *entry,
		   const char *name, const char *key, const char *value,
		   char error[CONFIG_ERROR_SIZE])
{
	struct volume_config *now;
	int err = check_entry(entry, name, key, error);

	if (err)
		return err;
	now = volume_config_clone(entry->config);
	err = now ? add_changed(r, entry->config, now, key, value, error) :
		    config_refuse(error, -ENOMEM, "no memory");
	volume_config_destroy(now);
	return err;
}

/* Of @r, unless @err says that it was refused. */
static void run(struct reload *r, int err, struct request *request,
		const char *error)
{
	if (r && !err) {
		r->is_dry = request_flag(request, "dry_run");
		reload_run(r);
		return;
	}
	if (r)
		reload_free(r);
	request_refuse(request, method_exit_status(err), "%s", error);
}

static int lacks(const char *what, char error[CONFIG_ERROR_SIZE])
{
	return config_refuse(error, -EDESTADDRREQ, "the %s is missing", what);
}

/* @set: the volume gets the @value of its @key; what goes with it, too. */
static void change(struct request *request, const char *what,
		   const char *param, const char *key,
		   int (*set)(struct reload *r, const struct entry *entry,
			      const char *name, const char *key,
			      const char *value,
			      char error[CONFIG_ERROR_SIZE]))
{
	const char *name = request_text(request, "volume");
	const char *value = request_text(request, param);
	char error[CONFIG_ERROR_SIZE] = "";
	int err;
	struct reload *r = reload_create(request->daemon, what, on_set, request,
					 &err, error);

	if (r)
		err = !name || !value ? lacks(name ? param : "volume", error) :
		      set(r, daemon_find(r->daemon, name), name, key, value,
			  error);
	run(r, err, request, error);
}

void do_set_type(struct request *request)
{
	change(request, "a volume has another type", "type", "type", set_key);
}

/* --- target_use ----------------------------------------------------------- */

static bool goes_with(const struct entry *e, const struct entry *leader)
{
	const char *group = leader->config->group;

	return e == leader || (group && e->config->group && !e->is_disabled &&
			       !strcmp(e->config->group, group));
}

/* Those of one group have one log, so they go where it goes: all, or none. */
static int set_all(struct reload *r, const struct entry *leader,
		   const char *name, const char *key, const char *value,
		   char error[CONFIG_ERROR_SIZE])
{
	int err = check_entry(leader, name, key, error);

	for (struct entry *e = r->daemon->entries; !err && e; e = e->next)
		if (goes_with(e, leader))
			err = set_key(r, e, name, key, value, error);
	return err;
}

void do_target_use(struct request *request)
{
	change(request, "a volume prefers another target", "id", "prefer",
	       set_all);
}
