// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netlink-malformed DEVICE: sends each command of the family with one thing
 * wrong with it, and expects a refusal in words that changes nothing.
 * netlink-malformed --uncapped DEVICE: sends each of them well-formed, without
 * CAP_SYS_ADMIN. Each check is one line of TAP.
 *
 * Each command has a well-formed base; every fault is put into a copy of it.
 * After the faults the base itself must succeed, so that none of them was
 * refused for another reason. Commands about an open epoch come last.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dmr.h"
#include "tap.h"

#define ATTRS_MAX	4
#define NR(array)	(sizeof(array) / sizeof((array)[0]))

struct value {
	int type;
	const void *data;
	int len;
	bool optional;
};

struct base {
	const char *name;
	int cmd;
	int flags;			/* NLM_F_DUMP */
	bool open;			/* about the open epoch */
	bool refused;			/* well-formed, yet not now */
	struct value value[ATTRS_MAX];
};

static uint64_t dev, first_epoch = 1, group = 77, zero;
static uint64_t count_one = 1;
static uint32_t no_flags, abort_epoch = DMR_END_ABORT, primary = 1;
static struct dmr_extent chunk_zero = { 0, 1 };

#define V(type, variable)	{ type, &(variable), sizeof(variable), false }
#define OPT(type, variable)	{ type, &(variable), sizeof(variable), true }

static const struct base bases[] = {
	{ "GET", DMR_CMD_GET, 0, false, false, { V(DMR_A_DEV, dev) } },
	{ "GET dump", DMR_CMD_GET, NLM_F_DUMP, false, false, { { 0 } } },
	{ "ATTACH", DMR_CMD_ATTACH, 0, false, false, { V(DMR_A_DEV, dev) } },
	{ "JOIN", DMR_CMD_JOIN, 0, false, false,
	  { V(DMR_A_DEV, dev), V(DMR_A_GROUP, group) } },
	{ "GET_DIRTY", DMR_CMD_GET_DIRTY, NLM_F_DUMP, false, false,
	  { V(DMR_A_DEV, dev), OPT(DMR_A_FIRST, zero),
	    OPT(DMR_A_COUNT, count_one) } },
	{ "MARK", DMR_CMD_MARK, 0, false, false,
	  { V(DMR_A_DEV, dev), OPT(DMR_A_EXTENTS, chunk_zero) } },
	{ "FORGET", DMR_CMD_FORGET, 0, false, true,
	  { V(DMR_A_DEV, dev), V(DMR_A_GENERATION, zero),
	    V(DMR_A_EPOCH, zero) } },
	{ "SET", DMR_CMD_SET, 0, false, false,
	  { V(DMR_A_DEV, dev), OPT(DMR_A_ROLE, primary),
	    OPT(DMR_A_GENERATION, group), OPT(DMR_A_LAST_COMMITTED, zero) } },
	{ "HOLD", DMR_CMD_HOLD, 0, false, false,
	  { V(DMR_A_DEV, dev), V(DMR_A_TIMEOUT_MS, no_flags) } },
	{ "CUT", DMR_CMD_CUT, 0, false, false,
	  { V(DMR_A_DEV, dev), V(DMR_A_EPOCH, first_epoch),
	    OPT(DMR_A_EPOCH_FLAGS, no_flags) } },
	{ "GET_FROZEN", DMR_CMD_GET_FROZEN, NLM_F_DUMP, true, false,
	  { V(DMR_A_DEV, dev), V(DMR_A_EPOCH, first_epoch),
	    OPT(DMR_A_FIRST, zero), OPT(DMR_A_COUNT, count_one) } },
	{ "RELEASE", DMR_CMD_RELEASE, 0, true, false,
	  { V(DMR_A_DEV, dev), V(DMR_A_EPOCH, first_epoch),
	    V(DMR_A_EXTENTS, chunk_zero) } },
	{ "END", DMR_CMD_END, 0, true, false,
	  { V(DMR_A_DEV, dev), V(DMR_A_EPOCH, first_epoch),
	    V(DMR_A_END, abort_epoch) } },
	{ "DETACH", DMR_CMD_DETACH, 0, false, false,
	  { V(DMR_A_DEV, dev) } },
};

