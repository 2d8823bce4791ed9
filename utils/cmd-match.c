// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/dm-replica-format.h>
#include <linux/dm-replica.h>

#include "cmd.h"
#include "config-match.h"
#include "header.h"
#include "load.h"
#include "print.h"
#include "route.h"
#include "stage-format.h"
#include "version.h"

#define SECTOR	512

static const struct option_spec options[] = {
	LOAD_OPTIONS,
	{ NULL }
};

static int refuse_name(const struct args *args, const struct config *config,
		       const char *name, enum section_kind kind)
{
	char near[80];

	return ctl_fail(args, STATUS_NOT_FOUND, "there is no [%s %.60s]%s",
			section_word(kind), name,
			config_nearest(config, kind, name, near));
}

/* --- match ---------------------------------------------------------------- */

static json_t *match_all(const struct config *config,
			 const struct section *type, bool *is_any)
{
	json_t *list = json_array();

	for (const struct section *s = config->sections; s; s = s->next) {
		char why[MATCH_WHY] = "";
		bool fits;

		if (s->kind != SECTION_BACKEND)
			continue;
		fits = match_type(config, type, s, why);
		*is_any |= fits;
		json_array_append_new(list, json_pack("{ss sb ss*}", "backend",
			s->name, "match", fits, "reason", fits ? NULL : why));
	}
	return list;
}

static void print_matches(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		const char *why = json_string_value(json_object_get(one,
								    "reason"));
		if (why)
			printf("no   %s\n", why);
		else
			printf("yes  %s\n", json_string_value(
				       json_object_get(one, "backend")));
	}
	if (!json_array_size(list))
		puts("There is no [backend].");
}

/* None fits: as a search without a result. */
static int run_match(const struct args *args)
{
	const struct section *type;
	bool is_any = false;
	struct config config;
	json_t *list, *o;
	int status = load_config(args, &config);

	if (status)
		return status;
	type = config_section(&config, SECTION_TYPE, args->words[0]);
	if (!type) {
		status = refuse_name(args, &config, args->words[0],
				     SECTION_TYPE);
		config_clear(&config);
		return status;
	}
	list = match_all(&config, type, &is_any);
	config_clear(&config);
	if (args_has(args, "json")) {
		o = json_pack("{si sO}", "schema_version", SCHEMA_VERSION,
			      "backends", list);
		print_json(o);
		json_decref(o);
	} else {
		print_matches(list);
	}
	json_decref(list);
	return is_any ? STATUS_OK : STATUS_NOT_FOUND;
}

const struct command cmd_match = {
	.name = "match",
	.words = "TYPE",
	.min_words = 1,
	.max_words = 1,
	.summary = "the backends that a type can be on",
	.examples =
	"    replicactl match gold\n"
	"    replicactl match gold --json\n",
	.text =
	"Compares the extra specs of the type with what each backend can do, and\n"
	"says of those that do not fit why. Reads the configuration, and needs no\n"
	"replicad. Exit status 3 if none fits.\n",
	.options = options,
	.run = run_match,
};

/* --- capabilities --------------------------------------------------------- */

static const struct option_spec capability_options[] = {
	{ "pool", "NAME", "of a [pool]: what all of its volumes can do" },
	LOAD_OPTIONS,
	{ NULL }
};

static json_t *collect(const struct config *config, const char *only)
{
	json_t *all = json_object();

	for (const struct section *s = config->sections; s; s = s->next)
		if (s->kind == SECTION_BACKEND &&
		    (!only || config_section(config, SECTION_BACKEND, only) ==
		     s))
			json_object_set_new(all, s->name,
					    capabilities_json(config, s));
	return all;
}

/* What no backend can do otherwise. */
static json_t *limits(void)
{
	return json_pack("{si si sI si}", "chunk_bytes_min",
			 DMR_MIN_CHUNK * SECTOR, "chunk_bytes_max",
			 DMR_MAX_CHUNK * SECTOR, "volume_bytes_max",
			 (json_int_t)REPLICA_VOLUME_MAX, "group_volumes_max",
			 REPLICA_MEMBERS_MAX);
}

/* Of what two sites, or a program and the kernel, have to agree on. */
static json_t *versions(void)
{
	return json_pack("{ss si si si si si sb}", "dm_replica",
			 REPLICA_VERSION, "netlink", DMR_GENL_VERSION,
			 "metadata", DMR_FORMAT_VERSION, "header",
			 REPLICA_HEADER_VERSION, "stage", STAGE_FORMAT_VERSION,
			 "verbs", ROUTE_VERSION, "module_loaded",
			 !access("/sys/module/dm_replica", F_OK));
}

static void print_capabilities(json_t *all)
{
	const char *name, *key;
	json_t *caps, *value;

	json_object_foreach(all, name, caps) {
		printf("%s\n", name);
		json_object_foreach(caps, key, value) {
			char *text = json_dumps(value, JSON_ENCODE_ANY);

			printf("    %-40s %s\n", key, text ? text : "");
			free(text);
		}
	}
}

static json_t *collect_pool(const struct config *config, const char *name)
{
	const struct section *pool = config_section(config, SECTION_POOL, name);
	json_t *all = json_object();

	if (pool)
		json_object_set_new(all, pool->name,
				    pool_capabilities_json(config, pool));
	return all;
}

static int run_capabilities(const struct args *args)
{
	const char *pool = args_value(args, "pool");
	const char *name = pool ?: args->nr_words ? args->words[0] : NULL;
	struct config config;
	json_t *all, *o;
	int status;

	if (pool && args->nr_words)
		return ctl_fail(args, STATUS_USAGE, "capabilities takes a "
				"BACKEND or --pool");
	status = load_config(args, &config);
	if (status)
		return status;
	all = pool ? collect_pool(&config, pool) : collect(&config, name);
	if (name && !json_object_size(all))
		status = refuse_name(args, &config, name, pool ? SECTION_POOL :
				     SECTION_BACKEND);
	config_clear(&config);
	if (!status && args_has(args, "json")) {
		o = json_pack("{si sO so so}", "schema_version",
			      SCHEMA_VERSION, pool ? "pools" : "backends",
			      all, "limits", limits(), "versions", versions());
		print_json(o);
		json_decref(o);
	} else if (!status) {
		print_capabilities(all);
		o = json_pack("{so so}", "limits of any", limits(), "versions",
			      versions());
		print_capabilities(o);
		json_decref(o);
	}
	json_decref(all);
	return status;
}

const struct command cmd_capabilities = {
	.name = "capabilities",
	.words = "[BACKEND]",
	.min_words = 0,
	.max_words = 1,
	.summary = "what backends can do, in Cinder's words",
	.examples =
	"    replicactl capabilities\n"
	"    replicactl capabilities west --json\n"
	"    replicactl capabilities --pool fast\n",
	.text =
	"By the configuration, without replicad: what is said of a backend, and how\n"
	"many of its targets can be used; of a pool, what all of its volumes can do.\n"
	"Whether targets answer, doctor tells.\n",
	.options = capability_options,
	.run = run_capabilities,
};
