// SPDX-License-Identifier: GPL-2.0-or-later
#include "reload-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "daemon.h"
#include "log.h"
#include "ops.h"

struct reload_change {
	struct reload_change *next;
	char *name;
	struct volume_config *config;	/* NULL: it is removed */
};

static void list(struct reload *r, const char *key, json_t *text)
{
	json_array_append_new(json_object_get(r->result, key), text);
}

/* --- what is to be changed --------------------------------------------- */

int reload_add(struct reload *r, const char *name,
	       const struct volume_config *config, const char *kind)
{
	struct reload_change **link = &r->changes;
	struct reload_change *change = calloc(1, sizeof(*change));

	if (!change)
		return -ENOMEM;
	while (*link)
		link = &(*link)->next;
	*link = change;
	change->name = strdup(name);
	change->config = config ? volume_config_clone(config) : NULL;
	list(r, kind, json_string(name));
	return change->name && (!config || change->config) ? 0 : -ENOMEM;
}

/* R4: what is being enabled or disabled right now is not our business. */
static int compare_volume(struct reload *r, const struct volume_config *v)
{
	const struct entry *entry = daemon_find(r->daemon, v->name);

	if (!entry)
		return v->is_runtime ? 0 : reload_add(r, v->name, v, "added");
	if (entry->is_disabled || volume_config_equals(entry->config, v))
		return 0;
	return reload_add(r, v->name, v, "changed");
}

static int compare_volumes(struct reload *r)
{
	int err = 0;

	for (struct entry *e = r->daemon->entries; !err && e; e = e->next)
		if (!e->config->is_runtime && !e->is_disabled &&
		    !config_find(&r->config, e->config->name))
			err = reload_add(r, e->config->name, NULL, "removed");
	for (struct volume_config *v = r->config.volumes; !err && v;
	     v = v->next)
		err = compare_volume(r, v);
	return err;
}

/* Options and the environment go before what these two say. */
static bool is_overridden(const struct daemon *daemon, const char *key)
{
	const struct options *o = daemon->options;

	if (!strcmp(key, "socket"))
		return o->socket || getenv("REPLICA_SOCKET");
	return !strcmp(key, "log_level") && o->log_level;
}

static bool is_same(const struct key *key, const void *a, const void *b)
{
	const char *x, *y;

	if (!key_is_text(key))
		return key_get(key, a) == key_get(key, b);
	x = *key_text(key, a);
	y = *key_text(key, b);
	return !strcmp(x ? x : "", y ? y : "");
}

static void compare_keys(struct reload *r)
{
	struct config *now = &r->daemon->config;

	for (const struct key *key = daemon_keys; key->name; key++) {
		if (is_overridden(r->daemon, key->name) ||
		    is_same(key, now, &r->config))
			continue;
		if (strcmp(key->name, "log_level")) {
			list(r, "restart", json_string(key->name));
			continue;
		}
		if (r->is_dry)
			continue;
		now->log_level = r->config.log_level;
		log_set_level(now->log_level);
	}
}

static void list_warnings(struct reload *r, const struct config *config)
{
	for (const struct config_record *w = config->warnings; w; w = w->next)
		list(r, "warnings", json_sprintf("%s:%d: %s", w->file, w->line,
						 w->value));
}

/* What volumes refer to is the new one from now on. */
static void swap_sections(struct reload *r)
{
	struct config *now = &r->daemon->config, old = *now;

	now->sections = r->config.sections;
	now->defaults = r->config.defaults;
	now->warnings = r->config.warnings;
	r->config.sections = old.sections;
	r->config.defaults = old.defaults;
	r->config.warnings = old.warnings;
	for (const struct config_record *w = now->warnings; w; w = w->next)
		log_warn(NULL, "%s:%d: %s", w->file, w->line, w->value);
	list_warnings(r, now);
}

/* --- the changes, one after the other ---------------------------------- */

static void change_next(struct reload *r);

static struct reload_change *take_change(struct reload *r)
{
	struct reload_change *change = r->changes;

