// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "events2.h"
#include "print.h"
#include "when.h"

#define ANSWER_S	60

static bool is_heading(const char *key)
{
	return !strcmp(key, "time") || !strcmp(key, "volume") ||
	       !strcmp(key, "kind") || !strcmp(key, "text");
}

static void print_rest(const json_t *params)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)params, key, value) {
		if (is_heading(key))
			continue;
		printf(" %s=", key);
		json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT);
	}
}

void event_print(const json_t *params)
{
	const char *volume = json_string_value(json_object_get(params,
							       "volume"));
	const char *kind = json_string_value(json_object_get(params, "kind"));
	const char *text = json_string_value(json_object_get(params, "text"));
	char time[WHEN_LEN];

	printf("%s  %-12s %-12s %s", when_print(time, json_number_value(
		json_object_get(params, "time"))), volume ? volume : "-",
		kind ? kind : "?", text ? text : "");
	print_rest(params);
	putchar('\n');
}

static bool is_wanted(const struct args *args, const json_t *params)
{
	const char *only = args->nr_words ? args->words[0] : NULL;
	const char *volume = json_string_value(json_object_get(params,
							       "volume"));

	return !only || (volume && !strcmp(only, volume));
}

/* known: the objects of --events2 so far, else NULL. */
static void show(const struct args *args, json_t *params, json_t *known)
{
	if (!is_wanted(args, params))
		return;
	if (known) {
		events2_change(params, known, args_has(args, "timestamps"));
	} else if (!args_has(args, "json")) {
		event_print(params);
	} else {
		json_object_set_new(params, "schema_version",
				    json_integer(SCHEMA_VERSION));
		print_json_line(params);
	}
}

static int listen_on(const struct args *args, struct rpc *rpc, json_t *known)
{
	struct rpc_error err;
	json_t *msg;

	while ((msg = rpc_next(rpc, &err))) {
		show(args, msg, known);
		json_decref(msg);
	}
	return ctl_fail(args, err.exit_status, "%s", err.text);
}

/* What is there; asked after the events were, so that none is missed. */
static int tell_what_exists(const struct args *args, json_t *known)
{
	const char *only = args->nr_words ? args->words[0] : NULL;
	json_t *params = json_object(), *status;
	int ret;

	if (only)
		json_object_set_new(params, "volume", json_string(only));
	status = ctl_call(args, "status", params, &ret);
	if (!status)
		return ret;
	events2_exists(status, only, known, args_has(args, "timestamps"));
	json_decref(status);
	return STATUS_OK;
}

static int follow(const struct args *args, json_t *known)
{
	struct rpc_error err;
	struct rpc *rpc;
	json_t *msg = NULL;
	int status = STATUS_OK;

	if (!ctl_open(args, &rpc, ANSWER_S, &err))
		msg = rpc_call(rpc, "events", json_object(), &err);
	json_decref(msg);
	if (!msg)
		status = ctl_fail(args, err.exit_status, "%s", err.text);
	else if (known)
		status = tell_what_exists(args, known);
	if (!status)
		status = listen_on(args, rpc, known);
	rpc_close(rpc);
	return status;
}

static int run(const struct args *args)
{
	bool is_events2 = args_has(args, "events2");
	json_t *known;
	int status;

	if ((args_has(args, "now") || args_has(args, "timestamps")) &&
	    !is_events2)
		return ctl_fail(args, STATUS_USAGE, "events: --now and "
				"--timestamps are for --events2");
	if (!is_events2)
		return follow(args, NULL);
	if (args_has(args, "json"))
		return ctl_fail(args, STATUS_USAGE, "events: either --json or "
				"--events2");
	known = json_object();
	status = args_has(args, "now") ? tell_what_exists(args, known) :
					 follow(args, known);
	json_decref(known);
	return status;
}

static const struct option_spec options[] = {
	{ "events2", NULL, "in drbdsetup's grammar: exists, create, change …" },
	{ "now", NULL, "with it: what there is, then the end" },
	{ "timestamps", NULL, "with it: each line begins with the time (UTC)" },
	{ NULL }
};

const struct command cmd_events = {
	.name = "events",
	.words = "[VOLUME]",
	.max_words = 1,
	.summary = "show what happens, as it happens",
	.examples = "    replicactl events\n"
		    "    replicactl events vol --json | jq .kind\n"
		    "    replicactl events --events2 --timestamps\n"
		    "    replicactl events --events2 --now\n",
	.text =
	"Prints a line for each event until it is interrupted or replicad ends.\n"
	"With --json each line is an object with schema_version, time (seconds\n"
	"since 1970), volume and kind. With --events2 what there is comes first,\n"
	"then \"exists -\", then what changes:\n"
	"    exists volume name:vol state:replicating epoch:41 synced:yes …\n"
	"    exists -\n"
	"    change volume name:vol state:catching-up\n",
	.options = options,
	.run = run,
};
