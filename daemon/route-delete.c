// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * delete --any-site: what is active at the other side of a pair is deleted
 * there; the rest of it is methods-route.c.
 *
 *	here:	route_delete() -> its id: of NAME.id (superseded), or of the
 *		header in the stage [look] (a replica) -> route_ask_there()
 *	there:	routing_run() -> route_run_delete() -> [status] ->
 *		do_delete_asked() -> do_delete() -> on_deleted()
 *
 * N1 Who asks says by volume_id what it means: what it has itself of that
 *    volume. None but that is deleted: a name may come again, also while a verb
 *    is on its way, and two may be sent by one.
 * N2 It is sent to that pair by that name, or was promoted of what the pair
 *    sent, in the stage that it has; it is active and usable, and all of that,
 *    with the consent, is so still when the status has come.
 * N3 What is there still, or cannot be looked at, is never said to be not
 *    found: who asks would take it for gone.
 * N4 Not of a group: its members may be of others by now.
 * N5 Who says any_site means what is active: what is here is deleted only if it
 *    is, and no other site is known to have it; also when it is disabled.
 */
#include "route-impl.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "identity.h"
#include "made.h"
#include "methods.h"
#include "ops.h"
#include "promotion.h"
#include "stage.h"
#include "stage-io.h"
#include "status.h"

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

/* N5. What was active here, and is not sent any more, may be elsewhere. */
static bool may_be_elsewhere(const struct daemon *daemon, const char *volume)
{
	const char *state_dir = daemon->config.state_dir;
	struct identity id;

	return identity_is_kept(state_dir, volume) &&
	       (identity_load(&id, state_dir, volume) ||
		id.given_up != GIVEN_UP_NO || id.taken_over != TAKEN_OVER_NO);
}

static bool was_sent_by(const struct pairing *p, const char *volume)
{
	return route_successor_of(p->daemon, volume) == p &&
	       (daemon_find(p->daemon, volume) ||
		!may_be_elsewhere(p->daemon, volume));
}

/* N1, N2: its name here; NULL: there is none. */
static const char *find_here(const struct pairing *p, const char *volume,
			     const char *id)
{
	for (struct entry *e = p->daemon->entries; e; e = e->next)
		if (p->state == PAIRING_SENDING &&
		    route_is_sent_as(e, p, volume) &&
		    has_id(p->daemon, e->config->name, id))
			return e->config->name;
	return was_sent_by(p, volume) && has_id(p->daemon, volume, id) ?
	       volume : NULL;
}

struct search {
	const struct daemon *daemon;
	const char *id;
	bool is_found;
};

static void look_at_made(void *arg, const char *volume)
{
	struct search *x = arg;

	x->is_found |= has_id(x->daemon, volume, x->id);
}

/* N3: by whatever name. */
static bool is_still_there(const struct pairing *p, const char *volume,
			   const char *id)
{
	struct search x = { .daemon = p->daemon, .id = id };

	for (struct entry *e = p->daemon->entries; e; e = e->next)
		x.is_found |= route_is_sent_as(e, p, volume) ||
			      has_id(p->daemon, e->config->name, id);
	for (struct promotion *r = p->daemon->promotions; r; r = r->next)
		x.is_found |= has_id(p->daemon, r->record.volume, id);
	made_each(p->daemon->config.state_dir, look_at_made, &x);
	return x.is_found || route_was_made_here(p->daemon, volume) ||
	       daemon_find(p->daemon, volume) ||
	       promotion_find(p->daemon, volume);
}

static void refuse_delete(struct route_job *job, const struct pairing *p,
			  const char *volume, const char *id)
{
	if (is_still_there(p, volume, id))
		route_refuse_job(job, EXIT_REFUSED, "what is there is another "
				 "one, or is not sent to that pair any more, or "
				 "may be active elsewhere: only there can it be "
				 "deleted");
	else if (promotion_has_replica(p, volume))
		route_refuse_job(job, EXIT_NOT_HERE, "it is not active there, "
				 "either: it is a replica");
	else
		route_refuse_job(job, EXIT_NOT_FOUND, "the pair has no such "
				 "volume there");
}

