// SPDX-License-Identifier: GPL-2.0-or-later
/* What a group does by the clock: it measures, and tells its targets. */
#include "group.h"

#include <time.h>

#include "reactor.h"
#include "volume.h"

#define NS_PER_S	1000000000ULL
#define NS_PER_MS	1000000ULL

uint64_t group_realtime(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

void group_note_rate(struct group *g)
{
	uint64_t now = ring_now(g->reactor->ring), bytes = 0;
	double span = (now - g->rate_ns) / (double)NS_PER_S, weight;

	for (struct volume *v = g->volumes; v; v = v->next)
		bytes += v->bytes_shipped + v->bytes_zero;
	if (g->rate_ns && span < 0.5)
		return;
	weight = span > 10 ? 1 : span / 10;
	if (g->rate_ns)
		g->rate += ((bytes - g->rate_bytes) / span - g->rate) * weight;
	g->rate_ns = now;
	g->rate_bytes = bytes;
}

static void on_beat_written(struct target *t, int err, bool maybe)
{
	struct volume *v = container_of(t, struct volume, target);

	if (err)
		group_target_failed(v->group, v, false, t->backend ?
				    backend_error(t->backend) : "closed");
	if (err)
		target_distrust(t);
	group_kick(v->group);
}

/* @now: a time before the kernel said whether anything is dirty. */
static void send_beat(struct volume *v, uint64_t now)
{
	struct replica_header h = v->target.header;

	if (v->target.state != TARGET_READY || v->target.is_writing ||
	    h.state != REPLICA_STATE_OK)
		return;
	h.kind = REPLICA_KIND_HEARTBEAT;
	h.named = v->info.last_named;
	volume_fill_unsent(v, &h);
	if (!v->group->is_dirty)
		h.cut_time = now;
	target_write_header(&v->target, &h, false, on_beat_written);
}

unsigned int group_beat_ms(const struct group *g)
{
	uint64_t ms = 2000;

	for (struct volume *v = g->volumes; v; v = v->next)
		if (v == g->volumes || v->config->heartbeat_ms < ms)
			ms = v->config->heartbeat_ms;
	return ms;
}

/* A thousand volumes that are idle keep no buffers. */
static void trim(struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		pump_trim(v->pump);
}

/*
 * Also while nothing is shipped: the status shows what has collected. What was
 * kept, and is in no image yet, is clean for the kernel.
 */
static void look_at_kernel(struct group *g)
{
	bool is_dirty = false;

	for (struct volume *v = g->volumes; v; v = v->next)
		is_dirty |= volume_refresh(v) || v->info.nr_dirty ||
			    volume_needs_clean(v);
	g->is_dirty = is_dirty;
}

/*
 * Beats fall on common instants, an eighth of their period apart: one wakeup
 * serves a hundred of a thousand idle groups.
 */
static uint64_t next_beat(const struct group *g)
{
	uint64_t period = group_beat_ms(g) * NS_PER_MS, slot = period / 8;
	uint64_t at = ring_now(g->reactor->ring) + period + slot / 2;

	return at - at % slot;
}

void group_on_beat(struct ring_timer *timer)
{
	struct group *g = container_of(timer, struct group, beat);
	uint64_t now = group_realtime();

	ring_timer_set(g->reactor->ring, timer, next_beat(g));
	if (!group_is_shipping(g))
		look_at_kernel(g);
	lag_follow(&g->lag, now);
	if (!group_is_behind(g))
		lag_is_current(&g->lag, now);
	lag_sample(&g->lag, group_is_behind(g), now);
	group_note_rate(g);
	if (!group_is_shipping(g) && !group_is_behind(g))
		trim(g);
	if (group_is_shipping(g) || !g->wants_ship)
		return;
	for (struct volume *v = g->volumes; v; v = v->next)
		if (!group_stale_ms(g))
			send_beat(v, now);
	group_kick(g);
}

