// SPDX-License-Identifier: GPL-2.0-or-later
#include "status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cinder-words.h"
#include "compare.h"
#include "config-impl.h"
#include "continuity.h"
#include "daemon.h"
#include "extents.h"
#include "giving-up.h"
#include "group.h"
#include "look.h"
#include "pair.h"
#include "promotion.h"
#include "reactor.h"
#include "takeover.h"
#include "verify.h"
#include "version.h"
#include "volume.h"

#define NS	1e9
#define EXTENTS_LISTED	256

static uint64_t now_realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* For a thousand volumes it matters that our own keys are not checked. */
static void put_int(json_t *o, const char *key, uint64_t value)
{
	json_object_set_new_nocheck(o, key, json_integer(value));
}

static void put_real(json_t *o, const char *key, double value)
{
	json_object_set_new_nocheck(o, key, json_real(value));
}

static void put_text(json_t *o, const char *key, const char *value)
{
	json_object_set_new_nocheck(o, key, value ? json_string(value) :
						    json_null());
}

static void put_bool(json_t *o, const char *key, bool value)
{
	json_object_set_new_nocheck(o, key, json_boolean(value));
}

/* By what a target is, or by what is remembered of another. */
static bool is_refused(enum pair_state state)
{
	return state == PAIR_ERROR || state == PAIR_SUPERSEDED ||
	       state == PAIR_SPLIT_BRAIN;
}

static const char *next_step(const struct group *g)
{
	for (const struct volume *v = g->volumes; v; v = v->next)
		if (v->identity.given_up == GIVEN_UP_DONE)
			return giving_up_advice;
	if (g->pair.state == PAIR_ERROR && group_is_superseded(g))
		return "find out who else sends there, and end that; then: "
		       "replicactl resume";
	if (is_refused(g->pair.state))
		for (const struct volume *v = g->volumes; v; v = v->next)
			if (v->advice)
				return v->advice;
	if (g->is_log_full && pair_is_shipping(g->pair.state))
		return "at the target: a larger log=, or less history= (its "
		       "history says how much is needed); then it goes on by "
		       "itself";
	return pair_next_step(g->pair.state);
}

/* The reason, and while an old connection may still write, that. */
static void put_state(json_t *o, const struct group *g)
{
	unsigned int stale = group_stale_ms(g);
	const char *reason = pair_reason(&g->pair);

	put_text(o, "state", pair_state_name(g->pair.state));
	if (stale && pair_is_shipping(g->pair.state))
		json_object_set_new(o, "reason", json_sprintf("%s%swaiting "
			"%u s: the server may still execute writes of the "
			"connection that was lost (stale_wait)", reason,
			reason[0] ? "; " : "", (stale + 999) / 1000));
	else
		put_text(o, "reason", reason);
	put_text(o, "next_step", next_step(g));
	put_bool(o, "log_full", g->is_log_full &&
				pair_is_shipping(g->pair.state));
	put_bool(o, "waits_for_retry", group_waits_for_retry(g));
	put_bool(o, "trying", group_is_trying(g));
	put_bool(o, "unproven", g->is_unproven);
}

/* A group is taken over as a whole. */
static void put_takeover(json_t *o, const struct group *g)
{
	const char *word = "no";
	bool is_elsewhere = false;

	for (const struct volume *v = g->volumes; v; v = v->next) {
		if (v->identity.taken_over)
			word = takeover_name(&v->identity);
		is_elsewhere |= takeover_is_elsewhere(v);
	}
	put_text(o, "taken_over", word);
	put_bool(o, "taken_over_elsewhere", is_elsewhere);
}

/* A tenant wonders why: with the reason. */
static void put_fence(json_t *o, const struct volume *v)
{
	const char *reason = json_string_value(json_object_get(o, "reason"));

	put_text(o, "writes", fence_name(v));
	put_takeover(o, v->group);
	if (v->fence == FENCE_CONTINUE)
		return;
	json_object_set_new(o, "reason", json_sprintf("%s; a write here %s",
		reason, v->is_held ? "waits (on_superseded=suspend)" :
		"gets an error (on_superseded=readonly)"));
	if (v->is_held)
		put_text(o, "next_step", "let what writes here go on with "
			 "replicactl pause, and stop it; then replicactl "
			 "resume, and resolve --keep peer (it keeps aside what "
			 "is only here)");
}

