// SPDX-License-Identifier: GPL-2.0-or-later
#include "promotion.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "daemon.h"
#include "events.h"
#include "local-stage.h"
#include "log.h"
#include "pair.h"
#include "stage-promote.h"

#define NS	1e9

struct promotion *promotion_find(const struct daemon *daemon,
				 const char *volume)
{
	struct promotion *p = daemon->promotions;

	while (p && (p->run.is_dry || strcmp(p->record.volume, volume)))
		p = p->next;
	return p;
}

/* --- telling -------------------------------------------------------------- */

/* From the cut of the image to the promotion: what was written then is lost. */
static double lost_seconds(const struct promotion_record *r)
{
	return r->begun_at > r->cut_time ? (r->begun_at - r->cut_time) / NS :
					   0;
}

static json_t *describe(const struct promotion *p)
{
	const struct promotion_record *r = &p->record;
	json_t *o = json_pack("{si ss sI sf sI sI sf sI ss ss ss sb}",
			      "schema_version", 1, "volume", r->volume,
			      "epoch", (json_int_t)r->epoch,
			      "cut_time", r->cut_time / NS,
			      "last_clean", (json_int_t)r->last_clean,
			      "last_partial", (json_int_t)r->last_partial,
			      "lost_s", lost_seconds(r),
			      "dropped_bytes", (json_int_t)r->dropped_bytes,
			      "salvage", r->salvage, "metadata", r->metadata,
			      "base", r->base, "dry_run", p->run.is_dry);

	if (p->run.is_dry)
		return o;
	json_object_set_new(o, "step", json_string(
		promotion_step_name(r->step)));
	json_object_set_new(o, "device", json_sprintf("/dev/mapper/%s",
						      r->volume));
	json_object_set_new(o, "generation", json_sprintf("%016" PRIx64,
							  r->generation));
	return o;
}

static void answer(struct promotion *p)
{
	promotion_done_fn *done = p->done;

	p->done = NULL;
	if (done)
		done(p->arg, p->error.code ? NULL : describe(p),
		     p->error.code ? &p->error : NULL);
}

/* --- life ----------------------------------------------------------------- */

static struct promotion *add(struct daemon *daemon,
			     const struct promotion_record *record)
{
	struct promotion *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->daemon = daemon;
	p->record = *record;
	p->run.state_dir = daemon->config.state_dir;
	p->run.kernel_ops = daemon->kernel_ops;
	p->run.hooks = &daemon->hooks;
	p->run.is_stopping = &daemon->is_stopping;
	p->next = daemon->promotions;
	daemon->promotions = p;
	return p;
}

void promotion_drop(struct promotion *p)
{
	struct promotion **link = &p->daemon->promotions;

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	free(p);
}

static void let_pairing_go(struct promotion *p)
{
	struct pairing *pairing = p->pairing;

	p->pairing = NULL;
	if (pairing)
		pairing_release(pairing);
}

static void tell_end(struct promotion *p)
{
	struct promotion_record *r = &p->record;

	if (p->error.code == -ECANCELED)
		return;
	if (p->error.code)
		log_err(r->volume, "failover: %s", p->error.text);
	else
		log_info(r->volume, "failover: this site is the primary, as of "
			 "epoch %" PRIu64, r->epoch);
	events_tell(&p->daemon->events, r->volume, p->error.code ? "alarm" :
		    "promoted", "%s", p->error.code ? p->error.text : "");
}

static void run_blocking(struct ring_job *job)
{
	struct promotion *p = container_of(job, struct promotion, job);

	promotion_run(&p->run, &p->record, &p->error);
}

/* --- stages that no pair of this site has --------------------------------- */

/* T2: has another one that stage, or is it to have it before? */
static bool has_to_wait(const struct promotion *p)
{
	for (const struct promotion *o = p->daemon->promotions; o; o = o->next)
		if (o != p && o->has_dir && local_stage_is_same_dir(
					o->record.dir, p->record.dir))
			return true;
	return false;
}

