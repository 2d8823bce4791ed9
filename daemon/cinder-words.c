// SPDX-License-Identifier: GPL-2.0-or-later
#include "cinder-words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "pair.h"

/* By whether there is an image that can be used. */
static const struct {
	const char *status[2], *data[2];
} words[PAIR_NR_STATES] = {
	[PAIR_DISABLED] = { { "disabled", "disabled" },
			    { "inactive", "active-stopped" } },
	[PAIR_CONNECTING] = { { "enabling", "enabled" },
			      { "inactive", "active-stopped" } },
	[PAIR_SYNCING] = { { "enabling", "enabling" },
			   { "copying", "copying" } },
	[PAIR_REPLICATING] = { { "enabled", "enabled" },
			       { "active", "active" } },
	[PAIR_CATCHING_UP] = { { "enabled", "enabled" },
			       { "copying", "active" } },
	[PAIR_FALLING_BEHIND] = { { "enabled", "enabled" },
				  { "copying", "active" } },
	[PAIR_PAUSED] = { { "enabling", "enabled" },
			  { "inactive", "active-stopped" } },
	[PAIR_FAILING_OVER] = { { "failing-over", "failing-over" },
				{ "active-stopped", "active-stopped" } },
	[PAIR_PROMOTED] = { { "failed-over", "failed-over" },
			    { "inactive", "inactive" } },
	[PAIR_DIVERGED] = { { "error", "error" }, { "error", "error" } },
	[PAIR_SUPERSEDED] = { { "failed-over", "failed-over" },
			      { "inactive", "inactive" } },
	[PAIR_SPLIT_BRAIN] = { { "error", "error" }, { "error", "error" } },
	[PAIR_ERROR] = { { "error", "error" }, { "error", "error" } },
};

static enum pair_state state_of(const json_t *volume)
{
	const char *name = json_string_value(json_object_get(volume, "state"));

	for (int i = 0; name && i < PAIR_NR_STATES; i++)
		if (!strcmp(name, pair_state_name(i)))
			return i;
	return PAIR_ERROR;
}

static int percent_of(const json_t *volume)
{
	double total = json_number_value(json_object_get(volume,
							 "sync_total_bytes"));
	double done = json_number_value(json_object_get(volume,
							"sync_done_bytes"));

	return total > 0 ? (int)(done * 100 / total) : 0;
}

static void put_extended(json_t *volume, const char *data)
{
	const json_t *lag = json_object_get(volume, "lag_s");
	const json_t *epoch = json_object_get(volume, "last_committed");
	char text[256];
	int len = snprintf(text, sizeof(text), "%s", data);

	if (!strcmp(data, "copying"))
		len += snprintf(text + len, sizeof(text) - len, " %d%%",
				percent_of(volume));
	if (json_is_number(lag))
		len += snprintf(text + len, sizeof(text) - len, " lag=%.0fs",
				json_number_value(lag));
	if (json_integer_value(epoch))
		snprintf(text + len, sizeof(text) - len, " epoch=%lld",
			 (long long)json_integer_value(epoch));
	json_object_set_new(volume, "replication_extended_status",
			    json_string(text));
}

/* C3 */
static void put_driver_data(json_t *volume)
{
	json_t *generation = json_object_get(volume, "generation");

	if (generation)
		json_object_set(volume, "replication_driver_data", generation);
	else
		json_object_set_new(volume, "replication_driver_data",
				    json_null());
}

void cinder_put_words(json_t *volume, const char *word)
{
	enum pair_state state = state_of(volume);
	bool has_image = json_is_true(json_object_get(volume, "synced"));
	const char *data = words[state].data[has_image];

	json_object_set_new(volume, "replication_status", json_string(
				    word ?: words[state].status[has_image]));
	json_object_set_new(volume, "data", json_string(data));
	put_extended(volume, data);
	put_driver_data(volume);
}
