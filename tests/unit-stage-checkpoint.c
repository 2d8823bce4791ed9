// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The two copies of a checkpoint. If this fails, two power cuts, or one bad
 * sector, leave a replica that nobody can open: its log and its base are whole,
 * and it is in error for ever. STAGE_SEEDS sets how many subsets are tried for
 * a second cut (2); for the first one it is twice as many.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stage-scene.h"
#include "stage-fault.h"
#include "tap.h"

#define EPOCHS	3
#define PATH	RIG_DIR "/a.log/checkpoint"

static const struct stage_options hour = { .history_ms = 3600000 };

/* Opened, with the newest image that was answered. */
static bool is_whole(struct disk *cut)
{
	struct stage *opened = rig_open(cut, &hour, NULL);
	struct client other;
	bool is_good;

	if (!opened)
		return false;
	is_good = stage_find(opened, "a") &&
		  !client_connect(&other, opened, "a");
	if (is_good) {
		is_good = other.h.last_clean == EPOCHS &&
			  shows(&other, m.image[EPOCHS]);
		client_close(&other);
	}
	stage_close(opened);
	return is_good;
}

/* Nothing of what was not synced, all of it, and pieces. */
static struct disk *cut_at(const struct disk *disk, uint64_t at,
			   unsigned int seed)
{
	return disk_cut(disk, at, seed < 2 ? seed : at * 7919 + seed * 104729);
}

/* It is cut at each moment of its own opening, once more. */
static unsigned int count_second(struct disk *cut, unsigned int seeds,
				 unsigned int *nr)
{
	uint64_t from = disk_moment(cut), to;
	struct stage *opened = rig_open(cut, &hour, NULL);
	unsigned int bad = 0;

	if (!opened)
		return 1;
	to = disk_moment(cut);
	for (uint64_t at = from; at <= to; at++)
		for (unsigned int seed = 0; seed < seeds; seed++) {
			struct disk *again = cut_at(cut, at, seed);

			bad += !is_whole(again);
			++*nr;
			disk_destroy(again);
		}
	stage_close(opened);
	return bad;
}

/* Two cuts: in the applier's checkpoint, and when it is opened then. */
static unsigned int count_both(unsigned int *nr)
{
	unsigned int seeds = atoi(getenv("STAGE_SEEDS") ?: "2"), bad = 0;
	uint64_t from, to;

	begin(&hour, 1);
	write_epochs(1, EPOCHS);
	from = disk_moment(d);
	stage_settle(c.v, true, NULL);
	to = disk_moment(d);
	for (uint64_t at = from; at <= to; at++)
		for (unsigned int seed = 0; seed < 2 * seeds; seed++) {
			struct disk *cut = cut_at(d, at, seed);

			bad += count_second(cut, seeds, nr);
			disk_destroy(cut);
		}
	end();
	return bad;
}

static void test_two_cuts(void)
{
	unsigned int nr = 0;

	is_int(count_both(&nr), 0, "cut twice, it can be opened");
	ok(nr > 500, "%u times", nr);
}

/*
 * Copy @i is not good when it is opened, and the write of the other one goes
 * wrong then, and leaves it damaged. 0: it can be opened all the same.
 */
static int lose_one_by_one(unsigned int i)
{
	uint64_t at = i * STAGE_BLOCK_BYTES;
	uint64_t other = (1 - i) * STAGE_BLOCK_BYTES;
	struct error err = { 0 };
	int ret;

	begin(&hour, 1);
	write_epochs(1, EPOCHS);
	stage_settle(c.v, true, NULL);
	spoil_file(PATH, at + 40);
	disk_break_range(d, PATH, other, STAGE_BLOCK_BYTES);
	restart(&hour, &err);
	disk_break_range(d, PATH, other, 0);
	spoil_file(PATH, other + 40);
	error_clear(&err);
	ret = restart(&hour, &err);
	if (!ret && !shows(&c, m.image[EPOCHS]))
		ret = -EBADMSG;
	end();
	return ret;
}

/* C3 */
static void test_damaged(void)
{
	is_int(lose_one_by_one(0), 0, "the first one is bad, then the other");
	is_int(lose_one_by_one(1), 0, "the second one, then the other");
	stage_faults = STAGE_FAULT_C3;
	ok(lose_one_by_one(1), "C3 off: noticed");
	stage_faults = 0;
}

static void test_unreadable(void)
{
	struct error err = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		begin(&hour, 1);
		write_epochs(1, EPOCHS);
		stage_settle(c.v, true, NULL);
		disk_break_reads(d, PATH, i * STAGE_BLOCK_BYTES, 1);
		is_int(restart(&hour, &err), 0, "without copy %u: %s", i,
		       err.text);
		ok(shows(&c, m.image[EPOCHS]), "the image is there");
		disk_break_reads(d, PATH, 0, 0);
		ok(goes_on(EPOCHS + 1), "and goes on");
		end();
	}
	begin(&hour, 1);
	write_epochs(1, EPOCHS);
	disk_break_reads(d, PATH, 0, 2 * STAGE_BLOCK_BYTES);
	ok(restart(&hour, &err), "without both it is not guessed");
	disk_break_reads(d, PATH, 0, 0);
	is_int(restart(&hour, &err), 0, "and is there when they are");
	end();
}

int main(void)
{
	test_two_cuts();
	test_damaged();
	test_unreadable();
	return tap_done();
}
