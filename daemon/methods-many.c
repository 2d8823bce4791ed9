// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A verb for all volumes of a group, a pool or this host, one after the other.
 *
 * A1 who is meant is settled before the first is touched: a name that is not
 *    there changes nothing.
 * A2 each of them is in the answer, with its own outcome; one that fails stops
 *    none of the others.
 */
#include "methods.h"

#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "control.h"
#include "daemon.h"
#include "ops.h"

struct many {
	struct request *request;
	json_t *volumes;		/* of the answer */
	size_t next;
};

static const char *text_of(const struct request *request, const char *key)
{
	return json_string_value(json_object_get(request->params, key));
}

static bool is_meant(const struct request *request, const struct entry *e,
		     const struct section *pool)
{
	const char *group = text_of(request, "group");

	if (group)
		return e->config->group && !strcmp(e->config->group, group);
	return !pool || section_names(pool->members, e->config->name);
}

static json_t *collect(const struct request *request,
		       const struct section *pool)
{
	json_t *all = json_array();

	for (struct entry *e = request->daemon->entries; e; e = e->next)
		if (is_meant(request, e, pool))
			json_array_append_new(all, json_pack("{ss}", "name",
							     e->config->name));
	return all;
}

/* --- one after the other -------------------------------------------------- */

static void finish(struct many *m)
{
	struct daemon *daemon = m->request->daemon;

	request_answer(m->request, json_pack("{si so}", "schema_version", 1,
					     "volumes", m->volumes));
	free(m);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void note(struct many *m, int err, const char *error)
{
	json_t *one = json_array_get(m->volumes, m->next++);

	json_object_set_new(one, "ok", json_boolean(!err));
	if (err)
		json_object_set_new(one, "error", json_string(error));
}

static void go_on(struct many *m);

static void on_done(struct op *op)
{
	struct many *m = op->arg;

	note(m, op->err, op->error[0] ? op->error : strerror(-op->err));
	op_free(op);
	go_on(m);
}

static void go_on(struct many *m)
{
	struct daemon *daemon = m->request->daemon;

	while (m->next < json_array_size(m->volumes)) {
		const json_t *one = json_array_get(m->volumes, m->next);
		const char *name = json_string_value(json_object_get(one,
								     "name"));

		if (!daemon->is_stopping &&
		    op_disable(daemon, name, on_done, m))
			return;
		note(m, -1, daemon->is_stopping ? "replicad is stopping" :
						  "no memory");
	}
	finish(m);
}

static bool is_one(const struct request *request)
{
	int nr = !!text_of(request, "volume") + !!text_of(request, "group") +
		 !!text_of(request, "pool") +
		 json_is_true(json_object_get(request->params, "host"));

	return nr == 1;
}

/* NULL after a refusal. */
static json_t *settle(struct request *request)
{
	const char *name = text_of(request, "pool");
	const struct config *config = &request->daemon->config;
	const struct section *pool = NULL;
	json_t *all;
	char near[80];

	if (name)
		pool = config_section(config, SECTION_POOL, name);
	if (name && !pool) {
		request_refuse(request, 3, "there is no pool %.60s%s", name,
			       config_nearest(config, SECTION_POOL, name,
					      near));
		return NULL;
	}
	all = collect(request, pool);
	if (json_array_size(all))
		return all;
	json_decref(all);
	name = name ?: text_of(request, "group");
	request_refuse(request, 3, "no volume is replicated%s%.60s", name ?
		       " of " : " here", name ?: "");
	return NULL;
}

bool disable_many(struct request *request)
{
	struct many *m;
	json_t *all;

	if (is_one(request) && text_of(request, "volume"))
		return false;
	if (!is_one(request)) {
		request_refuse(request, 2, "want one of volume, group, pool "
			       "and host");
		return true;
	}
	all = settle(request);
	if (!all)
		return true;
	m = calloc(1, sizeof(*m));
	if (!m) {
		json_decref(all);
		request_refuse(request, 1, "no memory");
		return true;
	}
	m->request = request;
	m->volumes = all;
	request->daemon->nr_methods++;
	go_on(m);
	return true;
}
