// SPDX-License-Identifier: GPL-2.0-or-later
/* What is told of promotions. */
#include "promotion-impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cinder-words.h"
#include "daemon.h"
#include "local-stage.h"
#include "pair.h"

#define NS	1e9

/* --- telling -------------------------------------------------------------- */

/*
 * What was cut there was cut before it was committed here, and before now. If
 * the clocks say otherwise the other site's is ahead, by that at least.
 */
static uint64_t ahead_ns(const struct promotion_record *r)
{
	uint64_t seen = r->begun_at;

	if (r->commit_time && r->commit_time < seen)
		seen = r->commit_time;
	return r->cut_time > seen ? r->cut_time - seen : 0;
}

/* From the cut of the image to the promotion: what was written then is lost. */
static double lost_seconds(const struct promotion_record *r)
{
	uint64_t cut = r->cut_time - ahead_ns(r);

	return r->begun_at > cut ? (r->begun_at - cut) / NS : 0;
}

static json_t *commit_seconds(const struct promotion_record *r)
{
	return r->commit_time ? json_real(r->commit_time / NS) : json_null();
}

static json_t *describe(const struct promotion *p)
{
	const struct promotion_record *r = &p->record;
	json_t *o = json_pack("{si ss sI sf so sI sI sf sf sI ss ss ss sb}",
			      "schema_version", 1, "volume", r->volume,
			      "epoch", (json_int_t)r->epoch,
			      "cut_time", r->cut_time / NS,
			      "commit_time", commit_seconds(r),
			      "last_clean", (json_int_t)r->last_clean,
			      "last_partial", (json_int_t)r->last_partial,
			      "lost_s", lost_seconds(r),
			      "clock_ahead_s", ahead_ns(r) / NS,
			      "dropped_bytes", (json_int_t)r->dropped_bytes,
			      "salvage", r->salvage, "metadata", r->metadata,
			      "base", r->base, "dry_run", p->run.is_dry);

	if (r->group[0])
		json_object_set_new(o, "group", json_string(r->group));
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

json_t *promotion_describe(const struct promotion *leader)
{
	json_t *o = describe(leader), *all;

	if (!leader->record.leader[0])
		return o;
	all = json_array();
	for (const struct promotion *p = leader->daemon->promotions; p;
	     p = p->next)
		if (promotion_is_of(p, leader))
			json_array_append_new(all, describe(p));
	json_object_set_new(o, "volumes", all);
	return o;
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
		       "recover";
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
		json_t *one;

		if (p->run.is_dry || daemon_find(daemon, p->record.volume) ||
		    (only && strcmp(only, p->record.volume)))
			continue;
		one = is_under_way ? status_under_way(p) : status_of(p);
		cinder_put_words(one, p->state == PROMOTION_FAILED ?
				      "failover-error" : NULL);
		json_array_append_new(all, one);
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
