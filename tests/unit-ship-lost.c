// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A connection that breaks while nothing is asked of it. If this failed, the
 * daemon would say that it replicates, and ship nothing any more.
 */
#include "ship-rig.h"

static void kick(void)
{
	group_kick(group);
}

static bool is_ready(void)
{
	return group->volumes->target.state == TARGET_READY &&
	       group->volumes->reconnects;
}

static void test_lost(const char *what, void (*before)(void))
{
	begin(what, 1, "heartbeat=1h");
	check_replica(1, "sync");
	rigs[0].fake->before_lost = before;
	rigs[0].fake->is_down = true;
	fake_break(rigs[0].fake);
	ok(run_until(is_connecting, 5000), "it says so");
	rigs[0].fake->is_down = false;
	ok(run_until(is_ready, 20000), "it connects again");
	write_chunks(&rigs[0], 7, 5);
	check_replica(1, "after that");
	stop();
}

int main(void)
{
	rig_setup();
	test_lost("a connection breaks", NULL);
	/* G6 */
	test_lost("… in the turn in which the group looks around", kick);
	return rig_clear() | tap_done();
}
