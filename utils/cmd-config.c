// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "config-show.h"
#include "load.h"
#include "print.h"

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* --- check ---------------------------------------------------------------- */

static int count(const struct config *config)
{
	int nr = 0;

	for (const struct volume_config *v = config->volumes; v; v = v->next)
		nr++;
	return nr;
}

static json_t *warnings_of(const struct config *config)
{
	json_t *list = json_array();

	for (const struct config_record *r = config->warnings; r; r = r->next)
		json_array_append_new(list, json_sprintf("%s:%d: %s", r->file,
							 r->line, r->value));
	return list;
}

/* What replicad would not start. */
static int check_clear(const struct args *args, const struct config *config)
{
	char error[CONFIG_ERROR_SIZE];

	for (const struct volume_config *v = config->volumes; v; v = v->next)
		if (volume_config_check_clear(v, error))
			return ctl_fail(args, STATUS_FAILED, "%s:%d: %s",
					v->file ?: "", v->line, error);
	return STATUS_OK;
}

static int check(const struct args *args, const struct config *config)
{
	json_t *warnings, *text, *o;
	int nr = count(config);
	size_t i;

	if (check_clear(args, config))
		return STATUS_FAILED;
	warnings = warnings_of(config);
	if (args_has(args, "json")) {
		o = json_pack("{si sb si so}", "schema_version", SCHEMA_VERSION,
			      "ok", 1, "volumes", nr, "warnings", warnings);
		print_json(o);
		json_decref(o);
		return STATUS_OK;
	}
	json_array_foreach(warnings, i, text)
		fprintf(stderr, "replicactl: warning: %s\n",
			json_string_value(text));
	json_decref(warnings);
	printf("The configuration is good: %d volume%s.\n", nr,
	       nr == 1 ? "" : "s");
	return STATUS_OK;
}

/* --- show ----------------------------------------------------------------- */

/* "volume a", "a" or "volume". */
static bool is_wanted(const json_t *section, const char *what)
{
	const char *title = text_of(section, "section");
	const char *name = strchr(title, ' ');

	if (!what || !strcmp(title, what))
		return true;
	return name && (!strcmp(name + 1, what) ||
			(strlen(what) == (size_t)(name - title) &&
			 !strncmp(title, what, name - title)));
}

static void print_section(const json_t *section)
{
	const char *file = text_of(section, "file");
	const json_t *key;
	size_t i;

	printf("[%s]", text_of(section, "section"));
	if (file)
		printf(" ; %s:%d", file, (int)json_integer_value(
			       json_object_get(section, "line")));
	putchar('\n');
	json_array_foreach(json_object_get(section, "keys"), i, key)
		printf("%s=%s ; %s\n", text_of(key, "key"),
		       text_of(key, "value") ?: "", text_of(key, "origin"));
}

static json_t *wanted_of(const struct config *config, const char *what)
{
	json_t *all = config_json(config), *list = json_array(), *section;
	size_t i;

	json_array_foreach(all, i, section)
		if (is_wanted(section, what))
			json_array_append(list, section);
	json_decref(all);
	return list;
}

static int show(const struct args *args, const struct config *config)
{
	const char *what = args->nr_words > 1 ? args->words[1] : NULL;
	json_t *list = wanted_of(config, what), *section, *o;
	size_t i;

	if (what && !json_array_size(list)) {
		json_decref(list);
		return ctl_fail(args, STATUS_NOT_FOUND, "config: there is no "
				"section %.60s", what);
	}
	if (args_has(args, "json")) {
		o = json_pack("{si so}", "schema_version", SCHEMA_VERSION,
			      "sections", list);
		print_json(o);
		json_decref(o);
		return STATUS_OK;
	}
	json_array_foreach(list, i, section) {
		if (i)
			putchar('\n');
		print_section(section);
	}
	json_decref(list);
	return STATUS_OK;
}

/* --- reload --------------------------------------------------------------- */

static bool print_list(const json_t *result, const char *key, const char *what)
{
	const json_t *list = json_object_get(result, key), *text;
	size_t i;

	json_array_foreach(list, i, text)
		printf("%s: %s\n", what, json_string_value(text));
	return json_array_size(list);
}

static bool print_changes(const json_t *result)
{
	bool is_any = print_list(result, "added", "added");

	is_any |= print_list(result, "changed", "changed");
	is_any |= print_list(result, "removed", "removed (its target stays in "
			     "the device)");
	is_any |= print_list(result, "restart", "holds from the next start of "
			     "replicad on");
	is_any |= print_list(result, "warnings", "warning");
	return is_any | print_list(result, "failed", "does not run");
}

static int reload(const struct args *args)
{
	int status;
	json_t *result = ctl_call(args, "reload", json_pack("{so*}", "dry_run",
				  args_has(args, "dry-run") ? json_true() :
				  NULL), &status);

	if (!result)
		return status;
	if (json_array_size(json_object_get(result, "failed")))
		status = STATUS_FAILED;
	if (args_has(args, "json")) {
		json_object_set_new(result, "schema_version",
				    json_integer(SCHEMA_VERSION));
		print_json(result);
	} else if (!print_changes(result)) {
		puts(args_has(args, "dry-run") ? "Nothing would change." :
						 "Nothing has changed.");
	}
	json_decref(result);
	return status;
}

/* --- all ------------------------------------------------------------------ */

static const struct {
	const char *name;
	int (*run)(const struct args *args, const struct config *config);
} actions[] = {
	{ "check", check }, { "show", show },
};

static int run(const struct args *args)
{
	static const char *const names[] = { "check", "show", "reload",
					     NULL };
	const char *action = args->words[0];
	struct config config;
	int status;

	if (args->nr_words > 1 && strcmp(action, "show"))
		return ctl_fail(args, STATUS_USAGE, "config %.20s: '%.60s' is "
				"one word too many", action, args->words[1]);
	if (!strcmp(action, "reload"))
		return reload(args);
	if (args_has(args, "dry-run"))
		return ctl_fail(args, STATUS_USAGE, "config: --dry-run is of "
				"reload: the others change nothing");
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(action, actions[i].name))
			continue;
		status = load_config(args, &config);
		if (status)
			return status;
		status = actions[i].run(args, &config);
		config_clear(&config);
		return status;
	}
	return ctl_no_action(args, "config", action, names);
}

static const struct option_spec options[] = {
	{ "dry-run", NULL, "of reload: only tell what would change" },
	LOAD_OPTIONS,
	{ NULL }
};

const struct command cmd_config = {
	.name = "config",
	.words = "ACTION [SECTION]",
	.min_words = 1,
	.max_words = 2,
	.summary = "the configuration: check, show, reload",
	.examples =
	"    replicactl config check\n"
	"    replicactl config check --config ./replica.conf --json\n"
	"    replicactl config reload --dry-run && replicactl config reload\n"
	"    replicactl config show\n"
	"    replicactl config show data\n"
	"    replicactl config show target\n",
	.text =
	"check and show read the files as replicad does, without it. check says what\n"
	"is wrong, with file and line. show prints each value with where it is\n"
	"from: a line, a type, a target, or the default; SECTION is a name (data),\n"
	"a kind (target), or both (\"volume data\"). No secret is printed.\n"
	"reload has replicad read them again: what is wrong changes nothing, and a\n"
	"volume for which nothing changes is not touched.\n",
	.options = options,
	.run = run,
};
