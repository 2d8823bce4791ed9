// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a volume gets from the sections that it refers to, or that name it.
 *
 *	group, type	its own, else of the [group] or [pool] that names it
 *	other keys	its own, else replication:KEY of its type
 *	target		its own target=; else, of its own targets=, of
 *			replication:target of its type, of its backend's list,
 *			of the [target] sections for= that: the one that it
 *			prefers, if that is enabled, else the first that is
 *
 * Done again from the start each time, so that what is not the volume's own
 * follows the sections (N2).
 */
#include "config-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-target.h"
#include "util/nearest.h"

#define SCOPE		"replication:"

/* Those that a type may set. */
static const char *const typed_keys[] = { "interval", "window", "memory",
	"spool_size", "bandwidth", "connections", "congestion", "apply",
	"timeout", "heartbeat", "stale_wait", "retry_max", "on_superseded",
	"activation", NULL };

static int set(struct volume_config *volume, const char *key, const char *text)
{
	return key_set_text(key_find(volume_keys, key), volume, text);
}

static int forget_what_is_not_own(struct volume_config *volume)
{
	char error[CONFIG_ERROR_SIZE];
	int err = 0;

	free(volume->target_id);
	volume->target_id = NULL;
	for (const struct key *key = volume_keys; !err && key->name; key++) {
		if (volume_config_is_own(volume, key->name))
			continue;
		err = key_is_text(key) ? key_set_text(key, volume, "") :
		      key_set(volume_keys, volume, key->name, key->init, error);
	}
	return err;
}

/* --- groups and pools -------------------------------------------------- */

static bool makes_group(const struct section *s)
{
	return s->kind == SECTION_GROUP || s->replicate == REPLICATE_ALL;
}

static int join(struct volume_config *volume, const struct section *s,
		char error[CONFIG_ERROR_SIZE])
{
	if (makes_group(s) && volume->group && strcmp(volume->group, s->name))
		return config_refuse(error, -EINVAL, "volume %s is of the "
				     "group %.60s, and [%s %s] names it too",
				     volume->name, volume->group,
				     section_word(s->kind), s->name);
	if (makes_group(s) && !volume->group && set(volume, "group", s->name))
		return -ENOMEM;
	if (s->type && !volume->type && set(volume, "type", s->type))
		return -ENOMEM;
	return 0;
}

static int join_all(const struct config *config, struct volume_config *volume,
		    char error[CONFIG_ERROR_SIZE])
{
	int err = 0;

	for (struct section *s = config->sections; !err && s; s = s->next) {
		bool is_in = s->kind == SECTION_GROUP && volume->group &&
			     !strcmp(volume->group, s->name);

		if ((s->kind == SECTION_GROUP || s->kind == SECTION_POOL) &&
		    (is_in || section_names(s->members, volume->name)))
			err = join(volume, s, error);
	}
	return err;
}

/* --- types ------------------------------------------------------------- */

static bool is_typed(const char *key)
{
	for (int i = 0; typed_keys[i]; i++)
		if (!strcmp(key, typed_keys[i]))
			return true;
	return false;
}

