// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log on a device of which any one byte is another, which is cut off, or has
 * something of another one. If this fails, a stage crashes, hangs, shows what
 * never was, or shows an older image without a word.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-device.h"
#include "stage-flips.h"

#define NOTE		"/stage/log.device"
#define NR_SLOTS	(RIG_DEVICE_BYTES / RIG_SLOT)

static const struct stage_options on_device = {
	.history_ms = 3600000, .log_device = RIG_DEVICE,
};

static uint64_t slot_pos(unsigned int slot)
{
	return STAGE_DEVICE_HEAD + slot * RIG_SLOT;
}

/* The blocks that say what is where. */
static void test_blocks(void)
{
	struct seen seen = { 0 };
	uint64_t at;

	make_log(&on_device);
	flip_part(&on_device, NOTE, 0, UINT64_MAX, look, &seen);
	for (unsigned int i = 0; i < 2; i++) {
		at = i * STAGE_DEVICE_HEAD / 2;
		flip_part(&on_device, RIG_DEVICE, at, at + FLIP_SECTOR, look,
			  &seen);
	}
	for (unsigned int i = 0; i < 3; i++) {
		at = slot_pos(i);
		flip_part(&on_device, RIG_DEVICE, at, at + FLIP_SECTOR, look,
			  &seen);
	}
	say(&seen, "each byte of what says where a log is on a device");
	disk_destroy(d);
}

/* The segment in the first slot. */
static void test_segment(void)
{
	uint64_t from = slot_pos(0) + STAGE_BLOCK_BYTES, to = slot_pos(1);
	struct seen seen = { 0 }, zeros = { 0 };

	make_log(&on_device);
	flip_part(&on_device, RIG_DEVICE, from, to, look, &seen);
	say(&seen, "each byte of a segment in a slot");
	ok(seen.behind, "some cost epochs");
	zero_part(&on_device, RIG_DEVICE, from, to, STAGE_ALIGN, look, &zeros);
	say(&zeros, "each piece of it, which is zeros then");
	ok(zeros.behind, "some cost epochs");
	disk_destroy(d);
}

static void test_cut_off(void)
{
	struct seen seen = { 0 };

	make_log(&on_device);
	cut_off(&on_device, RIG_DEVICE, 8191, look, &seen);
	is_int(seen.wrong + seen.silent + seen.behind + seen.good, 0,
	       "a device that is cut off is not used: %u times", seen.nr);
	memset(&seen, 0, sizeof(seen));
	cut_off(&on_device, NOTE, 61, look, &seen);
	is_int(seen.wrong + seen.silent + seen.behind + seen.good, 0,
	       "nor where what names it is: %u times", seen.nr);
	disk_destroy(d);
}

/* A piece of @from's device in the place of one of ours. */
static void replace(struct disk *from, uint64_t there, uint64_t here,
		    uint64_t len, struct seen *seen)
{
	struct disk *whole = d;
	uint64_t size;

	d = disk_copy(whole);
	memcpy(disk_data(d, RIG_DEVICE, &size) + here,
	       disk_data(from, RIG_DEVICE, &size) + there, len);
	look(&on_device, seen);
	disk_destroy(d);
	d = whole;
}

static void test_foreign(void)
{
	struct seen seen = { 0 }, ours = { 0 };
	struct disk *other;

	make_log(&on_device);
	other = d;
	make_log(&on_device);
	replace(other, 0, 0, STAGE_DEVICE_HEAD, &seen);
	replace(other, 0, 0, RIG_DEVICE_BYTES, &seen);
	is_int(seen.damaged, 2, "another device's head is refused");
	replace(other, slot_pos(0), slot_pos(0), RIG_SLOT, &seen);
	replace(other, slot_pos(0), slot_pos(0), FLIP_SECTOR, &seen);
	is_int(seen.wrong + seen.silent, 0, "nothing of another device's slot "
	       "is shown, nor anything older without a word");
	/* As if the slot had been taken, and nothing was written there. */
	replace(other, slot_pos(0) + STAGE_BLOCK_BYTES,
		slot_pos(0) + STAGE_BLOCK_BYTES, RIG_SLOT - STAGE_BLOCK_BYTES,
		&seen);
	is_int(seen.wrong, 0, "nor of another log's segment in our slot");
	for (unsigned int i = 1; i < NR_SLOTS; i++) {
		replace(other, slot_pos(0), slot_pos(i), RIG_SLOT, &ours);
		replace(d, slot_pos(0), slot_pos(i), RIG_SLOT, &ours);
	}
	is_int(ours.wrong + ours.silent + ours.behind, 0, "what is in a free "
	       "slot besides takes nothing away: %u times right", ours.good);
	disk_destroy(d);
	disk_destroy(other);
}

int main(void)
{
	test_blocks();
	test_segment();
	test_cut_off();
	test_foreign();
	return tap_done();
}
