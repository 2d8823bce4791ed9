// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables of keys; volumes. */
#include "config-impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_words[] = { "err", "warn", "info", "debug",
					   NULL };
static const char *const apply_words[] = { "auto", "staged", "direct", NULL };
static const char *const activation_words[] = { "force", "ask", NULL };
static const char *const fence_words[] = { "continue", "readonly", "suspend",
					   NULL };

static const char *const routed_words[] = { "off", "look", "on", NULL };

#define D(field)	offsetof(struct config, field)
#define V(field)	offsetof(struct volume_config, field)

const struct key daemon_keys[] = {
	{ "socket", KEY_TEXT, D(socket), "/run/replica/replicad.sock", 0, 0,
	  NULL },
	{ "state_dir", KEY_TEXT, D(state_dir), "/var/lib/replica", 0, 0, NULL },
	{ "plugin", KEY_TEXT, D(plugin), "replica", 0, 0, NULL },
	{ "hooks", KEY_TEXT, D(hooks), NULL, 0, 0, NULL },
	{ "hook_timeout", KEY_DURATION, D(hook_timeout_ms), "60s", 100,
	  HOUR_MS, NULL },
	{ "routed", KEY_WORD, D(routed), "on", 0, 0, routed_words },
	{ "reactors", KEY_NUMBER, D(reactors), "0", 0, 64, NULL },
	{ "log_level", KEY_WORD, D(log_level), "info", 0, 0, level_words },
	{ NULL }
};

const struct key volume_keys[] = {
	{ "device", KEY_TEXT, V(device), NULL, 0, 0, NULL },
	{ "target", KEY_TEXT, V(target), NULL, 0, 0, NULL },
	{ "targets", KEY_TEXT, V(targets), NULL, 0, 0, NULL },
	{ "prefer", KEY_TEXT, V(prefer), NULL, 0, 0, NULL },
	{ "type", KEY_TEXT, V(type), NULL, 0, 0, NULL },
	{ "backend", KEY_TEXT, V(backend), NULL, 0, 0, NULL },
	{ "origin", KEY_TEXT, V(origin), NULL, 0, 0, NULL },
	{ "activation", KEY_WORD, V(activation), "force", 0, 0,
	  activation_words },
	{ "trust_boot", KEY_BOOL, V(trusts_boot), "no", 0, 0, NULL },
	{ "metadata", KEY_TEXT, V(metadata), NULL, 0, 0, NULL },
	{ "group", KEY_TEXT, V(group), NULL, 0, 0, NULL },
	{ "tenants", KEY_TEXT, V(tenants), NULL, 0, 0, NULL },
	{ "tls", KEY_TEXT, V(tls), NULL, 0, 0, NULL },
	{ "interval", KEY_DURATION, V(interval_ms), "100ms", 0, HOUR_MS, NULL },
	{ "window", KEY_SIZE, V(window), "64MiB", 64 * KIB, TIB, NULL },
	{ "memory", KEY_SIZE, V(memory), "64MiB", 2 * MIB, TIB, NULL },
	{ "spool", KEY_TEXT, V(spool), NULL, 0, 0, NULL },
	{ "spool_size", KEY_SIZE, V(spool_size), "1GiB", MIB, 64 * TIB, NULL },
	{ "bandwidth", KEY_SIZE, V(bandwidth), "0", 0, TIB, NULL },
	{ "connections", KEY_NUMBER, V(connections), "4", 1, 16, NULL },
	{ "congestion", KEY_TEXT, V(congestion), NULL, 0, 0, NULL },
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
	{ "retry_max", KEY_DURATION, V(retry_max_ms), "15s", 100, HOUR_MS,
	  NULL },
	{ NULL }
};

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
	if (!volume->name || keys_init(volume_keys, volume)) {
		volume_config_destroy(volume);
		return NULL;
	}
	return volume;
}

static int copy_key(const struct key *key, struct volume_config *to,
		    const struct volume_config *from)
{
	const char *text;

	if (!key_is_text(key)) {
		key_put(key, to, key_get(key, from));
		return 0;
	}
	text = *key_text(key, from);
	return text ? key_set_text(key, to, text) : 0;
}

struct volume_config *volume_config_clone(const struct volume_config *volume)
{
	struct volume_config *copy = volume_config_create(volume->name);
	int err = 0;

	if (!copy)
		return NULL;
	for (const struct key *key = volume_keys; !err && key->name; key++)
		err = copy_key(key, copy, volume);
	if (!err && volume->target_id) {
		copy->target_id = strdup(volume->target_id);
		err = copy->target_id ? 0 : -ENOMEM;
	}
	copy->is_runtime = volume->is_runtime;
	copy->own = volume->own;
	if (!err)
		return copy;
	volume_config_destroy(copy);
	return NULL;
}

void volume_config_destroy(struct volume_config *volume)
{
	if (!volume)
		return;
	keys_free(volume_keys, volume);
	records_free(&volume->records);
	free(volume->target_id);
	free(volume->file);
	free(volume->name);
	free(volume);
}

static bool key_equals(const struct key *key, const struct volume_config *a,
		       const struct volume_config *b)
{
	const char *x, *y;

	if (!key_is_text(key))
		return key_get(key, a) == key_get(key, b);
	x = *key_text(key, a);
	y = *key_text(key, b);
	return x && y ? !strcmp(x, y) : !x && !y;
}

bool volume_config_equals(const struct volume_config *a,
			  const struct volume_config *b)
{
	for (const struct key *key = volume_keys; key->name; key++)
		if (!key_equals(key, a, b))
			return false;
	return true;
}

void volume_config_spare(struct volume_config *now,
			 const struct volume_config *before)
{
	if (now->is_runtime && before->target &&
	    strcmp(now->target, before->target))
		now->may_overwrite = false;
}

static uint64_t own_bit(const char *name)
{
	const struct key *key = key_find(volume_keys, name);

	return key ? 1ULL << (key - volume_keys) : 0;
}

int volume_config_set(struct volume_config *volume, const char *key,
		      const char *value, char error[CONFIG_ERROR_SIZE])
{
	int err = config_can_save(volume_keys, key, value, error);

	if (!err)
		err = key_set(volume_keys, volume, key, value, error);
	if (!err && *value)
		volume->own |= own_bit(key);
	else if (!err)
		volume->own &= ~own_bit(key);
	return err;
}

void volume_config_has_own(struct volume_config *volume, const char *key)
{
	volume->own |= own_bit(key);
}

bool volume_config_is_own(const struct volume_config *volume, const char *key)
{
	return volume->own & own_bit(key);
}

struct volume_config *config_find(const struct config *config,
				  const char *name)
{
	struct volume_config *volume = config->volumes;

	while (volume && strcmp(volume->name, name))
		volume = volume->next;
	return volume;
}

/* --- all of it --------------------------------------------------------- */

int config_init(struct config *config)
{
	memset(config, 0, sizeof(*config));
	return keys_init(daemon_keys, config);
}

void config_clear(struct config *config)
{
	while (config->volumes) {
		struct volume_config *volume = config->volumes;

		config->volumes = volume->next;
		volume_config_destroy(volume);
	}
	while (config->sections) {
		struct section *section = config->sections;

		config->sections = section->next;
		section_free(section);
	}
	section_free(config->defaults);
	records_free(&config->records);
	records_free(&config->warnings);
	keys_free(daemon_keys, config);
	memset(config, 0, sizeof(*config));
}
