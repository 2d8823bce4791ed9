// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Verbs of a volume that is active at the other side of a pair: they are asked
 * for there (routing.h). And the method peer, by which what the other side
 * says comes from nbdkit.
 *
 *	here:	method_call() -> route_request() -> routing_ask() -> answer
 *	there:	do_peer() -> routing_run() -> the method -> route_job_end()
 *
 * O7 What is active here, or may become so without an operator, is never asked
 *    for elsewhere: only what is a replica here, or was superseded. Nor is what
 *    was made here, and would go here (is_of_here).
 * O8 Who is asked does it only if it is active there, and asks nobody else.
 * O9 One side may ask for nothing but these verbs, of volumes of that pair, and
 *    no more than routed= allows. What is said with them is in the table. None
 *    of them takes anything away but where the pair's own section has agreed to
 *    that: give_up (methods-keep.c) by give_up=yes, delete by delete=yes; no
 *    default has. Given up is only what is sent to the very pair that asks: its
 *    doubt (R2 in resolve.h) is with that.
 * O10 What the other side says may go to a terminal.
 * O12, O13: route-taking.c; N1-N5, of delete: route-delete.c.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "log.h"
#include "made.h"
#include "ops.h"
#include "pair.h"
#include "pairing.h"
#include "params.h"
#include "promotion.h"
#include "route-impl.h"
#include "routing.h"
#include "status.h"

static const struct route_verb verbs[] = {
	{ "path", do_path, .is_harmless = true, .is_of_any = true,
	  .params = "volume" },
	{ "extend", do_extend, .params = "volume size_bytes# dry_run?" },
	{ "snapshot", do_snapshot, .params = "volume name" },
	{ "snapshot_list", do_snapshot_list, .is_harmless = true,
	  .is_of_here = true, .params = "volume" },
	{ "clone", do_clone, .params = "volume name snapshot type dry_run?" },
	{ "delete", do_delete_asked, .consent = CONSENT_DELETE,
	  .params = "volume volume_id pair_id export disable? dry_run?",
	  .run = route_run_delete, .ask = route_delete },
	/* no method has this name: see keep_local() */
	{ "give_up", do_give_up, .is_of_any = true,
	  .consent = CONSENT_GIVE_UP, .params = "volume dry_run?",
	  .run = route_run_taking },
	{ "give_up_group", do_give_up, .is_of_any = true,
	  .consent = CONSENT_GIVE_UP, .is_of_group = true,
	  .params = "volume volumes[ dry_run?", .run = route_run_taking },
};

const struct route_verb *route_find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

/* --- there ---------------------------------------------------------------- */

struct pairing *route_pairing_of(const struct route_job *job)
{
	return ((struct routing *)job->route->arg)->pairing;
}

bool route_is_sent_as(const struct entry *entry, const struct pairing *p,
		      const char *volume)
{
	const struct volume_config *config = entry->config;
	const char *export = pairing_target_export(config->target,
						   p->record.name);

	return export && !strcmp(*export ? export : config->name, volume);
}

/*
 * The name here of what is @volume to the pair; NULL: none. Another pair may
 * have got the name of a revoked one, but not what is in its stage.
 */
static const char *name_here(const struct pairing *p, const char *volume)
{
	const struct promotion *promotion;

	for (struct entry *e = p->daemon->entries; e; e = e->next)
		if (route_is_sent_as(e, p, volume))
			return e->config->name;
	promotion = promotion_find(p->daemon, volume);
	return promotion && !strcmp(promotion->record.pair, p->record.name) &&
	       promotion_has_replica(p, volume) ? promotion->record.volume :
						  NULL;
}

bool route_changes_nothing(const struct route_verb *verb,
			   const json_t *params)
{
	return verb->is_harmless ||
	       json_is_true(json_object_get(params, "dry_run"));
}

/* What the pair's own section says goes before what is said of all. */
static enum routed routed_of(const struct config *config,
			     const struct section *pair)
{
	return pair && pair->routed ? pair->routed - 1 : config->routed;
}

static const char *check_consent(const struct section *pair,
				 enum route_consent consent)
{
	if (consent == CONSENT_GIVE_UP && !(pair && pair->gives_up))
		return "nothing is given up there because another site asks "
		       "(give_up=no in the section of the pair): there, say "
		       "replicactl resolve --keep peer";
	if (consent == CONSENT_DELETE && !(pair && pair->deletes))
		return "nothing is deleted there because another site asks "
		       "(delete=no in the section of the pair): there, say "
		       "replicactl delete";
	return NULL;
}

static const char *check_policy(const struct pairing *p,
				const struct route_verb *verb,
				const json_t *params)
{
	const struct config *config = &p->daemon->config;
	const struct section *section =
		config_section(config, SECTION_PAIR, p->record.name);
	enum routed routed = routed_of(config, section);

	if (routed == ROUTED_OFF)
		return "verbs from the other side are not taken there "
		       "(routed=off)";
	if (route_changes_nothing(verb, params))
		return NULL;
	if (routed == ROUTED_LOOK)
		return "the other side may change nothing there (routed=look)";
	return check_consent(section, verb->consent);
}

