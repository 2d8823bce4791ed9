// SPDX-License-Identifier: GPL-2.0-or-later
#include "keeping.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state-file.h"

static int path_of(char path[PATH_MAX], const char *state_dir,
		   const char *volume)
{
	return snprintf(path, PATH_MAX, "%s/keeping%s%s%s", state_dir,
			*volume ? "/" : "", volume, *volume ? ".json" : "") >=
	       PATH_MAX ? -ENAMETOOLONG : 0;
}

int keeping_note(const char *state_dir, const char *volume,
		 const struct keeping *k)
{
	json_t *root = json_pack("{si ss ss}", "schema_version", 1, "pair",
				 k->pair, "pair_id", k->id);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	char path[PATH_MAX];
	int err = text ? path_of(path, state_dir, "") : -ENOMEM;

	if (!err)
		err = state_folder_make(path);
	if (!err)
		err = path_of(path, state_dir, volume);
	if (!err)
		err = state_file_write(path, text, strlen(text));
	free(text);
	json_decref(root);
	return err;
}

static int decode(struct keeping *k, json_t *root)
{
	const char *pair, *id;

	if (json_unpack(root, "{ss ss}", "pair", &pair, "pair_id", &id) ||
	    strlen(pair) >= sizeof(k->pair) || strlen(id) >= sizeof(k->id))
		return -EBADMSG;
	snprintf(k->pair, sizeof(k->pair), "%s", pair);
	snprintf(k->id, sizeof(k->id), "%s", id);
	return 0;
}

/* One whose record cannot be read was not revoked. */
static int check_pair(const char *state_dir, const struct keeping *k)
{
	struct pairing_record record;
	int err = pairing_load(state_dir, k->pair, &record);

	if (err)
		return err == -ENOENT ? err : 0;
	json_decref(record.params);
	return strcmp(record.id, k->id) ? -ENOENT : 0;
}

int keeping_load(const char *state_dir, const char *volume, struct keeping *k)
{
	char path[PATH_MAX];
	json_t *root = NULL;
	int err = path_of(path, state_dir, volume);

	if (!err)
		err = state_json_read(path, &root);
	if (!err)
		err = decode(k, root);
	json_decref(root);
	return err ? err : check_pair(state_dir, k);
}

int keeping_drop(const char *state_dir, const char *volume)
{
	char path[PATH_MAX];
	int err = path_of(path, state_dir, volume);

	return err ? err : state_file_remove(path);
}
