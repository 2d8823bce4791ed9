// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method failover, of a pool or of this host: forced, of the replicas that
 * the stages of the pairs have; planned, of the volumes that are replicated
 * from here.
 *
 * B1 A group goes as a whole: where a part of one is meant, nothing is done (A1
 *    in methods-many.c).
 * B2 A group goes once, and each of its members has that outcome.
 * B3 One that fails stops none of the others; what has been done is so told, so
 *    that the same can be asked again.
 */
#include "methods-failover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config-impl.h"
#include "control.h"
#include "daemon.h"
#include "methods.h"
#include "methods-many.h"
#include "resolve.h"
#include "stage-promote.h"

static const char *text_of(const json_t *one, const char *key)
{
	return json_string_value(json_object_get(one, key)) ?: "";
}

/* --- who is meant --------------------------------------------------------- */

struct gathering {
	struct many *m;
	const struct scope *scope;
	struct error *err;
};

static bool is_meant(const struct scope *scope, const char *name)
{
	return !scope->pool || section_names(scope->pool->members, name);
}

static int refuse_part(const struct scope *scope, const char *group,
		       const char *name, struct error *err)
{
	return error_set(err, -EINVAL, "group %.60s: %.60s is of it, and not "
			 "of pool %.60s: a group goes as a whole (failover "
			 "VOLUME --group)", group, name, many_name(scope));
}

/* B1 */
static int check_members(const struct scope *scope,
			 const struct stage_members *members,
			 struct error *err)
{
	for (unsigned int i = 0; i < members->nr; i++)
		if (!is_meant(scope, members->names[i]))
			return refuse_part(scope, members->group,
					   members->names[i], err);
	return 0;
}

static const json_t *find_listed(const struct many *m, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(m->volumes, i, one)
		if (!strcmp(text_of(one, "name"), name))
			return one;
	return NULL;
}

/* Which one is meant nobody knows: nothing is done. */
static int refuse_twice(const json_t *one, const char *dir, struct error *err)
{
	return error_set(err, -EINVAL, "%.60s is in two stages, %.60s and "
			 "%.60s: fail it over by itself, with --dir",
			 text_of(one, "name"), text_of(one, "stage"), dir);
}

/* A description that is damaged is told by what is tried with it (B3). */
static void add_replica(void *arg, const char *dir, const char *name)
{
	const struct gathering *g = arg;
	struct stage_members members;
	const json_t *before;
	json_t *one;

	if (g->err->code || !is_meant(g->scope, name))
		return;
	before = find_listed(g->m, name);
	if (before) {
		refuse_twice(before, dir, g->err);
		return;
	}
	one = many_add(g->m, name);
	json_object_set_new(one, "stage", json_string(dir));
	if (stage_members_list(dir, name, &members, NULL))
		return;
	if (members.nr > 1)
		json_object_set_new(one, "group", json_string(members.group));
	check_members(g->scope, &members, g->err);
	stage_members_clear(&members);
}

/* B1 */
static int check_entries(const struct daemon *daemon, const struct scope *scope,
			 const char *group, struct error *err)
{
	const struct scope whole = { .group = group };

	for (const struct entry *e = daemon->entries; e; e = e->next)
		if (scope_has(&whole, e->config) &&
		    !scope_has(scope, e->config))
			return refuse_part(scope, group, e->config->name, err);
	return 0;
}

static int add_entries(const struct gathering *g)
{
	const struct daemon *daemon = g->m->request->daemon;
	int ret = 0;

	for (const struct entry *e = daemon->entries; !ret && e; e = e->next) {
		const char *group = e->config->group;
		json_t *one;

		if (e->is_disabled || !scope_has(g->scope, e->config))
			continue;
		one = many_add(g->m, e->config->name);
		if (!group)
			continue;
		json_object_set_new(one, "group", json_string(group));
		ret = check_entries(daemon, g->scope, group, g->err);
	}
	return ret;
}

/* --- one after the other -------------------------------------------------- */

/* What was handed over is looked at again, and there is nothing to do. */
static bool is_done(const struct many *m, const char *name)
{
	const struct promotion *p = promotion_find(m->request->daemon, name);

	return !request_flag(m->request, "planned") && p &&
	       p->state == PROMOTION_DONE;
}

/* Its part of what became of all; NULL: it is not in there. */
static json_t *part_of(json_t *result, const char *name)
{
	json_t *all = json_object_get(result, "volumes"), *part;
	size_t i;

	if (!all)
		return strcmp(text_of(result, "volume"), name) ? NULL : result;
	json_array_foreach(all, i, part)
		if (!strcmp(text_of(part, "volume"), name))
			return part;
	return NULL;
}

static void take_part(json_t *one, json_t *result)
{
	json_t *part = part_of(result, text_of(one, "name"));

	if (part)
		json_object_update_missing(one, part);
	json_object_update_missing(one, result);
	json_object_del(one, "volumes");
	json_object_del(one, "schema_version");
}

static bool goes_with(const json_t *one, const json_t *other)
{
	return *text_of(one, "group") &&
	       !strcmp(text_of(one, "group"), text_of(other, "group")) &&
	       !strcmp(text_of(one, "stage"), text_of(other, "stage"));
}

