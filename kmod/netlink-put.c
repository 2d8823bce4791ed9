// SPDX-License-Identifier: GPL-2.0
/* What requests and replies of the netlink family have in common. */
#include "netlink-impl.h"

#include <linux/capability.h>
#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "epoch.h"
#include "group.h"
#include "meta.h"
#include "netlink.h"
#include "preserve.h"

int dmr_put_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, DMR_A_PAD);
}

struct number {
	int attr;
	u64 value;
};

static int put_numbers(struct sk_buff *skb, const struct number *n,
		       unsigned int nr)
{
	unsigned int i;
	int r = 0;

	for (i = 0; i < nr && !r; i++)
		r = dmr_put_u64(skb, n[i].attr, n[i].value);
	return r;
}

u32 dmr_epoch_flags(struct dmr_device *dev)
{
	struct dmr_preserve_counts c;

	dmr_preserve_count(dev, &c);
	return c.fuzzy ? DMR_EPOCH_F_FUZZY : 0;
}

/* Group lock. */
static u32 meta_flags(struct dmr_meta *m)
{
	if (!m)
		return DMR_DEV_F_VOLATILE;
	return (m->now.flags & DMR_SUPER_F_SUSPECT ? DMR_DEV_F_SUSPECT : 0) |
	       (READ_ONCE(m->error) ? DMR_DEV_F_META_FAILED : 0) |
	       (dmr_meta_is_pending(m) ? DMR_DEV_F_META_PENDING : 0);
}

static u32 device_flags(struct dmr_device *dev, struct dmr_group *g)
{
	return meta_flags(dev->meta) |
	       (dev->suspended ? DMR_DEV_F_SUSPENDED : 0) |
	       (g->held ? DMR_DEV_F_HOLD : 0);
}

static int put_identity(struct sk_buff *skb, struct dmr_device *dev)
{
	char name[DM_NAME_LEN] = "", uuid[DM_UUID_LEN] = "";

	dm_copy_name_and_uuid(dev->md, name, uuid);
	return nla_put_string(skb, DMR_A_NAME, name) ?:
	       nla_put_string(skb, DMR_A_UUID, uuid) ?:
	       nla_put(skb, DMR_A_VOLUME_ID, sizeof(dev->volume_id),
		       &dev->volume_id);
}

static int put_small(struct sk_buff *skb, struct dmr_device *dev,
		     struct dmr_group *g)
{
	const struct { int attr; u32 value; } n[] = {
		{ DMR_A_CHUNK_SECTORS, 1U << dev->geo.chunk_shift },
		{ DMR_A_REGION_SECTORS, 1U << (dev->geo.chunk_shift +
					       dev->geo.region_shift) },
		{ DMR_A_ROLE, dev->role },
		{ DMR_A_STATE, g->state },
		{ DMR_A_DEV_FLAGS, device_flags(dev, g) },
		{ DMR_A_OWNER, dev->owner },
		{ DMR_A_MEMBERS, g->nr_members },
		{ DMR_A_EPOCH_FLAGS, dmr_epoch_flags(dev) },
	};
	unsigned int i;
	int r = 0;

	for (i = 0; i < ARRAY_SIZE(n) && !r; i++)
		r = nla_put_u32(skb, n[i].attr, n[i].value);
	return r;
}

static int put_state(struct sk_buff *skb, struct dmr_device *dev,
		     struct dmr_group *g)
{
	const struct number n[] = {
		{ DMR_A_DEV, dev->number },
		{ DMR_A_ORIGIN, dmr_number(dev->origin) },
		{ DMR_A_SECTORS, dev->geo.sectors },
		{ DMR_A_GENERATION, dev->generation },
		{ DMR_A_INCARNATION, dev->incarnation },
		{ DMR_A_LOADS, dev->loads },
		{ DMR_A_ATTACHES, dev->attaches },
		{ DMR_A_GROUP, g->number },
		{ DMR_A_EPOCH, g->epoch },
		{ DMR_A_LAST_COMMITTED, dev->last_committed },
		{ DMR_A_HIGHEST_SEEN, dev->highest_seen },
		{ DMR_A_CUT_TIME, g->cut_time },
	};

	return put_numbers(skb, n, ARRAY_SIZE(n));
}

