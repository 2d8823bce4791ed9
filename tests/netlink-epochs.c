// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The library's netlink client against the real module, on one new replica
 * device that nobody uses: netlink-epochs VOL. TAP. For the VM.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "extents.h"
#include "netlink.h"
#include "tap.h"

#define SCATTERED 9001

static struct dmr_nl *nl, *other;
static struct dmr_info info;
static const char *name;

static int find(void *arg, const struct dmr_info *i)
{
	if (!strcmp(i->name, name))
		info = *i;
	return 0;
}

/* Waits for an event of this type and epoch; others are passed over. */
static bool wait_event(struct dmr_nl *from, uint32_t type, uint64_t epoch)
{
	struct pollfd pfd = { .fd = dmr_nl_fd(from), .events = POLLIN };
	struct dmr_nl_event ev;
	int tries, ret;

	for (tries = 0; tries < 20000; tries++) {
		ret = dmr_nl_next_event(from, &ev);
		if (ret == 1 && ev.type == type && ev.epoch == epoch &&
		    !strcmp(ev.name, name))
			return true;
		if (ret == 0 && poll(&pfd, 1, 20000) <= 0)
			return false;
	}
	return false;
}

static void refused(int ret, int want, const char *what)
{
	is_int(ret, want, "%s is refused", what);
	ok(dmr_nl_error(nl)[0] && strcmp(dmr_nl_error(nl), strerror(-want)),
	   "in the kernel's words: %s", dmr_nl_error(nl));
}

static void test_before_attach(void)
{
	struct dmr_info got;

	is_int(dmr_nl_get_all(nl, find, NULL), 0, "GET of all");
	ok(info.dev, "has the volume");
	is_int(dmr_nl_get(nl, info.dev, &got), 0, "GET of one");
	ok(!memcmp(&got, &info, sizeof(got)), "says the same");
	ok(got.nr_dirty == got.sectors / got.chunk_sectors,
	   "a new volume is wholly dirty");
	refused(dmr_nl_cut(nl, info.dev, 1, 0, NULL), -EPERM,
		"CUT without ATTACH");
	refused(dmr_nl_get(nl, dmr_devno(1, 1), &got), -ENODEV,
		"GET of something else");
}

static void test_attach(void)
{
	is_int(dmr_nl_attach(nl, info.dev, &info), 0, "ATTACH");
	is_int(info.owner, dmr_nl_port(nl), "makes us the owner");
	is_int(dmr_nl_attach(other, info.dev, NULL), -EBUSY,
	       "of one at a time: %s", dmr_nl_error(other));
}

/* Ships one epoch; returns the runs that were frozen. */
static size_t ship(uint64_t epoch, uint64_t chunks)
{
	DMR_EXTENTS_AUTO set = dmr_extents_create();
	struct dmr_released released;
	const struct dmr_extent *v;
	struct dmr_cut cut;
	size_t nr;

	is_int(dmr_nl_cut(nl, info.dev, epoch, 0, &cut), 0, "CUT");
	is_int(dmr_nl_cut(nl, info.dev, epoch, 0, &cut), 0, "repeated");
	ok(wait_event(nl, DMR_EVENT_FROZEN, epoch), "FROZEN is told");
	is_int(dmr_nl_get_frozen(nl, info.dev, epoch, 0, 0,
				 dmr_extents_add_array, set), 0, "GET_FROZEN");
	is_int(dmr_extents_chunks(set), chunks, "has every chunk");
	v = dmr_extents_array(set, &nr);
	refused(dmr_nl_end(nl, info.dev, epoch, DMR_END_COMMIT), -EBUSY,
		"END(commit) before RELEASE");
	is_int(dmr_nl_release(nl, info.dev, epoch, v, nr, &released), 0,
	       "RELEASE of %zu runs", nr);
	ok(!released.nr_held && !released.epoch_flags, "nothing held, clean");
	is_int(dmr_nl_release(nl, info.dev, epoch, v, nr, &released), 0,
	       "repeated");
	is_int(dmr_nl_end(nl, info.dev, epoch, DMR_END_COMMIT), 0, "END");
	is_int(dmr_nl_end(nl, info.dev, epoch, DMR_END_COMMIT), 0, "repeated");
	is_int(dmr_nl_get(nl, info.dev, &info), 0, "GET");
	ok(info.last_committed == epoch && !info.nr_dirty && !info.epoch,
	   "it is committed, nothing is dirty");
	return nr;
}

