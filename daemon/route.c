// SPDX-License-Identifier: GPL-2.0-or-later
#include "route.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "pairing-token.h"

#define NS_PER_MS	1000000ULL

static const char in_doubt[] = "it may have been done there, or may yet "
			       "be: look there before you ask for it again";
static const char unsendable[] = "the reason has letters that cannot be sent";

void route_init(struct route *r)
{
	uint8_t id[(ROUTE_ID_LEN - 1) / 2];

	memset(r, 0, sizeof(*r));
	identity_random(id, sizeof(id));
	pairing_hex(r->self, id, sizeof(id));
}

static void free_job(struct route *r, struct route_job *job)
{
	struct route_job **link = &r->jobs;

	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	json_decref(job->result);
	free(job->text);
	free(job);
}

void route_clear(struct route *r)
{
	assert(!r->asks && !route_has_jobs(r));
	while (r->jobs)
		free_job(r, r->jobs);
}

bool route_has_jobs(const struct route *r)
{
	const struct route_job *job = r->jobs;

	while (job && job->is_ended)
		job = job->next;
	return job;
}

bool route_is_busy(const struct route *r)
{
	return r->asks || r->jobs;
}

static size_t length_of(const json_t *one)
{
	return json_dumpb(one, NULL, 0, JSON_COMPACT);
}

/* --- asking --------------------------------------------------------------- */

int route_ask(struct route *r, uint64_t now_ns, const char *verb,
	      bool is_harmless, json_t *params, route_done_fn *done, void *arg,
	      struct error *err)
{
	struct route_ask **link = &r->asks, *ask = NULL;
	size_t len = length_of(params), all = len;
	unsigned int nr = 0;
	bool is_full;

	for (; *link; link = &(*link)->next) {
		nr++;
		all += length_of((*link)->params);
	}
	is_full = nr >= ROUTE_MOST || all > ROUTE_ALL_PARAMS;
	if (!is_full && len <= ROUTE_PARAMS)
		ask = calloc(1, sizeof(*ask));
	if (!ask) {
		json_decref(params);
		return len > ROUTE_PARAMS || !is_full ?
		       error_set(err, -ENOMEM, len > ROUTE_PARAMS ? "too much "
				 "is said for the other side" : "no memory") :
		       error_set(err, -EAGAIN, "%u verbs wait for the other "
				 "side already", nr);
	}
	ask->id = ++r->last_id;
	ask->verb = verb;
	ask->params = params;
	ask->is_harmless = is_harmless;
	ask->since_ns = now_ns;
	ask->done = done;
	ask->arg = arg;
	*link = ask;
	return 0;
}

static void end_ask(struct route *r, struct route_ask *ask, int exit_status,
		    const char *text, json_t *result)
{
	struct route_ask **link = &r->asks;

	while (*link != ask)
		link = &(*link)->next;
	*link = ask->next;
	ask->done(ask->arg, exit_status, text, result);
	json_decref(ask->params);
	free(ask);
}

static bool is_in_doubt(const struct route_ask *ask)
{
	return ask->to[0] && !ask->is_harmless;
}

/* O4 */
static void give_up(struct route *r, struct route_ask *ask, const char *why)
{
	char text[400];

	if (is_in_doubt(ask)) {
		snprintf(text, sizeof(text), "%.150s; %s", why, in_doubt);
		end_ask(r, ask, ROUTE_NOT_KNOWN, text, NULL);
	} else {
		snprintf(text, sizeof(text), "%.150s; nothing was done", why);
		end_ask(r, ask, ROUTE_UNREACHABLE, text, NULL);
	}
}

void route_end_asks(struct route *r, const char *why)
{
	while (r->asks)
		give_up(r, r->asks, why);
}

static bool is_over(uint64_t from_ns, uint64_t now_ns, unsigned int ms)
{
	return now_ns > from_ns + ms * NS_PER_MS;
}

static bool waits_too_long(const struct route *r, const struct route_ask *ask,
			   uint64_t now_ns)
{
	uint64_t heard = r->heard_ns > ask->since_ns ? r->heard_ns :
						       ask->since_ns;

	return is_over(ask->since_ns, now_ns, ROUTE_LIMIT_MS) ||
	       is_over(heard, now_ns, is_in_doubt(ask) ? ROUTE_SILENT_MS :
							 ROUTE_REACH_MS);
}

void route_check(struct route *r, uint64_t now_ns, const char *why)
{
	struct route_ask *ask, *next;

	for (ask = r->asks; ask; ask = next) {
		next = ask->next;
		if (waits_too_long(r, ask, now_ns))
			give_up(r, ask, why);
	}
}

/* --- telling -------------------------------------------------------------- */

/* O5: @one, taken over, is left out where there is no room. */
static void put(json_t *list, json_t *one, size_t *room)
{
	size_t len = length_of(one) + 1;

	if (one && len <= *room) {
		*room -= len;
		json_array_append_new(list, one);
	} else {
		json_decref(one);
	}
}

