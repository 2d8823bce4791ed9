// SPDX-License-Identifier: GPL-2.0-or-later
#include "many.h"

#include <stdio.h>

#include "print.h"

bool many_is_meant(const struct args *args)
{
	return !args->nr_words || args_has(args, "pool") ||
	       args_has(args, "host");
}

static void put(json_t *params, const char *key, const char *value)
{
	if (value)
		json_object_set_new(params, key, json_string(value));
}

int many_put(const struct args *args, const char *verb, json_t *params)
{
	const char *group = args_value(args, "group");
	const char *pool = args_value(args, "pool");
	bool is_host = args_has(args, "host");

	if (args->nr_words + !!group + !!pool + is_host != 1)
		return ctl_fail(args, STATUS_USAGE, "%s needs VOLUME, "
				"--group, --pool or --host: one of them", verb);
	put(params, "volume", args->nr_words ? args->words[0] : NULL);
	put(params, "group", group);
	put(params, "pool", pool);
	if (is_host)
		json_object_set_new(params, "host", json_true());
	if (args_has(args, "dry-run"))
		json_object_set_new(params, "dry_run", json_true());
	return STATUS_OK;
}

static int tell_one(const struct args *args, const json_t *one,
		    const char *done, const char *already)
{
	const char *name = json_string_value(json_object_get(one, "name"));
	const char *error = json_string_value(json_object_get(one, "error"));
	bool was_there = json_is_true(json_object_get(one, "already"));

	if (args_has(args, "json"))
		;	/* the whole is printed */
	else if (error)
		printf("%s: %s\n", name, error);
	else
		printf("%s %s\n", name, was_there ? already : done);
	return error ? STATUS_FAILED : STATUS_OK;
}

int many_tell(const struct args *args, const json_t *result, const char *done,
	      const char *already)
{
	int status = STATUS_OK;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result, "volumes"), i, one)
		if (tell_one(args, one, done, already))
			status = STATUS_FAILED;
	if (args_has(args, "json"))
		print_json(result);
	return status;
}

int many_call(const struct args *args, const char *method, json_t *params,
	      const char *done, const char *already)
{
	int status;
	json_t *result = ctl_call(args, method, params, &status);

	if (!result)
		return status;
	status = many_tell(args, result, done, already);
	json_decref(result);
	return status;
}
