// SPDX-License-Identifier: GPL-2.0-or-later
#include "promotion-impl.h"

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
#include "state-file.h"

struct promotion *promotion_find(const struct daemon *daemon,
				 const char *volume)
{
	struct promotion *p = daemon->promotions;

	while (p && (p->run.is_dry || strcmp(p->record.volume, volume)))
		p = p->next;
	return p;
}

/* --- telling -------------------------------------------------------------- */

static void answer(struct promotion *p)
{
	promotion_done_fn *done = p->done;

	p->done = NULL;
	if (done)
		done(p->arg, p->error.code ? NULL : promotion_describe(p),
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
	for (struct promotion *o = p->daemon->promotions; o; o = o->next)
		if (o->leader == p)
			o->leader = NULL;
	free(p);
}

static void let_pairing_go(struct promotion *p)
{
	struct pairing *pairing = p->pairing;

	p->pairing = NULL;
	if (pairing)
		pairing_release(pairing);
}

static void tell_end(const struct promotion *p)
{
	const struct promotion_record *r = &p->record;

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

/* --- of a group (T7) ------------------------------------------------------ */

static void set_state(struct promotion *leader, enum promotion_state state)
{
	for (struct promotion *p = leader->daemon->promotions; p; p = p->next)
		if (promotion_is_of(p, leader))
			p->state = state;
}

/* What the run works on; the leader's first. */
static int gather(struct promotion *p)
{
	unsigned int nr = 1;

	for (struct promotion *o = p->daemon->promotions; o; o = o->next)
		nr += o != p && promotion_is_of(o, p);
	p->all = calloc(nr, sizeof(*p->all));
	if (!p->all)
		return -ENOMEM;
	p->all[0] = &p->record;
	p->nr = 1;
	for (struct promotion *o = p->daemon->promotions; o; o = o->next)
		if (o != p && promotion_is_of(o, p))
			p->all[p->nr++] = &o->record;
	return 0;
}

/* It has ended: each goes its way, or is forgotten, if nothing was begun. */
static void part(struct promotion *leader)
{
	bool is_begun = leader->record.is_begun;
	struct promotion *next;

	for (struct promotion *p = leader->daemon->promotions; p; p = next) {
		next = p->next;
		if (p->leader != leader)
			continue;
		if (!is_begun)
			promotion_drop(p);
		else if (leader->state == PROMOTION_DONE)
			p->leader = NULL;
	}
	if (!is_begun)
		promotion_drop(leader);
}

/* Of all that go with it. */
static void tell_all(struct promotion *leader)
{
	for (struct promotion *p = leader->daemon->promotions; p; p = p->next) {
		if (!promotion_is_of(p, leader))
			continue;
		p->run.is_new = false;
		p->error = leader->error;
		if (leader->record.is_begun || !leader->done)
			tell_end(p);
	}
}

static void run_blocking(struct ring_job *job)
{
	struct promotion *p = container_of(job, struct promotion, job);

	promotion_run(&p->run, p->all, p->nr, &p->error);
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

static void end_run(struct promotion *p)
{
	struct daemon *daemon = p->daemon;

	set_state(p, p->error.code ? PROMOTION_FAILED : PROMOTION_DONE);
	tell_all(p);
	free(p->all);
	p->all = NULL;
	answer(p);
	part(p);
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
	promotion_ask(&p->run, p->all, p->nr, &p->error);
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
	set_state(p, PROMOTION_RUNNING);
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

/* One log, one epoch: what one has is that of all. */
static void choose_all(struct promotion *p, const struct history *h)
{
	promotion_choose(h, &p->run.wish, &p->record, &p->error);
	for (unsigned int i = 1; !p->error.code && i < p->nr; i++) {
		promotion_choose(h, &p->run.wish, p->all[i], &p->error);
		p->all[i]->begun_at = p->record.begun_at;
		p->all[i]->dropped_bytes = 0;
	}
}

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
		choose_all(p, h);
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
	set_state(p, PROMOTION_WAITING);
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
	promotion_ask_no_more(p);
	p->daemon->nr_promotions++;
	p->run.is_asked = false;
	if (gather(p))
		end_early(p, -ENOMEM, "no memory");
	else
		take_stage(p);
}

/* --- whose run it is (T7) ------------------------------------------------- */

static struct promotion *named_leader(const struct promotion *p)
{
	struct promotion *leader = p->record.leader[0] ?
		promotion_find(p->daemon, p->record.leader) : NULL;

	return leader && leader->record.generation == p->record.generation ?
	       leader : NULL;
}

/* It cannot run without the one that leads it. */
static bool has_no_leader(const struct promotion *p)
{
	return p->record.leader[0] && p->record.step < PROMOTION_ACTIVE &&
	       !named_leader(p);
}

/* Somebody has to put something right first. */
static bool is_stuck(const struct promotion *p)
{
	return has_no_leader(p) || promotion_is_unsure(p);
}

/* It goes on when it is asked for. */
static bool is_at_rest(const struct promotion *p)
{
	return !p->run.is_dry && p->state == PROMOTION_FAILED;
}

/*
 * P7: it was killed before the leader's was written, or after it had gone. One
 * that is there, and cannot be read now, is no reason.
 */
static bool is_orphan(const struct promotion *p)
{
	struct promotion_record r;
	int err;

	if (!has_no_leader(p) || p->record.step != PROMOTION_BEGUN)
		return false;
	err = promotion_load(p->run.state_dir, p->record.leader, &r);
	return (err == -ENOENT ||
		(!err && r.generation != p->record.generation)) &&
	       promotion_is_unfenced(&p->record);
}

static void drop_orphan(struct promotion *p)
{
	const char *volume = p->record.volume;
	int err = promotion_remove(p->run.state_dir, volume);

	if (err)
		log_err(volume, "the record of a failover that was not begun "
			"cannot be removed: %s", strerror(-err));
	promotion_drop(p);
}

/* P5 */
static void find_lost(struct promotion *p)
{
	const struct promotion_record *r = &p->record;
	struct promotion_record *all;
	struct error err = { 0 };
	unsigned int nr;

	if (!r->leader[0] || r->step >= PROMOTION_ACTIVE ||
	    (p != named_leader(p) && named_leader(p)))
		return;
	if (promotion_find_lost(p->daemon, r, &all, &nr, &err))
		log_err(r->volume, "failover: %s", err.text);
	for (unsigned int i = 0; i < nr; i++) {
		struct promotion *o = add(p->daemon, &all[i]);

		if (!o) {
			log_err(all[i].volume, "failover: no memory");
			continue;
		}
		o->state = PROMOTION_FAILED;
		if (all[i].is_lost)
			log_warn(o->record.volume, "the record of its failover "
				 "was lost: it is made again by the stage");
	}
	free(all);
}

static void tell_no_leader(struct promotion *p)
{
	error_clear(&p->error);
	error_set(&p->error, -EIO, "%s: goes with %s, and the record of that "
		  "one's failover cannot be read: put right what the log "
		  "names, or %.150s/promotions/%s.json; then start replicad "
		  "again", p->record.volume, p->record.leader,
		  p->run.state_dir, p->record.leader);
}

struct debt {
	const char *volume;
	bool is_owed;
};

static void note_debt(void *arg, const char *volume)
{
	struct debt *d = arg;

	d->is_owed |= !strcmp(volume, d->volume);
}

/* The hook of a group is run when the devices of all are there. */
static bool owes_hook(const struct promotion *p)
{
	struct debt d = { .volume = p->record.volume };

	hooks_each_owed(p->run.hooks, HOOK_AFTER_PROMOTE, note_debt, &d);
	return d.is_owed;
}

/* T5, T7 */
static void find_place(struct promotion *p)
{
	struct promotion *leader = named_leader(p);

	if (promotion_was_given_up(p))
		p->state = PROMOTION_ENDING;
	else if (promotion_is_unsure(p))
		promotion_tell_unsure(p);
	else if (has_no_leader(p))
		tell_no_leader(p);
	else if (leader && leader != p && is_at_rest(leader) &&
		 !promotion_was_given_up(leader) &&
		 (leader->record.step < PROMOTION_ACTIVE || owes_hook(leader)))
		p->leader = leader;
}

/* Of those that rest: at first, all that there are. */
static void find_places(struct daemon *daemon)
{
	struct promotion *next;

	for (struct promotion *p = daemon->promotions; p; p = p->next)
		if (is_at_rest(p))
			find_lost(p);
	for (struct promotion *p = daemon->promotions; p; p = next) {
		next = p->next;
		if (is_at_rest(p) && is_orphan(p))
			drop_orphan(p);
	}
	for (struct promotion *p = daemon->promotions; p; p = p->next)
		if (is_at_rest(p))
			find_place(p);
}

/* Asked for: the one that leads it, or itself. */
static struct promotion *find_leader(struct daemon *daemon, const char *volume)
{
	struct promotion *p = promotion_find(daemon, volume);

	if (p && is_at_rest(p) && !p->leader) {
		find_places(daemon);
		p = promotion_find(daemon, volume);
	}
	return p && p->leader ? p->leader : p;
}

/* T8 */
void promotion_may_go(struct daemon *daemon, const char *volume)
{
	struct promotion *p = promotion_find(daemon, volume);

	if (!p || !p->asks_first)
		return;
	p->asks_first = false;
	if (p->leader)
		p = p->leader;
	if (is_at_rest(p) && !promotion_is_asking(p) && !is_stuck(p))
		go(p);
}

/* --- asked for ------------------------------------------------------------ */

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
	else if (is_stuck(p))
		error_set(&err, p->error.code, "%s", p->error.text);
	else if (promotion_is_asking(p))
		error_set(&err, -EBUSY, "%s: its target is asked first whether "
			  "another site has taken over: see replicactl status "
			  "(with activation=force nobody is asked)", q->volume);
	else if (q->wish.at_ns || (q->wish.epoch &&
				   q->wish.epoch != p->record.epoch))
		error_set(&err, -EEXIST, "%s: was promoted already, as of "
			  "epoch %" PRIu64, q->volume, p->record.epoch);
	if (err.code) {
		done(arg, NULL, &err);
		return;
	}
	p->done = done;
	p->arg = arg;
	if (!q->is_dry) {
		go(p);
		return;
	}
	answer(p);
	part(p);
}

/* The one that leads is the first. NULL: no memory. */
static struct promotion *create(struct daemon *daemon,
				const struct promotion_request *q,
				const struct promotion_record *all,
				unsigned int nr)
{
	struct promotion *leader = NULL;

	for (unsigned int i = 0; i < nr; i++) {
		struct promotion *p = add(daemon, &all[i ? nr - i : 0]);

		if (!p) {
			if (leader)
				part(leader);
			return NULL;
		}
		p->leader = leader;
		p->run.wish = q->wish;
		p->run.is_new = true;
		p->run.is_dry = q->is_dry;
		if (!leader)
			leader = p;
	}
	return leader;
}

void promotion_start(struct daemon *daemon, const struct promotion_request *q,
		     promotion_done_fn *done, void *arg)
{
	struct promotion *p = find_leader(daemon, q->volume);
	struct promotion_request rest = *q;
	struct promotion_record *all;
	char lost[STAGE_NAME_LEN];
	struct error err = { 0 };
	unsigned int nr;

	if (p && q->is_group && p->state == PROMOTION_DONE &&
	    promotion_lacks(daemon, &p->record, lost)) {
		rest.volume = lost;
		rest.dir = p->record.dir;
	} else if (p) {
		again(p, q, done, arg);
		return;
	}
	if (q->is_begun)
		error_set(&err, -ENOENT, "%s: no failover of it was begun",
			  q->volume);
	if (err.code ||
	    promotion_make_records(daemon, &rest, &all, &nr, &err)) {
		done(arg, NULL, &err);
		return;
	}
	p = create(daemon, &rest, all, nr);
	free(all);
	if (!p) {
		error_set(&err, -ENOMEM, "no memory");
		done(arg, NULL, &err);
		return;
	}
	p->done = done;
	p->arg = arg;
	go(p);
}

/* --- start and stop ------------------------------------------------------- */

static void load(void *arg, const char *volume)
{
	struct daemon *daemon = arg;
	struct promotion_record record;
	struct promotion *p;
	int err = promotion_load(daemon->config.state_dir, volume, &record);

	if (err) {
		log_err(volume, "its failover's record: %s", state_error(err));
		return;
	}
	p = add(daemon, &record);
	if (p)
		p->state = PROMOTION_FAILED;	/* until it goes on */
	else
		log_err(volume, "failover: no memory");
}

void promotions_start(struct daemon *daemon)
{
	struct promotion *next;

	promotion_each(daemon->config.state_dir, load, daemon);
	find_places(daemon);
	promotions_find_who_asks(daemon);
	for (struct promotion *p = daemon->promotions; p; p = next) {
		next = p->next;
		if (p->state == PROMOTION_ENDING || p->leader ||
		    is_stuck(p) || promotion_is_asking(p))
			continue;
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
