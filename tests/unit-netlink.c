// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The netlink client against a kernel that is played by the test, on a pair of
 * sockets: if this fails, an answer is mixed up with an event, a lost or
 * malformed one is taken for good, or the reason of a refusal does not arrive.
 *
 * Requests are numbered from 1 on each new socket, so the answers can be laid
 * down before the command runs.
 */
#include "netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <netlink/genl/genl.h>

#include "netlink-impl.h"
#include "tap.h"

#define FAMILY	33
#define PORT	4711
#define DEV	dmr_devno(254, 3)

static int kernel;			/* our end of the pair */
static unsigned int overruns;		/* receives that are to fail */
static void (*answer)(uint32_t seq);	/* to each request, if not NULL */

/* In place of libc's: an overrun drops what is in the socket. */
ssize_t recvfrom(int fd, void *buf, size_t len, int flags,
		 struct sockaddr *from, socklen_t *from_len)
{
	bool is_overrun = false;

	while (overruns && syscall(SYS_recvfrom, fd, buf, len, MSG_DONTWAIT,
				   NULL, NULL) > 0)
		is_overrun = true;
	if (is_overrun) {
		overruns--;
		errno = ENOBUFS;
		return -1;
	}
	return syscall(SYS_recvfrom, fd, buf, len, flags, from, from_len);
}

/* In place of libc's: the kernel has answered when the send returns. */
ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	ssize_t n = syscall(SYS_sendto, fd, buf, len, flags, NULL, 0);

	if (answer && fd != kernel)
		answer(((const struct nlmsghdr *)buf)->nlmsg_seq);
	return n;
}

static struct dmr_nl *client(void)
{
	struct dmr_nl *nl;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) ||
	    dmr_nl_open_fd(&nl, fds[0], FAMILY, PORT))
		abort();
	kernel = fds[1];
	overruns = 0;
	answer = NULL;
	return nl;
}

static void done(struct dmr_nl *nl)
{
	dmr_nl_close(nl);
	close(kernel);
}

static struct nl_msg *message(uint32_t seq, uint8_t cmd)
{
	struct nl_msg *msg = nlmsg_alloc_size(100000);

	genlmsg_put(msg, PORT, seq, FAMILY, 0, 0, cmd, DMR_GENL_VERSION);
	return msg;
}

static void say(struct nl_msg *msg)
{
	if (send(kernel, nlmsg_hdr(msg), nlmsg_hdr(msg)->nlmsg_len, 0) < 0)
		abort();
	nlmsg_free(msg);
}

static struct nl_msg *info_message(uint32_t seq)
{
	static const int u64s[] = {
		DMR_A_DEV, DMR_A_SECTORS, DMR_A_EPOCH, DMR_A_LAST_COMMITTED,
		DMR_A_HIGHEST_SEEN, DMR_A_NR_DIRTY, DMR_A_NR_FROZEN,
		DMR_A_NR_HELD, DMR_A_GATE_MAX_NS,
	};
	struct nl_msg *msg = message(seq, DMR_CMD_GET);
	size_t i;

	for (i = 0; i < sizeof(u64s) / sizeof(u64s[0]); i++)
		nla_put_u64(msg, u64s[i], u64s[i] == DMR_A_DEV ? DEV :
								 1000 + i);
	nla_put_string(msg, DMR_A_NAME, "vol");
	nla_put_u32(msg, DMR_A_CHUNK_SECTORS, 8);
	nla_put_u32(msg, DMR_A_ROLE, DMR_ROLE_PRIMARY);
	nla_put_u32(msg, DMR_A_STATE, DMR_STATE_FROZEN);
	return msg;
}

static void say_event(uint32_t type, uint64_t epoch)
{
	struct nl_msg *msg = message(0, DMR_CMD_EVENT);

	nla_put_u32(msg, DMR_A_EVENT, type);
	nla_put_u64(msg, DMR_A_DEV, DEV);
	nla_put_string(msg, DMR_A_NAME, "vol");
	nla_put_u64(msg, DMR_A_EPOCH, epoch);
	say(msg);
}

