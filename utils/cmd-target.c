// SPDX-License-Identifier: GPL-2.0-or-later
/* Where volumes go: targets, target. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cmd.h"
#include "config-impl.h"
#include "config-target.h"
#include "load.h"
#include "many.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

/* --- targets -------------------------------------------------------------- */

/* Where it does not: how long ago it took a header last. */
static void print_answers(const json_t *target)
{
	const json_t *answers = json_object_get(target, "answers");
	json_int_t last = json_integer_value(json_object_get(target,
							     "last_contact"));
	char since[PRINT_LEN], text[PRINT_LEN + 8] = "no";

	if (last)
		snprintf(text, sizeof(text), "no, %s",
			 print_seconds(since, time(NULL) - last));
	printf("%-16s", json_is_true(answers) ? "yes" :
			json_is_false(answers) ? text : "-");
}

static void print_volumes(const json_t *target)
{
	const json_t *volume;
	size_t i;

	json_array_foreach(json_object_get(target, "volumes"), i, volume)
		printf(" %s%s", text_of(volume, "name"),
		       json_is_true(json_object_get(volume, "active")) ? "*" :
									 "");
}

static void print_target(const json_t *target)
{
	const char *backend = text_of(target, "backend");

	printf("%-16s %-14s %-8s ", text_of(target, "id"),
	       text_of(target, "kind"), !json_is_true(json_object_get(target,
	       "enabled")) ? "off" : text_of(target, "origin"));
	print_answers(target);
	printf(" %s", *backend ? backend : text_of(target, "uri"));
	print_volumes(target);
	putchar('\n');
}

static int print_all(const struct args *args, json_t *result)
{
	const json_t *list = json_object_get(result, "targets"), *target;
	size_t i;

	if (args_has(args, "json") || args_has(args, "names")) {
		if (args_has(args, "json"))
			print_json(result);
		else
			print_names(list, "id");
		json_decref(result);
		return STATUS_OK;
	}
	if (!json_array_size(list))
		puts("There is no target: replicactl target add");
	else
		printf("%-16s %-14s %-8s %-16s %s\n", "ID", "KIND", "FROM",
		       "ANSWERS", "WHERE, VOLUMES (* goes there now)");
	json_array_foreach(list, i, target)
		print_target(target);
	json_decref(result);
	return STATUS_OK;
}

/* What the files say of a target, and which volumes may go there. */
static json_t *describe(const struct config *config,
			const struct section *target)
{
	json_t *o = target_json(target), *volumes = json_array();

	for (const struct volume_config *v = config->volumes; v; v = v->next)
		if (target_is_of(config, target, v))
			json_array_append_new(volumes, json_pack("{ss sb}",
				"name", v->name, "active", v->target_id &&
				!strcmp(v->target_id, target->name)));
	json_object_set_new(o, "answers", json_null());
	json_object_set_new(o, "last_contact", json_null());
	json_object_set_new(o, "volumes", volumes);
	return o;
}

/* Of the files: who is asked for, by a name or many. */
struct meant {
	const char *volume;
	struct scope scope;
	bool is_all;
};

static bool is_meant(const struct meant *meant, const struct volume_config *v)
{
	return meant->volume ? !strcmp(v->name, meant->volume) :
			       scope_has(&meant->scope, v);
}

static bool is_wanted(const struct config *config, const struct meant *meant,
		      const struct section *target)
{
	if (target->kind != SECTION_TARGET || meant->is_all)
		return target->kind == SECTION_TARGET;
	for (const struct volume_config *v = config->volumes; v; v = v->next)
		if (is_meant(meant, v) && target_is_of(config, target, v))
			return true;
	return false;
}

static int check_meant(const struct args *args, const struct config *config,
		       const struct meant *meant)
{
	const struct volume_config *v = config->volumes;

	if (args_has(args, "pool") && !meant->scope.pool)
		return ctl_fail(args, STATUS_NOT_FOUND, "there is no pool "
				"%.60s", args_value(args, "pool"));
	while (v && !is_meant(meant, v))
		v = v->next;
	if (v || meant->is_all)
		return STATUS_OK;
	return ctl_fail(args, STATUS_NOT_FOUND, "there is no volume%s%.60s",
			meant->volume ? " " : " of ", meant->volume ?:
			meant->scope.group ?: args_value(args, "pool"));
}

