// SPDX-License-Identifier: GPL-2.0-or-later
#include "config-show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"

json_t *config_without_password(const char *text)
{
	char *masked = config_masked(text);
	json_t *value = masked ? json_string(masked) : NULL;

	free(masked);
	return value;
}

static void put(json_t *keys, const char *key, json_t *value, json_t *origin)
{
	json_array_append_new(keys, json_pack("{ss so so}", "key", key, "value",
					      value ? value : json_null(),
					      "origin", origin));
}

/* A path need not be UTF-8. */
static json_t *place_at(const char *file, int line)
{
	json_t *place = json_sprintf("%s:%d", file, line);

	return place ? place : json_sprintf("line %d", line);
}

static json_t *place_of(const struct config_record *record)
{
	return place_at(record->file, record->line);
}

static json_t *value_of(const struct key *key, const void *base)
{
	char text[64];

	if (key_is_text(key)) {
		const char *value = *key_text(key, base);

		return value ? config_without_password(value) : NULL;
	}
	key_print(key, key_get(key, base), text, sizeof(text));
	return json_string(text);
}

static json_t *begin(json_t *all, const char *word, const char *name,
		     const char *file, int line)
{
	json_t *keys = json_array();

	json_array_append_new(all, json_pack("{so so* si sO}", "section",
		json_sprintf("%s%s%s", word, name ? " " : "", name ? name : ""),
		"file", file ? json_string(file) : NULL, "line", line,
		"keys", keys));
	return keys;
}

/* --- volumes ----------------------------------------------------------- */

static bool is_set(const struct key *key, const void *base)
{
	char text[64];

	if (key_is_text(key))
		return *key_text(key, base);
	key_print(key, key_get(key, base), text, sizeof(text));
	return strcmp(text, key->init);
}

/* N2: who has said what the volume does not say itself. */
static json_t *origin_of(const struct key *key, const struct volume_config *v)
{
	const struct config_record *r = record_find(v->records, key->name);

	if (volume_config_is_own(v, key->name))
		return r ? place_of(r) : json_string("at run time");
	if (!is_set(key, v))
		return json_string("default");
	if (!strcmp(key->name, "group") || !strcmp(key->name, "type"))
		return json_string("a [group] or [pool] that names it");
	if (!strcmp(key->name, "target") || !strcmp(key->name, "tls"))
		return json_sprintf("target %s", v->target_id ?: "");
	return json_sprintf("type %s", v->type ?: "");
}

static void put_volume(json_t *all, const struct volume_config *v)
{
	json_t *keys = begin(all, "volume", v->name, v->file, v->line);

	for (const struct key *key = volume_keys; key->name; key++)
		put(keys, key->name, value_of(key, v), origin_of(key, v));
}

/* --- other sections ---------------------------------------------------- */

/* What has no line of its own is from the line of its section. */
static json_t *origin_in(const struct key *key, const void *base,
			 struct config_record *records, const char *file,
			 int line)
{
	const struct config_record *r = record_find(records, key->name);

	if (r)
		return place_of(r);
	return file && is_set(key, base) ? place_at(file, line) :
					   json_string("default");
}

static void put_table(json_t *keys, const struct key *table, const void *base,
		      struct config_record *records, const char *file, int line)
{
	for (const struct key *key = table; key->name; key++) {
		/* What it says may be secret; the targets follow. */
		bool is_list = key->type == KEY_LINES && is_set(key, base);

		put(keys, key->name, is_list ? json_string("***") :
		    value_of(key, base),
		    origin_in(key, base, records, file, line));
	}
}

static void put_section(json_t *all, const struct section *s)
{
	json_t *keys = begin(all, section_word(s->kind), s->name, s->file,
			     s->line);
	const struct config_record *r;

	if (s->kind != SECTION_TYPE) {
		put_table(keys, section_keys(s->kind), s, s->records,
			  s->file, s->line);
		if (s->extra && s->extra[0])
			put(keys, "extra", json_string(s->extra),
			    place_at(s->file, s->line));
		return;
	}
	for (r = s->records; r; r = r->next)
		put(keys, r->key, config_is_secret(r->key) ?
		    json_string("***") : config_without_password(r->value),
		    place_of(r));
}

json_t *config_json(const struct config *config)
{
	json_t *all = json_array();

	put_table(begin(all, "replicad", NULL, NULL, 0), daemon_keys, config,
		  config->records, NULL, 0);
	for (const struct section *s = config->sections; s; s = s->next)
		put_section(all, s);
	for (const struct volume_config *v = config->volumes; v; v = v->next)
		put_volume(all, v);
	return all;
}
