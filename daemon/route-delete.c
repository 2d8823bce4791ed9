// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * delete --any-site: what is active at the other side of a pair is deleted
 * there; the rest of it is methods-route.c.
 *
 *	here:	route_delete() -> its id: of NAME.id (superseded), or
 *		[do_delete_replica(), dry] of the header in the stage (a
 *		replica) -> route_ask_there()
 *	there:	routing_run() -> route_run_delete() -> [status] ->
 *		do_delete_asked() -> do_delete()
 *
 * N1 Who asks says by volume_id what it means: what it has itself of that
 *    volume. None but that is deleted: a name may come again, also while a verb
 *    is on its way, and two may be sent by one.
 * N2 It is sent to that pair by that name, or was promoted of what the pair
 *    sent, in the stage that it has; it is active and usable, and all of that,
 *    with the consent, is so still when the status has come.
 * N3 What is there still is never said to be not found: who asks would take it
 *    for gone.
 * N4 Not of a group: its members may be of others by now.
 * N5 Who says any_site means what is active: what is here is deleted only if it
 *    is, and no other site is known to have it.
 */
#include "route-impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "identity.h"
#include "local-stage.h"
#include "methods.h"
#include "ops.h"
#include "promotion.h"
#include "status.h"

#define EXIT_REFUSED 5

/* --- there ---------------------------------------------------------------- */

static bool has_id(const struct daemon *daemon, const char *volume,
		   const char *wanted)
{
	struct identity id;
	char text[33];

	if (!identity_is_kept(daemon->config.state_dir, volume) ||
	    identity_load(&id, daemon->config.state_dir, volume))
		return false;
	identity_print(text, id.volume_id);
	return !strcmp(text, wanted);
}

static bool was_sent_by(const struct pairing *p, const char *volume)
{
	const struct promotion *r = promotion_find(p->daemon, volume);
	const char *dir = promotion_stage_of(p);

	return r && r->state == PROMOTION_DONE && dir &&
	       p->state == PAIRING_SERVING &&
	       !strcmp(r->record.pair, p->record.name) &&
	       local_stage_is_same_dir(dir, r->record.dir);
}

/* N1, N2: its name here; NULL: there is none. */
static const char *find_here(const struct pairing *p, const char *volume,
			     const char *id)
{
	for (struct entry *e = p->daemon->entries; e; e = e->next) {
		const char *export = pairing_target_export(e->config->target,
							   p->record.name);

		if (export && p->state == PAIRING_SENDING &&
		    !strcmp(*export ? export : e->config->name, volume) &&
		    has_id(p->daemon, e->config->name, id))
			return e->config->name;
	}
	return was_sent_by(p, volume) && has_id(p->daemon, volume, id) ?
	       volume : NULL;
}

/* N3 */
static void refuse_delete(struct route_job *job, const struct pairing *p,
			  const char *volume)
{
	if (route_was_made_here(p->daemon, volume) ||
	    daemon_find(p->daemon, volume) ||
	    promotion_find(p->daemon, volume))
		route_refuse_job(job, EXIT_REFUSED, "one of that name is "
				 "there, and is another one, or is not sent to "
				 "that pair any more: only there can it be "
				 "deleted");
	else if (promotion_has_replica(p, volume))
		route_refuse_job(job, EXIT_NOT_HERE, "it is not active there, "
				 "either: it is a replica");
	else
		route_refuse_job(job, EXIT_NOT_FOUND, "the pair has no such "
				 "volume there");
}

void route_run_delete(struct route_job *job, const struct route_verb *verb,
		      struct pairing *p, const json_t *params)
{
	const char *volume = json_string_value(json_object_get(params,
							       "volume"));
	const char *id = json_string_value(json_object_get(params,
							   "volume_id"));
	const char *name, *why;
	int exit_status;
	json_t *said;

	why = route_check_job(p, verb, params, &exit_status);
	if (why) {
		route_refuse_job(job, exit_status, why);
		return;
	}
	if (!volume || !volume_name_is_valid(volume) || !id) {
		route_refuse_job(job, EXIT_USAGE_, "what is to be deleted "
				 "makes no sense there");
		return;
	}
	name = find_here(p, volume, id);
	if (!name) {
		refuse_delete(job, p, volume);
		return;
	}
	said = json_copy((json_t *)params);
	json_object_set_new(said, "pair_id", json_string(p->record.id));
	json_object_set_new(said, "export", json_string(volume));
	route_run_here(job, verb, name, said);
	json_decref(said);
}

/* N2: after the status. */
void do_delete_asked(struct request *request)
{
	const char *asked = request_text(request, "pair_id");
	const char *volume = request_text(request, "volume"), *name;
	struct pairing *p = asked ? request->daemon->pairings : NULL;
	const char *why = "its pair has ended there";
	int exit_status = EXIT_FAILED_;

	while (p && strcmp(p->record.id, asked))
		p = p->next;
	if (p)
		why = route_check_job(p, route_find_verb("delete"),
				      request->params, &exit_status);
	if (why) {
		request_refuse(request, exit_status, "%s", why);
		return;
	}
	name = find_here(p, request_text(request, "export"),
			 request_text(request, "volume_id"));
	if (name && !strcmp(name, volume))
		do_delete(request);
	else
		request_refuse(request, EXIT_REFUSED, "%.60s is not sent to "
			       "that pair any more", volume);
}

/* --- here ----------------------------------------------------------------- */

/* What is deleted at the other side of ->pair, if ->id is known. */
struct hunt {
	struct request *request;
	struct daemon *daemon;
	char pair[64];
	char volume[64];		/* what it is to the pair */
};

