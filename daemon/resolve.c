// SPDX-License-Identifier: GPL-2.0-or-later
#include "resolve-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "giving-up.h"
#include "hooks.h"
#include "log.h"
#include "promotion.h"

#define AGAIN_MS	100
#define GIVE_UP_NS	10000000000ULL	/* until its metadata has the role */
#define OPENS_MAX	10	/* looks at which it is open, in a row */

static struct ring *main_ring(const struct resolution *r)
{
	return r->daemon->reactors[0].ring;
}

/* --- who they are --------------------------------------------------------- */

int resolve_make_members(struct resolution *r, unsigned int nr)
{
	r->all = calloc(nr, sizeof(*r->all));
	r->volumes = calloc(nr, sizeof(*r->volumes));
	if (!r->all || !r->volumes)
		return error_set(&r->error, -ENOMEM, "no memory");
	for (; r->nr < nr; r->nr++) {
		r->all[r->nr].fd = -1;
		r->all[r->nr].dirty = dmr_extents_create();
		if (!r->all[r->nr].dirty)
			return error_set(&r->error, -ENOMEM, "no memory");
	}
	return 0;
}

bool resolve_has(const struct resolution *r, const char *volume)
{
	for (unsigned int i = 0; i < r->nr; i++)
		if (!strcmp(r->all[i].info.volume, volume))
			return true;
	return false;
}

bool resolve_is_under_way(const struct daemon *daemon, const char *volume,
			  const struct resolution *but)
{
	for (const struct resolution *r = daemon->resolutions; r; r = r->next) {
		if (r == but || (but && !r->is_found))
			continue;
		if (!r->is_found && !strcmp(r->volume, volume))
			return true;
		if (r->is_found && resolve_has(r, volume))
			return true;
	}
	return false;
}

static void close_all(struct resolution *r)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		if (r->all[i].fd >= 0)
			close(r->all[i].fd);
		r->all[i].fd = -1;
	}
}

static void free_resolution(struct resolution *r)
{
	close_all(r);
	for (unsigned int i = 0; i < r->nr; i++)
		dmr_extents_destroy(r->all[i].dirty);
	json_decref(r->named);
	free(r->all);
	free(r->volumes);
	free(r);
}

/* --- the end -------------------------------------------------------------- */

static json_t *describe_one(const struct resolution *r,
			    const struct resolve_member *m)
{
	uint64_t bytes = r->is_over ? m->kept_bytes :
			 dmr_extents_chunks(m->dirty) * m->chunk_bytes;

	return json_pack("{ss sb sI sI ss}", "volume", m->info.volume,
			 "given_up_before", r->is_over, "lost_bytes",
			 (json_int_t)bytes, "last_committed",
			 (json_int_t)m->info.epoch, "salvage",
			 r->is_dry || !bytes ? "" : m->path);
}

static json_t *describe(const struct resolution *r)
{
	json_t *o = describe_one(r, &r->all[0]), *all;

	json_object_set_new(o, "schema_version", json_integer(1));
	json_object_set_new(o, "dry_run", json_boolean(r->is_dry));
	if (!r->group[0])
		return o;
	all = json_array();
	for (unsigned int i = 0; i < r->nr; i++)
		json_array_append_new(all, describe_one(r, &r->all[i]));
	json_object_set_new(o, "group", json_string(r->group));
	json_object_set_new(o, "volumes", all);
	return o;
}

static void finish(struct resolution *r)
{
	struct resolution **link = &r->daemon->resolutions;

	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	if (r->is_owed)
		hooks_waive(&r->daemon->hooks, HOOK_AFTER_DEMOTE,
			    r->all[0].info.volume);
	r->done(r->arg, r->error.code ? NULL : describe(r),
		r->error.code ? &r->error : NULL);
	daemon_wrap_up(r->daemon);
	free_resolution(r);
}

static void on_undone(struct ring_work *work)
{
	finish(container_of(work, struct resolution, work));
}

static void undo_on_reactor(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	resolve_undo(r);
	r->work.run = on_undone;
	ring_post(main_ring(r), &r->work);
}

/* They go on as they were. */
static void undo(struct resolution *r)
{
	r->work.run = undo_on_reactor;
	ring_post(r->reactor->ring, &r->work);
}

static void run_job(struct resolution *r, void (*blocking)(struct ring_job *),
		    void (*done)(struct ring_job *))
{
	r->job.blocking = blocking;
	r->job.done = done;
	if (!ring_job_start(main_ring(r), &r->job))
		return;
	error_set(&r->error, -ENOMEM, "no thread");
	undo(r);
}

