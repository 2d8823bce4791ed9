// SPDX-License-Identifier: GPL-2.0-or-later
#include "hooks-late.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "giving-up.h"
#include "group.h"
#include "log.h"
#include "reactor.h"
#include "volume.h"

/* --- of a group ----------------------------------------------------------- */

static void run_blocking(struct ring_job *job)
{
	struct group_hook *h = container_of(job, struct group_hook, job);

	hooks_run(h->group->reactor->hooks, &h->call, &h->err);
}

static void on_run(struct ring_job *job)
{
	struct group_hook *h = container_of(job, struct group_hook, job);

	hook_call_clear(&h->call);
	h->is_running = false;
	h->is_answered = true;
	group_kick(h->group);
}

static int fill(struct group_hook *h, struct group *g, enum hook hook)
{
	const struct volume *v = g->volumes;
	struct hook_call *c = &h->call;
	int err = 0;

	memset(h, 0, sizeof(*h));
	h->group = g;
	c->hook = hook;
	c->stop = &h->stop;
	c->epoch = v->info.last_committed;
	c->generation = v->identity.generation;
	snprintf(c->volume, sizeof(c->volume), "%s", v->config->name);
	if (g->is_named)
		snprintf(c->group, sizeof(c->group), "%.63s", g->name);
	snprintf(c->device, sizeof(c->device), "/dev/mapper/%s",
		 v->device.name);
	snprintf(c->reason, sizeof(c->reason), "%s", pair_reason(&g->pair));
	for (; !err && v; v = v->next)
		err = hook_call_add(c, v->config->name);
	return err;
}

/* Another value for each set of connections. */
static unsigned int connections_of(const struct group *g)
{
	unsigned int sum = 0;

	for (const struct volume *v = g->volumes; v; v = v->next)
		sum = sum * 31 + v->target.opens + 1;
	return sum;
}

static void begin(struct group_hook *h, struct group *g, enum hook hook)
{
	int err = fill(h, g, hook);

	h->connections = connections_of(g);
	h->job.blocking = run_blocking;
	h->job.done = on_run;
	if (!err)
		err = ring_job_start(g->reactor->ring, &h->job);
	h->is_running = !err;
	h->is_answered = err;
	if (!err)
		return;
	hook_call_clear(&h->call);
	error_set(&h->err, err, "hook %s: no thread, or no memory",
		  hook_name(hook));
}

int group_may_sync(struct group *g, struct error *err)
{
	struct group_hook *h = &g->syncing_hook;

	if (h->is_running)
		return 0;
	if (!h->is_answered || h->connections != connections_of(g)) {
		if (!hooks_has(g->reactor->hooks, HOOK_BEFORE_SYNCING))
			return 1;
		begin(h, g, HOOK_BEFORE_SYNCING);
	}
	if (!h->is_answered)
		return 0;
	h->is_answered = false;
	return h->err.code ? error_set(err, h->err.code, "%s", h->err.text) :
			     1;
}

void group_tell_superseded(struct group *g)
{
	if (!g->superseded_hook.is_running && g->volumes &&
	    g->volumes->identity.given_up != GIVEN_UP_DONE &&
	    hooks_has(g->reactor->hooks, HOOK_SUPERSEDED))
		begin(&g->superseded_hook, g, HOOK_SUPERSEDED);
}

bool group_hooks_are_idle(struct group *g, bool is_ending)
{
	struct group_hook *all[] = { &g->syncing_hook, &g->superseded_hook };
	bool is_idle = true;

	for (int i = 0; i < 2; i++) {
		is_idle &= !all[i]->is_running;
		if (!is_ending)
			continue;
		__atomic_store_n(&all[i]->stop, true, __ATOMIC_RELAXED);
		all[i]->is_answered = false;	/* of other members, perhaps */
	}
	return is_idle;
}

/* --- what was owed -------------------------------------------------------- */

struct owed {
	struct daemon *daemon;
	struct ring_job job;
	char volume[64];
};

static void pay_blocking(struct ring_job *job)
{
	struct owed *o = container_of(job, struct owed, job);

	hooks_pay(&o->daemon->hooks, HOOK_AFTER_DEMOTE, o->volume);
}

static void on_paid(struct ring_job *job)
{
	struct owed *o = container_of(job, struct owed, job);
	struct daemon *daemon = o->daemon;

	free(o);
	daemon->nr_hooks--;
	daemon_wrap_up(daemon);
}

static void pay(void *arg, const char *volume)
{
	struct daemon *daemon = arg;
	int is_noted = giving_up_is_noted(daemon->config.state_dir, volume);
	struct owed *o;

	if (is_noted < 0)
		return;			/* it is owed to whom that is clear */
	/* Its giving up has not come to its end: it is ours still. */
	if (daemon_find(daemon, volume) && !is_noted) {
		hooks_waive(&daemon->hooks, HOOK_AFTER_DEMOTE, volume);
		return;
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		return;
	o->daemon = daemon;
	snprintf(o->volume, sizeof(o->volume), "%s", volume);
	o->job.blocking = pay_blocking;
	o->job.done = on_paid;
	if (ring_job_start(daemon->reactors[0].ring, &o->job)) {
		free(o);
		return;
	}
	daemon->nr_hooks++;
}

/* after-promote is paid by the promotion that is resumed. */
void hooks_pay_all(struct daemon *daemon)
{
	hooks_each_owed(&daemon->hooks, HOOK_AFTER_DEMOTE, pay, daemon);
}