/* NLMSG_ERROR (0 = an ACK) or NLMSG_DONE, with a text if not NULL. */
static void say_status(uint32_t seq, int type, int status, const char *text)
{
	struct nl_msg *msg = nlmsg_alloc_size(4096);
	struct nlmsghdr *h = nlmsg_put(msg, PORT, seq, type, 0,
				       text ? NLM_F_ACK_TLVS : 0);
	struct nlmsgerr err = { .error = status };

	err.msg.nlmsg_len = sizeof(err.msg);
	if (type == NLMSG_ERROR) {
		h->nlmsg_flags |= NLM_F_CAPPED;
		nlmsg_append(msg, &err, sizeof(err), 0);
	} else {
		nlmsg_append(msg, &status, sizeof(status), 0);
	}
	if (text)
		nla_put_string(msg, NLMSGERR_ATTR_MSG, text);
	say(msg);
}

static void say_ack(uint32_t seq)
{
	say_status(seq, NLMSG_ERROR, 0, NULL);
}

/* The next request that the client sent; attrs point into a static buffer. */
static int heard(struct nlmsghdr **h, struct nlattr **attrs)
{
	static char buf[100000] __attribute__((aligned(8)));
	ssize_t n = recv(kernel, buf, sizeof(buf), MSG_DONTWAIT);

	*h = (struct nlmsghdr *)buf;
	if (n <= 0 || dmr_nl_parse(*h, attrs))
		return -1;
	return ((struct genlmsghdr *)nlmsg_data(*h))->cmd;
}

static void test_get(void)
{
	struct dmr_nl *nl = client();
	struct nlattr *attrs[DMR_A_MAX + 1];
	struct dmr_info info;
	struct nlmsghdr *h;

	say(info_message(1));
	say_ack(1);
	is_int(dmr_nl_get(nl, DEV, &info), 0, "GET");
	is_str(info.name, "vol", "name");
	is_str(info.uuid, "", "what is not there is empty");
	ok(info.dev == DEV && info.gate_max_ns == 1008, "numbers");
	is_int(heard(&h, attrs), DMR_CMD_GET, "a GET was sent");
	ok(nla_get_u64(attrs[DMR_A_DEV]) == DEV, "for this device");
	is_int(h->nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK, "with an answer");
	done(nl);
}

static struct nl_msg *meta_message(uint32_t seq, size_t ancestors_len)
{
	struct dmr_nl_ancestor a[70] = { { 7, 40 }, { 6, 30 } };
	uint64_t incarnations[9] = { 91, 92, 93, 94, 95, 96, 97, 98, 99 };
	struct nl_msg *msg = info_message(seq);

	nla_put_u32(msg, DMR_A_DEV_FLAGS, DMR_DEV_F_SUSPECT |
		    DMR_DEV_F_META_FAILED | DMR_DEV_F_META_PENDING);
	nla_put_u64(msg, DMR_A_META_DEV, dmr_devno(253, 9));
	nla_put_u64(msg, DMR_A_HOT_LIMIT, 4096);
	nla_put_u64(msg, DMR_A_LAST_WRITE, 1000);
	nla_put_u64(msg, DMR_A_LAST_CONTACT, 999);
	nla_put_u64(msg, DMR_A_LAST_NAMED, 41);
	nla_put(msg, DMR_A_ANCESTORS, ancestors_len, a);
	nla_put(msg, DMR_A_INCARNATIONS, sizeof(incarnations), incarnations);
	return msg;
}