static void start_run(struct promotion *p);

/* The one that came first: the newest is at the head of the list. */
static void start_next(struct daemon *daemon)
{
	struct promotion *next = NULL;

	for (struct promotion *p = daemon->promotions; p; p = p->next)
		if (p->waits_for_dir && !has_to_wait(p))
			next = p;
	if (!next)
		return;
	next->waits_for_dir = false;
	next->has_dir = true;
	start_run(next);
}

static void let_dir_go(struct promotion *p)
{
	if (!p->has_dir)
		return;
	p->has_dir = false;
	start_next(p->daemon);
}

/* T2 */
static void end_run(struct promotion *p)
{
	struct daemon *daemon = p->daemon;

	p->state = p->error.code ? PROMOTION_FAILED : PROMOTION_DONE;
	if (p->record.is_begun || !p->done)
		tell_end(p);
	answer(p);
	p->run.is_new = false;
	if (!p->record.is_begun)
		promotion_drop(p);
	daemon->nr_promotions--;
	daemon_wrap_up(daemon);
}

static void pay_blocking(struct ring_job *job)
{
	struct promotion *p = container_of(job, struct promotion, job);

	hooks_pay(p->run.hooks, HOOK_AFTER_PROMOTE, p->record.volume);
}

static void on_paid(struct ring_job *job)
{
	end_run(container_of(job, struct promotion, job));
}

static void take_stage(struct promotion *p);

static void ask_blocking(struct ring_job *job)
{
	struct promotion *p = container_of(job, struct promotion, job);

	error_clear(&p->error);
	promotion_ask(&p->run, &p->record, &p->error);
}

static void on_asked(struct ring_job *job)
{
	struct promotion *p = container_of(job, struct promotion, job);

	p->run.is_asked = true;
	if (!p->error.code && p->daemon->is_stopping)
		error_set(&p->error, -ECANCELED, "replicad was stopped");
	if (p->error.code)
		end_run(p);
	else
		take_stage(p);
}

/* P6 */
static bool asks_hook(struct promotion *p)
{
	p->job.blocking = ask_blocking;
	p->job.done = on_asked;
	return p->error.code == -EINPROGRESS &&
	       !ring_job_start(p->daemon->reactors[0].ring, &p->job);
}

/* The pair's other volumes do not wait for what a hook does. */
static void on_run(struct ring_job *job)
{
	struct promotion *p = container_of(job, struct promotion, job);

	let_pairing_go(p);
	let_dir_go(p);
	if (asks_hook(p))
		return;
	p->job.blocking = pay_blocking;
	p->job.done = on_paid;
	if (p->error.code || p->run.is_dry ||
	    ring_job_start(p->daemon->reactors[0].ring, &p->job))
		end_run(p);
}

static void end_early(struct promotion *p, int code, const char *why)
{
	error_set(&p->error, code, "%s", why);
	on_run(&p->job);
}

static void start_run(struct promotion *p)
{
	p->state = PROMOTION_RUNNING;
	error_clear(&p->error);
	p->job.blocking = run_blocking;
	p->job.done = on_run;
	if (ring_job_start(p->daemon->reactors[0].ring, &p->job))
		end_early(p, -ENOMEM, "no thread");
}

static void on_held(void *arg)
{
	struct promotion *p = arg;

	start_run(p);
}

/* --- what would be, asked of the server ----------------------------------- */

static void on_history(void *arg, const struct history *h,
		       const struct error *err)
{
	struct promotion *p = arg;

	p->record.begun_at = h ? h->now : 0;
	if (!h)
		error_set(&p->error, err->code, "%s", err->text);
	else if (h->error.code || h->state == STAGE_PROMOTED)
		error_set(&p->error, -EEXIST, "%s: %s", p->record.volume,
			  h->error.code ? h->error.text :
			  "was promoted already");
	else
		promotion_choose(h, &p->run.wish, &p->record, &p->error);
	on_run(&p->job);
}

