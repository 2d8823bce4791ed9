// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A commit that was answered, and whose head is damaged. If this fails, what
 * the epoch wrote is removed or written over before a copy is kept, or its loss
 * is not told.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-notice.h"
#include "stage-scene.h"
#include "tap.h"

#define HOUR_MS		3600000ULL
#define NR_CHUNKS	(RIG_BYTES / RIG_CHUNK)
#define LARGE		2		/* epochs: the damaged one */

static const struct stage_options in_files = { .history_ms = HOUR_MS };
static const struct stage_options on_device = {
	.history_ms = HOUR_MS, .log_device = RIG_DEVICE,
};

static char told[400];

static void hear(const char *text)
{
	snprintf(told, sizeof(told), "%s", text);
}

/* --- a damaged log -------------------------------------------------------- */

struct shape {
	const struct stage_options *o;
	unsigned int chunks;		/* of the damaged epoch */
	unsigned int hellos, epochs;	/* behind it */
	const char *name;
};

/* One bit of a head, on the disk. */
static void spoil_record(const struct shape *x, uint64_t lsn)
{
	struct stage_segment *seg = stage_segment_find(stage_find(s, "a")->g,
						stage_lsn_segment(lsn));
	uint64_t at = seg->at + stage_lsn_pos(lsn) + 8;
	char path[64] = RIG_DEVICE;

	if (!x->o->log_device[0])
		snprintf(path, sizeof(path), "/stage/a.log/%010" PRIu64 ".seg",
			 seg->number);
	shut();
	spoil_file(path, at);
}

static void write_large(const struct shape *x)
{
	begin(x->o, 1);
	write_epochs(1, LARGE - 1);
	client_open(&c, LARGE);
	for (unsigned int i = 0; i < x->chunks; i++)
		client_write(&c, NULL, i, 1, LARGE);
	client_commit(&c, NULL, LARGE, true);
}

static void make_damage(const struct shape *x)
{
	uint64_t lsn;

	write_large(x);
	lsn = stage_find(s, "a")->g->kept_lsn;
	for (unsigned int i = 0; i < x->hellos; i++)
		client_hello(&c, 1, 2 + i);
	for (unsigned int i = 1; i <= x->epochs; i++)
		client_epoch(&c, NULL, LARGE + i, i, true);
	spoil_record(x, lsn);
}

/* Of what the epoch wrote, in files or devices with @part in their names. */
static unsigned int count_chunks(const struct shape *x, const char *part)
{
	char buf[RIG_CHUNK];
	unsigned int nr = 0;

	for (unsigned int i = 0; i < x->chunks; i++) {
		bool is_there = false;
		const char *name;
		uint64_t size;

		fill(buf, sizeof(buf), i * RIG_CHUNK, LARGE);
		for (unsigned int n = 0; (name = disk_name(d, n)); n++) {
			const char *data = strstr(name, part) ?
					   disk_data(d, name, &size) : NULL;

			is_there |= data && memmem(data, size, buf,
						   sizeof(buf));
		}
		nr += is_there;
	}
	return nr;
}

/* --- what becomes of it --------------------------------------------------- */

/* Segment G1: else one that is kept later takes the place of the copy. */
static bool reuses_a_number(void)
{
	struct stage_group *g = stage_find(s, "a")->g;
	uint64_t newest = g->segments[g->nr_segments - 1]->number;
	const char *name, *file;
	bool is_used = false;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++) {
		file = strrchr(name, '/') + 1;
		is_used |= strstr(file, ".seg.lost") &&
			   strtoull(file, NULL, 10) >= newest;
	}
	return is_used;
}

static struct stage_notices notices_now(void)
{
	struct stage_notices n;

	stage_get_notices(stage_find(s, "a"), &n);
	return n;
}

static void remove_copies(void)
{
	char path[200];
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++)
		if (strstr(name, ".seg.lost")) {
			snprintf(path, sizeof(path), "%s", name);
			disk_remove(d, path);
			i = -1;
		}
}

