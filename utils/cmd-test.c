// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "confirm.h"
#include "direct.h"
#include "print.h"
#include "when.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *place_of(const json_t *test)
{
	return *text_of(test, "device") ? text_of(test, "device") :
					  text_of(test, "uri");
}

/* --- list ----------------------------------------------------------------- */

static int add_test(struct table *table, const json_t *test)
{
	char epoch[PRINT_LEN], cut[WHEN_LEN];
	const char *const cells[] = {
		text_of(test, "name"), text_of(test, "volume"), epoch,
		when_print(cut, number_of(test, "cut_time")),
		text_of(test, "state"), place_of(test),
	};
	bool is_ready = !strcmp(text_of(test, "state"), "ready");
	int ret;

	snprintf(epoch, sizeof(epoch), "%.0f", number_of(test, "epoch"));
	ret = table_add(table, cells);
	table_color(table, 4, is_ready ? COLOR_GOOD : COLOR_BAD);
	return ret;
}

static void print_tests(const json_t *tests)
{
	static const char *const heading[] = {
		"NAME", "VOLUME", "EPOCH", "AS OF", "STATE", "DEVICE"
	};
	struct table *table = table_create(6);
	json_t *test;
	size_t i;

	if (!table || table_add(table, heading))
		return;
	json_array_foreach(tests, i, test)
		if (add_test(table, test))
			break;
	table_print(table);
	table_destroy(table);
	json_array_foreach(tests, i, test)
		if (*text_of(test, "reason"))
			printf("%s: %s: %s\n", text_of(test, "name"),
			       text_of(test, "state"),
			       text_of(test, "reason"));
}

static int list(const struct args *args)
{
	int status;
	json_t *result = ctl_call(args, "test_list", json_object(), &status);
	const json_t *tests = json_object_get(result, "tests");

	if (!result)
		return status;
	if (args_has(args, "names"))
		print_names(tests, "name");
	else if (args_has(args, "json"))
		print_json(result);
	else if (json_array_size(tests))
		print_tests(tests);
	else
		puts("There is no test device.");
	json_decref(result);
	return STATUS_OK;
}

/* --- drop ----------------------------------------------------------------- */

static int drop(const struct args *args)
{
	const char *name = args_value(args, "drop");
	char done[200];
	int status = confirm(args, CONFIRM_PEOPLE, "What was written to %.80s "
			     "will be gone. The replica is not touched.", name);

	if (status)
		return status;
	snprintf(done, sizeof(done), "%.80s is gone, with what was written to "
		 "it.", name);
	return ctl_do(args, "test_drop", json_pack("{ss}", "name", name), done);
}

/* --- create --------------------------------------------------------------- */

static int put_where(const struct args *args, json_t *params)
{
	int status;
	char *target = direct_target(args, &status);

	if (target)
		json_object_set_new(params, "target", json_string(target));
	free(target);
	if (!status && !target && !args->nr_words)
		return ctl_fail(args, STATUS_USAGE,
				"a VOLUME, or --target URI, is needed");
	if (args->nr_words)
		json_object_set_new(params, "volume",
				    json_string(args->words[0]));
	if (args_has(args, "name"))
		json_object_set_new(params, "name",
				    json_string(args_value(args, "name")));
	if (args_has(args, "no-attach"))
		json_object_set_new(params, "attach", json_false());
	return status;
}

static void print_test(const json_t *test)
{
	char cut[WHEN_LEN];

	printf("%s\n", place_of(test));
	fprintf(stderr, "%s is %s as of %s (epoch %.0f), for reading and "
		"writing.\nEnd it with: replicactl test --drop %s\n",
		text_of(test, "name"), text_of(test, "volume"),
		when_print(cut, number_of(test, "cut_time")),
		number_of(test, "epoch"), text_of(test, "name"));
}

static int create(const struct args *args)
{
	json_t *params = json_object(), *result;
	int status = put_where(args, params);

	if (!status)
		status = moment_put(args, params);
	if (status) {
		json_decref(params);
		return status;
	}
	result = ctl_call(args, "test", params, &status);
	if (!result)
		return status;
	if (args_has(args, "json"))
		print_json(result);
	else
		print_test(result);
	json_decref(result);
	return STATUS_OK;
}

static int run(const struct args *args)
{
	if (args_has(args, "list") || args_has(args, "names"))
		return list(args);
	return args_has(args, "drop") ? drop(args) : create(args);
}

static const struct option_spec options[] = {
	{ "epoch", "E", "as of this epoch, or the newest image below it" },
	{ "at", "TIME", "as of the newest image that is not younger" },
	{ "name", "NAME", "what it is called (VOLUME-EPOCH)" },
	{ "no-attach", NULL, "a Unix socket only, no /dev/nbdN" },
	{ "target", "URI", "of this server, which replicad need not know" },
	{ "list", NULL, "the test devices that there are" },
	{ "names", NULL, "only their names, one a line" },
	{ "drop", "NAME", "ends one; what was written to it is gone" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_test = {
	.name = "test",
	.words = "[VOLUME]",
	.max_words = 1,
	.summary = "a writable device of the replica as of a moment",
	.examples =
	"    mount $(replicactl test vol) /mnt\n"
	"    replicactl test vol --at '10m ago' --name before\n"
	"    replicactl test --list\n"
	"    replicactl test --drop before\n",
	.text =
	"Makes a device of the replica as it was at an epoch, for reading and\n"
	"writing, in seconds, and while replication goes on. What is written stays\n"
	"with it and is gone when it is dropped; the replica is not touched. It is\n"
	"printed: /dev/nbdN where this machine can do that, else the URI of an NBD\n"
	"server on a Unix socket.\n",
	.options = options,
	.run = run,
};
