// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log on a device. If this fails, a device is written that is somebody
 * else's; a stage loses the way to its log; a slot is used again while what it
 * has is needed; or one that is bad costs epoch after epoch.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-delete.h"
#include "stage-device.h"
#include "stage-rig.h"
#include "tap.h"

#define NOTE	"/stage/log.device"
#define OTHER	"/dev/other"
#define HOUR_MS	3600000ULL

static const struct stage_options on_device = {
	.history_ms = HOUR_MS, .log_device = RIG_DEVICE,
};
static const struct stage_options at_once = { .log_device = RIG_DEVICE };
static const struct stage_options by_note = { .history_ms = HOUR_MS };

static struct disk *d;
static struct stage *s;
static struct client c;
static struct model m;

static void begin(const struct stage_options *o)
{
	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, o, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
}

static void shut(void)
{
	client_close(&c);
	stage_close(s);
	s = NULL;
}

static void end(void)
{
	shut();
	disk_destroy(d);
}

/* As after the end of its process; -EIO: it is there, and in error. */
static int restart(const struct stage_options *o, struct error *err)
{
	struct stage_info info;

	client_close(&c);
	stage_close(s);
	s = rig_open(d, o, err);
	if (!s || !stage_find(s, "a"))
		return err->code ? err->code : -ENOENT;
	stage_get_info(stage_find(s, "a"), &info);
	if (info.state == STAGE_ERROR) {
		*err = info.error;
		return -EIO;
	}
	return client_connect(&c, s, "a");
}

static bool write_epochs(uint64_t from, uint64_t to)
{
	for (uint64_t e = from; e <= to; e++)
		if (client_epoch(&c, &m, e, e, true))
			return false;
	return true;
}

/* It goes on, after a restart, where it was. */
static bool goes_on(uint64_t epoch)
{
	return c.h.last_clean == m.clean && shows(&c, m.image[m.clean]) &&
	       !client_hello(&c, 1, epoch + 10) &&
	       write_epochs(epoch, epoch + 2);
}

static unsigned int count_slots(enum stage_slot_state state)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < s->device->block.nr_slots; i++)
		nr += s->device->slots[i].b.state == state;
	return nr;
}

/* --- finding and formatting ----------------------------------------------- */

static bool can_begin(struct disk *cut)
{
	struct error err = { 0 };
	struct stage *again = rig_open(cut, &on_device, &err);
	const struct stage_volume_config config = {
		.name = "b", .base = "/base/b", .bytes = RIG_BYTES,
	};
	bool is_good = again && !stage_create_volume(again, &config, NULL,
						     &err);

	stage_close(again);
	again = is_good ? rig_open(cut, &by_note, &err) : NULL;
	is_good = again && again->device && stage_find(again, "b") &&
		  !stage_device_nr_out(again->device);
	stage_close(again);
	if (!is_good)
		printf("# %s\n", err.text);
	return is_good;
}

/* B2, B3: wherever the making of a stage was cut, it is made the next time. */
static void test_format_is_cut(void)
{
	unsigned int bad = 0, nr = 0;
	uint64_t first;

	d = disk_create();
	rig_make_device(d, RIG_DEVICE, RIG_DEVICE_BYTES);
	first = disk_moment(d);
	s = rig_create(d, &on_device, 1);
	for (uint64_t at = first; at <= disk_moment(d); at++)
		for (uint64_t seed = 0; seed < 5; seed++) {
			struct disk *cut = seed == 4 ? disk_kill(d, at) :
				disk_cut(d, at, seed < 2 ? seed :
					 at * 31 + seed);

			bad += !can_begin(cut);
			nr++;
			disk_destroy(cut);
		}
	is_int(bad, 0, "of %u cuts and kills while a device is formatted", nr);
	stage_close(s);
	disk_destroy(d);
}

static char *copy_of(const char *path, uint64_t *size)
{
	char *data = disk_data(d, path, size), *copy = malloc(*size + 1);

	memcpy(copy, data, *size);
	return copy;
}

static bool is_as(const char *path, const char *copy, uint64_t size)
{
	uint64_t now;
	const char *data = disk_data(d, path, &now);

	return data && now == size && !memcmp(data, copy, size);
}

static void refuses(uint64_t dirty_at, const char *what)
{
	struct error err = { 0 };
	uint64_t size;
	char *before;

	d = disk_create();
	rig_make_device(d, RIG_DEVICE, 4 << 20);
	disk_data(d, RIG_DEVICE, &size)[dirty_at] = 1;
	before = copy_of(RIG_DEVICE, &size);
	s = rig_open(d, &on_device, &err);
	ok(!s && err.code == -EEXIST, "something %s: %s", what, err.text);
	ok(is_as(RIG_DEVICE, before, size), "and it is not touched");
	ok(!disk_data(d, NOTE, &size), "nor noted");
	free(before);
	stage_close(s);
	disk_destroy(d);
}