static json_t *tell_job(const struct route_job *job)
{
	return json_pack("{sI si ss* sO*}", "id", (json_int_t)job->id, "exit",
			 job->exit_status, "error", job->text, "result",
			 job->result);
}

static json_t *tell_ask(const struct route_ask *ask)
{
	return json_pack("{sI ss ss sO}", "id", (json_int_t)ask->id, "to",
			 ask->to, "verb", ask->verb, "params", ask->params);
}

/* O2, O4: from now on it may be done. There is room for ROUTE_MOST (O5). */
static void put_ask(struct route *r, json_t *list, struct route_ask *ask,
		    size_t *room)
{
	if (!ask->to[0])
		snprintf(ask->to, sizeof(ask->to), "%s", r->peer);
	ask->nr_told++;
	ask->told_seq = r->seq;
	put(list, tell_ask(ask), room);
}

json_t *route_tell(struct route *r)
{
	json_t *asks = json_array(), *answers = json_array();
	size_t room = ROUTE_BYTES;

	r->seq++;
	for (struct route_ask *ask = r->asks; ask && r->peer[0];
	     ask = ask->next)
		put_ask(r, asks, ask, &room);
	for (struct route_job *job = r->jobs; job; job = job->next)
		if (job->is_ended && !job->is_orphan)
			put(answers, tell_job(job), &room);
	return json_pack("{si ss sI ss sI so so}", "dm_replica_verbs",
			 ROUTE_VERSION, "from", r->self, "seq",
			 (json_int_t)r->seq, "heard_from", r->peer, "heard",
			 (json_int_t)r->peer_seq, "asks", asks, "answers",
			 answers);
}

/* JSON has texts in UTF-8 only; one that was cut is none perhaps. */
static const char *sendable(const char *text)
{
	json_t *t = json_string(text);

	json_decref(t);
	return t ? text : unsendable;
}

json_t *route_refuse(const char *why)
{
	return json_pack("{si ss}", "dm_replica_verbs", ROUTE_VERSION, "error",
			 sendable(why));
}

/* --- jobs ----------------------------------------------------------------- */

void route_job_end(struct route_job *job, int exit_status, const char *text,
		   json_t *result)
{
	assert(!job->is_ended);
	job->is_ended = true;
	job->exit_status = exit_status;
	job->result = result;
	if (length_of(result) > ROUTE_ANSWER) {
		json_decref(job->result);
		job->result = NULL;
		job->exit_status = ROUTE_NOT_KNOWN;
		text = "its answer is too long to be sent; what it was to do "
		       "is done";
	}
	job->text = text ? strdup(sendable(text)) : NULL;
	if (job->is_orphan)
		free_job(job->route, job);
}

static struct route_job *find_job(const struct route *r, uint64_t id)
{
	struct route_job *job = r->jobs;

	while (job && (job->is_orphan || job->id != id))
		job = job->next;
	return job;
}

static struct route_job *add_job(struct route *r, uint64_t id)
{
	struct route_job **link = &r->jobs, *job;
	unsigned int nr = 0;

	for (; *link; link = &(*link)->next)
		nr++;
	job = nr < ROUTE_MOST ? calloc(1, sizeof(*job)) : NULL;
	if (!job)
		return NULL;
	job->route = r;
	job->id = id;
	*link = job;
	return job;
}

/* O1, O2, O5. False: it is not taken now, nor is what comes behind it. */
static bool take_ask(struct route *r, uint64_t id, const json_t *ask)
{
	const char *to = json_string_value(json_object_get(ask, "to"));
	const char *verb = json_string_value(json_object_get(ask, "verb"));
	json_t *params = json_object_get(ask, "params");
	struct route_job *job = find_job(r, id);

	if (job || !to || strcmp(to, r->self))
		return true;
	job = add_job(r, id);
	if (!job)
		return false;
	if (id <= r->seen_id) {
		route_job_end(job, ROUTE_NOT_KNOWN, in_doubt, NULL);
		return true;
	}
	r->seen_id = id;
	if (!verb || !json_is_object(params) ||
	    length_of(params) > ROUTE_PARAMS)
		route_job_end(job, ROUTE_FAILED, "it makes no sense there",
			      NULL);
	else
		r->run(job, verb, params, r->arg);
	return true;
}

static bool is_asked_for(const json_t *asks, uint64_t id)
{
	json_t *ask;
	size_t i;

	json_array_foreach(asks, i, ask)
		if ((uint64_t)json_integer_value(json_object_get(ask, "id")) ==
		    id)
			return true;
	return false;
}

/* What is not asked for any more was answered. */
static void drop_jobs(struct route *r, const json_t *asks)
{
	struct route_job *job, *next;

	for (job = r->jobs; job; job = next) {
		next = job->next;
		if (job->is_ended && !is_asked_for(asks, job->id))
			free_job(r, job);
	}
}

static void take_asks(struct route *r, const json_t *asks)
{
	json_t *ask;
	size_t i;

	drop_jobs(r, asks);
	json_array_foreach(asks, i, ask) {
		json_int_t id = json_integer_value(json_object_get(ask, "id"));

		if (id > 0 && !take_ask(r, id, ask))
			return;
	}
}

