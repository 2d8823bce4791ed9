// SPDX-License-Identifier: GPL-2.0-or-later
#include "config-target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "config-show.h"
#include "uri.h"

/* --- what may be said ---------------------------------------------------- */

static int check_nbd(const char *uri, char error[CONFIG_ERROR_SIZE])
{
	struct error err = { 0 };
	struct nbd_uri parsed;
	char *text = config_fill_in(uri, "volume");
	int ret = text ? nbd_uri_parse(&parsed, text, &err) : -ENOMEM;

	free(text);
	if (ret)
		return config_refuse(error, -EINVAL, "uri: %.200s",
				     err.text[0] ? err.text : "no memory");
	nbd_uri_free(&parsed);
	return 0;
}

static int check_uri(const struct section *target,
		     char error[CONFIG_ERROR_SIZE])
{
	static const char *const others[] = { "local:/", "stage:/", "pair:" };

	if (!target->uri)
		return 0;
	if (!strncmp(target->uri, "nbd", 3))
		return check_nbd(target->uri, error);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strncmp(target->uri, others[i], strlen(others[i])))
			return 0;
	return config_refuse(error, -EINVAL, "uri is none that can be written "
			     "to: nbds://…, nbd://…, nbd+unix:///…, pair:NAME, "
			     "stage:/DIR/VOLUME or local:/PATH");
}

static int check_keys(const json_t *keys, char error[CONFIG_ERROR_SIZE])
{
	struct section scratch = { .kind = SECTION_TARGET };
	const json_t *value;
	const char *name;

	/* jansson has no const iteration */
	json_object_foreach((json_t *)keys, name, value) {
		if (!key_find(section_keys(SECTION_TARGET), name)) {
			key_set(section_keys(SECTION_TARGET), &scratch, name,
				"", error);
			return -EINVAL;
		}
		if (!json_is_string(value))
			return config_refuse(error, -EINVAL, "%.60s is not a "
					     "text", name);
	}
	return 0;
}

/* --- a section ----------------------------------------------------------- */

/* NULL: it was not said. */
static const char *said(const struct key *key, const struct section *old,
			const json_t *keys, char text[64])
{
	const json_t *value = json_object_get(keys, key->name);

	if (value)
		return json_string_value(value);
	if (!old || !record_find(old->records, key->name))
		return NULL;
	if (key_is_text(key))
		return *key_text(key, old);
	key_print(key, key_get(key, old), text, 64);
	return text;
}

static int fill(struct section *target, const struct section *old,
		const json_t *keys, char error[CONFIG_ERROR_SIZE])
{
	const struct key *table = section_keys(SECTION_TARGET);
	char text[64];
	int err = 0;

	target->is_runtime = true;
	for (const struct key *key = table; !err && key->name; key++) {
		const char *value = said(key, old, keys, text);

		if (!value || !*value)
			continue;
		err = config_can_save(table, key->name, value, error);
		if (!err)
			err = key_set(table, target, key->name, value, error);
		if (!err)
			err = record_add(&target->records, key->name, NULL,
					 "at run time", 0);
	}
	return err;
}

static struct section *make(const struct config *config, const char *id,
			    const struct section *old, const json_t *keys,
			    int *err, char error[CONFIG_ERROR_SIZE])
{
	struct config scratch = { 0 };
	struct section *target = section_add(&scratch, SECTION_TARGET, id);

	*err = target ? fill(target, old, keys, error) : -ENOMEM;
	if (!*err)
		*err = check_uri(target, error);
	if (!*err)
		*err = config_check_target(config, target, error);
	if (!*err)
		return target;
	if (*err == -ENOMEM)
		config_refuse(error, *err, "no memory");
	section_free(target);
	return NULL;
}

/* --- edits --------------------------------------------------------------- */