/* Notice N1 to N3: an operator is told until the copies are gone. */
static void test_notices_last(const struct shape *x)
{
	struct stage_notices n;
	struct error err = { 0 };

	make_damage(x);
	is_int(restart(x->o, &err), 0, "%s: %s", x->name, err.text);
	n = notices_now();
	ok(strstr(n.log, "is damaged, and does not count"), "told: %s", n.log);
	ok(strstr(n.step, ".seg.lost"), "  what to do: %s", n.step);
	ok(!restart(x->o, &err) && goes_on(40) && !restart(x->o, &err),
	   "it goes on, and is opened again");
	n = notices_now();
	ok(strstr(n.log, "opened before is kept in"), "told: %s", n.log);
	ok(strstr(n.step, ".seg.lost"), "  what to do: %s", n.step);
	remove_copies();
	n = notices_now();
	is_str(n.log, "", "nothing once what was kept is removed");
	is_str(n.step, "", "  nor what to do");
	end();
}

/* --- a call fails --------------------------------------------------------- */

static bool has_copy(void)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++)
		if (strstr(name, ".seg.lost") && !strstr(name, ".new"))
			return true;
	return false;
}

static bool is_lost_or_told(void)
{
	struct stage_volume *v = s ? stage_find(s, "a") : NULL;
	struct stage_notices n;
	struct stage_info info;
	bool is_kept;

	if (!v)
		return true;
	stage_get_info(v, &info);
	if (info.state == STAGE_ERROR)
		return info.error.text[0];
	n = notices_now();
	is_kept = has_copy() || (s->device && count_slots(STAGE_SLOT_LOST));
	if (n.log[0] && n.step[0] && (is_kept || !strstr(n.log, "is kept in")))
		return true;
	printf("# %s; %s\n", n.log, n.step);
	return false;
}

/* Z6, notice N1, whatever could not be done: also where no record counts. */
static void test_told_if_a_call_fails(const struct shape *x, bool is_first)
{
	unsigned int bad = 0;
	struct disk *good;
	uint64_t nth = 0, most = 0;

	make_damage(x);
	if (is_first)
		spoil_file("/stage/a.log/0000000001.seg",
			   STAGE_BLOCK_BYTES + 8);
	for (good = d; nth <= most && bad < 3; disk_destroy(d)) {
		d = disk_copy(good);
		disk_fail(d, ++nth, -EIO, 0);
		s = rig_open(d, x->o, NULL);
		most = disk_calls(d);
		disk_fail(d, 0, 0, 0);
		bad += !is_lost_or_told();
		shut();
	}
	is_int(bad, 0, "%s%s: each of %llu calls fails, and it is told",
	       x->name, is_first ? ", at the first record" : "",
	       (unsigned long long)most);
	d = good;
	end();
}

/* Z3, T4: first there is no room for a copy. */
static void test_damage(const struct shape *x)
{
	struct error err = { 0 };

	make_damage(x);
	disk_break(d, ".lost");
	is_int(restart(x->o, &err), -EIO, "%s: no copy, no log: %s", x->name,
	       err.text);
	disk_break(d, "");
	is_int(count_chunks(x, ""), x->chunks, "all of it is there");
	shut();
	error_clear(&err);
	is_int(restart(x->o, &err), 0, "then it can be copied: %s", err.text);
	told[0] = '\0';
	stage_tell_notices(s, hear);
	ok(strstr(told, "is damaged, and does not count"), "told: %s", told);
	is_int(count_chunks(x, ".seg.lost"), x->chunks, "the copies have all");
	disk_break(d, ".lost.new");
	error_clear(&err);
	is_int(restart(x->o, &err), 0, "what is kept is not kept again: %s",
	       err.text);
	disk_break(d, "");
	ok(!restart(x->o, &err) && goes_on(40), "the log goes on");
	ok(!reuses_a_number(), "no segment has the number of a copy");
	error_clear(&err);
	ok(!restart(x->o, &err) && goes_on(50), "and once more: %s", err.text);
	is_int(count_chunks(x, ".seg.lost"), x->chunks, "the copies stay");
	told[0] = '\0';
	stage_tell_notices(s, hear);
	is_str(told, "", "it is told once");
	end();
}