/* --- who it is ------------------------------------------------------------ */

/* O2: who says @message had what it was told in, and so nobody else. */
static bool was_told_to(const struct route *r, const struct route_ask *ask,
			const json_t *message)
{
	const char *from = json_string_value(json_object_get(message,
							     "heard_from"));
	json_int_t seq = json_integer_value(json_object_get(message, "heard"));

	return ask->nr_told == 1 && from && !strcmp(from, r->self) &&
	       (uint64_t)seq == ask->told_seq;
}

static void find_another(struct route *r, struct route_ask *ask,
			 const json_t *message)
{
	if (was_told_to(r, ask, message)) {
		ask->to[0] = 0;
		ask->nr_told = 0;
	} else {
		give_up(r, ask, "its replicad was started again");
	}
}

/* O2, O3 */
static void meet(struct route *r, const char *from, const json_t *message)
{
	struct route_ask *ask, *next;
	struct route_job *job, *after;

	if (r->peer[0]) {
		memcpy(r->old_peers[r->nr_old % ROUTE_MOST], r->peer,
		       ROUTE_ID_LEN);
		r->nr_old++;
	}
	snprintf(r->peer, sizeof(r->peer), "%s", from);
	r->peer_seq = r->seen_id = 0;
	for (ask = r->asks; ask; ask = next) {
		next = ask->next;
		if (ask->to[0] && strcmp(ask->to, from))
			find_another(r, ask, message);
	}
	for (job = r->jobs; job; job = after) {
		after = job->next;
		job->is_orphan = true;
		if (job->is_ended)
			free_job(r, job);
	}
}

static bool is_old(const struct route *r, const char *from)
{
	for (unsigned int i = 0; i < ROUTE_MOST; i++)
		if (!strcmp(r->old_peers[i], from))
			return true;
	return false;
}

static const char no_sense[] = "what the other side says makes no sense";

static int check_version(const json_t *message, struct error *err)
{
	json_t *version = json_object_get(message, "dm_replica_verbs");

	if (!json_is_integer(version))
		return error_set(err, -EPROTO, "%s", no_sense);
	if (json_integer_value(version) != ROUTE_VERSION)
		return error_set(err, -EPROTONOSUPPORT, "the other side speaks "
				 "version %d of routed verbs, this one version "
				 "%d", (int)json_integer_value(version),
				 ROUTE_VERSION);
	return 0;
}

static int check(const struct route *r, const json_t *message,
		 struct error *err)
{
	const char *from = json_string_value(json_object_get(message, "from"));
	const char *why = json_string_value(json_object_get(message, "error"));
	int ret = check_version(message, err);

	if (ret)
		return ret;
	if (why)
		return error_set(err, -EACCES, "refused there: %.200s", why);
	if (!from || strlen(from) != ROUTE_ID_LEN - 1 ||
	    !strcmp(from, r->self) ||
	    json_integer_value(json_object_get(message, "seq")) <= 0 ||
	    !json_is_array(json_object_get(message, "asks")) ||
	    !json_is_array(json_object_get(message, "answers")))
		return error_set(err, -EPROTO, "%s", no_sense);
	return is_old(r, from) ? error_set(err, -ESTALE, "that is a process "
					   "which another has followed") : 0;
}

static int identify(struct route *r, const json_t *message, struct error *err)
{
	json_int_t seq = json_integer_value(json_object_get(message, "seq"));
	int ret = check(r, message, err);
	const char *from;

	if (ret)
		return ret;
	from = json_string_value(json_object_get(message, "from"));
	if (strcmp(from, r->peer))
		meet(r, from, message);
	if ((uint64_t)seq <= r->peer_seq)
		return error_set(err, -ESTALE, "a message came late");
	r->peer_seq = seq;
	return 0;
}

/* --- taking --------------------------------------------------------------- */

static void take_answer(struct route *r, const json_t *answer)
{
	uint64_t id = json_integer_value(json_object_get(answer, "id"));
	json_t *exit = json_object_get(answer, "exit");
	json_t *result = json_object_get(answer, "result");
	const char *text = json_string_value(json_object_get(answer, "error"));
	struct route_ask *ask = r->asks;
	int status = json_integer_value(exit);

	while (ask && (!ask->to[0] || ask->id != id))
		ask = ask->next;
	if (!ask)
		return;
	if (!json_is_integer(exit) || status < 0 || status > 255 ||
	    (!status && !json_is_object(result)))
		give_up(r, ask, "its answer makes no sense");
	else
		end_ask(r, ask, status, status ? text ?: "it is refused" : NULL,
			result);
}

int route_take(struct route *r, const json_t *message, uint64_t now_ns,
	       struct error *err)
{
	int ret = identify(r, message, err);
	json_t *answer;
	size_t i;

	if (ret)
		return ret;
	r->heard_ns = now_ns;
	json_array_foreach(json_object_get(message, "answers"), i, answer)
		take_answer(r, answer);
	take_asks(r, json_object_get(message, "asks"));
	return 0;
}
