// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A verb for all volumes of a group, a pool or this host, one after the other.
 *
 * A1 who is meant is settled before the first is touched: a name that is not
 *    there, or a volume that could not be, changes nothing.
 * A2 each of them is in the answer, with its own outcome; one that fails stops
 *    none of the others.
 */
#include "methods-many.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "config-target.h"
#include "control.h"
#include "daemon.h"
#include "methods.h"

/* --- who is meant --------------------------------------------------------- */

static bool is_said(const struct request *request, const char *key)
{
	const json_t *value = json_object_get(request->params, key);

	return value && !json_is_false(value);
}

bool many_is_one(const struct request *request)
{
	return request_text(request, "volume") && !is_said(request, "group") &&
	       !is_said(request, "pool") && !is_said(request, "host");
}

bool many_scope(struct request *request, struct scope *scope)
{
	const struct config *config = &request->daemon->config;
	const char *pool = request_text(request, "pool");
	bool is_host = json_is_true(json_object_get(request->params, "host"));
	char near[80];

	*scope = (struct scope){ .group = request_text(request, "group") };
	if (is_said(request, "group") && !scope->group) {
		request_refuse(request, 2, "group is of a volume; want one of "
			       "volume, pool and host");
		return false;
	}
	if (!!request_text(request, "volume") + !!scope->group + !!pool +
	    is_host != 1) {
		request_refuse(request, 2, "want one of volume, group, pool "
			       "and host");
		return false;
	}
	if (pool)
		scope->pool = config_section(config, SECTION_POOL, pool);
	if (!pool || scope->pool)
		return true;
	request_refuse(request, 3, "there is no pool %.60s%s", pool,
		       config_nearest(config, SECTION_POOL, pool, near));
	return false;
}

const char *many_name(const struct scope *scope)
{
	return scope->pool ? scope->pool->name : scope->group;
}

/* --- one after the other -------------------------------------------------- */

void many_free(struct many *m)
{
	json_decref(m->volumes);
	config_clear(&m->files);
	free(m);
}

static void finish(struct many *m)
{
	struct daemon *daemon = m->request->daemon;

	request_answer(m->request, json_pack("{si sO}", "schema_version", 1,
					     "volumes", m->volumes));
	many_free(m);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

void many_set(json_t *one, const char *error)
{
	json_object_set_new(one, "ok", json_boolean(!error));
	if (error)
		json_object_set_new(one, "error", json_string(error) ?:
				    json_string("an error that is not UTF-8"));
}

json_t *many_note(struct many *m, const char *error)
{
	json_t *one = json_array_get(m->volumes, m->next++);

	many_set(one, error);
	return one;
}

void many_go_on(struct many *m)
{
	struct daemon *daemon = m->request->daemon;

	while (m->next < json_array_size(m->volumes)) {
		const json_t *one = json_array_get(m->volumes, m->next);

		if (json_object_get(one, "ok"))
			m->next++;
		else if (daemon->is_stopping)
			many_note(m, "replicad is stopping");
		else if (m->start(m, json_string_value(json_object_get(one,
								"name"))))
			return;
	}
	finish(m);
}

struct many *many_create(struct request *request,
			 bool (*start)(struct many *m, const char *name))
{
	struct many *m = calloc(1, sizeof(*m));

	if (!m) {
		request_refuse(request, 1, "no memory");
		return NULL;
	}
	m->request = request;
	m->start = start;
	m->volumes = json_array();
	return m;
}

json_t *many_add(struct many *m, const char *name)
{
	json_t *one = json_pack("{ss}", "name", name);

	json_array_append_new(m->volumes, one);
	return one;
}

void many_run(struct many *m)
{
	m->request->daemon->nr_methods++;
	many_go_on(m);
}

void many_refuse(struct many *m, int exit_status, const char *fmt, ...)
{
	char text[600];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	request_refuse(m->request, exit_status, "%s", text);
	many_free(m);
}