/* B1 */
static void test_foreign(void)
{
	struct error err = { 0 };
	struct stage *second;
	struct stage_options o = on_device;

	refuses(1024, "where a file system begins");
	refuses(1 << 16, "at 64 KiB");
	refuses((4 << 20) - 512, "at the end");
	begin(&on_device);
	o.io = disk_io(d);
	ok(stage_open(&second, "/second", &o, &err), "two at once: %s",
	   err.text);
	shut();
	error_clear(&err);
	is_int(stage_open(&second, "/second", &o, &err), -EEXIST,
	       "that of another stage: %s", err.text);
	disk_destroy(d);
	d = disk_create();
	error_clear(&err);
	s = rig_create(d, NULL, 1);
	rig_make_device(d, RIG_DEVICE, RIG_DEVICE_BYTES);
	stage_close(s);
	s = rig_open(d, &on_device, &err);
	ok(!s && err.code == -EEXIST, "logs that are files: %s", err.text);
	disk_destroy(d);
}

/* B2: nothing changes the way to a log but that the log is found there. */
static void test_larger_blank_one(void)
{
	struct stage_options o = on_device;
	struct error err = { 0 };
	uint64_t size, other_size;
	char *note, *other;

	begin(&on_device);
	write_epochs(1, 6);
	rig_make_device(d, OTHER, 2 * RIG_DEVICE_BYTES);
	note = copy_of(NOTE, &size);
	other = copy_of(OTHER, &other_size);
	snprintf(o.log_device, sizeof(o.log_device), OTHER);
	is_int(restart(&o, &err), -EIO, "a blank one, larger: %s", err.text);
	ok(is_as(NOTE, note, size), "the note is as it was");
	ok(is_as(OTHER, other, other_size), "nothing is formatted");
	error_clear(&err);
	is_int(restart(&by_note, &err), 0, "the log is found again");
	ok(goes_on(7), "and goes on: %s", err.text);
	free(note);
	free(other);
	end();
}

/* It is found by what is on it, and from then on by its new name. */
static void test_moved(void)
{
	const struct stage_io *io;
	struct stage_options o = on_device;
	struct error err = { 0 };

	begin(&on_device);
	write_epochs(1, 3);
	shut();
	io = disk_io(d);
	io->rename(io->arg, RIG_DEVICE, OTHER);
	is_int(restart(&by_note, &err), -EIO, "it is not there: %s", err.text);
	error_clear(&err);
	snprintf(o.log_device, sizeof(o.log_device), OTHER);
	is_int(restart(&o, &err), 0, "it is, under another name");
	is_int(restart(&by_note, &err), 0, "which is noted");
	ok(goes_on(4), "the log goes on");
	end();
}

/* Calls of an opening: two for the folder, then those of the growth. */
#define FIRST_OF_GROWTH	3
#define CALLS_OF_GROWTH	(6 + 1 + 4)

/* B3 to B5 */
static void test_grows(void)
{
	struct error err = { 0 };
	unsigned int bad = 0, gone = 0;

	begin(&on_device);
	write_epochs(1, 6);
	shut();
	disk_resize(d, RIG_DEVICE, RIG_DEVICE_BYTES + 6 * RIG_SLOT);
	for (uint64_t n = 0; n < CALLS_OF_GROWTH; n++) {
		struct disk *whole = d;

		d = disk_copy(whole);
		disk_fail(d, FIRST_OF_GROWTH + n, -EIO, 0);
		gone += restart(&on_device, &err) || !shows(&c, m.image[6]) ||
			s->device->block.nr_slots != 24;
		disk_fail(d, 0, 0, 0);
		error_clear(&err);
		bad += restart(&on_device, &err) || !goes_on(7) ||
		       s->device->block.nr_slots != 30;
		model_drop(&m);
		m.clean = 6;
		shut();
		disk_destroy(d);
		d = whole;
	}
	is_int(gone, 0, "whatever fails while it grows, what it had is there");
	is_int(bad, 0, "and it grows the next time: %s", err.text);
	error_clear(&err);
	is_int(restart(&on_device, &err), 0, "a larger device: %s", err.text);
	is_int(s->device->block.nr_slots, 30, "has more slots");
	shut();
	disk_resize(d, RIG_DEVICE, RIG_DEVICE_BYTES);
	error_clear(&err);
	is_int(restart(&on_device, &err), -EIO, "a smaller one: %s", err.text);
	end();
}

/* --- what is damaged ------------------------------------------------------ */

static uint64_t slot_at(unsigned int slot)
{
	return STAGE_DEVICE_HEAD + (uint64_t)slot * RIG_SLOT;
}

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

