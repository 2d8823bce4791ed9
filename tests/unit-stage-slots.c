// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The slots of a log's device. If this fails, one is used again while what it
 * has is needed, an image is shown that is older than what was acknowledged, or
 * a bad one costs epoch after epoch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-delete.h"
#include "stage-device.h"
#include "stage-promote.h"
#include "stage-scene.h"
#include "tap.h"

#define NOTE	"/stage/log.device"
#define HOUR_MS	3600000ULL

static const struct stage_options on_device = {
	.history_ms = HOUR_MS, .log_device = RIG_DEVICE,
};
static const struct stage_options at_once = { .log_device = RIG_DEVICE };
static const struct stage_options by_note = { .history_ms = HOUR_MS };

/* --- what is damaged ------------------------------------------------------ */

/* The newest of the log: its slot, and the header of its last commit. */
static unsigned int newest(char *commit)
{
	struct stage_group *g = stage_find(s, "a")->g;
	uint64_t size, lsn = g->clean_lsn;
	struct stage_segment *seg = stage_segment_find(g,
						stage_lsn_segment(lsn));

	memcpy(commit, disk_data(d, RIG_DEVICE, &size) + seg->at +
	       stage_lsn_pos(lsn), STAGE_RECORD_BYTES);
	return seg->slot;
}

/* Is the commit still somewhere? */
static bool has_commit(struct disk *disk, const char *commit)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(disk, i)); i++) {
		uint64_t size;
		const char *data = disk_data(disk, name, &size);

		if (data && memmem(data, size, commit, STAGE_RECORD_BYTES))
			return true;
	}
	return false;
}

/* In a file of the log's folder, beside what else there is? */
static bool is_copied(const char *commit)
{
	const char *name;
	uint64_t size;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++) {
		const char *data = strstr(name, ".seg.lost") ?
				   disk_data(d, name, &size) : NULL;

		if (data && memmem(data, size, commit, STAGE_RECORD_BYTES))
			return true;
	}
	return false;
}

struct damage {
	char commit[STAGE_RECORD_BYTES];
	unsigned int slot;
};

/* Epochs in several segments; the newest one's beginning is damaged. */
static void make_damage(struct damage *x, bool is_slot, bool is_front)
{
	uint64_t at;

	begin(&on_device, 1);
	write_epochs(1, 12);
	x->slot = newest(x->commit);
	at = slot_at(x->slot);
	shut();
	if (is_slot)
		spoil(at + 40);
	if (is_front)
		spoil(at + STAGE_BLOCK_BYTES + 40);
	if (is_front)			/* and its first record */
		spoil(at + 2 * STAGE_BLOCK_BYTES + 8);
}

/* T4, Z3: nothing of it goes, whichever call fails, before it is elsewhere. */
static void test_damage_is_kept(void)
{
	struct error err = { 0 };
	unsigned int bad = 0, lost = 0;
	struct disk *whole, *cut;
	struct damage x;

	make_damage(&x, false, true);
	whole = d;
	for (uint64_t n = 1; n < 60; n++) {
		d = disk_cut(whole, disk_moment(whole), 1);
		disk_fail(d, n, -ENOSPC, 1000000);
		stage_close(rig_open(d, &on_device, &err));
		lost += !has_commit(d, x.commit);
		cut = disk_cut(d, disk_moment(d), n);
		lost += !has_commit(cut, x.commit);
		disk_destroy(cut);
		disk_fail(d, 0, 0, 0);
		error_clear(&err);
		bad += restart(&on_device, &err) ||
		       client_hello(&c, 1, 5) || client_epoch(&c, NULL, 40, 40,
							      true);
		lost += !has_commit(d, x.commit);
		shut();
		disk_destroy(d);
	}
	d = whole;
	is_int(lost, 0, "a commit in a slot with a damaged front is kept");
	is_int(bad, 0, "and the log goes on: %s", err.text);
	is_int(restart(&on_device, &err), 0, "with none that fails, too");
	ok(is_copied(x.commit), "it is in the directory then");
	is_int(count_slots(STAGE_SLOT_LOST), 0, "and its slot is free");
	end();
}

