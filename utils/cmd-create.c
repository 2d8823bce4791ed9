// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "many.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double size_of(const json_t *o)
{
	return json_number_value(json_object_get(o, "size_bytes"));
}

/* --- those that there are ------------------------------------------------- */

/* A clone of what was promoted is beside that. */
static const char *backend_of(const json_t *v)
{
	const char *backend = text_of(v, "backend");

	return *backend ? backend : "no backend";
}

static void print_step(const json_t *v)
{
	const json_t *copied = json_object_get(v, "copied_bytes");
	const char *step = text_of(v, "step");
	char bytes[PRINT_LEN];

	if (copied)
		printf(", %s: %s are copied", step,
		       print_bytes(bytes, json_number_value(copied)));
	else if (strcmp(step, "ready"))
		printf(", %s", step);
	printf("\n");
}

void made_print(const json_t *v)
{
	bool is_replicated = json_is_true(json_object_get(v, "replicated"));
	bool is_promoted = json_is_true(json_object_get(v, "promoted"));
	char size[PRINT_LEN];

	if (json_object_get(v, "error")) {
		printf("%s: %s\n", text_of(v, "volume"), text_of(v, "error"));
		return;
	}
	printf("%s: %s on %s (%s), %s", text_of(v, "volume"),
	       print_bytes(size, size_of(v)), text_of(v, "base"),
	       is_promoted ? "promoted" : backend_of(v),
	       is_replicated ? "replicated" : "not replicated");
	print_step(v);
}

int made_list(const struct args *args, const char *method, json_t *params,
	      const struct made_list *list)
{
	int status = STATUS_OK;
	json_t *one, *r = ctl_call(args, method, params, &status);
	size_t i;

	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else
		json_array_foreach(json_object_get(r, list->key), i, one)
			if (args_has(args, "names"))
				puts(text_of(one, list->name));
			else
				list->print(one);
	json_decref(r);
	return STATUS_OK;
}

static int list(const struct args *args)
{
	return made_list(args, "made", json_object(), &(struct made_list)
			 { "volumes", "volume", made_print });
}

/* --- another -------------------------------------------------------------- */

static void tell_dry(const json_t *r)
{
	bool is_replicated = json_is_true(json_object_get(r, "replicated"));
	char size[PRINT_LEN];

	printf("%s would be made, with %s on %s (%s), and %s%s.\n",
	       text_of(r, "volume"), print_bytes(size, size_of(r)),
	       text_of(r, "base"), backend_of(r), is_replicated ?
	       "replicated to " : "not replicated", text_of(r, "target"));
}

static void tell(const json_t *r)
{
	char size[PRINT_LEN];

	printf("%s is there, with %s on %s.\n", text_of(r, "volume"),
	       print_bytes(size, size_of(r)), text_of(r, "base"));
	if (json_is_true(json_object_get(r, "replicated")))
		puts("It is replicated from now on: replicactl status --watch");
	else
		puts("It is not replicated: replicactl enable does that.");
}

void option_put(json_t *params, const char *key, const struct args *args,
		const char *option)
{
	const char *value = args_value(args, option);

	if (value)
		json_object_set_new(params, key, json_string(value));
}

int made_call(const struct args *args, const char *method, json_t *params)
{
	int status = STATUS_OK;
	json_t *r;

	if (args_has(args, "dry-run"))
		json_object_set_new(params, "dry_run", json_true());
	r = ctl_call_for(args, BACKEND_TIMEOUT_S, method, params, &status);
	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else if (args_has(args, "dry-run"))
		tell_dry(r);
	else
		tell(r);
	json_decref(r);
	return STATUS_OK;
}

static int run(const struct args *args)
{
	const char *size = args_value(args, "size");
	unsigned long long bytes = 0;
	json_t *params;

	if (!args->nr_words && (size || args_has(args, "type") ||
				args_has(args, "backend") ||
				args_has(args, "target") ||
				args_has(args, "dry-run")))
		return ctl_fail(args, STATUS_USAGE, "create: want the name of "
				"the volume");
	if (!args->nr_words)
		return list(args);
	if (!size || args_bytes(size, &bytes) || !bytes || bytes > INT64_MAX)
		return ctl_fail(args, STATUS_USAGE, "create: want --size SIZE, "
				"for example 10GiB");
	params = json_pack("{ss sI}", "volume", args->words[0], "size_bytes",
			   (json_int_t)bytes);
	option_put(params, "backend", args, "backend");
	option_put(params, "type", args, "type");
	option_put(params, "target", args, "target");
	return made_call(args, "create", params);
}

static const struct option_spec options[] = {
	{ "size", "SIZE", "of the volume" },
	{ "type", "TYPE", "what it is to be like, and whether it is replicated" },
	{ "backend", "NAME", "where (the first that makes volumes, and fits)" },
	{ "target", "URI", "replicate it, to there" },
	DRY_RUN_OPTION,
	{ "names", NULL, "without VOLUME: only the names" },
	{ NULL }
};

const struct command cmd_create = {
	.name = "create",
	.words = "[VOLUME]",
	.min_words = 0,
	.max_words = 1,
	.summary = "make a volume, or list those that were made",
	.examples =
	"    replicactl create db --size 10GiB --type gold\n"
	"    replicactl create scratch --size 1GiB --backend west\n"
	"    replicactl create\n",
	.text =
	"Makes the base of a volume, and the metadata beside it: logical volumes, or\n"
	"files, as the [backend] says (driver=). If its type asks for that, or its\n"
	"pool, or there is a --target, it is replicated at once. It is there as a whole\n"
	"when this says so, or nothing is left of it.\n",
	.options = options,
	.run = run,
};
