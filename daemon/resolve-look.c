// SPDX-License-Identifier: GPL-2.0-or-later
/* The steps of a resolution on the volumes' thread; see resolve.h. */
#include "resolve-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "giving-up.h"
#include "group.h"
#include "kernel.h"
#include "reactor.h"
#include "takeover.h"

#define DUMPS		10	/* until one is of one piece */
#define HOLD_MS		10000	/* a writer waits for so long at most */
#define NS_PER_MS	1000000ULL

static int say_kernel(struct resolution *r, const struct volume *v, int err)
{
	return error_set(&r->error, err, "%s: %.200s", v->config->name,
			 kernel_error(v->reactor->kernel));
}

static int for_each(struct resolution *r,
		    int (*step)(struct resolution *r, struct volume *v))
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < r->nr; i++)
		ret = step(r, r->volumes[i]);
	return ret;
}

/* --- what must be so ------------------------------------------------------ */

/* R2 */
static int check_state(struct resolution *r, const struct volume *v)
{
	enum pair_state state = v->group->pair.state;

	if (r->is_asked && takeover_is_elsewhere(v))
		return error_set(&r->error, -EINVAL, "%s is in doubt with "
				 "another site", v->config->name);
	if (r->is_planned || r->is_over || state == PAIR_SUPERSEDED ||
	    state == PAIR_SPLIT_BRAIN)
		return 0;
	return error_set(&r->error, -EINVAL, "%s is %s: there is nothing to "
			 "resolve", v->config->name, pair_state_name(state));
}

/* R2, planned: does the target follow? */
static int check_following(struct resolution *r, struct volume *v)
{
	const struct pair *pair = &v->group->pair;

	if (volume_refresh(v))
		return say_kernel(r, v, -EIO);
	if (pair->state == PAIR_REPLICATING)
		return 0;
	return error_set(&r->error, -EAGAIN, "%s is %s: %.180s",
			 v->config->name, pair_state_name(pair->state),
			 pair_reason(pair));
}

/* R2, planned: has it all? */
static int check_settled(struct resolution *r, struct volume *v)
{
	int ret = check_following(r, v);

	if (!ret && (v->info.epoch || v->info.nr_dirty || v->info.nr_frozen))
		ret = error_set(&r->error, -EAGAIN, "%s: not all of it is at "
				"the other site yet", v->config->name);
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
			 v->config->name) : 0;
}

static int check_all(struct resolution *r)
{
	return for_each(r, r->is_planned ? check_settled : check_given_up);
}

static int check_durable(struct resolution *r, struct volume *v)
{
	return giving_up_is_durable(v) ? 0 :
	       error_set(&r->error, -EAGAIN, "%s: its metadata device does not "
			 "take the new role", v->config->name);
}

/* It may have been taken out and put in again meanwhile: it is open then. */
static int check_closed(struct resolution *r, struct volume *v)
{
	return giving_up_is_on(v) ? 0 :
	       error_set(&r->error, -ECANCELED, "%s was started anew meanwhile: "
			 "it is as it was before", v->config->name);
}

/* --- what is dirty -------------------------------------------------------- */

static void note_info(struct resolve_member *m, const struct volume *v)
{
	m->chunk_bytes = volume_chunk_bytes(v);
	m->info.volume_bytes = volume_kernel_bytes(v);	/* as the bits are */
	m->info.generation = v->identity.generation;
	m->info.epoch = v->info.last_committed;
	m->info.last_clean = v->info.last_committed;
}

static int dump(struct resolution *r, struct resolve_member *m,
		struct volume *v)
{
	int ret = -EINTR;

	note_info(m, v);
	for (int tries = 0; ret == -EINTR && tries < DUMPS; tries++) {
		dmr_extents_clear(m->dirty);
		ret = kernel_get_dirty(v->reactor->kernel, v->device.dev,
				       dmr_extents_add_array, m->dirty);
	}
	return ret ? say_kernel(r, v, ret) : 0;
}

static int dump_all(struct resolution *r)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < r->nr; i++)
		ret = dump(r, &r->all[i], r->volumes[i]);
	return ret;
}