static void test_scattered(void)
{
	static struct dmr_extent v[SCATTERED];
	DMR_EXTENTS_AUTO set = dmr_extents_create();
	size_t i;

	for (i = 0; i < SCATTERED; i++)
		v[i] = (struct dmr_extent){ 2 * i, 1 };
	is_int(dmr_nl_mark(nl, info.dev, v, SCATTERED), 0,
	       "MARK of %d scattered chunks", SCATTERED);
	is_int(dmr_nl_get_dirty(nl, info.dev, 0, 0, dmr_extents_add_array,
				set), 0, "GET_DIRTY");
	is_int(dmr_extents_runs(set), SCATTERED, "has them all");
	dmr_extents_clear(set);
	is_int(dmr_nl_get_dirty(nl, info.dev, 100, 50, dmr_extents_add_array,
				set), 0, "GET_DIRTY of a window");
	is_int(dmr_extents_runs(set), 25, "has those in it");
	is_int(ship(2, SCATTERED), SCATTERED, "ship them");
	refused(dmr_nl_get_frozen(nl, info.dev, 2, 0, 0, dmr_extents_add_array,
				  set), -ESTALE, "GET_FROZEN afterwards");
	refused(dmr_nl_cut(nl, info.dev, 2, 0, NULL), -ERANGE,
		"a number used before");
	v[0].start = info.sectors;
	refused(dmr_nl_mark(nl, info.dev, v, 1), -EINVAL,
		"MARK behind the end");
}

/* Refused while the cut that was aborted drains. */
static int join(uint64_t group)
{
	int ret = -EBUSY;

	for (int i = 0; ret == -EBUSY && i < 100; i++) {
		ret = dmr_nl_join(nl, info.dev, group);
		if (ret == -EBUSY)
			usleep(100000);
	}
	return ret;
}

static void test_abort(void)
{
	static const struct dmr_extent e = { 10, 5 };

	is_int(dmr_nl_mark(nl, info.dev, &e, 1), 0, "MARK");
	is_int(dmr_nl_cut(nl, info.dev, 3, DMR_EPOCH_F_FUZZY, NULL), 0,
	       "a fuzzy CUT");
	is_int(dmr_nl_end(nl, info.dev, 3, DMR_END_ABORT), 0, "END(abort)");
	is_int(dmr_nl_get(nl, info.dev, &info), 0, "GET");
	is_int(info.nr_dirty, 5, "it is dirty again");
	is_int(dmr_nl_hold(nl, info.dev, 1000), 0, "HOLD");
	is_int(dmr_nl_hold(nl, info.dev, 0), 0, "and go on");
	is_int(join(7), 0, "JOIN");
	is_int(dmr_nl_join(nl, info.dev, 0), 0, "alone again");
}

static int cut_retry(uint64_t epoch)
{
	int tries, ret = -EBUSY;

	for (tries = 0; tries < 10000 && ret == -EBUSY; tries++) {
		ret = dmr_nl_cut(nl, info.dev, epoch, 0, NULL);
		if (ret == -EBUSY)
			poll(NULL, 0, 1);
	}
	return ret;
}

/* Many events for a socket with little room, whose owner does not look. */
static void test_overrun(void)
{
	struct dmr_nl_event ev;
	int bytes = 1, lost = 0, ret;
	struct dmr_info got;
	uint64_t epoch;

	setsockopt(dmr_nl_fd(other), SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		   sizeof(bytes));
	for (epoch = 4; epoch < 64; epoch++)
		if (cut_retry(epoch) ||
		    !wait_event(nl, DMR_EVENT_FROZEN, epoch) ||
		    dmr_nl_end(nl, info.dev, epoch, DMR_END_ABORT))
			break;
	is_int(epoch, 64, "60 epochs, cut and aborted");
	is_int(dmr_nl_get(other, info.dev, &got), 0,
	       "a command on a socket that has overrun");
	is_int(got.highest_seen, 63, "has its answer");
	while ((ret = dmr_nl_next_event(other, &ev)))
		lost += ret == -ENOBUFS;
	is_int(lost, 1, "the loss is told, once");
}

static void test_owner_gone(void)
{
	is_int(cut_retry(100), 0, "CUT");
	dmr_nl_close(nl);
	nl = other;
	ok(wait_event(nl, DMR_EVENT_DETACHED, 0), "DETACHED is told");
	is_int(dmr_nl_attach(nl, info.dev, &info), 0, "another can ATTACH");
	ok(!info.epoch && info.nr_dirty == 5, "the open epoch was aborted");
}

int main(int argc, char **argv)
{
	int ret;

	if (argc != 2)
		return 2;
	name = argv[1];
	ret = dmr_nl_open(&nl);
	if (ret == -ENOENT)
		return tap_skip_all("the module is not loaded");
	is_int(ret, 0, "open");
	is_int(dmr_nl_open(&other), 0, "and another");
	test_before_attach();
	test_attach();
	ship(1, info.nr_dirty);
	test_scattered();
	test_abort();
	test_overrun();
	test_owner_gone();
	dmr_nl_close(nl);
	return tap_done();
}
