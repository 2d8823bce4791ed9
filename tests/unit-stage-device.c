// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The device of a log: finding, formatting, growing. If this fails, a device is
 * written that is somebody else's, or a stage loses the way to its log.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-device.h"
#include "stage-scene.h"
#include "tap.h"

#define NOTE	"/stage/log.device"
#define OTHER	"/dev/other"
#define HOUR_MS	3600000ULL

static const struct stage_options on_device = {
	.history_ms = HOUR_MS, .log_device = RIG_DEVICE,
};
static const struct stage_options by_note = { .history_ms = HOUR_MS };

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
	begin(&on_device, 1);
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

	begin(&on_device, 1);
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

	begin(&on_device, 1);
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

/* B3: epochs in the new slots; then one of the superblocks is gone. */
static bool survives_a_lost_copy(void)
{
	struct error err = { 0 };
	uint64_t last;

	for (unsigned int i = 0; i < 24; i++)
		s->device->slots[i].is_out = true;
	client_hello(&c, 1, 90);
	for (uint64_t e = 20; e < 26; e++)
		if (client_epoch(&c, &m, e, e, true))
			return false;
	last = c.h.last_clean;
	shut();
	spoil(40);
	return !restart(&on_device, &err) && c.h.last_clean == last;
}

static char told[400];

static void hear(const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
}

static bool tells(const char *what)
{
	told[0] = '\0';
	stage_tell_notices(s, hear);
	return what ? strstr(told, what) != NULL : !told[0];
}

/* B4: nobody would miss the room before the log is full. */
static void test_growth_is_told(void)
{
	struct error err = { 0 };
	struct disk *small;

	begin(&on_device, 1);
	write_epochs(1, 3);
	shut();
	disk_resize(d, RIG_DEVICE, RIG_DEVICE_BYTES + 6 * RIG_SLOT);
	small = d;
	d = disk_copy(small);		/* where it always had that size */
	disk_destroy(small);
	disk_break_reads(d, RIG_DEVICE, RIG_DEVICE_BYTES + 2 * RIG_SLOT, 1);
	ok(!restart(&on_device, &err) && goes_on(4),
	   "a bad sector in what is new: what there was is used");
	ok(tells("it has grown, and the log has not: Input/output error; 6 "
		 "slots"), "told: %s", told);
	disk_break_reads(d, RIG_DEVICE, 0, 0);
	is_int(restart(&on_device, &err), 0, "it can be read: %s", err.text);
	ok(tells(NULL) && s->device->block.nr_slots == 30,
	   "all is used: %d slots; %s", (int)s->device->block.nr_slots, told);
	shut();
	spoil(40);
	disk_break_range(d, RIG_DEVICE, 0, STAGE_SECTOR);
	is_int(restart(&on_device, &err), 0, "a superblock that stays damaged");
	ok(tells("one of its superblocks is damaged"), "told: %s", told);
	disk_break_range(d, RIG_DEVICE, 0, 0);
	end();
}

/* B3 to B5 */
static void test_grows(void)
{
	struct error err = { 0 };
	unsigned int bad = 0, gone = 0;

	begin(&on_device, 1);
	write_epochs(1, 6);
	shut();
	disk_resize(d, RIG_DEVICE, RIG_DEVICE_BYTES + 6 * RIG_SLOT);
	for (uint64_t n = 0; n < CALLS_OF_GROWTH; n++) {
		struct disk *whole = d;

		d = disk_copy(whole);
		disk_fail(d, FIRST_OF_GROWTH + n, -EIO, 0);
		gone += restart(&on_device, &err) || !shows(&c, m.image[6]) ||
			s->device->block.nr_slots != 24 ||
			!tells("it has grown, and the log has not");
		disk_fail(d, 0, 0, 0);
		error_clear(&err);
		bad += restart(&on_device, &err) || !goes_on(7) ||
		       s->device->block.nr_slots != 30 || !tells(NULL) ||
		       !survives_a_lost_copy();
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

int main(void)
{
	test_format_is_cut();
	test_foreign();
	test_larger_blank_one();
	test_moved();
	test_second_device();
	test_path_changes();
	test_grows();
	test_growth_is_told();
	return tap_done();
}
