// SPDX-License-Identifier: GPL-2.0-or-later
/* The method made, which lists the volumes that drivers made. */
#include "methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "made.h"
#include "ops.h"
#include "promotion.h"

json_t *made_describe(const struct made *m)
{
	return json_pack("{ss ss ss ss ss ss sI ss sb}", "volume", m->volume,
			 "backend", m->backend, "type", m->type, "driver",
			 m->driver, "base", m->base, "metadata", m->metadata,
			 "size_bytes", (json_int_t)m->bytes, "step",
			 made_step_name(m->step), "promoted", m->is_promoted);
}

struct listing {
	const struct daemon *daemon;
	json_t *volumes;
	const char *only;		/* NULL: all */
	bool skips_promoted;		/* V12: they are no volumes */
};

static void list_one(void *arg, const char *name)
{
	const struct listing *l = arg;
	struct made *m = malloc(sizeof(*m));
	struct error err = { 0 };
	json_t *one = NULL;

	if (m && !made_load(l->daemon->config.state_dir, name, m, &err))
		one = l->skips_promoted && m->is_promoted ? NULL :
		      made_describe(m);
	else if (m && err.code != -ENOENT)
		one = json_pack("{ss ss}", "volume", name, "error", err.text);
	if (one)
		json_object_set_new(one, "replicated", json_boolean(
				    daemon_find(l->daemon, name)));
	if (one && op_find_aside(l->daemon, name))
		json_object_set_new(one, "copied_bytes", json_integer(
			op_find_aside(l->daemon, name)->copied_bytes));
	json_array_append_new(l->volumes, one);
	free(m);
}

void do_made(struct request *request)
{
	struct listing l = { request->daemon, json_array(), NULL, false };

	made_each(request->daemon->config.state_dir, list_one, &l);
	request_answer(request, json_pack("{si so}", "schema_version", 1,
					  "volumes", l.volumes));
}

/* The records of the others are not read: a status is asked for often. */
static void list_not_replicated(void *arg, const char *name)
{
	const struct listing *l = arg;

	if ((!l->only || !strcmp(l->only, name)) &&
	    !daemon_find(l->daemon, name) && !promotion_find(l->daemon, name))
		list_one(arg, name);
}

json_t *made_not_replicated(const struct daemon *daemon, const char *only)
{
	struct listing l = { daemon, json_array(), only, true };

	made_each(daemon->config.state_dir, list_not_replicated, &l);
	return l.volumes;
}