/* Log A9: only what was never answered is written over. */
static void test_not_written_over(void)
{
	const struct shape x = { &on_device, 3, 1, 0, "" };
	struct error err = { 0 };

	make_damage(&x);
	is_int(restart(&on_device, &err), 0, "in a slot: %s", err.text);
	ok(goes_on(40), "the log goes on");
	is_int(count_chunks(&x, RIG_DEVICE), 3, "and not over what it had");
	end();
}

/* Where the disk has it: @at in the file. NULL: nowhere. */
static const char *find_payload(unsigned int chunk, uint64_t *at)
{
	char buf[RIG_CHUNK];
	const char *name;
	uint64_t size;

	fill(buf, sizeof(buf), chunk * RIG_CHUNK, LARGE);
	for (unsigned int i = 0; (name = disk_name(d, i)); i++) {
		const char *data = disk_data(d, name, &size);
		const char *found = data ? memmem(data, size, buf,
						  sizeof(buf)) : NULL;

		if (!found)
			continue;
		*at = found - data;
		return name;
	}
	return NULL;
}

static bool spoil_payload(unsigned int chunk)
{
	uint64_t at;
	const char *name = find_payload(chunk, &at);

	shut();
	if (name)
		spoil_file(name, at + 100);
	return name;
}

/* Z3: it may be a power cut. What is kept is of use as a whole only. */
static void test_payload(const struct shape *x)
{
	struct error err = { 0 };

	write_large(x);
	ok(spoil_payload(0), "%s: a payload is damaged", x->name);
	is_int(restart(x->o, &err), 0, "it is opened: %s", err.text);
	told[0] = '\0';
	stage_tell_notices(s, hear);
	ok(strstr(told, "from segment 1 on") && strstr(told, "is kept in"),
	   "told: %s", told);
	is_int(count_chunks(x, ".seg.lost"), x->chunks - 1,
	       "the copies have the rest");
	ok(goes_on(40), "the log goes on");
	is_int(count_chunks(x, ".seg.lost"), x->chunks - 1, "the copies stay");
	end();

	write_large(x);
	ok(spoil_payload(0), "%s: a payload is damaged", x->name);
	disk_break(d, "1.seg.lost");
	is_int(restart(x->o, &err), 0, "without the copy, too: %s", err.text);
	disk_break(d, "");
	told[0] = '\0';
	stage_tell_notices(s, hear);
	ok(strstr(told, "not all it had can be kept"), "told: %s", told);
	remove_copies();
	ok(strstr(notices_now().log, "not all it had can be kept"),
	   "  as long as it is open");
	ok(goes_on(40), "the log goes on");
	end();
}

/* A sector is bad behind the end: the rest is kept, and all that counts. */
static void test_unreadable(const struct shape *x, int word)
{
	struct error err = { 0 };
	char name[64];
	uint64_t at;

	make_damage(x);
	disk_set_read_error(d, word);
	snprintf(name, sizeof(name), "%s", find_payload(x->chunks - 1, &at));
	disk_break_reads(d, name, at + RIG_CHUNK / 2, 1);
	for (unsigned int i = 0; i < 2; i++) {
		is_int(restart(x->o, &err), 0, "%s, a bad sector: %s", x->name,
		       err.text);
		told[0] = '\0';
		stage_tell_notices(s, hear);
		ok(strstr(told, "but for 4096 bytes"), "told: %s", told);
		is_int(count_chunks(x, ".seg.lost"), x->chunks - 2,
		       "but for the chunks in that block, it is kept");
	}
	disk_break_reads(d, name, 0, 0);
	is_int(restart(x->o, &err), 0, "it can be read again: %s", err.text);
	is_int(count_chunks(x, ".seg.lost"), x->chunks, "so it is kept");
	disk_break_reads(d, name, at + RIG_CHUNK / 2, 1);
	is_int(restart(x->o, &err), 0, "and then it cannot: %s", err.text);
	told[0] = '\0';
	stage_tell_notices(s, hear);
	ok(told[0] && !strstr(told, "but for"), "told: %s", told);
	ok(goes_on(40), "the log goes on");
	is_int(count_chunks(x, ".seg.lost"), x->chunks, "the copy has all");
	end();
}

