// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "print.h"

#define ANSWER_S	60

static void print_time(double seconds)
{
	time_t t = seconds;
	struct tm tm;
	char text[32];

	localtime_r(&t, &tm);
	strftime(text, sizeof(text), "%F %T", &tm);
	printf("%s.%03d", text, (int)((seconds - (double)t) * 1000) % 1000);
}

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

	print_time(json_number_value(json_object_get(params, "time")));
	printf("  %-12s %-12s %s", volume ? volume : "-", kind ? kind : "?",
	       text ? text : "");
	print_rest(params);
	putchar('\n');
}

static void show(const struct args *args, json_t *params)
{
	const char *only = args->nr_words ? args->words[0] : NULL;
	const char *volume = json_string_value(json_object_get(params,
							       "volume"));

	if (only && (!volume || strcmp(only, volume)))
		return;
	if (!args_has(args, "json")) {
		event_print(params);
		return;
	}
	json_object_set_new(params, "schema_version",
			    json_integer(SCHEMA_VERSION));
	print_json_line(params);
}

static int run(const struct args *args)
{
	struct rpc_error err;
	struct rpc *rpc;
	json_t *msg = NULL;

	if (!ctl_open(args, &rpc, &err))
		msg = rpc_call(rpc, "events", json_object(),
			       ctl_timeout(args, ANSWER_S), &err);
	while (msg) {
		json_decref(msg);
		msg = rpc_next(rpc, &err);
		if (msg)
			show(args, msg);
	}
	rpc_close(rpc);
	return ctl_fail(args, err.exit_status, "%s", err.text);
}

static const struct option_spec options[] = { { NULL } };

const struct command cmd_events = {
	.name = "events",
	.words = "[VOLUME]",
	.max_words = 1,
	.summary = "show what happens, as it happens",
	.examples = "    replicactl events\n"
		    "    replicactl events vol --json | jq .kind\n",
	.text = "Prints a line for each event until it is interrupted or "
		"replicad ends. With\n--json each line is an object with "
		"schema_version, time (seconds since 1970),\nvolume and kind."
		"\n",
	.options = options,
	.run = run,
};
