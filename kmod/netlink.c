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

#include <linux/capability.h>
#include <net/genetlink.h>
#include <net/netlink.h>
#include <net/sock.h>

#include "epoch.h"
#include "event.h"
#include "group.h"
#include "preserve.h"

#define DUMP_EXTENTS	2048

/* ---- putting attributes ---- */

static int put_u64(struct sk_buff *skb, int attr, u64 value)
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
		r = put_u64(skb, n[i].attr, n[i].value);
	return r;
}

static u32 epoch_flags(struct dmr_device *dev)
{
	struct dmr_preserve_counts c;

	dmr_preserve_count(dev, &c);
	return c.fuzzy ? DMR_EPOCH_F_FUZZY : 0;
}

static u32 device_flags(struct dmr_device *dev, struct dmr_group *g)
{
	return DMR_DEV_F_VOLATILE |
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
		{ DMR_A_EPOCH_FLAGS, epoch_flags(dev) },
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
		{ DMR_A_NR_HOT, 0 },
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

/* Registry lock, for the name. -EMSGSIZE: @skb is full and as it was. */
static int put_info(struct sk_buff *skb, struct dmr_device *dev, u32 portid,
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
	    put_state(skb, dev, g) ?: put_counts(skb, dev, g);
	dmr_group_unlock(g);
	if (r)
		genlmsg_cancel(skb, hdr);
	else
		genlmsg_end(skb, hdr);
	return r;
}

/* ---- the doors ---- */

static int refuse(struct genl_info *info, int error, const char *why)
{
	/* The extack keeps the pointer: every sentence is a constant. */
	if (info->extack)
		info->extack->_msg = why;
	return error;
}

static int check_duplicates(const struct nlmsghdr *nlh,
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

static int check_sender(struct netlink_ext_ack *extack)
{
	if (capable(CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack, "needs CAP_SYS_ADMIN in the initial namespace");
	return -EPERM;
}

static int check_present(struct nlattr **attrs, const int *needed,
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

/* What a handler works with; filled by enter(), given back by leave(). */
struct call {
	struct dmr_device *dev;
	struct dmr_group *g;		/* locked */
	const char *why;
};

static int find_device(struct nlattr **attrs, struct netlink_ext_ack *extack,
		       struct dmr_device **dev)
{
	*dev = dmr_device_get_by_number(nla_get_u64(attrs[DMR_A_DEV]));
	if (*dev)
		return 0;
	NL_SET_ERR_MSG(extack, "no replica device has that number");
	return -ENODEV;
}

static int knock(struct genl_info *info, const int *needed)
{
	return check_sender(info->extack) ?:
	       check_duplicates(info->nlhdr, info->extack) ?:
	       check_present(info->attrs, needed, info->extack);
}

static void leave(struct call *c)
{
	if (c->g)
		dmr_group_unlock(c->g);
	if (c->dev)
		dmr_device_put(c->dev);
}

static int enter(struct genl_info *info, struct call *c, const int *needed)
{
	int r;

	*c = (struct call){ .why = "refused" };
	r = knock(info, needed) ?:
	    find_device(info->attrs, info->extack, &c->dev);
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
				      "attach first: the device, or another of its group, has another owner or none");
	return 0;
}

static int enter_owner(struct genl_info *info, struct call *c,
		       const int *needed)
{
	int r = enter(info, c, needed);

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

#define NEEDS(...)	((const int []){ DMR_A_DEV, ##__VA_ARGS__, 0 })

static u64 get_u64(struct genl_info *info, int attr)
{
	return nla_get_u64(info->attrs[attr]);
}

/* ---- replies ---- */

static int start_reply(struct genl_info *info, struct sk_buff **skb,
		       void **hdr)
{
	*skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
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
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	int r = -ENODEV;

	if (!skb)
		return refuse(info, -ENOMEM, "no memory");
	mutex_lock(&dmr_registry_lock);
	if (!list_empty(&dev->node))
		r = put_info(skb, dev, info->snd_portid, info->snd_seq, 0);
	mutex_unlock(&dmr_registry_lock);
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

	r = knock(info, NEEDS()) ?:
	    find_device(info->attrs, info->extack, &dev);
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
	int r = enter(info, &c, NEEDS());

	if (r)
		return r;
	dev = c.dev;
	if (dev->owner && dev->owner != info->snd_portid) {
		c.why = "another socket owns the device";
		return leave_with(info, &c, -EBUSY);
	}
	dev->owner = info->snd_portid;
	dev->attaches++;
	dmr_group_unlock(c.g);
	r = reply_device(info, dev);
	dmr_device_put(dev);
	return r;
}

static int cmd_join(struct sk_buff *skb, struct genl_info *info)
{
	const char *why = "refused";
	struct dmr_device *dev;
	int r;

	r = knock(info, NEEDS(DMR_A_GROUP)) ?:
	    find_device(info->attrs, info->extack, &dev);
	if (r)
		return r;
	mutex_lock(&dmr_registry_lock);
	r = dmr_group_join(dev, get_u64(info, DMR_A_GROUP), info->snd_portid,
			   &why);
	mutex_unlock(&dmr_registry_lock);
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
	r = put_u64(skb, DMR_A_DEV, dev->number) ?:
	    put_u64(skb, DMR_A_EPOCH, g->epoch) ?:
	    nla_put_u32(skb, DMR_A_EPOCH_FLAGS, epoch_flags(dev)) ?:
	    put_u64(skb, DMR_A_CUT_TIME, g->cut_time);
	return send_reply(info, skb, hdr, r);
}

static int cmd_cut(struct sk_buff *skb, struct genl_info *info)
{
	u32 flags = info->attrs[DMR_A_EPOCH_FLAGS] ?
		    nla_get_u32(info->attrs[DMR_A_EPOCH_FLAGS]) : 0;
	struct call c;
	int r;

	r = enter_owner(info, &c, NEEDS(DMR_A_EPOCH));
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
	r = put_u64(skb, DMR_A_DEV, dev->number) ?:
	    put_u64(skb, DMR_A_EPOCH, g->epoch) ?:
	    put_u64(skb, DMR_A_NR_HELD, counts.held) ?:
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
	r = enter_owner(info, &c, NEEDS(DMR_A_EPOCH, DMR_A_EXTENTS));
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
	int r = enter_owner(info, &c, NEEDS(DMR_A_EPOCH, DMR_A_END));

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
	r = enter(info, &c, NEEDS());
	if (r)
		return r;
	r = dmr_epoch_mark(c.dev, c.g, ext, nr, &c.why);
	return leave_with(info, &c, r);
}

static int cmd_forget(struct sk_buff *skb, struct genl_info *info)
{
	struct call c;
	int r = enter_owner(info, &c,
			    NEEDS(DMR_A_GENERATION, DMR_A_EPOCH));

	if (r)
		return r;
	r = dmr_epoch_forget(c.dev, c.g, get_u64(info, DMR_A_GENERATION),
			     get_u64(info, DMR_A_EPOCH), &c.why);
	return leave_with(info, &c, r);
}

static int cmd_set(struct sk_buff *skb, struct genl_info *info)
{
	u64 generation = 0, last = 0;
	struct dmr_settings set = { };
	struct call c;
	u32 role = 0;
	int r = enter_owner(info, &c, NEEDS());

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
	int r = enter_owner(info, &c, NEEDS(DMR_A_TIMEOUT_MS));

	if (r)
		return r;
	r = dmr_group_hold(c.g, nla_get_u32(info->attrs[DMR_A_TIMEOUT_MS]),
			   info->snd_portid, &c.why);
	return leave_with(info, &c, r);
}

/*
 * ---- dumps ----
 *
 * A request is checked in the first call of its dump method, not in start:
 * before 6.9 start has no extack to say why it refuses.
 */

static int begin_get(struct netlink_callback *cb)
{
	int r = check_sender(cb->extack) ?:
		check_duplicates(cb->nlh, cb->extack);

	if (r || !genl_info_dump(cb)->attrs[DMR_A_DEV])
		return r;
	NL_SET_ERR_MSG(cb->extack, "a dump has all devices, it takes none");
	return -EINVAL;
}

/* cb->args[0]: devices looked at so far; [1]: the request was checked. */
static int dump_get(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct dmr_device *dev;
	long i = 0;
	int r = 0;

	if (!cb->args[1])
		r = begin_get(cb);
	if (r)
		return r;
	cb->args[1] = 1;
	mutex_lock(&dmr_registry_lock);
	list_for_each_entry(dev, &dmr_devices, node) {
		if (i++ < cb->args[0] || !dev->active)
			continue;
		r = put_info(skb, dev, NETLINK_CB(cb->skb).portid,
			       cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (r)
			break;
		cb->args[0] = i;
	}
	mutex_unlock(&dmr_registry_lock);
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
	r = check_sender(cb->extack) ?:
	    check_duplicates(cb->nlh, cb->extack) ?:
	    check_present(attrs, needed, cb->extack) ?:
	    find_device(attrs, cb->extack, &dev);
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
	r = put_u64(skb, DMR_A_DEV, d->dev->number) ?:
	    put_u64(skb, DMR_A_EPOCH, epoch) ?:
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
		r = begin_extents(cb, d, frozen ? NEEDS(DMR_A_EPOCH) : NEEDS());
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

static int dump_frozen(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_extents(skb, cb, true);
}

static int dump_dirty(struct sk_buff *skb, struct netlink_callback *cb)
{
	return dump_extents(skb, cb, false);
}

static int done_extents(struct netlink_callback *cb)
{
	struct dump *d = (struct dump *)cb->ctx;

	if (d->dev)
		dmr_device_put(d->dev);
	return 0;
}

/* ---- the family ---- */

#define U64(attr)	[attr] = { .type = NLA_U64 }
#define U32(attr)	[attr] = { .type = NLA_U32 }
#define EXTENTS		[DMR_A_EXTENTS] = { .type = NLA_BINARY }
#define POLICY(name, ...)						\
	static const struct nla_policy name##_policy[DMR_A_MAX + 1] = {	\
		U64(DMR_A_DEV), ##__VA_ARGS__ }

POLICY(get);
POLICY(attach);
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
       U64(DMR_A_LAST_COMMITTED));
POLICY(hold, U32(DMR_A_TIMEOUT_MS));

#define DO(which, NAME)							\
	{ .cmd = DMR_CMD_##NAME, .doit = cmd_##which,			\
	  .policy = which##_policy, .maxattr = DMR_A_MAX }

#define DUMP_EXTENT_OP(which, NAME)					\
	{ .cmd = DMR_CMD_##NAME,					\
	  .dumpit = dump_##which, .done = done_extents,			\
	  .policy = which##_policy, .maxattr = DMR_A_MAX }

static const struct genl_ops ops[] = {
	{ .cmd = DMR_CMD_GET, .doit = cmd_get, .dumpit = dump_get,
	  .policy = get_policy, .maxattr = DMR_A_MAX },
	DO(attach, ATTACH),
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
