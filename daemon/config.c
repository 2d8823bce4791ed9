// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The key table, and what goes through it: reading, setting, writing.
 *
 * One row is one key. A type knows how to parse a text into the field and how
 * to print the field; nothing else in the daemon parses configuration.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "state-file.h"

#define KIB	1024ULL
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)
#define TIB	(1024 * GIB)
#define MAX_KEY	32

enum key_type {
	KEY_TEXT, KEY_SIZE, KEY_DURATION, KEY_NUMBER, KEY_BOOL,
	KEY_WORD,		/* the number of one of ->words */
	KEY_ONCE,		/* a bool that config_save() leaves out */
};

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
	const char *init;	/* default, as it would stand in the file */
	uint64_t min, max;	/* in the unit of the field */
	const char *const *words;
};

static const char *const bool_words[] = { "no", "yes", NULL };
static const char *const level_words[] = { "err", "warn", "info", "debug",
					   NULL };
static const char *const apply_words[] = { "auto", "staged", "direct", NULL };
static const char *const activation_words[] = { "force", "ask", NULL };
static const char *const fence_words[] = { "continue", "readonly", "suspend",
					   NULL };

#define D(field)	offsetof(struct config, field)
#define V(field)	offsetof(struct volume_config, field)
#define HOUR_MS		3600000ULL

static const struct key daemon_keys[] = {
	{ "socket", KEY_TEXT, D(socket), "/run/replica/replicad.sock", 0, 0,
	  NULL },
	{ "state_dir", KEY_TEXT, D(state_dir), "/var/lib/replica", 0, 0, NULL },
	{ "plugin", KEY_TEXT, D(plugin), "replica", 0, 0, NULL },
	{ "hooks", KEY_TEXT, D(hooks), NULL, 0, 0, NULL },
	{ "hook_timeout", KEY_DURATION, D(hook_timeout_ms), "60s", 100,
	  HOUR_MS, NULL },
	{ "reactors", KEY_NUMBER, D(reactors), "0", 0, 64, NULL },
	{ "log_level", KEY_WORD, D(log_level), "info", 0, 0, level_words },
	{ NULL }
};

static const struct key volume_keys[] = {
	{ "device", KEY_TEXT, V(device), NULL, 0, 0, NULL },
	{ "target", KEY_TEXT, V(target), NULL, 0, 0, NULL },
	{ "origin", KEY_TEXT, V(origin), NULL, 0, 0, NULL },
	{ "activation", KEY_WORD, V(activation), "force", 0, 0,
	  activation_words },
	{ "trust_boot", KEY_BOOL, V(trusts_boot), "no", 0, 0, NULL },
	{ "metadata", KEY_TEXT, V(metadata), NULL, 0, 0, NULL },
	{ "group", KEY_TEXT, V(group), NULL, 0, 0, NULL },
	{ "tls", KEY_TEXT, V(tls), NULL, 0, 0, NULL },
	{ "interval", KEY_DURATION, V(interval_ms), "100ms", 0, HOUR_MS, NULL },
	{ "window", KEY_SIZE, V(window), "64MiB", 64 * KIB, TIB, NULL },
	{ "memory", KEY_SIZE, V(memory), "64MiB", 2 * MIB, TIB, NULL },
	{ "spool", KEY_TEXT, V(spool), NULL, 0, 0, NULL },
	{ "spool_size", KEY_SIZE, V(spool_size), "1GiB", MIB, 64 * TIB, NULL },
	{ "bandwidth", KEY_SIZE, V(bandwidth), "0", 0, TIB, NULL },
	{ "connections", KEY_NUMBER, V(connections), "4", 1, 16, NULL },
	{ "apply", KEY_WORD, V(apply), "auto", 0, 0, apply_words },
	{ "on_superseded", KEY_WORD, V(on_superseded), "continue", 0, 0,
	  fence_words },
	{ "unsafe", KEY_BOOL, V(is_unsafe), "no", 0, 0, NULL },
	{ "overwrite", KEY_ONCE, V(may_overwrite), "no", 0, 0, NULL },
	{ "stale_wait", KEY_DURATION, V(stale_wait_ms), "30s", 0, HOUR_MS,
	  NULL },
	{ "heartbeat", KEY_DURATION, V(heartbeat_ms), "2s", 100, HOUR_MS,
	  NULL },
	{ "timeout", KEY_DURATION, V(timeout_ms), "30s", 100, HOUR_MS, NULL },
	{ NULL }
};

/* --- values ------------------------------------------------------------ */

struct unit {
	const char *name;
	uint64_t factor;
};

static int parse_number(const char *text, const char **rest, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	*rest = end;
	return -errno;
}

