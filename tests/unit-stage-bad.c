// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged logs and failing disks. If this fails, a stage crashes, shows what
 * never was, or forgets what it has acknowledged without a word.
 *
 * STAGE_STEP=1 flips every byte, not each 97th or so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

static struct model m;

static const struct stage_options keep = { .history_ms = 3600000 };
static const struct stage_options at_once = { .history_ms = 0 };
/* The log holds two of the volume. */
static const struct stage_options in_place = {
	.log_bytes = 256 << 10, .on_full_apply = 1,
};

/* Eight epochs in two segments or three, nothing under way. */
static struct disk *good_disk(const struct stage_options *o)
{
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, o, 1);
	struct client c;

	memset(&m, 0, sizeof(m));
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 8; e++)
		client_epoch(&c, &m, e, e, e % 3 > 0);
	if (!o->history_ms)
		stage_settle(c.v, true, NULL);
	client_epoch(&c, &m, 9, 9, true);
	client_close(&c);
	stage_close(s);
	return d;
}

struct seen {
	unsigned int refused, damaged, behind, good, wrong;
};

/* Right, or an error. */
static bool is_right_or_error(struct stage_volume *v, uint64_t epoch)
{
	char buf[RIG_BYTES];
	struct stage_image *i;
	struct error err = { 0 };
	bool is_good;

	if (!epoch || epoch >= RIG_EPOCHS)
		return epoch == 0;
	if (stage_image_open(&i, v, epoch, &err))
		return err.text[0];
	is_good = stage_image_read(i, buf, sizeof(buf), 0, &err) ||
		  stage_image_epoch(i) != epoch ||
		  (m.is_there[epoch] &&
		   !memcmp(buf, m.image[epoch], sizeof(buf)));
	stage_image_close(i);
	return is_good && (!err.code || err.text[0]);
}

static void look(struct disk *d, const struct stage_options *o,
		 struct seen *seen)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, o, &err);
	struct stage_volume *v = s ? stage_find(s, "a") : NULL;
	struct stage_info info;
	bool is_good = true;

	if (!v) {
		seen->refused++;
		stage_close(s);
		return;
	}
	stage_get_info(v, &info);
	for (uint64_t e = 1; e <= 9; e++)
		is_good = is_good && is_right_or_error(v, e);
	if (!is_good)
		seen->wrong++;
	else if (info.state == STAGE_ERROR)
		seen->damaged++;
	else if (info.header.last_clean < 9)
		seen->behind++;
	else
		seen->good++;
	if (info.state == STAGE_ERROR && !info.error.text[0])
		seen->wrong++;
	stage_close(s);
}

static void print_seen(const struct seen *seen)
{
	printf("# %u refused, %u damaged, %u behind, %u good, %u wrong\n",
	       seen->refused, seen->damaged, seen->behind, seen->good,
	       seen->wrong);
}

static bool is_log(const char *name)
{
	return strstr(name, ".seg") || strstr(name, "checkpoint") ||
	       strstr(name, ".volume");
}

static void test_flips(const struct stage_options *o, const char *what)
{
	const char *all = getenv("STAGE_STEP");
	unsigned int step = all ? atoi(all) : 97;
	struct disk *d = good_disk(o);
	struct seen seen = { 0 };
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++) {
		uint64_t size = 0;

		if (!is_log(name))
			continue;
		disk_data(d, name, &size);
		for (uint64_t at = 0; at < size; at += step) {
			struct disk *bad = disk_copy(d);
			char *data = disk_data(bad, name, &size);

			if (!data[at] && at > 64 && !data[at - 1] && at % 512)
				at |= 63;	/* in the empty part */
			if (at < size)
				data[at] ^= 0x10;
			look(bad, o, &seen);
			disk_destroy(bad);
		}
	}
	print_seen(&seen);
	is_int(seen.wrong, 0, "flipped bytes, %s", what);
	ok(seen.good && seen.behind + seen.damaged, "some matter, some don't");
	disk_destroy(d);
}

static void test_truncation(const struct stage_options *o)
{
	struct disk *d = good_disk(o);
	struct seen seen = { 0 };
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++) {
		uint64_t size = 0;

		if (!is_log(name))
			continue;
		disk_data(d, name, &size);
		for (uint64_t at = 0; at < size; at += 2039) {
			struct disk *bad = disk_copy(d);

			disk_resize(bad, name, at);
			look(bad, o, &seen);
			disk_destroy(bad);
		}
	}
	print_seen(&seen);
	is_int(seen.wrong, 0, "files cut short");
	disk_destroy(d);
}

