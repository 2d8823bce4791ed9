// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve --keep local: this site's data are kept, and the other one is asked
 * to give the volume up, or its whole group, by their pair (routing.h).
 *
 *	here:	keep_local() -> op_status() -> choose() -> resolve_local_begin()
 *		-> routing_ask() -> on_answer() -> resolve_local_end()
 *	there:	routing_run() -> do_give_up() -> on_given_up()
 *
 * K1 Only who was promoted from what a pair sends asks, and asks by that pair,
 *    as it was then: who sends there is superseded by it. What this volume
 *    sends to another pair itself may be in doubt, too: that site does not know
 *    this one as a successor, and is not asked.
 * K2 Nobody is chosen where there is a choice: with two sites it is in doubt
 *    with, --pair says which.
 * K3 What is given up, or may be, is no error (O12): whatever else has failed
 *    there, the status is that of what is not known. Any other refusal of who
 *    has looked is definite: nothing of it was done, nor will be, however often
 *    it was asked for (R9 in resolve.h).
 * K4 A group is asked for by all of its names, as it was promoted: none of them
 *    is given up there without the others (R6, R10). All are noted before
 *    anybody is told of one; who answers has looked for each of them.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "local-stage.h"
#include "ops.h"
#include "pair.h"
#include "pairing.h"
#include "promotion.h"
#include "resolve.h"
#include "routing.h"
#include "status.h"

#define WAIT_MS	30000

enum exit_status { EXIT_FAILED_ = 1, EXIT_NOT_FOUND = 3, EXIT_REFUSED = 5,
		   EXIT_PERMISSION = 7 };

/* --- there ---------------------------------------------------------------- */

/* All that were asked for, or NULL: only one was. Borrowed. */
static json_t *names_of(const struct request *request)
{
	return json_object_get(request->params, "volumes");
}

static bool is_any(json_t *names, const struct daemon *daemon,
		   bool (*is)(const struct daemon *daemon, const char *volume))
{
	json_t *one;
	size_t i;

	json_array_foreach(names, i, one)
		if (is(daemon, json_string_value(one)))
			return true;
	return false;
}

/* Nor is it where its promotion has not ended yet. */
static bool is_not_over(const struct daemon *daemon, const char *volume)
{
	return !resolve_is_over(daemon, volume) ||
	       promotion_is_ending(daemon, volume);
}

/* K3: what is refused by who has looked is EXIT_REFUSED. @names: of all. */
static void refuse_there(struct request *request, json_t *names,
			 const struct error *err)
{
	const struct daemon *daemon = request->daemon;
	bool is_dry = request_flag(request, "dry_run");

	if (!is_dry && !is_any(names, daemon, is_not_over))
		request_answer(request, route_describe_over(
				       names, names_of(request), is_dry));
	else if (!is_dry && is_any(names, daemon, resolve_may_be_over))
		request_refuse(request, ROUTE_NOT_KNOWN, "it was given up, or "
			       "may yet be: %s", err->text);
	else
		request_refuse(request, EXIT_REFUSED, "%s", err->text[0] ?
			       err->text : strerror(-err->code));
}

/* What is too long to be sent would not be known to be done. */
static void shorten(json_t *result)
{
	json_t *one;
	size_t i;

	if (json_dumpb(result, NULL, 0, JSON_COMPACT) <= ROUTE_ANSWER)
		return;
	json_object_set_new(result, "salvage", json_string(""));
	json_array_foreach(json_object_get(result, "volumes"), i, one)
		json_object_set_new(one, "salvage", json_string(""));
}

static void on_given_up(void *arg, json_t *result, const struct error *err)
{
	struct request *request = arg;
	json_t *names = names_of(request) ? json_incref(names_of(request)) :
			json_pack("[s]", request_text(request, "volume"));

	shorten(result);
	if (!err)
		request_answer(request, result);
	else if (names)
		refuse_there(request, names, err);
	else
		request_refuse(request, ROUTE_NOT_KNOWN, "no memory");
	json_decref(names);
}