static void test_meta(void)
{
	struct dmr_nl *nl = client();
	struct dmr_info info;

	say(meta_message(1, 2 * sizeof(info.ancestors[0])));
	say_ack(1);
	is_int(dmr_nl_get(nl, DEV, &info), 0, "a volume with metadata");
	ok(info.meta_dev == dmr_devno(253, 9) && info.hot_limit == 4096 &&
	   info.last_write == 1000 && info.last_contact == 999 &&
	   info.last_named == 41, "its numbers");
	is_int(info.dev_flags, DMR_DEV_F_SUSPECT | DMR_DEV_F_META_FAILED |
	       DMR_DEV_F_META_PENDING, "its flags");
	is_int(info.nr_ancestors, 2, "its ancestors");
	ok(info.ancestors[1].generation == 6 &&
	   info.ancestors[1].end_epoch == 30, "the older one");
	is_int(info.nr_incarnations, 8, "more than eight incarnations");
	is_int(info.incarnations[7], 98, "are cut off");
	say(meta_message(2, 70 * sizeof(info.ancestors[0])));
	say_ack(2);
	is_int(dmr_nl_get(nl, DEV, &info), 0, "more ancestors than we keep");
	is_int(info.nr_ancestors, DMR_MAX_NL_ANCESTORS, "are cut off");
	say(meta_message(3, 17));
	say_ack(3);
	is_int(dmr_nl_get(nl, DEV, &info), -EPROTO, "one and a bit");
	say(info_message(4));
	say_ack(4);
	is_int(dmr_nl_get(nl, DEV, &info), 0, "a volume without metadata");
	ok(!info.meta_dev && !info.nr_ancestors && !info.nr_incarnations,
	   "has none of it");
	done(nl);
}

static void test_set(void)
{
	struct dmr_nl *nl = client();
	struct dmr_nl_ancestor a[2] = { { 5, 10 }, { 4, 9 } };
	struct dmr_set set = { .ancestors = a, .nr_ancestors = 2 };
	struct nlattr *attrs[DMR_A_MAX + 1];
	struct nlmsghdr *h;

	say_ack(1);
	is_int(dmr_nl_set(nl, DEV, &set), 0, "SET of ancestors");
	is_int(heard(&h, attrs), DMR_CMD_SET, "is sent");
	ok(attrs[DMR_A_ANCESTORS] &&
	   nla_len(attrs[DMR_A_ANCESTORS]) == sizeof(a) &&
	   !memcmp(nla_data(attrs[DMR_A_ANCESTORS]), a, sizeof(a)),
	   "with the list");
	ok(!attrs[DMR_A_ROLE] && !attrs[DMR_A_GENERATION], "and no more");
	set.nr_ancestors = 0;
	say_ack(2);
	is_int(dmr_nl_set(nl, DEV, &set), 0, "SET of none");
	is_int(heard(&h, attrs), DMR_CMD_SET, "is sent");
	ok(attrs[DMR_A_ANCESTORS] && !nla_len(attrs[DMR_A_ANCESTORS]),
	   "as an empty list");
	done(nl);
}

static void test_refusal(void)
{
	struct dmr_nl *nl = client();

	say_status(1, NLMSG_ERROR, -EBUSY, "epoch 5 is open");
	is_int(dmr_nl_join(nl, DEV, 7), -EBUSY, "a refusal");
	is_str(dmr_nl_error(nl), "epoch 5 is open", "in the kernel's words");
	say_status(2, NLMSG_ERROR, -EPERM, NULL);
	is_int(dmr_nl_join(nl, DEV, 7), -EPERM, "one without words");
	ok(strstr(dmr_nl_error(nl), "root"), "gets ours: %s",
	   dmr_nl_error(nl));
	say_ack(3);
	is_int(dmr_nl_join(nl, DEV, 7), 0, "then a success");
	is_str(dmr_nl_error(nl), "", "has no words");
	say_status(4, NLMSG_DONE, -ESTALE, "no such epoch");
	is_int(dmr_nl_get_frozen(nl, DEV, 9, 0, 0, NULL, NULL), -ESTALE,
	       "a refusal at the end of a dump");
	is_str(dmr_nl_error(nl), "no such epoch", "has its words too");
	done(nl);
}

