// SPDX-License-Identifier: GPL-2.0
/*
 * The netlink family: policies, who may, which device, what to answer. No
 * logic; epoch.c and group.c have that. The contract is in the uapi header.
 *
 * Every request goes through the same three doors: its attributes (policy, no
 * duplicates, the mandatory ones), its sender (CAP_SYS_ADMIN, ownership), and
 * the device that it names. parallel_ops: the group lock is what serialises.
 */
#include "netlink.h"

#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "epoch.h"
#include "fault.h"
#include "group.h"
#include "meta.h"
#include "netlink-impl.h"
#include "preserve.h"

/* ---- the doors ---- */

static int refuse(struct genl_info *info, int error, const char *why)
{
	/* The extack keeps the pointer: every sentence is a constant. */
	if (info->extack)
		info->extack->_msg = why;
	return error;
}

/* What a handler works with; filled by enter(), given back by leave(). */
struct call {
	struct dmr_device *dev;
	struct dmr_group *g;		/* locked */
	const char *why;
};

static int knock(struct sk_buff *skb, struct genl_info *info,
		 const int *needed)
{
	return dmr_check_sender(skb, info->extack) ?:
	       dmr_check_duplicates(info->nlhdr, info->extack) ?:
	       dmr_check_present(info->attrs, needed, info->extack);
}

static void leave(struct call *c)
{
	if (c->g)
		dmr_group_unlock(c->g);
	if (c->dev)
		dmr_device_put(c->dev);
}

static int enter(struct sk_buff *skb, struct genl_info *info, struct call *c,
		 const int *needed)
{
	int r;

	*c = (struct call){ .why = "refused" };
	r = knock(skb, info, needed) ?:
	    dmr_find_device(info->attrs, info->extack, &c->dev);
	if (r)
		return r;
	c->g = dmr_group_lock(c->dev);
	if (!c->dev->gone)
		return 0;
	leave(c);
	return refuse(info, -ENODEV, "the device is being removed");
}

static int check_owner(struct genl_info *info, struct call *c)
{
	struct dmr_device *dev;

	list_for_each_entry(dev, &c->g->members, member)
		if (dev->owner != info->snd_portid)
			return refuse(info, -EPERM,
				      "attach first: a member is not yours");
	return 0;
}

static int enter_owner(struct sk_buff *skb, struct genl_info *info,
		       struct call *c, const int *needed)
{
	int r = enter(skb, info, c, needed);

	if (r)
		return r;
	r = check_owner(info, c);
	if (r)
		leave(c);
	return r;
}

/* Gives everything back; a refusal gets its sentence. */
static int leave_with(struct genl_info *info, struct call *c, int r)
{
	leave(c);
	return r ? refuse(info, r, c->why) : 0;
}

static u64 get_u64(struct genl_info *info, int attr)
{
	return nla_get_u64(info->attrs[attr]);
}

/* ---- replies ---- */

static int start_reply(struct genl_info *info, struct sk_buff **skb,
		       void **hdr)
{
	*skb = dmr_fault_every(lose_reply) ? NULL :
	       genlmsg_new(NLMSG_GOODSIZE, GFP_NOIO);
	if (!*skb)
		return refuse(info, -ENOMEM, "no memory");
	*hdr = genlmsg_put_reply(*skb, info, &dmr_genl_family, 0,
				 info->genlhdr->cmd);
	return 0;
}

static int send_reply(struct genl_info *info, struct sk_buff *skb, void *hdr,
		      int r)
{
	if (r) {
		nlmsg_free(skb);
		return refuse(info, -EMSGSIZE, "the reply does not fit");
	}
	genlmsg_end(skb, hdr);
	return genlmsg_reply(skb, info);
}

/*
 * The registry lock keeps dev->md alive while its name is read; the device may
 * have gone since it was found.
 */
static int reply_device(struct genl_info *info, struct dmr_device *dev)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_NOIO);
	int r = -ENODEV;

	if (!skb)
		return refuse(info, -ENOMEM, "no memory");
	dmr_registry_enter();
	if (!list_empty(&dev->node))
		r = dmr_put_info(skb, dev, info->snd_portid, info->snd_seq, 0);
	dmr_registry_leave();
	if (!r)
		return genlmsg_reply(skb, info);
	nlmsg_free(skb);
	return refuse(info, r, "the device is being removed");
}

/* ---- commands ---- */

