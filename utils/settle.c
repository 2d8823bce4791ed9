// SPDX-License-Identifier: GPL-2.0-or-later
#include "settle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "rpc.h"

#define POLL_US		500000

/* An operator has to decide first, or has decided. */
static const char *const stays[] = { "disabled", "paused", "promoted",
	"diverged", "superseded", "split-brain", NULL };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static bool is_settled(const json_t *volume)
{
	return !strcmp(text_of(volume, "state"), "replicating") &&
	       json_is_true(json_object_get(volume, "replica_consistent"));
}

static bool will_stay(const json_t *volume)
{
	for (const char *const *word = stays; *word; word++)
		if (!strcmp(text_of(volume, "state"), *word))
			return true;
	return false;
}

/* What is furthest from it, by name; STATUS_OK: there is none. */
static int judge(const json_t *volumes, char why[RPC_WHY])
{
	int status = STATUS_OK;
	json_t *one;
	size_t i;

	json_array_foreach(volumes, i, one) {
		bool is_final = will_stay(one);

		if (is_settled(one) || (status && !is_final))
			continue;
		status = is_final ? STATUS_DEGRADED : STATUS_TIMEOUT;
		snprintf(why, RPC_WHY, "%.60s: %s%s%.250s",
			 text_of(one, "name"), text_of(one, "state"),
			 *text_of(one, "reason") ? ": " : "",
			 text_of(one, "reason"));
		if (is_final)
			break;
	}
	return status;
}

/* As judge(); replicad may be on its way up, too. */
static int look(const struct args *args, const char *volume, char why[RPC_WHY])
{
	struct rpc_error err = { 0 };
	json_t *params = json_object(), *answer;
	int status;

	if (volume)
		json_object_set_new(params, "volume", json_string(volume));
	answer = ctl_try(args, "status", params, &err);
	if (answer) {
		status = judge(json_object_get(answer, "volumes"), why);
		json_decref(answer);
		return status;
	}
	snprintf(why, RPC_WHY, "%s", err.text);
	return err.exit_status == STATUS_FAILED ? STATUS_TIMEOUT :
						  err.exit_status;
}

static int read_limit(const struct args *args, double *seconds)
{
	const char *text = args_value(args, "wait");

	*seconds = INFINITY;
	if (text && args_seconds(text, seconds))
		return ctl_fail(args, STATUS_USAGE, "--wait=%.20s is not a "
				"time such as 30s or 2h", text);
	return STATUS_OK;
}

int settle_wait(const struct args *args, const char *volume)
{
	char why[RPC_WHY] = "", told[RPC_WHY] = "";
	double until;
	int status = read_limit(args, &until);

	if (status)
		return status;
	until += now();
	for (;;) {
		status = look(args, volume, why);
		if (!status)
			return STATUS_OK;
		if (status != STATUS_TIMEOUT || now() >= until)
			return ctl_fail(args, status, "%s", why);
		if (strcmp(why, told))
			ctl_hint(args, "waiting: %s", why);
		snprintf(told, sizeof(told), "%s", why);
		usleep(POLL_US);
	}
}