static bool is_number(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

bool config_spec_is_known(const char *spec, char near[60])
{
	const char *key = spec + strlen(SCOPE);

	near[0] = 0;
	if (strncmp(spec, SCOPE, strlen(SCOPE)) || is_typed(key) ||
	    !strcmp(key, "target"))
		return true;
	for (int i = 0; !near[0] && typed_keys[i]; i++)
		if (nearest_is_close(key, typed_keys[i],
				     nearest_distance(key, typed_keys[i])))
			snprintf(near, 60, SCOPE "%s", typed_keys[i]);
	return false;
}

/* A type's number without a unit is of seconds, as everywhere in Cinder. */
static int set_typed(struct volume_config *volume, const char *name,
		     const char *value, char error[CONFIG_ERROR_SIZE])
{
	const struct key *key = key_find(volume_keys, name);
	char text[40];

	snprintf(text, sizeof(text), "%.30s%s", value,
		 key->type == KEY_DURATION && is_number(value) ? "s" : "");
	return key_set(volume_keys, volume, name, text, error);
}

static int apply_spec(struct volume_config *volume,
		      const struct config_record *spec,
		      char error[CONFIG_ERROR_SIZE])
{
	const char *key = spec->key + strlen(SCOPE);
	char text[CONFIG_ERROR_SIZE];
	int err;

	if (strncmp(spec->key, SCOPE, strlen(SCOPE)) || !is_typed(key) ||
	    volume_config_is_own(volume, key))
		return 0;
	err = set_typed(volume, key, spec->value, text);
	return !err ? 0 : config_refuse(error, err, "%.120s:%d: %.200s",
					spec->file, spec->line, text);
}

static int apply_type(const struct config *config, struct volume_config *volume,
		      const struct section **type,
		      char error[CONFIG_ERROR_SIZE])
{
	const struct config_record *spec;
	char near[80];
	int err = 0;

	*type = NULL;
	if (!volume->type)
		return 0;
	*type = config_section(config, SECTION_TYPE, volume->type);
	if (!*type)
		return config_refuse(error, -ENOENT, "volume %s: there is no "
			"[type %.60s]%s", volume->name, volume->type,
			config_nearest(config, SECTION_TYPE, volume->type,
				       near));
	for (spec = (*type)->records; !err && spec; spec = spec->next)
		err = apply_spec(volume, spec, error);
	return err;
}

/* --- targets ----------------------------------------------------------- */

char *config_fill_in(const char *uri, const char *volume)
{
	const char *hole = strstr(uri, "{volume}");
	char *text;

	if (!hole)
		return strdup(uri);
	if (asprintf(&text, "%.*s%s%s", (int)(hole - uri), uri, volume,
		     hole + strlen("{volume}")) < 0)
		return NULL;
	return text;
}

/* Of another backend: the pairing that leads to it. */
char *config_uri_of(const struct config *config, const struct section *target,
		    const char *volume)
{
	const struct section *backend;
	char *text;

	if (target->uri)
		return config_fill_in(target->uri, volume);
	backend = config_section(config, SECTION_BACKEND, target->to_backend);
	if (!backend || !backend->pair)
		return NULL;
	return asprintf(&text, "pair:%s/%s", backend->pair, volume) < 0 ?
	       NULL : text;
}

static int use_target(const struct config *config, struct volume_config *volume,
		      const struct section *target,
		      char error[CONFIG_ERROR_SIZE])
{
	char *uri = config_uri_of(config, target, volume->name);
	int err;

	if (!uri)
		return config_refuse(error, -EINVAL, "volume %s: the target %s "
				     "is the backend %.60s, which has no "
				     "pair=: it cannot be reached",
				     volume->name, target->name,
				     target->to_backend ?: "");
	err = set(volume, "target", uri);
	free(uri);
	if (!err && target->tls && !volume_config_is_own(volume, "tls"))
		err = set(volume, "tls", target->tls);
	volume->target_id = strdup(target->name);
	return err || !volume->target_id ? -ENOMEM : 0;
}

/* The first that can be used; a name that is not there is an error. */
static int use_first(const struct config *config, struct volume_config *volume,
		     const char *list, char error[CONFIG_ERROR_SIZE])
{
	char id[64], near[80];

	while (config_next_word(&list, id)) {
		const struct section *target =
			config_section(config, SECTION_TARGET, id);

		if (!target)
			return config_refuse(error, -ENOENT, "volume %s: there "
				"is no target %.60s%s", volume->name, id,
				config_nearest(config, SECTION_TARGET, id,
					       near));
		if (target->is_enabled)
			return use_target(config, volume, target, error);
	}
	return config_refuse(error, -EINVAL, "volume %s: no target of it is "
			     "enabled", volume->name);
}

/* Those of its own list are made without a record. */
static const struct section *first_of(const struct config *config,
				      const char *backend, bool is_of_list)
{
	const struct section *s = config->sections;

	while (s && (s->kind != SECTION_TARGET || !s->is_enabled ||
		     !s->records != is_of_list ||
		     !section_names(s->owner, backend)))
		s = s->next;
	return s;
}

static int use_backends_first(const struct config *config,
			      struct volume_config *volume,
			      char error[CONFIG_ERROR_SIZE])
{
	const struct section *backend, *s;
	char near[80];

	backend = config_section(config, SECTION_BACKEND, volume->backend);
	if (!backend)
		return config_refuse(error, -ENOENT, "volume %s: there is no "
			"[backend %.60s]%s", volume->name, volume->backend,
			config_nearest(config, SECTION_BACKEND, volume->backend,
				       near));
	s = first_of(config, backend->name, true);
	if (!s)
		s = first_of(config, backend->name, false);
	return s ? use_target(config, volume, s, error) : 0;
}

/*
 * That it may go there at all is looked at also while it is not enabled. What
 * one of volumes.conf preferred when it was a target of it is no reason not to
 * start; the verbs that set it look for themselves.
 */
static int use_preferred(const struct config *config,
			 struct volume_config *volume,
			 char error[CONFIG_ERROR_SIZE])
{
	const struct section *target = config_section(config, SECTION_TARGET,
						      volume->prefer);

	if (!target || !target_is_of(config, target, volume))
		return volume->is_runtime ? 0 :
		       target_check_preferred(config, volume, error);
	return target->is_enabled ? use_target(config, volume, target, error) :
				    0;
}

static int find_target(const struct config *config,
		       struct volume_config *volume, const struct section *type,
		       char error[CONFIG_ERROR_SIZE])
{
	const struct config_record *spec = !type ? NULL :
		record_find(type->records, SCOPE "target");
	int err = 0;

	if (volume->target && volume->targets)
		return config_refuse(error, -EINVAL, "volume %s has target= "
				     "and targets=: one of them", volume->name);
	if (volume->prefer)
		err = use_preferred(config, volume, error);
	if (err || volume->target)
		return err;
	if (volume->targets)
		return use_first(config, volume, volume->targets, error);
	if (spec)
		return use_first(config, volume, spec->value, error);
	return volume->backend ? use_backends_first(config, volume, error) : 0;
}

int config_resolve(const struct config *config, struct volume_config *volume,
		   char error[CONFIG_ERROR_SIZE])
{
	const struct section *type = NULL;
	int err = forget_what_is_not_own(volume);

	if (!err)
		err = join_all(config, volume, error);
	if (!err)
		err = apply_type(config, volume, &type, error);
	if (!err)
		err = find_target(config, volume, type, error);
	if (err == -ENOMEM)
		config_refuse(error, err, "no memory");
	return err;
}