/* Epochs of no interest: more than a slot takes. */
static bool fill_slots(void)
{
	bool is_good = !client_hello(&c, 1, c.h.session.attaches + 1);
	unsigned int nr = 30;

	for (uint64_t e = c.h.last_clean + 50; is_good && nr--; e++)
		is_good = !client_epoch(&c, NULL, e, e, true);
	return is_good;
}

static bool is_whole_after_a_cut(const char *commit)
{
	struct disk *cut = disk_cut(d, disk_moment(d), 0);
	bool has = has_commit(cut, commit);

	disk_destroy(cut);
	return has;
}

/* T4: a slot is used again after a copy of it, durably; or it is not. */
static void test_slot_after_copy(void)
{
	struct error err = { 0 };
	struct damage x;
	uint64_t number;

	make_damage(&x, false, true);
	is_int(restart(&on_device, &err), 0, "damage is copied: %s", err.text);
	number = s->device->slots[x.slot].b.number;
	ok(fill_slots() && s->device->slots[x.slot].b.number != number,
	   "then the slot is used again");
	ok(is_whole_after_a_cut(x.commit), "the copy survives a power cut");
	end();
	make_damage(&x, false, true);
	disk_break(d, ".lost");
	is_int(restart(&on_device, &err), 0, "no copy can be made: %s",
	       err.text);
	is_int(count_slots(STAGE_SLOT_LOST), 1, "the slot is not free");
	ok(fill_slots() && has_commit(d, x.commit), "nor used again");
	is_int(restart(&on_device, &err), 0, "also by the next one");
	ok(fill_slots() && has_commit(d, x.commit), "who opens the stage");
	disk_break(d, "");
	is_int(restart(&on_device, &err), 0, "until it can be copied");
	ok(is_copied(x.commit) && !count_slots(STAGE_SLOT_LOST), "and is free");
	end();
}

/* A slot whose own block is damaged has its segment all the same. */
static void test_slot_block(void)
{
	struct error err = { 0 };
	struct damage x;

	make_damage(&x, true, false);
	is_int(restart(&on_device, &err), 0, "a damaged slot's block: %s",
	       err.text);
	ok(goes_on(13), "costs nothing");
	end();
}

static char told[256];
static unsigned int nr_told;

static void hear(const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
	nr_told++;
}

/* Is something told by who opens the stage? */
static bool is_told(void)
{
	told[0] = 0;
	nr_told = 0;
	stage_tell_notices(s, hear);
	return nr_told;
}

/* Of what is shown, all is as it was. */
static bool shows_older(void)
{
	uint64_t e = c.h.last_clean;

	return !e || (m.is_there[e] && shows(&c, m.image[e]));
}

/* B7: nobody knows whose the newest segment was. */
static void test_nobodys_slot(void)
{
	struct error err = { 0 };
	struct damage x;

	make_damage(&x, true, true);
	is_int(restart(&on_device, &err), 0, "nobody knows whose it is: %s",
	       err.text);
	ok(c.h.last_clean && c.h.last_clean < 12 && shows_older(),
	   "there is an older image, of epoch %llu",
	   (unsigned long long)c.h.last_clean);
	ok(is_told() && strstr(told, "slot"), "which is told: %s", told);
	is_int(nr_told, 1, "once");
	is_int(stage_device_nr_out(s->device), 1, "the slot is out of use");
	ok(has_commit(d, x.commit), "and stays as it is");
	shut();
	spoil(slot_at(x.slot) + STAGE_BLOCK_BYTES + 40);
	spoil(slot_at(x.slot) + 2 * STAGE_BLOCK_BYTES + 8);
	error_clear(&err);
	ok(!restart(&on_device, &err) && goes_on(13), "nothing is lost when "
	   "the segment's own is back: %s", err.text);
	end();
}

/* Z7: the log has gone on without it, and then it is good again. */
static void test_nobodys_slot_comes_back(void)
{
	struct error err = { 0 };
	struct damage x;

	make_damage(&x, true, true);
	restart(&on_device, &err);
	client_hello(&c, 1, 5);
	fill(m.image[40], RIG_BYTES, 0, 40);
	ok(!client_open(&c, 40) && !client_write(&c, NULL, 0, 24, 40) &&
	   !client_commit(&c, NULL, 40, true), "the log goes on without it");
	restart(&on_device, &err);
	ok(is_told(), "it is told each time");
	shut();
	spoil(slot_at(x.slot) + 40);
	spoil(slot_at(x.slot) + STAGE_BLOCK_BYTES + 40);
	spoil(slot_at(x.slot) + 2 * STAGE_BLOCK_BYTES + 8);
	error_clear(&err);
	ok(!restart(&on_device, &err) && c.h.last_clean == 40 &&
	   shows(&c, m.image[40]), "when it is good again it is not what came "
	   "last: %s", err.text);
	ok(has_commit(d, x.commit), "it is kept");
	end();
	make_damage(&x, true, true);
	restart(&on_device, &err);
	ok(fill_slots() && has_commit(d, x.commit), "it is not used");
	end();
}

