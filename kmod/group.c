// SPDX-License-Identifier: GPL-2.0
/*
 * Groups: the devices that are cut in one instant, their gate, who owns them.
 *
 * Invariants:
 *  G1 A gate that was published is never changed; it is freed by RCU.
 *  G2 A device is in exactly one group from its creation on. It keeps pointing
 *     at the last one after it has gone, so that whoever holds a reference to
 *     the device can lock something.
 *  G3 Membership changes under the registry lock and the group locks, with all
 *     writes of the device held: its flip, the group that it points to and the
 *     parity there change together for every marker.
 *  G4 (K6) A hold ends: by its time, with its owner, on suspend, or when told.
 *
 * References: each member has one, and each dmr_group_lock().
 */
#include "group.h"

#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "epoch.h"
#include "event.h"
#include "io.h"
#include "main.h"

#define MAX_HOLD_MS	60000

/*
 * Memory is asked for without I/O while the lock is held: reclaim may wait for
 * a parked or early write, which waits for whoever gets the lock next.
 */
static void lock(struct dmr_group *g)
{
	mutex_lock(&g->lock);
	g->noio = memalloc_noio_save();
}

static void unlock(struct dmr_group *g)
{
	unsigned int flags = g->noio;

	mutex_unlock(&g->lock);
	memalloc_noio_restore(flags);
}

/* ---- the gate ---- */

struct dmr_gate *dmr_gate_copy(struct dmr_group *g)
{
	struct dmr_gate *new = kmalloc(sizeof(*new), GFP_NOIO);

	if (new) {
		new->epoch = dmr_gate(g)->epoch;
		new->parity = dmr_gate(g)->parity;
		new->hold = dmr_gate(g)->hold;
	}
	return new;
}

struct dmr_gate *dmr_gate_copy_nofail(struct dmr_group *g)
{
	struct dmr_gate *new;

	/* GFP_NOIO in fact: the lock is held. */
	new = kmalloc(sizeof(*new), GFP_KERNEL | __GFP_NOFAIL);
	*new = *dmr_gate(g);
	return new;
}

void dmr_gate_publish(struct dmr_group *g, struct dmr_gate *new)
{
	struct dmr_gate *old = dmr_gate(g);

	rcu_assign_pointer(g->gate, new);
	kfree_rcu(old, rcu);
}

void dmr_group_unpark(struct dmr_group *g)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member)
		dmr_io_unpark(dev);
}

/* ---- hold ---- */

void dmr_group_unhold(struct dmr_group *g)
{
	struct dmr_gate *next;

	if (!g->held)
		return;
	next = dmr_gate_copy_nofail(g);
	next->hold = false;
	g->held = false;
	dmr_gate_publish(g, next);
	dmr_group_unpark(g);
}

static void unhold_work(struct work_struct *work)
{
	struct dmr_group *g = container_of(work, struct dmr_group,
					   unhold_work.work);

	lock(g);
	if (!time_before(jiffies, g->hold_until))
		dmr_group_unhold(g);
	unlock(g);
}

static bool any_suspended(struct dmr_group *g)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &g->members, member)
		if (dev->suspended)
			return true;
	return false;
}

int dmr_group_hold(struct dmr_group *g, u32 ms, u32 owner, const char **why)
{
	struct dmr_gate *next;

	lockdep_assert_held(&g->lock);
	if (!ms) {
		dmr_group_unhold(g);
		return 0;
	}
	if (ms > MAX_HOLD_MS) {
		*why = "a hold lasts 60000 ms at most";
		return -ERANGE;
	}
	if (any_suspended(g)) {
		*why = "a device of the group is suspended";
		return -EBUSY;
	}
	next = dmr_gate_copy(g);
	if (!next) {
		*why = "no memory";
		return -ENOMEM;
	}
	next->hold = true;
	g->held = true;
	g->hold_owner = owner;
	g->hold_until = jiffies + msecs_to_jiffies(ms);
	dmr_gate_publish(g, next);
	synchronize_rcu_expedited();
	mod_delayed_work(dmr_ctl_wq, &g->unhold_work, msecs_to_jiffies(ms));
	return 0;
}

/* ---- groups ---- */

static void group_put(struct dmr_group *g)
{
	if (!refcount_dec_and_test(&g->refs))
		return;
	cancel_delayed_work_sync(&g->unhold_work);
	kfree_rcu(rcu_dereference_protected(g->gate, 1), rcu);
	synchronize_rcu();	/* dmr_group_lock() may look at refs */
	kfree(g);
}

static struct dmr_group *group_create(u64 number)
{
	struct dmr_group *g = kzalloc(sizeof(*g), GFP_KERNEL);
	struct dmr_gate *first = kzalloc(sizeof(*first), GFP_KERNEL);

	if (!g || !first) {
		kfree(g);
		kfree(first);
		return NULL;
	}
	RCU_INIT_POINTER(g->gate, first);
	mutex_init(&g->lock);
	refcount_set(&g->refs, 1);
	g->number = number;
	g->state = DMR_STATE_IDLE;
	INIT_LIST_HEAD(&g->members);
	INIT_LIST_HEAD(&g->node);
	INIT_DELAYED_WORK(&g->unhold_work, unhold_work);
	return g;
}

/* Each member has one reference. */
static void group_add(struct dmr_group *g, struct dmr_device *dev)
{
	list_add_tail(&dev->member, &g->members);
	g->nr_members++;
	rcu_assign_pointer(dev->group, g);
}

static void group_remove(struct dmr_group *g, struct dmr_device *dev)
{
	list_del_init(&dev->member);
	if (!--g->nr_members)
		list_del_init(&g->node);
}

struct dmr_group *dmr_group_lock(struct dmr_device *dev)
{
	struct dmr_group *g;