/* The server is here, whatever the address that others reach it by. */
static void ask_server(struct promotion *p)
{
	const struct pairing_record *r = &p->pairing->record;
	char host[PAIRING_ADDRESS_LEN], port[8], key[PAIRING_PATH_LEN];
	char uri[1024];

	p->pairing = NULL;			/* it is not held */
	pairing_address_split(r->address, host, port);
	pairing_path(key, p->daemon->config.state_dir, r->name, ".key");
	snprintf(uri, sizeof(uri), "nbds://%s@%s:%s/%s?tls-psk-file=%s", r->id,
		 r->listen[0] ? r->listen : "127.0.0.1", port,
		 p->record.volume, key);
	if (ask_history(p->daemon, uri, on_history, p, &p->error))
		on_run(&p->job);
}

static void take_stage(struct promotion *p)
{
	p->state = PROMOTION_WAITING;
	p->pairing = p->record.pair[0] ? pairing_find(p->daemon,
						      p->record.pair) : NULL;
	if (p->pairing && p->run.is_dry && child_runs(&p->pairing->child)) {
		ask_server(p);
		return;
	}
	p->hold.held = on_held;
	p->hold.arg = p;
	if (p->pairing && pairing_hold(p->pairing, &p->hold))
		return;
	p->waits_for_dir = !p->pairing;
	if (p->pairing)
		start_run(p);
	else
		start_next(p->daemon);
}

/* The last thing that is done with it: it may be gone. */
static void go(struct promotion *p)
{
	p->daemon->nr_promotions++;
	p->run.is_asked = false;
	take_stage(p);
}

/* --- where the volume is -------------------------------------------------- */

const char *promotion_stage_of(const struct pairing *pairing)
{
	json_t *param;
	size_t i;

	json_array_foreach(pairing->record.params, i, param) {
		const char *text = json_string_value(param);

		if (text && !strncmp(text, "dir=", 4))
			return text + 4;
	}
	return NULL;
}

static bool has_volume(const char *dir, const char *volume)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s.volume", dir, volume) <
	       PATH_MAX && !access(path, F_OK);
}

static bool was_given_up(const char *dir, const char *volume)
{
	struct stage_fence f;

	return !stage_fence_peek(dir, volume, &f, NULL) &&
	       f.phase == STAGE_PHASE_GIVEN_UP;
}

/* By the stages that the pairs have, or of that one. */
static int find_stage(const struct daemon *daemon,
		      const struct promotion_request *q,
		      struct promotion_record *r, struct error *err)
{
	unsigned int nr = 0;
	bool is_old = false;

	for (struct pairing *p = daemon->pairings; p; p = p->next) {
		const char *dir = promotion_stage_of(p);

		if (p->state == PAIRING_ENDING || !dir ||
		    (q->dir && !local_stage_is_same_dir(dir, q->dir)) ||
		    (!q->dir && !has_volume(dir, q->volume)))
			continue;
		if (!q->dir && was_given_up(dir, q->volume)) {
			is_old = true;
			continue;
		}
		if (nr++)
			return error_set(err, -EINVAL, "%s: more than one pair "
					 "has it: name the stage (--dir)",
					 q->volume);
		snprintf(r->pair, sizeof(r->pair), "%s", p->record.name);
		snprintf(r->dir, sizeof(r->dir), "%s", dir);
	}
	if (is_old && !nr)
		return error_set(err, -EINVAL, "%.60s: was promoted here once, "
				 "and given up: what the stage has is old",
				 q->volume);
	if (q->dir && !nr)
		snprintf(r->dir, sizeof(r->dir), "%s", q->dir);
	if (!r->dir[0] || !has_volume(r->dir, q->volume))
		return error_set(err, -ENOENT, "there is no replica of %.60s "
				 "here%s%.150s", q->volume, q->dir ? ": not in "
				 : ", in the stage of no pair", q->dir ?: "");
	return 0;
}

static int set_metadata(const struct promotion_request *q,
			struct promotion_record *r, struct error *err)
{
	int n = q->metadata ? snprintf(r->metadata, sizeof(r->metadata), "%s",
				       q->metadata) :
		snprintf(r->metadata, sizeof(r->metadata), "%s/%s.meta", r->dir,
			 r->volume);