/* --- hooks ---------------------------------------------------------------- */

/* hook_call_clear(). -ENOMEM. */
static int fill_hook(struct hook_call *c, const struct resolution *r,
		     enum hook hook, struct error *err)
{
	const struct resolve_member *first = &r->all[0];
	int ret = 0;

	*c = (struct hook_call){ .hook = hook, .epoch = first->info.epoch,
				 .generation = first->info.generation };
	snprintf(c->volume, sizeof(c->volume), "%s", first->info.volume);
	snprintf(c->group, sizeof(c->group), "%s", r->group);
	snprintf(c->device, sizeof(c->device), "/dev/mapper/%s", first->device);
	snprintf(c->reason, sizeof(c->reason), "%s", r->is_planned ?
		 "a planned failover" : "the other site's data are kept");
	for (unsigned int i = 0; !ret && r->group[0] && i < r->nr; i++)
		ret = hook_call_add(c, r->all[i].info.volume);
	return ret ? error_set(err, ret, "no memory") : 0;
}

static int ask_hook(struct resolution *r)
{
	struct hook_call c;
	int ret = fill_hook(&c, r, HOOK_BEFORE_DEMOTE, &r->error);

	if (!ret)
		ret = hooks_run(&r->daemon->hooks, &c, &r->error);
	hook_call_clear(&c);
	return ret;
}

static int owe_hook(struct resolution *r)
{
	struct hook_call c;
	int ret = fill_hook(&c, r, HOOK_AFTER_DEMOTE, &r->error);

	if (!ret)
		ret = hooks_owe(&r->daemon->hooks, &c, &r->error);
	hook_call_clear(&c);
	return ret;
}

static void pay_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	if (r->is_over)
		resolve_find_salvages(r);
	hooks_pay(&r->daemon->hooks, HOOK_AFTER_DEMOTE, r->all[0].info.volume);
}

static void on_paid(struct ring_job *job)
{
	finish(container_of(job, struct resolution, job));
}

/* It is given up, whatever else. Without a thread, the next start pays. */
static void finish_with_hook(struct resolution *r)
{
	r->job.blocking = pay_blocking;
	r->job.done = on_paid;
	if (ring_job_start(main_ring(r), &r->job))
		finish(r);
}

/* --- the end of those that are given up ----------------------------------- */

static void end_next(struct resolution *r);

/* One that fails stops none of the others. */
static void on_ended(void *arg, const struct error *err)
{
	struct resolution *r = arg;

	if (err)
		error_set(&r->error, err->code, "%s", err->text);
	r->nr_ended++;
	end_next(r);
}

static void end_next(struct resolution *r)
{
	if (r->nr_ended < r->nr)
		promotion_end(r->daemon, r->all[r->nr_ended].info.volume,
			      on_ended, r);
	else
		finish_with_hook(r);
}

/* The claim is over: it is we who would use the devices. */
static void end_given_up(struct resolution *r)
{
	r->is_owed = false;		/* it will be paid */
	close_all(r);
	end_next(r);
}

static void go_to_reactor(struct resolution *r);

/* Q3 */
static void give_up(struct resolution *r)
{
	if (owe_hook(r)) {
		undo(r);
		return;
	}
	r->is_owed = true;
	/* However long the salvage took. */
	r->until_ns = ring_now(main_ring(r)) + GIVE_UP_NS;
	go_to_reactor(r);
}

static void salvage_blocking(struct ring_job *job)
{
	resolve_salvage(container_of(job, struct resolution, job));
}

static void on_salvaged(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	if (r->error.code)
		undo(r);
	else
		give_up(r);
}

/* --- looking -------------------------------------------------------------- */

/* What else has it open: ours is one. It may only look at it, as udev does. */
static int count_one(struct resolution *r, const struct resolve_member *m)
{
	char error[KERNEL_ERROR_SIZE] = "";
	int ret = r->daemon->kernel_ops->nr_opens(m->device, error);

	if (ret < 0)
		return error_set(&r->error, ret, "%s: %.200s", m->info.volume,
				 error);
	if (ret <= 1)
		return 0;
	r->nr_open_seen++;
	return error_set(&r->error, r->nr_open_seen < OPENS_MAX ? -EAGAIN :
			 -EBUSY, "%s: %.100s: is in use: stop what uses it",
			 m->info.volume, m->live);
}

