// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is in a group, and what its members say together. */
#include "group.h"

#include <stdio.h>
#include <string.h>

#include "continuity.h"
#include "fence.h"
#include "giving-up.h"
#include "reactor.h"
#include "verify.h"
#include "volume.h"

#define NS_PER_MS	1000000ULL

uint64_t group_next_epoch(const struct group *g)
{
	uint64_t highest = 0;

	for (struct volume *v = g->volumes; v; v = v->next) {
		if (v->info.highest_seen > highest)
			highest = v->info.highest_seen;
		if (v->target.header.highest_seen > highest)
			highest = v->target.header.highest_seen;
	}
	return highest + 1;
}

unsigned int group_stale_ms(const struct group *g)
{
	uint64_t now = ring_now(g->reactor->ring), until = now;

	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->stale_until_ns > until)
			until = v->stale_until_ns;
	return (until - now + NS_PER_MS - 1) / NS_PER_MS;
}

uint64_t group_image_ns(const struct group *g)
{
	uint64_t oldest = g->volumes->target.header.cut_time;

	for (struct volume *v = g->volumes; v; v = v->next) {
		if (!v->is_synced)
			return 0;
		if (v->target.header.cut_time < oldest)
			oldest = v->target.header.cut_time;
	}
	return oldest;
}

bool group_is_paused(const struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->identity.is_paused)
			return true;
	return false;
}

int group_note_paused(struct group *g, bool is_paused)
{
	int first = 0;

	for (struct volume *v = g->volumes; v; v = v->next) {
		int err = v->identity.is_paused == is_paused ? 0 :
			  identity_note_paused(&v->identity,
					       v->reactor->state_dir,
					       v->config->name, is_paused);

		first = first ? first : err;
	}
	return first;
}

bool group_is_verifying(const struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (!verify_is_idle(v))
			return true;
	return false;
}

bool group_is_superseded(const struct group *g)
{
	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->target.is_superseded)
			return true;
	return false;
}

bool group_is_behind(const struct group *g)
{
	return g->is_dirty || g->ship.phase != SHIP_IDLE || g->is_in_doubt;
}

void group_fill_header(const struct group *g, struct replica_header *h)
{
	memset(h->group_id, 0, sizeof(h->group_id));
	if (g->is_named)
		identity_hash(h->group_id, g->name);
	h->members = g->nr_volumes;
	h->membership = 1;
}

static uint64_t kernel_group(const struct group *g)
{
	uint64_t id[2];

	if (!g->is_named)
		return 0;
	identity_hash((uint8_t *)id, g->name);
	return id[0] | 1;
}

/* An epoch that a dead daemon left open was aborted when its socket closed. */
int group_add(struct group *g, struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	struct kernel *kernel = g->reactor->kernel;
	struct volume **link = &g->volumes;
	int err = kernel_attach(kernel, v->device.dev, &v->info);

	if (err) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s", kernel_error(kernel));
		return err;
	}
	err = continuity_begin(v, error);
	if (!err)
		err = giving_up_adopt(v, error);
	if (!err) {
		err = kernel_join(kernel, v->device.dev, kernel_group(g));
		if (err)
			snprintf(error, CONFIG_ERROR_SIZE, "%s",
				 kernel_error(kernel));
	}
	if (err) {
		kernel_detach(kernel, v->device.dev);
		return err;
	}
	while (*link)
		link = &(*link)->next;
	*link = v;
	v->group = g;
	fence_adopt(v);
	g->nr_volumes++;
	if (g->nr_volumes == 1 ||
	    v->config->interval_ms * NS_PER_MS < g->pace.interval_ns)
		g->pace.interval_ns = v->config->interval_ms * NS_PER_MS;
	return 0;
}

void group_remove(struct group *g, struct volume *v)
{
	struct volume **link = &g->volumes;

	while (*link != v)
		link = &(*link)->next;
	*link = v->next;
	v->next = NULL;
	v->group = NULL;
	g->nr_volumes--;
	g->rate_ns = 0; /* the sum of bytes is another one now */
	if (g->is_named)
		kernel_join(g->reactor->kernel, v->device.dev, 0);
	/* It may come back on another reactor, which has another socket. */
	kernel_detach(g->reactor->kernel, v->device.dev);
}

bool group_try_now(struct group *g)
{
	if (ring_timer_running(&g->retry)) {
		ring_timer_cancel(g->reactor->ring, &g->retry);
		g->failures = 0;
		g->retry.fire(&g->retry);
	}
	return g->wants_open;
}

bool group_waits_for_retry(const struct group *g)
{
	return ring_timer_running(&g->retry);
}

bool group_is_trying(const struct group *g)
{
	return g->wants_open && !group_waits_for_retry(g) &&
	       (g->is_log_full || !pair_is_shipping(g->pair.state));
}
