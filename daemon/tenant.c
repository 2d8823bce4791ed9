// SPDX-License-Identifier: GPL-2.0-or-later
#include "tenant.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config-impl.h"
#include "daemon.h"

void tenant_name(uid_t uid, char name[TENANT_NAME_LEN])
{
	const struct passwd *user = getpwuid(uid);

	if (!user || strlen(user->pw_name) >= TENANT_NAME_LEN)
		snprintf(name, TENANT_NAME_LEN, "%u", (unsigned int)uid);
	else
		snprintf(name, TENANT_NAME_LEN, "%s", user->pw_name);
}

/* N1 */
static json_t *volume_view(const struct volume_config *config,
			   const json_t *volume)
{
	json_t *size = json_object_get(volume, "size_bytes");
	json_t *word = json_object_get(volume, "replication_status");

	return json_pack("{ss sO? sO? ss*}", "name", config->name, "size_bytes",
			 json_is_integer(size) ? size : NULL,
			 "replication_status", word, "type", config->type);
}

static bool is_theirs(const struct entry *entry, const char *user)
{
	return entry && entry->config->tenants &&
	       section_names(entry->config->tenants, user);
}

json_t *tenant_view(const struct daemon *daemon, const json_t *status,
		    const char *user, const char *only)
{
	json_t *volumes = json_array(), *one;
	size_t i;

	json_array_foreach(json_object_get(status, "volumes"), i, one) {
		const char *name = json_string_value(json_object_get(one,
								     "name"));
		const struct entry *entry = daemon_find(daemon, name);

		if (is_theirs(entry, user) && (!only || !strcmp(only, name)))
			json_array_append_new(volumes, volume_view(
							entry->config, one));
	}
	if (!only || json_array_size(volumes))
		return json_pack("{si so}", "schema_version", 1, "volumes",
				 volumes);
	json_decref(volumes);
	return NULL;
}
