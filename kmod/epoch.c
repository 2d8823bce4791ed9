// SPDX-License-Identifier: GPL-2.0
/*
 * Groups and their epochs.
 *
 *	          cut                 drained
 *	IDLE ------------> DRAINING -----------> FROZEN
 *	  ^                   |                    |
 *	  |                   | abort              | commit, keep, abort
 *	  |                   v                    |
 *	  |<--- drained --- ABORTED                |
 *	  |<---------------------------------------'
 *
 *	IDLE -> DRAINING	[dmr_epoch_cut]
 *	DRAINING -> FROZEN	[group_drained]
 *	DRAINING -> ABORTED	[dmr_epoch_end]
 *	ABORTED -> IDLE		[group_drained]
 *	FROZEN -> IDLE		[dmr_epoch_end]
 *
 * A volume has two slots, each with a set of chunks and a count of writes
 * under way. The gate's parity says which one the running epoch uses; the
 * other is empty, or it is the frozen set of the open epoch.
 *
 *	IDLE		no epoch open; the other slot's set is empty
 *	DRAINING	epoch open; writes of the other slot are under way
 *	FROZEN		epoch open; the other slot's count is 0
 *	ABORTED		no epoch open; set empty, but writes still under way
 *
 * Invariants:
 *  E1 The cut of a group is one store: rcu_assign_pointer(group->gate).
 *  E2 It is made while every write of the group is held, after a grace period:
 *     by I1 (io.c) no marker works with the old parity any more, so the frozen
 *     set is final and the count of its slot only goes down. A sum of 0 is
 *     then final too.
 *  E3 (K3) A cut starts only in IDLE: the slot that it opens has an empty set
 *     and a count of 0.
 *  E4 Chunks leave the sets in END(commit) and FORGET only; keep and abort
 *     move them, and a mover puts a chunk into the dirty set before anyone can
 *     see that it left the frozen one under the group lock.
 *  E5 Both gates of a cut are allocated before the first is published.
 *
 * Context: group lock, process context, except where epoch.h says otherwise.
 */
#include "epoch.h"

#include <linux/ktime.h>
#include <linux/slab.h>

#include "event.h"
#include "fault.h"
#include "group.h"
#include "io.h"
#include "main.h"
#include "meta.h"
#include "preserve.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

const char *dmr_state_name(enum dmr_state state)
{
	static const char *const names[] = {
		[DMR_STATE_IDLE] = "idle",
		[DMR_STATE_DRAINING] = "draining",
		[DMR_STATE_FROZEN] = "frozen",
		[DMR_STATE_ABORTED] = "aborted",
	};

	return names[state];
}

static void set_state(struct dmr_group *g, enum dmr_state state)
{
	static const u8 allowed[] = {
		[DMR_STATE_IDLE] = BIT(DMR_STATE_DRAINING),
		[DMR_STATE_DRAINING] = BIT(DMR_STATE_FROZEN) |
				       BIT(DMR_STATE_ABORTED),
		[DMR_STATE_FROZEN] = BIT(DMR_STATE_IDLE),
		[DMR_STATE_ABORTED] = BIT(DMR_STATE_IDLE),
	};

	lockdep_assert_held(&g->lock);
	dmr_assert(allowed[g->state] & BIT(state));
	g->state = state;
}

/* ---- which set is which ---- */

static unsigned int running_slot(struct dmr_device *dev, struct dmr_group *g)
{
	return dmr_gate(g)->parity ^ dev->flip;
}

struct dmr_map *dmr_epoch_dirty(struct dmr_device *dev, struct dmr_group *g)
{
	return dev->slot[running_slot(dev, g)].map;
}

struct dmr_map *dmr_epoch_frozen(struct dmr_device *dev, struct dmr_group *g)
{
	return dev->slot[!running_slot(dev, g)].map;
}

/* The running epoch has chunks that no write will announce. */
static void announce_dirty(struct dmr_device *dev, struct dmr_group *g)
{
	if (dmr_map_is_empty(dmr_epoch_dirty(dev, g)))
		return;
	WRITE_ONCE(dev->slot[running_slot(dev, g)].seen, true);
	dmr_event_later(dev, DMR_SEND_DIRTY);
}