static int parse_with_unit(const char *text, const struct unit *units,
			   uint64_t *value)
{
	const char *rest;
	int err = parse_number(text, &rest, value);

	if (err)
		return err;
	while (*rest == ' ')
		rest++;
	for (; units->name; units++)
		if (!strcmp(rest, units->name))
			return __builtin_mul_overflow(*value, units->factor,
						      value) ? -ERANGE : 0;
	return -EINVAL;
}

int config_parse_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
		{ "", 1 }, { "B", 1 }, { "KiB", KIB }, { "MiB", MIB },
		{ "GiB", GIB }, { "TiB", TIB }, { NULL, 0 }
	};

	return parse_with_unit(text, units, bytes);
}

int config_parse_duration(const char *text, uint64_t *ms)
{
	static const struct unit units[] = {
		{ "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", HOUR_MS },
		{ NULL, 0 }
	};

	if (!strcmp(text, "0")) {
		*ms = 0;
		return 0;
	}
	return parse_with_unit(text, units, ms);
}

static int parse_word(const char *text, const char *const *words,
		      uint64_t *value)
{
	for (unsigned int i = 0; words[i]; i++)
		if (!strcmp(text, words[i])) {
			*value = i;
			return 0;
		}
	return -EINVAL;
}

static bool is_bool(const struct key *key)
{
	return key->type == KEY_BOOL || key->type == KEY_ONCE;
}

static int parse_value(const struct key *key, const char *text, uint64_t *value)
{
	const char *rest;
	int err;

	switch (key->type) {
	case KEY_SIZE:
		return config_parse_size(text, value);
	case KEY_DURATION:
		return config_parse_duration(text, value);
	case KEY_NUMBER:
		err = parse_number(text, &rest, value);
		return err ? err : *rest ? -EINVAL : 0;
	case KEY_BOOL: case KEY_ONCE:
		return parse_word(text, bool_words, value);
	case KEY_WORD:
		return parse_word(text, key->words, value);
	default:
		return -EINVAL;
	}
}

static void print_scaled(char *text, size_t size, uint64_t value,
			 const struct unit *units)
{
	for (; units->name; units++)
		if (value && value % units->factor == 0)
			break;
	snprintf(text, size, "%" PRIu64 "%s",
		 units->name ? value / units->factor : value,
		 units->name ? units->name : "");
}

/* The text that parse_value() would read back. */
static void print_value(const struct key *key, uint64_t value, char *text,
			size_t size)
{
	static const struct unit sizes[] = {
		{ "TiB", TIB }, { "GiB", GIB }, { "MiB", MIB }, { "KiB", KIB },
		{ NULL, 0 }
	};
	static const struct unit times[] = {
		{ "h", HOUR_MS }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 },
		{ NULL, 0 }
	};

	if (key->type == KEY_SIZE)
		print_scaled(text, size, value, sizes);
	else if (key->type == KEY_DURATION)
		print_scaled(text, size, value, times);
	else if (is_bool(key))
		snprintf(text, size, "%s", bool_words[!!value]);
	else if (key->type == KEY_WORD)
		snprintf(text, size, "%s", key->words[value]);
	else
		snprintf(text, size, "%" PRIu64, value);
}

static uint64_t get_field(const struct key *key, const void *base)
{
	const char *field = (const char *)base + key->offset;

	if (is_bool(key))
		return *(const bool *)field;
	return *(const uint64_t *)field;
}

static void set_field(const struct key *key, void *base, uint64_t value)
{
	char *field = (char *)base + key->offset;

	if (is_bool(key))
		*(bool *)field = value;
	else
		*(uint64_t *)field = value;
}

static char **text_field(const struct key *key, const void *base)
{
	return (char **)((char *)base + key->offset);
}

/* --- keys -------------------------------------------------------------- */

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Edits (insert, delete, replace) that make @a out of @b. */
static unsigned int edit_distance(const char *a, const char *b)
{
	unsigned int row[MAX_KEY + 1], len = strnlen(b, MAX_KEY), j;

	for (j = 0; j <= len; j++)
		row[j] = j;
	for (unsigned int i = 1; *a; i++, a++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= len; j++) {
			unsigned int above = row[j];

			row[j] = min3(above + 1, row[j - 1] + 1,
				      diagonal + (*a != b[j - 1]));
			diagonal = above;
		}
	}
	return row[len];
}

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

static const char *nearest_key(const struct key *keys, const char *name)
{
	unsigned int best = MAX_KEY * 2;
	const char *nearest = keys->name;

	for (; keys->name; keys++) {
		unsigned int distance = edit_distance(name, keys->name);

		if (distance < best) {
			best = distance;
			nearest = keys->name;
		}
	}
	return nearest;
}

