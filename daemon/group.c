// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Events of the kernel, of the targets and of the operator go through pair.c;
 * what it asks for sets wants_…, and turn() brings things there, a step at a
 * time. So there is one place that looks at everything, and it may be called
 * at any moment (it is deferred to the end of the ring's turn).
 *
 * G1 an epoch is started only while every target is ready, writes no header,
 *    and no stale_wait runs (W6).
 * G2 a number is used once: group_next_epoch() is above what any member's
 *    kernel and any target's header has seen (C5).
 * G3 targets are closed only when no epoch is being shipped: the pump uses
 *    them. To hurry an abort, on_grace() closes them after ship_abort().
 * G4 an epoch in doubt is resolved before anything else is cut, when all
 *    targets are ready again, or given up when shipping ends.
 * G5 stopped() is called when no member is being verified any more, and no
 *    hook of the group runs.
 * G6 nothing is cut before what a member has to remember of a suspicion is
 *    durable (U2 in continuity.c).
 * G7 a target that has failed is closed after it has said so: what it says is
 *    what has it opened again.
 */
#include "group.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "config-impl.h"
#include "continuity.h"
#include "events.h"
#include "fence.h"
#include "growth.h"
#include "log.h"
#include "reactor.h"
#include "takeover.h"
#include "verify.h"
#include "volume.h"

#define NS_PER_MS	1000000ULL
#define RETRY_MIN_MS	250
#define RETRY_DOUBLINGS	14	/* more than an hour, which retry_max may be */
#define REFUSED_MS	10000
#define PAUSE_GRACE_MS	10000
#define ABORT_GRACE_MS	1000

void group_kick(struct group *g)
{
	ring_defer(g->reactor->ring, &g->turn);
}

bool group_is_shipping(const struct group *g)
{
	return g->ship.phase != SHIP_IDLE;
}

/* --- the pair ---------------------------------------------------------- */

/* That of the member that waits least. */
static uint64_t retry_max_ms(const struct group *g)
{
	uint64_t ms = UINT64_MAX;

	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->config->retry_max_ms < ms)
			ms = v->config->retry_max_ms;
	return ms;
}

static uint64_t at_most(uint64_t ms, uint64_t limit)
{
	return ms < limit ? ms : limit;
}

/* Jitter: those who lost the same target don't return as one. */
static unsigned int backoff_ms(const struct group *g, unsigned int failures)
{
	uint64_t ms = (uint64_t)RETRY_MIN_MS <<
		      at_most(failures, RETRY_DOUBLINGS);
	unsigned int jitter;

	ms = at_most(ms, retry_max_ms(g));
	identity_random(&jitter, sizeof(jitter));
	return ms / 2 + jitter % (ms / 2);
}

/*
 * One break is often told twice, by the epoch and by the connection. Who is
 * superseded waits for an operator.
 */
static void arm_retry(struct group *g)
{
	unsigned int ms = at_most(REFUSED_MS, retry_max_ms(g));

	if (g->pair.state != PAIR_ERROR) {
		if (ring_timer_running(&g->retry))
			return;
		ms = backoff_ms(g, g->failures++);
	} else if (group_is_superseded(g)) {
		ring_timer_cancel(g->reactor->ring, &g->retry);
		return;
	}
	ring_timer_add(g->reactor->ring, &g->retry, ms);
}

/* A connection that an error has closed may break once more: it is no news. */
static bool is_late(const struct group *g, enum pair_event event)
{
	return event == PAIR_EV_LOST && g->pair.state == PAIR_ERROR &&
	       !g->wants_open;
}

static void handle(struct group *g, enum pair_event event, const char *reason)
{
	bool is_again = event == PAIR_EV_FULL && g->is_log_full;
	unsigned int todo;

	if (is_late(g, event))
		return;
	g->is_log_full |= event == PAIR_EV_FULL;
	todo = pair_handle(&g->pair, event, ring_now(g->reactor->ring), reason);
	group_note_error(g, event);
	if (todo & PAIR_DO_STOP)
		g->wants_ship = false;
	if (todo & PAIR_DO_CLOSE)
		g->wants_open = g->wants_opening = false;
	if (todo & PAIR_DO_OPEN)
		g->wants_open = g->wants_opening = true;
	if (todo & PAIR_DO_SHIP)
		g->wants_ship = true;
	if (todo & PAIR_DO_RETRY)
		arm_retry(g);
	else if (todo)
		ring_timer_cancel(g->reactor->ring, &g->retry);
	if (todo & PAIR_DO_ALARM && !is_again)
		events_tell(g->reactor->events, g->name, "alarm", "%s: %s",
			    pair_state_name(g->pair.state),
			    pair_reason(&g->pair));
	group_kick(g);
}