	if (n >= PATH_MAX || (r->metadata[0] != '/' &&
			      strcmp(r->metadata, "none")))
		return error_set(err, -EINVAL, "metadata=%.150s: want an "
				 "absolute path, or none", r->metadata);
	return 0;
}

static int make_record(const struct daemon *daemon,
		       const struct promotion_request *q,
		       struct promotion_record *r, struct error *err)
{
	int ret;

	memset(r, 0, sizeof(*r));
	if (!volume_name_is_valid(q->volume))
		return error_set(err, -EDESTADDRREQ, "\"%.60s\" is not a name "
				 "for a volume", q->volume);
	snprintf(r->volume, sizeof(r->volume), "%s", q->volume);
	if (daemon_find(daemon, q->volume))
		return error_set(err, -EEXIST, "%s is a primary here already: "
				 "it is replicated from this site", q->volume);
	ret = find_stage(daemon, q, r, err);
	return ret ? ret : set_metadata(q, r, err);
}

/* --- asked for ------------------------------------------------------------ */

static void refuse(promotion_done_fn *done, void *arg, const struct error *err)
{
	done(arg, NULL, err);
}

/* It is there already: the same again, or a second one. */
static void again(struct promotion *p, const struct promotion_request *q,
		  promotion_done_fn *done, void *arg)
{
	struct error err = { 0 };

	if (p->state == PROMOTION_ENDING)
		error_set(&err, -EBUSY, "%s: is being given up here: "
			  "replicactl resolve --keep peer goes on with that",
			  q->volume);
	else if (p->state == PROMOTION_WAITING || p->state == PROMOTION_RUNNING)
		error_set(&err, -EBUSY, "%s: a failover is under way",
			  q->volume);
	else if (q->wish.at_ns || (q->wish.epoch &&
				   q->wish.epoch != p->record.epoch))
		error_set(&err, -EEXIST, "%s: was promoted already, as of "
			  "epoch %" PRIu64, q->volume, p->record.epoch);
	if (err.code) {
		refuse(done, arg, &err);
		return;
	}
	p->done = done;
	p->arg = arg;
	if (q->is_dry)
		answer(p);
	else
		go(p);
}

void promotion_start(struct daemon *daemon, const struct promotion_request *q,
		     promotion_done_fn *done, void *arg)
{
	struct promotion *p = promotion_find(daemon, q->volume);
	struct promotion_record record;
	struct error err = { 0 };

	if (p) {
		again(p, q, done, arg);
		return;
	}
	if (make_record(daemon, q, &record, &err)) {
		refuse(done, arg, &err);
		return;
	}
	p = add(daemon, &record);
	if (!p) {
		error_set(&err, -ENOMEM, "no memory");
		refuse(done, arg, &err);
		return;
	}
	p->run.wish = q->wish;
	p->run.is_new = true;
	p->run.is_dry = q->is_dry;
	p->done = done;
	p->arg = arg;
	go(p);
}

/* --- start and stop ------------------------------------------------------- */

static void load(void *arg, const char *volume)
{
	struct daemon *daemon = arg;
	struct promotion_record record;
	int err = promotion_load(daemon->config.state_dir, volume, &record);

	if (err)
		log_err(volume, "the record of its failover cannot be read: "
			"%s", strerror(-err));
	else if (!add(daemon, &record))
		log_err(volume, "failover: no memory");
}

void promotions_start(struct daemon *daemon)
{
	struct promotion *next;

	promotion_each(daemon->config.state_dir, load, daemon);
	for (struct promotion *p = daemon->promotions; p; p = next) {
		next = p->next;
		if (promotion_was_given_up(p)) {		/* T5 */
			p->state = PROMOTION_ENDING;
			continue;
		}
		if (p->record.step < PROMOTION_LEFT)
			log_info(p->record.volume, "failover: it goes on");
		go(p);
	}
}