static const char *type_hint(enum key_type type)
{
	switch (type) {
	case KEY_SIZE:
		return "a size such as 64MiB (B, KiB, MiB, GiB, TiB)";
	case KEY_DURATION:
		return "a time such as 100ms (ms, s, m, h)";
	case KEY_BOOL: case KEY_ONCE:
		return "yes or no";
	case KEY_NUMBER:
		return "a number";
	default:
		return "a text";
	}
}

static int refuse_value(const struct key *key, const char *text, char *error)
{
	int len = snprintf(error, CONFIG_ERROR_SIZE, "%s=%.100s is not %s",
			   key->name, text, key->type == KEY_WORD ? "one of" :
			   type_hint(key->type));

	for (int i = 0; key->type == KEY_WORD && key->words[i]; i++)
		len += snprintf(error + len, CONFIG_ERROR_SIZE - len, "%s %s",
				i ? "," : "", key->words[i]);
	return -EINVAL;
}

static int refuse_range(const struct key *key, const char *text, char *error)
{
	char min[32], max[32];

	print_value(key, key->min, min, sizeof(min));
	print_value(key, key->max, max, sizeof(max));
	snprintf(error, CONFIG_ERROR_SIZE,
		 "%s=%.100s is out of range, it goes from %s to %s", key->name,
		 text, min, max);
	return -ERANGE;
}

static int set_text(const struct key *key, void *base, const char *text)
{
	char **field = text_field(key, base);
	char *copy = NULL;

	if (*text) {
		copy = strdup(text);
		if (!copy)
			return -ENOMEM;
	}
	free(*field);
	*field = copy;
	return 0;
}

static int set_key(const struct key *keys, void *base, const char *name,
		   const char *text, char *error)
{
	const struct key *key = find_key(keys, name);
	uint64_t value;

	if (!key) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "there is no key \"%.60s\", the nearest is \"%s\"",
			 name, nearest_key(keys, name));
		return -ENOENT;
	}
	if (key->type == KEY_TEXT)
		return set_text(key, base, text);
	if (parse_value(key, text, &value))
		return refuse_value(key, text, error);
	if (key->max && (value < key->min || value > key->max))
		return refuse_range(key, text, error);
	set_field(key, base, value);
	return 0;
}

static int set_defaults(const struct key *keys, void *base)
{
	char error[CONFIG_ERROR_SIZE];

	for (const struct key *key = keys; key->name; key++) {
		int err = key->init ? set_key(keys, base, key->name, key->init,
					      error) : 0;

		if (err)
			return err;
	}
	return 0;
}

static void free_texts(const struct key *keys, void *base)
{
	for (; keys->name; keys++)
		if (keys->type == KEY_TEXT)
			free(*text_field(keys, base));
}

/* --- volumes ----------------------------------------------------------- */

bool volume_name_is_valid(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return len && len <= 40 && !name[len] && name[0] != '.' &&
	       name[0] != '-';
}

struct volume_config *volume_config_create(const char *name)
{
	struct volume_config *volume;

	if (!volume_name_is_valid(name))
		return NULL;
	volume = calloc(1, sizeof(*volume));
	if (!volume)
		return NULL;
	volume->name = strdup(name);
	if (!volume->name || set_defaults(volume_keys, volume)) {
		volume_config_destroy(volume);
		return NULL;
	}
	return volume;
}

struct volume_config *volume_config_clone(const struct volume_config *volume)
{
	struct volume_config *copy = volume_config_create(volume->name);

	for (const struct key *key = volume_keys; copy && key->name; key++) {
		if (key->type != KEY_TEXT) {
			set_field(key, copy, get_field(key, volume));
			continue;
		}
		if (*text_field(key, volume) &&
		    set_text(key, copy, *text_field(key, volume))) {
			volume_config_destroy(copy);
			return NULL;
		}
	}
	if (copy)
		copy->is_runtime = volume->is_runtime;
	return copy;
}

void volume_config_destroy(struct volume_config *volume)
{
	if (!volume)
		return;
	free_texts(volume_keys, volume);
	free(volume->name);
	free(volume);
}

int volume_config_set(struct volume_config *volume, const char *key,
		      const char *value, char error[CONFIG_ERROR_SIZE])
{
	return set_key(volume_keys, volume, key, value, error);
}

struct volume_config *config_find(const struct config *config,
				  const char *name)
{
	struct volume_config *volume = config->volumes;

	while (volume && strcmp(volume->name, name))
		volume = volume->next;
	return volume;
}

/* --- the file ---------------------------------------------------------- */

struct parse {
	struct config *config;
	struct volume_config *volume;	/* of the section, NULL = [replicad] */
	bool is_runtime;
	char section[80];		/* the one that @volume belongs to */
	int lineno;
	int err;
	char error[CONFIG_ERROR_SIZE];	/* without file and line */
};