/* The one line that says that the mode changed, and the event for it. */
static void on_changed(struct pair *pair, enum pair_state from)
{
	struct group *g = container_of(pair, struct group, pair);
	bool is_bad = pair->state == PAIR_ERROR;
	bool is_degraded = pair->state == PAIR_FALLING_BEHIND ||
			   (g->is_log_full && pair_is_shipping(pair->state)) ||
			   (pair->state == PAIR_CONNECTING &&
			    pair_is_shipping(from));
	const char *reason = pair_reason(pair);

	log_line(is_bad ? LOG_LEVEL_ERR : is_degraded ? LOG_LEVEL_WARN :
		 LOG_LEVEL_INFO, g->name, "now %s%s%s",
		 pair_state_name(pair->state), reason[0] ? ": " : "", reason);
	if (pair->state == PAIR_SUPERSEDED)
		group_tell_superseded(g);
	for (struct volume *v = g->volumes; v; v = v->next)
		events_tell(g->reactor->events, v->config->name, "state",
			    "%s%s%s", pair_state_name(pair->state),
			    reason[0] ? ": " : "", reason);
}

static void on_retry(struct ring_timer *timer)
{
	handle(container_of(timer, struct group, retry), PAIR_EV_RETRY, NULL);
}

/* --- the end of an epoch ----------------------------------------------- */

static void note_clean(struct volume *v, uint64_t epoch)
{
	v->is_synced = true;
	compare_committed(v, epoch);
}

static void on_clean(struct group *g)
{
	g->epochs_clean++;
	g->last_clean_epoch = g->ship.epoch;
	lag_committed(&g->lag, g->ship.cut_time, group_realtime());
	for (struct volume *v = g->volumes; v; v = v->next)
		note_clean(v, g->ship.epoch);
	events_tell(g->reactor->events, g->name, "commit", "epoch %" PRIu64,
		    g->ship.epoch);
	handle(g, PAIR_EV_CLEAN, NULL);
}

static void on_partial(struct group *g, bool is_stalled)
{
	g->epochs_partial++;
	for (struct volume *v = g->volumes; v; v = v->next)
		v->degraded += v->shipment.is_fuzzy &&
			       !(g->ship.flags & DMR_EPOCH_F_FUZZY);
	handle(g, is_stalled ? PAIR_EV_STALLED : PAIR_EV_PARTIAL, NULL);
}

/* A target that answered with an error is not trusted to be in order. */
static void on_failed_epoch(struct group *g, enum ship_result result)
{
	enum pair_event event;
	char reason[500];

	g->epochs_aborted++;
	g->is_in_doubt = result == SHIP_DOUBT;
	event = group_judge_failure(g, reason, sizeof(reason));
	for (struct volume *v = g->volumes; v; v = v->next)
		if (group_distrusts(g, v))
			target_close(&v->target);
	if (g->ship.blame == SHIP_BLAME_NOBODY)
		return;
	events_tell(g->reactor->events, g->name, "abort", "epoch %" PRIu64
		    ": %s", g->ship.epoch, reason);
	g->is_log_full &= event == PAIR_EV_FULL;
	handle(g, event, reason);
}

static void end_epoch(struct group *g, enum ship_result result)
{
	bool is_stalled = false;

	if (result == SHIP_CLEAN || result == SHIP_PARTIAL) {
		g->failures = 0;
		g->is_log_full = false;
		is_stalled = pace_ended(&g->pace, result == SHIP_CLEAN,
					g->ship.cut_ns, g->ship.took_ns,
					g->ship.commit_took_ns);
		for (struct volume *v = g->volumes; v; v = v->next)
			continuity_committed(v);
	}
	if (result == SHIP_CLEAN)
		on_clean(g);
	else if (result == SHIP_PARTIAL)
		on_partial(g, is_stalled);
	else
		on_failed_epoch(g, result);
}

static void on_shipped(struct ship *ship, enum ship_result result)
{
	struct group *g = container_of(ship, struct group, ship);

	group_note_rate(g);
	end_epoch(g, result);
	g->is_dirty = true; /* until GET says otherwise */
	group_kick(g);
}