static int cmd_get(struct sk_buff *skb, struct genl_info *info)
{
	struct dmr_device *dev;
	int r;

	r = knock(skb, info, DMR_NEEDS()) ?:
	    dmr_find_device(info->attrs, info->extack, &dev);
	if (r)
		return r;
	r = reply_device(info, dev);
	dmr_device_put(dev);
	return r;
}

static int cmd_attach(struct sk_buff *skb, struct genl_info *info)
{
	struct dmr_device *dev;
	struct call c;
	int r = enter(skb, info, &c, DMR_NEEDS());

	if (r)
		return r;
	dev = c.dev;
	if (dev->owner && dev->owner != info->snd_portid) {
		c.why = "another socket owns the device";
		return leave_with(info, &c, -EBUSY);
	}
	dev->owner = info->snd_portid;
	dev->attaches++;
	if (dev->meta)
		dmr_meta_unretire(dev->meta);
	dmr_group_unlock(c.g);
	r = reply_device(info, dev);
	dmr_device_put(dev);
	return r;
}

static int cmd_detach(struct sk_buff *skb, struct genl_info *info)
{
	struct call c;
	int r = enter(skb, info, &c, DMR_NEEDS());

	if (r)
		return r;
	if (c.dev->owner && c.dev->owner != info->snd_portid) {
		c.why = "another socket owns the device";
		r = -EPERM;
	} else if (c.dev->owner) {
		dmr_group_let_go(c.dev, c.g, info->snd_portid);
	}
	return leave_with(info, &c, r);
}

static int cmd_join(struct sk_buff *skb, struct genl_info *info)
{
	const char *why = "refused";
	struct dmr_device *dev;
	int r;

	r = knock(skb, info, DMR_NEEDS(DMR_A_GROUP)) ?:
	    dmr_find_device(info->attrs, info->extack, &dev);
	if (r)
		return r;
	dmr_registry_enter();
	r = dmr_group_join(dev, get_u64(info, DMR_A_GROUP), info->snd_portid,
			   &why);
	dmr_registry_leave();
	dmr_device_put(dev);
	return r ? refuse(info, r, why) : 0;
}

static int reply_cut(struct genl_info *info, struct dmr_device *dev,
		     struct dmr_group *g)
{
	struct sk_buff *skb;
	void *hdr;
	int r = start_reply(info, &skb, &hdr);

	if (r)
		return r;
	r = dmr_put_u64(skb, DMR_A_DEV, dev->number) ?:
	    dmr_put_u64(skb, DMR_A_EPOCH, g->epoch) ?:
	    nla_put_u32(skb, DMR_A_EPOCH_FLAGS, dmr_epoch_flags(dev)) ?:
	    dmr_put_u64(skb, DMR_A_CUT_TIME, g->cut_time);
	return send_reply(info, skb, hdr, r);
}

static int cmd_cut(struct sk_buff *skb, struct genl_info *info)
{
	u32 flags = info->attrs[DMR_A_EPOCH_FLAGS] ?
		    nla_get_u32(info->attrs[DMR_A_EPOCH_FLAGS]) : 0;
	struct call c;
	int r;

	r = enter_owner(skb, info, &c, DMR_NEEDS(DMR_A_EPOCH));
	if (r)
		return r;
	r = dmr_epoch_cut(c.g, get_u64(info, DMR_A_EPOCH), flags, &c.why);
	if (r)
		return leave_with(info, &c, r);
	r = reply_cut(info, c.dev, c.g);
	leave(&c);
	return r;
}

static const struct dmr_extent *get_extents(struct genl_info *info,
					    unsigned int *nr)
{
	const struct nlattr *nla = info->attrs[DMR_A_EXTENTS];
	unsigned int len;

	*nr = 0;
	if (!nla)
		return NULL;
	len = nla_len(nla);
	*nr = len / sizeof(struct dmr_extent);
	if (!len || len % sizeof(struct dmr_extent) || *nr > DMR_MAX_EXTENTS)
		return ERR_PTR(refuse(info, -EINVAL,
			"extents must be 1 to 4000 whole records of 16 bytes"));
	return nla_data(nla);
}

static int reply_release(struct genl_info *info, struct dmr_device *dev,
			 struct dmr_group *g)
{
	struct dmr_preserve_counts counts;
	struct sk_buff *skb;
	void *hdr;
	int r = start_reply(info, &skb, &hdr);

