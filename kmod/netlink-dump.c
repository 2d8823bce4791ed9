// SPDX-License-Identifier: GPL-2.0
/*
 * The dumps of the netlink family.
 *
 * A request is checked in the first call of its dump method, not in start:
 * before 6.9 start has no extack to say why it refuses.
 */
#include "netlink-impl.h"

#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "epoch.h"
#include "group.h"
#include "netlink.h"
#include "preserve.h"

#define DUMP_EXTENTS	2048

static int begin_get(struct netlink_callback *cb)
{
	int r = dmr_check_sender(cb->skb, cb->extack) ?:
		dmr_check_duplicates(cb->nlh, cb->extack);

	if (r || !genl_info_dump(cb)->attrs[DMR_A_DEV])
		return r;
	NL_SET_ERR_MSG(cb->extack, "a dump has all devices, it takes none");
	return -EINVAL;
}

/* cb->args[0]: devices looked at so far; [1]: the request was checked. */
int dmr_dump_get(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dmr_device *dev;
	long i = 0;
	int r = 0;

	if (!cb->args[1])
		r = begin_get(cb);
	if (r)
		return r;
	cb->args[1] = 1;
	dmr_registry_enter();
	list_for_each_entry(dev, &dmr_devices, node) {
		if (i++ < cb->args[0] || !dev->active)
			continue;
		r = dmr_put_info(skb, dev, NETLINK_CB(cb->skb).portid,
			       cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (r)
			break;
		cb->args[0] = i;
	}
	dmr_registry_leave();
	return skb->len ?: r;
}

/* A dump of extents, in cb->ctx. */
struct dump {
	struct dmr_device *dev;		/* a reference; NULL: not checked yet */
	u64 epoch;			/* asked for; 0 = GET_DIRTY */
	u64 at, last;			/* chunks */
	bool done;
};

static int dump_range(struct dump *d, struct dmr_device *dev,
		      struct nlattr **attrs, struct netlink_ext_ack *extack)
{
	u64 nr = dev->geo.nr_chunks;
	u64 first = attrs[DMR_A_FIRST] ? nla_get_u64(attrs[DMR_A_FIRST]) : 0;
	u64 count = attrs[DMR_A_COUNT] ? nla_get_u64(attrs[DMR_A_COUNT]) :
					 nr - min(first, nr);

	if (first >= nr || !count || count > nr - first) {
		NL_SET_ERR_MSG(extack, "the range is not inside the volume");
		return -ERANGE;
	}
	d->at = first;
	d->last = first + count - 1;
	return 0;
}

static int begin_extents(struct netlink_callback *cb, struct dump *d,
			 const int *needed)
{
	struct nlattr **attrs = genl_info_dump(cb)->attrs;
	struct dmr_device *dev;
	int r;

	BUILD_BUG_ON(sizeof(*d) > sizeof(cb->ctx));
	r = dmr_check_sender(cb->skb, cb->extack) ?:
	    dmr_check_duplicates(cb->nlh, cb->extack) ?:
	    dmr_check_present(attrs, needed, cb->extack) ?:
	    dmr_find_device(attrs, cb->extack, &dev);
	if (r)
		return r;
	r = dump_range(d, dev, attrs, cb->extack);
	if (r) {
		dmr_device_put(dev);
		return r;
	}
	if (attrs[DMR_A_EPOCH])
		d->epoch = nla_get_u64(attrs[DMR_A_EPOCH]);
	d->dev = dev;
	return 0;
}

/* Packs runs from d->at on into the room that @skb has. */
static int put_extents(struct sk_buff *skb, struct dump *d,
		       const struct dmr_map *map)
{
	int room = skb_tailroom(skb) - (int)NLA_HDRLEN;
	unsigned int nr, max;
	struct dmr_extent *ext;
	struct nlattr *nla;

	if (room < (int)sizeof(*ext))
		return -EMSGSIZE;
	max = min_t(unsigned int, room / sizeof(*ext), DUMP_EXTENTS);
	nla = nla_reserve(skb, DMR_A_EXTENTS, max * sizeof(*ext));
	if (!nla)
		return -EMSGSIZE;
	ext = nla_data(nla);
	for (nr = 0; nr < max; nr++) {
		if (d->at > d->last ||
		    !dmr_map_next_extent(map, d->at, d->last, &ext[nr])) {
			d->done = true;
			break;
		}
		d->at = ext[nr].start + ext[nr].count;
	}
	nla->nla_len = nla_attr_size(nr * sizeof(*ext));
	skb_trim(skb, (unsigned char *)nla + NLA_ALIGN(nla->nla_len) -
		      skb->data);
	return nr;
}

static int put_dump(struct sk_buff *skb, struct netlink_callback *cb,
		    struct dump *d, const struct dmr_map *map, u64 epoch,
		    u8 cmd)
{
	void *hdr;
	int r;

	hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
			  &dmr_genl_family, NLM_F_MULTI, cmd);
	if (!hdr)
		return -EMSGSIZE;
	r = dmr_put_u64(skb, DMR_A_DEV, d->dev->number) ?:
	    dmr_put_u64(skb, DMR_A_EPOCH, epoch) ?:
	    put_extents(skb, d, map);
	if (r <= 0) {
		genlmsg_cancel(skb, hdr);
		return r;
	}
	genlmsg_end(skb, hdr);
	return skb->len;
}

static int check_dump(struct netlink_callback *cb, struct dump *d,
		      struct dmr_group *g, bool frozen)
{
	if (d->dev->gone) {
		NL_SET_ERR_MSG(cb->extack, "the device is being removed");
		return -ENODEV;
	}
	if (!frozen)
		return 0;
	if (!g->epoch || g->epoch != d->epoch) {
		NL_SET_ERR_MSG(cb->extack, "that epoch is not open");
		return -ESTALE;
	}
	if (g->state != DMR_STATE_FROZEN) {
		NL_SET_ERR_MSG(cb->extack,
			       "writes of the epoch are still under way");
		return -EAGAIN;
	}
	return 0;
}

static int dump_extents(struct sk_buff *skb, struct netlink_callback *cb,
			bool frozen)
{
	struct dump *d = (struct dump *)cb->ctx;
	struct dmr_group *g;
	int r = 0;

	if (!d->dev)
		r = begin_extents(cb, d, frozen ? DMR_NEEDS(DMR_A_EPOCH) :
						  DMR_NEEDS());
	if (r || d->done)
		return r;
	g = dmr_group_lock(d->dev);
	r = check_dump(cb, d, g, frozen);
	if (!r)
		r = put_dump(skb, cb, d,
			     frozen ? dmr_epoch_frozen(d->dev, g) :
				      dmr_epoch_dirty(d->dev, g), g->epoch,
			     frozen ? DMR_CMD_GET_FROZEN : DMR_CMD_GET_DIRTY);
	dmr_group_unlock(g);
	return r;
}

int dmr_dump_frozen(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_extents(skb, cb, true);
}

int dmr_dump_dirty(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_extents(skb, cb, false);
}

int dmr_done_extents(struct netlink_callback *cb)
{
	struct dump *d = (struct dump *)cb->ctx;

	if (d->dev)
		dmr_device_put(d->dev);
	return 0;
}
