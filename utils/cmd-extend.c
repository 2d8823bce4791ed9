// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "print.h"

static int run(const struct args *args)
{
	char from[PRINT_LEN], to[PRINT_LEN];
	int status = STATUS_OK;
	json_t *r = ctl_call(args, "extend",
			     json_pack("{ss}", "volume", args->words[0]),
			     &status);

	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else
		printf("%s has grown from %s to %s. What is new is shipped "
		       "now: replicactl status --watch\n", args->words[0],
		       print_bytes(from, json_number_value(
				   json_object_get(r, "before_bytes"))),
		       print_bytes(to, json_number_value(
				   json_object_get(r, "size_bytes"))));
	json_decref(r);
	return STATUS_OK;
}

static const struct option_spec options[] = { { NULL } };

const struct command cmd_extend = {
	.name = "extend",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "take up that the volume's origin has grown",
	.examples = "    lvextend -L +10G vg/vol-origin && replicactl extend vol\n",
	.text =
	"The device becomes as large as its origin is now, while it is in use, and the\n"
	"replica grows with it: a stage makes a base that is a file larger, any other\n"
	"target must have the room. The history stays. A volume that was inserted live\n"
	"is disabled, made larger and enabled again.\n",
	.options = options,
	.run = run,
};