/* --- the next epoch ---------------------------------------------------- */

static bool refresh_all(struct group *g)
{
	char reason[500];

	for (struct volume *v = g->volumes; v; v = v->next) {
		if (!volume_refresh(v))
			continue;
		snprintf(reason, sizeof(reason), "%s: %s", v->config->name,
			 kernel_error(g->reactor->kernel));
		handle(g, PAIR_EV_REFUSED, reason);
		return false;
	}
	return true;
}

static void start_epoch(struct group *g, uint64_t dirty, bool is_big)
{
	bool is_fuzzy = pace_choose(&g->pace, dirty, is_big) == PACE_FUZZY;

	ring_timer_cancel(g->reactor->ring, &g->clock);
	g->ship.window_scale = g->pace.scale;
	ship_start(&g->ship, g->volumes, group_next_epoch(g), is_fuzzy);
}

static bool is_any_writing(const struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->target.is_writing)
			return true;
	return false;
}

/* Milliseconds until the next cut may be made. */
static unsigned int wait_ms(const struct group *g)
{
	uint64_t now = ring_now(g->reactor->ring);
	uint64_t earliest = pace_earliest(&g->pace);
	unsigned int stale = group_stale_ms(g), ms = 0;

	if (earliest > now)
		ms = (earliest - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms > stale ? ms : stale;
}

/* The image is as new as the volume. */
static void on_settled(struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		compare_settled(v);
	if (g->pair.state != PAIR_REPLICATING)
		handle(g, PAIR_EV_CLEAN, NULL);
}

/* All targets are ready and nothing is under way: cut, or sleep. */
static void run_clock(struct group *g)
{
	uint64_t dirty = 0;
	bool is_big = false, needs_clean = false, is_settled = true;
	unsigned int ms = wait_ms(g);

	if (ms) {
		ring_timer_add(g->reactor->ring, &g->clock, ms);
		return;
	}
	if (!refresh_all(g) || growth_is_due(g))
		return;
	for (struct volume *v = g->volumes; v; v = v->next) {
		dirty += v->info.nr_dirty;
		is_big |= volume_dirty_bytes(v) > v->config->window;
		needs_clean |= volume_needs_clean(v);
		is_settled &= continuity_is_settled(v);
	}
	g->is_dirty = dirty || needs_clean;
	if (!is_settled)
		ring_timer_add(g->reactor->ring, &g->clock,
			       CONTINUITY_LOOK_MS);
	else if (dirty || needs_clean)
		start_epoch(g, dirty, is_big);
	else
		on_settled(g);
}

static void on_clock(struct ring_timer *timer)
{
	group_kick(container_of(timer, struct group, clock));
}

/* --- targets ----------------------------------------------------------- */

static bool is_all_in(const struct group *g, enum target_state state)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->target.state != state)
			return false;
	return true;
}

/* Who wants it open again meanwhile gets a new connection. */
static void on_farewell(struct target *t, int err, bool maybe)
{
	struct group *g = container_of(t, struct volume, target)->group;

	g->wants_opening = g->wants_open;
	if (err)
		target_distrust(t);
	else
		target_close(t);
	group_kick(g);
}

/*
 * The open epoch was aborted: the header is not to say for ever that it is on
 * its way.
 */
static void close_politely(struct volume *v)
{
	struct replica_header h = v->target.header;

	if (v->target.is_writing)
		return;
	h.kind = REPLICA_KIND_HEARTBEAT;
	if (v->target.state != TARGET_READY ||
	    v->target.header.kind != REPLICA_KIND_OPEN ||
	    target_write_header(&v->target, &h, false, on_farewell))
		target_close(&v->target);
}

/* What is closing still comes back here when it is closed. */
static void open_closed(struct group *g)
{
	g->wants_opening = false;
	for (struct volume *v = g->volumes; v && g->wants_open; v = v->next) {
		if (v->target.state == TARGET_CLOSED)
			volume_open_target(v);
		else if (v->target.state == TARGET_CLOSING)
			g->wants_opening = true;
	}
}

static void resolve_doubt(struct group *g)
{
	int result;

	if (!g->is_in_doubt)
		return;
	g->is_in_doubt = false;
	result = ship_resolve(&g->ship, g->volumes);
	if (result == SHIP_CLEAN || result == SHIP_PARTIAL)
		end_epoch(g, result);
}

