// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the other side of a pair asks to be given up here; the rest of it is
 * methods-route.c.
 *
 * O12 What may have been given up here, or may be yet, is never refused as if
 *    it had not: the status is that of what is not known (R9 in resolve.h).
 *    That nothing is sent by that name is said only if nothing of it is under
 *    way: who asked before need not wait for that any more.
 * O13 What is known to have been given up takes nothing more: that it was is
 *    told whoever asks, also without consent, and when it is disabled.
 */
#include "route-impl.h"

#include <string.h>

#include "daemon.h"
#include "methods.h"
#include "promotion.h"
#include "resolve.h"
#include "routing.h"

/* O9. @nr: so many are sent there by that name. NULL: none, or not one. */
static const char *name_sent(const struct pairing *p, const char *volume,
			     unsigned int *nr)
{
	const char *name = NULL;

	*nr = 0;
	for (struct entry *e = p->daemon->entries; e; e = e->next) {
		if (!route_is_sent_as(e, p, volume))
			continue;
		name = e->config->name;
		++*nr;
	}
	return *nr == 1 && p->state == PAIRING_SENDING ? name : NULL;
}

/* O12. The name here of what is not sent any more; NULL: another has it now. */
static const char *name_left(const struct pairing *p, const char *volume)
{
	return p->state == PAIRING_SENDING && volume_name_is_valid(volume) &&
	       !daemon_find(p->daemon, volume) ? volume : NULL;
}

/* What is asked for: one volume, or all of a group (K4 in methods-keep.c). */
struct taking {
	struct route_job *job;
	const struct route_verb *verb;
	const json_t *params;
	const struct pairing *pairing;
	const struct daemon *daemon;
	bool is_dry, is_group;
	unsigned int nr;
	struct taken {
		const char *there;	/* what it is to the pair */
		const char *sent;	/* name_sent() */
		const char *left;	/* name_left(), or NULL */
	} all[RESOLVE_NAMED_MOST];
};

static const char *name_of(const struct taken *t)
{
	return t->sent ?: t->left;
}

static bool is_new(const struct taking *t, const char *name)
{
	for (unsigned int i = 0; i < t->nr; i++)
		if (!strcmp(t->all[i].there, name))
			return false;
	return true;
}

/* What is asked for first is the first of the group. */
static bool take_names(struct taking *t, const char *volume)
{
	json_t *list = json_object_get(t->params, "volumes"), *one;
	size_t i;

	if (!t->is_group)
		t->all[t->nr++].there = volume;
	json_array_foreach(t->is_group ? list : NULL, i, one) {
		const char *name = json_string_value(one);

		if (i == RESOLVE_NAMED_MOST || !name ||
		    !volume_name_is_valid(name) || !is_new(t, name))
			return false;
		t->all[t->nr++].there = name;
	}
	return t->nr && !strcmp(t->all[0].there, volume);
}

static bool find_them(struct taking *t)
{
	for (unsigned int i = 0; i < t->nr; i++) {
		struct taken *one = &t->all[i];
		unsigned int nr = 0;

		one->sent = name_sent(t->pairing, one->there, &nr);
		one->left = nr ? NULL : name_left(t->pairing, one->there);
		if (nr > 1)
			return false;
	}
	return true;
}

/* Of each of them it is known (O13). */
static bool are_over(const struct taking *t)
{
	for (unsigned int i = 0; i < t->nr; i++) {
		const char *name = name_of(&t->all[i]);

		if (!name || !resolve_is_over(t->daemon, name))
			return false;
	}
	return true;
}

/* Any of them (O12). */
static bool may_be_over(const struct taking *t)
{
	for (unsigned int i = 0; i < t->nr; i++) {
		const char *name = name_of(&t->all[i]);

		if (name ? resolve_may_be_over(t->daemon, name) :
			   resolve_may_go_on(t->daemon, t->all[i].there))
			return true;
	}
	return false;
}

static json_t *describe_one(json_t *name)
{
	return json_pack("{sO sb sI sI ss}", "volume", name, "given_up_before",
			 true, "lost_bytes", (json_int_t)0, "last_committed",
			 (json_int_t)0, "salvage", "");
}

