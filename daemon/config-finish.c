// SPDX-License-Identifier: GPL-2.0-or-later
/* When all files are read: what refers to what; and which files these are. */
#include "config-impl.h"
#include "config-match.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "options.h"
#include "util/nearest.h"

/* Where an error is, if that is known. */
static int refuse_in(char error[CONFIG_ERROR_SIZE], int err, const char *file,
		     int line, const char *text)
{
	return file ? config_refuse(error, err, "%.120s:%d: %.250s", file, line,
				    text) :
		      config_refuse(error, err, "%.390s", text);
}

static int inherit(const struct section *from, struct section *to)
{
	const struct key *k = section_keys(SECTION_BACKEND);
	int err = 0;

	for (; k->name; k++) {
		const struct config_record *r = record_find(from->records,
							    k->name);

		if (!r || record_find(to->records, k->name))
			continue;
		if (key_is_text(k))
			err = key_set_text(k, to, *key_text(k, from));
		else
			key_put(k, to, key_get(k, from));
		if (!err)
			err = record_add(&to->records, k->name, NULL, r->file,
					 r->line);
		if (err)
			return err;
	}
	return 0;
}

static int expand_backends(struct config *config, char error[CONFIG_ERROR_SIZE])
{
	int err = 0;

	for (struct section *s = config->sections; !err && s; s = s->next) {
		if (s->kind != SECTION_BACKEND)
			continue;
		if (config->defaults && inherit(config->defaults, s))
			return config_refuse(error, -ENOMEM, "no memory");
		err = devices_expand(config, s, error);
	}
	return err;
}

/* --- references -------------------------------------------------------- */

static int check_name(const struct config *config, const struct section *s,
		      enum section_kind kind, const char *name,
		      char error[CONFIG_ERROR_SIZE])
{
	char near[80], text[200];

	if (!name || config_section(config, kind, name))
		return 0;
	snprintf(text, sizeof(text), "[%s %s]: there is no [%s %.60s]%s",
		 section_word(s->kind), s->name, section_word(kind), name,
		 config_nearest(config, kind, name, near));
	return refuse_in(error, -ENOENT, s->file, s->line, text);
}

static int check_backend(const struct config *config, const struct section *s,
			 char error[CONFIG_ERROR_SIZE])
{
	const struct section *other = !s->volume_backend_name ? s :
		config_section(config, SECTION_BACKEND, s->volume_backend_name);
	char text[200];

	if (other == s)
		return 0;
	snprintf(text, sizeof(text), "[backend %s]: [backend %s] has the name "
		 "%.60s already", s->name, other->name, s->volume_backend_name);
	return refuse_in(error, -EEXIST, s->file, s->line, text);
}

int config_check_target(const struct config *config, const struct section *s,
			char error[CONFIG_ERROR_SIZE])
{
	char text[200];

	if (!s->uri == !s->to_backend) {
		snprintf(text, sizeof(text), "[target %s]: want uri= (a server "
			 "that is only written to) or backend=, %s", s->name,
			 s->uri ? "not both" : "there is neither");
		return refuse_in(error, -EINVAL, s->file, s->line, text);
	}
	return check_name(config, s, SECTION_BACKEND, s->to_backend, error);
}

/* Other scopes are other vendors'. */
static int check_type(struct config *config, const struct section *s,
		      char error[CONFIG_ERROR_SIZE])
{
	char text[300], near[60];
	int err = 0;

	for (struct config_record *r = s->records; !err && r; r = r->next) {
		if (config_spec_is_known(r->key, near))
			continue;
		snprintf(text, sizeof(text), "[type %s]: nothing here knows "
			 "%.60s%s%s; it is ignored", s->name, r->key,
			 near[0] ? ", the nearest is " : "", near);
		err = record_add(&config->warnings, "", text, r->file, r->line);
	}
	return err ? config_refuse(error, err, "no memory") : 0;
}

static int check_section(struct config *config, const struct section *s,
			 char error[CONFIG_ERROR_SIZE])
{
	switch (s->kind) {
	case SECTION_BACKEND:
		return check_backend(config, s, error);
	case SECTION_TARGET:
		return config_check_target(config, s, error);
	case SECTION_TYPE:
		return check_type(config, s, error);
	default:
		return check_name(config, s, SECTION_TYPE, s->type, error);
	}
}

int config_settle(const struct config *config, struct volume_config *volume,
		  char error[CONFIG_ERROR_SIZE])
{
	int err = config_resolve(config, volume, error);

	if (!err)
		err = volume_config_check(volume, error);
	return err ? err : match_volume(config, volume, error);
}

static int check_volume(const struct config *config, struct volume_config *v,
			char error[CONFIG_ERROR_SIZE])
{
	char text[CONFIG_ERROR_SIZE];
	int err = config_settle(config, v, text);

	return err ? refuse_in(error, err, v->file, v->line, text) : 0;
}

int config_finish(struct config *config, char error[CONFIG_ERROR_SIZE])
{
	int err = expand_backends(config, error);

	for (struct section *s = config->sections; !err && s; s = s->next)
		err = check_section(config, s, error);
	for (struct volume_config *v = config->volumes; !err && v; v = v->next)
		err = check_volume(config, v, error);
	return err;
}

/* --- the files --------------------------------------------------------- */

int config_load(struct config *config, const char *path, bool is_runtime,
		char error[CONFIG_ERROR_SIZE])
{
	int err = config_read(config, path, is_runtime, error);

	return err ? err : config_finish(config, error);
}

static int read_kept(struct config *config, const char *name,
		     char error[CONFIG_ERROR_SIZE])
{
	char path[500];

	snprintf(path, sizeof(path), "%.450s/%s", config->state_dir, name);
	return access(path, F_OK) ? 0 : config_read(config, path, true, error);
}

int config_load_all(struct config *config, const char *path,
		    const char *state_dir, char error[CONFIG_ERROR_SIZE])
{
	const char *file = path ?: OPTIONS_DEFAULT_CONFIG;
	int err = 0;

	if (path || !access(file, F_OK))
		err = config_read(config, file, false, error);
	if (!err)
		err = config_read_folder(config, file, error);
	if (!err && state_dir)
		err = key_set_text(key_find(daemon_keys, "state_dir"), config,
				   state_dir);
	if (!err)
		err = read_kept(config, "targets.conf", error);
	if (!err)
		err = read_kept(config, "volumes.conf", error);
	return err ? err : config_finish(config, error);
}
