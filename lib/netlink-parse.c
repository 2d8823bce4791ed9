// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From netlink attributes to structs. Pure. The kernel is trusted to mean well,
 * not to be of our version: nothing is read beyond what was sent, what we don't
 * know is ignored, and only what makes no sense without is required.
 */
#include "netlink-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netlink/genl/genl.h>

struct field {
	uint16_t attr;
	uint16_t offset;		/* in struct dmr_info */
	uint16_t len;
	bool is_required;
};

#define F(name, member, required) { DMR_A_##name, \
	offsetof(struct dmr_info, member), \
	sizeof(((struct dmr_info *)0)->member), required }

static const struct field info_fields[] = {
	F(DEV, dev, true),
	F(ORIGIN, origin, false),
	F(VOLUME_ID, volume_id, false),
	F(SECTORS, sectors, true),
	F(CHUNK_SECTORS, chunk_sectors, true),
	F(REGION_SECTORS, region_sectors, false),
	F(ROLE, role, true),
	F(STATE, state, true),
	F(DEV_FLAGS, dev_flags, false),
	F(OWNER, owner, false),
	F(MEMBERS, members, false),
	F(EPOCH_FLAGS, epoch_flags, false),
	F(GENERATION, generation, false),
	F(INCARNATION, incarnation, false),
	F(LOADS, loads, false),
	F(ATTACHES, attaches, false),
	F(GROUP, group, false),
	F(EPOCH, epoch, true),
	F(LAST_COMMITTED, last_committed, true),
	F(HIGHEST_SEEN, highest_seen, true),
	F(CUT_TIME, cut_time, false),
	F(NR_DIRTY, nr_dirty, true),
	F(NR_FROZEN, nr_frozen, true),
	F(NR_HELD, nr_held, true),
	F(NR_PRESERVED, nr_preserved, false),
	F(NR_HOT, nr_hot, false),
	F(NR_REGIONS, nr_regions, false),
	F(NR_CUTS, nr_cuts, false),
	F(NR_COMMITS, nr_commits, false),
	F(NR_ABORTS, nr_aborts, false),
	F(NR_KEEPS, nr_keeps, false),
	F(NR_DEGRADED, nr_degraded, false),
	F(NR_COPIES, nr_copies, false),
	F(GATE_LAST_NS, gate_last_ns, false),
	F(GATE_MAX_NS, gate_max_ns, false),
	F(GATE_SUM_NS, gate_sum_ns, false),
	F(WRITTEN_SECTORS, written_sectors, false),
	F(META_DEV, meta_dev, false),
	F(HOT_LIMIT, hot_limit, false),
	F(LAST_WRITE, last_write, false),
	F(LAST_CONTACT, last_contact, false),
	F(LAST_NAMED, last_named, false),
};

int dmr_nl_parse(const struct nlmsghdr *h, struct nlattr **attrs)
{
	struct nlmsghdr *msg = (struct nlmsghdr *)h;
	struct genlmsghdr *genl = nlmsg_data(msg);

	if (nlmsg_datalen(msg) < (int)GENL_HDRLEN)
		return -EPROTO;
	return nla_parse(attrs, DMR_A_MAX, genlmsg_attrdata(genl, 0),
			 nlmsg_datalen(msg) - GENL_HDRLEN, NULL) ?
		       -EPROTO : 0;
}

static int get_value(struct nlattr **attrs, int attr, void *value, size_t len)
{
	if (!attrs[attr] || (size_t)nla_len(attrs[attr]) != len)
		return -EPROTO;
	memcpy(value, nla_data(attrs[attr]), len);
	return 0;
}

int dmr_nl_get_u64(struct nlattr **attrs, int attr, uint64_t *value)
{
	return get_value(attrs, attr, value, sizeof(*value));
}

int dmr_nl_get_u32(struct nlattr **attrs, int attr, uint32_t *value)
{
	return get_value(attrs, attr, value, sizeof(*value));
}

/* A string that is not there is "", one that is too long is cut off. */
static void get_string(char *to, size_t len, const struct nlattr *attr)
{
	size_t n = attr ? (size_t)nla_len(attr) : 0;

	if (n >= len)
		n = len - 1;
	if (n)
		memcpy(to, nla_data(attr), n);
	to[n] = 0;
}

/* A list, newest first: as much as there is room for. */
static int get_list(const struct nlattr *attr, void *to, size_t size,
		    size_t max, uint32_t *nr)
{
	size_t len = attr ? (size_t)nla_len(attr) : 0;

	if (len % size)
		return -EPROTO;
	*nr = len / size < max ? len / size : max;
	if (*nr)
		memcpy(to, nla_data(attr), *nr * size);
	return 0;
}

static int get_lists(struct dmr_info *info, struct nlattr **attrs)
{
	if (get_list(attrs[DMR_A_ANCESTORS], info->ancestors,
		     sizeof(info->ancestors[0]), DMR_MAX_NL_ANCESTORS,
		     &info->nr_ancestors))
		return -EPROTO;
	return get_list(attrs[DMR_A_INCARNATIONS], info->incarnations,
			sizeof(info->incarnations[0]), DMR_INCARNATIONS_MAX,
			&info->nr_incarnations);
}