	if (r)
		return r;
	dmr_preserve_count(dev, &counts);
	r = dmr_put_u64(skb, DMR_A_DEV, dev->number) ?:
	    dmr_put_u64(skb, DMR_A_EPOCH, g->epoch) ?:
	    dmr_put_u64(skb, DMR_A_NR_HELD, counts.held) ?:
	    nla_put_u32(skb, DMR_A_EPOCH_FLAGS,
			counts.fuzzy ? DMR_EPOCH_F_FUZZY : 0);
	return send_reply(info, skb, hdr, r);
}

static int cmd_release(struct sk_buff *skb, struct genl_info *info)
{
	const struct dmr_extent *ext;
	unsigned int nr;
	struct call c;
	int r;

	ext = get_extents(info, &nr);
	if (IS_ERR(ext))
		return PTR_ERR(ext);
	r = enter_owner(skb, info, &c, DMR_NEEDS(DMR_A_EPOCH, DMR_A_EXTENTS));
	if (r)
		return r;
	r = dmr_epoch_release(c.dev, c.g, get_u64(info, DMR_A_EPOCH), ext, nr,
			      &c.why);
	if (r)
		return leave_with(info, &c, r);
	r = reply_release(info, c.dev, c.g);
	leave(&c);
	return r;
}

static int cmd_end(struct sk_buff *skb, struct genl_info *info)
{
	struct call c;
	int r = enter_owner(skb, info, &c, DMR_NEEDS(DMR_A_EPOCH, DMR_A_END));

	if (r)
		return r;
	r = dmr_epoch_end(c.g, get_u64(info, DMR_A_EPOCH),
			  nla_get_u32(info->attrs[DMR_A_END]), &c.why);
	return leave_with(info, &c, r);
}

static int cmd_mark(struct sk_buff *skb, struct genl_info *info)
{
	const struct dmr_extent *ext;
	unsigned int nr;
	struct call c;
	int r;

	ext = get_extents(info, &nr);
	if (IS_ERR(ext))
		return PTR_ERR(ext);
	r = enter(skb, info, &c, DMR_NEEDS());
	if (r)
		return r;
	r = dmr_epoch_mark(c.dev, c.g, ext, nr, &c.why);
	return leave_with(info, &c, r);
}

static int cmd_forget(struct sk_buff *skb, struct genl_info *info)
{
	struct call c;
	int r = enter_owner(skb, info, &c,
			    DMR_NEEDS(DMR_A_GENERATION, DMR_A_EPOCH));

	if (r)
		return r;
	r = dmr_epoch_forget(c.dev, c.g, get_u64(info, DMR_A_GENERATION),
			     get_u64(info, DMR_A_EPOCH), &c.why);
	return leave_with(info, &c, r);
}

static int get_ancestors(struct genl_info *info, struct dmr_settings *set)
{
	const struct nlattr *nla = info->attrs[DMR_A_ANCESTORS];

	if (!nla)
		return 0;
	if (nla_len(nla) % sizeof(*set->ancestors))
		return refuse(info, -EINVAL,
			      "ancestors must be whole records of 16 bytes");
	set->ancestors = nla_data(nla);
	set->nr_ancestors = nla_len(nla) / sizeof(*set->ancestors);
	return 0;
}

static int cmd_set(struct sk_buff *skb, struct genl_info *info)
{
	u64 generation = 0, last = 0;
	struct dmr_settings set = { };
	struct call c;
	u32 role = 0;
	int r = get_ancestors(info, &set) ?:
		enter_owner(skb, info, &c, DMR_NEEDS());

	if (r)
		return r;
	if (info->attrs[DMR_A_ROLE]) {
		role = nla_get_u32(info->attrs[DMR_A_ROLE]);
		set.role = &role;
	}
	if (info->attrs[DMR_A_GENERATION]) {
		generation = get_u64(info, DMR_A_GENERATION);
		set.generation = &generation;
	}
	if (info->attrs[DMR_A_LAST_COMMITTED]) {
		last = get_u64(info, DMR_A_LAST_COMMITTED);
		set.last_committed = &last;
	}
	r = dmr_epoch_set(c.dev, c.g, &set, &c.why);
	return leave_with(info, &c, r);
}

static int cmd_hold(struct sk_buff *skb, struct genl_info *info)
{
	struct call c;
	int r = enter_owner(skb, info, &c, DMR_NEEDS(DMR_A_TIMEOUT_MS));

	if (r)
		return r;
	r = dmr_group_hold(c.g, nla_get_u32(info->attrs[DMR_A_TIMEOUT_MS]),
			   info->snd_portid, &c.why);
	return leave_with(info, &c, r);
}