static bool has_copies(void)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++)
		if (strstr(name, ".lost"))
			return true;
	return false;
}

static void hear_again(void)
{
	told[0] = '\0';
	stage_tell_notices(s, hear);
}

static bool is_named(const char *name, const char *text)
{
	const char *slash = strrchr(name, '/');
	char place[80];

	if (strcmp(name, RIG_DEVICE))
		snprintf(place, sizeof(place), "(%s in /", slash + 1);
	else
		snprintf(place, sizeof(place), " of %s)", name);
	return strstr(text, place) &&
	       (strcmp(name, RIG_DEVICE) || strstr(text, "(slot "));
}

/* Behind D3: then nothing is given up, and nothing is changed. */
static void test_may_heal(const struct shape *x, int word)
{
	struct error err = { 0 };
	char name[64];
	uint64_t at;

	make_damage(x);
	snprintf(name, sizeof(name), "%s", find_payload(x->chunks - 1, &at));
	disk_break_reads(d, name, at + RIG_CHUNK / 2, 1);
	disk_set_read_error(d, word);
	ok(restart(x->o, &err) && strstr(err.text, "cannot be read") &&
	   strstr(err.text, strerror(-stage_read_error(word))),
	   "%s, %s: %s", x->name, strerror(-word), err.text);
	ok(is_named(name, err.text), "it is said where that is");
	ok(!has_copies(), "nothing is put aside yet");
	hear_again();
	is_str(told, "", "nor told");
	disk_break_reads(d, name, 0, 0);
	error_clear(&err);
	is_int(restart(x->o, &err), 0, "it can be read again: %s", err.text);
	hear_again();
	ok(told[0] && !strstr(told, "but for"), "told: %s", told);
	is_int(count_chunks(x, ".seg.lost"), x->chunks, "all is kept");
	end();
}

/* Is it refused, and nothing changed, or told and kept as if it could? */
static bool heals(const struct shape *x, const struct disk *damaged,
		  uint64_t nth, const char *want)
{
	struct error err = { 0 };
	bool is_good;

	d = disk_copy(damaged);
	disk_set_read_error(d, -ETIMEDOUT);
	disk_fail_read(d, nth);
	is_good = !restart(x->o, &err);
	disk_fail_read(d, 0);
	if (!is_good) {
		is_good = err.text[0] && !has_copies();
		shut();
		is_good = is_good && !restart(x->o, &err);
	}
	hear_again();
	is_good = is_good && !strcmp(told, want);
	/* Slots T4: what could not be copied is there, and is copied now. */
	if (is_good && x->o->log_device[0])
		is_good = !restart(x->o, &err);
	is_good = is_good && count_chunks(x, ".seg.lost") == x->chunks;
	if (!is_good)
		printf("# read %d: %s\n# told: %s\n", (int)nth, err.text, told);
	end();
	return is_good;
}