int dmr_nl_parse_info(struct dmr_info *info, struct nlattr **attrs)
{
	size_t i;

	memset(info, 0, sizeof(*info));
	for (i = 0; i < sizeof(info_fields) / sizeof(info_fields[0]); i++) {
		const struct field *f = &info_fields[i];

		if (!attrs[f->attr] && !f->is_required)
			continue;
		if (get_value(attrs, f->attr, (char *)info + f->offset,
			      f->len))
			return -EPROTO;
	}
	if (!attrs[DMR_A_NAME] || !info->chunk_sectors)
		return -EPROTO;
	get_string(info->name, sizeof(info->name), attrs[DMR_A_NAME]);
	get_string(info->uuid, sizeof(info->uuid), attrs[DMR_A_UUID]);
	return get_lists(info, attrs);
}

int dmr_nl_parse_event(struct dmr_nl_event *ev, struct nlattr **attrs)
{
	memset(ev, 0, sizeof(*ev));
	if (dmr_nl_get_u32(attrs, DMR_A_EVENT, &ev->type) ||
	    dmr_nl_get_u64(attrs, DMR_A_DEV, &ev->dev))
		return -EPROTO;
	if (attrs[DMR_A_EPOCH] &&
	    dmr_nl_get_u64(attrs, DMR_A_EPOCH, &ev->epoch))
		return -EPROTO;
	if (attrs[DMR_A_EPOCH_FLAGS] &&
	    dmr_nl_get_u32(attrs, DMR_A_EPOCH_FLAGS, &ev->epoch_flags))
		return -EPROTO;
	if (attrs[DMR_A_NR_FROZEN] &&
	    dmr_nl_get_u64(attrs, DMR_A_NR_FROZEN, &ev->nr_frozen))
		return -EPROTO;
	if (attrs[DMR_A_ERROR] &&
	    dmr_nl_get_u32(attrs, DMR_A_ERROR, &ev->error))
		return -EPROTO;
	get_string(ev->name, sizeof(ev->name), attrs[DMR_A_NAME]);
	get_string(ev->request, sizeof(ev->request), attrs[DMR_A_REQUEST]);
	return 0;
}

/* Where the attributes of an error message begin, seen from its payload. */
static size_t error_attrs_at(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = nlmsg_data(h);

	if (h->nlmsg_flags & NLM_F_CAPPED)
		return sizeof(*e);
	if (e->msg.nlmsg_len < sizeof(e->msg))
		return SIZE_MAX;
	return sizeof(e->error) + NLMSG_ALIGN(e->msg.nlmsg_len);
}

int dmr_nl_parse_status(const struct nlmsghdr *h, char *text, size_t len)
{
	struct nlattr *attrs[NLMSGERR_ATTR_MAX + 1] = { NULL };
	size_t have = nlmsg_datalen(h), at = sizeof(int);
	const char *payload = nlmsg_data(h);
	int status;

	text[0] = 0;
	if (have < at)
		return h->nlmsg_type == NLMSG_DONE ? 0 : -EPROTO;
	memcpy(&status, payload, sizeof(status));
	if (status > 0)
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR)
		at = have < sizeof(struct nlmsgerr) ? SIZE_MAX :
						      error_attrs_at(h);
	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) || at >= have)
		return status;
	if (!nla_parse(attrs, NLMSGERR_ATTR_MAX,
		       (struct nlattr *)(payload + at), have - at, NULL))
		get_string(text, len, attrs[NLMSGERR_ATTR_MSG]);
	return status;
}

static const char *name_of(const char *const *names, size_t nr, uint32_t i)
{
	return i < nr && names[i] ? names[i] : "?";
}

#define NAME_OF(names, i) name_of(names, sizeof(names) / sizeof(names[0]), i)

const char *dmr_role_name(uint32_t role)
{
	static const char *const names[] = {
		[DMR_ROLE_PRIMARY] = "primary",
		[DMR_ROLE_SECONDARY] = "secondary",
		[DMR_ROLE_READONLY] = "readonly",
	};

	return NAME_OF(names, role);
}

const char *dmr_state_name(uint32_t state)
{
	static const char *const names[] = {
		[DMR_STATE_IDLE] = "idle",
		[DMR_STATE_DRAINING] = "draining",
		[DMR_STATE_FROZEN] = "frozen",
		[DMR_STATE_ABORTED] = "aborted",
	};

	return NAME_OF(names, state);
}

const char *dmr_event_name(uint32_t type)
{
	static const char *const names[] = {
		[DMR_EVENT_ADDED] = "added",
		[DMR_EVENT_REMOVED] = "removed",
		[DMR_EVENT_DIRTY] = "dirty",
		[DMR_EVENT_FROZEN] = "frozen",
		[DMR_EVENT_DEGRADED] = "degraded",
		[DMR_EVENT_DETACHED] = "detached",
		[DMR_EVENT_META_FAILED] = "meta-failed",
		[DMR_EVENT_REQUEST] = "request",
	};

	return NAME_OF(names, type);
}