static json_t *collect(const struct config *config, const struct meant *meant)
{
	json_t *list = json_array();

	for (const struct section *s = config->sections; s; s = s->next)
		if (is_wanted(config, meant, s))
			json_array_append_new(list, describe(config, s));
	return json_pack("{si so}", "schema_version", SCHEMA_VERSION,
			 "targets", list);
}

/* Where replicad does not run, they are listed all the same. */
static int list_files(const struct args *args)
{
	struct meant meant = {
		.volume = args->nr_words ? args->words[0] : NULL,
		.scope.group = args_value(args, "group"),
	};
	struct config config;
	json_t *list = NULL;
	int status = load_config(args, &config);

	if (status)
		return status;
	if (args_has(args, "pool"))
		meant.scope.pool = config_section(&config, SECTION_POOL,
						  args_value(args, "pool"));
	meant.is_all = !meant.volume && !meant.scope.group &&
		       !args_has(args, "pool");
	status = check_meant(args, &config, &meant);
	if (!status)
		list = collect(&config, &meant);
	config_clear(&config);
	return status ? status : print_all(args, list);
}

static int put_meant(const struct args *args, json_t *params)
{
	bool is_any = args->nr_words || args_has(args, "group") ||
		      args_has(args, "pool") || args_has(args, "host");

	return is_any ? many_put(args, "targets", params) : STATUS_OK;
}

static int run_targets(const struct args *args)
{
	json_t *params = json_object(), *result;
	struct rpc_error err;
	int status = put_meant(args, params);

	if (status || args_has(args, "config") || args_has(args, "state-dir")) {
		json_decref(params);
		return status ? status : list_files(args);
	}
	result = ctl_try(args, "targets", params, &err);
	if (result)
		return print_all(args, result);
	if (err.exit_status != STATUS_FAILED)
		return ctl_fail(args, err.exit_status, "%s", err.text);
	ctl_hint(args, "replicactl: %s: this is what the files say", err.text);
	return list_files(args);
}

static const struct option_spec targets_options[] = {
	{ "names", NULL, "only their ids, one a line" },
	MANY_GROUP_OPTION,
	MANY_OPTIONS,
	LOAD_OPTIONS,
	{ NULL }
};

const struct command cmd_targets = {
	.name = "targets",
	.words = "[VOLUME]",
	.min_words = 0,
	.max_words = 1,
	.summary = "the targets that there are",
	.examples =
	"    replicactl targets\n"
	"    replicactl targets vol --json\n"
	"    replicactl targets --pool fast\n",
	.text =
	"All of them, or those that a volume, or any of many, may go to. Where\n"
	"replicad runs, with whether they answer; else as the files have them. No\n"
	"password is printed.\n",
	.options = targets_options,
	.run = run_targets,
};

/* --- target --------------------------------------------------------------- */

enum behind { NOTHING, KEYS, A_VOLUME };

static const struct {
	const char *name, *method, *done;
	enum behind behind;		/* the id */
} actions[] = {
	{ "add", "target_add", "is there", KEYS },
	{ "set", "target_set", "is changed", KEYS },
	{ "remove", "target_remove", "is removed", NOTHING },
	{ "use", "target_use", "is preferred", A_VOLUME },
};

static int put_volume(const struct args *args, json_t *params)
{
	if (args->nr_words != 3)
		return ctl_fail(args, STATUS_USAGE, "target use: want an id, "
				"and a volume");
	json_object_set_new(params, "volume", json_string(args->words[2]));
	return STATUS_OK;
}

/* What stands behind the id; an exit status. */
static int put_rest(const struct args *args, int action, json_t *params)
{
	json_t *keys;

	if (actions[action].behind == A_VOLUME)
		return put_volume(args, params);
	if (actions[action].behind == NOTHING)
		return args->nr_words == 2 ? STATUS_OK :
		       ctl_fail(args, STATUS_USAGE, "target %s: want an id, "
				"and no more", actions[action].name);
	keys = json_object();
	json_object_set_new(params, "keys", keys);
	for (int i = 2; i < args->nr_words; i++) {
		const char *word = args->words[i];
		size_t len = strcspn(word, "=");
		char key[40];

		if (!word[len] || !len || len >= sizeof(key))
			return ctl_fail(args, STATUS_USAGE, "target: \"%.60s\" "
					"is not KEY=VALUE", word);
		snprintf(key, sizeof(key), "%.*s", (int)len, word);
		json_object_set_new(keys, key, json_string(word + len + 1));
	}
	return STATUS_OK;
}

