// SPDX-License-Identifier: GPL-2.0-or-later
#include "promotion-record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "state-file.h"

static const char *const step_names[] = {
	[PROMOTION_BEGUN] = "begun",
	[PROMOTION_FENCED] = "fenced",
	[PROMOTION_SALVAGED] = "salvaged",
	[PROMOTION_MARKED] = "marked",
	[PROMOTION_APPLIED] = "applied",
	[PROMOTION_LEFT] = "left",
	[PROMOTION_ACTIVE] = "active",
	[PROMOTION_GIVEN_UP] = "given-up",
};

const char *promotion_step_name(enum promotion_step step)
{
	return step_names[step];
}

static int path_of(char path[PATH_MAX], const char *state_dir,
		   const char *volume, const char *suffix)
{
	return snprintf(path, PATH_MAX, "%s/promotions%s%s%s", state_dir,
			*volume ? "/" : "", volume, suffix) >= PATH_MAX ?
	       -ENAMETOOLONG : 0;
}

/* --- writing -------------------------------------------------------------- */

static json_t *hex(uint64_t id)
{
	return json_sprintf("%016" PRIx64, id);
}

static json_t *encode(const struct promotion_record *r)
{
	json_t *root = json_pack("{si ss ss ss ss ss ss ss}",
				 "schema_version", 1, "volume", r->volume,
				 "pair", r->pair, "dir", r->dir, "base",
				 r->base, "metadata", r->metadata, "salvage",
				 r->salvage, "step", step_names[r->step]);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "bytes", r->bytes }, { "epoch", r->epoch },
		{ "cut_time_ns", r->cut_time }, { "last_clean", r->last_clean },
		{ "last_partial", r->last_partial },
		{ "begun_at_ns", r->begun_at },
		{ "commit_time_ns", r->commit_time },
		{ "dropped_bytes", r->dropped_bytes },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		json_object_set_new(root, numbers[i].key,
				    json_integer(numbers[i].value));
	if (r->leader[0]) {
		json_object_set_new(root, "group", json_string(r->group));
		json_object_set_new(root, "leader", json_string(r->leader));
	}
	json_object_set_new(root, "generation", hex(r->generation));
	json_object_set_new(root, "old_generation", hex(r->old_generation));
	return root;
}

int promotion_save(const char *state_dir, const struct promotion_record *r)
{
	json_t *root = encode(r);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	char path[PATH_MAX];
	int err = text ? path_of(path, state_dir, "", "") : -ENOMEM;

	if (!err)
		err = state_folder_make(path);
	if (!err)
		err = path_of(path, state_dir, r->volume, ".json");
	if (!err)
		err = state_file_write(path, text, strlen(text));
	free(text);
	json_decref(root);
	return err;
}

/* --- reading -------------------------------------------------------------- */

static int get_text(const json_t *root, const char *key, char *to, size_t size)
{
	const char *text = json_string_value(json_object_get(root, key));

	if (!text || strlen(text) >= size)
		return -EBADMSG;
	strcpy(to, text);
	return 0;
}

static int get_texts(const json_t *root, struct promotion_record *r)
{
	const struct {
		const char *key;
		char *to;
		size_t size;
	} texts[] = {
		{ "volume", r->volume, sizeof(r->volume) },
		{ "pair", r->pair, sizeof(r->pair) },
		{ "dir", r->dir, sizeof(r->dir) },
		{ "base", r->base, sizeof(r->base) },
		{ "metadata", r->metadata, sizeof(r->metadata) },
		{ "salvage", r->salvage, sizeof(r->salvage) },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(texts) / sizeof(texts[0]); i++)
		err = get_text(root, texts[i].key, texts[i].to, texts[i].size);
	return err;
}

static int get_number(const json_t *root, const char *key, uint64_t *n)
{
	const json_t *value = json_object_get(root, key);

	*n = json_integer_value(value);
	return json_is_integer(value) ? 0 : -EBADMSG;
}

/* Records that were written before there was one go without. */
static int get_commit_time(const json_t *root, uint64_t *n)
{
	const char *key = "commit_time_ns";

	*n = 0;
	return json_object_get(root, key) ? get_number(root, key, n) : 0;
}

static int get_hex(const json_t *root, const char *key, uint64_t *n)
{
	char text[17];
	int end = 0;

	if (get_text(root, key, text, sizeof(text)))
		return -EBADMSG;
	return sscanf(text, "%16" SCNx64 "%n", n, &end) == 1 && end == 16 ?
	       0 : -EBADMSG;
}

static int get_step(const json_t *root, enum promotion_step *step)
{
	char text[16];

	if (get_text(root, "step", text, sizeof(text)))
		return -EBADMSG;
	for (int i = 0; i <= PROMOTION_GIVEN_UP; i++)
		if (!strcmp(text, step_names[i])) {
			*step = i;
			return 0;
		}
	return -EBADMSG;
}

static int get_group(const json_t *root, struct promotion_record *r)
{
	if (!json_object_get(root, "leader"))
		return 0;
	return get_text(root, "group", r->group, sizeof(r->group)) ||
	       get_text(root, "leader", r->leader, sizeof(r->leader)) ||
	       !volume_name_is_valid(r->leader) ? -EBADMSG : 0;
}

static int decode(const json_t *root, struct promotion_record *r)
{
	return get_texts(root, r) || get_step(root, &r->step) ||
	       get_group(root, r) ||
	       get_number(root, "bytes", &r->bytes) ||
	       get_number(root, "epoch", &r->epoch) ||
	       get_number(root, "cut_time_ns", &r->cut_time) ||
	       get_commit_time(root, &r->commit_time) ||
	       get_number(root, "last_clean", &r->last_clean) ||
	       get_number(root, "last_partial", &r->last_partial) ||
	       get_number(root, "begun_at_ns", &r->begun_at) ||
	       get_number(root, "dropped_bytes", &r->dropped_bytes) ||
	       get_hex(root, "generation", &r->generation) ||
	       get_hex(root, "old_generation", &r->old_generation) ||
	       !volume_name_is_valid(r->volume) ? -EBADMSG : 0;
}

int promotion_load(const char *state_dir, const char *volume,
		   struct promotion_record *r)
{
	char path[PATH_MAX];
	json_t *root;
	int err = path_of(path, state_dir, volume, ".json");

	memset(r, 0, sizeof(*r));
	if (!err)
		err = state_json_read(path, &root);
	if (err)
		return err;
	err = decode(root, r);
	json_decref(root);
	r->is_begun = !err;
	return !err && strcmp(r->volume, volume) ? -EBADMSG : err;
}

int promotion_remove(const char *state_dir, const char *volume)
{
	char path[PATH_MAX];
	int err = path_of(path, state_dir, volume, ".json");

	return err ? err : state_file_remove(path);
}

void promotion_each(const char *state_dir,
		    void (*each)(void *arg, const char *volume), void *arg)
{
	char path[PATH_MAX];

	if (!path_of(path, state_dir, "", ""))
		state_folder_each(path, each, arg);
}
