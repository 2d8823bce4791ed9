// SPDX-License-Identifier: GPL-2.0-or-later
#include "made.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state-file.h"

static const char *const step_names[] = {
	[MADE_MAKING] = "making",
	[MADE_READY] = "ready",
	[MADE_DELETING] = "deleting",
	[MADE_GROWING] = "growing",
};

/* V12: a driver that an older replicad has not, so that it touches none. */
static const char beside[] = "beside";

const char *made_step_name(enum made_step step)
{
	return step_names[step];
}

static int path_of(char path[PATH_MAX], const char *state_dir,
		   const char *volume)
{
	return snprintf(path, PATH_MAX, "%s/made%s%s%s", state_dir,
			*volume ? "/" : "", volume, *volume ? ".json" : "") >=
	       PATH_MAX ? -ENAMETOOLONG : 0;
}

static int refuse(struct error *err, int code, const char *volume)
{
	return error_set(err, code, "the record of %s: %s", volume,
			 state_error(code));
}

struct snapshot *made_snapshot(struct made *m, const char *name)
{
	for (unsigned int i = 0; i < m->nr_snapshots; i++)
		if (!strcmp(m->snapshots[i].name, name))
			return &m->snapshots[i];
	return NULL;
}

void made_forget_snapshot(struct made *m, struct snapshot *s)
{
	const struct snapshot *end = &m->snapshots[m->nr_snapshots--];

	memmove(s, s + 1, (const char *)end - (const char *)(s + 1));
}

bool made_has_ended(const struct made *m)
{
	for (unsigned int i = 0; i < m->nr_snapshots; i++)
		if (m->snapshots[i].step != MADE_READY)
			return false;
	return m->step == MADE_READY;
}

/* NULL: no memory. A record that lacks one would let the volume be deleted. */
static json_t *encode_snapshots(const struct made *m)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < m->nr_snapshots; i++) {
		const struct snapshot *s = &m->snapshots[i];

		json_array_append_new(list, json_pack("{ss so sI sI ss}",
			"name", s->name, "id",
			json_sprintf("%016" PRIx64, s->id), "bytes",
			(json_int_t)s->bytes, "taken_at",
			(json_int_t)s->taken_at, "step", step_names[s->step]));
	}
	if (json_array_size(list) != m->nr_snapshots) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static char *encode(const struct made *m)
{
	json_t *root = json_pack("{si ss ss ss ss ss ss ss ss ss sI ss so so}",
		"schema_version", 1, "volume", m->volume, "backend", m->backend,
		"type", m->type, "driver", m->is_promoted ? beside : m->driver,
		"place", m->place,
		"place_id", m->place_id, "pool", m->pool, "base", m->base,
		"metadata", m->metadata, "bytes", (json_int_t)m->bytes,
		"step", step_names[m->step], "id",
		json_sprintf("%016" PRIx64, m->id), "snapshots",
		encode_snapshots(m));
	char *text;

	if (m->is_promoted)
		json_object_set_new(root, "promoted", json_true());
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	json_decref(root);
	return text;
}

static int save(const char *state_dir, const struct made *m, struct error *err)
{
	char *text = encode(m);
	char path[PATH_MAX];
	int ret = text ? path_of(path, state_dir, "") : -ENOMEM;

	if (!ret)
		ret = state_folder_make(path);
	if (!ret)
		ret = path_of(path, state_dir, m->volume);
	if (!ret)
		ret = state_file_write(path, text, strlen(text));
	free(text);
	return ret ? refuse(err, ret, m->volume) : 0;
}

/* V12 */
int made_save(const char *state_dir, const struct made *m, struct error *err)
{
	bool is_idle = m->step == MADE_READY && !m->nr_snapshots;

	return m->is_promoted && is_idle ?
	       made_remove(state_dir, m->volume, err) :
	       save(state_dir, m, err);
}

static bool copy(char *to, size_t size, const char *from)
{
	return snprintf(to, size, "%s", from) < (int)size;
}

static bool find_step(const char *name, enum made_step *step)
{
	for (int i = 0; i <= MADE_GROWING; i++) {
		*step = i;
		if (!strcmp(name, step_names[i]))
			return true;
	}
	return false;
}

static bool decode_id(const char *text, uint64_t *id)
{
	int end = 0;

	return sscanf(text, "%16" SCNx64 "%n", id, &end) == 1 && end == 16;
}

static bool decode_snapshot(json_t *one, struct snapshot *s)
{
	const char *name, *id, *step;
	json_int_t bytes, taken_at;

	if (json_unpack(one, "{ss ss sI sI ss}", "name", &name, "id", &id,
			"bytes", &bytes, "taken_at", &taken_at, "step", &step))
		return false;
	s->bytes = bytes;
	s->taken_at = taken_at;
	return copy(s->name, sizeof(s->name), name) && decode_id(id, &s->id) &&
	       find_step(step, &s->step) && s->step != MADE_GROWING;
}

