// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was set at run time, as files that config_read() reads back.
 *
 * V1 what is written is read back as it was: a long value goes on in lines that
 *    begin with a blank, and what no line can say is refused when it is set
 *    (config_can_save()).
 */
#include "config-impl.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state-file.h"

#define MAX_PIECE	140	/* of the 197 letters that a line can have */

struct save {
	FILE *file;
	int err;
};

/* Could a line begin with it, after a blank? (V1) */
static bool can_begin(const struct key *keys, const char *text)
{
	return (isalnum((unsigned char)*text) || *text == '/') &&
	       !isblank((unsigned char)text[-1]) && !key_begins(keys, text);
}

/* The letters that stand in one line; 0: there is no place for a break. */
static size_t piece_of(const struct key *keys, const char *text)
{
	size_t len = strlen(text);

	if (len <= MAX_PIECE)
		return len;
	len = MAX_PIECE;
	while (len && !can_begin(keys, text + len))
		len--;
	return len;
}

bool config_is_utf8(const char *text)
{
	json_t *string = json_string(text);

	json_decref(string);
	return string;
}

static bool is_odd(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)text[i]) ||
		    (text[i] == ';' && (!i || isblank((unsigned char)
						      text[i - 1]))))
			return true;
	return len && (isspace((unsigned char)text[0]) ||
		       isspace((unsigned char)text[len - 1]));
}

static bool is_too_long(const struct key *keys, const char *text)
{
	while (*text) {
		size_t len = piece_of(keys, text);

		if (!len)
			return true;
		text += len;
	}
	return false;
}

int config_can_save(const struct key *keys, const char *name, const char *text,
		    char error[CONFIG_ERROR_SIZE])
{
	if (!config_is_utf8(text))
		return config_refuse(error, -EINVAL, "%.40s= may have no "
				     "bytes that are not UTF-8", name);
	if (is_odd(text))
		return config_refuse(error, -EINVAL, "%.40s= may have no "
				     "control character, no blank at its ends, "
				     "and no \" ;\"", name);
	if (is_too_long(keys, text))
		return config_refuse(error, -E2BIG, "%.40s= is longer than a "
				     "line may be, and has no place where the "
				     "next line could begin", name);
	return 0;
}

/* What cannot be read back is not written: the file keeps what it had. */
static void print_text(struct save *save, const struct key *keys,
		       const char *text)
{
	const char *blank = "";

	do {
		size_t len = piece_of(keys, text);

		if (!len && *text) {
			save->err = -EINVAL;
			return;
		}
		fprintf(save->file, "%s%.*s\n", blank, (int)len, text);
		text += len;
		blank = " ";
	} while (*text);
}

static void print_key(struct save *save, const struct key *keys,
		      const struct key *key, const void *base)
{
	char text[64];

	fprintf(save->file, "%s=", key->name);
	if (key_is_text(key)) {
		print_text(save, keys, *key_text(key, base) ?: "");
		return;
	}
	key_print(key, key_get(key, base), text, sizeof(text));
	fprintf(save->file, "%s\n", text);
}

/* N2: what came from elsewhere comes from there again. */
static void print_volume(struct save *save, const struct volume_config *volume)
{
	fprintf(save->file, "[volume %s]\n", volume->name);
	for (const struct key *key = volume_keys; key->name; key++)
		if (volume_config_is_own(volume, key->name) &&
		    key->type != KEY_ONCE)
			print_key(save, volume_keys, key, volume);
}

static void print_target(struct save *save, const struct section *target)
{
	const struct key *keys = section_keys(SECTION_TARGET);

	fprintf(save->file, "[target %s]\n", target->name);
	for (const struct key *key = keys; key->name; key++)
		if (record_find(target->records, key->name))
			print_key(save, keys, key, target);
}

static void print_all(struct save *save, const struct config *config,
		      bool is_targets)
{
	fprintf(save->file, "# Written by replicad: %s at run time.\n", is_targets ?
		"targets added" : "volumes enabled");
	for (const struct section *s = config->sections; is_targets && s;
	     s = s->next)
		if (s->kind == SECTION_TARGET && s->is_runtime)
			print_target(save, s);
	for (struct volume_config *v = config->volumes; !is_targets && v;
	     v = v->next)
		if (v->is_runtime)
			print_volume(save, v);
}

static int save_all(const struct config *config, const char *path,
		    bool is_targets)
{
	size_t len = 0;
	char *text = NULL;
	struct save save = { .file = open_memstream(&text, &len) };

	if (!save.file)
		return -errno;
	print_all(&save, config, is_targets);
	if (fclose(save.file))
		save.err = -errno;
	if (!save.err)
		save.err = state_file_write(path, text, len);
	free(text);
	return save.err;
}

int config_save(const struct config *config, const char *path)
{
	return save_all(config, path, false);
}

int config_save_targets(const struct config *config, const char *path)
{
	return save_all(config, path, true);
}