static struct volume_config **last_volume(struct config *config)
{
	struct volume_config **link = &config->volumes;

	while (*link)
		link = &(*link)->next;
	return link;
}

static int fail(struct parse *parse, int err, const char *fmt, const char *arg)
{
	snprintf(parse->error, sizeof(parse->error), fmt, arg);
	return err;
}

static int begin_volume(struct parse *parse, const char *name)
{
	struct volume_config *volume;

	if (!volume_name_is_valid(name))
		return fail(parse, -EINVAL, "\"%.64s\" is not a volume name: "
			    "use letters, digits and . _ -", name);
	if (config_find(parse->config, name))
		return fail(parse, -EEXIST, "volume %s is there already", name);
	volume = volume_config_create(name);
	if (!volume)
		return fail(parse, -ENOMEM, "no memory for volume %s", name);
	volume->is_runtime = parse->is_runtime;
	*last_volume(parse->config) = volume;
	parse->volume = volume;
	return 0;
}

static int begin_section(struct parse *parse, const char *section)
{
	snprintf(parse->section, sizeof(parse->section), "%s", section);
	parse->volume = NULL;
	if (!strcmp(section, "replicad"))
		return 0;
	if (!strncmp(section, "volume ", 7))
		return begin_volume(parse, section + 7);
	return fail(parse, -EINVAL, "there is no section [%.60s], there are "
		    "[replicad] and [volume NAME]", section);
}

static int parse_line(struct parse *parse, const char *section,
		      const char *name, const char *value)
{
	int err;

	if (strncmp(section, parse->section, sizeof(parse->section) - 1)) {
		err = begin_section(parse, section);
		if (err)
			return err;
	}
	if (parse->volume)
		return set_key(volume_keys, parse->volume, name, value,
			       parse->error);
	return set_key(daemon_keys, parse->config, name, value, parse->error);
}

/* Called by inih for each "key=value"; 0 = wrong. Only the first is kept. */
static int on_line(void *arg, const char *section, const char *name,
		   const char *value)
{
	struct parse *parse = arg;

	if (!parse->err)
		parse->err = parse_line(parse, section, name, value ?: "");
	return !parse->err;
}

static int check_volumes(struct config *config, const char *path, char *error)
{
	char text[CONFIG_ERROR_SIZE];

	for (struct volume_config *v = config->volumes; v; v = v->next) {
		int err = volume_config_check(v, text);

		if (err) {
			snprintf(error, CONFIG_ERROR_SIZE, "%.120s: %.260s",
				 path, text);
			return err;
		}
	}
	return 0;
}

int config_load(struct config *config, const char *path, bool is_runtime,
		char error[CONFIG_ERROR_SIZE])
{
	struct parse parse = { .config = config, .is_runtime = is_runtime };
	int line = ini_parse(path, on_line, &parse);

	if (line == -1) {
		parse.err = errno ? -errno : -EIO;
		snprintf(error, CONFIG_ERROR_SIZE, "%.200s: cannot be read: %s",
			 path, strerror(-parse.err));
		return parse.err;
	}
	if (line) {
		snprintf(error, CONFIG_ERROR_SIZE, "%.120s:%d: %.250s", path,
			 line, parse.err ? parse.error :
			 "is neither [section] nor key=value");
		return parse.err ? parse.err : -EINVAL;
	}
	return check_volumes(config, path, error);
}

int config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	return set_defaults(daemon_keys, config);
}

void config_clear(struct config *config)
{
	while (config->volumes) {
		struct volume_config *volume = config->volumes;

		config->volumes = volume->next;
		volume_config_destroy(volume);
	}
	free_texts(daemon_keys, config);
	memset(config, 0, sizeof(*config));
}

static void print_volume(FILE *file, const struct volume_config *volume)
{
	char text[64];

	fprintf(file, "[volume %s]\n", volume->name);
	for (const struct key *key = volume_keys; key->name; key++) {
		if (key->type == KEY_TEXT) {
			if (*text_field(key, volume))
				fprintf(file, "%s=%s\n", key->name,
					*text_field(key, volume));
			continue;
		}
		print_value(key, get_field(key, volume), text, sizeof(text));
		if (key->type != KEY_ONCE && strcmp(text, key->init))
			fprintf(file, "%s=%s\n", key->name, text);
	}
}

int config_save(const struct config *config, const char *path)
{
	size_t len = 0;
	char *text = NULL;
	FILE *file = open_memstream(&text, &len);
	int err;

	if (!file)
		return -errno;
	fputs("# Written by replicad: volumes enabled at run time.\n", file);
	for (struct volume_config *v = config->volumes; v; v = v->next)
		if (v->is_runtime)
			print_volume(file, v);
	err = fclose(file) ? -errno : state_file_write(path, text, len);
	free(text);
	return err;
}
