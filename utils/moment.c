// SPDX-License-Identifier: GPL-2.0-or-later
/* --epoch and --at, which several verbs have. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cmd.h"
#include "when.h"

static int put_epoch(const struct args *args, json_t *params)
{
	const char *text = args_value(args, "epoch");
	unsigned long long epoch;
	char *end;

	if (!text)
		return STATUS_OK;
	errno = 0;
	epoch = strtoull(text, &end, 10);
	if (errno || !epoch || *end || text[0] == '-' || epoch >> 63)
		return ctl_fail(args, STATUS_USAGE,
				"--epoch=%.30s is not an epoch's number",
				text);
	json_object_set_new(params, "epoch", json_integer(epoch));
	return STATUS_OK;
}

static int put_time(const struct args *args, json_t *params)
{
	const char *text = args_value(args, "at");
	double seconds;

	if (!text)
		return STATUS_OK;
	if (args_has(args, "epoch"))
		return ctl_fail(args, STATUS_USAGE,
				"--epoch and --at: one of them");
	if (when_parse(text, time(NULL), &seconds))
		return ctl_fail(args, STATUS_USAGE, "--at='%.40s' is not a "
				"time such as '2026-11-27 18:30', '18:30' or "
				"'10m ago'", text);
	json_object_set_new(params, "at", json_real(seconds));
	return STATUS_OK;
}

int moment_put(const struct args *args, json_t *params)
{
	int status = put_epoch(args, params);

	return status ? status : put_time(args, params);
}
