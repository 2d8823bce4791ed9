// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * N1 A fence is put up when the site is superseded, and stays until a target
 *    has been judged to be ours again, or an operator pauses or disables the
 *    volume: neither a retry, nor an error, nor the end of this process takes
 *    it down.
 * N2 readonly is a role in the kernel: who attaches finds it there, and goes on
 *    with it. It ends with the load.
 * N3 suspend is a hold in the kernel, which ends with its owner's socket and by
 *    its time (K6): it is renewed long before. After a kill -9 what waited goes
 *    through, and is tracked, until the next process is superseded in its turn.
 * N4 A split brain has no fence: both sites would put one up, and nobody could
 *    work.
 * N5 The kernel refuses a role while an epoch is open, as one in doubt is for a
 *    while, and a hold while a device of the group is suspended: it is tried
 *    again until it succeeds.
 * N6 What is in force is what the kernel has, not what it was told once: a hold
 *    that was not renewed, or went with another member's, and the role of a
 *    device that was made anew are put up again. A hold is the group's: where
 *    one member suspends, all do.
 * N7 A volume that is being given up, or was, is not ours (giving-up.h).
 * N8 A fence that an earlier process has left is kept (N1), but not put up on
 *    other members of the group for that: it may have been another group's. If
 *    the group is superseded, so are all of it, and each has its policy.
 */
#include "fence.h"

#include <errno.h>
#include <stdbool.h>

#include "events.h"
#include "giving-up.h"
#include "group.h"
#include "kernel.h"
#include "log.h"
#include "reactor.h"
#include "volume.h"

#define HOLD_MS		60000
#define RENEW_MS	10000
#define AGAIN_MS	200

/* N1: whether it is ours is not known, or not any more. */
static bool is_undecided(const struct group *g)
{
	return g->pair.state == PAIR_CONNECTING ||
	       g->pair.state == PAIR_ERROR || g->pair.state == PAIR_DISABLED;
}

/* N1, N4 */
static bool is_wanted(const struct group *g)
{
	return is_undecided(g) ? g->is_fenced :
				 g->pair.state == PAIR_SUPERSEDED;
}

static int set_role(struct volume *v, uint32_t role)
{
	const struct dmr_set set = { .role = &role };
	int err = v->info.role == role ? 0 :
		  kernel_set(v->reactor->kernel, v->device.dev, &set);

	if (!err)
		v->info.role = role;
	return err;
}

static int hold(struct volume *v, bool is_wanted)
{
	int err = 0;

	if (is_wanted || v->is_held)
		err = kernel_hold(v->reactor->kernel, v->device.dev,
				  is_wanted ? HOLD_MS : 0);
	v->is_held = is_wanted && !err;
	return err;
}

static void tell(struct volume *v, enum fence_policy policy)
{
	static const char *const words[] = {
		[FENCE_CONTINUE] = "what is written here is written again",
		[FENCE_READONLY] = "a write gets an error from now on "
				   "(on_superseded=readonly)",
		[FENCE_SUSPEND] = "a write waits from now on "
				  "(on_superseded=suspend)",
	};

	log_line(policy ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, v->config->name,
		 "%s", words[policy]);
	events_tell(v->reactor->events, v->config->name, "fence", "%s",
		    words[policy]);
}

static int apply(struct volume *v, enum fence_policy policy)
{
	int err = hold(v, policy == FENCE_SUSPEND);

	/* A secondary is not ours to open, nor to restrict. */
	if (!err && v->info.role != DMR_ROLE_SECONDARY)
		err = set_role(v, policy == FENCE_READONLY ?
			       DMR_ROLE_READONLY : DMR_ROLE_PRIMARY);
	if (!err && policy != v->fence)
		tell(v, policy);
	if (!err)
		v->fence = policy;
	return err;
}

/* N6, N8 */
static enum fence_policy policy_of(const struct group *g,
				   const struct volume *v)
{
	if (!g->is_fenced)
		return v->is_fence_found ? FENCE_READONLY : FENCE_CONTINUE;
	for (const struct volume *m = g->volumes; m; m = m->next)
		if (m->config->on_superseded == FENCE_SUSPEND)
			return FENCE_SUSPEND;
	return v->config->on_superseded;
}

/* N6 */
static bool is_up(const struct volume *v, enum fence_policy policy)
{
	return v->fence == policy &&
	       v->is_held == (policy == FENCE_SUSPEND) &&
	       (policy != FENCE_READONLY || v->info.role != DMR_ROLE_PRIMARY);
}

/* N3, N5 */
void fence_update(struct group *g)
{
	bool has_failed = false, is_held = false;

	g->is_fenced = is_wanted(g);
	for (struct volume *v = g->volumes; v; v = v->next) {
		enum fence_policy policy;

		if (giving_up_is_on(v))		/* N7 */
			continue;
		v->is_fence_found &= is_undecided(g);
		policy = policy_of(g, v);
		if (!is_up(v, policy))
			has_failed |= apply(v, policy);
		is_held |= v->is_held;
	}
	if (has_failed)
		ring_timer_add(g->reactor->ring, &g->fence, AGAIN_MS);
	else if (is_held && !ring_timer_running(&g->fence))
		ring_timer_add(g->reactor->ring, &g->fence, RENEW_MS);
}

void fence_on_timer(struct ring_timer *timer)
{
	struct group *g = container_of(timer, struct group, fence);

	for (struct volume *v = g->volumes; v; v = v->next)
		if (v->is_held)
			hold(v, true);
	fence_update(g);
}

/* N2, N8 */
void fence_adopt(struct volume *v)
{
	if (v->info.role != DMR_ROLE_READONLY)
		return;
	v->fence = FENCE_READONLY;
	v->is_fence_found = true;
}

/* N6: the others' hold has gone with it, until their next turn. */
void fence_lift(struct volume *v)
{
	if (v->fence != FENCE_CONTINUE)
		apply(v, FENCE_CONTINUE);
	for (struct volume *m = v->group->volumes; m; m = m->next)
		m->is_held = false;
}

const char *fence_name(const struct volume *v)
{
	return v->info.role == DMR_ROLE_PRIMARY ?
	       v->is_held ? "held" : "allowed" : "refused";
}
