// SPDX-License-Identifier: GPL-2.0-or-later
#include "recovery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-target.h"
#include "daemon.h"
#include "made.h"
#include "pair.h"
#include "pairing.h"
#include "promotion.h"

#define SERVER_LIVES_NS	1500000000ULL	/* then it has not ended at once */

static const char *const tries[] = {
	[TRY_TARGET] = "connect to its target",
	[TRY_START] = "start it",
	[TRY_OUT] = "take it out of its device",
	[TRY_FAILOVER] = "go on with its failover",
	[TRY_ENDING] = "go on with giving it up here",
	[TRY_SERVER] = "start its server",
	[TRY_RECORD] = "go on with what was begun of it",
};

const char *recovery_try_name(enum recovery_try try)
{
	return tries[try];
}

/* --- what a status says --------------------------------------------------- */

static const char *text_of(const json_t *one, const char *key)
{
	return json_string_value(json_object_get(one, key)) ?: "";
}

static bool flag_of(const json_t *one, const char *key)
{
	return json_is_true(json_object_get(one, key));
}

static bool is_in(const json_t *one, enum pair_state state)
{
	return !strcmp(text_of(one, "state"), pair_state_name(state));
}

static const json_t *find_volume(const json_t *status, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(status, "volumes"), i, one)
		if (!strcmp(text_of(one, "name"), name))
			return one;
	return NULL;
}

static bool has_failed_metadata(const json_t *one)
{
	return !strcmp(text_of(one, "persistence"), "failed");
}

static bool is_in_error(const json_t *one)
{
	return is_in(one, PAIR_ERROR) || flag_of(one, "log_full");
}

/* It ships, but what was the error may come again with the next epoch. */
static bool is_unproven(const json_t *one, bool was_error)
{
	return (was_error || flag_of(one, "unproven")) &&
	       (is_in(one, PAIR_SYNCING) || is_in(one, PAIR_CATCHING_UP) ||
		is_in(one, PAIR_FALLING_BEHIND));
}

static bool is_well(const json_t *one, bool was_error)
{
	static const enum pair_state bad[] = {
		PAIR_CONNECTING, PAIR_FAILING_OVER, PAIR_DIVERGED,
		PAIR_SUPERSEDED, PAIR_SPLIT_BRAIN,
		PAIR_DISABLED,	/* its group changes */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (is_in(one, bad[i]))
			return false;
	return !is_in_error(one) && !has_failed_metadata(one) &&
	       !is_unproven(one, was_error);
}

/* --- items ---------------------------------------------------------------- */

struct look {
	struct daemon *daemon;
	const char *only;
	const struct scope *scope;
	struct recovery_item **last;
	unsigned int nr;
	int err;
};

/* NULL: no memory. */
static struct recovery_item *add(struct look *l, enum recovery_kind kind,
				 const char *name, enum recovery_try try,
				 const char *was)
{
	struct recovery_item *item = calloc(1, sizeof(*item));

	if (!item) {
		l->err = -ENOMEM;
		return NULL;
	}
	item->kind = kind;
	item->try = try;
	snprintf(item->name, sizeof(item->name), "%s", name);
	snprintf(item->was, sizeof(item->was), "%s", was);
	*l->last = item;
	l->last = &item->next;
	return item;
}

void recovery_free(struct recovery_item *items)
{
	while (items) {
		struct recovery_item *next = items->next;

		free(items);
		items = next;
	}
}

/* --- volumes -------------------------------------------------------------- */

static enum recovery_try try_of_promotion(const struct promotion *p)
{
	if (p && p->state == PROMOTION_FAILED)
		return TRY_FAILOVER;
	if (p && p->state == PROMOTION_ENDING && !p->is_ending)
		return TRY_ENDING;
	return TRY_NOTHING;
}

/* R1, R2 */
static enum recovery_try try_of(const struct daemon *daemon, const json_t *one)
{
	const char *name = text_of(one, "name");
	const struct entry *entry = daemon_find(daemon, name);

	if (!entry)
		return try_of_promotion(promotion_find(daemon, name));
	if (entry->is_disabled)
		return TRY_OUT;
	if (!entry->reactor)
		return entry->error[0] ? TRY_START : TRY_NOTHING;
	if (!is_in(one, PAIR_CONNECTING) && !is_in_error(one))
		return TRY_NOTHING;
	return flag_of(one, "waits_for_retry") ? TRY_TARGET : TRY_NOTHING;
}

/* @group: "" is none; @entry: NULL of one that was promoted only. */
static bool is_meant(const struct look *l, const char *name, const char *group,
		     const struct entry *entry)
{
	if (l->only)
		return !strcmp(name, l->only);
	if (l->scope->group)
		return !strcmp(group, l->scope->group);
	return !l->scope->pool || (entry && scope_has(l->scope,
						      entry->config));
}

static void look_at_volumes(struct look *l, const json_t *status)
{
	struct recovery_item *item;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(status, "volumes"), i, one) {
		const char *name = text_of(one, "name");

		if (!is_meant(l, name, text_of(one, "group"),
			      daemon_find(l->daemon, name)))
			continue;
		l->nr++;
		if (is_well(one, false))
			continue;
		item = add(l, RECOVER_VOLUME, name, try_of(l->daemon, one),
			   text_of(one, "state"));
		if (item)
			item->was_error = is_in_error(one);
	}
}

