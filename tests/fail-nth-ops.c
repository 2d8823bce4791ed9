// SPDX-License-Identifier: GPL-2.0-or-later
/* Of fail-nth: the commands of the family, and dmsetup's messages. */
#include "fail-nth.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dm-raw.h"

#define GROUP		77
#define GENERATION	12345

static struct genl_request req;
static char answer[64 * 1024] __attribute__((aligned(8)));
static uint64_t epoch;			/* of the last cut, or to be cut */
static uint64_t nr_dumped;		/* chunks */

static const struct dmr_extent marked[] = { { 3, 1 }, { 200, 70 } };

/* --- a talk that does not wait -------------------------------------------- */

static void take_extents(const struct nlmsghdr *header)
{
	const struct nlattr *first = (const void *)
		((const char *)NLMSG_DATA(header) + GENL_HDRLEN);
	int len = (int)header->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN);
	const struct nlattr *attr = genl_find(first, len, DMR_A_EXTENTS);
	const struct dmr_extent *extent = attr ? genl_data(attr) : NULL;
	size_t i;

	for (i = 0; attr && i < genl_len(attr) / sizeof(*extent); i++)
		nr_dumped += extent[i].count;
}

/* 1: nothing of it was the end of the answer. */
static int take(const char *bytes, int len)
{
	const struct nlmsghdr *header = (const void *)bytes;

	for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len)) {
		if (header->nlmsg_seq != req.header.nlmsg_seq)
			continue;
		if (header->nlmsg_type == NLMSG_ERROR ||
		    header->nlmsg_type == NLMSG_DONE)
			return *(const int *)NLMSG_DATA(header);
		take_extents(header);
	}
	return 1;
}

/*
 * The kernel answers before send() returns; what is not there then never comes
 * (-ENOMSG). The socket's own error, left by an answer that was lost, is one.
 */
