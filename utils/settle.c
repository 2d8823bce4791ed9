// SPDX-License-Identifier: GPL-2.0-or-later
#include "settle.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "rpc.h"

#define POLL_US		500000

/*
 * An operator has to decide first, or has decided. Not "disabled": so is each
 * volume while its group changes, and while replicad starts.
 */
static const char *const stays[] = { "paused", "promoted", "diverged",
	"superseded", "split-brain", NULL };

static bool is_settled(const json_t *volume)
{
	return !strcmp(rpc_text(volume, "state"), "replicating") &&
	       json_is_true(json_object_get(volume, "replica_consistent"));
}

static bool is_no(const json_t *o, const char *key)
{
	return json_is_false(json_object_get(o, key));
}

/* Another primary sends there, for example. Who can't tell may try again. */
static bool is_never_tried(const json_t *volume)
{
	return is_no(volume, "waits_for_retry") && is_no(volume, "trying") &&
	       is_no(volume, "log_full");
}

static bool will_stay(const json_t *volume)
{
	if (!strcmp(rpc_text(volume, "state"), "error"))
		return is_never_tried(volume);
	for (const char *const *word = stays; *word; word++)
		if (!strcmp(rpc_text(volume, "state"), *word))
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
			 rpc_text(one, "name"), rpc_text(one, "state"),
			 *rpc_text(one, "reason") ? ": " : "",
			 rpc_text(one, "reason"));
		if (is_final)
			break;
	}
	return status;
}

/*
 * The one that is asked for, which is not among the volumes. While it is made
 * it may still be enabled; when it is deleted it will be unknown.
 */
static int judge_made(const json_t *made, const char *volume,
		      char why[RPC_WHY])
{
	const json_t *one = json_array_get(made, 0);
	const char *step = rpc_text(one, "step");
	bool passes = !one || !strcmp(step, "making") ||
		      !strcmp(step, "deleting");

	snprintf(why, RPC_WHY, "%.60s: is not replicated%s%.20s", volume,
		 one && passes ? ", " : "", passes ? step : "");
	return passes ? STATUS_TIMEOUT : STATUS_DEGRADED;
}

static int judge_answer(const json_t *answer, const char *volume,
			char why[RPC_WHY])
{
	const json_t *volumes = json_object_get(answer, "volumes");

	if (volume && !json_array_size(volumes))
		return judge_made(json_object_get(answer, "not_replicated"),
				  volume, why);
	return judge(volumes, why);
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
		status = judge_answer(answer, volume, why);
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
	until += rpc_now();
	for (;;) {
		status = look(args, volume, why);
		if (!status)
			return STATUS_OK;
		if (status != STATUS_TIMEOUT || rpc_now() >= until)
			return ctl_fail(args, status, "%s", why);
		if (strcmp(why, told))
			ctl_hint(args, "waiting: %s", why);
		snprintf(told, sizeof(told), "%s", why);
		usleep(POLL_US);
	}
}