	for (;;) {
		rcu_read_lock();
		g = rcu_dereference(dev->group);
		if (!refcount_inc_not_zero(&g->refs))
			g = NULL;
		rcu_read_unlock();
		if (!g)
			continue;
		lock(g);
		if (g == rcu_access_pointer(dev->group))
			return g;
		dmr_group_unlock(g);
	}
}

void dmr_group_unlock(struct dmr_group *g)
{
	unlock(g);
	group_put(g);
}

int dmr_group_start(struct dmr_device *dev)
{
	struct dmr_group *g = group_create(0);

	if (!g)
		return -ENOMEM;
	group_add(g, dev);
	return 0;
}

/*
 * The device keeps pointing at the group that it was in, so that whoever has a
 * reference to it can still lock something; dmr_device_put() drops that.
 */
void dmr_group_leave(struct dmr_device *dev)
{
	struct dmr_group *g = dmr_group_lock(dev);

	lockdep_assert_held(&dmr_registry_lock);
	dmr_epoch_abort(g);
	dev->gone = true;
	WRITE_ONCE(dev->draining, false);
	group_remove(g, dev);
	/* Its writes are over; the others may have waited for it only. */
	dmr_epoch_recheck(g);
	dmr_group_unlock(g);
}

static struct dmr_group *group_find(u64 number)
{
	struct dmr_group *g;

	lockdep_assert_held(&dmr_registry_lock);
	list_for_each_entry(g, &dmr_groups, node)
		if (g->number == number && number)
			return g;
	g = group_create(number);
	if (g && number)
		list_add_tail(&g->node, &dmr_groups);
	return g;
}

static int check_join(struct dmr_device *dev, struct dmr_group *from,
		      struct dmr_group *to, u32 owner, const char **why)
{
	struct dmr_device *other;

	if (dev->owner != owner || dev->gone) {
		*why = "attach first: another socket owns the device, or none";
		return -EPERM;
	}
	list_for_each_entry(other, &to->members, member) {
		if (other->owner != owner) {
			*why = "another socket owns a member of that group";
			return -EPERM;
		}
	}
	if (from->state != DMR_STATE_IDLE || to->state != DMR_STATE_IDLE) {
		*why = "an epoch is open, or its writes are still under way";
		return -EBUSY;
	}
	if (from->held || to->held) {
		*why = "writes are held";
		return -EBUSY;
	}
	return 0;
}

/* Both groups are locked and idle. */
static void move_member(struct dmr_device *dev, struct dmr_group *from,
			struct dmr_group *to, struct dmr_gate *hold,
			struct dmr_gate *open)
{
	unsigned int slot = dmr_gate(from)->parity ^ dev->flip;

	hold->hold = true;
	dmr_gate_publish(from, hold);
	synchronize_rcu_expedited();
	dev->flip = slot ^ dmr_gate(to)->parity;
	group_remove(from, dev);
	group_add(to, dev);
	/* Who has read the old group must not meet its open gate: G3. */
	synchronize_rcu_expedited();
	dmr_gate_publish(from, open);
	dmr_group_unpark(from);
	dmr_io_unpark(dev);
}

static int join_locked(struct dmr_device *dev, struct dmr_group *from,
		       struct dmr_group *to, u32 owner, const char **why)
{
	struct dmr_gate *hold, *open;
	int r = check_join(dev, from, to, owner, why);

	if (r)
		return r;
	hold = dmr_gate_copy(from);
	open = dmr_gate_copy(from);
	if (!hold || !open) {
		kfree(hold);
		kfree(open);
		*why = "no memory";
		return -ENOMEM;
	}
	move_member(dev, from, to, hold, open);
	refcount_inc(&to->refs);
	return 0;
}

int dmr_group_join(struct dmr_device *dev, u64 number, u32 owner,
		   const char **why)
{
	struct dmr_group *to, *from;
	bool fresh;
	int r;

	lockdep_assert_held(&dmr_registry_lock);
	/* Membership changes under the registry lock only. */
	from = rcu_dereference_protected(dev->group, 1);
	if (from->number == number && (number || from->nr_members == 1))
		return 0;
	to = group_find(number);
	if (!to) {
		*why = "no memory";
		return -ENOMEM;
	}
	fresh = !to->nr_members;
	lock(from);
	mutex_lock_nested(&to->lock, SINGLE_DEPTH_NESTING);
	r = join_locked(dev, from, to, owner, why);
	mutex_unlock(&to->lock);
	unlock(from);
	if (!r)
		group_put(from);
	if (fresh) {
		if (r)
			list_del_init(&to->node);
		group_put(to);
	}
	return r;
}

/* ---- owner ---- */

void dmr_group_let_go(struct dmr_device *dev, struct dmr_group *g, u32 owner)
{
	lockdep_assert_held(&g->lock);
	if (g->held && g->hold_owner == owner)
		dmr_group_unhold(g);
	if (dev->owner == owner) {
		dmr_epoch_abort(g);
		dev->owner = 0;
		dmr_event_send(dev, DMR_EVENT_DETACHED);
	}
}

static void detach(struct dmr_device *dev, u32 owner)
{
	struct dmr_group *g = dmr_group_lock(dev);

	dmr_group_let_go(dev, g, owner);
	dmr_group_unlock(g);
}

void dmr_group_detach(u32 owner)
{
	struct dmr_device *dev;

	dmr_registry_enter();
	list_for_each_entry(dev, &dmr_devices, node)
		if (READ_ONCE(dev->owner) == owner)
			detach(dev, owner);
	dmr_registry_leave();
}

void dmr_group_forget(struct dmr_device *dev)
{
	group_put(rcu_dereference_protected(dev->group, 1));
}