/* Replication goes on, but the volume is not well: who has no better reason. */
static void put_metadata(json_t *o, const struct volume *v)
{
	const char *persistence = continuity_persistence(v);

	put_text(o, "persistence", persistence);
	put_bool(o, "suspect", v->info.dev_flags & DMR_DEV_F_SUSPECT ||
			       v->identity.is_suspect);
	if (strcmp(persistence, "failed") ||
	    v->group->pair.state != PAIR_REPLICATING)
		return;
	put_text(o, "reason", "the metadata device has failed: writes to "
		 "regions that are not hot get an I/O error");
	put_text(o, "next_step", "put the metadata device right; the kernel "
		 "tries it again by itself every few seconds");
}

/* The header that was read says it; the next clean one makes it OK again. */
static void put_in_place(json_t *o, const struct volume *v)
{
	if (!volume_is_in_place(v))
		return;
	put_text(o, "reason", "the target's log could not hold an epoch, and "
		 "it applies in place (on_full=apply): there is no consistent "
		 "image until a clean epoch has ended");
	put_text(o, "next_step", "give the target's log more room (log=), or "
		 "let it keep less");
}

static void put_generation(json_t *o, const struct volume *v)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, v->identity.generation);
	put_text(o, "generation", text);
}

static void put_kernel(json_t *o, const struct volume *v)
{
	uint64_t chunk = volume_chunk_bytes(v);

	put_int(o, "size_bytes", volume_bytes(v));
	put_int(o, "epoch", v->info.epoch);
	put_int(o, "dirty_bytes", v->info.nr_dirty * chunk);
	put_int(o, "frozen_bytes", v->info.nr_frozen * chunk);
	put_int(o, "held_bytes", v->info.nr_held * chunk);
	put_int(o, "preserved_bytes", v->info.nr_preserved * chunk);
	put_int(o, "bytes_written", v->info.written_sectors * 512);
	put_real(o, "cut_pause_last_s", v->info.gate_last_ns / NS);
	put_real(o, "cut_pause_max_s", v->info.gate_max_ns / NS);
}

static void put_progress(json_t *o, const struct volume *v)
{
	const struct group *g = v->group;
	uint64_t total = volume_bytes(v);
	uint64_t left = (v->info.nr_dirty + v->info.nr_frozen) *
			volume_chunk_bytes(v);

	put_int(o, "bytes_shipped", v->bytes_shipped);
	put_int(o, "bytes_zero", v->bytes_zero);
	put_bool(o, "comparing", compare_is_wanted(v));
	put_int(o, "bytes_compared", v->bytes_compared);
	put_int(o, "bytes_equal", v->bytes_equal);
	put_real(o, "rate_bytes_s", g->rate);
	json_object_set_new(o, "eta_s", left && g->rate >= 1 ?
			    json_real(left / g->rate) : json_null());
	put_bool(o, "synced", v->is_synced);
	put_int(o, "sync_total_bytes", total);
	put_int(o, "sync_done_bytes", left < total ? total - left : 0);
}

/* Seconds, and the bytes that the last committed image lacks. */
static void put_lag(json_t *o, const struct volume *v)
{
	const struct group *g = v->group;
	struct lag_summary summary;
	double lag = lag_now(&g->lag, group_is_behind(g), now_realtime());

	lag_summarize(&g->lag, &summary);
	json_object_set_new(o, "lag_s", lag < 0 ? json_null() :
						  json_real(lag));
	put_int(o, "lag_bytes", (v->info.nr_dirty + v->info.nr_frozen) *
				volume_chunk_bytes(v));
	put_real(o, "lag_min_s", summary.min_s);
	put_real(o, "lag_median_s", summary.median_s);
	put_real(o, "lag_max_s", summary.max_s);
	put_real(o, "commit_last_s", g->ship.commit_took_ns / NS);
}