static void on_done_here(void *arg, int exit_status, const char *text,
			 json_t *result)
{
	struct route_job *job = arg;
	struct routing *x = job->route->arg;

	route_job_end(job, exit_status, text, json_incref(result));
	if (x->is_over)
		pairing_step(x->pairing);
}

void route_run_here(struct route_job *job, const struct route_verb *verb,
		    const char *name, const json_t *said)
{
	struct routing *x = job->route->arg;
	json_t *params = json_copy((json_t *)said);
	struct request *request;

	if (!route_changes_nothing(verb, said) &&
	    (verb->consent || routing_may_log(x)))
		log_info(x->pairing->record.name, "pair: the other side asks "
			 "for %s of %s", verb->name, name);
	json_object_set_new(params, "volume", json_string(name));
	request = request_create(x->pairing->daemon, params, on_done_here, job);
	if (!request)
		route_job_end(job, EXIT_FAILED_, "no memory", NULL);
	else if (!params_check(request, verb->name, verb->params))
		return;
	else if (verb->is_of_any)
		verb->call(request);
	else
		method_if_usable(request, verb->call);
}

void route_refuse_job(struct route_job *job, int exit_status,
		      const char *text)
{
	struct routing *x = job->route->arg;

	if (x->refused != text && routing_may_log(x))
		log_warn(x->pairing->record.name, "pair: a verb is refused: %s",
			 text);
	x->refused = text;
	route_job_end(job, exit_status, text, NULL);
}

const char *route_check_job(const struct pairing *p,
			    const struct route_verb *verb,
			    const json_t *params, int *exit_status)
{
	const char *policy = check_policy(p, verb, params);

	*exit_status = policy ? EXIT_PERMISSION : EXIT_FAILED_;
	if (!policy && p->daemon->is_stopping)
		policy = "replicad is stopping there";
	return policy;
}

void routing_run(struct route_job *job, const char *word,
		 const json_t *params, void *arg)
{
	struct routing *x = arg;
	struct pairing *p = x->pairing;
	const struct route_verb *verb = route_find_verb(word);
	const char *volume = json_string_value(json_object_get(params,
							       "volume"));
	const char *name = verb && volume ? name_here(p, volume) : NULL;
	int exit_status = EXIT_USAGE_;
	const char *why = verb ?
			  route_check_job(p, verb, params, &exit_status) :
			  "there is no such verb there";

	if (verb && verb->run)
		verb->run(job, verb, volume, params);
	else if (why)
		route_refuse_job(job, exit_status, why);
	else if (name)
		route_run_here(job, verb, name, params);
	else if (volume && volume_name_is_valid(volume) &&
		 promotion_has_replica(p, volume))
		route_refuse_job(job, EXIT_NOT_HERE, "it is not active there, "
				 "either: it is a replica");
	else
		route_refuse_job(job, EXIT_NOT_FOUND, "the pair has no such "
				 "volume there");
}

/* Who speaks for the other side is nbdkit, by the id that it was given. */
void do_peer(struct request *request)
{
	const char *id = request_text(request, "pair_id");
	const char *text = request_text(request, "message");
	struct pairing *p = id && text ? request->daemon->pairings : NULL;
	char *answer;

	while (p && (p->state != PAIRING_SERVING || strcmp(p->record.id, id)))
		p = p->next;
	if (!p) {
		request_refuse(request, EXIT_NOT_FOUND, "there is no such pair "
			       "that receives, or no message");
		return;
	}
	answer = routing_answer(p->routing, text);
	if (answer)
		request_answer(request, json_pack("{ss}", "message", answer));
	else
		request_refuse(request, EXIT_FAILED_, "no memory");
	free(answer);
}

/* --- here ----------------------------------------------------------------- */

struct errand {
	struct request *request;
	struct daemon *daemon;
	const struct route_verb *verb;
	void (*call)(struct request *request);	/* if it is to be done here */
	char pair[PAIRING_NAME_LEN];
};

