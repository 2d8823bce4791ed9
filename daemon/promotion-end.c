// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	fence: given up -> record: given up -> disable -> [job] device, record
 *
 * T6 (T4) Nothing is taken away before the fence and the record say so: who is
 *    killed meanwhile goes on at the next start, and makes no device again.
 *    Where they cannot, it is ENDING all the same, for it is given up by its
 *    NAME.id: that is tried again.
 */
#include "promotion.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "giving-up.h"
#include "kernel.h"
#include "log.h"
#include "ops.h"
#include "stage-promote.h"

struct ending {
	struct daemon *daemon;
	struct promotion *p;
	struct ring_job job;
	struct error error;
	void (*done)(void *arg, const struct error *err);
	void *arg;
};

static void tell_step(const struct daemon *daemon, const char *step)
{
	if (daemon->kernel_ops->note_step)
		daemon->kernel_ops->note_step(step);
}

bool promotion_was_given_up(const struct promotion *p)
{
	return p->record.step == PROMOTION_GIVEN_UP ||
	       (p->record.step >= PROMOTION_LEFT &&
		giving_up_is_noted(p->run.state_dir, p->record.volume) > 0);
}

/* given-up D3 */
bool promotion_is_unsure(const struct promotion *p)
{
	return p->record.step >= PROMOTION_LEFT &&
	       p->record.step != PROMOTION_GIVEN_UP &&
	       giving_up_is_noted(p->run.state_dir, p->record.volume) < 0;
}

void promotion_tell_unsure(struct promotion *p)
{
	error_clear(&p->error);
	error_set(&p->error, -EIO, "%s: it may have been given up, and its .id "
		  "or a file of given-up/ in %.100s cannot be read: put it "
		  "right; then start replicad again", p->record.volume,
		  p->run.state_dir);
}

bool promotion_is_ending(const struct daemon *daemon, const char *volume)
{
	const struct promotion *p = promotion_find(daemon, volume);

	return p && p->state == PROMOTION_ENDING;
}

/* --- the end -------------------------------------------------------------- */

static void finish(struct ending *e)
{
	struct daemon *daemon = e->daemon;
	struct promotion *p = e->p;

	p->is_ending = false;
	p->error = e->error;
	if (e->error.code)
		log_err(p->record.volume, "%s", e->error.text);
	else
		promotion_drop(p);
	e->done(e->arg, e->error.code ? &e->error : NULL);
	free(e);
	daemon->nr_promotions--;
	daemon_wrap_up(daemon);
}

static void remove_blocking(struct ring_job *job)
{
	struct ending *e = container_of(job, struct ending, job);
	const char *volume = e->p->record.volume;
	char why[KERNEL_ERROR_SIZE] = "";
	int ret = e->daemon->kernel_ops->deactivate(volume, why);

	if (ret) {
		error_set(&e->error, ret, "%s: it is given up, but its device "
			  "could not be removed: %.120s", volume, why);
		return;
	}
	tell_step(e->daemon, "ending-removed");
	ret = promotion_remove(e->daemon->config.state_dir, volume);
	if (ret)
		error_set(&e->error, ret, "%s: the record of its failover: %s",
			  volume, strerror(-ret));
	else
		tell_step(e->daemon, "ending-forgotten");
}

static void on_removed(struct ring_job *job)
{
	finish(container_of(job, struct ending, job));
}

static void remove_device(struct ending *e)
{
	e->job.blocking = remove_blocking;
	e->job.done = on_removed;
	if (!ring_job_start(e->daemon->reactors[0].ring, &e->job))
		return;
	error_set(&e->error, -ENOMEM, "no thread");
	finish(e);
}

/* --- disable -------------------------------------------------------------- */

static void on_disabled(struct op *op)
{
	struct ending *e = op->arg;

	if (op->err && op->err != -ENOENT)
		error_set(&e->error, op->err, "%.200s", op->error[0] ?
			  op->error : strerror(-op->err));
	op_free(op);
	tell_step(e->daemon, "ending-disabled");
	if (e->error.code)
		finish(e);
	else
		remove_device(e);
}

static void disable(struct ending *e)
{
	const char *volume = e->p->record.volume;

	if (!daemon_find(e->daemon, volume)) {
		remove_device(e);
	} else if (!op_disable(e->daemon, volume, on_disabled, e)) {
		error_set(&e->error, -ENOMEM, "no memory");
		finish(e);
	}
}

/* --- noting it ------------------------------------------------------------ */

/* T4. Also where the record was lost. */
static int retire_all(struct daemon *daemon, const char *volume,
		      const struct promotion *p, struct error *err)
{
	int ret = p ? stage_fence_give_up(p->record.dir, volume, err) : 0;

	for (struct pairing *o = daemon->pairings; !ret && o; o = o->next)
		if (promotion_stage_of(o))
			ret = stage_fence_give_up(promotion_stage_of(o),
						  volume, err);
	return ret;
}

/* T5, T7: no run has it, nor is it one that leads. */
static void set_ending(struct promotion *p)
{
	for (struct promotion *o = p->daemon->promotions; o; o = o->next)
		if (o->leader == p)
			o->leader = NULL;
	p->leader = NULL;
	p->state = PROMOTION_ENDING;
}

/* T6 */
static int note(struct promotion *p, struct error *err)
{
	struct promotion_record r = p->record;
	int ret;

	tell_step(p->daemon, "ending-retired");
	r.step = PROMOTION_GIVEN_UP;
	ret = promotion_save(p->run.state_dir, &r);
	if (ret)
		return error_set(err, ret, "%s: the record of its failover: %s",
				 r.volume, strerror(-ret));
	p->record = r;
	hooks_waive(p->run.hooks, HOOK_AFTER_PROMOTE, r.volume);
	tell_step(p->daemon, "ending-noted");
	return 0;
}

static int begin(struct daemon *daemon, const char *volume,
		 struct promotion *p, struct error *err)
{
	int ret;

	if (p && (p->is_ending || p->state == PROMOTION_WAITING ||
		  p->state == PROMOTION_RUNNING))
		return error_set(err, -EBUSY, "%.60s: a failover is under way",
				 volume);
	if (p)
		set_ending(p);
	ret = retire_all(daemon, volume, p, err);
	return ret || !p ? ret : note(p, err);
}

void promotion_end(struct daemon *daemon, const char *volume,
		   void (*done)(void *arg, const struct error *err), void *arg)
{
	struct promotion *p = promotion_find(daemon, volume);
	struct error err = { 0 };
	struct ending *e = NULL;

	if (!begin(daemon, volume, p, &err) && p) {
		e = calloc(1, sizeof(*e));
		if (!e)
			error_set(&err, -ENOMEM, "no memory");
	}
	if (!e) {
		if (err.code && p && p->state == PROMOTION_ENDING &&
		    !p->is_ending) {
			p->error = err;
			log_err(volume, "%s", err.text);
		}
		done(arg, err.code ? &err : NULL);
		return;
	}
	*e = (struct ending){ .daemon = daemon, .p = p, .done = done,
			      .arg = arg };
	p->is_ending = true;
	daemon->nr_promotions++;
	disable(e);
}

static void on_ended(void *arg, const struct error *err)
{
}

void promotions_end(struct daemon *daemon)
{
	struct promotion *next;

	for (struct promotion *p = daemon->promotions; p; p = next) {
		next = p->next;
		if (p->state == PROMOTION_ENDING)
			promotion_end(daemon, p->record.volume, on_ended, NULL);
	}
}