static void put_target(json_t *o, const struct volume *v)
{
	const struct replica_header *h = &v->target.header;
	bool is_ready = v->target.state == TARGET_READY;

	put_text(o, "apply", !v->was_open ? NULL :
			     v->target.is_staged ? "staged" : "direct");
	put_int(o, "last_committed", h->last_clean);
	put_bool(o, "applying", h->state == REPLICA_STATE_APPLYING);
	put_bool(o, "rolled_back", v->is_rolled_back);
	put_bool(o, "replica_consistent", v->is_synced &&
					  h->state == REPLICA_STATE_OK);
	put_int(o, "degraded", v->degraded);
	put_int(o, "reconnects", v->reconnects);
	put_int(o, "connections", is_ready ?
		backend_info(v->target.backend)->connections : 0);
	put_text(o, "tls", is_ready ?
		 backend_info(v->target.backend)->tls : NULL);
	json_object_set_new_nocheck(o, "last_contact", v->target.last_contact ?
				    json_integer(v->target.last_contact) :
				    json_null());
}

/* The first of them: they may be millions. */
static json_t *extents_of(const struct volume *v,
			  const struct dmr_extents *set)
{
	uint64_t chunk = volume_chunk_bytes(v), from = 0;
	uint64_t size = volume_bytes(v);
	json_t *list = json_array();
	struct dmr_extent e;

	for (int i = 0; i < EXTENTS_LISTED &&
	     dmr_extents_next(set, from, 0, &e); i++) {
		uint64_t off = e.start * chunk, len = e.count * chunk;

		if (len > size - off)
			len = size - off;
		json_array_append_new(list, json_pack("{sI sI}", "offset",
					(json_int_t)off, "length",
					(json_int_t)len));
		from = e.start + e.count;
	}
	return list;
}

static void put_verify(json_t *o, const struct volume *v)
{
	struct verify_report r;
	json_t *verify = json_object();

	if (!verify_get_report(v, &r)) {
		json_decref(verify);
		json_object_set_new(o, "verify", json_null());
		return;
	}
	put_bool(verify, "running", r.is_running);
	put_bool(verify, "repair", r.is_repair);
	put_int(verify, "total_bytes", r.total_bytes);
	put_int(verify, "done_bytes", r.done_bytes);
	put_int(verify, "compared_bytes", r.compared_bytes);
	put_int(verify, "moving_bytes", r.moving_bytes);
	put_int(verify, "differing_bytes", r.differing_bytes);
	put_int(verify, "differing_extents", dmr_extents_runs(r.differing));
	put_int(verify, "repaired_bytes", r.repaired_bytes);
	put_text(verify, "error", r.error[0] ? r.error : NULL);
	json_object_set_new(verify, "extents", extents_of(v, r.differing));
	json_object_set_new(o, "verify", verify);
}

/* N4 of config.h: its password may be in an address. */
static void put_masked(json_t *o, const char *key, const char *uri)
{
	char *text = uri ? config_masked(uri) : NULL;

	put_text(o, key, text);
	free(text);
}

static void put_names(json_t *o, const struct volume_config *config)
{
	put_text(o, "name", config->name);
	put_text(o, "device", config->device ? config->device : config->name);
	put_masked(o, "target", config->target);
	put_text(o, "group", config->group);
	put_bool(o, "clear_text", volume_config_is_clear(config));
}

static json_t *render(const struct volume *v)
{
	const struct group *g = v->group;
	json_t *o = json_object();

	put_names(o, v->config);
	put_text(o, "origin", v->config->origin);
	put_text(o, "form", v->device.form);
	put_generation(o, v);
	put_state(o, g);
	put_fence(o, v);
	put_metadata(o, v);
	put_in_place(o, v);
	put_kernel(o, v);
	put_target(o, v);
	put_progress(o, v);
	put_lag(o, v);
	put_verify(o, v);
	put_int(o, "epochs_clean", g->epochs_clean);
	put_int(o, "epochs_partial", g->epochs_partial);
	put_int(o, "epochs_aborted", g->epochs_aborted);
	return o;
}

