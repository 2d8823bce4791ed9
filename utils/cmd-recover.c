// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "many.h"
#include "print.h"

/* The tries' own time, and what an answer takes. */
#define SLACK_S		50
#define STANDARD_WAIT_S	10

static const char *text_of(const json_t *one, const char *key)
{
	return json_string_value(json_object_get(one, key)) ?: "";
}

static bool is_as_it_was(const json_t *one)
{
	return !strcmp(text_of(one, "kind"), "record") ||
	       !strcmp(text_of(one, "state"), text_of(one, "was"));
}

/* "NAME: tried: …; now STATE", or "still STATE: why", and what is to be done */
static void tell_one(const json_t *one, bool is_dry)
{
	const char *try = text_of(one, "try"), *reason = text_of(one, "reason");
	const char *state = text_of(one, "state");
	const char *next = text_of(one, "next_step");
	bool is_well = json_is_true(json_object_get(one, "ok"));

	printf("%s%s: ", strcmp(text_of(one, "kind"), "pair") ? "" : "pair ",
	       text_of(one, "name"));
	if (*try && !is_dry)
		printf("tried: %s; %s ", try,
		       !is_well && is_as_it_was(one) ? "still" : "now");
	printf("%s%s%s\n", state, *reason ? ": " : "", reason);
	if (*try && is_dry)
		printf("    would be tried: %s\n", try);
	if (!is_well && *next)
		printf("    next: %s\n", next);
}

static void tell(const struct args *args, const json_t *result, bool is_dry)
{
	const json_t *items = json_object_get(result, "items"), *one;
	size_t i;

	if (args_has(args, "json")) {
		print_json(result);
		return;
	}
	json_array_foreach(items, i, one)
		tell_one(one, is_dry);
	if (!json_array_size(items))
		printf("Nothing is in error.\n");
}

/* None is: all. */
static int put_scope(const struct args *args, json_t *params)
{
	const char *group = args_value(args, "group");
	bool is_all = args_has(args, "all");

	if (args->nr_words + !!group + is_all > 1)
		return ctl_fail(args, STATUS_USAGE, "recover takes one of "
				"VOLUME, --group and --all");
	if (args->nr_words)
		json_object_set_new(params, "volume",
				    json_string(args->words[0]));
	else if (group)
		json_object_set_new(params, "group", json_string(group));
	else
		json_object_set_new(params, "host", json_true());
	return STATUS_OK;
}

static int put_wait(const struct args *args, json_t *params, double *wait)
{
	const char *text = args_value(args, "wait");

	*wait = STANDARD_WAIT_S;
	if (text && (args_seconds(text, wait) || *wait <= 0 || *wait >= 3600))
		return ctl_fail(args, STATUS_USAGE, "recover: --wait=%.20s is "
				"not a time such as 10s or 5m", text);
	json_object_set_new(params, "wait_s", json_real(*wait));
	return STATUS_OK;
}

static int run(const struct args *args)
{
	bool is_dry = args_has(args, "dry-run");
	json_t *params = json_pack("{sb}", "dry_run", is_dry), *result;
	double wait;
	int status = put_scope(args, params);

	if (!status)
		status = put_wait(args, params, &wait);
	if (status) {
		json_decref(params);
		return status;
	}
	result = ctl_call_for(args, wait + SLACK_S, "recover", params,
			      &status);
	if (!result)
		return status;
	tell(args, result, is_dry);
	if (json_integer_value(json_object_get(result, "remaining")))
		status = STATUS_DEGRADED;
	json_decref(result);
	return status;
}

static const struct option_spec options[] = {
	MANY_GROUP_OPTION,
	{ "all", NULL, "all that there is here; the same as no VOLUME" },
	{ "wait", "TIME", "how long to wait for what becomes of it (10s)" },
	{ "dry-run", NULL, "only list what is not well, and would be tried" },
	{ NULL }
};

const struct command cmd_recover = {
	.name = "recover",
	.words = "[VOLUME]",
	.min_words = 0,
	.max_words = 1,
	.summary = "the cause is mended: try all that waits, now",
	.examples = "    replicactl recover\n"
		    "    replicactl recover vol\n"
		    "    replicactl recover --dry-run\n",
	.text =
	"Tries at once what would be tried later, or when somebody asks: a target that\n"
	"is connected to, a volume that is started, a failover or another verb that\n"
	"was begun and could not end, a server that receives. Of each that was not well\n"
	"it tells what was tried, how it is now, and what is to be done. It decides\n"
	"nothing: where data could be lost, it names the verb that does. Status 0:\n"
	"all is known to be well; 4: it is not.\n",
	.options = options,
	.run = run,
};