static int talk(void)
{
	int err = 1;
	ssize_t len;

	if (send(owner.fd, req.bytes, req.header.nlmsg_len, 0) < 0)
		return -errno;
	while (err == 1) {
		len = recv(owner.fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (len < 0)
			return errno == EAGAIN ? -ENOMSG : -errno;
		err = take(answer, len);
	}
	return err;
}

/* A dump that was interrupted goes on with each receive, and then ends. */
static void drain(void)
{
	while (recv(owner.fd, answer, sizeof(answer), MSG_DONTWAIT) >= 0 ||
	       errno != EAGAIN)
		;
}

static void begin(int cmd, int flags)
{
	genl_begin(&owner, &req, cmd, flags);
	genl_put_u64(&req, DMR_A_DEV, dev);
}

static int plain(int cmd)
{
	begin(cmd, 0);
	return talk();
}

/* --- states --------------------------------------------------------------- */

static uint64_t is(int field)
{
	return now.number[field];
}

static void end(enum dmr_end how)
{
	struct dmr_get get;

	drain();
	if (look(&get) && get.number[DMR_A_EPOCH])
		must("end", dmr_end(&owner, dev, get.number[DMR_A_EPOCH], how));
}

/* Idle, owned, alone, a primary, with some chunks dirty. */
static void prepare_idle(void)
{
	struct dmr_get get;

	end(DMR_END_ABORT);
	must("attach", dmr_attach(&owner, dev, &get));
	must("mark", dmr_mark(&owner, dev, marked, 2));
	epoch = get.number[DMR_A_HIGHEST_SEEN] + 1;
}

static void prepare_frozen(void)
{
	struct dmr_get get;

	prepare_idle();
	must("cut", dmr_cut(&owner, dev, epoch, false));
	look(&get);
}

static void prepare_released(void)
{
	struct dmr_extents frozen;
	struct dmr_held held;

	prepare_frozen();
	must("frozen", dmr_extents(&owner, DMR_CMD_GET_FROZEN, dev, epoch,
				   &frozen));
	must("release", dmr_release(&owner, dev, epoch, frozen.extent,
				    frozen.nr, &held));
	dmr_extents_free(&frozen);
}

static void undo(void)
{
	end(DMR_END_ABORT);
}

static bool always(void)
{
	return true;
}

/* --- GET, ATTACH, DETACH, JOIN -------------------------------------------- */

static int get_one(void)
{
	return plain(DMR_CMD_GET);
}

static int get_all(void)
{
	drain();
	genl_begin(&owner, &req, DMR_CMD_GET, NLM_F_DUMP);
	return talk();
}

static void prepare_alone(void)
{
	prepare_idle();
	must("detach", dmr_detach(&owner, dev));
}

static int attach(void)
{
	return plain(DMR_CMD_ATTACH);
}

static bool is_owned(void)
{
	return is(DMR_A_OWNER);
}

static int detach(void)
{
	return plain(DMR_CMD_DETACH);
}

static bool is_free(void)
{
	return !is(DMR_A_OWNER) && !is(DMR_A_EPOCH);
}

static int join(void)
{
	begin(DMR_CMD_JOIN, 0);
	genl_put_u64(&req, DMR_A_GROUP, GROUP);
	return talk();
}

static bool has_joined(void)
{
	return is(DMR_A_GROUP) == GROUP;
}

static void part(void)
{
	drain();
	must("join 0", dmr_join(&owner, dev, 0));
}

/* --- an epoch ------------------------------------------------------------- */

static int cut(void)
{
	begin(DMR_CMD_CUT, 0);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	return talk();
}

static bool is_cut(void)
{
	return is(DMR_A_EPOCH) == epoch && is(DMR_A_STATE) == DMR_STATE_FROZEN;
}

static int dump(int cmd)
{
	drain();
	nr_dumped = 0;
	begin(cmd, NLM_F_DUMP);
	if (cmd == DMR_CMD_GET_FROZEN)
		genl_put_u64(&req, DMR_A_EPOCH, epoch);
	return talk();
}

static int dump_frozen(void)
{
	return dump(DMR_CMD_GET_FROZEN);
}

static bool has_all_frozen(void)
{
	return nr_dumped == is(DMR_A_NR_FROZEN);
}

static int dump_dirty(void)
{
	return dump(DMR_CMD_GET_DIRTY);
}

static bool has_all_dirty(void)
{
	return nr_dumped == is(DMR_A_NR_DIRTY);
}

static int release(void)
{
	begin(DMR_CMD_RELEASE, 0);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	genl_put(&req, DMR_A_EXTENTS, marked, sizeof(marked));
	return talk();
}

static bool is_released(void)
{
	return is(DMR_A_NR_HELD) == is(DMR_A_NR_FROZEN) - 71;
}

/* "No memory; say it again": some of it may have been done. */
static bool is_partly_released(void)
{
	return is(DMR_A_EPOCH) == epoch &&
	       is(DMR_A_NR_HELD) <= is(DMR_A_NR_FROZEN);
}

static int end_so(enum dmr_end how)
{
	begin(DMR_CMD_END, 0);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	genl_put_u32(&req, DMR_A_END, how);
	return talk();
}

static int commit(void)
{
	return end_so(DMR_END_COMMIT);
}

static int keep(void)
{
	return end_so(DMR_END_KEEP);
}

static int abort_it(void)
{
	return end_so(DMR_END_ABORT);
}

static bool has_committed(void)
{
	return !is(DMR_A_EPOCH) && is(DMR_A_LAST_COMMITTED) == epoch &&
	       !is(DMR_A_NR_DIRTY);
}

static bool has_aborted(void)
{
	return !is(DMR_A_EPOCH) && is(DMR_A_LAST_COMMITTED) < epoch &&
	       is(DMR_A_NR_DIRTY) >= 71;
}

/* --- MARK, SET, FORGET, HOLD ---------------------------------------------- */

static void prepare_clean(void)
{
	prepare_released();
	must("commit", dmr_end(&owner, dev, epoch, DMR_END_COMMIT));
}

static int mark(void)
{
	begin(DMR_CMD_MARK, 0);
	genl_put(&req, DMR_A_EXTENTS, marked, sizeof(marked));
	return talk();
}

/* M4: where memory lacks, whole regions. */
static bool is_marked(void)
{
	return is(DMR_A_NR_DIRTY) >= 71;
}

static int mark_all(void)
{
	return plain(DMR_CMD_MARK);
}

static bool is_all_marked(void)
{
	return is(DMR_A_NR_DIRTY) == origin_sectors / 8;
}

static int set(void)
{
	begin(DMR_CMD_SET, 0);
	genl_put_u32(&req, DMR_A_ROLE, DMR_ROLE_SECONDARY);
	genl_put_u64(&req, DMR_A_GENERATION, GENERATION);
	return talk();
}

static bool is_set(void)
{
	return is(DMR_A_ROLE) == DMR_ROLE_SECONDARY &&
	       is(DMR_A_GENERATION) == GENERATION;
}

static void set_role(uint32_t role)
{
	drain();
	begin(DMR_CMD_SET, 0);
	genl_put_u32(&req, DMR_A_ROLE, role);
	genl_put_u64(&req, DMR_A_GENERATION, GENERATION + role);
	must("role", talk());
}

static void undo_role(void)
{
	set_role(DMR_ROLE_PRIMARY);
}

static void prepare_secondary(void)
{
	prepare_idle();
	set_role(DMR_ROLE_SECONDARY);
}

static int forget(void)
{
	begin(DMR_CMD_FORGET, 0);
	genl_put_u64(&req, DMR_A_GENERATION, GENERATION);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	return talk();
}

static bool has_forgotten(void)
{
	return !is(DMR_A_NR_DIRTY) && is(DMR_A_GENERATION) == GENERATION &&
	       is(DMR_A_LAST_COMMITTED) == epoch;
}

static int hold_ms(uint32_t ms)
{
	begin(DMR_CMD_HOLD, 0);
	genl_put_u32(&req, DMR_A_TIMEOUT_MS, ms);
	return talk();
}

static int hold(void)
{
	return hold_ms(1000);
}

static int unhold(void)
{
	return hold_ms(0);
}

static void undo_hold(void)
{
	drain();
	must("unhold", unhold());
}

/* --- messages ------------------------------------------------------------- */

static int message_mark(void)
{
	return dm_raw_message(VOL, "mark all");
}

static int message_hold(void)
{
	return dm_raw_message(VOL, "hold 1000");
}

static int message_unhold(void)
{
	return dm_raw_message(VOL, "unhold");
}

static int message_request(void)
{
	return dm_raw_message(VOL, "request failover now");
}

const struct op command_ops[] = {
	{ "GET", prepare_idle, get_one, always, undo, NULL },
	{ "GET-dump", prepare_idle, get_all, always, undo, NULL },
	{ "ATTACH", prepare_alone, attach, is_owned, undo, NULL },
	{ "DETACH", prepare_frozen, detach, is_free, undo, NULL },
	{ "JOIN", prepare_idle, join, has_joined, part, NULL },
	{ "CUT", prepare_idle, cut, is_cut, undo, NULL },
	{ "GET_FROZEN", prepare_frozen, dump_frozen, has_all_frozen, undo,
	  NULL },
	{ "GET_DIRTY", prepare_idle, dump_dirty, has_all_dirty, undo, NULL },
	{ "RELEASE", prepare_frozen, release, is_released, undo,
	  is_partly_released },
	{ "END-commit", prepare_released, commit, has_committed, undo, NULL },
	{ "END-keep", prepare_released, keep, has_committed, undo, NULL },
	{ "END-abort", prepare_released, abort_it, has_aborted, undo, NULL },
	{ "MARK", prepare_clean, mark, is_marked, undo, NULL },
	{ "MARK-all", prepare_clean, mark_all, is_all_marked, undo, NULL },
	{ "SET", prepare_idle, set, is_set, undo_role, NULL },
	{ "FORGET", prepare_secondary, forget, has_forgotten, undo_role, NULL },
	{ "HOLD", prepare_idle, hold, always, undo_hold, NULL },
	{ "HOLD-0", prepare_idle, unhold, always, undo_hold, NULL },
	{ "message-mark", prepare_clean, message_mark, is_all_marked, undo,
	  NULL },
	{ "message-hold", prepare_idle, message_hold, always, undo_hold, NULL },
	{ "message-unhold", prepare_idle, message_unhold, always, undo_hold,
	  NULL },
	{ "message-request", prepare_idle, message_request, always, undo,
	  NULL },
};
const unsigned int nr_command_ops = sizeof(command_ops) /
				    sizeof(command_ops[0]);