/* --- the steps ------------------------------------------------------------ */

static int look_dry(struct resolution *r)
{
	int ret = check_all(r);

	return ret ? ret : dump_all(r);
}

static void stop_until(struct resolution *r, uint64_t now)
{
	if (r->until_ns > now + HOLD_MS * NS_PER_MS)
		r->until_ns = now + HOLD_MS * NS_PER_MS;
}

/* The hold is longer than we look: what ends it is always we. */
static int wait_for_target(struct resolution *r)
{
	struct volume *first = r->volumes[0];
	int ret = for_each(r, check_following);

	if (!ret)
		ret = giving_up_hold(first, 2 * HOLD_MS, &r->error);
	if (ret)
		return ret;
	stop_until(r, ring_now(first->reactor->ring));
	r->phase = RESOLVE_HELD;
	return 0;
}

/* They are read still, for the salvage, unless there is nothing to be kept. */
static int close_all(struct resolution *r)
{
	int ret = giving_up_begin(r->volumes, r->nr, r->is_planned ?
				  DMR_ROLE_SECONDARY : DMR_ROLE_READONLY,
				  &r->error);

	if (!ret)
		r->phase = RESOLVE_CLOSED;
	return ret;
}

/* They are counted meanwhile, by resolve.c. */
static int wait_for_last_epoch(struct resolution *r)
{
	int ret = check_all(r);

	return ret || !r->is_counted ? ret : close_all(r);
}

static int close_superseded(struct resolution *r)
{
	int ret = check_all(r);

	return ret ? ret : close_all(r);
}

/* R1 */
static int look_last(struct resolution *r)
{
	int ret = for_each(r, check_closed);

	if (!ret)
		ret = check_all(r);
	if (!ret && r->is_planned)
		ret = for_each(r, check_durable);
	if (!ret && r->is_counted)
		ret = dump_all(r);
	if (!ret && r->is_counted)
		r->phase = RESOLVE_SALVAGED;
	return ret;
}

static int finish(struct resolution *r)
{
	int ret = for_each(r, check_closed);

	if (!ret)
		ret = giving_up_finish(r->volumes, r->nr, &r->error);
	if (!ret)
		r->phase = RESOLVE_DONE;
	return ret;
}

/* --- who they are --------------------------------------------------------- */

static bool was_given_up(const struct volume *v)
{
	return v->identity.given_up == GIVEN_UP_DONE;
}

/* R6, R10. Nobody else is in it than when they were found. */
static int check_same(struct resolution *r, const struct group *g)
{
	bool is_whole = r->is_group || r->is_asked;

	for (const struct volume *v = g->volumes; is_whole && v; v = v->next)
		if (!was_given_up(v) && !resolve_has(r, v->config->name))
			return error_set(&r->error, -ECANCELED, "%s has joined "
					 "the group meanwhile",
					 v->config->name);
	return 0;
}

/* R6 */
static int take_members(struct resolution *r)
{
	const struct group *g = NULL;

	for (unsigned int i = 0; i < r->nr; i++) {
		const char *name = r->all[i].info.volume;
		struct volume *v = reactor_find(r->reactor, name);

		if (!v)
			return error_set(&r->error, -ENOENT, "there is no "
					 "volume %s", name);
		r->volumes[i] = v;
		g = g ? g : v->group;
		if (v->group != g)
			return error_set(&r->error, -ECANCELED, "%s: its group "
					 "has changed meanwhile", name);
	}
	return check_same(r, g);
}

void resolve_look(struct resolution *r)
{
	static int (*const steps[])(struct resolution *r) = {
		[RESOLVE_WAITS] = wait_for_target,
		[RESOLVE_HELD] = wait_for_last_epoch,
		[RESOLVE_CLOSED] = look_last,
		[RESOLVE_SALVAGED] = finish,
	};

	if (take_members(r))
		return;
	if (r->is_dry)
		look_dry(r);
	else if (r->phase == RESOLVE_WAITS && !r->is_planned)
		close_superseded(r);
	else
		steps[r->phase](r);
}