/* B7: whichever it is. Two logs; nothing is wrong, and nothing is silent. */
static void test_each_slot(void)
{
	const struct stage_volume_config config = {
		.name = "b", .base = "/base/b", .bytes = RIG_BYTES,
	};
	unsigned int wrong = 0, silent = 0, whole = 0, older = 0, other = 0;
	struct error err = { 0 };
	struct disk *good;
	struct client b;

	begin(&on_device, 1);
	stage_create_volume(s, &config, NULL, &err);
	client_connect(&b, s, "b");
	client_hello(&b, 1, 1);
	client_epoch(&b, NULL, 1, 1, true);
	client_close(&b);
	write_epochs(1, 12);
	shut();
	good = d;
	for (unsigned int i = 0; i < 24; i++) {
		bool is_bad;

		d = disk_copy(good);
		spoil(slot_at(i) + 40);
		spoil(slot_at(i) + STAGE_BLOCK_BYTES + 40);
		error_clear(&err);
		is_bad = restart(&on_device, &err);
		silent += !s || !is_told();
		whole += !is_bad && c.h.last_clean == 12;
		older += !is_bad && c.h.last_clean < 12;
		wrong += !is_bad && !shows_older();
		if (s && !client_connect(&b, s, "b")) {
			other += b.h.last_clean == 1;
			client_close(&b);
		}
		shut();
		disk_destroy(d);
	}
	d = good;
	printf("# %u whole, %u older\n", whole, older);
	ok(whole > 15 && older, "one slot is damaged: most cost nothing");
	is_int(other, 23, "another log has its own");
	is_int(wrong, 0, "no image is wrong");
	is_int(silent, 0, "each is told");
	end();
}

/* B8 */
static void test_unreadable_slot(int word)
{
	struct error err = { 0 };
	unsigned int older = 0, refused = 0;

	begin(&on_device, 1);
	write_epochs(1, 12);
	for (uint64_t n = 1; n <= 60; n++) {
		disk_fail_read(d, n);
		disk_set_read_error(d, word);
		if (restart(&on_device, &err))
			refused++;
		else
			older += c.h.last_clean != 12;
		disk_fail_read(d, 0);
		error_clear(&err);
		older += restart(&on_device, &err) || c.h.last_clean != 12;
	}
	ok(refused > 24, "%u reads of a slot, or of what is in it", refused);
	is_int(older, 0, "whichever fails, nothing older is shown");
	end();
}

/* Z3: an epoch's data and its commit are in two slots. */
static void test_data_before_a_commit(void)
{
	struct error err = { 0 };
	char commit[STAGE_RECORD_BYTES], data[STAGE_RECORD_BYTES];
	struct stage_group *g;
	unsigned int slot;
	uint64_t size;

	begin(&on_device, 1);
	client_open(&c, 4);
	client_write(&c, &m, 0, 24, 4);
	client_commit(&c, &m, 4, true);
	newest(commit);
	g = stage_find(s, "a")->g;
	slot = g->segments[g->nr_segments - 2]->slot;
	memcpy(data, disk_data(d, RIG_DEVICE, &size) + slot_at(slot) +
	       RIG_SLOT / 2, sizeof(data));
	shut();
	spoil(slot_at(slot) + STAGE_BLOCK_BYTES + 40);
	spoil(slot_at(slot) + 2 * STAGE_BLOCK_BYTES + 8);
	restart(&on_device, &err);
	ok(fill_slots() && has_commit(d, commit) && has_commit(d, data),
	   "a commit that cannot be used is kept, and what it is of");
	end();
}