static void test_events_between(void)
{
	struct dmr_nl *nl = client();
	struct dmr_nl_event ev;
	struct dmr_info info;

	is_int(dmr_nl_next_event(nl, &ev), 0, "no event");
	say_event(DMR_EVENT_DIRTY, 0);
	say(info_message(1));
	say_event(DMR_EVENT_FROZEN, 12);
	say_ack(1);
	say_event(DMR_EVENT_DETACHED, 0);
	is_int(dmr_nl_get(nl, DEV, &info), 0, "a command among events");
	is_int(dmr_nl_next_event(nl, &ev), 1, "the events are kept");
	is_int(ev.type, DMR_EVENT_DIRTY, "the first");
	is_int(dmr_nl_next_event(nl, &ev), 1, "and one more");
	ok(ev.type == DMR_EVENT_FROZEN && ev.epoch == 12 && ev.dev == DEV,
	   "the second");
	is_int(dmr_nl_next_event(nl, &ev), 1, "and what came later");
	is_int(ev.type, DMR_EVENT_DETACHED, "the third");
	is_int(dmr_nl_next_event(nl, &ev), 0, "no more");
	say_ack(77);
	is_int(dmr_nl_next_event(nl, &ev), 0, "a late answer is no event");
	close(kernel);
	ok(dmr_nl_next_event(nl, &ev) < 0, "a closed socket");
	kernel = dup(0);
	done(nl);
}

static void answer_get(uint32_t seq)
{
	say(info_message(seq));
	say_ack(seq);
}

static void test_overrun(void)
{
	struct dmr_nl *nl = client();
	struct dmr_nl_event ev;
	struct dmr_info info;

	overruns = 1;
	say_event(DMR_EVENT_DIRTY, 0);
	is_int(dmr_nl_next_event(nl, &ev), -ENOBUFS, "an overrun is told");
	say_event(DMR_EVENT_DIRTY, 0);
	is_int(dmr_nl_next_event(nl, &ev), 1, "once; then events go on");

	answer = answer_get;
	overruns = 2;
	is_int(dmr_nl_get(nl, DEV, &info), 0, "a lost answer is asked again");
	is_int(dmr_nl_next_event(nl, &ev), -ENOBUFS, "and told");
	is_int(dmr_nl_next_event(nl, &ev), 0, "once");
	overruns = 1000;
	is_int(dmr_nl_get(nl, DEV, &info), -ENOBUFS, "but not for ever");
	ok(dmr_nl_error(nl)[0], "with a reason: %s", dmr_nl_error(nl));
	done(nl);
}

static void test_event_flood(void)
{
	struct dmr_nl *nl = client();
	struct dmr_nl_event ev;
	int i, ret = 1, kept = 0;

	for (i = 0; i < 200 && ret == 1; i++) {
		int j;

		for (j = 0; j < 30; j++)
			say_event(DMR_EVENT_DIRTY, 0);
		say_ack(i + 1);
		ret = dmr_nl_hold(nl, DEV, 5) ? -1 : 1;
	}
	for (ret = 1; ret == 1; kept += ret == 1)
		ret = dmr_nl_next_event(nl, &ev);
	is_int(ret, -ENOBUFS, "a queue that is full says so");
	is_int(kept, 4096, "after what it has");
	done(nl);
}

static void test_bad_answers(void)
{
	struct dmr_nl *nl = client();
	struct dmr_nl_event ev;
	struct dmr_info info;
	struct nl_msg *msg;

	msg = message(1, DMR_CMD_GET);
	nla_put_u64(msg, DMR_A_DEV, DEV);
	say(msg);
	say_ack(1);
	is_int(dmr_nl_get(nl, DEV, &info), -EPROTO, "an incomplete answer");
	msg = info_message(2);
	nla_put_u32(msg, DMR_A_SECTORS, 5);
	say(msg);
	say_ack(2);
	is_int(dmr_nl_get(nl, DEV, &info), -EPROTO, "a number too short");
	say_ack(3);
	is_int(dmr_nl_get(nl, DEV, &info), -EPROTO, "no answer at all");
	say(nlmsg_alloc_simple(FAMILY, 0));
	msg = nlmsg_alloc_simple(NLMSG_ERROR, 0);
	nlmsg_hdr(msg)->nlmsg_seq = 4;
	say(msg);
	is_int(dmr_nl_get(nl, DEV, &info), -EPROTO, "an empty error message");
	msg = message(0, DMR_CMD_EVENT);
	say(msg);
	is_int(dmr_nl_next_event(nl, &ev), -ENOBUFS,
	       "an event without anything counts as lost");
	done(nl);
}