/* Well-formed attributes with a content that is refused. */
static uint32_t two = 2, high_bit = 1u << 31, four = 4;
static uint32_t too_long_ms = 60001;
static uint64_t nowhere = 0xffffffffffffffull;
static struct dmr_extent of_nothing = { 0, 0 }, beyond = { 1ull << 40, 1 };
static struct dmr_extent wraps = { 8, UINT64_MAX - 2 };

static const struct {
	int cmd;
	struct value value;
} contents[] = {
	{ DMR_CMD_GET, V(DMR_A_DEV, nowhere) },
	{ DMR_CMD_ATTACH, V(DMR_A_DEV, nowhere) },
	{ DMR_CMD_CUT, V(DMR_A_DEV, nowhere) },
	{ DMR_CMD_CUT, V(DMR_A_EPOCH, zero) },
	{ DMR_CMD_CUT, V(DMR_A_EPOCH_FLAGS, two) },
	{ DMR_CMD_CUT, V(DMR_A_EPOCH_FLAGS, high_bit) },
	{ DMR_CMD_MARK, V(DMR_A_EXTENTS, of_nothing) },
	{ DMR_CMD_MARK, V(DMR_A_EXTENTS, beyond) },
	{ DMR_CMD_MARK, V(DMR_A_EXTENTS, wraps) },
	{ DMR_CMD_SET, V(DMR_A_ROLE, no_flags) },
	{ DMR_CMD_SET, V(DMR_A_ROLE, four) },
	{ DMR_CMD_SET, V(DMR_A_LAST_COMMITTED, nowhere) },
	{ DMR_CMD_HOLD, V(DMR_A_TIMEOUT_MS, too_long_ms) },
	{ DMR_CMD_GET_FROZEN, V(DMR_A_EPOCH, nowhere) },
	{ DMR_CMD_RELEASE, V(DMR_A_EPOCH, nowhere) },
	{ DMR_CMD_RELEASE, V(DMR_A_EXTENTS, of_nothing) },
	{ DMR_CMD_RELEASE, V(DMR_A_EXTENTS, beyond) },
	{ DMR_CMD_RELEASE, V(DMR_A_EXTENTS, wraps) },
	{ DMR_CMD_END, V(DMR_A_EPOCH, nowhere) },
	{ DMR_CMD_END, V(DMR_A_END, no_flags) },
	{ DMR_CMD_END, V(DMR_A_END, four) },
};

static struct genl genl;
static struct genl_request req;
static struct dmr_get before;
static char junk[(DMR_MAX_EXTENTS + 1) * sizeof(struct dmr_extent)];

/* --- sending -------------------------------------------------------------- */

static int nr_values(const struct base *base)
{
	int nr = 0;

	while (nr < ATTRS_MAX && base->value[nr].type)
		nr++;
	return nr;
}

/* The base, without value skip (-1: with all). */
static void begin(const struct base *base, int skip)
{
	int i;

	genl_begin(&genl, &req, base->cmd, base->flags);
	for (i = 0; i < nr_values(base); i++)
		if (i != skip)
			genl_put(&req, base->value[i].type,
				 base->value[i].data, base->value[i].len);
}

static int nothing_changed(void)
{
	struct dmr_get now;
	int err = dmr_get(&genl, dev, &now);

	if (err || memcmp(&now, &before, sizeof(now))) {
		printf("# the state changed (or GET failed: %d)\n", err);
		return 0;
	}
	return 1;
}

/* One wrong request; quiet if it is refused as it must be. */
static int refused(const char *what, bool words)
{
	int err = genl_talk(&genl, &req, NULL, NULL);
	char text[sizeof(genl.extack)];

	memcpy(text, genl.extack, sizeof(text));
	if (err && err != -ETIMEDOUT && (text[0] || !words))
		return nothing_changed();
	printf("# %s: %s, '%s'\n", what, err ? strerrorname_np(-err) :
	       "accepted", text);
	return 0;
}

/* --- faults --------------------------------------------------------------- */

