// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * B4 (P5) "yes" is said only of a volume that runs here, or was promoted here,
 *    to which nothing forbids a write, and whose site no other has taken over
 *    as far as this process knows.
 * B5 With activation=ask it has to know: a target that was not met since this
 *    process began may have taken over.
 * B6 "no" is what no waiting changes: an operator has to decide first. All else
 *    is "not-yet".
 */
#include "usable.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "activation-ask.h"
#include "daemon.h"
#include "pair.h"
#include "promotion.h"

enum use { USE_YES, USE_NOT_YET, USE_NO };

static const char *const use_words[] = { "yes", "not-yet", "no" };

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static bool is_state(const json_t *status, enum pair_state state)
{
	return !strcmp(text_of(status, "state"), pair_state_name(state));
}

bool usable_is_others(const json_t *status)
{
	return is_state(status, PAIR_SUPERSEDED) ||
	       is_state(status, PAIR_SPLIT_BRAIN) ||
	       is_state(status, PAIR_DIVERGED);
}

/* It is remembered, while its target does not answer. */
static bool was_taken_over(const json_t *status)
{
	const char *word = text_of(status, "taken_over");

	return *word && strcmp(word, "no");
}

/* B5: "apply" is known from the first meeting on. */
static bool was_met(const json_t *status)
{
	return json_is_string(json_object_get(status, "apply"));
}

/* B6: what the target has said, or whatever else. */
static enum use judge_stopped(const struct entry *entry, const char **reason)
{
	*reason = entry->error[0] ? entry->error : "it is being started";
	return entry->err == -ESTALE || entry->err == -ENOTUNIQ ||
	       entry->err == -EKEYREVOKED ? USE_NO : USE_NOT_YET;
}

static enum use judge_running(const struct daemon *daemon,
			      const struct entry *entry, const json_t *status,
			      const char **reason)
{
	*reason = text_of(status, "reason");
	if (strcmp(text_of(status, "writes"), "allowed")) {
		if (!**reason)
			*reason = "who writes to it is refused, or waits";
		return USE_NOT_YET;
	}
	if (!activation_asks(daemon->config.state_dir, entry->config) ||
	    was_met(status))
		return USE_YES;
	if (!**reason)
		*reason = "its target has not said yet whether the other site "
			  "has taken over (activation=ask)";
	return USE_NOT_YET;
}

static enum use judge(const struct daemon *daemon, const char *volume,
		      const json_t *status, const char **reason)
{
	const struct entry *entry = daemon_find(daemon, volume);

	*reason = text_of(status, "reason");
	if (usable_is_others(status))
		return USE_NO;
	if (entry && was_taken_over(status)) {
		*reason = "another site has taken over, as its target has said";
		return USE_NO;
	}
	if (!entry)
		return is_state(status, PAIR_PROMOTED) ? USE_YES : USE_NOT_YET;
	return entry->reactor ? judge_running(daemon, entry, status,
					      reason) :
				judge_stopped(entry, reason);
}

/* A path, a device-mapper name, or MAJOR:MINOR. */
static json_t *path_of(const struct daemon *daemon, const char *volume)
{
	const struct entry *entry = daemon_find(daemon, volume);
	const char *device = entry && entry->config->device ?
			     entry->config->device : volume;
	unsigned int major, minor;
	char rest;

	if (device[0] == '/')
		return json_string(device);
	if (sscanf(device, "%u:%u%c", &major, &minor, &rest) == 2)
		return json_sprintf("/dev/block/%u:%u", major, minor);
	return json_sprintf("/dev/mapper/%s", device);
}

json_t *usable_tell(const struct daemon *daemon, const char *volume,
		    const json_t *status)
{
	const char *reason = "it is a replica here: the primary is at the "
			     "other site";
	enum use use = USE_NO;

	if (status)
		use = judge(daemon, volume, status, &reason);
	else if (!promotion_is_replica(daemon, volume))
		return NULL;
	return json_pack("{si ss so ss ss?}", "schema_version", 1, "volume",
			 volume, "path", path_of(daemon, volume), "use",
			 use_words[use], "reason",
			 use == USE_YES ? NULL : reason);
}