/* Any read, as long as the log is opened. */
static void test_each_may_heal(const struct shape *x)
{
	struct error err = { 0 };
	struct disk *damaged, *whole;
	unsigned int bad = 0;
	char want[sizeof(told)];
	uint64_t nr;

	make_damage(x);
	damaged = disk_copy(d);
	disk_fail_read(d, 0);
	is_int(restart(x->o, &err), 0, "%s: %s", x->name, err.text);
	nr = disk_reads(d);
	hear_again();
	memcpy(want, told, sizeof(want));
	whole = d;
	shut();
	for (uint64_t n = 1; n <= nr && bad < 3; n++)
		bad += !heals(x, damaged, n, want);
	is_int(bad, 0, "each of %d reads may heal", (int)nr);
	disk_destroy(damaged);
	d = whole;
	end();
}

/* Likewise of a segment that was begun for nothing, and is zeros. */
static void test_blank_may_heal(int word)
{
	static const char path[] = "/stage/a.log/0000000070.seg";
	const struct stage_io *io;
	struct error err = { 0 };
	char zeros[8 * STAGE_BLOCK_BYTES] = { 0 };
	struct iovec iov = { zeros, sizeof(zeros) };
	int fd;

	begin(&in_files, 1);
	write_epochs(1, 2);
	shut();
	io = disk_io(d);
	fd = io->open(io->arg, path, O_RDWR | O_CREAT);
	io->pwritev(io->arg, fd, &iov, 1, 0);
	io->close(io->arg, fd);
	disk_break_reads(d, path, STAGE_BLOCK_BYTES * 3, 1);
	disk_set_read_error(d, word);
	ok(restart(&in_files, &err) && strstr(err.text, strerror(-word)),
	   "a blank one, %s: %s", strerror(-word), err.text);
	ok(disk_data(d, path, &(uint64_t) { 0 }), "it stays where it is");
	disk_break_reads(d, path, 0, 0);
	error_clear(&err);
	is_int(restart(&in_files, &err), 0, "it can be read again: %s",
	       err.text);
	hear_again();
	is_str(told, "", "it is nothing to be told of");
	ok(!disk_data(d, path, &(uint64_t) { 0 }) && goes_on(40), "it goes");
	end();
}

/* Where the log ends: a segment's file, and the place in it. */
static uint64_t find_end(const struct shape *x, char path[64])
{
	struct stage_group *g = stage_find(s, "a")->g;

	if (x->o->log_device[0])
		strcpy(path, RIG_DEVICE);
	else
		snprintf(path, 64, "/stage/a.log/%010" PRIu64 ".seg",
			 g->current->number);
	return g->current->at + g->current->tail;
}

/* Behind D1, Z3: nobody knows what stood there, and that is told. */
static void test_unreadable_alone(const struct shape *x)
{
	struct error err = { 0 };
	struct disk *killed;
	char path[64];
	uint64_t at;

	begin(x->o, 1);
	write_epochs(1, 1);
	at = find_end(x, path);
	killed = disk_kill(d, disk_moment(d));
	end();
	d = killed;
	disk_break_reads(d, path, at + 2 * STAGE_BLOCK_BYTES, 1);
	s = rig_open(d, x->o, &err);
	is_int(client_connect(&c, s, "a"), 0, "a bad sector behind all, %s: %s",
	       x->name, err.text);
	is_int(c.h.last_clean, 1, "it costs no epoch");
	hear_again();
	ok(strstr(told, "cannot be read behind its end") &&
	   strstr(told, "but for 4096 bytes"), "told: %s", told);
	ok(strstr(notices_now().step, ".seg.lost"), "and what to do");
	ok(goes_on(40) && !restart(x->o, &err), "the log goes on");
	hear_again();
	is_str(told, "", "in another segment: it is told once");
	end();
}