static void say_extents(uint32_t seq, uint64_t start, size_t nr, bool intr)
{
	struct nl_msg *msg = message(seq, DMR_CMD_GET_FROZEN);
	struct dmr_extent v[64];
	size_t i;

	for (i = 0; i < nr; i++)
		v[i] = (struct dmr_extent){ start + 2 * i, 1 };
	nla_put_u32(msg, DMR_A_EPOCH_FLAGS, 0);	/* so it is not aligned */
	nla_put(msg, DMR_A_EXTENTS, nr * sizeof(v[0]), v);
	if (intr)
		nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP_INTR;
	say(msg);
}

struct sum {
	size_t nr;
	uint64_t last;
	size_t stop_at;
};

static int add_up(void *arg, const struct dmr_extent *v, size_t nr)
{
	struct sum *sum = arg;

	sum->nr += nr;
	sum->last = v[nr - 1].start;
	return sum->stop_at && sum->nr >= sum->stop_at ? -ECANCELED : 0;
}

static void test_dump(void)
{
	struct dmr_nl *nl = client();
	struct sum sum = { 0 };
	struct dmr_nl_event ev;

	say_extents(1, 0, 64, false);
	say_event(DMR_EVENT_DEGRADED, 3);
	say_extents(1, 1000, 10, false);
	say_status(1, NLMSG_DONE, 0, NULL);
	is_int(dmr_nl_get_frozen(nl, DEV, 3, 0, 0, add_up, &sum), 0, "a dump");
	ok(sum.nr == 74 && sum.last == 1018, "has all extents");
	is_int(dmr_nl_next_event(nl, &ev), 1, "the event in it is kept");

	say_extents(2, 0, 64, true);
	say_status(2, NLMSG_DONE, 0, NULL);
	is_int(dmr_nl_get_dirty(nl, DEV, 0, 0, add_up, &sum), -EINTR,
	       "a dump that is not one picture");

	sum = (struct sum){ .stop_at = 10 };
	say_extents(3, 0, 10, false);
	say_extents(3, 100, 10, false);
	say_status(3, NLMSG_DONE, 0, NULL);
	is_int(dmr_nl_get_dirty(nl, DEV, 0, 0, add_up, &sum), -ECANCELED,
	       "stopped by the callback");
	is_int(sum.nr, 10, "which is not called again");
	say_status(4, NLMSG_DONE, 0, NULL);
	is_int(dmr_nl_get_dirty(nl, DEV, 0, 0, add_up, &sum), 0,
	       "the rest of it is not in the way of the next");
	done(nl);
}

static int count_infos(void *arg, const struct dmr_info *info)
{
	++*(int *)arg;
	return 0;
}

static void test_get_all(void)
{
	struct dmr_nl *nl = client();
	struct nl_msg *msg = info_message(1);
	int nr = 0;

	nlmsg_hdr(msg)->nlmsg_flags |= NLM_F_DUMP_INTR;
	say(msg);
	say_status(1, NLMSG_DONE, 0, NULL);
	say(info_message(2));
	say(info_message(2));
	say_status(2, NLMSG_DONE, 0, NULL);
	is_int(dmr_nl_get_all(nl, count_infos, &nr), 0,
	       "an interrupted dump of devices is repeated");
	is_int(nr, 2, "and seen once");
	done(nl);
}

static void say_released(uint32_t seq, uint64_t held)
{
	struct nl_msg *msg = message(seq, DMR_CMD_RELEASE);

	nla_put_u64(msg, DMR_A_NR_HELD, held);
	nla_put_u32(msg, DMR_A_EPOCH_FLAGS, DMR_EPOCH_F_FUZZY);
	say(msg);
	say_ack(seq);
}