/* B2. Who was not of it is asked for by itself. */
static void tell_members(struct many *m, const json_t *one, json_t *result,
			 const char *error)
{
	for (size_t i = m->next; i < json_array_size(m->volumes); i++) {
		json_t *other = json_array_get(m->volumes, i);
		const char *name = text_of(other, "name");

		if (!goes_with(one, other) ||
		    (error ? is_done(m, name) : !part_of(result, name)))
			continue;
		many_set(other, error);
		if (!error)
			take_part(other, result);
	}
}

/* It may come from inside the call that starts it. */
static void on_done(void *arg, json_t *result, const struct error *err)
{
	struct many *m = arg;
	const char *error = !err ? NULL : err->text[0] ? err->text :
			    strerror(-err->code);
	json_t *one = many_note(m, error);

	if (!error)
		take_part(one, result);
	tell_members(m, one, result, error);
	json_decref(result);
	m->is_told = true;
	if (!m->is_starting)
		many_go_on(m);
}

static void hand_over(struct many *m, const char *name, bool is_group)
{
	const struct resolve_request q = {
		.volume = name,
		.is_planned = true,
		.is_group = is_group,
		.is_dry = request_flag(m->request, "dry_run"),
		.wait_ms = failover_wait_ms(m->request),
	};

	resolve_keep_peer(m->request->daemon, &q, on_done, m);
}

static void take_over(struct many *m, const char *name)
{
	struct promotion_request q = {
		.volume = name,
		.is_dry = request_flag(m->request, "dry_run"),
		.is_group = true,
	};
	struct error err = { 0 };

	if (failover_wish(&q.wish, m->request, &err))
		on_done(m, NULL, &err);
	else
		promotion_start(m->request->daemon, &q, on_done, m);
}

/* B3 */
static bool start_one(struct many *m, const char *name)
{
	const json_t *one = json_array_get(m->volumes, m->next);

	if (is_done(m, name)) {
		json_object_set_new(many_note(m, NULL), "already", json_true());
		return false;
	}
	m->is_told = false;
	m->is_starting = true;
	if (request_flag(m->request, "planned"))
		hand_over(m, name, *text_of(one, "group"));
	else
		take_over(m, name);
	m->is_starting = false;
	return !m->is_told;
}

/* --- the request ---------------------------------------------------------- */

static int check(const struct request *request, struct error *err)
{
	static const char *const of_one[] = { "dir", "metadata", "epoch" };
	struct promotion_wish wish;

	for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++)
		if (json_object_get(request->params, of_one[i]))
			return error_set(err, -EDESTADDRREQ, "%s is of one "
					 "volume, not of many", of_one[i]);
	if (request_flag(request, "planned") && request_flag(request, "force"))
		return error_set(err, -EDESTADDRREQ, "force and planned: one "
				 "of them");
	if (!request_flag(request, "planned") &&
	    !request_flag(request, "force") &&
	    !request_flag(request, "dry_run"))
		return error_set(err, -EDESTADDRREQ, "neither force nor "
				 "planned is set");
	return failover_wish(&wish, request, err);
}

/* F1 of methods-failover-ask.c: who is none any more is not "already" one. */
static void tell_overtaken(struct many *m, const json_t *overtaken)
{
	json_t *one;
	size_t i;

	json_array_foreach(m->volumes, i, one) {
		const char *why = failover_overtaken(m->request, overtaken,
						     text_of(one, "name"),
						     false);

		if (why)
			many_set(one, why);
	}
}

static void run(struct many *m, const struct scope *scope,
		const json_t *overtaken, struct error *err)
{
	struct gathering g = { .m = m, .scope = scope, .err = err };
	bool is_planned = request_flag(m->request, "planned");

	if (is_planned)
		add_entries(&g);
	else
		promotion_each_replica(m->request->daemon, add_replica, &g);
	if (err->code) {
		many_refuse(m, method_exit_status(err->code), "%s", err->text);
	} else if (!json_array_size(m->volumes)) {
		many_refuse(m, 3, "no volume is %s here%s%.60s", is_planned ?
			    "replicated from" : "a replica",
			    many_name(scope) ? ", of pool " : "",
			    many_name(scope) ?: "");
	} else {
		tell_overtaken(m, overtaken);
		many_run(m);
	}
}

static void start_many(struct request *request, const json_t *overtaken)
{
	struct error err = { 0 };
	struct scope scope;
	struct many *m;

	if (!many_scope(request, &scope))
		return;
	if (check(request, &err)) {
		request_refuse(request, method_exit_status(err.code), "%s",
			       err.text);
		return;
	}
	m = many_create(request, start_one);
	if (m)
		run(m, &scope, overtaken, &err);
}

bool failover_many(struct request *request)
{
	if (!json_object_get(request->params, "pool") &&
	    !request_flag(request, "host"))
		return false;
	if (request_flag(request, "planned"))
		start_many(request, NULL);
	else
		failover_ask(request, start_many);
	return true;
}