/* Behind D1: it does not hide what is behind it. */
static void test_unreadable_before(const struct shape *x)
{
	struct error err = { 0 };
	char path[64] = RIG_DEVICE;
	struct stage_segment *seg;
	uint64_t lsn;

	write_large(x);
	lsn = stage_find(s, "a")->g->kept_lsn;
	seg = stage_segment_find(stage_find(s, "a")->g, stage_lsn_segment(lsn));
	if (!x->o->log_device[0])
		snprintf(path, sizeof(path), "/stage/a.log/%010" PRIu64 ".seg",
			 seg->number);
	client_hello(&c, 1, 2);
	disk_break_reads(d, path, seg->at + stage_lsn_pos(lsn) +
			 STAGE_RECORD_BYTES + 1, 1);
	spoil_record(x, lsn);
	is_int(restart(x->o, &err), 0, "a bad sector before what was answered, "
	       "%s: %s", x->name, err.text);
	hear_again();
	ok(strstr(told, "is damaged, and does not count"), "told: %s", told);
	end();
}

/* Behind: in large pieces, whatever record stands before. */
static void test_few_reads(const struct shape *x)
{
	struct error err = { 0 };

	make_damage(x);
	disk_fail_read(d, 0);
	is_int(restart(x->o, &err), 0, "%s: %s", x->name, err.text);
	ok(disk_reads(d) < 200, "  %llu reads to recover it",
	   (unsigned long long)disk_reads(d));
	end();
}

static const struct shape shapes[] = {
	{ &in_files, 3, 1, 0, "in a file, a session behind" },
	{ &in_files, 3, 0, 2, "in a file, epochs behind" },
	{ &in_files, 3, 0, 0, "in a file, nothing behind" },
	{ &in_files, NR_CHUNKS, 1, 0, "in two files, a session behind" },
	{ &in_files, NR_CHUNKS, 0, 1, "in two files, an epoch behind" },
	{ &in_files, NR_CHUNKS, 0, 0, "in two files, nothing behind" },
	{ &on_device, 3, 1, 0, "in a slot, a session behind" },
	{ &on_device, 3, 0, 2, "in a slot, epochs behind" },
	{ &on_device, NR_CHUNKS, 1, 0, "in two slots, a session behind" },
	{ &on_device, NR_CHUNKS, 0, 1, "in two slots, an epoch behind" },
	{ &on_device, NR_CHUNKS, 0, 12, "in two slots, others behind" },
};

static const struct shape in_two[] = {
	{ &in_files, NR_CHUNKS, 0, 0, "in two files" },
	{ &on_device, NR_CHUNKS, 0, 0, "in two slots" },
};

int main(void)
{
	for (unsigned int i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		test_damage(&shapes[i]);
	test_notices_last(&shapes[0]);
	test_notices_last(&shapes[6]);
	for (unsigned int i = 0; i < 7; i++)
		test_told_if_a_call_fails(&shapes[i], false);
	test_told_if_a_call_fails(&shapes[0], true);
	test_told_if_a_call_fails(&shapes[3], true);
	test_not_written_over();
	for (unsigned int i = 0; i < sizeof(in_two) / sizeof(*in_two); i++)
		test_payload(&in_two[i]);
	test_unreadable(&shapes[0], 0);
	test_unreadable(&shapes[6], -ENODATA);
	test_unreadable(&shapes[0], -EILSEQ);
	test_may_heal(&shapes[0], -ETIMEDOUT);
	test_may_heal(&shapes[6], -ENOLINK);
	test_may_heal(&shapes[6], -EBADMSG);
	test_may_heal(&shapes[3], -ETIMEDOUT);
	test_may_heal(&shapes[4], -ENOLINK);
	test_may_heal(&shapes[8], -EAGAIN);
	test_may_heal(&shapes[10], -ENOLINK);
	test_blank_may_heal(-ETIMEDOUT);
	test_each_may_heal(&shapes[2]);
	test_each_may_heal(&shapes[4]);
	test_each_may_heal(&shapes[10]);
	test_unreadable_alone(&shapes[0]);
	test_unreadable_alone(&shapes[6]);
	test_unreadable_before(&shapes[0]);
	test_unreadable_before(&shapes[6]);
	test_few_reads(&shapes[3]);
	test_few_reads(&shapes[8]);
	return tap_done();
}
