// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "print.h"

static int disable_one(const struct args *args)
{
	char done[200];

	snprintf(done, sizeof(done), "%.60s is no longer replicated.",
		 args->words[0]);
	return ctl_do(args, "disable",
		      json_pack("{ss}", "volume", args->words[0]), done);
}

/* Each of them, with its outcome; an exit status. */
static int tell(const struct args *args, const json_t *result)
{
	int status = STATUS_OK;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result, "volumes"), i, one) {
		const char *name = json_string_value(json_object_get(one,
								     "name"));
		const char *error = json_string_value(json_object_get(one,
								"error"));

		if (error)
			status = STATUS_FAILED;
		if (args_has(args, "json"))
			continue;
		if (error)
			printf("%s: %s\n", name, error);
		else
			printf("%s is no longer replicated.\n", name);
	}
	if (args_has(args, "json"))
		print_json(result);
	return status;
}

static int run(const struct args *args)
{
	const char *group = args_value(args, "group");
	const char *pool = args_value(args, "pool");
	bool is_host = args_has(args, "host");
	int nr = args->nr_words + !!group + !!pool + is_host, status;
	json_t *result;

	if (nr != 1)
		return ctl_fail(args, STATUS_USAGE, "disable needs VOLUME, "
				"--group, --pool or --host: one of them");
	if (args->nr_words)
		return disable_one(args);
	result = ctl_call(args, "disable", json_pack("{ss* ss* sb}", "group",
			  group, "pool", pool, "host", is_host), &status);
	if (!result)
		return status;
	status = tell(args, result);
	json_decref(result);
	return status;
}

static const struct option_spec options[] = {
	{ "group", "NAME", "all volumes of a group" },
	{ "pool", "NAME", "all volumes of a [pool]" },
	{ "host", NULL, "all volumes of this machine" },
	{ NULL }
};

const struct command cmd_disable = {
	.name = "disable",
	.words = "[VOLUME]",
	.min_words = 0,
	.max_words = 1,
	.summary = "stop replicating a volume",
	.examples =
	"    replicactl disable vol\n"
	"    replicactl disable --pool fast\n",
	.text =
	"Gives the device its old table back, under its users. The target keeps the\n"
	"last image. Enabling the volume again starts with a full copy. Of several\n"
	"volumes each is told, and one that fails stops none of the others.\n",
	.options = options,
	.run = run,
};
