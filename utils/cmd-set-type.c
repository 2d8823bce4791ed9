// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "print.h"

static const struct option_spec options[] = {
	{ "dry-run", NULL, "only tell whether it would change anything" },
	{ NULL }
};

static const char *first_of(const json_t *result, const char *key)
{
	return json_string_value(json_array_get(json_object_get(result, key),
						0));
}

static int run(const struct args *args)
{
	bool is_dry = args_has(args, "dry-run");
	int status;
	json_t *result = ctl_call(args, "set_type", json_pack("{ss ss so*}",
				  "volume", args->words[0], "type",
				  args->words[1], "dry_run", is_dry ?
				  json_true() : NULL), &status);

	if (!result)
		return status;
	if (first_of(result, "failed"))
		status = STATUS_FAILED;
	if (args_has(args, "json"))
		print_json(result);
	else if (first_of(result, "failed"))
		printf("It has the type, but does not run: %s\n",
		       first_of(result, "failed"));
	else
		printf("%.60s %s.\n", args->words[0], !first_of(result,
		       "changed") ? "had that type already" : is_dry ?
		       "would have the type" : "has the type now");
	json_decref(result);
	return status;
}

const struct command cmd_set_type = {
	.name = "set-type",
	.words = "VOLUME TYPE",
	.min_words = 2,
	.max_words = 2,
	.summary = "give a volume another type",
	.examples = "    replicactl set-type vol gold\n",
	.text =
	"What the volume does not say itself follows the new type at once, also where\n"
	"it goes to; its device is in use all the while. An empty TYPE takes the\n"
	"type away. A volume that does not fit the type is refused, and nothing has\n"
	"changed; the type of a volume of a file is changed there.\n",
	.options = options,
	.run = run,
};
