// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "confirm.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

/* --keep local. Here nothing is lost. */
static void print_there(const json_t *r, bool is_dry)
{
	double bytes = json_number_value(json_object_get(r, "lost_bytes"));
	bool is_old = json_is_true(json_object_get(r, "given_up_before"));
	char size[PRINT_LEN];

	print_bytes(size, bytes);
	if (is_dry)
		printf("%s: %s at the other side of the pair %s would be given "
		       "up; nothing here\n", text_of(r, "volume"), size,
		       text_of(r, "pair"));
	else
		printf("%s %s given up%s at the other side of the pair %s: "
		       "nobody writes to it there any more, and this site's "
		       "data count\n", text_of(r, "volume"), is_old ? "was" :
		       "is", is_old ? " before" : "", text_of(r, "pair"));
	if (!is_dry && *text_of(r, "salvage"))
		printf("salvaged there: %s of it, %s\n", size,
		       text_of(r, "salvage"));
}

static void print_one(const json_t *r, bool is_dry)
{
	double bytes = json_number_value(json_object_get(r, "lost_bytes"));
	const char *pair = text_of(r, "pair");
	char size[PRINT_LEN];

	if (*pair) {
		print_there(r, is_dry);
		return;
	}
	if (is_dry) {
		printf("%s: %s here would be given up\n", text_of(r, "volume"),
		       print_bytes(size, bytes));
		return;
	}
	printf("%s is given up here: nobody writes to it any more, and the "
	       "other site's data count\n", text_of(r, "volume"));
	if (*text_of(r, "salvage"))
		printf("salvaged: %s of it, %s\n", print_bytes(size, bytes),
		       text_of(r, "salvage"));
}

static json_t *call(const struct args *args, bool is_dry, const char *pair,
		    int *status)
{
	json_t *params = json_pack("{ss ss sb sb}", "volume", args->words[0],
				   "keep", args_value(args, "keep"), "group",
				   args_has(args, "group"), "dry_run", is_dry);

	if (args_has(args, "dir"))
		json_object_set_new(params, "dir",
				    json_string(args_value(args, "dir")));
	if (pair)
		json_object_set_new(params, "pair", json_string(pair));
	return ctl_call(args, "resolve", params, status);
}

/*
 * Who is asked sees first who would give up how much; *@pair is that one from
 * then on. Nobody at the terminal has seen the other site's data: --yes. Where
 * that is refused it is asked all the same: only who really asks again learns
 * what has become of what was asked before (R9 in resolve.h).
 */
static int ask_local(const struct args *args, char pair[64])
{
	json_t *there;
	int status = STATUS_OK;

	if (confirm_asks(args)) {
		there = call(args, true, *pair ? pair : NULL, &status);
		if (status == STATUS_FAILED || status == STATUS_USAGE)
			return status;
		if (there) {
			print_each(there, print_one);
			snprintf(pair, 64, "%s", text_of(there, "pair"));
		}
		json_decref(there);
	}
	return confirm(args, CONFIRM_ALWAYS, "%.60s%s of the OTHER site%s%s is "
		       "given up: this site's data count. What is only there "
		       "is kept aside there.", args->words[0],
		       args_has(args, "group") ? ", with its group," : "",
		       *pair ? ", at the other side of the pair " : "", pair);
}

static int ask(const struct args *args, char pair[64])
{
	const char *with = args_has(args, "group") ? " --group" : "";

	if (args_has(args, "dry-run"))
		return STATUS_OK;
	if (!strcmp(args_value(args, "keep"), "local"))
		return ask_local(args, pair);
	return confirm(args, CONFIRM_PEOPLE, "%.60s%s of this site is given up:"
		       " the other site's data count. What is only here is "
		       "kept aside\n(replicactl resolve %.60s%s --keep peer "
		       "--dry-run tells how much that is).", args->words[0],
		       *with ? ", with its group," : "", args->words[0], with);
}

static int run(const struct args *args)
{
	const char *keep = args_value(args, "keep");
	char pair[64];
	json_t *result;
	int status;

	snprintf(pair, sizeof(pair), "%s", args_value(args, "pair") ?: "");
	if (!keep || (strcmp(keep, "peer") && strcmp(keep, "local")))
		return ctl_fail(args, STATUS_USAGE, "resolve: say --keep peer, "
				"at the site whose data are given up, or --keep "
				"local, at the other one");
	status = ask(args, pair);
	if (status)
		return status;
	result = call(args, args_has(args, "dry-run"), *pair ? pair : NULL,
		      &status);
	if (!result)
		return status;
	if (args_has(args, "json"))
		print_json(result);
	else
		print_each(result, print_one);
	json_decref(result);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "keep", "local|peer", "whose data count: ours, or the other site's" },
	{ "group", NULL, "and all others of its group: all of them, or none" },
	{ "dry-run", NULL, "only tell what would be given up" },
	{ "pair", "NAME", "who is asked, with --keep local" },
	{ "dir", "DIR", "where to keep it aside (STATE_DIR/salvage)" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_resolve = {
	.name = "resolve",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "give up an old primary, after a failover",
	.examples =
	"    replicactl resolve vol --keep peer --dry-run\n"
	"    replicactl resolve vol --keep peer && replicactl disable vol\n"
	"    replicactl resolve db-log --group --keep peer\n"
	"    replicactl resolve vol --keep local --dry-run\n"
	"    replicactl resolve db-log --group --keep local\n",
	.text =
	"For a volume that is superseded, or in a split brain, at the site whose\n"
	"data are not kept. What was written here and never got to the other site\n"
	"is kept aside (replicactl salvage); from then on nobody can write to it. When\n"
	"it is disabled, its device can be the base of a replica: replicactl pair\n"
	"invite --create. Nobody may have the device open.\n"
	"\n"
	"With --group, all volumes of its group that were not given up yet go\n"
	"together: what one of them is refused has all stay as they were.\n"
	"\n"
	"--keep local, at the site that was promoted and whose data are kept, asks the\n"
	"other one for --keep peer, by their pair. What is only there is kept aside\n"
	"there. A group is given up whole: --group asks for all that were promoted\n"
	"together. That site must have agreed: give_up=yes in the section [pair NAME]\n"
	"of its configuration. Until its answer is known, this site gives the volume\n"
	"up to nobody.\n",
	.options = options,
	.run = run,
};