/* ---- cut ---- */

static int check_number(struct dmr_group *g, u64 epoch, const char **why)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member) {
		if (epoch <= dev->highest_seen) {
			*why = "epoch number was used before";
			return -ERANGE;
		}
		if (epoch - dev->highest_seen >= 1ULL << 32) {
			*why = "epoch number is too far ahead";
			return -ERANGE;
		}
	}
	return 0;
}

/* All writes of the group are held. */
static void start_drain(struct dmr_device *dev, struct dmr_group *g, u64 epoch,
			bool clean)
{
	unsigned int next = !running_slot(dev, g);

	dmr_assert(!dmr_io_inflight(dev, next));		/* E3, K3 */
	dmr_assert(dmr_map_is_empty(dev->slot[next].map));	/* E3 */
	WRITE_ONCE(dev->slot[next].seen, false);
	dev->highest_seen = epoch;
	dev->stats.cuts++;
	dmr_preserve_open(dev, epoch, clean);
	WRITE_ONCE(dev->draining, true);
	smp_mb();	/* pairs with the one in dmr_io_end() */
}

static void start_drains(struct dmr_group *g, u64 epoch, bool clean)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member)
		start_drain(dev, g, epoch, clean);
}

#ifdef DMR_FAULT
/* What must not be done: the devices of a group swap one after the other. */
static void split_swap(struct dmr_group *g, struct dmr_gate *next)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member) {
		rcu_assign_pointer(dev->own_gate, next);
		synchronize_rcu_expedited();
		dmr_fault_delay(split);
	}
}

static void split_done(struct dmr_group *g)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member)
		RCU_INIT_POINTER(dev->own_gate, NULL);
}
#else
static void split_swap(struct dmr_group *g, struct dmr_gate *next) { }
static void split_done(struct dmr_group *g) { }
#endif

/* E1, E2: the short gate. */
static void swap_gates(struct dmr_group *g, struct dmr_gate *hold,
		       struct dmr_gate *next, bool clean)
{
	if (dmr_fault(split_group)) {
		start_drains(g, next->epoch, clean);
		split_swap(g, next);
		kfree(hold);
	} else if (dmr_fault(no_gate)) {
		start_drains(g, next->epoch, clean);
		kfree(hold);
	} else {
		dmr_gate_publish(g, hold);
		synchronize_rcu_expedited();
		start_drains(g, next->epoch, clean);
	}
	g->cut_time = ktime_get_real_ns();
	dmr_gate_publish(g, next);
	split_done(g);
}

static void note_pause(struct dmr_group *g, u64 ns)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member) {
		dev->stats.gate_last_ns = ns;
		dev->stats.gate_max_ns = max(dev->stats.gate_max_ns, ns);
		dev->stats.gate_sum_ns += ns;
	}
}

int dmr_epoch_cut(struct dmr_group *g, u64 epoch, u32 flags, const char **why)
{
	struct dmr_gate *hold, *next;
	struct dmr_device *dev;
	u64 start, pause;
	int r;

	lockdep_assert_held(&g->lock);
	if (g->epoch && g->epoch == epoch)
		return 0;
	if (g->state != DMR_STATE_IDLE) {
		*why = g->epoch ? "an epoch is open" :
		       "writes of the previous cut are still under way";
		return -EBUSY;
	}
	r = check_number(g, epoch, why);
	if (r)
		return r;
	hold = dmr_gate_copy(g);
	next = dmr_gate_copy(g);
	if (!hold || !next) {					/* E5 */
		kfree(hold);
		kfree(next);
		*why = "no memory";
		return -ENOMEM;
	}
	hold->hold = true;
	next->parity = !next->parity;
	next->epoch = epoch;

	start = ktime_get_ns();
	swap_gates(g, hold, next, !(flags & DMR_EPOCH_F_FUZZY));
	pause = ktime_get_ns() - start;
	note_pause(g, pause);
	trace_dmr_cut(g->number, epoch, !(flags & DMR_EPOCH_F_FUZZY), pause);
	g->epoch = epoch;
	set_state(g, DMR_STATE_DRAINING);
	dmr_group_unpark(g);
	list_for_each_entry(dev, &g->members, member)
		queue_work(dmr_ctl_wq, &dev->drain_work);
	return 0;
}

