// SPDX-License-Identifier: GPL-2.0-or-later
#include "config-match.h"

#include <string.h>

#include "config-impl.h"

/* Each once. */
static void add_target(json_t *targets, const char *id)
{
	json_t *one;
	size_t i;

	json_array_foreach(targets, i, one)
		if (!strcmp(json_string_value(one), id))
			return;
	json_array_append_new(targets, json_string(id));
}

/* Its target: without an id, one that is said with it. */
static json_t *describe(const struct volume_config *v)
{
	return json_pack("{ss ss* ss* sb}", "name", v->name, "backend",
			 v->backend, "target", v->target_id,
			 "replication_enabled", v->target != NULL);
}

json_t *pool_capabilities_json(const struct config *config,
			       const struct section *pool)
{
	json_t *targets = json_array(), *volumes = json_array();
	const char *lacks = NULL;
	bool is_all = pool->replicate == REPLICATE_ALL, is_on;

	for (const struct volume_config *v = config->volumes; v; v = v->next) {
		if (!section_names(pool->members, v->name))
			continue;
		json_array_append_new(volumes, describe(v));
		if (v->target_id)
			add_target(targets, v->target_id);
		if (!v->target && !lacks)
			lacks = v->name;
	}
	is_on = json_array_size(volumes) && !lacks;
	return json_pack("{ss* ss sb ss* s[s] si so sb sb so}", "members",
			 pool->members, "replicate", is_all ? "all" : "typed",
			 "replication_enabled", is_on, "reason", is_on ? NULL :
			 lacks ? "a volume of it has no target" :
			 "the files have no volume of it",
			 "replication_type", "async", "replication_count",
			 (int)json_array_size(targets), "replication_targets",
			 targets, "group_replication_enabled", is_on,
			 "consistent_group_replication_enabled",
			 is_on && is_all, "volumes", volumes);
}