/* T4: also a promotion leaves it, which has no use for the rest of the log. */
static void test_lost_stays(void)
{
	struct stage_options still = on_device;
	struct error err = { 0 };
	struct damage x;

	still.is_still = true;
	make_damage(&x, false, true);
	disk_break(d, ".lost");
	ok(!restart(&still, &err) &&
	   !stage_fence(c.v, c.h.last_clean, 77, &err) &&
	   !stage_fence_apply(c.v, &err) && !stage_fence_finish(c.v, &err),
	   "promoted without a commit that is damaged: %s", err.text);
	is_int(count_slots(STAGE_SLOT_USED), 0, "its log is gone");
	is_int(count_slots(STAGE_SLOT_LOST), 1, "but for what it could not use");
	ok(has_commit(d, x.commit), "that can be looked at");
	end();
}

/* --- what fails ----------------------------------------------------------- */

/* T3. Clean epochs that were refused, of so many. */
static unsigned int count_refused(uint64_t from, uint64_t to)
{
	unsigned int nr = 0;

	for (uint64_t e = from; e <= to; e++)
		if (client_epoch(&c, &m, e, e, true)) {
			nr++;
			model_drop(&m);
			client_hello(&c, 1, e + 2);
		}
	return nr;
}

static void test_bad_slot(void)
{
	begin(&at_once, 1);
	disk_break_range(d, RIG_DEVICE, slot_at(1), RIG_SLOT);
	is_int(count_refused(1, 60), 1, "a bad slot costs one epoch");
	ok(shows(&c, m.image[m.clean]), "the rest are there");
	is_int(stage_device_nr_out(s->device), 1, "it is out of use");
	end();
}

/* T3: one that was full is not one that is bad. */
static void test_full_at_sync(void)
{
	begin(&on_device, 1);
	write_epochs(1, 2);
	disk_set_sync_error(d, -ENOSPC);
	disk_fail_sync(d, RIG_DEVICE, 1);
	is_int(client_epoch(&c, &m, 3, 3, true), -ENOSPC, "a thin device that "
	       "is full says so at the sync: %s", c.err.text);
	model_drop(&m);
	client_hello(&c, 1, 2);
	ok(write_epochs(4, 5), "it has room again");
	stage_settle(c.v, true, NULL);
	is_int(stage_device_nr_out(s->device), 0, "all of its slots are good");
	disk_set_sync_error(d, 0);
	ok(write_epochs(6, 7) && info_now().nr_epochs >= 2, "it has history");
	disk_fail_sync(d, RIG_DEVICE, 1);
	is_int(client_epoch(&c, &m, 8, 8, true), -EIO, "or that it is bad: %s",
	       c.err.text);
	model_drop(&m);
	stage_settle(c.v, false, NULL);
	ok(info_now().nr_epochs < 2, "history makes room in any case");
	client_hello(&c, 1, 3);
	ok(write_epochs(9, 10), "others go on");
	stage_settle(c.v, true, NULL);
	is_int(stage_device_nr_out(s->device), 0, "no slot is blamed for it");
	end();
}

/* E2: what leads to the log stays until its slots are free. */
static void test_delete(void)
{
	struct error err = { 0 };
	unsigned int used;
	uint64_t size;

	begin(&on_device, 1);
	write_epochs(1, 12);
	used = count_slots(STAGE_SLOT_USED);
	client_close(&c);
	disk_break(d, RIG_DEVICE);
	ok(stage_delete(stage_find(s, "a"), 0, &err), "a device that fails: %s",
	   err.text);
	ok(disk_data(d, "/stage/a.delete", &size), "what was begun is noted");
	stage_close(s);
	s = rig_open(d, &by_note, &err);
	ok(disk_data(d, "/stage/a.delete", &size) &&
	   disk_data(d, NOTE, &size), "also by one who opens the stage then");
	stage_close(s);
	disk_break(d, "");
	error_clear(&err);
	s = rig_open(d, &by_note, &err);
	ok(s && !disk_data(d, "/stage/a.delete", &size), "it is ended when the "
	   "device is well: %s", err.text);
	ok(used > 1 && !count_slots(STAGE_SLOT_USED), "%u slots are free",
	   used);
	stage_close(s);
	disk_destroy(d);
}