/* Those that are still there. */
void resolve_undo(struct resolution *r)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < r->nr; i++) {
		struct volume *v = reactor_find(r->reactor,
						r->all[i].info.volume);

		if (v)
			r->volumes[nr++] = v;
	}
	giving_up_undo(r->volumes, nr);
}

/* Those that were given up before need it no more, unless all were. */
static bool is_meant(const struct resolution *r, const struct volume *asked,
		     const struct volume *v)
{
	return r->is_group ? r->is_over || !was_given_up(v) : v == asked;
}

static void look_at_group(struct resolution *r, const struct volume *asked)
{
	r->is_over = was_given_up(asked);
	for (struct volume *v = asked->group->volumes; r->is_group && v;
	     v = v->next)
		r->is_over &= was_given_up(v);
}

/* R8 */
static int check_known(struct resolution *r, const struct volume *v)
{
	if (r->is_planned || r->is_over ||
	    v->group->pair.state != PAIR_CONNECTING)
		return 0;
	return error_set(&r->error, -EAGAIN, "%s is connecting: whether the "
			 "other site has taken over is not known yet",
			 v->config->name);
}

static bool is_named(const struct resolution *r, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(r->named, i, one)
		if (!strcmp(json_string_value(one), name))
			return true;
	return false;
}

/* R10. They are named once each. */
static int check_named(struct resolution *r, const struct volume *asked)
{
	const struct group *g = asked->group;
	size_t nr = json_array_size(r->named);

	for (struct volume *v = g->volumes; r->named && v; v = v->next)
		if (!is_named(r, v->config->name))
			return error_set(&r->error, -EOPNOTSUPP, "%s is in "
					 "group %s there, too, and was not "
					 "promoted with it: there, replicactl "
					 "resolve --keep peer",
					 v->config->name, g->name);
	if (r->named && nr != g->nr_volumes)
		return error_set(&r->error, -EOPNOTSUPP, "only %u of the %zu "
				 "that were promoted are in group %s there: "
				 "there, replicactl resolve --keep peer",
				 g->nr_volumes, nr, g->name);
	return 0;
}

/* R6, R10 */
static int check_parts(struct resolution *r, const struct volume *v)
{
	const struct group *g = v->group;

	if (r->is_over || r->is_group || g->nr_volumes == 1)
		return 0;
	if (r->is_asked)
		return error_set(&r->error, -EOPNOTSUPP, "%s is one of %u in "
				 "group %s, which is given up whole: say "
				 "--group; or there, replicactl resolve %s "
				 "--group --keep peer", v->config->name,
				 g->nr_volumes, g->name, v->config->name);
	if (!r->is_planned)
		return 0;
	return error_set(&r->error, -EOPNOTSUPP, "%s is one of %u in group %s, "
			 "and a group is not handed over in parts: --group",
			 v->config->name, g->nr_volumes, g->name);
}

static int fill_member(struct resolution *r, struct resolve_member *m,
		       const struct volume *v)
{
	snprintf(m->info.volume, sizeof(m->info.volume), "%s",
		 v->config->name);
	snprintf(m->live, sizeof(m->live), "%s", v->device.live);
	snprintf(m->device, sizeof(m->device), "%s", v->device.name);
	note_info(m, v);
	return check_state(r, v);
}

void resolve_find(struct resolution *r, struct volume *asked)
{
	struct group *g = asked->group;
	unsigned int nr = 0;

	look_at_group(r, asked);
	if (check_known(r, asked) || check_named(r, asked) ||
	    check_parts(r, asked))
		return;
	for (struct volume *v = g->volumes; v; v = v->next)
		nr += is_meant(r, asked, v);
	if (resolve_make_members(r, nr))
		return;
	if (r->is_group && g->is_named)
		snprintf(r->group, sizeof(r->group), "%.63s", g->name);
	nr = 0;
	for (struct volume *v = g->volumes; v; v = v->next)
		if (is_meant(r, asked, v) && fill_member(r, &r->all[nr++], v))
			return;
}
