// SPDX-License-Identifier: GPL-2.0-or-later
/* Sections that volumes refer to: their keys, their names, their records. */
#include "config-impl.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uri.h"
#include "util/nearest.h"

#define S(field)	offsetof(struct section, field)

static const char *const driver_words[] = { "none", "lvm", "file", "dm", NULL };
static const char *const replicate_words[] = { "typed", "all", NULL };

static const struct key backend_keys[] = {
	{ "driver", KEY_WORD, S(driver), "none", 0, 0, driver_words },
	{ "volume_driver", KEY_TEXT, S(volume_driver), NULL, 0, 0, NULL },
	{ "volume_backend_name", KEY_TEXT, S(volume_backend_name), NULL, 0, 0,
	  NULL },
	{ "volume_group", KEY_TEXT, S(volume_group), NULL, 0, 0, NULL },
	{ "thin_pool", KEY_TEXT, S(thin_pool), NULL, 0, 0, NULL },
	{ "folder", KEY_TEXT, S(folder), NULL, 0, 0, NULL },
	{ "pair", KEY_TEXT, S(pair), NULL, 0, 0, NULL },
	{ "valid_replication_devices", KEY_LINES, S(valid_devices), NULL, 0, 0,
	  NULL },
	{ "replication_device", KEY_LINES, S(device_lines), NULL, 0, 0, NULL },
	{ "replication_devices", KEY_LINES, S(device_list), NULL, 0, 0, NULL },
	{ "managed_replication_target", KEY_BOOL, S(is_managed), "yes", 0, 0,
	  NULL },
	{ NULL }
};

static const struct key target_keys[] = {
	{ "backend", KEY_TEXT, S(to_backend), NULL, 0, 0, NULL },
	{ "uri", KEY_TEXT, S(uri), NULL, 0, 0, NULL },
	{ "for", KEY_TEXT, S(owner), NULL, 0, 0, NULL },
	{ "tls", KEY_TEXT, S(tls), NULL, 0, 0, NULL },
	{ "enabled", KEY_BOOL, S(is_enabled), "yes", 0, 0, NULL },
	{ NULL }
};

static const struct key group_keys[] = {
	{ "volumes", KEY_TEXT, S(members), NULL, 0, 0, NULL },
	{ "type", KEY_TEXT, S(type), NULL, 0, 0, NULL },
	{ NULL }
};

static const struct key pool_keys[] = {
	{ "members", KEY_TEXT, S(members), NULL, 0, 0, NULL },
	{ "replicate", KEY_WORD, S(replicate), "typed", 0, 0, replicate_words },
	{ "type", KEY_TEXT, S(type), NULL, 0, 0, NULL },
	{ NULL }
};

/* Of one pair: as [replicad] says, or else one above enum routed. */
static const char *const routed_words[] = { "default", "off", "look", "on",
	NULL };

static const struct key pair_keys[] = {
	{ "routed", KEY_WORD, S(routed), "default", 0, 0, routed_words },
	{ "give_up", KEY_BOOL, S(gives_up), "no", 0, 0, NULL },
	{ "delete", KEY_BOOL, S(deletes), "no", 0, 0, NULL },
	{ NULL }
};

static const struct {
	const char *word;
	const struct key *keys;
} kinds[SECTION_NR_KINDS] = {
	[SECTION_BACKEND] = { "backend", backend_keys },
	[SECTION_TARGET] = { "target", target_keys },
	[SECTION_TYPE] = { "type", NULL },
	[SECTION_GROUP] = { "group", group_keys },
	[SECTION_POOL] = { "pool", pool_keys },
	[SECTION_PAIR] = { "pair", pair_keys },
};

const struct key *section_keys(enum section_kind kind)
{
	return kinds[kind].keys;
}

const char *section_word(enum section_kind kind)
{
	return kinds[kind].word;
}

const char *section_driver(const struct section *backend)
{
	return driver_words[backend->driver];
}

bool section_makes_volumes(const struct section *backend)
{
	return backend->driver == DRIVER_FILE || backend->driver == DRIVER_LVM;
}