static void print_volumes_of(const json_t *result, const char *key,
			     const char *what)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(result, key), i, name)
		printf("%s: %s\n", what, json_string_value(name));
}

static int change(const struct args *args, int action)
{
	const char *id = args->words[1];
	bool is_dry = args_has(args, "dry-run");
	json_t *params = json_pack("{ss so*}", "id", id, "dry_run", is_dry ?
				   json_true() : NULL);
	json_t *result;
	int status = put_rest(args, action, params);

	if (status) {
		json_decref(params);
		return status;
	}
	result = ctl_call(args, actions[action].method, params, &status);
	if (!result)
		return status;
	if (json_array_size(json_object_get(result, "failed")))
		status = STATUS_FAILED;
	if (args_has(args, "json")) {
		print_json(result);
	} else {
		printf("The target %.60s %s.\n", id, is_dry ?
		       "stays as it is" : actions[action].done);
		print_volumes_of(result, "changed", is_dry ?
				 "would go elsewhere" : "goes elsewhere now");
		print_volumes_of(result, "failed", "does not run");
	}
	json_decref(result);
	return status;
}

static void print_check(const struct args *args, const json_t *r)
{
	char size[PRINT_LEN];

	if (*text_of(r, "path")) {
		printf("%.60s: %s is there\n", args->words[1],
		       text_of(r, "path"));
		return;
	}
	printf("%.60s answers: %s, %s%s\n", args->words[1],
	       print_bytes(size, json_number_value(json_object_get(r,
			   "size_bytes"))),
	       json_is_true(json_object_get(r, "staged")) ? "a stage" :
	       "a plain server", json_is_true(json_object_get(r, "can_flush")) ?
	       "" : ", which cannot flush");
}

static int check(const struct args *args)
{
	int status;
	json_t *result;

	if (args->nr_words < 2 || args->nr_words > 3)
		return ctl_fail(args, STATUS_USAGE, "target check: want an id, "
				"and perhaps a volume");
	result = ctl_call(args, "target_check", json_pack("{ss ss*}", "id",
			  args->words[1], "volume", args->nr_words > 2 ?
			  args->words[2] : NULL), &status);
	if (!result)
		return status;
	if (args_has(args, "json"))
		print_json(result);
	else
		print_check(args, result);
	json_decref(result);
	return STATUS_OK;
}

static int run_target(const struct args *args)
{
	static const char *const names[] = { "add", "set", "remove", "use",
					     "check", NULL };

	if (!strcmp(args->words[0], "check"))
		return check(args);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(args->words[0], actions[i].name))
			continue;
		if (args->nr_words < 2)
			return ctl_fail(args, STATUS_USAGE, "target %s: which "
					"one?", actions[i].name);
		return change(args, i);
	}
	return ctl_no_action(args, "target", args->words[0], names);
}

static const struct option_spec target_options[] = {
	{ "dry-run", NULL, "only tell which volumes would go elsewhere" },
	{ NULL }
};

const struct command cmd_target = {
	.name = "target",
	.words = "ACTION ID [KEY=VALUE | VOLUME]...",
	.min_words = 1,
	.max_words = ARGS_MAX,
	.summary = "add, change, remove, use and check targets",
	.examples =
	"    replicactl target add west uri=nbds://me@west/{volume}?tls-psk-file=/k\n"
	"    replicactl target add west backend=west-lvm for=east-lvm\n"
	"    replicactl target set west enabled=no --dry-run\n"
	"    replicactl target remove west\n"
	"    replicactl target use west vol\n"
	"    replicactl target check west vol\n",
	.text =
	"At once and for good: replicad keeps them, beside those of its files. The\n"
	"keys are those of [target ID] in replica.conf(5); KEY= takes one away.\n"
	"A volume that goes elsewhere now ships there what is not there. What a\n"
	"volume could not live with is refused, and nothing has changed.\n"
	"use sends this volume there, with its group, as long as that is enabled.\n"
	"check connects to one, for a volume, and writes nothing.\n",
	.options = target_options,
	.run = run_target,
};
