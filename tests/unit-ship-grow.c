// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A table that becomes longer between the look before a cut and the cut. If
 * this failed, the last chunk would be shipped up to the old end, and be clean.
 */
#include "ship-rig.h"

#define ODD	(BYTES + 512)	/* no whole number of chunks */

/* Volumes of that size on targets that have room for it. */
static void begin_odd(const char *what, unsigned int nr)
{
	begin(what, nr, "");
	stop();
	for (unsigned int i = 0; i < nr; i++) {
		fake_setup(rigs[i].fake, ODD);
		sim_grow(rigs[i].name, ODD, true);
	}
	start(nr, "");
	ok(run_until(is_replicating, 10000), "it replicates");
}

static bool is_over(void)
{
	return group->ship.phase == SHIP_IDLE;
}

/* The look is over: what run_clock() found it has acted upon. */
static void grow_and_cut(unsigned int nr, unsigned int which)
{
	uint64_t before = group->epochs_aborted;

	is_int(sim_grow(rigs[which].name, ODD + 2048, true), 0, "it grows");
	ship_start(&group->ship, group->volumes, group_next_epoch(group),
		   false);
	ok(run_until(is_over, 10000), "the epoch ends");
	is_int(group->epochs_aborted - before, 1, "it is aborted");
	is_int(rigs[which].volume->target.volume_bytes, ODD,
	       "the target knows of no more");
	for (unsigned int i = 0; i < nr; i++)
		ok(info_of(&rigs[i]).nr_dirty, "volume %u: is dirty still", i);
}

static void test_one(void)
{
	begin_odd("a volume grows just before the cut", 1);
	grow_and_cut(1, 0);
	stop();
}

static void test_member(void)
{
	begin_odd("a member of a group does", 2);
	write_chunk(&rigs[0], 3);
	grow_and_cut(2, 1);
	stop();
}

static unsigned int nr_asked;

static void ask(void *arg, const char *volume)
{
	nr_asked++;
}

static bool is_asked(void)
{
	return nr_asked;
}

/* G3: who was asked was without memory. */
static void test_asking(void)
{
	begin_odd("nobody takes the growth up", 1);
	reactor.grown = ask;
	sim_grow(rigs[0].name, ODD + 2048, true);
	ok(run_until(is_asked, 10000), "somebody is asked");
	nr_asked = 0;
	ok(run_until(is_asked, 30000), "and again after a while");
	stop();
}

int main(void)
{
	rig_setup();
	test_one();
	test_member();
	test_asking();
	return rig_clear() | tap_done();
}