static void end(struct hunt *x)
{
	struct daemon *daemon = x->daemon;

	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void refuse(struct hunt *x, int exit_status, const char *why)
{
	request_refuse(x->request, exit_status, "%.60s: %s", x->volume, why);
	end(x);
}

/* The pair may have gone meanwhile. */
static void ask(struct hunt *x, const char *id)
{
	struct pairing *p = pairing_find(x->daemon, x->pair);

	if (!p || x->daemon->is_stopping) {
		refuse(x, EXIT_FAILED_, "its pair has ended");
		return;
	}
	json_object_del(x->request->params, "group");
	json_object_set_new(x->request->params, "volume_id", json_string(id));
	route_ask_there(x->request, route_find_verb("delete"), p, x->volume);
	end(x);
}

/* By STATE_DIR/NAME.id. */
static void ask_superseded(struct hunt *x)
{
	const char *name = request_text(x->request, "volume");
	struct identity id;
	char text[33];

	if (identity_load(&id, x->daemon->config.state_dir, name)) {
		refuse(x, EXIT_FAILED_, "what it is cannot be read: NAME.id");
		return;
	}
	identity_print(text, id.volume_id);
	ask(x, text);
}

/* By the header in the stage. */
static void on_looked(void *arg, int exit_status, const char *text,
		      json_t *result)
{
	struct hunt *x = arg;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result, "volumes"), i, one) {
		const char *id = json_string_value(json_object_get(one,
							"volume_id"));
		const char *name = json_string_value(json_object_get(one,
							"volume"));

		if (id && name && !strcmp(name, x->volume)) {
			ask(x, id);
			return;
		}
	}
	refuse(x, exit_status ?: EXIT_FAILED_, text ?: "its stage has nothing "
	       "of it yet: who it is is not known");
}

static void look(struct hunt *x, const char *dir)
{
	json_t *params = json_pack("{ss ss sb sb}", "volume", x->volume, "dir",
				   dir, "group", 1, "dry_run", 1);
	struct request *request = request_create(x->daemon, params, on_looked,
						 x);

	if (request)
		do_delete_replica(request);
	else
		refuse(x, EXIT_FAILED_, "no memory");
}

static void on_status(struct op *op)
{
	struct hunt *x = op->arg;
	const char *volume = request_text(x->request, "volume");
	json_t *status = status_all(op->daemon, op->result, volume);

	if (route_is_superseded(op->daemon, volume, json_array_get(
				json_object_get(status, "volumes"), 0))) {
		ask_superseded(x);
	} else {
		method_if_usable(x->request, do_delete);
		end(x);
	}
	json_decref(status);
	op_free(op);
}

static struct hunt *create(struct request *request, const struct pairing *p,
			   const char *name)
{
	struct hunt *x = calloc(1, sizeof(*x));

	if (!x) {
		request_refuse(request, EXIT_FAILED_, "no memory");
		return NULL;
	}
	x->request = request;
	x->daemon = request->daemon;
	snprintf(x->pair, sizeof(x->pair), "%s", p->record.name);
	snprintf(x->volume, sizeof(x->volume), "%s", name);
	x->daemon->nr_methods++;
	return x;
}

/* N5. Nobody sends it from here, nor was it promoted here. */
static void delete_private(struct request *request, const char *volume)
{
	const char *state_dir = request->daemon->config.state_dir;
	struct identity id;
	bool is_kept = identity_is_kept(state_dir, volume);

	if (promotion_is_replica(request->daemon, volume))
		request_refuse(request, EXIT_NOT_HERE, "%s is a replica here, "
			       "and where it is active is not known", volume);
	else if (is_kept && (identity_load(&id, state_dir, volume) ||
			     id.given_up != GIVEN_UP_NO ||
			     id.taken_over != TAKEN_OVER_NO))
		request_refuse(request, EXIT_NOT_HERE, "%s was given up here, "
			       "or taken over elsewhere: where it is active is "
			       "not known; without any_site, what is here is "
			       "deleted", volume);
	else
		do_delete(request);
}

static void delete_unsent(struct request *request, const char *volume)
{
	struct daemon *daemon = request->daemon;
	struct pairing *p = NULL;
	unsigned int nr = 0;
	struct hunt *x;

	for (struct pairing *o = daemon->pairings; o; o = o->next)
		if (promotion_pair_has_active(o, volume) && !nr++)
			p = o;
	if (nr > 1) {
		request_refuse(request, EXIT_REFUSED, "more than one pair has "
			       "a replica %s here: say at the other site which "
			       "is meant", volume);
	} else if (!p) {
		delete_private(request, volume);
	} else {
		x = create(request, p, volume);
		if (x)
			look(x, promotion_stage_of(p));
	}
}

static void delete_entry(struct request *request, const char *volume)
{
	struct pairing *p = NULL;
	const char *name = route_name_there(request->daemon, volume, &p);
	struct hunt *x = name ? create(request, p, name) : NULL;

	if (!name)
		method_if_usable(request, do_delete);
	else if (x && !op_status(request->daemon, volume, on_status, x))
		refuse(x, EXIT_FAILED_, "no memory");
}

bool route_delete(struct request *request)
{
	const char *volume = request_text(request, "volume");
	struct daemon *daemon = request->daemon;

	if (!request_flag(request, "any_site") || !volume ||
	    !volume_name_is_valid(volume))
		return false;
	if (request_flag(request, "group"))
		request_refuse(request, EXIT_USAGE_, "a group is deleted where "
			       "it is active, without any_site");
	else if (daemon_find(daemon, volume))
		delete_entry(request, volume);
	else if (promotion_find(daemon, volume))
		method_if_usable(request, do_delete);
	else
		delete_unsent(request, volume);
	return true;
}