static void test_missing(const struct stage_options *o)
{
	struct disk *d = good_disk(o);
	struct seen seen = { 0 };

	for (unsigned int i = 0; disk_name(d, i); i++) {
		struct disk *bad = disk_copy(d);

		disk_remove(bad, disk_name(bad, i));
		look(bad, o, &seen);
		disk_destroy(bad);
	}
	print_seen(&seen);
	is_int(seen.wrong, 0, "files missing");
	disk_destroy(d);
}

/* Segments of another log, and our own in each other's place. */
static void test_foreign(void)
{
	struct disk *other = good_disk(&keep), *d = good_disk(&keep), *bad;
	const char *one = "/stage/a.log/0000000001.seg";
	const char *two = "/stage/a.log/0000000002.seg";
	uint64_t size, size2;
	struct seen seen = { 0 };

	for (unsigned int i = 0; i < 2; i++) {
		bad = disk_copy(d);
		memcpy(disk_data(bad, i ? two : one, &size),
		       disk_data(other, i ? two : one, &size2), 65536);
		look(bad, &keep, &seen);
		disk_destroy(bad);
	}
	bad = disk_copy(d);
	memcpy(disk_data(bad, one, &size), disk_data(d, two, &size2), 65536);
	look(bad, &keep, &seen);
	disk_destroy(bad);
	print_seen(&seen);
	is_int(seen.wrong, 0, "foreign segments");
	is_int(seen.good, 0, "are not taken for ours");
	disk_destroy(d);
	disk_destroy(other);
}

/* --- failing calls -------------------------------------------------------- */

struct doubt {
	uint64_t acked;		/* newest clean one, answered or read back */
};

/* As a primary does it: after an error, a new session. */
static void stubborn_client(struct stage *s, const struct stage_options *o,
			    uint64_t epochs, struct doubt *doubt)
{
	struct client c = { 0 };
	uint64_t attaches = 1;
	bool is_ready = false;

	for (uint64_t e = 1; e <= epochs; e++) {
		if (!is_ready) {
			if (c.conn)
				client_close(&c);
			if (client_connect(&c, s, "a"))
				return;
			is_ready = !client_hello(&c, 1, attaches++);
			if (c.h.last_clean > doubt->acked)
				doubt->acked = c.h.last_clean;
		}
		model_drop(&m);
		memcpy(m.image[e], m.now, sizeof(m.now));
		if (!is_ready || client_open(&c, e) ||
		    client_write(&c, &m, e % 20, 3, e) ||
		    client_zero(&c, &m, e * 7 % 22, 1)) {
			is_ready = false;
			continue;
		}
		memcpy(m.image[e], m.next, sizeof(m.next));
		m.is_there[e] = true;
		is_ready = !client_commit(&c, &m, e, true);
		if (is_ready)
			doubt->acked = e;
		if (!is_ready)
			m.is_there[e] = false;
		if (!o->history_ms && e % 3 == 0)
			stage_settle(c.v, true, NULL);
	}
	if (c.conn)
		client_close(&c);
}

/* A session, if there is none; the newest clean epoch is read with it. */
static bool begin_session(struct client *c, struct stage *s, uint64_t attaches,
			  struct doubt *doubt)
{
	if (c->conn)
		client_close(c);
	if (client_connect(c, s, "a"))
		return false;
	if (client_hello(c, 1, attaches))
		return false;
	if (c->h.last_clean > doubt->acked)
		doubt->acked = c->h.last_clean;
	return true;
}

/* All of the volume, so that its image does not depend on what was before. */
static int send_whole(struct client *c, uint64_t e, unsigned int times)
{
	int ret = client_open(c, e);

	for (unsigned int i = 0; !ret && i < times; i++)
		ret = client_write(c, NULL, 0, RIG_BYTES / RIG_CHUNK, e);
	fill(m.image[e], RIG_BYTES, 0, e);
	return ret;
}

/* Each third epoch is more than the log holds, and each fifth is partial. */
static void flooding_client(struct stage *s, const struct stage_options *o,
			    uint64_t epochs, struct doubt *doubt)
{
	struct client c = { 0 };
	bool is_ready = false;

	for (uint64_t e = 1; e <= epochs; e++) {
		bool is_clean = e % 5 != 1;

		if (!is_ready)
			is_ready = begin_session(&c, s, e, doubt);
		is_ready = is_ready && !send_whole(&c, e, e % 3 == 2 ? 4 : 1);
		m.is_there[e] = is_clean && is_ready;
		is_ready = is_ready && !client_commit(&c, NULL, e, is_clean);
		m.is_there[e] &= is_ready;
		if (is_ready && is_clean)
			doubt->acked = e;
	}
	if (c.conn)
		client_close(&c);
}

