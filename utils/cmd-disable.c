// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "many.h"
#include "print.h"

static int look(const struct args *args, json_t *params)
{
	int status;
	json_t *result = ctl_call(args, "disable", params, &status);

	if (result)
		print_json(result);
	json_decref(result);
	return status;
}

static int run(const struct args *args)
{
	const char *done = args_has(args, "dry-run") ?
			   "would no longer be replicated." :
			   "is no longer replicated.";
	json_t *params = json_object();
	int status = many_put(args, "disable", params);
	char text[200];

	if (!status && !args->nr_words)
		return many_call(args, "disable", params, done, "");
	if (status) {
		json_decref(params);
		return status;
	}
	if (args_has(args, "dry-run") && args_has(args, "json"))
		return look(args, params);
	snprintf(text, sizeof(text), "%.60s %s", args->words[0], done);
	return ctl_do(args, "disable", params, text);
}

static const struct option_spec options[] = {
	MANY_GROUP_OPTION,
	MANY_OPTIONS,
	DRY_RUN_OPTION,
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