/* A hook may want to have a say before the target is overwritten. */
static void begin_syncing(struct group *g)
{
	struct error why = { 0 };
	int ret = group_may_sync(g, &why);

	if (ret)
		handle(g, ret > 0 ? PAIR_EV_CONNECTED_NEW : PAIR_EV_REFUSED,
		       ret > 0 ? NULL : why.text);
}

static void on_all_ready(struct group *g)
{
	bool is_synced = true;
	uint64_t image_ns;

	takeover_forget(g);
	resolve_doubt(g); /* may say of all that they are synced */
	image_ns = group_image_ns(g);
	if (!image_ns || image_ns > g->lag.committed_ns)
		lag_found(&g->lag, image_ns, group_realtime());
	for (struct volume *v = g->volumes; v; v = v->next)
		is_synced &= v->is_synced;
	if (is_synced)
		handle(g, PAIR_EV_CONNECTED, NULL);
	else
		begin_syncing(g);
}

void group_target_ready(struct group *g, struct volume *volume)
{
	group_kick(g);
}

void group_target_failed(struct group *g, struct volume *volume,
			 bool is_refused, const char *text)
{
	char *target = config_masked(volume->config->target), reason[500];

	snprintf(reason, sizeof(reason), "%s: %s", target ?: "its target",
		 text);
	free(target);
	handle(g, !is_refused ? PAIR_EV_LOST :
	       volume->refusal == -ESTALE ? PAIR_EV_SUPERSEDED :
	       volume->refusal == -ENOTUNIQ ? PAIR_EV_SPLIT :
					      PAIR_EV_REFUSED, reason);
	volume->refusal = 0;
}

void group_given_up(struct group *g, const char *reason)
{
	handle(g, PAIR_EV_GIVEN_UP, reason);
}

void group_target_closed(struct group *g, struct volume *volume)
{
	group_kick(g);
}

/* --- the turn ---------------------------------------------------------- */

static void take_pending(struct group *g)
{
	if (!g->has_pending)
		return;
	g->has_pending = false;
	ring_timer_cancel(g->reactor->ring, &g->grace);
	handle(g, g->pending, NULL);
	if (g->has_resume)
		handle(g, PAIR_EV_RESUME, NULL);
	g->has_resume = false;
}

static void turn_idle(struct group *g)
{
	void (*stopped)(struct group *group) = g->stopped;

	if (g->is_in_doubt)
		ship_give_up(&g->ship, g->volumes);
	g->is_in_doubt = false;
	g->stopped = NULL;
	if (stopped && g->pair.state == PAIR_DISABLED &&
	    !group_is_verifying(g) && group_hooks_are_idle(g, true))
		stopped(g);
	else
		g->stopped = stopped;
}

static void turn_closing(struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->target.state != TARGET_CLOSED)
			close_politely(v);
	if (is_all_in(g, TARGET_CLOSED))
		turn_idle(g);
}

/* G7 */
static void turn_open(struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->target.state == TARGET_FAILED &&
		    !v->target.is_report_due)
			target_close(&v->target);
	if (g->wants_opening)
		open_closed(g);
	if (!is_all_in(g, TARGET_READY) || is_any_writing(g))
		return; /* a heartbeat or a farewell brings us here again */
	if (g->wants_ship)
		run_clock(g);
	else
		on_all_ready(g);
}

static void turn(struct ring_work *work)
{
	struct group *g = container_of(work, struct group, turn);

	fence_update(g);
	if (group_is_shipping(g)) {
		if (!g->wants_ship)
			ship_abort(&g->ship, pair_reason(&g->pair));
		return;
	}
	take_pending(g);
	if (g->wants_open)
		turn_open(g);
	else
		turn_closing(g);
}

/* --- events of the kernel ---------------------------------------------- */

static void on_gone(struct group *g, struct volume *v, const char *what)
{
	char reason[200];

	snprintf(reason, sizeof(reason), "%s: %s", v->config->name, what);
	handle(g, PAIR_EV_REFUSED, reason);
}

