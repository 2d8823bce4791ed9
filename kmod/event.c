// SPDX-License-Identifier: GPL-2.0
/*
 * Events to user space. They are hints: a message that can't be allocated or
 * delivered is dropped, and who listens reads GET now and then. Memory is asked
 * for without I/O: the caller may hold a lock that a held write waits for.
 */
#include "event.h"

#include <net/genetlink.h>

#include "fault.h"
#include "group.h"
#include "meta.h"
#include "netlink.h"

struct event {
	struct sk_buff *skb;
	void *hdr;
};

static int start_event(struct event *e, struct dmr_device *dev,
		       enum dmr_event event)
{
	e->skb = dmr_fault_every(lose_event) ? NULL :
		 genlmsg_new(NLMSG_GOODSIZE, GFP_NOIO);
	if (!e->skb)
		return -ENOMEM;
	e->hdr = genlmsg_put(e->skb, 0, 0, &dmr_genl_family, 0, DMR_CMD_EVENT);
	if (!e->hdr ||
	    nla_put_u32(e->skb, DMR_A_EVENT, event) ||
	    nla_put_u64_64bit(e->skb, DMR_A_DEV, dev->number,
			      DMR_A_PAD) ||
	    nla_put_string(e->skb, DMR_A_NAME, dev->name)) {
		nlmsg_free(e->skb);
		return -EMSGSIZE;
	}
	return 0;
}

static void broadcast(struct event *e)
{
	genlmsg_end(e->skb, e->hdr);
	genlmsg_multicast(&dmr_genl_family, e->skb, 0, 0, GFP_NOIO);
}

void dmr_event_send(struct dmr_device *dev, enum dmr_event event)
{
	struct event e;

	if (!start_event(&e, dev, event))
		broadcast(&e);
}

static void send_epoch(struct dmr_device *dev, enum dmr_event event, u64 epoch,
		       u32 flags, u64 nr)
{
	struct event e;

	if (start_event(&e, dev, event))
		return;
	if (nla_put_u64_64bit(e.skb, DMR_A_EPOCH, epoch, DMR_A_PAD) ||
	    nla_put_u32(e.skb, DMR_A_EPOCH_FLAGS, flags) ||
	    nla_put_u64_64bit(e.skb, DMR_A_NR_FROZEN, nr, DMR_A_PAD))
		nlmsg_free(e.skb);
	else
		broadcast(&e);
}

void dmr_event_frozen(struct dmr_device *dev, struct dmr_group *g, u64 nr)
{
	u32 flags = READ_ONCE(dev->preserve.clean) ? 0 : DMR_EPOCH_F_FUZZY;

	send_epoch(dev, DMR_EVENT_FROZEN, g->epoch, flags, nr);
}

void dmr_event_request(struct dmr_device *dev, const char *text)
{
	struct event e;

	if (start_event(&e, dev, DMR_EVENT_REQUEST))
		return;
	if (nla_put_string(e.skb, DMR_A_REQUEST, text))
		nlmsg_free(e.skb);
	else
		broadcast(&e);
}

/* To the owner only: others would be woken by every epoch for nothing. */
static void send_dirty(struct dmr_device *dev, u32 owner)
{
	struct event e;

	if (!owner || start_event(&e, dev, DMR_EVENT_DIRTY))
		return;
	genlmsg_end(e.skb, e.hdr);
	genlmsg_unicast(&init_net, e.skb, owner);
}

static void send_meta_failed(struct dmr_device *dev)
{
	int error = READ_ONCE(dev->meta->error);
	struct event e;

	if (!error || start_event(&e, dev, DMR_EVENT_META_FAILED))
		return;
	if (nla_put_u32(e.skb, DMR_A_ERROR, -error))
		nlmsg_free(e.skb);
	else
		broadcast(&e);
}

void dmr_event_work(struct work_struct *work)
{
	struct dmr_device *dev = container_of(work, struct dmr_device,
					      event_work);
	struct dmr_group *g = dmr_group_lock(dev);
	u32 owner = dev->owner;

	dmr_group_unlock(g);
	if (test_and_clear_bit(DMR_SEND_DEGRADED, &dev->events))
		send_epoch(dev, DMR_EVENT_DEGRADED,
			   READ_ONCE(dev->preserve.degraded),
			   DMR_EPOCH_F_FUZZY, 0);
	if (test_and_clear_bit(DMR_SEND_DIRTY, &dev->events))
		send_dirty(dev, owner);
	if (test_and_clear_bit(DMR_SEND_META_FAILED, &dev->events))
		send_meta_failed(dev);
}
