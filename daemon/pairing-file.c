// SPDX-License-Identifier: GPL-2.0-or-later
#include "pairing-file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "state-file.h"

void pairing_path(char path[PAIRING_PATH_LEN], const char *state_dir,
		  const char *name, const char *suffix)
{
	snprintf(path, PAIRING_PATH_LEN, "%.250s/pairs%s%s%s", state_dir,
		 *name ? "/" : "", name, suffix);
}

static int save_key(const char *state_dir, const struct pairing_record *record,
		    const uint8_t key[PAIRING_KEY_BYTES])
{
	char path[PAIRING_PATH_LEN], line[PAIRING_ID_LEN + 80];
	int n = snprintf(line, sizeof(line), "%s:", record->id), err;

	pairing_hex(line + n, key, PAIRING_KEY_BYTES);
	strcat(line, "\n");
	pairing_path(path, state_dir, record->name, ".key");
	err = state_file_write(path, line, strlen(line));
	explicit_bzero(line, sizeof(line));
	return err;
}

int pairing_save(const char *state_dir, const struct pairing_record *record,
		 const uint8_t key[PAIRING_KEY_BYTES])
{
	json_t *root = json_pack("{si ss ss ss sb ss sO*}", "schema_version", 1,
				 "name", record->name, "pair_id", record->id,
				 "address", record->address, "receiver",
				 record->is_receiver, "listen", record->listen,
				 "params", record->params);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	char path[PAIRING_PATH_LEN];
	int err = text ? 0 : -ENOMEM;

	pairing_path(path, state_dir, "", "");
	if (!err && mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	if (!err && key)
		err = save_key(state_dir, record, key);
	pairing_path(path, state_dir, record->name, ".json");
	if (!err)
		err = state_file_write(path, text, strlen(text));
	free(text);
	json_decref(root);
	return err;
}

static int decode(struct pairing_record *record, json_t *root)
{
	const char *name, *id, *address, *listen;
	json_t *params = NULL;
	int is_receiver;
	uint8_t raw[16];

	if (json_unpack(root, "{ss ss ss sb ss s?o}", "name", &name, "pair_id",
			&id, "address", &address, "receiver", &is_receiver,
			"listen", &listen, "params", &params) ||
	    !volume_name_is_valid(name) || pairing_unhex(raw, id, 16) ||
	    (params && !json_is_array(params)))
		return -EBADMSG;
	snprintf(record->name, sizeof(record->name), "%s", name);
	snprintf(record->id, sizeof(record->id), "%s", id);
	snprintf(record->address, sizeof(record->address), "%s", address);
	snprintf(record->listen, sizeof(record->listen), "%s", listen);
	record->is_receiver = is_receiver;
	record->params = json_incref(params);
	return 0;
}

int pairing_load(const char *state_dir, const char *name,
		 struct pairing_record *record)
{
	char path[PAIRING_PATH_LEN];
	json_t *root;
	int err;

	memset(record, 0, sizeof(*record));
	pairing_path(path, state_dir, name, ".json");
	err = state_json_read(path, &root);
	if (err)
		return err;
	err = decode(record, root);
	json_decref(root);
	return err;
}

int pairing_remove(const char *state_dir, const char *name)
{
	char path[PAIRING_PATH_LEN];
	int err;

	pairing_path(path, state_dir, name, ".json");
	err = unlink(path) ? -errno : 0;
	pairing_path(path, state_dir, name, ".key");
	unlink(path);
	return err;
}

void pairing_each(const char *state_dir,
		  void (*each)(void *arg, const char *name), void *arg)
{
	char path[PAIRING_PATH_LEN];

	pairing_path(path, state_dir, "", "");
	state_folder_each(path, each, arg);
}

/* --- targets ----------------------------------------------------------- */

bool pairing_is_target(const char *target)
{
	return !strncmp(target, "pair:", 5);
}

const char *pairing_target_export(const char *target, const char *pair)
{
	size_t len = strlen(pair);

	if (!pairing_is_target(target) || strncmp(target + 5, pair, len))
		return NULL;
	target += 5 + len;
	return !*target ? target : *target == '/' ? target + 1 : NULL;
}

int pairing_resolve(const char *state_dir, const char *target,
		    const char *export, char *uri, size_t size,
		    uint8_t id[16], struct error *err)
{
	char name[PAIRING_NAME_LEN] = "", key[PAIRING_PATH_LEN];
	size_t len = strcspn(target + 5, "/");
	struct pairing_record record;
	int ret;

	if (len < sizeof(name))
		snprintf(name, sizeof(name), "%.*s", (int)len, target + 5);
	if (!volume_name_is_valid(name))
		return error_set(err, -EINVAL, "%.80s: want pair:NAME or "
				 "pair:NAME/EXPORT", target);
	if (target[5 + len])
		export = target + 5 + len + 1;
	ret = pairing_load(state_dir, name, &record);
	json_decref(record.params);
	if (ret)
		return error_set(err, ret, "the pair %s: %s", name,
				 ret == -ENOENT ? "there is none; replicactl "
				 "pair join makes it" : state_error(ret));
	if (record.is_receiver)
		return error_set(err, -EINVAL, "the pair %s: this side "
				 "receives, it cannot send", name);
	pairing_path(key, state_dir, name, ".key");
	if (snprintf(uri, size, "nbds://%s@%s/%s?tls-psk-file=%s", record.id,
		     record.address, export, key) >= (int)size)
		return error_set(err, -EINVAL, "%.80s: the URI is too long",
				 target);
	return pairing_unhex(id, record.id, 16);
}

/* As the peer does: with the same key, at an address that it listens at. */
int pairing_own_uri(const char *state_dir, const struct pairing_record *record,
		    const char *export, char *uri, size_t size,
		    struct error *err)
{
	const char *listen = record->listen[0] ? record->listen : "127.0.0.1";
	bool is_v6 = strchr(listen, ':');
	char host[PAIRING_ADDRESS_LEN], port[8], key[PAIRING_PATH_LEN];
	int ret = pairing_address_split(record->address, host, port);

	if (ret)
		return error_set(err, ret, "the pair %s: its address makes no "
				 "sense", record->name);
	pairing_path(key, state_dir, record->name, ".key");
	if (snprintf(uri, size, "nbds://%s@%s%s%s:%s/%s?tls-psk-file=%s",
		     record->id, is_v6 ? "[" : "", listen, is_v6 ? "]" : "",
		     port, export, key) >= (int)size)
		return error_set(err, -EINVAL, "the pair %s: the URI is too "
				 "long", record->name);
	return 0;
}