void promotions_free(struct daemon *daemon)
{
	while (daemon->promotions)
		promotion_drop(daemon->promotions);
}

/* --- status --------------------------------------------------------------- */

static const char *next_step(const struct promotion *p)
{
	if (p->state == PROMOTION_ENDING)
		return p->error.code ? "put right what the reason names, then: "
				       "replicactl resolve --keep peer" : "wait";
	if (p->state == PROMOTION_DONE)
		return "it is not replicated: to another site with replicactl "
		       "enable";
	if (p->state == PROMOTION_FAILED)
		return "put right what the reason names, then again: replicactl "
		       "failover --force";
	return "wait";
}

static json_t *status_of(const struct promotion *p)
{
	const struct promotion_record *r = &p->record;
	json_t *o = describe(p);
	char reason[400];

	if (p->state == PROMOTION_DONE)
		snprintf(reason, sizeof(reason), "a forced failover has made "
			 "it the primary, as of epoch %" PRIu64, r->epoch);
	else if (p->state == PROMOTION_FAILED)
		snprintf(reason, sizeof(reason), "failover: %s",
			 p->error.text);
	else if (p->state == PROMOTION_ENDING)
		snprintf(reason, sizeof(reason), "it was given up here%s%s",
			 p->error.code ? ": " : "", p->error.text);
	else
		snprintf(reason, sizeof(reason), "a failover is under way (%s)",
			 promotion_step_name(r->step));
	json_object_del(o, "schema_version");
	json_object_del(o, "dry_run");
	json_object_set_new(o, "name", json_string(r->volume));
	json_object_set_new(o, "target", json_null());
	json_object_set_new(o, "state", json_string(pair_state_name(
		p->state == PROMOTION_DONE ? PAIR_PROMOTED :
		p->state == PROMOTION_FAILED ? PAIR_ERROR :
		p->state == PROMOTION_ENDING ? PAIR_SUPERSEDED :
					       PAIR_FAILING_OVER)));
	json_object_set_new(o, "reason", json_string(reason));
	json_object_set_new(o, "next_step", json_string(next_step(p)));
	json_object_set_new(o, "lag_s", json_null());
	json_object_set_new(o, "synced", json_false());
	json_object_set_new(o, "replica_consistent", json_false());
	return o;
}

/* The record is the job's while it runs; its name does not change. */
static json_t *status_under_way(const struct promotion *p)
{
	return json_pack("{ss sn ss ss ss sn sb sb}", "name", p->record.volume,
			 "target", "state", pair_state_name(PAIR_FAILING_OVER),
			 "reason",
			 "a failover is under way", "next_step", "wait",
			 "lag_s", "synced", 0, "replica_consistent", 0);
}

void promotions_status(const struct daemon *daemon, json_t *all,
		       const char *only)
{
	for (struct promotion *p = daemon->promotions; p; p = p->next) {
		bool is_under_way = p->state == PROMOTION_WAITING ||
				    p->state == PROMOTION_RUNNING;

		if (p->run.is_dry || daemon_find(daemon, p->record.volume) ||
		    (only && strcmp(only, p->record.volume)))
			continue;
		json_array_append_new(all, is_under_way ? status_under_way(p) :
							  status_of(p));
	}
}

static void add_dir(json_t *all, const char *dir)
{
	json_t *one;
	size_t i;

	json_array_foreach(all, i, one)
		if (local_stage_is_same_dir(json_string_value(one), dir))
			return;
	json_array_append_new(all, json_string(dir));
}

json_t *promotion_dirs(const struct daemon *daemon)
{
	json_t *all = json_array();

	json_array_append_new(all, json_sprintf("%s/salvage",
						daemon->config.state_dir));
	for (struct pairing *p = daemon->pairings; p; p = p->next)
		if (promotion_stage_of(p))
			add_dir(all, promotion_stage_of(p));
	for (struct promotion *p = daemon->promotions; p; p = p->next)
		add_dir(all, p->record.dir);
	return all;
}
