// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"
#include "confirm.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static json_t *call(const struct args *args, int *status)
{
	bool is_dry = args_has(args, "dry-run");
	json_t *params = json_pack("{ss sb}", "volume", args->words[0],
				   "dry_run", is_dry);

	json_object_set_new(params, "group",
			    json_boolean(args_has(args, "group")));
	if (!args_has(args, "replica")) {
		json_object_set_new(params, "disable",
				    json_boolean(args_has(args, "disable")));
		if (args_has(args, "any-site"))
			json_object_set_new(params, "any_site", json_true());
		return ctl_call_for(args, BACKEND_TIMEOUT_S, "delete", params,
				    status);
	}
	json_object_set_new(params, "dir",
			    json_string(args_value(args, "dir")));
	json_object_set_new(params, "keep_base",
			    json_boolean(args_has(args, "keep-base")));
	return ctl_call(args, "delete_replica", params, status);
}

static void print_made(const json_t *r, bool is_dry)
{
	char size[PRINT_LEN];

	printf("%s %s: %s on %s, and %s\n", text_of(r, "volume"),
	       is_dry ? "would go" : "is gone",
	       print_bytes(size, json_number_value(json_object_get(r,
							"size_bytes"))),
	       text_of(r, "base"), text_of(r, "metadata"));
}

static void print_result(const json_t *r)
{
	bool is_dry = json_is_true(json_object_get(r, "dry_run"));
	char size[PRINT_LEN];
	json_t *v;
	size_t i;

	if (!json_object_get(r, "volumes"))
		print_made(r, is_dry);
	json_array_foreach(json_object_get(r, "volumes"), i, v)
		printf("%s %s: %s, as of epoch %.0f, on %s%s\n",
		       text_of(v, "volume"), is_dry ? "would go" : "is gone",
		       print_bytes(size, json_number_value(json_object_get(v,
							"size_bytes"))),
		       json_number_value(json_object_get(v, "last_committed")),
		       text_of(v, "base"),
		       json_is_true(json_object_get(v, "base_kept")) ?
		       ", which stays" : "");
}

/* What belongs to the one is not said of the other. */
static int check_options(const struct args *args)
{
	static const char *const of_replica[] = { "dir", "keep-base" };
	bool is_replica = args_has(args, "replica");

	if (is_replica && (!args_has(args, "dir") ||
			   args_has(args, "disable") ||
			   args_has(args, "any-site")))
		return ctl_fail(args, STATUS_USAGE, "delete: a --replica is of "
				"a stage of this site: --dir DIR is needed, "
				"nothing is to --disable, and --any-site is "
				"for a primary");
	for (int i = 0; !is_replica && i < 2; i++)
		if (args_has(args, of_replica[i]))
			return ctl_fail(args, STATUS_USAGE, "delete: --%s is "
					"for a --replica", of_replica[i]);
	return STATUS_OK;
}

static int ask(const struct args *args)
{
	const char *volume = args->words[0];

	if (args_has(args, "dry-run"))
		return STATUS_OK;
	if (args_has(args, "replica"))
		return confirm(args, CONFIRM_ALWAYS, "What %.60s is here, its "
			       "history and its base will be gone for good.",
			       volume);
	return confirm(args, CONFIRM_ALWAYS, "The volume %.60s, which was made "
		       "or promoted %s, will be gone for good, with all its "
		       "data%s. What another site has of it stays.", volume,
		       args_has(args, "any-site") ? "at the site where it is "
		       "active" : "here",
		       args_has(args, "group") ? ", and its whole group" : "");
}

static int run(const struct args *args)
{
	int status = check_options(args);
	json_t *result;

	if (!status)
		status = ask(args);
	if (status)
		return status;
	result = call(args, &status);
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
	{ "disable", NULL, "and disable it first, if it is replicated" },
	{ "any-site", NULL, "where it is active, also at the other site" },
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
	.summary = "remove a volume that was made here, or a replica",
	.examples =
	"    replicactl delete db --disable --yes\n"
	"    replicactl delete db --any-site --disable --dry-run\n"
	"    replicactl delete vol --replica --dir /srv/replica --dry-run\n"
	"    replicactl delete vol --replica --dir /srv/replica --yes\n",
	.text =
	"Removes what create has made: the base with its data, and the metadata. It is\n"
	"refused while the volume is in use, or replicated. Its replica at the other site\n"
	"stays.\n"
	"So goes what was promoted here by a failover: the primary, what its stage has of\n"
	"it, and its base. Of a group, with --group, all that were promoted together.\n"
	"With --any-site, what is active at the other site of its pair is removed there,\n"
	"if that site has agreed (delete=yes in its [pair NAME]). What is here stays.\n"
	"With --replica, what this site keeps of another's volume: its log with the\n"
	"history, and its base, if that is a file. It is refused while a primary is\n"
	"connected to it, a test device is of it, or it was promoted here. A salvage of\n"
	"it stays.\n",
	.options = options,
	.run = run,
};
