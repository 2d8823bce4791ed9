// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "confirm.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static json_t *call(const struct args *args, bool is_dry, int *status)
{
	json_t *params = json_pack("{ss ss sb sb sb}",
		"volume", args->words[0], "dir", args_value(args, "dir"),
		"group", args_has(args, "group"),
		"keep_base", args_has(args, "keep-base"), "dry_run", is_dry);

	return ctl_call(args, "delete_replica", params, status);
}

static void print_result(const json_t *r)
{
	bool is_dry = json_is_true(json_object_get(r, "dry_run"));
	char size[PRINT_LEN];
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(r, "volumes"), i, v)
		printf("%s %s: %s, as of epoch %.0f, on %s\n",
		       text_of(v, "volume"), is_dry ? "would go" : "is gone",
		       print_bytes(size, json_number_value(json_object_get(v,
							"size_bytes"))),
		       json_number_value(json_object_get(v, "last_committed")),
		       text_of(v, "base"));
}

static int run(const struct args *args)
{
	int status = STATUS_OK;
	json_t *result;

	if (!args_has(args, "replica") || !args_has(args, "dir"))
		return ctl_fail(args, STATUS_USAGE, "delete: --replica and "
				"--dir DIR are needed: only what a stage keeps "
				"of another site's volume can be deleted");
	if (!args_has(args, "dry-run"))
		status = confirm(args, CONFIRM_ALWAYS, "What %.60s is here, its "
				 "history and its base will be gone for good.",
				 args->words[0]);
	if (status)
		return status;
	result = call(args, args_has(args, "dry-run"), &status);
	if (!result)
		return status;
	if (args_has(args, "json"))
		print_json(result);
	else
		print_result(result);
	json_decref(result);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "replica", NULL, "what this site keeps of another's volume" },
	{ "dir", "DIR", "the stage that has it" },
	{ "group", NULL, "and all others of its group" },
	{ "keep-base", NULL, "but not the file that its base is" },
	{ "dry-run", NULL, "only tell what would go" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_delete = {
	.name = "delete",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "remove what this site keeps of a volume",
	.examples =
	"    replicactl delete vol --replica --dir /srv/replica --dry-run\n"
	"    replicactl delete vol --replica --dir /srv/replica --yes\n",
	.text =
	"Removes a replica: its log with the history, and its base, if that is a\n"
	"file. It is refused while a primary is connected to it, a test device is of\n"
	"it, or it was promoted here. A salvage of it stays.\n",
	.options = options,
	.run = run,
};