/* They have come to a reactor that the status had passed: waited for (R3). */
static void look_at_unseen(struct look *l, const json_t *status)
{
	for (const struct entry *e = l->daemon->entries; e; e = e->next) {
		const char *name = e->config->name;

		if (find_volume(status, name) ||
		    !is_meant(l, name, e->config->group ?: "", e))
			continue;
		l->nr++;
		add(l, RECOVER_VOLUME, name, TRY_NOTHING,
		    pair_state_name(PAIR_CONNECTING));
	}
}

/* --- pairs, and records --------------------------------------------------- */

/* R3. A verb of more than one step may be in between them. */
static enum recovery_try try_of_record(const struct daemon *daemon)
{
	return daemon_is_at_verb(daemon) ? TRY_NOTHING : TRY_RECORD;
}

static bool has_server(const struct pairing *p)
{
	return p->state != PAIRING_SERVING || p->holds ||
	       child_runs(&p->child);
}

static void look_at_pairs(struct look *l)
{
	const struct pairing *of = l->only ?
		promotion_pair_of(l->daemon, l->only) : NULL;

	l->nr += !!of;
	for (const struct pairing *p = l->daemon->pairings; p; p = p->next)
		if ((!l->only || p == of) && !has_server(p))
			add(l, RECOVER_PAIR, p->record.name, TRY_SERVER,
			    "restarting");
}

static void look_at_record(void *arg, const char *name)
{
	struct look *l = arg;
	struct made *m;

	if (l->only && strcmp(l->only, name))
		return;
	m = malloc(sizeof(*m));
	if (!m) {
		l->err = -ENOMEM;
	} else if (made_load(l->daemon->config.state_dir, name, m, NULL)) {
		l->nr++;
		add(l, RECOVER_RECORD, name, TRY_NOTHING, "damaged");
	} else {
		l->nr++;
		if (!made_has_ended(m))
			add(l, RECOVER_RECORD, name, try_of_record(l->daemon),
			    m->step == MADE_READY ? "snapshot" :
						    made_step_name(m->step));
	}
	free(m);
}

/* A1 in ops-again.c for the others. Nothing is between this and the try. */
bool recovery_is_due(const struct daemon *daemon,
		     const struct recovery_item *item)
{
	const struct pairing *p;

	switch (item->try) {
	case TRY_FAILOVER:
	case TRY_ENDING:
		return try_of_promotion(promotion_find(daemon, item->name)) ==
		       item->try;
	case TRY_SERVER:
		p = pairing_find(daemon, item->name);
		return p && !has_server(p);
	default:
		return item->try != TRY_NOTHING;
	}
}

