// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * resolve --keep local: this site's data are kept, and the other one is asked
 * to give the volume up, by their pair (routing.h).
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

/* K3: what is refused by who has looked is EXIT_REFUSED. */
static void refuse_there(struct request *request, const struct error *err)
{
	const char *volume = request_text(request, "volume");
	bool is_dry = request_flag(request, "dry_run");

	if (!is_dry && resolve_may_be_over(request->daemon, volume))
		request_refuse(request, ROUTE_NOT_KNOWN, "it was given up, or "
			       "may yet be: %s", err->text);
	else
		request_refuse(request, EXIT_REFUSED, "%s", err->text[0] ?
			       err->text : strerror(-err->code));
}

static void on_given_up(void *arg, json_t *result, const struct error *err)
{
	if (err)
		refuse_there(arg, err);
	else
		request_answer(arg, result);
}

void do_give_up(struct request *request)
{
	const struct resolve_request q = {
		.volume = request_text(request, "volume"),
		.is_dry = request_flag(request, "dry_run"),
		.is_asked = true,
		.wait_ms = WAIT_MS,
	};

	resolve_keep_peer(request->daemon, &q, on_given_up, request);
}

/* --- here: whom ----------------------------------------------------------- */

struct keep {
	struct request *request;
	struct daemon *daemon;
	char pair[PAIRING_NAME_LEN];
	bool is_dry;
	bool is_begun;			/* ->local */
	struct resolve_local local;
};

/* @is_known: R9. The request was answered. */
static void end(struct keep *k, bool is_known)
{
	struct daemon *daemon = k->daemon;

	if (k->is_begun)
		resolve_local_end(daemon, &k->local, is_known);
	free(k);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

/* K1. The stage, too: another pair may have got the name of a revoked one. */
static struct pairing *successor_of(const struct daemon *daemon,
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
static struct pairing *choose(struct keep *k, struct pairing *doubt,
			      struct error *err)
{
	const char *volume = request_text(k->request, "volume");
	const char *wanted = request_text(k->request, "pair");
	struct pairing *p = successor_of(k->daemon, volume);

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

/* R9: does it also answer for those that were asked before? */
static bool is_definite(const struct keep *k, int exit_status)
{
	if (k->local.was_noted)
		return !exit_status || exit_status == EXIT_NOT_FOUND ||
		       exit_status == EXIT_REFUSED ||
		       exit_status == EXIT_PERMISSION;
	return exit_status != ROUTE_NOT_KNOWN;
}

static void refuse(struct keep *k, int exit_status, const char *text)
{
	bool is_open = k->is_begun && !is_definite(k, exit_status);
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
	json_t *answer = exit_status ? NULL : json_deep_copy(result);

	route_make_printable(answer);
	json_object_set_new(answer, "pair", json_string(k->pair));
	if (answer)
		request_answer(k->request, answer);
	else
		refuse(k, exit_status, text);
	end(k, is_definite(k, exit_status));
}

static int begin(struct keep *k, const struct pairing *p, struct error *err)
{
	struct resolve_local *l = &k->local;
	int ret;

	snprintf(l->volume, sizeof(l->volume), "%s",
		 request_text(k->request, "volume"));
	snprintf(l->note.pair, sizeof(l->note.pair), "%s", p->record.name);
	snprintf(l->note.id, sizeof(l->note.id), "%s", p->record.id);
	snprintf(k->pair, sizeof(k->pair), "%s", p->record.name);
	ret = k->is_dry ? 0 : resolve_local_begin(k->daemon, l, err);
	k->is_begun = !ret && !k->is_dry;
	return ret;
}

/* There it has the name that it has in the stage, as here. */
static int ask(struct keep *k, struct pairing *p, struct error *err)
{
	json_t *params = json_pack("{ss sb}", "volume",
				   request_text(k->request, "volume"),
				   "dry_run", k->is_dry);

	if (!params)
		return error_set(err, -ENOMEM, "no memory");
	return routing_ask(p->routing, "give_up", k->is_dry, params, on_answer,
			   k, err);
}

/* What was refused before anybody was told says nothing of what was before. */
static void on_status_here(struct op *op)
{
	struct keep *k = op->arg;
	const char *volume = request_text(k->request, "volume");
	json_t *status = status_all(op->daemon, op->result, volume);
	struct pairing *doubt = NULL, *p = NULL;
	struct error err = { 0 };

	if (!route_name_there(op->daemon, volume, &doubt) ||
	    !is_in_doubt(op->daemon, volume, json_array_get(json_object_get(
				     status, "volumes"), 0)))
		doubt = NULL;
	if (op->daemon->is_stopping)
		error_set(&err, -ESHUTDOWN, "replicad is stopping");
	else
		p = choose(k, doubt, &err);
	if (!p || begin(k, p, &err) || ask(k, p, &err)) {
		request_refuse(k->request, method_exit_status(err.code), "%s",
			       err.text);
		end(k, !k->local.was_noted);
	}
	json_decref(status);
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
	k->daemon->nr_methods++;
	if (op_status(k->daemon, request_text(request, "volume"),
		      on_status_here, k))
		return;
	request_refuse(request, EXIT_FAILED_, "no memory");
	end(k, true);
}