/* Records of before have none. */
static bool decode_snapshots(const json_t *list, struct made *m)
{
	json_t *one;
	size_t i;

	if (list && (!json_is_array(list) ||
		     json_array_size(list) > MADE_MAX_SNAPSHOTS))
		return false;
	json_array_foreach(list, i, one)
		if (!decode_snapshot(one, &m->snapshots[m->nr_snapshots++]))
			return false;
	return true;
}

static bool decode(json_t *root, struct made *m)
{
	const char *volume, *backend, *type, *driver, *place, *pool, *base;
	const char *metadata, *step, *id, *place_id = "";
	json_int_t bytes;

	if (json_unpack(root, "{ss ss ss ss ss ss ss ss sI ss ss s?s}", "volume",
			&volume, "backend", &backend, "type", &type, "driver",
			&driver, "place", &place, "pool", &pool, "base", &base,
			"metadata", &metadata, "bytes", &bytes, "step", &step,
			"id", &id, "place_id", &place_id))
		return false;
	m->bytes = bytes;
	m->is_promoted = json_is_true(json_object_get(root, "promoted"));
	m->has_others_metadata = m->is_promoted;
	driver = m->is_promoted ? "file" : driver;
	return copy(m->volume, sizeof(m->volume), volume) &&
	       copy(m->backend, sizeof(m->backend), backend) &&
	       copy(m->type, sizeof(m->type), type) &&
	       copy(m->driver, sizeof(m->driver), driver) &&
	       copy(m->place, sizeof(m->place), place) &&
	       copy(m->place_id, sizeof(m->place_id), place_id) &&
	       copy(m->pool, sizeof(m->pool), pool) &&
	       copy(m->base, sizeof(m->base), base) &&
	       copy(m->metadata, sizeof(m->metadata), metadata) &&
	       find_step(step, &m->step) && bytes > 0 &&
	       decode_id(id, &m->id) &&
	       decode_snapshots(json_object_get(root, "snapshots"), m);
}

int made_load(const char *state_dir, const char *volume, struct made *m,
	      struct error *err)
{
	char path[PATH_MAX];
	json_t *root;
	int ret = path_of(path, state_dir, volume);

	memset(m, 0, sizeof(*m));
	if (!ret)
		ret = state_json_read(path, &root);
	if (ret)
		return refuse(err, ret, volume);
	ret = decode(root, m) && !strcmp(m->volume, volume) ? 0 : -EBADMSG;
	json_decref(root);
	return ret ? refuse(err, ret, volume) : 0;
}

int made_settle(const char *state_dir, const char *volume, struct error *err)
{
	struct made *m = malloc(sizeof(*m));
	int ret = m ? made_load(state_dir, volume, m, err) :
		  refuse(err, -ENOMEM, volume);

	if (!ret && m->step == MADE_MAKING) {
		m->step = MADE_READY;
		ret = made_save(state_dir, m, err);
	}
	free(m);
	return ret == -ENOENT || ret == -EBADMSG ? 0 : ret;
}

bool made_is_to_stay(const char *state_dir, const char *volume,
		     const char *snapshot)
{
	struct made *m = malloc(sizeof(*m));
	struct error ignored = { 0 };
	const struct snapshot *s;
	bool is_to_stay = true;
	int ret = m ? made_load(state_dir, volume, m, &ignored) : -ENOMEM;

	if (!ret && snapshot) {
		s = made_snapshot(m, snapshot);
		is_to_stay = s && s->step == MADE_READY;
	} else if (!ret) {
		is_to_stay = m->step != MADE_MAKING && m->step != MADE_DELETING;
	} else if (ret == -ENOENT) {
		is_to_stay = false;
	}
	free(m);
	return is_to_stay;
}

int made_remove(const char *state_dir, const char *volume, struct error *err)
{
	char path[PATH_MAX];
	int ret = path_of(path, state_dir, volume);

	if (!ret)
		ret = state_file_remove(path);
	return ret ? refuse(err, ret, volume) : 0;
}

void made_each(const char *state_dir,
	       void (*each)(void *arg, const char *volume), void *arg)
{
	char path[PATH_MAX];

	if (!path_of(path, state_dir, ""))
		state_folder_each(path, each, arg);
}

static int fill(struct volume_config *config, const char *key,
		const char *value)
{
	char error[CONFIG_ERROR_SIZE];

	return !*value || volume_config_is_own(config, key) ? 0 :
	       volume_config_set(config, key, value, error);
}

int made_fill_promoted(const struct made *m, struct volume_config *config)
{
	return fill(config, "backend", m->backend) ?:
	       fill(config, "type", m->type);
}

int made_fill(const struct made *m, struct volume_config *config)
{
	return fill(config, "origin", m->base) ?:
	       fill(config, "metadata", m->metadata) ?:
	       made_fill_promoted(m, config);
}