/* ---- drain ---- */

/*
 * E2. Copies of a member wait for its own writes only (K7): another member's
 * disk may hang.
 */
static bool device_drained(struct dmr_device *dev, struct dmr_group *g)
{
	if (!READ_ONCE(dev->draining))
		return true;
	if (!dmr_fault(no_drain) &&
	    dmr_io_inflight(dev, !running_slot(dev, g)))
		return false;
	WRITE_ONCE(dev->draining, false);
	if (g->state == DMR_STATE_DRAINING)
		dmr_preserve_drained(dev,
				     dmr_map_count(dmr_epoch_frozen(dev, g)));
	return true;
}

static bool all_drained(struct dmr_group *g)
{
	struct dmr_device *dev;
	bool all = true;

	list_for_each_entry(dev, &g->members, member)
		all &= device_drained(dev, g);
	return all;
}

static void announce_frozen(struct dmr_device *dev, struct dmr_group *g)
{
	u64 nr = dmr_map_count(dmr_epoch_frozen(dev, g));

	trace_dmr_frozen(dev->number, g->epoch, nr);
	dmr_event_frozen(dev, g, nr);
}

static void group_drained(struct dmr_group *g)
{
	bool open = g->state == DMR_STATE_DRAINING;
	struct dmr_device *dev;

	set_state(g, open ? DMR_STATE_FROZEN : DMR_STATE_IDLE);
	list_for_each_entry(dev, &g->members, member) {
		if (open)
			announce_frozen(dev, g);
		else
			announce_dirty(dev, g);
	}
}

void dmr_epoch_recheck(struct dmr_group *g)
{
	if ((g->state == DMR_STATE_DRAINING || g->state == DMR_STATE_ABORTED) &&
	    all_drained(g))
		group_drained(g);
}

void dmr_epoch_drain_work(struct work_struct *work)
{
	struct dmr_device *dev = container_of(work, struct dmr_device,
					      drain_work);
	struct dmr_group *g = dmr_group_lock(dev);

	dmr_epoch_recheck(g);
	dmr_group_unlock(g);
}

/* ---- release ---- */

/* Names an epoch that is open and frozen? */
static int check_open(struct dmr_group *g, u64 epoch, const char **why)
{
	if (!g->epoch || g->epoch != epoch) {
		*why = g->epoch ? "another epoch is open" : "no epoch is open";
		return -ESTALE;
	}
	if (g->state != DMR_STATE_FROZEN) {
		*why = "writes of the epoch are still under way";
		return -EAGAIN;
	}
	return 0;
}

static bool is_in_volume(struct dmr_device *dev, const struct dmr_extent *e)
{
	return e->count && e->start < dev->geo.nr_chunks &&
	       e->count <= dev->geo.nr_chunks - e->start;
}

static int check_extents(struct dmr_device *dev, const struct dmr_extent *ext,
			 unsigned int nr, const char **why)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (!is_in_volume(dev, &ext[i])) {
			*why = "extent is empty or not inside the volume";
			return -EINVAL;
		}
	}
	return 0;
}

int dmr_epoch_release(struct dmr_device *dev, struct dmr_group *g, u64 epoch,
		      const struct dmr_extent *ext, unsigned int nr,
		      const char **why)
{
	struct dmr_map *frozen = dmr_epoch_frozen(dev, g);
	unsigned int i;
	u64 last, nr_new;
	int r;

	lockdep_assert_held(&g->lock);
	r = check_open(g, epoch, why) ?: check_extents(dev, ext, nr, why);
	if (r)
		return r;
	for (i = 0; i < nr; i++) {
		last = ext[i].start + ext[i].count - 1;
		if (dmr_map_find_missing(frozen, ext[i].start, last) !=
		    DMR_NO_CHUNK) {
			*why = "a chunk of the extent is not frozen";
			return -EINVAL;
		}
	}
	for (i = 0; i < nr && !r; i++) {
		last = ext[i].start + ext[i].count - 1;
		nr_new = 0;
		r = dmr_map_add(dev->released, ext[i].start, last, &nr_new);
		dmr_preserve_released(dev, ext[i].start, last, nr_new, !r);
		cond_resched();
	}
	if (r)
		*why = "no memory; say it again";
	return r;
}

