// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "confirm.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static void print_one(const json_t *s)
{
	time_t at = json_integer_value(json_object_get(s, "taken_at"));
	const char *step = text_of(s, "step");
	char size[PRINT_LEN], when[32] = "";

	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", localtime(&at));
	if (*step && strcmp(step, "ready"))
		printf("%s: %s\n", text_of(s, "name"), step);
	else
		printf("%s: %s of %s, on %s\n", text_of(s, "name"),
		       print_bytes(size, json_number_value(json_object_get(s,
							"size_bytes"))),
		       when, text_of(s, "path"));
}

static int list(const struct args *args)
{
	return made_list(args, "snapshot_list",
			 json_pack("{ss}", "volume", args->words[0]),
			 &(struct made_list){ "snapshots", "name", print_one });
}

/* What @method makes of the volume's snapshot @name; NULL: told. */
static json_t *call(const struct args *args, const char *method,
		    const char *name, int *status)
{
	return ctl_call_for(args, BACKEND_TIMEOUT_S, method,
			    json_pack("{ss ss}", "volume", args->words[0],
				      "name", name), status);
}

static int take(const struct args *args)
{
	int status = STATUS_OK;
	json_t *r = call(args, "snapshot", args->words[1], &status);

	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else
		print_one(r);
	json_decref(r);
	return STATUS_OK;
}

static int drop(const struct args *args)
{
	const char *name = args_value(args, "drop");
	int status = confirm(args, CONFIRM_ALWAYS, "The snapshot %.60s of "
			     "%.60s will be gone for good.", name,
			     args->words[0]);
	json_t *r = status ? NULL : call(args, "snapshot_drop", name, &status);

	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else
		printf("%s is gone.\n", name);
	json_decref(r);
	return STATUS_OK;
}

static int run(const struct args *args)
{
	if (args->nr_words == 1)
		return args_has(args, "drop") ? drop(args) : list(args);
	return args_has(args, "drop") || args_has(args, "names") ?
	       ctl_fail(args, STATUS_USAGE, "snapshot: of VOLUME only, or a "
			"new one of VOLUME and NAME") : take(args);
}

static const struct option_spec options[] = {
	{ "drop", "NAME", "remove one for good" },
	{ "names", NULL, "without NAME: only the names" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_snapshot = {
	.name = "snapshot",
	.words = "VOLUME [NAME]",
	.min_words = 1,
	.max_words = 2,
	.summary = "keep a volume as it is now, here, or list what is kept",
	.examples =
	"    replicactl snapshot db before-upgrade\n"
	"    replicactl snapshot db\n"
	"    replicactl snapshot db --drop before-upgrade --yes\n",
	.text =
	"Of a volume that create has made, beside its base, by what its backend has: a\n"
	"snapshot of LVM's, or a copy of a file. It is as after a power cut at that\n"
	"moment, and is read-only. It is not replicated; it stays at this site. The volume\n"
	"may be in use, unless it is a file on a filesystem without reflinks. It is refused\n"
	"(exit status 8) where the volume is not to be used, see path.\n",
	.options = options,
	.run = run,
};
