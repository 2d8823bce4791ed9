// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>
#include <stdio.h>

#include "cmd.h"
#include "many.h"
#include "print.h"

static int put_size(const struct args *args, json_t *params)
{
	const char *size = args_value(args, "size");
	unsigned long long bytes;

	if (!size)
		return STATUS_OK;
	if (args_bytes(size, &bytes) || !bytes || bytes > INT64_MAX)
		return ctl_fail(args, STATUS_USAGE, "extend: --size is the new "
				"size, for example 20GiB");
	json_object_set_new(params, "size_bytes", json_integer(bytes));
	return STATUS_OK;
}

static void tell(const struct args *args, const json_t *r)
{
	char from[PRINT_LEN], to[PRINT_LEN];

	print_bytes(from, json_number_value(json_object_get(r,
							    "before_bytes")));
	print_bytes(to, json_number_value(json_object_get(r, "size_bytes")));
	if (args_has(args, "dry-run"))
		printf("%s would grow from %s to %s.\n", args->words[0], from,
		       to);
	else
		printf("%s has grown from %s to %s. If it is replicated, "
		       "what is new is shipped now.\n", args->words[0], from,
		       to);
}

static int run(const struct args *args)
{
	json_t *r, *params = json_pack("{ss}", "volume", args->words[0]);
	int status = put_size(args, params);

	if (!status && args_has(args, "dry-run") && !args_has(args, "size"))
		status = ctl_fail(args, STATUS_USAGE, "extend: --dry-run is of "
				  "--size: without it, what the origin has more "
				  "is taken up");
	if (args_has(args, "dry-run"))
		json_object_set_new(params, "dry_run", json_true());

	if (status)
		json_decref(params);
	r = status ? NULL : ctl_call_for(args, BACKEND_TIMEOUT_S, "extend",
					 params, &status);
	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else
		tell(args, r);
	json_decref(r);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "size", "SIZE", "make its origin so large first; of create's" },
	DRY_RUN_OPTION,
	{ NULL }
};

const struct command cmd_extend = {
	.name = "extend",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "take up that the volume's origin has grown",
	.examples =
	"    replicactl extend db --size 20GiB\n"
	"    lvextend -L +10G vg/vol-origin && replicactl extend vol\n",
	.text =
	"The device becomes as large as its origin is now, while it is in use, and the\n"
	"replica grows with it: a stage makes a base that is a file larger, any other\n"
	"target must have the room. The history stays. A volume that was inserted live\n"
	"is disabled, made larger and enabled again.\n",
	.options = options,
	.run = run,
};