int section_kind_of(const char *title, const char **name)
{
	for (int kind = 0; kind < SECTION_NR_KINDS; kind++) {
		size_t len = strlen(kinds[kind].word);

		if (!strncmp(title, kinds[kind].word, len) &&
		    title[len] == ' ') {
			*name = title + len + 1;
			return kind;
		}
	}
	return -1;
}

void section_free(struct section *section)
{
	if (!section)
		return;
	if (kinds[section->kind].keys)
		keys_free(kinds[section->kind].keys, section);
	records_free(&section->records);
	free(section->extra);
	free(section->file);
	free(section->name);
	free(section);
}

struct section *section_add(struct config *config, enum section_kind kind,
			    const char *name)
{
	struct section **link = &config->sections;
	struct section *section = calloc(1, sizeof(*section));

	if (!section)
		return NULL;
	section->kind = kind;
	section->name = strdup(name);
	if (!section->name || (kinds[kind].keys &&
			       keys_init(kinds[kind].keys, section))) {
		section_free(section);
		return NULL;
	}
	while (*link)
		link = &(*link)->next;
	*link = section;
	return section;
}

const char *config_next_word(const char **list, char word[64])
{
	size_t len;

	*list += strspn(*list, ", \t");
	len = strcspn(*list, ", \t");
	if (!len)
		return NULL;
	snprintf(word, 64, "%.*s", len > 63 ? 63 : (int)len, *list);
	*list += len;
	return word;
}

bool section_names(const char *list, const char *name)
{
	char word[64];

	if (!list)
		return false;
	while (config_next_word(&list, word))
		if (!fnmatch(word, name, 0))
			return true;
	return false;
}

static bool is_named(const struct section *section, const char *name)
{
	return !strcmp(section->name, name) ||
	       (section->volume_backend_name &&
		!strcmp(section->volume_backend_name, name));
}

struct section *config_section(const struct config *config,
			       enum section_kind kind, const char *name)
{
	struct section *section = config->sections;

	while (section && (section->kind != kind || !is_named(section, name)))
		section = section->next;
	return section;
}

const char *config_nearest(const struct config *config, enum section_kind kind,
			   const char *name, char text[80])
{
	unsigned int best = ~0U;

	text[0] = 0;
	for (const struct section *s = config->sections; s; s = s->next) {
		unsigned int d = nearest_distance(name, s->name);

		if (s->kind != kind || d >= best ||
		    !nearest_is_close(name, s->name, d))
			continue;
		best = d;
		snprintf(text, 80, ", the nearest is \"%.50s\"", s->name);
	}
	return text;
}

/* N4 */
bool config_is_secret(const char *key)
{
	static const char *const words[] = { "pass", "secret", "token", "key",
		"credential", "auth", "psk", "pwd", "login" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasestr(key, words[i]))
			return true;
	return false;
}

char *config_masked(const char *text)
{
	size_t len;
	const char *password = uri_password(text, &len);
	char *masked;

	if (!password)
		return strdup(text);
	return asprintf(&masked, "%.*s***%s", (int)(password - text), text,
			password + len) < 0 ? NULL : masked;
}

/* --- records ----------------------------------------------------------- */

static void record_free(struct config_record *record)
{
	free(record->key);
	free(record->value);
	free(record->file);
	free(record);
}

void records_free(struct config_record **list)
{
	while (*list) {
		struct config_record *record = *list;

		*list = record->next;
		record_free(record);
	}
}

struct config_record *record_find(struct config_record *list, const char *key)
{
	while (list && strcmp(list->key, key))
		list = list->next;
	return list;
}

/* The last line for a key is the one that counts. */
static void drop_old(struct config_record **list, const char *key)
{
	for (; *list; list = &(*list)->next) {
		struct config_record *old = *list;

		if (strcmp(old->key, key))
			continue;
		*list = old->next;
		record_free(old);
		return;
	}
}

int record_add(struct config_record **list, const char *key, const char *value,
	       const char *file, int line)
{
	struct config_record *record = calloc(1, sizeof(*record));

	if (!record)
		return -ENOMEM;
	if (key[0])
		drop_old(list, key);
	while (*list)
		list = &(*list)->next;
	*list = record;
	record->line = line;
	record->key = strdup(key);
	record->value = value ? strdup(value) : NULL;
	record->file = strdup(file);
	return record->key && record->file && (!value || record->value) ?
	       0 : -ENOMEM;
}