/* ---- end ---- */

static bool any_held(struct dmr_group *g)
{
	struct dmr_preserve_counts c;
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member) {
		dmr_preserve_count(dev, &c);
		if (c.held)
			return true;
	}
	return false;
}

static int check_end(struct dmr_group *g, u64 epoch, enum dmr_end how,
		     const char **why)
{
	int r = check_open(g, epoch, why);

	if (r == -EAGAIN && how == DMR_END_ABORT)
		return 0;
	if (r)
		return r;
	if (how == DMR_END_COMMIT && any_held(g)) {
		*why = "chunks of the epoch were not released";
		return -EBUSY;
	}
	return 0;
}

/* E4. */
static void end_device(struct dmr_device *dev, struct dmr_group *g, u64 epoch,
		       enum dmr_end how)
{
	struct dmr_map *dirty = dmr_epoch_dirty(dev, g);
	struct dmr_map *frozen = dmr_epoch_frozen(dev, g);

	if (dev->meta && how != DMR_END_ABORT)
		dmr_meta_dropping(dev->meta, frozen);
	switch (how) {
	case DMR_END_COMMIT:
		dmr_map_clear(frozen);
		dev->last_committed = epoch;
		dev->stats.commits++;
		if (dev->meta)
			dmr_meta_committed(dev->meta, epoch);
		break;
	case DMR_END_KEEP:
		dmr_map_move(dirty, frozen, dev->released);
		dev->last_committed = epoch;
		dev->stats.keeps++;
		break;
	case DMR_END_ABORT:
		dmr_map_move(dirty, frozen, NULL);
		dev->stats.aborts++;
		break;
	}
	dmr_map_clear(dev->released);
	if (how != DMR_END_COMMIT)
		announce_dirty(dev, g);
}

/* The caller has checked that an epoch is open, and gives the next gate. */
static void end_group(struct dmr_group *g, enum dmr_end how,
		      struct dmr_gate *next)
{
	struct dmr_device *dev;
	u64 epoch = g->epoch;

	trace_dmr_end(g->number, epoch, how);
	list_for_each_entry(dev, &g->members, member)
		dmr_preserve_close(dev);
	next->epoch = 0;
	dmr_gate_publish(g, next);
	list_for_each_entry(dev, &g->members, member)
		end_device(dev, g, epoch, how);
	g->epoch = 0;
	g->ended_epoch = epoch;
	g->ended_how = how;
	set_state(g, g->state == DMR_STATE_DRAINING ? DMR_STATE_ABORTED :
						      DMR_STATE_IDLE);
}

int dmr_epoch_end(struct dmr_group *g, u64 epoch, enum dmr_end how,
		  const char **why)
{
	struct dmr_gate *next;
	int r;

	lockdep_assert_held(&g->lock);
	if (!g->epoch && epoch && g->ended_epoch == epoch &&
	    g->ended_how == how)
		return 0;
	r = check_end(g, epoch, how, why);
	if (r)
		return r;
	next = dmr_gate_copy(g);
	if (!next) {
		*why = "no memory";
		return -ENOMEM;
	}
	end_group(g, how, next);
	return 0;
}

void dmr_epoch_abort(struct dmr_group *g)
{
	if (g->epoch)
		end_group(g, DMR_END_ABORT, dmr_gate_copy_nofail(g));
}

/* ---- mark, forget, set ---- */

/* In steps, so that a huge extent does not keep the processor. */
static void mark_extent(struct dmr_device *dev, struct dmr_map *dirty,
			const struct dmr_extent *e)
{
	u64 step = 256ULL << dev->geo.region_shift;
	u64 at, left;

	for (at = e->start, left = e->count; left; cond_resched()) {
		u64 n = min(left, step);

		dmr_map_mark(dirty, at, at + n - 1);
		at += n;
		left -= n;
	}
}