void route_run_delete(struct route_job *job, const struct route_verb *verb,
		      const char *volume, const json_t *params)
{
	const struct pairing *p = route_pairing_of(job);
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
		refuse_delete(job, p, volume, id);
		return;
	}
	said = json_copy((json_t *)params);
	json_object_set_new(said, "pair_id", json_string(p->record.id));
	json_object_set_new(said, "export", json_string(volume));
	route_run_here(job, verb, name, said);
	json_decref(said);
}

/* N3: it was there. */
static void on_deleted(void *arg, int exit_status, const char *text,
		       json_t *result)
{
	struct request *asked = arg;

	if (!exit_status)
		request_answer(asked, json_incref(result));
	else
		request_refuse(asked, exit_status == EXIT_NOT_FOUND ?
			       EXIT_REFUSED : exit_status, "%s", text ?:
			       "no memory");
}

static void delete_asked(struct request *asked)
{
	json_t *params = json_pack("{ss sb sb}", "volume",
				   request_text(asked, "volume"), "disable",
				   request_flag(asked, "disable"), "dry_run",
				   request_flag(asked, "dry_run"));
	struct request *request = request_create(asked->daemon, params,
						 on_deleted, asked);

	if (request)
		do_delete(request);
	else
		request_refuse(asked, EXIT_FAILED_, "no memory");
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
		delete_asked(request);
	else
		request_refuse(request, EXIT_REFUSED, "%.60s is not sent to "
			       "that pair any more", volume);
}

/* --- here ----------------------------------------------------------------- */

/* N5. Nobody sends it from here, nor was it promoted here. */
static void delete_private(struct request *request)
{
	const char *volume = request_text(request, "volume");

	if (promotion_is_replica(request->daemon, volume) &&
	    !promotion_find(request->daemon, volume))
		request_refuse(request, EXIT_NOT_HERE, "%s is a replica here, "
			       "and where it is active is not known", volume);
	else if (may_be_elsewhere(request->daemon, volume))
		request_refuse(request, EXIT_NOT_HERE, "%s was given up here, "
			       "or taken over elsewhere: where it is active is "
			       "not known; without any_site, what is here is "
			       "deleted", volume);
	else
		do_delete(request);
}

/* After the status, which may be of a moment ago. */
static void delete_usable(struct request *request)
{
	if (request->daemon->is_stopping)
		request_refuse(request, EXIT_FAILED_, "replicad is stopping");
	else if (daemon_find(request->daemon, request_text(request, "volume")))
		do_delete(request);
	else
		delete_private(request);
}

/* What is deleted at the other side of ->pair, if its id is known. */
struct hunt {
	struct request *request;
	struct daemon *daemon;
	char pair[PAIRING_NAME_LEN];
	char volume[STAGE_NAME_LEN];	/* what it is to the pair */
	char dir[PATH_MAX];		/* of a replica: its stage */
	char id[33];			/* "": not known yet */
	struct ring_job job;
	struct error err;
};