static void count_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);
	int ret = 0;

	for (unsigned int i = 0; !ret && i < r->nr; i++)
		ret = count_one(r, &r->all[i]);
	r->is_counted = !ret;
	if (!ret)
		r->nr_open_seen = 0;
}

static void on_again(struct ring_timer *timer)
{
	struct resolution *r = container_of(timer, struct resolution, again);

	error_clear(&r->error);
	go_to_reactor(r);
}

/* It is a matter of time, or of the link. */
static bool look_again(struct resolution *r)
{
	if (r->error.code != -EAGAIN)
		return false;
	if (ring_now(main_ring(r)) >= r->until_ns || r->is_dry ||
	    r->daemon->is_stopping) {
		r->error.code = -ETIMEDOUT;
		return false;
	}
	r->again.fire = on_again;
	ring_timer_add(main_ring(r), &r->again, AGAIN_MS);
	return true;
}

static void on_counted(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	if (look_again(r))
		return;
	if (r->error.code)
		undo(r);
	else
		go_to_reactor(r);
}

/* R1: counted while writers wait, or when they cannot write any more. */
static void go_on(struct resolution *r)
{
	if (r->phase == RESOLVE_DONE)
		end_given_up(r);
	else if (r->phase == RESOLVE_SALVAGED && resolve_has_dirty(r))
		run_job(r, salvage_blocking, on_salvaged);
	else if (r->phase == RESOLVE_SALVAGED)
		give_up(r);
	else if (r->is_counted)
		go_to_reactor(r);
	else
		run_job(r, count_blocking, on_counted);
}

static void on_looked(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	if (look_again(r))
		return;
	if (r->is_dry)
		finish(r);
	else if (r->error.code)
		undo(r);
	else
		go_on(r);
}

static void look(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	resolve_look(r);
	r->work.run = on_looked;
	ring_post(main_ring(r), &r->work);
}

static void go_to_reactor(struct resolution *r)
{
	r->work.run = look;
	ring_post(r->reactor->ring, &r->work);
}

/* --- claim ---------------------------------------------------------------- */

static int claim_one(struct resolution *r, struct resolve_member *m)
{
	char error[KERNEL_ERROR_SIZE] = "";
	int ret;

	m->fd = open(m->live, O_RDONLY | O_EXCL | O_CLOEXEC);
	ret = m->fd < 0 ? -errno :
	      r->daemon->kernel_ops->nr_opens(m->device, error);
	if (ret > 1)
		ret = -EBUSY;
	return ret >= 0 ? 0 :
	       error_set(&r->error, ret, "%s: %.100s: %.120s", m->info.volume,
			 m->live, ret == -EBUSY ? "is in use: stop what uses "
			 "it, and unmount it" : error[0] ? error :
			 strerror(-ret));
}

static void claim_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);
	int ret = ask_hook(r);

	for (unsigned int i = 0; !ret && i < r->nr; i++)
		ret = claim_one(r, &r->all[i]);
}

static void on_claimed(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	/* What the hook before it took is not of its time. */
	r->until_ns = ring_now(main_ring(r)) + r->wait_ns;
	if (r->error.code)
		finish(r);
	else
		go_to_reactor(r);
}

/* Another resolution has one of them. */
static bool is_taken(struct resolution *r)
{
	for (unsigned int i = 0; i < r->nr; i++) {
		const char *volume = r->all[i].info.volume;

		if (resolve_is_under_way(r->daemon, volume, r))
			return error_set(&r->error, -EBUSY, "%s: is being "
					 "resolved", volume);
		if (!r->is_dry &&
		    resolve_check_kept(r->daemon, volume, &r->error))
			return true;
	}
	return false;
}

static const char *group_of(const struct daemon *daemon, const char *volume)
{
	const struct entry *e = daemon_find(daemon, volume);

	return e ? e->config->group : NULL;
}

/* R10: of its group, one that does not run is no less in it. */
static bool is_in_parts(struct resolution *r)
{
	const char *group = group_of(r->daemon, r->volume);

	for (const struct entry *e = r->daemon->entries;
	     r->is_asked && group && e; e = e->next) {
		const char *name = e->config->name;

		if (e->config->group && !strcmp(e->config->group, group) &&
		    !resolve_has(r, name) &&
		    giving_up_is_noted(r->daemon->config.state_dir, name) <= 0)
			return error_set(&r->error, -EOPNOTSUPP, "%.60s is in "
					 "group %.60s, too, which is given up "
					 "whole, and does not run", name,
					 group);
	}
	return false;
}