/* History goes when no slot is free, whatever the budget says. */
static void test_no_slot_is_free(void)
{
	begin(&on_device, 1);
	for (unsigned int i = 6; i < s->device->block.nr_slots; i++)
		s->device->slots[i].is_out = true;
	is_int(count_refused(1, 60), 0, "six slots are enough for sixty "
	       "epochs: %s", c.err.text);
	ok(shows(&c, m.image[60]), "the newest is shown");
	client_open(&c, 61);
	while (!client_write(&c, NULL, 0, 24, 61))
		;
	ok(strstr(c.err.text, "18 slots of its device are out of use"),
	   "what does not fit is told why: %s", c.err.text);
	end();
}

/*
 * Log A9: a link that breaks while an epoch is open, and a server that is
 * killed then, with partial epochs between them. Each would take a slot.
 */
static bool is_never_full(bool is_kill, bool has_partial, bool is_long)
{
	struct error err = { 0 };
	bool is_good = true;
	uint64_t e = 1;

	begin(&on_device, 1);
	write_epochs(1, 2);
	for (unsigned int i = 0; is_good && i < 60; i++) {
		e = 10 + 2 * i;
		if (has_partial && !(i % 10))
			is_good = !client_epoch(&c, &m, e, i, false);
		client_open(&c, e + 1);
		for (unsigned int n = 0; n < (is_long ? 20 : 2); n++)
			client_write(&c, NULL, n, 1, i);
		if (is_kill) {
			struct disk *killed = disk_kill(d, disk_moment(d));

			shut();
			disk_destroy(d);
			d = killed;
			s = rig_open(d, &on_device, &err);
			client_connect(&c, s, "a");
			is_good = is_good && !client_hello(&c, 1, 100 + i);
		} else {
			is_good = is_good && !come_back(100 + i);
		}
		model_drop(&m);
	}
	fill(m.image[1], RIG_BYTES, 0, 77);
	is_good = is_good && !client_open(&c, 300) &&
		  !client_write(&c, NULL, 0, RIG_BYTES / RIG_CHUNK, 77) &&
		  !client_commit(&c, NULL, 300, true) &&
		  shows(&c, m.image[1]);
	if (!is_good)
		printf("# at %llu, %u slots: %s\n", (unsigned long long)e,
		       count_slots(STAGE_SLOT_USED), c.err.text);
	end();
	return is_good;
}

static void test_breaks_take_no_slots(void)
{
	ok(is_never_full(false, false, false), "60 links break");
	ok(is_never_full(false, true, false), "with partial epochs between");
	ok(is_never_full(false, true, true), "in epochs of more than a slot");
	ok(is_never_full(true, false, false), "60 kills");
	ok(is_never_full(true, true, false), "with partial epochs between");
}

/*
 * Log A9: the slot of a segment that was given up cannot be written any more.
 * So it is there again when the stage is opened, and leads to where it began.
 */
static void test_given_up_comes_back(void)
{
	struct error err = { 0 };
	unsigned int bad = 0;

	begin(&on_device, 1);
	client_open(&c, 1);
	client_write(&c, NULL, 0, 4, 1);
	client_write(&c, NULL, 4, 4, 1);
	client_write(&c, NULL, 8, 2, 1);
	client_write(&c, NULL, 10, 4, 1);
	is_int(count_slots(STAGE_SLOT_USED), 2, "an epoch in two slots");
	disk_break_range(d, RIG_DEVICE, slot_at(1), STAGE_SECTOR);
	is_int(come_back(2), 0, "it is given up");
	for (uint64_t e = 2; e < 12; e++)
		bad += client_open(&c, e) || client_zero(&c, &m, e, 1) ||
		       client_commit(&c, &m, e, true);
	is_int(bad, 0, "the log goes on where it had begun");
	is_int(restart(&on_device, &err), 0, "the stage is opened again");
	ok(c.h.last_clean == 11 && shows(&c, m.image[11]), "all is there: %llu",
	   (unsigned long long)c.h.last_clean);
	end();
}

/*
 * Log A9: the same, but the stage has been opened since, and the slot is
 * damaged when the log is beyond where that segment began.
 */