json_t *status_volume(struct volume *v)
{
	volume_refresh(v); /* else what was seen last */
	return render(v);
}

/*
 * What the volume's own thread has learnt since the look was taken is newer:
 * the look is for the eye only.
 */
static json_t *render_as_seen(struct volume *v, const struct look *look)
{
	const struct dmr_info *seen = look_find(look, v->device.dev);
	struct dmr_info known = v->info;
	json_t *o;

	if (seen)
		v->info = *seen; /* else what was seen last */
	o = render(v);
	v->info = known;
	return o;
}

void status_reactor(json_t *all, struct reactor *reactor, struct look **look)
{
	if (!*look && reactor->groups)
		*look = look_take(reactor->kernel);
	for (struct group *g = reactor->groups; g; g = g->next)
		for (struct volume *v = g->volumes; v; v = v->next)
			json_array_append_new(all, *look ?
					      render_as_seen(v, *look) :
					      status_volume(v));
}

void status_one(json_t *all, struct reactor *reactor, const char *name)
{
	struct volume *v = reactor_find(reactor, name);

	if (v)
		json_array_append_new(all, status_volume(v));
}

static json_t *status_stopped(const struct entry *entry)
{
	bool is_starting = !entry->error[0];
	json_t *o = json_object();

	put_names(o, entry->config);
	put_text(o, "state", pair_state_name(is_starting ? PAIR_CONNECTING :
							   PAIR_ERROR));
	put_text(o, "reason", is_starting ? "it is being started" :
					    entry->error);
	put_text(o, "next_step", is_starting ? "" : entry->is_disabled ?
		 "put right what the reason names, then: replicactl disable" :
		 "put right what the reason names; replicad tries again by "
		 "itself");
	json_object_set_new(o, "lag_s", json_null());
	put_bool(o, "synced", false);
	put_bool(o, "replica_consistent", false);
	cinder_put_words(o, is_starting ? "enabling" : NULL);
	return o;
}

static bool is_wanted(const json_t *volume, const char *only)
{
	const char *name = json_string_value(json_object_get(volume, "name"));

	return !only || (name && !strcmp(name, only));
}

static json_t *collect(const struct daemon *daemon, const json_t *running,
		       const char *only)
{
	json_t *all = json_array(), *one;
	size_t i;

	json_array_foreach(running, i, one) {
		if (!is_wanted(one, only))
			continue;
		cinder_put_words(one, NULL);
		json_array_append(all, one);
	}
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (!e->reactor && (!only || !strcmp(e->config->name, only)))
			json_array_append_new(all, status_stopped(e));
	promotions_status(daemon, all, only);
	return all;
}

static bool has_failed(const json_t *volume)
{
	const char *word = json_string_value(json_object_get(volume,
							     "persistence"));

	return word && !strcmp(word, "failed");
}

static const char *verdict(const json_t *volumes)
{
	const char *word = "ok";
	json_t *one;
	size_t i;

	json_array_foreach(volumes, i, one) {
		const char *state = json_string_value(json_object_get(one,
								      "state"));

		if (!strcmp(state, pair_state_name(PAIR_ERROR)))
			return "error";
		if (strcmp(state, pair_state_name(PAIR_REPLICATING)) ||
		    has_failed(one))
			word = "degraded";
	}
	return word;
}

json_t *status_all(const struct daemon *daemon, const json_t *running,
		   const char *only)
{
	json_t *volumes = collect(daemon, running, only);
	uint64_t up = ring_now(daemon->reactors[0].ring) - daemon->started_ns;

	return json_pack("{si ss s{si sf ss} so}", "schema_version", 1,
			 "verdict", verdict(volumes), "daemon", "pid",
			 (int)getpid(), "uptime_s", up / NS, "version",
			 REPLICA_VERSION, "volumes", volumes);
}