static bool is_in_place(struct stage *s)
{
	struct stage_info info;

	stage_get_info(stage_find(s, "a"), &info);
	return info.state == STAGE_IN_PLACE;
}

static bool shows_acked(struct disk *d, const struct stage_options *o,
			const struct doubt *doubt)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, o, &err);
	struct stage_info info;
	struct client c = { 0 };
	bool is_good;

	if (!s)
		return false;
	stage_get_info(stage_find(s, "a"), &info);
	is_good = !client_connect(&c, s, "a") &&
		  c.h.last_clean == doubt->acked;
	if (is_good && doubt->acked && !is_in_place(s))
		is_good = shows(&c, m.image[c.h.last_clean]);
	if (!is_good)
		printf("# acked %llu, there is %llu: %s\n",
		       (unsigned long long)doubt->acked,
		       (unsigned long long)c.h.last_clean, info.error.text);
	if (c.conn)
		client_close(&c);
	stage_close(s);
	return is_good;
}

/* The nth call fails, and @more after it. */
static bool try_failing(const struct stage_options *o, uint64_t nth, int err,
			uint64_t more, bool *is_end)
{
	struct disk *d = disk_create(), *cut;
	struct stage *s = rig_create(d, o, 1);
	struct doubt doubt = { 0 };
	bool is_good;

	memset(&m, 0, sizeof(m));
	disk_fail(d, nth, err, more);
	(o->on_full_apply ? flooding_client : stubborn_client)(s, o, 12,
							       &doubt);
	*is_end = disk_calls(d) < nth;
	disk_fail(d, 0, 0, 0);
	stage_close(s);
	cut = disk_cut(d, disk_moment(d), 0);
	is_good = shows_acked(d, o, &doubt) && shows_acked(cut, o, &doubt);
	disk_destroy(cut);
	disk_destroy(d);
	return is_good;
}

static void test_failing(const struct stage_options *o, int err, uint64_t more,
			 const char *what)
{
	unsigned int bad = 0;
	bool is_end = false;
	uint64_t n;

	for (n = 1; !is_end && n < 1000 && bad < 3; n++) {
		if (try_failing(o, n, err, more, &is_end))
			continue;
		printf("# call %llu\n", (unsigned long long)n);
		bad++;
	}
	printf("# %llu calls\n", (unsigned long long)n);
	is_int(bad, 0, "each call failing: %s", what);
}

/* What it lacks would read as zeros, in an image that is said to be whole. */
static void test_short_base(void)
{
	struct disk *d = good_disk(&at_once);
	struct error err = { 0 };
	struct stage_info info;
	struct stage_conn *c;
	struct stage *s;
	uint64_t size;

	disk_resize(d, "/base/a", RIG_BYTES - RIG_CHUNK);
	s = rig_open(d, &at_once, &err);
	stage_get_info(stage_find(s, "a"), &info);
	is_int(info.state, STAGE_ERROR, "a base that has lost its end: %s",
	       info.error.text);
	ok(stage_conn_create(&c, stage_find(s, "a"), NULL) < 0,
	   "there is no image of it");
	stage_close(s);
	disk_data(d, "/base/a", &size);
	is_int(size, RIG_BYTES - RIG_CHUNK, "it is as it was");
	disk_destroy(d);
}

int main(void)
{
	test_flips(&keep, "long history");
	test_flips(&at_once, "no history");
	test_truncation(&keep);
	test_truncation(&at_once);
	test_missing(&keep);
	test_missing(&at_once);
	test_foreign();
	test_short_base();
	test_failing(&keep, -EIO, 0, "EIO, once");
	test_failing(&at_once, -EIO, 0, "EIO, once, applying");
	test_failing(&keep, -ENOSPC, 0, "ENOSPC, once");
	test_failing(&at_once, -ENOSPC, 5, "ENOSPC, for a while, applying");
	test_failing(&in_place, -EIO, 0, "EIO, once, in place");
	test_failing(&in_place, -ENOSPC, 5, "ENOSPC, for a while, in place");
	return tap_done();
}