static int put_counts(struct sk_buff *skb, struct dmr_device *dev,
		      struct dmr_group *g)
{
	struct dmr_preserve_counts c;
	struct number n[] = {
		{ DMR_A_NR_DIRTY, dmr_map_count(dmr_epoch_dirty(dev, g)) },
		{ DMR_A_NR_FROZEN, dmr_map_count(dmr_epoch_frozen(dev, g)) },
		{ DMR_A_NR_HELD, 0 },
		{ DMR_A_NR_PRESERVED, 0 },
		{ DMR_A_NR_HOT, dev->meta ? READ_ONCE(dev->meta->nr_hot) : 0 },
		{ DMR_A_NR_REGIONS, dev->geo.nr_regions },
		{ DMR_A_NR_CUTS, dev->stats.cuts },
		{ DMR_A_NR_COMMITS, dev->stats.commits },
		{ DMR_A_NR_ABORTS, dev->stats.aborts },
		{ DMR_A_NR_KEEPS, dev->stats.keeps },
		{ DMR_A_NR_DEGRADED, dev->stats.degraded },
		{ DMR_A_NR_COPIES, dev->stats.copies },
		{ DMR_A_GATE_LAST_NS, dev->stats.gate_last_ns },
		{ DMR_A_GATE_MAX_NS, dev->stats.gate_max_ns },
		{ DMR_A_GATE_SUM_NS, dev->stats.gate_sum_ns },
		{ DMR_A_WRITTEN_SECTORS, dmr_device_written(dev) },
	};

	dmr_preserve_count(dev, &c);
	n[2].value = c.held;
	n[3].value = c.preserved;
	return put_numbers(skb, n, ARRAY_SIZE(n));
}

static int put_ancestors(struct sk_buff *skb, const struct dmr_super *s)
{
	struct dmr_nl_ancestor *a;
	struct nlattr *nla;
	unsigned int i;

	nla = nla_reserve(skb, DMR_A_ANCESTORS, s->nr_ancestors * sizeof(*a));
	if (!nla)
		return -EMSGSIZE;
	a = nla_data(nla);
	for (i = 0; i < s->nr_ancestors; i++) {
		a[i].generation = s->ancestors[i].generation;
		a[i].end_epoch = s->ancestors[i].end_epoch;
	}
	return 0;
}

static int put_meta(struct sk_buff *skb, struct dmr_meta *m)
{
	const struct number n[] = {
		{ DMR_A_META_DEV, m ? dmr_number(m->devt) : 0 },
		{ DMR_A_HOT_LIMIT, m ? READ_ONCE(m->limit) : 0 },
		{ DMR_A_LAST_WRITE, m ? m->now.last_write : 0 },
		{ DMR_A_LAST_CONTACT, m ? m->now.last_contact : 0 },
		{ DMR_A_LAST_NAMED, m ? READ_ONCE(m->durable_committed) : 0 },
	};

	if (!m)
		return 0;
	return put_numbers(skb, n, ARRAY_SIZE(n)) ?:
	       put_ancestors(skb, &m->now) ?:
	       nla_put(skb, DMR_A_INCARNATIONS,
		       m->now.nr_incarnations * sizeof(u64),
		       m->now.incarnations);
}

/* Registry lock, for the name. -EMSGSIZE: @skb is full and as it was. */
int dmr_put_info(struct sk_buff *skb, struct dmr_device *dev, u32 portid,
		    u32 seq, int flags)
{
	struct dmr_group *g;
	void *hdr;
	int r;

	hdr = genlmsg_put(skb, portid, seq, &dmr_genl_family, flags,
			  DMR_CMD_GET);
	if (!hdr)
		return -EMSGSIZE;
	g = dmr_group_lock(dev);
	r = put_identity(skb, dev) ?: put_small(skb, dev, g) ?:
	    put_state(skb, dev, g) ?: put_counts(skb, dev, g) ?:
	    put_meta(skb, dev->meta);
	dmr_group_unlock(g);
	if (r)
		genlmsg_cancel(skb, hdr);
	else
		genlmsg_end(skb, hdr);
	return r;
}

/* ---- what is asked ---- */

int dmr_check_duplicates(const struct nlmsghdr *nlh,
			    struct netlink_ext_ack *extack)
{
	DECLARE_BITMAP(seen, DMR_A_MAX + 1) = { };
	const struct nlattr *nla;
	int rem;

	nlmsg_for_each_attr(nla, nlh, GENL_HDRLEN, rem) {
		if (nla_type(nla) > DMR_A_MAX)
			continue;
		if (__test_and_set_bit(nla_type(nla), seen)) {
			NL_SET_ERR_MSG_ATTR(extack, nla,
					    "attribute is given twice");
			return -EINVAL;
		}
	}
	return 0;
}

int dmr_check_sender(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "needs CAP_SYS_ADMIN in the initial namespace");
	return -EPERM;
}

int dmr_check_present(struct nlattr **attrs, const int *needed,
			 struct netlink_ext_ack *extack)
{
	for (; *needed; needed++) {
		if (!attrs[*needed]) {
			NL_SET_ERR_MSG(extack,
				       "a mandatory attribute is missing");
			return -EINVAL;
		}
	}
	return 0;
}

int dmr_find_device(struct nlattr **attrs, struct netlink_ext_ack *extack,
		       struct dmr_device **dev)
{
	*dev = dmr_device_get_by_number(nla_get_u64(attrs[DMR_A_DEV]));
	if (*dev)
		return 0;
	NL_SET_ERR_MSG(extack, "no replica device has that number");
	return -ENODEV;
}