/* The request was answered, or goes on here. */
static void end(struct errand *x)
{
	struct daemon *daemon = x->daemon;

	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

/* O10 */
void route_text_printable(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static void make_string_printable(json_t *value)
{
	char *text = strdup(json_string_value(value));

	if (text)
		route_text_printable(text);
	json_string_set(value, text ?: "");
	free(text);
}

void route_make_printable(json_t *value)
{
	const char *key;
	json_t *one;
	size_t i;

	if (json_is_string(value))
		make_string_printable(value);
	json_array_foreach(value, i, one)
		route_make_printable(one);
	json_object_foreach(value, key, one)
		route_make_printable(one);
}

static void refuse_as_there(struct errand *x, int exit_status,
			    const char *text)
{
	char why[400];

	snprintf(why, sizeof(why), "%s", text ?: "no memory");
	route_text_printable(why);
	request_refuse(x->request, exit_status ? exit_status : EXIT_FAILED_,
		       "at the other side of the pair %s: %s", x->pair, why);
}

static void on_answer(void *arg, int exit_status, const char *text,
		      json_t *result)
{
	struct errand *x = arg;
	json_t *answer = exit_status ? NULL : json_deep_copy(result);

	route_make_printable(answer);
	json_object_set_new(answer, "pair", json_string(x->pair));
	if (answer)
		request_answer(x->request, answer);
	else
		refuse_as_there(x, exit_status, text);
	end(x);
}

/* @name: what the volume is to the pair. */
static void ask(struct errand *x, struct pairing *p, const char *name)
{
	json_t *params = json_copy(x->request->params);
	struct error err = { 0 };

	snprintf(x->pair, sizeof(x->pair), "%s", p->record.name);
	json_object_set_new(params, "volume", json_string(name));
	json_object_del(params, "any_site");
	if (json_object_get(params, "target")) {
		json_decref(params);
		request_refuse(x->request, EXIT_USAGE_, "it is made at the "
			       "other side of the pair %s: where it goes from "
			       "there can only be said there", x->pair);
		end(x);
		return;
	}
	if (!routing_ask(p->routing, x->verb->name,
			 route_changes_nothing(x->verb, params), params,
			 on_answer, x, &err))
		return;
	request_refuse(x->request, EXIT_FAILED_, "%s", err.text);
	end(x);
}

const char *route_name_there(const struct daemon *daemon, const char *volume,
			     struct pairing **p)
{
	const struct entry *entry = daemon_find(daemon, volume);
	const char *export;

	for (*p = entry ? daemon->pairings : NULL; *p; *p = (*p)->next) {
		export = pairing_target_export(entry->config->target,
					       (*p)->record.name);
		if (export && (*p)->state == PAIRING_SENDING)
			return *export ? export : volume;
	}
	return NULL;
}

bool route_is_superseded(const struct daemon *daemon, const char *volume,
			 const json_t *status)
{
	const struct entry *entry = daemon_find(daemon, volume);
	const char *state = json_string_value(json_object_get(status, "state"));

	if (json_is_true(json_object_get(status, "taken_over_elsewhere")))
		return false;
	return (state && !strcmp(state, pair_state_name(PAIR_SUPERSEDED))) ||
	       (entry && !entry->reactor && entry->err == -ESTALE);
}

/* O7 */
static void on_status(struct op *op)
{
	struct errand *x = op->arg;
	const char *volume = request_text(x->request, "volume"), *name;
	json_t *status = status_all(op->daemon, op->result, volume);
	struct pairing *p = NULL;

	name = route_name_there(op->daemon, volume, &p);
	if (name && route_is_superseded(op->daemon, volume, json_array_get(
				  json_object_get(status, "volumes"), 0))) {
		ask(x, p, name);
	} else if (op->daemon->is_stopping) {
		request_refuse(x->request, EXIT_FAILED_,
			       "replicad is stopping");
		end(x);
	} else {
		x->call(x->request);
		end(x);
	}
	json_decref(status);
	op_free(op);
}

static struct errand *create(struct request *request,
			     const struct route_verb *verb,
			     void (*call)(struct request *request))
{
	struct errand *x = calloc(1, sizeof(*x));

	if (!x) {
		request_refuse(request, EXIT_FAILED_, "no memory");
		return NULL;
	}
	x->request = request;
	x->daemon = request->daemon;
	x->verb = verb;
	x->call = call;
	x->daemon->nr_methods++;
	return x;
}

void route_ask_there(struct request *request, const struct route_verb *verb,
		     struct pairing *p, const char *name)
{
	struct errand *x = create(request, verb, NULL);

	if (x)
		ask(x, p, name);
}

bool route_was_made_here(const struct daemon *daemon, const char *volume)
{
	struct made *m = malloc(sizeof(*m));
	bool is = !m || made_load(daemon->config.state_dir, volume, m, NULL) !=
		  -ENOENT;

	free(m);
	return is;
}

/* O7 */
static bool stays_here(const struct request *request,
		       const struct route_verb *verb, const char *volume)
{
	bool is_of_here = verb->is_of_here || request_text(request, "snapshot");

	if (verb->call == do_path && !request_flag(request, "any_site"))
		return true;
	return is_of_here && route_was_made_here(request->daemon, volume);
}

/* One that is a replica here is known at once; else its state is asked for. */
bool route_request(struct request *request, const char *method,
		   void (*call)(struct request *request))
{
	const struct route_verb *verb = route_find_verb(method);
	const char *volume = request_text(request, "volume");
	struct daemon *daemon = request->daemon;
	struct pairing *p = NULL;
	struct errand *x;
	bool is_sent;

	if (verb && verb->ask)
		return verb->ask(request);
	if (!verb || !volume || !volume_name_is_valid(volume) ||
	    stays_here(request, verb, volume))
		return false;
	is_sent = route_name_there(daemon, volume, &p);
	if (!is_sent && !daemon_find(daemon, volume) &&
	    !promotion_find(daemon, volume))
		p = promotion_pair_of(daemon, volume);
	if (!p)
		return false;
	x = create(request, verb, call);
	if (x && !is_sent) {
		ask(x, p, volume);
	} else if (x && !op_status(daemon, volume, on_status, x)) {
		request_refuse(request, EXIT_FAILED_, "no memory");
		end(x);
	}
	return true;
}