static void test_given_up_is_damaged_later(void)
{
	struct error err = { 0 };
	uint64_t begun, e = 2;
	bool bad = false;

	begin(&on_device, 1);
	client_open(&c, 1);
	client_write(&c, NULL, 0, 4, 1);
	client_write(&c, NULL, 4, 4, 1);
	client_write(&c, NULL, 8, 2, 1);
	client_write(&c, NULL, 10, 4, 1);
	is_int(count_slots(STAGE_SLOT_USED), 2, "an epoch in two slots");
	begun = stage_load(&c.v->g->segments[0]->end);
	come_back(2);
	is_int(restart(&on_device, &err), 0, "it is given up");
	client_hello(&c, 1, 9);
	for (; stage_lsn_pos(c.v->g->end_lsn) <= begun && !bad; e++)
		bad = client_open(&c, e) || client_zero(&c, &m, e % 24, 1) ||
		      client_commit(&c, &m, e, true);
	ok(!bad && count_slots(STAGE_SLOT_USED) == 1,
	   "the log goes on in the first, beyond that");
	shut();
	spoil(slot_at(1) + 40);
	error_clear(&err);
	is_int(restart(&on_device, &err), 0, "the slot is damaged: %s",
	       err.text);
	ok(c.h.last_clean == e - 1 && shows(&c, m.image[e - 1]),
	   "all is there: %llu of %llu", (unsigned long long)c.h.last_clean,
	   (unsigned long long)e - 1);
	end();
}

/* Log A9: not where a commit is behind, which somebody may look at. */
static void test_commit_stays_behind(void)
{
	struct error err = { 0 };
	char commit[STAGE_RECORD_BYTES];
	struct stage_group *g;
	uint64_t pos;

	begin(&on_device, 1);
	write_epochs(1, 1);
	g = c.v->g;
	pos = g->current->at + stage_lsn_pos(g->end_lsn);
	write_epochs(2, 2);
	newest(commit);
	shut();
	spoil(pos + 8);
	is_int(restart(&on_device, &err), 0, "damage before a commit: %s",
	       err.text);
	is_int(c.h.last_clean, 1, "it does not count");
	ok(!client_hello(&c, 1, 9) && !client_epoch(&c, NULL, 30, 30, true),
	   "the log goes on");
	ok(has_commit(d, commit), "and leaves it as it is");
	end();
}

/* P7: a group that was there first does not keep all for its history. */
static void test_others_find_room(void)
{
	const struct stage_volume_config config = {
		.name = "b", .base = "/base/b", .bytes = RIG_BYTES,
	};
	const struct stage_options o = {
		.history_ms = HOUR_MS, .history_bytes = RIG_DEVICE_BYTES,
		.log_bytes = RIG_DEVICE_BYTES, .log_device = RIG_DEVICE,
	};
	struct error err = { 0 };
	unsigned int before;
	struct client b;
	int ret = 0;

	begin(&o, 1);
	for (uint64_t e = 1; e < 200 && count_slots(STAGE_SLOT_USED) < 16; e++)
		client_epoch(&c, NULL, e, e, true);
	is_int(count_slots(STAGE_SLOT_USED), 16, "a group has much history");
	before = info_now().nr_epochs;
	is_int(stage_create_volume(s, &config, NULL, &err), 0, "a second group "
	       "%s", err.text);
	client_connect(&b, s, "b");
	client_hello(&b, 1, 1);
	ret = client_open(&b, 1);
	for (unsigned int i = 0; !ret && i < 10; i++)
		ret = client_write(&b, NULL, 0, 20, i);
	is_int(ret, 0, "its epoch needs more than is free: %s", b.err.text);
	is_int(client_commit(&b, NULL, 1, true), 0, "it is committed");
	ok(info_now().nr_epochs < before, "history of the first one went");
	ok(info_now().nr_epochs, "not all of it");
	client_close(&b);
	end();
}

int main(void)
{
	test_damage_is_kept();
	test_slot_after_copy();
	test_lost_stays();
	test_slot_block();
	test_nobodys_slot();
	test_nobodys_slot_comes_back();
	test_each_slot();
	test_unreadable_slot(-EIO);
	test_unreadable_slot(-ENODATA);
	test_unreadable_slot(-EBADMSG);
	test_data_before_a_commit();
	test_bad_slot();
	test_full_at_sync();
	test_delete();
	test_no_slot_is_free();
	test_others_find_room();
	test_breaks_take_no_slots();
	test_given_up_comes_back();
	test_given_up_is_damaged_later();
	test_commit_stays_behind();
	return tap_done();
}