static void test_portions(void)
{
	static struct dmr_extent v[9001];
	struct dmr_nl *nl = client();
	struct nlattr *attrs[DMR_A_MAX + 1];
	struct dmr_released out;
	struct nlmsghdr *h;
	size_t nr = 0, i;

	for (i = 0; i < 9001; i++)
		v[i] = (struct dmr_extent){ 2 * i, 1 };
	for (i = 1; i <= 3; i++)
		say_released(i, 3 - i);
	is_int(dmr_nl_release(nl, DEV, 5, v, 9001, &out), 0, "RELEASE of 9001");
	ok(out.nr_held == 0 && out.epoch_flags == DMR_EPOCH_F_FUZZY,
	   "has the last answer");
	for (i = 0; i < 3 && heard(&h, attrs) == DMR_CMD_RELEASE; i++)
		nr += nla_len(attrs[DMR_A_EXTENTS]) / sizeof(v[0]);
	ok(i == 3 && nr == 9001, "in three requests");
	is_int(dmr_nl_release(nl, DEV, 5, v, 0, &out), -EINVAL, "of nothing");
	say_status(4, NLMSG_ERROR, -EINVAL, "chunk 7 is not frozen");
	is_int(dmr_nl_release(nl, DEV, 5, v, 9001, &out), -EINVAL,
	       "a refusal ends it");
	is_int(heard(&h, attrs), DMR_CMD_RELEASE, "after one request");
	is_int(heard(&h, attrs), -1, "and no second");
	say_ack(5);
	is_int(dmr_nl_mark(nl, DEV, NULL, 0), 0, "MARK of everything");
	ok(heard(&h, attrs) == DMR_CMD_MARK && !attrs[DMR_A_EXTENTS],
	   "has no extents");
	done(nl);
}

static void test_cut(void)
{
	struct dmr_nl *nl = client();
	struct dmr_cut cut;
	uint32_t seq;

	for (seq = 1; seq <= 2; seq++) {
		struct nl_msg *msg = message(seq, DMR_CMD_CUT);

		nla_put_u64(msg, DMR_A_EPOCH, 41 + seq);
		nla_put_u32(msg, DMR_A_EPOCH_FLAGS, 0);
		nla_put_u64(msg, DMR_A_CUT_TIME, 99);
		say(msg);
		say_ack(seq);
	}
	is_int(dmr_nl_cut(nl, DEV, 42, 0, &cut), 0, "CUT");
	ok(cut.epoch == 42 && cut.cut_time == 99, "its answer");
	is_int(dmr_nl_cut(nl, DEV, 42, 0, &cut), -EPROTO,
	       "an answer about another epoch");
	done(nl);
}

/* Random bytes in good frames: nothing but an error may come of it. */
static void test_noise(void)
{
	struct dmr_nl *nl = client();
	static unsigned char noise[300] __attribute__((aligned(8)));
	struct nlmsghdr *h = (struct nlmsghdr *)noise, *request;
	struct nlattr *attrs[DMR_A_MAX + 1];
	struct dmr_nl_event ev;
	struct dmr_info info;
	unsigned int i;
	size_t j;

	srandom(1);
	for (i = 1; i <= 3000; i++) {
		for (j = 0; j < sizeof(noise); j++)
			noise[j] = random() % 5 ? random() % 60 : random();
		h->nlmsg_len = i % 8 ? sizeof(noise) : i % 400;
		h->nlmsg_type = i % 3 ? FAMILY : NLMSG_ERROR;
		h->nlmsg_seq = i;
		if (i % 2)
			noise[NLMSG_HDRLEN] = DMR_CMD_EVENT;
		if (send(kernel, noise, sizeof(noise), 0) < 0)
			break;
		say_ack(i);
		dmr_nl_get(nl, DEV, &info);
		heard(&request, attrs);
		while (dmr_nl_next_event(nl, &ev) > 0)
			;
	}
	is_int(i, 3001, "noise does no harm");
	done(nl);
}

int main(void)
{
	test_get();
	test_meta();
	test_set();
	test_refusal();
	test_events_between();
	test_overrun();
	test_event_flood();
	test_bad_answers();
	test_dump();
	test_get_all();
	test_portions();
	test_cut();
	test_noise();
	is_str(dmr_state_name(DMR_STATE_ABORTED), "aborted", "names");
	is_str(dmr_event_name(99), "?", "unknown names");
	return tap_done();
}