static void end(struct hunt *x)
{
	struct daemon *daemon = x->daemon;

	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void refuse(struct hunt *x, const char *why)
{
	request_refuse(x->request, EXIT_FAILED_, "%.60s: %s",
		       request_text(x->request, "volume"), why);
	end(x);
}

/* The pair may have gone meanwhile. */
static void ask(struct hunt *x)
{
	struct pairing *p = pairing_find(x->daemon, x->pair);

	if (!p || x->daemon->is_stopping) {
		refuse(x, "its pair has ended, or replicad is stopping");
		return;
	}
	json_object_del(x->request->params, "group");
	json_object_set_new(x->request->params, "volume_id",
			    json_string(x->id));
	route_ask_there(x->request, route_find_verb("delete"), p, x->volume);
	end(x);
}

/* By STATE_DIR/NAME.id. */
static void ask_superseded(struct hunt *x)
{
	const char *name = request_text(x->request, "volume");
	const char *state_dir = x->daemon->config.state_dir;
	struct identity id;

	if (!identity_is_kept(state_dir, name) ||
	    identity_load(&id, state_dir, name)) {
		refuse(x, "who it is cannot be read (NAME.id)");
		return;
	}
	identity_print(x->id, id.volume_id);
	ask(x);
}

/* By the header in the stage, which others may have open. */
static void look_blocking(struct ring_job *job)
{
	struct hunt *x = container_of(job, struct hunt, job);
	const struct stage_options view = { .io = &stage_view_io };
	struct stage_volume *v;
	struct stage_info info;
	struct stage *s;

	if (stage_open(&s, x->dir, &view, &x->err))
		return;
	v = stage_find(s, x->volume);
	if (v)
		stage_get_info(v, &info);
	if (v && info.header.seq)
		identity_print(x->id, info.header.volume_id);
	stage_close(s);
}

static void on_looked(struct ring_job *job)
{
	struct hunt *x = container_of(job, struct hunt, job);

	if (x->id[0])
		ask(x);
	else
		refuse(x, x->err.code ? x->err.text : "its stage has nothing "
		       "of it yet: who it is is not known");
}

static void look(struct hunt *x)
{
	x->job.blocking = look_blocking;
	x->job.done = on_looked;
	if (ring_job_start(x->daemon->reactors[0].ring, &x->job))
		refuse(x, "no thread");
}

static void on_status(struct op *op)
{
	struct hunt *x = op->arg;
	const char *volume = request_text(x->request, "volume");
	json_t *status = status_all(op->daemon, op->result, volume);

	if (op->daemon->is_stopping) {
		refuse(x, "replicad is stopping");
	} else if (route_is_superseded(op->daemon, volume, json_array_get(
				       json_object_get(status, "volumes"),
				       0))) {
		ask_superseded(x);
	} else {
		method_if_usable(x->request, delete_usable);
		end(x);
	}
	json_decref(status);
	op_free(op);
}

static struct hunt *create(struct request *request, const struct pairing *p,
			   const char *name)
{
	const char *dir = promotion_stage_of(p);
	struct hunt *x = calloc(1, sizeof(*x));

	if (!x) {
		request_refuse(request, EXIT_FAILED_, "no memory");
		return NULL;
	}
	x->request = request;
	x->daemon = request->daemon;
	snprintf(x->pair, sizeof(x->pair), "%s", p->record.name);
	snprintf(x->volume, sizeof(x->volume), "%s", name);
	snprintf(x->dir, sizeof(x->dir), "%s", dir ?: "");
	x->daemon->nr_methods++;
	return x;
}

static void delete_unsent(struct request *request, const char *volume)
{
	struct daemon *daemon = request->daemon;
	struct pairing *p = NULL;
	unsigned int nr = 0;
	struct hunt *x;

	for (struct pairing *o = daemon->pairings; o; o = o->next)
		if (promotion_serves_replica(o, volume) && !nr++)
			p = o;
	if (nr > 1) {
		request_refuse(request, EXIT_REFUSED, "more than one pair has "
			       "a replica %s here: say at the other site which "
			       "is meant", volume);
	} else if (!p) {
		delete_private(request);
	} else {
		x = create(request, p, volume);
		if (x)
			look(x);
	}
}

static void delete_entry(struct request *request, const char *volume)
{
	struct pairing *p = NULL;
	const char *name = route_name_there(request->daemon, volume, &p);
	struct hunt *x = name ? create(request, p, name) : NULL;

	if (!name)
		method_if_usable(request, delete_usable);
	else if (x && !op_status(request->daemon, volume, on_status, x))
		refuse(x, "no memory");
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
		method_if_usable(request, delete_usable);
	else
		delete_unsent(request, volume);
	return true;
}
