// SPDX-License-Identifier: GPL-2.0-or-later
/* One key: from a text to a field, and back. */
#include "config-impl.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/nearest.h"

static const char *const bool_words[] = { "no", "yes", NULL };

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

/* Also in Cinder's words. */
static int parse_bool(const char *text, uint64_t *value)
{
	if (!strcasecmp(text, "true") || !strcasecmp(text, "false")) {
		*value = !strcasecmp(text, "true");
		return 0;
	}
	return parse_word(text, bool_words, value);
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
		return parse_bool(text, value);
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
void key_print(const struct key *key, uint64_t value, char *text, size_t size)
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

uint64_t key_get(const struct key *key, const void *base)
{
	const char *field = (const char *)base + key->offset;

	if (is_bool(key))
		return *(const bool *)field;
	return *(const uint64_t *)field;
}

void key_put(const struct key *key, void *base, uint64_t value)
{
	char *field = (char *)base + key->offset;

	if (is_bool(key))
		*(bool *)field = value;
	else
		*(uint64_t *)field = value;
}

char **key_text(const struct key *key, const void *base)
{
	return (char **)((char *)base + key->offset);
}

/* --- keys -------------------------------------------------------------- */

int config_refuse(char error[CONFIG_ERROR_SIZE], int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, CONFIG_ERROR_SIZE, fmt, args);
	va_end(args);
	return err;
}

const struct key *key_find(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

bool key_is_text(const struct key *key)
{
	return key->type == KEY_TEXT || key->type == KEY_LINES;
}

static const char *nearest_key(const struct key *keys, const char *name)
{
	unsigned int best = NEAREST_MAX * 2;
	const char *nearest = keys->name;

	for (; keys->name; keys++) {
		unsigned int distance = nearest_distance(name, keys->name);

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

	key_print(key, key->min, min, sizeof(min));
	key_print(key, key->max, max, sizeof(max));
	snprintf(error, CONFIG_ERROR_SIZE,
		 "%s=%.100s is out of range, it goes from %s to %s", key->name,
		 text, min, max);
	return -ERANGE;
}

int key_set_text(const struct key *key, void *base, const char *text)
{
	char **field = key_text(key, base);
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

static int refuse_name(const struct key *keys, const char *name, char *error)
{
	return config_refuse(error, -ENOENT, "there is no key \"%.60s\", the "
			     "nearest is \"%s\"", name,
			     nearest_key(keys, name));
}

/* Lines of a value stay apart, for who looks for an error in it. */
static int add_text(char **field, const char *text, char separator, int count)
{
	size_t len = *field ? strlen(*field) : 0;
	char *longer = realloc(*field, len + count + strlen(text) + 1);

	if (!longer)
		return -ENOMEM;
	memset(longer + len, separator, count);
	strcpy(longer + len + count, text);
	*field = longer;
	return 0;
}

int key_set(const struct key *keys, void *base, const char *name,
	    const char *text, char error[CONFIG_ERROR_SIZE])
{
	const struct key *key = key_find(keys, name);
	uint64_t value;

	if (!key)
		return refuse_name(keys, name, error);
	if (key->type == KEY_LINES)
		return add_text(key_text(key, base), text, '\n',
				!!*key_text(key, base));
	if (key->type == KEY_TEXT)
		return key_set_text(key, base, text);
	if (parse_value(key, text, &value))
		return refuse_value(key, text, error);
	if (key->max && (value < key->min || value > key->max))
		return refuse_range(key, text, error);
	key_put(key, base, value);
	return 0;
}

bool key_begins(const struct key *keys, const char *text)
{
	size_t len = strcspn(text, "=: ");

	for (; text[len] && keys->name; keys++)
		if (strlen(keys->name) == len &&
		    !strncmp(keys->name, text, len))
			return true;
	return false;
}

int key_continue(const struct key *keys, void *base, const char *name,
		 const char *text, int lines, char error[CONFIG_ERROR_SIZE])
{
	const struct key *key = key_find(keys, name);

	if (!key)
		return refuse_name(keys, name, error);
	if (key->type == KEY_LINES)
		return add_text(key_text(key, base), text, '\r', lines);
	if (!key_is_text(key) || key_begins(keys, text))
		return config_refuse(error, -EINVAL, "a line that begins with "
				     "a blank goes on with %s= above: take "
				     "the blank away", name);
	return add_text(key_text(key, base), text, 0, 0);
}

int keys_init(const struct key *keys, void *base)
{
	char error[CONFIG_ERROR_SIZE];

	for (const struct key *key = keys; key->name; key++) {
		int err = key->init ? key_set(keys, base, key->name, key->init,
					      error) : 0;

		if (err)
			return err;
	}
	return 0;
}

void keys_free(const struct key *keys, void *base)
{
	for (; keys->name; keys++)
		if (key_is_text(keys))
			free(*key_text(keys, base));
}

