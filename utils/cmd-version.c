// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "print.h"
#include "version.h"

static int run(const struct args *args)
{
	json_t *json;

	if (!args_has(args, "json")) {
		puts("replicactl " REPLICA_VERSION);
		return STATUS_OK;
	}
	json = json_pack("{si ss}", "schema_version", SCHEMA_VERSION,
			 "version", REPLICA_VERSION);
	print_json(json);
	json_decref(json);
	return STATUS_OK;
}

static const struct option_spec options[] = { { NULL } };

const struct command cmd_version = {
	.name = "version",
	.words = "",
	.summary = "the version of this program",
	.examples = "    replicactl version\n",
	.text = "Prints the version of replicactl. That of the running replicad"
		" is in\nreplicactl status --json.\n",
	.options = options,
	.run = run,
};