/* On the disk, not in its cache alone. */
static void spoil(uint64_t pos)
{
	const struct stage_io *io = disk_io(d);
	int fd = io->open(io->arg, RIG_DEVICE, O_RDWR);
	char byte;
	struct iovec iov = { &byte, 1 };

	io->pread(io->arg, fd, &byte, 1, pos);
	byte ^= 1;
	io->pwritev(io->arg, fd, &iov, 1, pos);
	io->sync(io->arg, fd);
	io->close(io->arg, fd);
}

struct damage {
	char commit[STAGE_RECORD_BYTES];
	unsigned int slot;
};

/* Epochs in several segments; the newest one's beginning is damaged. */
static void make_damage(struct damage *x, bool is_slot, bool is_front)
{
	uint64_t at;

	begin(&on_device);
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
	make_damage(&x, true, true);
	is_int(restart(&on_device, &err), -EIO, "nobody knows whose it is: %s",
	       err.text);
	ok(has_commit(d, x.commit), "it stays as it is");
	shut();
	spoil(slot_at(x.slot) + STAGE_BLOCK_BYTES + 40);
	spoil(slot_at(x.slot) + 2 * STAGE_BLOCK_BYTES + 8);
	error_clear(&err);
	ok(!restart(&on_device, &err) && goes_on(13), "nothing is lost when "
	   "the segment's own is back: %s", err.text);
	end();
}

/* B7 */
static void test_unreadable_slot(void)
{
	struct error err = { 0 };
	unsigned int older = 0;

	begin(&on_device);
	write_epochs(1, 12);
	for (uint64_t n = 1; n <= 60; n++) {
		disk_fail_read(d, n);
		older += !restart(&on_device, &err) && c.h.last_clean != 12;
		disk_fail_read(d, 0);
		error_clear(&err);
		older += restart(&on_device, &err) || c.h.last_clean != 12;
	}
	is_int(older, 0, "whichever read fails, nothing older is shown");
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

	begin(&on_device);
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

/* B6 */
static void test_second_device(void)
{
	struct stage_options o = on_device;
	struct error err = { 0 };

	d = disk_create();
	rig_make_device(d, RIG_DEVICE, RIG_DEVICE_BYTES);
	stage_close(rig_open(d, &on_device, &err));
	snprintf(o.log_device, sizeof(o.log_device), OTHER);
	s = rig_create(d, &o, 1);
	client_connect(&c, s, "a");
	memset(&m, 0, sizeof(m));
	ok(!client_hello(&c, 1, 1) && write_epochs(1, 3), "another device");
	is_int(restart(&on_device, &err), -EIO, "the first one: %s", err.text);
	error_clear(&err);
	ok(!restart(&o, &err) && goes_on(4), "the right one: %s", err.text);
	end();
}

/* B6: the path is another device's when the first segment is made. */
static void test_path_changes(void)
{
	const struct stage_io *io;
	uint64_t size;
	char *foreign;

	d = disk_create();
	s = rig_create(d, &on_device, 1);
	io = disk_io(d);
	io->rename(io->arg, RIG_DEVICE, OTHER);
	rig_make_device(d, RIG_DEVICE, RIG_DEVICE_BYTES);
	foreign = copy_of(RIG_DEVICE, &size);
	client_connect(&c, s, "a");
	ok((client_hello(&c, 1, 1) || client_epoch(&c, NULL, 1, 1, true)) &&
	   is_as(RIG_DEVICE, foreign, size), "another device is not written");
	free(foreign);
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
	begin(&at_once);
	disk_break_range(d, RIG_DEVICE, slot_at(1), RIG_SLOT);
	is_int(count_refused(1, 60), 1, "a bad slot costs one epoch");
	ok(shows(&c, m.image[m.clean]), "the rest are there");
	is_int(stage_device_nr_out(s->device), 1, "it is out of use");
	end();
}

/* T3: one that was full is not one that is bad. */
static void test_full_at_sync(void)
{
	begin(&on_device);
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
	disk_fail_sync(d, RIG_DEVICE, 1);
	is_int(client_epoch(&c, &m, 6, 6, true), -EIO, "a bad one: %s",
	       c.err.text);
	model_drop(&m);
	client_hello(&c, 1, 3);
	ok(write_epochs(7, 8), "others do");
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

	begin(&on_device);
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
	begin(&on_device);
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

int main(int argc, char **argv)
{
	test_format_is_cut();
	test_foreign();
	test_larger_blank_one();
	test_moved();
	test_grows();
	test_damage_is_kept();
	test_slot_after_copy();
	test_slot_block();
	test_unreadable_slot();
	test_data_before_a_commit();
	test_second_device();
	test_path_changes();
	test_bad_slot();
	test_full_at_sync();
	test_delete();
	test_no_slot_is_free();
	return tap_done();
}
