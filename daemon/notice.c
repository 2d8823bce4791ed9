// SPDX-License-Identifier: GPL-2.0-or-later
#include "notice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "events.h"
#include "log.h"
#include "methods.h"

static const struct {
	const char *method, *name;
} notices[] = {
	{ "enable", "enable_replication" },
	{ "disable", "disable_replication" },
	{ "failover", "failover" },
	{ "resolve", "resolve" },
	{ "pause", "freeze" },
	{ "resume", "thaw" },
};

/* Who is named: "volume" …; NULL: nobody. */
static const char *find_name(const struct request *request, const char **name)
{
	static const char *const kinds[] = { "volume", "group", "pool" };

	for (int i = 0; i < 3; i++) {
		*name = request_text(request, kinds[i]);
		if (*name)
			return kinds[i];
	}
	*name = "";
	return request_flag(request, "host") ? "host" : NULL;
}

/* It goes to terminals, and perhaps is no name, and was cut in a letter. */
static void copy_printable(char *to, size_t size, const char *from)
{
	snprintf(to, size, "%s", from);
	route_text_printable(to);
}

static void tell(const struct request *request, const char *step,
		 const char *error)
{
	const char *name, *what = find_name(request, &name);
	char event[64], safe[64], why[300];

	copy_printable(safe, sizeof(safe), name);
	copy_printable(why, sizeof(why), error ?: "");
	snprintf(event, sizeof(event), "%s.%s", request->notice, step);
	log_event(error ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, event, what, safe,
		  error ? why : NULL);
	events_tell(&request->daemon->events, safe, "notice", "%s %s%s%s",
		    event, what, error ? ": " : "", why);
}

/* Of many: the first that was refused, and how many were. */
static bool find_failed(const json_t *result, char text[300])
{
	const json_t *volumes = json_object_get(result, "volumes"), *one;
	int nr = 0;
	size_t i;

	json_array_foreach(volumes, i, one) {
		const char *why = json_string_value(json_object_get(one,
								    "error"));

		if (!json_is_false(json_object_get(one, "ok")))
			continue;
		if (!nr++)
			snprintf(text, 200, "%.60s: %.120s",
				 json_string_value(json_object_get(one,
						"volume")) ?: "?", why ?: "");
	}
	if (nr > 1)
		snprintf(text + strlen(text), 60, " (and %d more)", nr - 1);
	return nr;
}

void notice_begin(struct request *request, const char *method)
{
	const char *name;

	for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++)
		if (!strcmp(notices[i].method, method))
			request->notice = notices[i].name;
	if (request_flag(request, "dry_run") || !find_name(request, &name))
		request->notice = NULL;
	if (request->notice)
		tell(request, "start", NULL);
}

void notice_end(struct request *request, const char *error,
		const json_t *result)
{
	char text[300];

	if (request->notice && !error && find_failed(result, text))
		error = text;
	if (request->notice)
		tell(request, error ? "error" : "end", error);
	request->notice = NULL;
}
