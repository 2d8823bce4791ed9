// SPDX-License-Identifier: GPL-2.0-or-later
#include "notice.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "events.h"
#include "log.h"

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

static void tell(const struct request *request, const char *step,
		 const char *error)
{
	static const char *const kinds[] = { "volume", "group", "pool" };
	const char *what = "host", *name = "";
	char event[64];

	for (int i = 2; i >= 0; i--)
		if (request_text(request, kinds[i])) {
			what = kinds[i];
			name = request_text(request, kinds[i]);
		}
	snprintf(event, sizeof(event), "%s.%s", request->notice, step);
	log_event(error ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, event, what, name,
		  error);
	events_tell(&request->daemon->events, name, "notice", "%s %s%s%s",
		    event, what, error ? ": " : "", error ?: "");
}

void notice_begin(struct request *request, const char *method)
{
	for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++)
		if (!strcmp(notices[i].method, method))
			request->notice = notices[i].name;
	if (request_flag(request, "dry_run"))
		request->notice = NULL;
	if (request->notice)
		tell(request, "start", NULL);
}

void notice_end(struct request *request, const char *error)
{
	if (request->notice)
		tell(request, error ? "error" : "end", error);
	request->notice = NULL;
}