static int check_id(const struct config *config, enum target_verb verb,
		    const char *id, const struct section *old,
		    char error[CONFIG_ERROR_SIZE])
{
	char near[80];

	if (verb != TARGET_ADD && !old)
		return config_refuse(error, -ENOENT, "there is no target "
			"%.60s%s", id, config_nearest(config, SECTION_TARGET,
						      id, near));
	if (old && !old->is_runtime)
		return config_refuse(error, -EEXIST, "the target %s is of "
			"%.150s:%d: change it there, then: replicactl config "
			"reload", id, old->file ? old->file : "a file",
			old->line);
	if (old && verb == TARGET_ADD)
		return config_refuse(error, -EEXIST, "the target %s is there "
			"already; it is changed with: replicactl target set",
			id);
	if (!strcmp(id, "default"))
		return config_refuse(error, -EINVAL, "no target can be named "
			"default: that is where a failback goes");
	if (!volume_name_is_valid(id))
		return config_refuse(error, -EINVAL, "\"%.60s\" is not a name "
			"for a target: use letters, digits and . _ -", id);
	return 0;
}

int target_edit(struct target_edit *edit, struct config *config,
		enum target_verb verb, const char *id, const json_t *keys,
		char error[CONFIG_ERROR_SIZE])
{
	struct section *old = config_section(config, SECTION_TARGET, id);
	int err = check_id(config, verb, id, old, error);

	*edit = (struct target_edit){ .link = &config->sections, .old = old };
	if (!err)
		err = check_keys(keys, error);
	if (!err && verb != TARGET_REMOVE)
		edit->now = make(config, id, old, keys, &err, error);
	if (err)
		return err;
	while (*edit->link != old)	/* the end, if there is none */
		edit->link = &(*edit->link)->next;
	if (edit->now)
		edit->now->next = old ? old->next : NULL;
	*edit->link = edit->now ? edit->now : old->next;
	return 0;
}

void target_edit_undo(struct target_edit *edit)
{
	/* ->old still knows what came after it */
	*edit->link = edit->old;
	section_free(edit->now);
}

void target_edit_keep(struct target_edit *edit)
{
	section_free(edit->old);
}

/* --- whom it concerns ---------------------------------------------------- */

bool scope_has(const struct scope *scope, const struct volume_config *volume)
{
	if (scope->group)
		return volume->group && !strcmp(volume->group, scope->group);
	return !scope->pool || section_names(scope->pool->members,
					     volume->name);
}

/* --- what there is ------------------------------------------------------- */

bool target_is_of(const struct config *config, const struct section *target,
		  const struct volume_config *volume)
{
	const struct section *s;

	if (volume->target_id && !strcmp(volume->target_id, target->name))
		return true;
	if (volume_config_is_own(volume, "target"))
		return false;
	if (volume->targets)
		return section_names(volume->targets, target->name);
	s = !volume->type ? NULL :
	    config_section(config, SECTION_TYPE, volume->type);
	if (s && record_find(s->records, "replication:target"))
		return section_names(record_find(s->records,
				     "replication:target")->value,
				     target->name);
	s = !volume->backend ? NULL :
	    config_section(config, SECTION_BACKEND, volume->backend);
	return s && section_names(target->owner, s->name);
}

int target_check_preferred(const struct config *config,
			   const struct volume_config *volume,
			   char error[CONFIG_ERROR_SIZE])
{
	const struct section *target = !volume->prefer ? NULL :
		config_section(config, SECTION_TARGET, volume->prefer);

	if (!volume->prefer || (target && target_is_of(config, target, volume)))
		return 0;
	return config_refuse(error, -ENOENT, "volume %s: %.60s, which it "
			     "prefers, is no target of it", volume->name,
			     volume->prefer);
}

json_t *target_json(const struct section *t)
{
	json_t *o = json_pack("{ss ss sb sb ss ss* ss* ss* ss*}", "id", t->name,
			      "kind", t->to_backend ? "backend" :
						      "remote_device",
			      "managed", !!t->to_backend, "enabled",
			      t->is_enabled, "origin", t->is_runtime ?
			      "runtime" : "config", "backend", t->to_backend,
			      "for", t->owner, "tls", t->tls, "extra",
			      t->extra && t->extra[0] ? t->extra : NULL);

	if (o && t->uri)
		json_object_set_new(o, "uri", config_without_password(t->uri));
	if (o && t->file && !t->is_runtime)
		json_object_update_new(o, json_pack("{ss si}", "file", t->file,
						    "line", t->line));
	return o;
}
