// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps of a resolution on the volume's thread; see resolve.h. */
#include "resolve-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "giving-up.h"
#include "group.h"
#include "kernel.h"
#include "reactor.h"

#define DUMPS		10	/* until one is of one piece */
#define HOLD_MS		10000	/* a writer waits for so long at most */
#define NS_PER_MS	1000000ULL

static const char *name_of(const struct resolution *r)
{
	return r->info.volume;
}

static int say_kernel(struct resolution *r, const struct volume *v, int err)
{
	return error_set(&r->error, err, "%s: %.200s", name_of(r),
			 kernel_error(v->reactor->kernel));
}

/* R2. Whoever asks again is told that it has been done. */
static int check_state(struct resolution *r, const struct volume *v)
{
	enum pair_state state = v->group->pair.state;

	r->is_over = v->identity.given_up == GIVEN_UP_DONE;
	if (r->is_planned && !r->is_over && v->group->nr_volumes > 1)
		return error_set(&r->error, -EOPNOTSUPP, "%s is one of %u in "
				 "group %s: a group is not handed over in "
				 "parts", name_of(r), v->group->nr_volumes,
				 v->group->name);
	if (r->is_planned || r->is_over || state == PAIR_SUPERSEDED ||
	    state == PAIR_SPLIT_BRAIN)
		return 0;
	return error_set(&r->error, -EINVAL, "%s is %s: there is nothing to "
			 "resolve", name_of(r), pair_state_name(state));
}

/* R2, planned: does the target follow? */
static int check_following(struct resolution *r, struct volume *v)
{
	const struct pair *pair = &v->group->pair;

	if (volume_refresh(v))
		return say_kernel(r, v, -EIO);
	if (pair->state == PAIR_REPLICATING)
		return 0;
	return error_set(&r->error, -EAGAIN, "%s is %s: %.180s", name_of(r),
			 pair_state_name(pair->state), pair_reason(pair));
}

/* R2, planned: has it all? */
static int check_settled(struct resolution *r, struct volume *v)
{
	int ret = check_following(r, v);

	if (!ret && (v->info.epoch || v->info.nr_dirty || v->info.nr_frozen))
		ret = error_set(&r->error, -EAGAIN, "%s: not all of it is at "
				"the other site yet", name_of(r));
	return ret;
}

/* R3. A dry run tells what there is. */
static int check_given_up(struct resolution *r, struct volume *v)
{
	int ret = check_state(r, v);

	if (!ret && volume_refresh(v))
		ret = say_kernel(r, v, -EIO);
	if (ret || r->is_dry)
		return ret;
	return v->info.epoch || v->info.nr_frozen ?
	       error_set(&r->error, -EAGAIN, "%s: its last epoch is still open",
			 name_of(r)) : 0;
}

static void note_info(struct resolution *r, const struct volume *v)
{
	r->chunk_bytes = volume_chunk_bytes(v);
	r->info.volume_bytes = volume_bytes(v);
	r->info.generation = v->identity.generation;
	r->info.epoch = v->info.last_committed;
	r->info.last_clean = v->info.last_committed;
}

static int dump(struct resolution *r, struct volume *v)
{
	int ret = -EINTR;

	note_info(r, v);
	for (int tries = 0; ret == -EINTR && tries < DUMPS; tries++) {
		dmr_extents_clear(r->dirty);
		ret = kernel_get_dirty(v->reactor->kernel, v->device.dev,
				       dmr_extents_add_array, r->dirty);
	}
	return ret ? say_kernel(r, v, ret) : 0;
}

static int check_durable(struct resolution *r, const struct volume *v)
{
	return giving_up_is_durable(v) ? 0 :
	       error_set(&r->error, -EAGAIN, "%s: its metadata device does not "
			 "take the new role", name_of(r));
}

/* --- the steps ------------------------------------------------------------ */

static int look_dry(struct resolution *r, struct volume *v)
{
	int ret = r->is_planned ? check_settled(r, v) : check_given_up(r, v);

	return ret ? ret : dump(r, v);
}

static void stop_until(struct resolution *r, uint64_t now)
{
	if (r->until_ns > now + HOLD_MS * NS_PER_MS)
		r->until_ns = now + HOLD_MS * NS_PER_MS;
}

/* The hold is longer than we look: what ends it is always we. */
static int wait_for_target(struct resolution *r, struct volume *v)
{
	int ret = check_following(r, v);

	if (!ret)
		ret = giving_up_hold(v, 2 * HOLD_MS, &r->error);
	if (ret)
		return ret;
	stop_until(r, ring_now(v->reactor->ring));
	r->phase = RESOLVE_HELD;
	return 0;
}

/* They are counted meanwhile, by resolve.c. */
static int wait_for_last_epoch(struct resolution *r, struct volume *v)
{
	int ret = check_settled(r, v);

	if (ret || !r->is_counted)
		return ret;
	ret = giving_up_begin(v, DMR_ROLE_SECONDARY, &r->error);
	if (!ret)
		r->phase = RESOLVE_CLOSED;
	return ret;
}

/* It is read still, for the salvage. */
static int close_superseded(struct resolution *r, struct volume *v)
{
	int ret = check_given_up(r, v);

	if (!ret)
		ret = giving_up_begin(v, DMR_ROLE_READONLY, &r->error);
	if (!ret)
		r->phase = RESOLVE_CLOSED;
	return ret;
}

/* It may have been taken out and put in again meanwhile: it is open then. */
static int check_closed(struct resolution *r, const struct volume *v)
{
	return giving_up_is_on(v) ? 0 :
	       error_set(&r->error, -ECANCELED, "%s was started anew meanwhile: "
			 "it is as it was before", name_of(r));
}

/* R1 */
static int look_last(struct resolution *r, struct volume *v)
{
	int ret = check_closed(r, v);

	if (!ret)
		ret = r->is_planned ? check_settled(r, v) :
				      check_given_up(r, v);
	if (!ret && r->is_planned)
		ret = check_durable(r, v);
	if (!ret && r->is_counted)
		ret = dump(r, v);
	if (!ret && r->is_counted)
		r->phase = RESOLVE_SALVAGED;
	return ret;
}

static int finish(struct resolution *r, struct volume *v)
{
	int ret = check_closed(r, v);

	if (!ret)
		ret = giving_up_finish(v, &r->error);
	if (!ret)
		r->phase = RESOLVE_DONE;
	return ret;
}

void resolve_look(struct resolution *r, struct volume *v)
{
	static int (*const steps[])(struct resolution *r, struct volume *v) = {
		[RESOLVE_WAITS] = wait_for_target,
		[RESOLVE_HELD] = wait_for_last_epoch,
		[RESOLVE_CLOSED] = look_last,
		[RESOLVE_SALVAGED] = finish,
	};

	if (r->is_dry)
		look_dry(r, v);
	else if (r->phase == RESOLVE_WAITS && !r->is_planned)
		close_superseded(r, v);
	else
		steps[r->phase](r, v);
}

void resolve_find(struct resolution *r, const struct volume *v)
{
	if (check_state(r, v))
		return;
	snprintf(r->live, sizeof(r->live), "%s", v->device.live);
	snprintf(r->device, sizeof(r->device), "%s", v->device.name);
	note_info(r, v);
}