/* Those that are here still: what is over may be disabled. */
static json_t *those_here(const struct request *request)
{
	json_t *here = names_of(request) ? json_array() : NULL, *one;
	size_t i;

	json_array_foreach(names_of(request), i, one)
		if (daemon_find(request->daemon, json_string_value(one)))
			json_array_append(here, one);
	return here;
}

void do_give_up(struct request *request)
{
	const struct resolve_request q = {
		.volume = request_text(request, "volume"),
		.is_dry = request_flag(request, "dry_run"),
		.is_group = names_of(request),
		.is_asked = true,
		.named = those_here(request),
		.wait_ms = WAIT_MS,
	};

	if (q.is_group && !json_array_size(q.named))	/* K4 */
		request_refuse(request, EXIT_FAILED_, "no memory");
	else
		resolve_keep_peer(request->daemon, &q, on_given_up, request);
	json_decref(q.named);
}

/* --- here: whom ----------------------------------------------------------- */

struct keep {
	struct request *request;
	struct daemon *daemon;
	char pair[PAIRING_NAME_LEN];
	bool is_dry, is_group;
	unsigned int nr, nr_begun;
	struct resolve_local all[RESOLVE_NAMED_MOST];
};

enum { NOBODY_TOLD = -1 };

/* R9, K4: is it known by that answer what became of @l? */
static bool is_known(const struct resolve_local *l, int exit_status)
{
	if (exit_status == NOBODY_TOLD)
		return !l->was_noted;
	if (!l->was_noted)
		return exit_status != ROUTE_NOT_KNOWN;
	return !exit_status || exit_status == EXIT_NOT_FOUND ||
	       exit_status == EXIT_REFUSED || exit_status == EXIT_PERMISSION;
}

static bool are_known(const struct keep *k, int exit_status)
{
	for (unsigned int i = 0; i < k->nr_begun; i++)
		if (!is_known(&k->all[i], exit_status))
			return false;
	return true;
}