static int wrong_length(const struct base *base, int i, int len)
{
	const struct value *value = &base->value[i];
	char what[64];

	memcpy(junk, value->data, value->len);
	snprintf(what, sizeof(what), "attribute %d, %d bytes, not %d",
		 value->type, len, value->len);
	begin(base, i);
	genl_put(&req, value->type, junk, len);
	return refused(what, true);
}

static int wrong_lengths(const struct base *base, int i)
{
	const struct value *value = &base->value[i];
	int good = 1;

	good &= wrong_length(base, i, 0);
	good &= wrong_length(base, i, value->len - 1);
	good &= wrong_length(base, i, value->len / 2);
	good &= wrong_length(base, i, value->len + 1);
	good &= wrong_length(base, i, value->len + 4);
	if (value->type == DMR_A_EXTENTS)
		return good & wrong_length(base, i, sizeof(junk));
	return good & wrong_length(base, i, value->len * 2);
}

static int doubled(const struct base *base, int i)
{
	begin(base, -1);
	genl_put(&req, base->value[i].type, base->value[i].data,
		 base->value[i].len);
	return refused("given twice", true);
}

static int nested(const struct base *base, int i)
{
	begin(base, i);
	genl_put(&req, base->value[i].type | NLA_F_NESTED,
		 base->value[i].data, base->value[i].len);
	return refused("of another type (nested)", true);
}

static int missing(const struct base *base, int i)
{
	if (base->value[i].optional)
		return 1;
	begin(base, i);
	return refused("missing", true);
}

/* The attribute's header says that it is longer than the message. */
static int overlong(const struct base *base, int i)
{
	struct nlattr *attr;

	begin(base, i);
	attr = (void *)(req.bytes + NLMSG_ALIGN(req.header.nlmsg_len));
	genl_put(&req, base->value[i].type, base->value[i].data,
		 base->value[i].len);
	attr->nla_len += 8;
	return refused("longer than the message", true);
}

static void try_attribute(const struct base *base, int i)
{
	ok(wrong_lengths(base, i), "%s: attribute %d truncated, oversized",
	   base->name, base->value[i].type);
	ok(doubled(base, i) & nested(base, i) & missing(base, i) &
	   overlong(base, i), "%s: attribute %d doubled, of another type, "
	   "missing, longer than the message", base->name,
	   base->value[i].type);
}

static bool takes(const struct base *base, int type)
{
	int i;

	for (i = 0; i < nr_values(base); i++)
		if (base->value[i].type == type)
			return true;
	return false;
}

/* Attributes that are unknown, or another command's. */
static void try_strangers(const struct base *base)
{
	int type, good = 1;
	char what[40];

	for (type = 1; type <= DMR_A_MAX + 2; type++) {
		if (takes(base, type))
			continue;
		snprintf(what, sizeof(what), "stranger %d", type);
		begin(base, -1);
		genl_put_u64(&req, type, 1);
		good &= refused(what, true);
		begin(base, -1);
		genl_put_u32(&req, type, 1);
		good &= refused(what, true);
	}
	ok(good, "%s: attributes that it does not take", base->name);
}

static void try_header(const struct base *base)
{
	struct genlmsghdr *header = NLMSG_DATA(&req.header);
	int good;

	begin(base, -1);
	header->reserved = 1;
	good = refused("reserved field", true);
	begin(base, -1);
	req.header.nlmsg_len += 4;	/* four bytes that are no attribute */
	memset(req.bytes + req.header.nlmsg_len - 4, 0x7f, 4);
	good &= refused("bytes after the attributes", true);
	if (base->cmd != DMR_CMD_GET) {
		begin(base, -1);
		req.header.nlmsg_flags ^= NLM_F_DUMP;
		good &= refused("dump for do, or do for dump", false);
	}
	ok(good, "%s: a bad header", base->name);
}