/* ---- the family ---- */

#define U64(attr)							\
	[attr] = { .type = NLA_U64 }
#define U32(attr)							\
	[attr] = { .type = NLA_U32 }
#define EXTENTS								\
	[DMR_A_EXTENTS] = { .type = NLA_BINARY }
#define POLICY(name, ...)						\
	static const struct nla_policy name##_policy[DMR_A_MAX + 1] = {	\
		U64(DMR_A_DEV), ##__VA_ARGS__ }

POLICY(get);
POLICY(attach);
POLICY(detach);
POLICY(join, U64(DMR_A_GROUP));
POLICY(cut, U64(DMR_A_EPOCH),
	[DMR_A_EPOCH_FLAGS] = NLA_POLICY_MASK(NLA_U32, __DMR_EPOCH_F_ALL));
POLICY(frozen, U64(DMR_A_EPOCH), U64(DMR_A_FIRST), U64(DMR_A_COUNT));
POLICY(dirty, U64(DMR_A_FIRST), U64(DMR_A_COUNT));
POLICY(release, U64(DMR_A_EPOCH), EXTENTS);
POLICY(end, U64(DMR_A_EPOCH),
	[DMR_A_END] = NLA_POLICY_RANGE(NLA_U32, DMR_END_COMMIT, DMR_END_KEEP));
POLICY(mark, EXTENTS);
POLICY(forget, U64(DMR_A_GENERATION), U64(DMR_A_EPOCH));
POLICY(set, U32(DMR_A_ROLE), U64(DMR_A_GENERATION),
	U64(DMR_A_LAST_COMMITTED),
	[DMR_A_ANCESTORS] = { .type = NLA_BINARY,
			      .len = DMR_MAX_NL_ANCESTORS *
				     sizeof(struct dmr_nl_ancestor) });
POLICY(hold, U32(DMR_A_TIMEOUT_MS));

#define DO(which, NAME)							\
	{ .cmd = DMR_CMD_##NAME, .doit = cmd_##which,			\
	  .policy = which##_policy, .maxattr = DMR_A_MAX }

#define DUMP_EXTENT_OP(which, NAME)					\
	{ .cmd = DMR_CMD_##NAME,					\
	  .dumpit = dmr_dump_##which, .done = dmr_done_extents,		\
	  .policy = which##_policy, .maxattr = DMR_A_MAX }

static const struct genl_ops ops[] = {
	{ .cmd = DMR_CMD_GET, .doit = cmd_get, .dumpit = dmr_dump_get,
	  .policy = get_policy, .maxattr = DMR_A_MAX },
	DO(attach, ATTACH),
	DO(detach, DETACH),
	DO(join, JOIN),
	DO(cut, CUT),
	DUMP_EXTENT_OP(frozen, GET_FROZEN),
	DUMP_EXTENT_OP(dirty, GET_DIRTY),
	DO(release, RELEASE),
	DO(end, END),
	DO(mark, MARK),
	DO(forget, FORGET),
	DO(set, SET),
	DO(hold, HOLD),
};

static const struct genl_multicast_group groups[] = {
	{ .name = DMR_GENL_MCGRP_EVENTS, .flags = GENL_MCAST_CAP_SYS_ADMIN },
};

struct genl_family dmr_genl_family __ro_after_init = {
	.name = DMR_GENL_NAME,
	.version = DMR_GENL_VERSION,
	.maxattr = DMR_A_MAX,
	.netnsok = false,
	.parallel_ops = true,
	.resv_start_op = 0,		/* strict checks for every command */
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.module = THIS_MODULE,
};

static int socket_closed(struct notifier_block *nb, unsigned long action,
			 void *data)
{
	struct netlink_notify *n = data;

	if (action == NETLINK_URELEASE && n->protocol == NETLINK_GENERIC &&
	    net_eq(n->net, &init_net) && n->portid)
		dmr_group_detach(n->portid);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = socket_closed };

int dmr_netlink_init(void)
{
	int r = netlink_register_notifier(&notifier);

	if (r)
		return r;
	r = genl_register_family(&dmr_genl_family);
	if (r)
		netlink_unregister_notifier(&notifier);
	return r;
}

void dmr_netlink_exit(void)
{
	genl_unregister_family(&dmr_genl_family);
	netlink_unregister_notifier(&notifier);
}