static void find(struct ring_work *work);

static void find_later(struct ring_timer *timer)
{
	struct resolution *r = container_of(timer, struct resolution, again);

	error_clear(&r->error);
	r->work.run = find;
	ring_post(r->reactor->ring, &r->work);
}

/* R8. A dry run waits, too. */
static bool find_again(struct resolution *r)
{
	if (r->error.code != -EAGAIN)
		return false;
	if (ring_now(main_ring(r)) >= r->until_ns || r->daemon->is_stopping) {
		r->error.code = -ETIMEDOUT;
		return false;
	}
	r->again.fire = find_later;
	ring_timer_add(main_ring(r), &r->again, AGAIN_MS);
	return true;
}

static void on_found(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	if (find_again(r))
		return;
	r->is_found = !r->error.code && !is_taken(r) &&
		      (r->is_over || !is_in_parts(r));
	if (!r->is_found || (r->is_over && r->is_dry))
		finish(r);
	else if (r->is_over)
		end_given_up(r);
	else if (r->is_dry)
		go_to_reactor(r);
	else
		run_job(r, claim_blocking, on_claimed);
}

/* On the volume's thread. */
static void find(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);
	struct volume *v = reactor_find(r->reactor, r->volume);

	if (v)
		resolve_find(r, v);
	else
		error_set(&r->error, -ENOENT, "there is no volume %s",
			  r->volume);
	r->work.run = on_found;
	ring_post(main_ring(r), &r->work);
}

/* --- the beginning -------------------------------------------------------- */

static int check(const struct daemon *daemon, const struct resolve_request *q,
		 struct error *err)
{
	const struct entry *entry = daemon_find(daemon, q->volume);

	if (resolve_is_under_way(daemon, q->volume, NULL))
		return error_set(err, -EBUSY, "%.60s: is being resolved",
				 q->volume);
	if (promotion_is_ending(daemon, q->volume))
		return 0;
	if (!entry)
		return error_set(err, -ENOENT, "there is no volume %.60s",
				 q->volume);
	if (!entry->reactor)
		return error_set(err, -EINVAL, "volume %.60s does not run: "
				 "there is nothing to resolve", q->volume);
	if (q->dir && q->dir[0] != '/')
		return error_set(err, -EINVAL, "dir=%.100s: want an absolute "
				 "path", q->dir);
	return 0;
}

/* It alone: there is nothing more to be known. */
static int find_ending(struct resolution *r)
{
	int ret = resolve_make_members(r, 1);

	if (!ret)
		snprintf(r->all[0].info.volume, sizeof(r->all[0].info.volume),
			 "%s", r->volume);
	return ret;
}

static struct resolution *create(struct daemon *daemon,
				 const struct resolve_request *q)
{
	struct resolution *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->daemon = daemon;
	r->is_dry = q->is_dry;
	r->is_planned = q->is_planned;
	r->is_group = q->is_group;
	r->is_asked = q->is_asked;
	r->named = json_incref(q->named);
	r->wait_ns = q->wait_ms * 1000000ULL;
	r->until_ns = ring_now(main_ring(r)) + r->wait_ns;
	r->is_over = promotion_is_ending(daemon, q->volume);
	if (!r->is_over)
		r->reactor = daemon_find(daemon, q->volume)->reactor;
	snprintf(r->volume, sizeof(r->volume), "%s", q->volume);
	if (q->dir)
		snprintf(r->dir, sizeof(r->dir), "%s", q->dir);
	else
		snprintf(r->dir, sizeof(r->dir), "%s/salvage",
			 daemon->config.state_dir);
	r->next = daemon->resolutions;
	daemon->resolutions = r;
	return r;
}

void resolve_keep_peer(struct daemon *daemon, const struct resolve_request *q,
		       void (*done)(void *arg, json_t *result,
				    const struct error *err), void *arg)
{
	struct error err = { 0 };
	struct resolution *r = NULL;

	if (!check(daemon, q, &err)) {
		r = create(daemon, q);
		if (!r)
			error_set(&err, -ENOMEM, "no memory");
	}
	if (err.code) {
		done(arg, NULL, &err);
		return;
	}
	r->done = done;
	r->arg = arg;
	if (!r->is_over) {
		r->work.run = find;
		ring_post(r->reactor->ring, &r->work);
	} else if (find_ending(r) || r->is_dry) {
		finish(r);
	} else {
		end_given_up(r);
	}
}