json_t *route_describe_over(json_t *names, bool is_group, bool is_dry)
{
	json_t *o = describe_one(json_array_get(names, 0)), *all, *one;
	size_t i;

	json_object_set_new(o, "schema_version", json_integer(1));
	json_object_set_new(o, "dry_run", json_boolean(is_dry));
	if (!o || !is_group)
		return o;
	all = json_array();
	json_array_foreach(names, i, one)
		json_array_append_new(all, describe_one(one));
	json_object_set_new(o, "volumes", all);
	return o;
}

/* NULL: no memory. */
static json_t *names_of(const struct taking *t)
{
	json_t *all = json_array();

	for (unsigned int i = 0; i < t->nr; i++)
		json_array_append_new(all, json_string(name_of(&t->all[i])));
	if (json_array_size(all) == t->nr)
		return all;
	json_decref(all);
	return NULL;
}

/* O13 */
static void tell_over(const struct taking *t)
{
	json_t *names = names_of(t);
	json_t *o = route_describe_over(names, t->is_group, t->is_dry);

	json_decref(names);
	route_job_end(t->job, o ? 0 : ROUTE_NOT_KNOWN, o ? NULL : "no memory",
		      o);
}

/*
 * It is not to be done (@why), or there is nothing to be done it to (NULL); by
 * O12 and O13 that is not all that can be said.
 */
static void refuse_taking(const struct taking *t, int exit_status,
			  const char *why)
{
	bool tells = !t->is_dry || !why;

	if (tells && are_over(t))
		tell_over(t);
	else if (tells && may_be_over(t))
		route_refuse_job(t->job, ROUTE_NOT_KNOWN, "it was given up "
				 "there, or may yet be");
	else if (why)
		route_refuse_job(t->job, exit_status, why);
	else
		route_refuse_job(t->job, EXIT_NOT_FOUND, "nothing of that name "
				 "is sent from there any more");
}

/* Of one that was given up before, the rest may be left to be done. */
static bool can_run_one(const struct taking *t)
{
	const struct taken *one = &t->all[0];

	return one->sent || (one->left &&
			     promotion_is_ending(t->daemon, one->left));
}

/*
 * One that is over, and disabled since, is in nobody's way. NULL: it can be
 * done to none, or to none any more.
 */
static const char *first_to_run(const struct taking *t)
{
	const char *first = NULL;
	bool is_whole = true;

	for (unsigned int i = 0; i < t->nr; i++) {
		const struct taken *one = &t->all[i];

		if (one->sent ? promotion_is_ending(t->daemon, one->sent) :
		    !one->left || !resolve_is_over(t->daemon, one->left))
			return NULL;
		first = first ?: one->sent;
		is_whole &= !!one->sent;
	}
	return is_whole || !are_over(t) ? first : NULL;
}

static void run_group(const struct taking *t, const char *first)
{
	json_t *said = json_copy((json_t *)t->params);

	if (!json_object_set_new(said, "volumes", names_of(t)))
		route_run_here(t->job, t->verb, first, said);
	else
		route_job_end(t->job, EXIT_FAILED_, "no memory", NULL);
	json_decref(said);
}

static void run(const struct taking *t)
{
	const char *first = t->is_group ? first_to_run(t) : NULL;

	if (first)
		run_group(t, first);
	else if (!t->is_group && can_run_one(t))
		route_run_here(t->job, t->verb, name_of(&t->all[0]),
			       t->params);
	else
		refuse_taking(t, EXIT_FAILED_, NULL);
}

void route_run_taking(struct route_job *job, const struct route_verb *verb,
		      const char *volume, const json_t *params)
{
	const struct routing *x = job->route->arg;
	struct taking t = {
		.job = job,
		.verb = verb,
		.params = params,
		.pairing = x->pairing,
		.daemon = x->pairing->daemon,
		.is_dry = route_changes_nothing(verb, params),
		.is_group = verb->is_of_group,
	};
	int exit_status;
	const char *why = route_check_job(t.pairing, verb, params,
					  &exit_status);

	if (!take_names(&t, volume ?: ""))
		route_refuse_job(job, EXIT_USAGE_, "what it is to be done to "
				 "makes no sense there");
	else if (!find_them(&t))
		route_refuse_job(job, EXIT_FAILED_, "more than one is sent "
				 "from there by that name");
	else if (why)
		refuse_taking(&t, exit_status, why);
	else
		run(&t);
}