	if (change)
		r->changes = change->next;
	return change;
}

static void free_change(struct reload_change *change)
{
	volume_config_destroy(change->config);
	free(change->name);
	free(change);
}

void reload_free(struct reload *r)
{
	while (r->changes)
		free_change(take_change(r));
	config_clear(&r->config);
	json_decref(r->result);
	free(r);
}

static void unlist(struct reload *r, const char *key, const char *name)
{
	json_t *array = json_object_get(r->result, key);
	size_t i = json_array_size(array);

	while (i--)
		if (!strcmp(json_string_value(json_array_get(array, i)), name))
			json_array_remove(array, i);
}

static void on_changed(struct op *op)
{
	struct reload *r = op->arg;

	if (op->is_late) {
		unlist(r, "changed", op->name);
		unlist(r, "added", op->name);
	}
	if (op->err)
		list(r, "failed", json_sprintf("%s: %s", op->name,
			op->error[0] ? op->error : strerror(-op->err)));
	op_free(op);
	change_next(r);
}

static void finish(struct reload *r)
{
	struct daemon *daemon = r->daemon;

	log_info(NULL, "%s", r->what);
	daemon->is_reloading = false;
	r->done(r->arg, json_incref(r->result));
	reload_free(r);
	daemon_wrap_up(daemon);
}

static void change_next(struct reload *r)
{
	struct reload_change *change = take_change(r);
	struct volume_config *config;

	if (!change || r->daemon->is_stopping) {
		if (change)
			free_change(change);
		finish(r);
		return;
	}
	config = change->config;
	change->config = NULL;
	if (op_replace(r->daemon, change->name, config, on_changed, r)) {
		free_change(change);
		return;
	}
	list(r, "failed", json_sprintf("%s: no memory", change->name));
	free_change(change);
	change_next(r);
}

static int read_again(struct reload *r, char error[CONFIG_ERROR_SIZE])
{
	const struct daemon *daemon = r->daemon;
	int err = config_init(&r->config);

	if (!err)
		err = config_load_all(&r->config, daemon->options->config,
				      daemon->config.state_dir, error);
	if (!err)
		err = compare_volumes(r);
	if (err == -ENOMEM)
		config_refuse(error, err, "no memory");
	return err;
}

struct reload *reload_create(struct daemon *daemon, const char *what,
			     reload_done_fn *done, void *arg, int *err,
			     char error[CONFIG_ERROR_SIZE])
{
	struct reload *r = NULL;

	*err = -EBUSY;
	config_refuse(error, 0, "the configuration is being changed already");
	if (daemon->is_reloading)
		return NULL;
	*err = -ENOMEM;
	config_refuse(error, 0, "no memory");
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->daemon = daemon;
	r->what = what;
	r->done = done;
	r->arg = arg;
	r->result = json_pack("{s[] s[] s[] s[] s[] s[]}", "added", "changed",
			      "removed", "failed", "restart", "warnings");
	if (r->result)
		return r;
	reload_free(r);
	return NULL;
}

/* R6 */
static void answer_dry(struct reload *r)
{
	json_object_set_new(r->result, "dry_run", json_true());
	r->done(r->arg, json_incref(r->result));
	reload_free(r);
}

void reload_run(struct reload *r)
{
	if (r->is_dry) {
		answer_dry(r);
		return;
	}
	r->daemon->is_reloading = true;
	change_next(r);
}

int reload_start(struct daemon *daemon, bool is_dry, reload_done_fn *done,
		 void *arg, char error[CONFIG_ERROR_SIZE])
{
	int err;
	struct reload *r = reload_create(daemon, "the configuration was read "
					 "again", done, arg, &err, error);

	if (!r)
		return err;
	r->is_dry = is_dry;
	err = read_again(r, error);
	if (err) {
		reload_free(r);
		return err;
	}
	compare_keys(r);
	if (is_dry)
		list_warnings(r, &r->config);
	else
		swap_sections(r);
	reload_run(r);
	return 0;
}