void group_event(struct group *g, struct volume *v,
		 const struct dmr_nl_event *ev)
{
	if (!v) {
		g->is_dirty = true;
		group_kick(g);
		return;
	}
	switch (ev->type) {
	case DMR_EVENT_DIRTY:
		if (!group_is_behind(g))
			lag_is_current(&g->lag, group_realtime());
		g->is_dirty = true;
		group_kick(g);
		break;
	case DMR_EVENT_FROZEN:
	case DMR_EVENT_DEGRADED:
		ship_event(&g->ship, v, ev);
		break;
	case DMR_EVENT_REMOVED:
		continuity_lost(v);
		v->advice = volume_lost_advice;
		on_gone(g, v, volume_lost);
		break;
	case DMR_EVENT_META_FAILED:
		volume_refresh(v); /* shipping goes on */
		break;
	}
}

/* --- the operator ------------------------------------------------------ */

/* The grace is over: abort; if even that takes long, drop the connections. */
static void on_grace(struct ring_timer *timer)
{
	struct group *g = container_of(timer, struct group, grace);

	if (!group_is_shipping(g) || !g->has_pending)
		return;
	if (g->wants_ship) {
		g->wants_ship = false;
		ship_abort(&g->ship, "stopped");
		ring_timer_add(g->reactor->ring, timer, ABORT_GRACE_MS);
		return;
	}
	for (struct volume *v = g->volumes; v; v = v->next)
		target_close(&v->target);
}

static void put_off(struct group *g, enum pair_event event,
		    unsigned int grace_ms)
{
	g->has_resume = false;
	if (!group_is_shipping(g)) {
		handle(g, event, NULL);
		return;
	}
	g->pending = event;
	g->has_pending = true;
	ring_timer_add(g->reactor->ring, &g->grace, grace_ms);
}

void group_start(struct group *g)
{
	ring_timer_add(g->reactor->ring, &g->beat, group_beat_ms(g));
	handle(g, PAIR_EV_ENABLE, NULL);
	if (group_is_paused(g))
		handle(g, PAIR_EV_PAUSE, NULL);
}

void group_stop(struct group *g, unsigned int grace_ms,
		void (*stopped)(struct group *group))
{
	g->stopped = stopped;
	ring_timer_cancel(g->reactor->ring, &g->beat);
	for (struct volume *v = g->volumes; v; v = v->next)
		verify_stop(v, "replication was stopped");
	put_off(g, PAIR_EV_DISABLE, grace_ms);
	group_kick(g);
}

int group_pause(struct group *g)
{
	put_off(g, PAIR_EV_PAUSE, PAUSE_GRACE_MS);
	return group_note_paused(g, true);
}

/* A pause whose abort has begun is finished first. */
static void end_pause(struct group *g)
{
	if (g->has_pending && g->pending == PAIR_EV_PAUSE) {
		g->has_pending = g->has_resume = !g->wants_ship;
		if (g->has_resume)
			return;
		ring_timer_cancel(g->reactor->ring, &g->grace);
	}
	handle(g, PAIR_EV_RESUME, NULL);
}

int group_resume(struct group *g)
{
	end_pause(g);
	return group_note_paused(g, false);
}

/* --- life -------------------------------------------------------------- */

struct group *group_create(struct reactor *reactor, const char *name,
			   bool is_named)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->name = strdup(name);
	if (!g->name) {
		free(g);
		return NULL;
	}
	g->reactor = reactor;
	g->is_named = is_named;
	g->turn.run = turn;
	g->clock.fire = on_clock;
	g->retry.fire = on_retry;
	g->beat.fire = group_on_beat;
	g->grace.fire = on_grace;
	g->fence.fire = fence_on_timer;
	pair_init(&g->pair);
	g->pair.changed = on_changed;
	ship_init(&g->ship, reactor->ring, reactor->kernel, g->name,
		  on_shipped);
	g->next = reactor->groups;
	reactor->groups = g;
	return g;
}

void group_destroy(struct group *g)
{
	struct ring *ring = g->reactor->ring;
	struct group **link = &g->reactor->groups;

	while (*link != g)
		link = &(*link)->next;
	*link = g->next;
	ring_timer_cancel(ring, &g->clock);
	ring_timer_cancel(ring, &g->retry);
	ring_timer_cancel(ring, &g->beat);
	ring_timer_cancel(ring, &g->grace);
	ring_timer_cancel(ring, &g->fence);
	ring_timer_cancel(ring, &g->ship.timer);
	ring_defer_cancel(ring, &g->turn);
	ring_defer_cancel(ring, &g->ship.step);
	free(g->name);
	free(g);
}