int recovery_look(struct daemon *daemon, const json_t *status,
		  const char *only, const struct scope *scope,
		  struct recovery_item **items, unsigned int *nr)
{
	struct look l = { .daemon = daemon, .only = only, .scope = scope,
			  .last = items };

	*items = NULL;
	look_at_volumes(&l, status);
	look_at_unseen(&l, status);
	if (only || (!scope->group && !scope->pool)) {
		look_at_pairs(&l);
		made_each(daemon->config.state_dir, look_at_record, &l);
	}
	*nr = l.nr;
	return l.err;
}

/* --- how it is now -------------------------------------------------------- */

/* Whoever runs tries, or waits until it tries again, or for an operator. */
static bool is_trying(const struct daemon *daemon, const json_t *one,
		      const struct recovery_item *item)
{
	const struct entry *entry = daemon_find(daemon, item->name);

	if (is_in(one, PAIR_FAILING_OVER) || is_in(one, PAIR_DISABLED) ||
	    has_failed_metadata(one))
		return true;
	if (entry && !entry->reactor)
		return !entry->error[0];
	return flag_of(one, "trying") || is_unproven(one, item->was_error);
}

static void judge_volume(const struct daemon *daemon, const json_t *one,
			 const struct recovery_item *item,
			 struct recovery_state *s)
{
	s->is_well = is_well(one, item->was_error);
	s->is_at_rest = !is_trying(daemon, one, item);
	s->state = text_of(one, "state");
	s->reason = text_of(one, "reason");
	s->next_step = text_of(one, "next_step");
}

/* On its way from a reactor, or to one, when the status came by. */
static void judge_unseen(const struct daemon *daemon, const char *name,
			 struct recovery_state *s)
{
	if (!daemon_find(daemon, name) && !promotion_find(daemon, name))
		return;
	*s = (struct recovery_state){
		.state = pair_state_name(PAIR_CONNECTING),
		.reason = "it is being started, or taken out",
		.next_step = "wait",
	};
}

static void judge_pair(const struct daemon *daemon, const char *name,
		       struct recovery_state *s)
{
	const struct pairing *p = pairing_find(daemon, name);
	uint64_t now = ring_now(daemon->reactors[0].ring);

	if (!p)
		return;
	s->is_well = has_server(p);
	s->is_at_rest = !child_runs(&p->child) ||
			now - p->started_ns > SERVER_LIVES_NS;
	s->state = s->is_well ? "serving" : "restarting";
	s->reason = s->is_well ? "" : p->reason;
	s->next_step = s->is_well ? "" : "put right what the log of replicad "
		       "says of it; it is started again by itself";
}

static void judge_record(const struct daemon *daemon, const char *name,
			 struct recovery_state *s)
{
	struct made *m = malloc(sizeof(*m));
	int err = m ? made_load(daemon->config.state_dir, name, m, NULL) :
		      -ENOMEM;

	s->is_well = err == -ENOENT || (!err && made_has_ended(m));
	s->state = err == -ENOENT ? "gone" : err ? "damaged" :
		   s->is_well ? "ready" : "not ended";
	if (!s->is_well) {
		s->reason = err ? "its record cannot be read" :
			    "its making, growing or deleting, or that of a "
			    "snapshot, has not ended";
		s->next_step = "put right what the log of replicad says of "
			       "it, then again: replicactl recover";
	}
	free(m);
}

void recovery_judge(const struct daemon *daemon, const json_t *status,
		    const struct recovery_item *item,
		    struct recovery_state *s)
{
	const json_t *one = find_volume(status, item->name);

	*s = (struct recovery_state){ true, true, "gone", "", "" };
	if (item->kind == RECOVER_PAIR)
		judge_pair(daemon, item->name, s);
	else if (item->kind == RECOVER_RECORD)
		judge_record(daemon, item->name, s);
	else if (one)
		judge_volume(daemon, one, item, s);
	else
		judge_unseen(daemon, item->name, s);
}