/* The request was answered: as the other site has, or NOBODY_TOLD. */
static void end(struct keep *k, int exit_status)
{
	struct daemon *daemon = k->daemon;

	for (unsigned int i = 0; i < k->nr_begun; i++)
		resolve_local_end(daemon, &k->all[i],
				  is_known(&k->all[i], exit_status));
	free(k);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

/* K1. The stage, too: another pair may have got the name of a revoked one. */
struct pairing *route_successor_of(const struct daemon *daemon,
				    const char *volume)
{
	const struct promotion *r = promotion_find(daemon, volume);
	struct pairing *p = r && r->state == PROMOTION_DONE ?
			    pairing_find(daemon, r->record.pair) : NULL;
	const char *dir = p && p->state == PAIRING_SERVING ?
			  promotion_stage_of(p) : NULL;

	return dir && local_stage_is_same_dir(dir, r->record.dir) &&
	       promotion_has_replica(p, volume) ? p : NULL;
}

static bool is_in_doubt(const struct daemon *daemon, const char *volume,
			const json_t *status)
{
	const char *state = json_string_value(json_object_get(status, "state"));
	const struct entry *entry = daemon_find(daemon, volume);

	if (entry && !entry->reactor)
		return entry->err == -ESTALE || entry->err == -ENOTUNIQ;
	if (json_is_true(json_object_get(status, "taken_over_elsewhere")))
		return false;
	return state && (!strcmp(state, pair_state_name(PAIR_SUPERSEDED)) ||
			 !strcmp(state, pair_state_name(PAIR_SPLIT_BRAIN)));
}

static bool is_pair(const struct pairing *p, const char *name)
{
	return p && !strcmp(p->record.name, name);
}

static int say_none(const char *volume, const struct pairing *doubt,
		    struct error *err)
{
	if (!doubt)
		return error_set(err, -EINVAL, "%.60s: it is neither promoted "
				 "here nor in doubt, or its pair is revoked: "
				 "no other site can be asked; there, "
				 "replicactl resolve --keep peer", volume);
	return error_set(err, -EINVAL, "%.60s: it is in doubt with the other "
			 "side of the pair %s, but only who was promoted "
			 "over another site can ask that one: to give up "
			 "what is here, replicactl resolve --keep peer",
			 volume, doubt->record.name);
}

/* K1, K2. @doubt: the pair that it is sent to and in doubt with, or NULL. */
static struct pairing *choose(struct keep *k, const char *volume,
			      struct pairing *doubt, struct error *err)
{
	const char *wanted = request_text(k->request, "pair");
	struct pairing *p = route_successor_of(k->daemon, volume);

	if (!p || (wanted && is_pair(doubt, wanted))) {
		say_none(volume, doubt, err);
		return NULL;
	}
	if (wanted && !is_pair(p, wanted)) {
		error_set(err, -EINVAL, "%.60s: it was promoted over the other "
			  "side of the pair %s, and is not in doubt with that "
			  "of %.60s", volume, p->record.name, wanted);
		return NULL;
	}
	if (!wanted && doubt) {
		error_set(err, -EINVAL, "%.60s: it was promoted over the other "
			  "side of the pair %s, and is in doubt with that of "
			  "%s, too: say --pair %s if it is the first that is "
			  "to give it up", volume, p->record.name,
			  doubt->record.name, p->record.name);
		return NULL;
	}
	return p;
}

/* --- here: asking --------------------------------------------------------- */

static void refuse(struct keep *k, int exit_status, const char *text)
{
	bool is_open = !are_known(k, exit_status);
	char why[400];

	snprintf(why, sizeof(why), "%s", text ?: "no memory");
	route_text_printable(why);
	request_refuse(k->request, exit_status ?: EXIT_FAILED_, "at the other "
		       "side of the pair %s: %s%s", k->pair, why, is_open ?
		       ": until that is known this site gives nothing of it "
		       "up; ask again" : "");
}

static void on_answer(void *arg, int exit_status, const char *text,
		      json_t *result)
{
	struct keep *k = arg;
	json_t *answer = exit_status ? NULL : json_deep_copy(result), *one;
	size_t i;

	route_make_printable(answer);
	json_object_set_new(answer, "pair", json_string(k->pair));
	json_array_foreach(json_object_get(answer, "volumes"), i, one)
		json_object_set_new(one, "pair", json_string(k->pair));
	if (answer)
		request_answer(k->request, answer);
	else
		refuse(k, exit_status, text);
	end(k, exit_status);
}

static int add(struct keep *k, const char *volume, struct error *err)
{
	if (k->nr == RESOLVE_NAMED_MOST)
		return error_set(err, -E2BIG, "more than %u volumes cannot be "
				 "asked for at once: there, replicactl resolve "
				 "%.60s --group --keep peer",
				 RESOLVE_NAMED_MOST, volume);
	snprintf(k->all[k->nr++].volume, sizeof(k->all[0].volume), "%s",
		 volume);
	return 0;
}

static bool was_with(const struct promotion *a, const struct promotion *b)
{
	return !strcmp(a->record.group, b->record.group) &&
	       !strcmp(a->record.dir, b->record.dir) &&
	       a->record.generation == b->record.generation;
}

/* K4. What was asked for is the first. */
static int take_group(struct keep *k, const char *volume, struct error *err)
{
	const struct promotion *first = promotion_find(k->daemon, volume), *r;
	const char *group = first ? first->record.group : "";
	int ret = add(k, volume, err);

	if (!k->is_group || !*group)
		return ret;
	for (r = k->daemon->promotions; !ret && r; r = r->next)
		if (r != first && was_with(first, r) &&
		    promotion_find(k->daemon, r->record.volume) == r)
			ret = add(k, r->record.volume, err);
	return ret;
}

/* K4: before anybody is told. */
static int begin(struct keep *k, const struct pairing *p, struct error *err)
{
	int ret = 0;

	snprintf(k->pair, sizeof(k->pair), "%s", p->record.name);
	for (unsigned int i = 0; !ret && !k->is_dry && i < k->nr; i++) {
		struct resolve_local *l = &k->all[i];

		snprintf(l->note.pair, sizeof(l->note.pair), "%s",
			 p->record.name);
		snprintf(l->note.id, sizeof(l->note.id), "%s", p->record.id);
		ret = resolve_local_begin(k->daemon, l, err);
		k->nr_begun += !ret;
	}
	return ret;
}

/* There they have the names that they have in the stage, as here. */
static int ask(struct keep *k, struct pairing *p, struct error *err)
{
	json_t *names = json_array(), *params;

	for (unsigned int i = 0; i < k->nr; i++)
		json_array_append_new(names, json_string(k->all[i].volume));
	params = json_pack("{ss sb sO}", "volume", k->all[0].volume, "dry_run",
			   k->is_dry, "volumes", names);
	if (!params || json_array_size(names) != k->nr) {
		json_decref(names);
		json_decref(params);
		return error_set(err, -ENOMEM, "no memory");
	}
	json_decref(names);
	if (!k->is_group)
		json_object_del(params, "volumes");
	return routing_ask(p->routing, k->is_group ? "give_up_group" :
			   "give_up", k->is_dry, params, on_answer, k, err);
}

/* The pair that @volume is sent to, if it is in doubt with that one; NULL. */
static struct pairing *doubt_of(const struct daemon *daemon,
				const char *volume, json_t *result)
{
	json_t *status = status_all(daemon, result, volume);
	struct pairing *doubt = NULL;

	if (!route_name_there(daemon, volume, &doubt) ||
	    !is_in_doubt(daemon, volume, json_array_get(json_object_get(
				 status, "volumes"), 0)))
		doubt = NULL;
	json_decref(status);
	return doubt;
}

/* Of a group, all are chosen for the same pair. */
static struct pairing *choose_all(struct keep *k, json_t *result,
				  struct error *err)
{
	const char *volume = request_text(k->request, "volume");
	struct pairing *p = NULL, *one;
	int ret = take_group(k, volume, err);

	for (unsigned int i = 0; !ret && i < k->nr; i++) {
		volume = k->all[i].volume;
		one = choose(k, volume, doubt_of(k->daemon, volume, result),
			     err);
		if (!one)
			return NULL;
		if (p && one != p)
			ret = error_set(err, -EINVAL, "%.60s was promoted over "
					"another site", volume);
		p = one;
	}
	return ret ? NULL : p;
}

/* What was refused before anybody was told says nothing of what was before. */
static void on_status_here(struct op *op)
{
	struct keep *k = op->arg;
	struct pairing *p = NULL;
	struct error err = { 0 };

	if (op->daemon->is_stopping)
		error_set(&err, -ESHUTDOWN, "replicad is stopping");
	else
		p = choose_all(k, op->result, &err);
	if (!p || begin(k, p, &err) || ask(k, p, &err)) {
		request_refuse(k->request, method_exit_status(err.code), "%s",
			       err.text);
		end(k, NOBODY_TOLD);
	}
	op_free(op);
}

void keep_local(struct request *request)
{
	struct keep *k = calloc(1, sizeof(*k));

	if (!k) {
		request_refuse(request, EXIT_FAILED_, "no memory");
		return;
	}
	k->request = request;
	k->daemon = request->daemon;
	k->is_dry = request_flag(request, "dry_run");
	k->is_group = request_flag(request, "group");
	k->daemon->nr_methods++;
	if (op_status(k->daemon, k->is_group ? NULL :
		      request_text(request, "volume"), on_status_here, k))
		return;
	request_refuse(request, EXIT_FAILED_, "no memory");
	end(k, NOBODY_TOLD);
}