static void try_contents(const struct base *base)
{
	int good = 1, nr = 0, skip;
	char what[40];
	size_t i;

	for (i = 0; i < NR(contents); i++) {
		const struct value *value = &contents[i].value;

		if (contents[i].cmd != base->cmd || base->flags)
			continue;
		for (skip = 0; skip < nr_values(base); skip++)
			if (base->value[skip].type == value->type)
				break;
		snprintf(what, sizeof(what), "content %zu of attribute %d", i,
			 value->type);
		begin(base, skip);
		genl_put(&req, value->type, value->data, value->len);
		good &= refused(what, true);
		nr++;
	}
	if (nr)
		ok(good, "%s: %d contents out of range", base->name, nr);
}

static void try_base(const struct base *base)
{
	int i;

	ok(!dmr_get(&genl, dev, &before), "%s: state before", base->name);
	for (i = 0; i < nr_values(base); i++)
		try_attribute(base, i);
	try_strangers(base);
	try_header(base);
	try_contents(base);
	begin(base, -1);
	i = genl_talk(&genl, &req, NULL, NULL);
	ok(base->refused ? i : !i, "%s: well-formed, it %s (%s %s)",
	   base->name, base->refused ? "is refused here" : "succeeds",
	   i ? strerrorname_np(-i) : "ok", genl.extack);
}

/* --- commands that there are not ------------------------------------------ */

static void try_commands(void)
{
	static const int cmds[] = { 0, DMR_CMD_EVENT, DMR_CMD_MAX + 1, 255 };
	size_t i;
	int good = 1;

	dmr_get(&genl, dev, &before);
	for (i = 0; i < NR(cmds); i++) {
		genl_begin(&genl, &req, cmds[i], 0);
		genl_put_u64(&req, DMR_A_DEV, dev);
		good &= refused("no such command", false);
	}
	ok(good, "commands that do not exist");
}

/* Chunk 0 is dirty and everything else is not, epoch 1 is committed. */
static void prepare(void)
{
	struct dmr_get get;

	if (dmr_attach(&genl, dev, &get))
		return;
	first_epoch = get.number[DMR_A_HIGHEST_SEEN] + 1;
	dmr_mark(&genl, dev, &chunk_zero, 1);
}

static int wait_frozen(void)
{
	struct dmr_get get;
	int i;

	for (i = 0; i < 2000; i++) {
		if (!dmr_get(&genl, dev, &get) &&
		    get.number[DMR_A_STATE] == DMR_STATE_FROZEN)
			return 1;
		usleep(5000);
	}
	return 0;
}

static void drop_cap_sys_admin(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	data[0].effective = data[0].permitted = 1u << CAP_NET_ADMIN |
						1u << CAP_SYS_RAWIO;
	ok(!syscall(SYS_capset, &header, data), "CAP_SYS_ADMIN dropped");
}

/* Opened with the capability, used without; then opened without. */
static void try_uncapped(void)
{
	size_t i;
	int err;

	for (i = 0; i < NR(bases); i++) {
		begin(&bases[i], -1);
		err = genl_talk(&genl, &req, NULL, NULL);
		is_str(err ? strerrorname_np(-err) : "accepted", "EPERM",
		       "%s without CAP_SYS_ADMIN: %s", bases[i].name,
		       genl.extack);
	}
	genl_close(&genl);
	ok(!genl_open(&genl, DMR_GENL_NAME), "a socket of its own");
}

static int run(const char *path, bool uncapped)
{
	size_t i;

	if (!ok(!genl_open(&genl, DMR_GENL_NAME), "family") ||
	    !ok(!dmr_dev_of_path(path, &dev), "device"))
		return tap_done();
	if (uncapped) {
		drop_cap_sys_admin();
		try_uncapped();
		try_uncapped();
		return tap_done();
	}
	prepare();
	try_commands();
	for (i = 0; i < NR(bases); i++) {
		if (bases[i].cmd == DMR_CMD_GET_FROZEN)
			ok(wait_frozen(), "an open epoch");
		try_base(&bases[i]);
	}
	genl_close(&genl);
	return tap_done();
}

int main(int argc, char **argv)
{
	bool uncapped = argc == 3 && !strcmp(argv[1], "--uncapped");

	if (argc != (uncapped ? 3 : 2)) {
		fprintf(stderr, "usage: netlink-malformed [--uncapped] "
			"DEVICE\n");
		return 2;
	}
	return run(argv[argc - 1], uncapped);
}