int dmr_epoch_mark(struct dmr_device *dev, struct dmr_group *g,
		   const struct dmr_extent *ext, unsigned int nr,
		   const char **why)
{
	struct dmr_map *dirty = dmr_epoch_dirty(dev, g);
	unsigned int i;
	int r;

	lockdep_assert_held(&g->lock);
	r = ext ? check_extents(dev, ext, nr, why) : 0;
	if (r)
		return r;
	if (!ext)
		dmr_map_fill(dirty);
	for (i = 0; ext && i < nr; i++)
		mark_extent(dev, dirty, &ext[i]);
	if (dev->meta)
		dmr_meta_marked(dev->meta, ext, nr);
	announce_dirty(dev, g);
	return 0;
}

/* The old one becomes an ancestor, which ended with what it committed last. */
static void set_generation(struct dmr_device *dev, u64 generation)
{
	if (dev->generation == generation)
		return;
	if (dev->meta)
		dmr_meta_generation(dev->meta, dev->generation,
				    dev->last_committed);
	dev->generation = generation;
}

int dmr_epoch_forget(struct dmr_device *dev, struct dmr_group *g,
		     u64 generation, u64 epoch, const char **why)
{
	unsigned int i;

	lockdep_assert_held(&g->lock);
	if (dev->role != DMR_ROLE_SECONDARY) {
		*why = "only a secondary may forget what it wrote";
		return -EPERM;
	}
	if (g->state != DMR_STATE_IDLE) {
		*why = "an epoch is open";
		return -EBUSY;
	}
	for (i = 0; i < ARRAY_SIZE(dev->slot); i++)
		if (dmr_io_inflight(dev, i)) {
			*why = "writes are still under way";
			return -EBUSY;
		}
	if (epoch > dev->highest_seen &&
	    epoch - dev->highest_seen >= 1ULL << 32) {
		*why = "epoch number is too far ahead";
		return -ERANGE;
	}
	if (dev->meta) {
		dmr_meta_dropping(dev->meta, dmr_epoch_dirty(dev, g));
		dmr_meta_changed(dev->meta);
	}
	/* No marker: the role refuses every write, see dmr_epoch_set(). */
	dmr_map_clear(dmr_epoch_dirty(dev, g));
	WRITE_ONCE(dev->slot[running_slot(dev, g)].seen, false);
	set_generation(dev, generation);
	dev->last_committed = epoch;
	dev->highest_seen = max(dev->highest_seen, epoch);
	return 0;
}

static int check_set(struct dmr_device *dev, struct dmr_group *g,
		     const struct dmr_settings *set, const char **why)
{
	if (g->epoch) {
		*why = "an epoch is open";
		return -EBUSY;
	}
	if (set->role && (*set->role < DMR_ROLE_PRIMARY ||
			  *set->role > DMR_ROLE_READONLY)) {
		*why = "unknown role";
		return -EINVAL;
	}
	if (set->last_committed && *set->last_committed > dev->highest_seen) {
		*why = "that epoch was never cut";
		return -ERANGE;
	}
	if (set->ancestors && !dev->meta) {
		*why = "a volume without metadata has no ancestors";
		return -EOPNOTSUPP;
	}
	return 0;
}

int dmr_epoch_set(struct dmr_device *dev, struct dmr_group *g,
		  const struct dmr_settings *set, const char **why)
{
	int r = check_set(dev, g, set, why);

	lockdep_assert_held(&g->lock);
	if (r)
		return r;
	if (set->generation)
		set_generation(dev, *set->generation);
	if (set->ancestors)
		dmr_meta_ancestors(dev->meta, set->ancestors,
				   set->nr_ancestors);
	if (set->last_committed)
		dev->last_committed = *set->last_committed;
	if (set->role && *set->role != dev->role) {
		WRITE_ONCE(dev->role, *set->role);
		/* After this no marker works with the old role. */
		synchronize_rcu_expedited();
	}
	if (dev->meta)
		dmr_meta_changed(dev->meta);
	return 0;
}
