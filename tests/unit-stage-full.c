// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log that is full, with on_full=apply: epochs that it cannot hold go to the
 * base in place. If this fails, an image is shown that is none, one is lost
 * that need not be, or what was acknowledged is. STAGE_SEEDS sets how many
 * subsets are tried for each power cut (4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage-scene.h"
#include "tap.h"

#define CHUNKS	(RIG_BYTES / RIG_CHUNK)
#define HOUR_MS	3600000ULL

/* The log holds 192 KiB of data, which is two volumes. */
static const struct stage_options in_place = {
	.log_bytes = 256 << 10, .on_full_apply = 1,
};


/* As after the end of its process. */
static void open_again(const struct stage_options *o, struct error *err)
{
	client_close(&c);
	stage_close(s);
	s = rig_open(d, o, err);
}

/* More than the log can hold, in one epoch. The error. */
static int flood(uint64_t epoch)
{
	int ret = client_open(&c, epoch);

	for (int i = 0; !ret && i < 4; i++)
		ret = client_write(&c, &m, 0, CHUNKS, epoch * 10 + i);
	return ret;
}

/* All of the volume, in one that it can. The error. */
static int send_whole(uint64_t epoch)
{
	int ret = client_open(&c, epoch);

	if (!ret)
		ret = client_write(&c, &m, 0, CHUNKS, epoch);
	return ret ? ret : client_commit(&c, &m, epoch, true);
}

/* One image, one epoch that does not fit: the next one goes in place. */
static void begin_in_place(void)
{
	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	flood(2);
	come_back(2);
}

/* Most of a segment that is larger than all of the log of @o. The error. */
static int begin_smaller(const struct stage_options *o)
{
	const struct stage_options large = {
		.log_bytes = 4 << 20, .segment_bytes = 1 << 20,
	};
	int ret = 0;

	begin(&large, 1);
	for (uint64_t e = 1; !ret && e <= 6; e++)
		ret = send_whole(e);
	open_again(o, NULL);
	come_back(2);
	return ret;
}

static int image_error(uint64_t epoch)
{
	struct stage_image *i;
	int ret = stage_image_open(&i, c.v, epoch, NULL);

	if (!ret)
		stage_image_close(i);
	return ret;
}

/* Unlike shows_epoch(), which forgives what has left the history. */
static bool has_image(uint64_t epoch)
{
	return !image_error(epoch) && shows_epoch(c.v, epoch, m.image[epoch]);
}

static void test_refused(void)
{
	const struct stage_options o = { .log_bytes = 256 << 10 };

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	is_int(flood(2), -ENOSPC, "without it: %s", c.err.text);
	is_int(come_back(2), 0, "it comes back");
	is_int(info_now().state, STAGE_LOG_FULL, "the log is full");
	ok(info_now().log_needed, "it tells what it needs");
	is_int(c.h.state, REPLICA_STATE_OK, "the header says that all is well");
	ok(has_image(1), "the image is there");
	is_int(flood(3), -ENOSPC, "as often as it is tried");
	come_back(3);
	is_int(client_epoch(&c, &m, 4, 4, true), 0, "a small one is taken");
	is_int(info_now().state, STAGE_OK, "all is well");
	end();
}

static int count_base(void *arg, uint64_t off, uint64_t len)
{
	*(uint64_t *)arg += len;
	return 0;
}

static uint64_t above(uint64_t epoch)
{
	uint64_t bytes = 0;
	int ret = stage_above(c.v, epoch, count_base, &bytes, NULL);

	return ret ? (uint64_t)ret : bytes;
}

static void test_in_place(void)
{
	char *base;
	uint64_t size;

	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	is_int(flood(2), -ENOSPC, "the log is full: %s", c.err.text);
	ok(shows(&c, m.image[1]), "the image is there");
	is_int(come_back(2), 0, "it comes back");
	is_int(info_now().state, STAGE_IN_PLACE, "applying in place");
	client_close(&c);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 2);
	is_int(c.h.state, REPLICA_STATE_APPLYING, "which the header says");
	is_int(c.h.last_clean, 1, "with the epoch that was committed");
	is_int(image_error(STAGE_LATEST), -ENOENT, "there is no image");
	is_int(image_error(1), -ENOENT, "of no epoch");
	is_int(above(1), RIG_BYTES, "all may be above the old one");
	is_int(flood(3), 0, "any size fits");
	is_int(client_commit(&c, &m, 3, false), 0, "a partial epoch");
	ok(sums_are(c.v, m.now), "its digests are of what is there");
	is_int(above(3), RIG_BYTES, "nobody knows what is above it");
	is_int(info_now().state, STAGE_IN_PLACE, "is still not whole");
	is_int(flood(4), 0, "one more");
	base = disk_data(d, "/base/a", &size);
	ok(!memcmp(base, m.next, RIG_BYTES), "goes to the base");
	is_int(client_commit(&c, &m, 4, true), 0, "a clean one");
	is_int(info_now().state, STAGE_OK, "is whole");
	is_int(above(3), RIG_BYTES, "what is above the partial one: all");
	ok(shows(&c, m.image[4]), "it is the image");
	is_int(image_error(STAGE_LATEST), 0, "which can be opened");
	is_int(image_error(1), -ENOENT, "the old ones are gone");
	is_int(above(1), (uint64_t)-ENOENT, "nobody knows what is above them");
	is_int(above(4), 0, "nothing is above it");
	client_open(&c, 5);
	client_write(&c, &m, 3, 4, 5);
	ok(shows(&c, m.image[4]), "the next one is staged");
	is_int(client_commit(&c, &m, 5, true), 0, "and committed");
	ok(shows(&c, m.image[5]), "and shown");
	end();
}

/* S2, I2: what was kept before stays below what comes. */
static void test_partial_before(void)
{
	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, &m, 0, 5, 2);
	client_commit(&c, &m, 2, false);
	is_int(flood(3), -ENOSPC, "a partial epoch is there, and one too many");
	come_back(2);
	is_int(info_now().header.last_partial, 2, "it is kept");
	client_open(&c, 4);
	client_write(&c, &m, 3, 9, 4);
	is_int(come_back(3), 0, "an epoch in place is given up");
	is_int(info_now().state, STAGE_IN_PLACE, "no image yet");
	is_int(info_now().header.last_partial, 2, "the partial one is kept");
	client_open(&c, 5);
	client_write(&c, &m, 3, CHUNKS - 3, 5);
	is_int(client_commit(&c, &m, 5, true), 0, "a clean one");
	ok(shows(&c, m.image[5]), "is the sum of both");
	stage_settle(c.v, true, NULL);
	ok(shows(&c, m.image[5]), "also when all is applied");
	end();
}

/* I4 */
static bool keeps_young_history(void)
{
	struct stage_options o = in_place;
	bool is_good;
	int ret;

	o.history_ms = HOUR_MS;
	o.history_min_ms = HOUR_MS / 2;
	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	ret = flood(2);
	come_back(2);
	is_good = ret == -ENOSPC && info_now().state == STAGE_LOG_FULL &&
		  has_image(1) &&
		  flood(3) == -ENOSPC;
	disk_set_now(d, 9000000000000000ULL);
	come_back(3);
	flood(4);
	come_back(4);
	is_good = is_good && info_now().state == STAGE_IN_PLACE;
	end();
	return is_good;
}

static void test_history_min(void)
{
	ok(keeps_young_history(), "history_min is not pushed out");
	stage_faults = STAGE_FAULT_I4;
	ok(!keeps_young_history(), "I4 off: noticed");
	stage_faults = 0;
}

/* A4, A5: a disk that has promised more than it has says so at the sync. */
static void test_full_at_sync(void)
{
	const struct stage_options o = { .history_ms = HOUR_MS };

	begin(&o, 1);
	is_int(send_whole(1) ?: send_whole(2), 0, "two epochs");
	disk_set_sync_error(d, -ENOSPC);
	disk_fail_sync(d, ".seg", 1);
	is_int(send_whole(3), -ENOSPC, "full, at the sync: %s", c.err.text);
	is_int(info_now().state, STAGE_LOG_FULL, "that is told as a full log");
	ok(has_image(2), "the image is as good as ever");
	for (int i = 0; i < 60000 && info_now().nr_epochs > 1; i++)
		usleep(1000);
	ok(info_now().nr_epochs < 2, "history makes room");
	come_back(2);
	is_int(send_whole(4), 0, "the next epoch is taken");
	end();
}

/* S10: somebody has the last image open. */
static void test_pinned(void)
{
	struct stage_image *i;
	char buf[512];

	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_image_open(&i, c.v, 1, NULL);
	flood(2);
	come_back(2);
	is_int(info_now().state, STAGE_IN_PLACE, "an open image: in place");
	is_int(stage_image_read(i, buf, sizeof(buf), 0, NULL), -ESTALE,
	       "its reads fail");
	stage_image_close(i);
	end();
}

static void test_base_fails(void)
{
	begin_in_place();
	client_open(&c, 3);
	client_write(&c, &m, 0, 3, 3);
	disk_fail_sync(d, "base", 1);
	is_int(client_commit(&c, &m, 3, true), -EIO, "a base that cannot be "
	       "synced: %s", c.err.text);
	model_drop(&m);
	is_int(info_now().state, STAGE_IN_PLACE, "no image yet");
	client_open(&c, 4);
	disk_break(d, "base");
	is_int(client_write(&c, &m, 0, 3, 4), -EIO, "nor written: %s",
	       c.err.text);
	disk_break(d, "");
	is_int(come_back(3), 0, "it is well again");
	is_int(send_whole(5), 0, "and goes on");
	ok(shows(&c, m.image[5]), "with the image");
	end();
}

/* I3: the failure is told once, and it was not the commit that was told. */
static void test_applier_is_told(void)
{
	begin(&in_place, 1);
	flood(1);
	come_back(2);
	client_open(&c, 2);
	client_write(&c, &m, 0, CHUNKS, 2);
	disk_fail_sync(d, "base", 1);
	is_int(stage_apply_sync(c.v->g, 0, NULL), -EIO, "the applier is told");
	is_int(client_commit(&c, &m, 2, true), -EIO, "and so is the commit: %s",
	       c.err.text);
	is_int(info_now().state, STAGE_IN_PLACE, "there is no image");
	come_back(3);
	is_int(send_whole(3), 0, "the next one is good");
	end();
}

static bool is_whole_after_a_cut(const char *image)
{
	struct disk *cut = disk_cut(d, disk_moment(d), 0);
	struct stage *after = rig_open(cut, &in_place, NULL);
	struct client k;
	bool is_good;

	client_connect(&k, after, "a");
	is_good = shows(&k, image);
	client_close(&k);
	stage_close(after);
	disk_destroy(cut);
	return is_good;
}

/* As replicad does: what the digests call equal is not sent. */
static void send_compared(uint64_t chunk, uint64_t nr, uint32_t seed,
			  const char *image)
{
	if (sums_are(c.v, image))
		memcpy(m.next, image, sizeof(m.next));
	else
		client_write(&c, &m, chunk, nr, seed);
}

/* I6: the base shows what the disk has lost. */
static void test_base_shows_what_it_lost(void)
{
	char want[RIG_BYTES];

	begin_in_place();
	client_open(&c, 3);
	client_write(&c, &m, 0, 3, 3);
	memcpy(want, m.next, sizeof(want));
	ok(sums_are(c.v, want), "digests, while nothing has failed");
	disk_fail_sync(d, "base", 1);
	is_int(client_commit(&c, &m, 3, true), -EIO, "the base fails");
	come_back(3);
	client_open(&c, 4);
	send_compared(0, 2, 3, want);
	is_int(client_commit(&c, &m, 4, false), 0, "a part is sent again");
	client_open(&c, 5);
	ok(!sums_are(c.v, want), "there are no digests of the rest");
	fill(want, 3 * RIG_CHUNK, 0, 3);
	client_write(&c, &m, 0, 3, 3);
	is_int(client_commit(&c, &m, 5, true), 0, "all is");
	ok(shows(&c, want) && is_whole_after_a_cut(want),
	   "it is the image, after a power cut too");
	ok(sums_are(c.v, want), "with its digests");
	end();
}

/* I6: who comes up in place knows nothing of failures before. */
static void test_restart_in_place(void)
{
	char want[RIG_BYTES];

	begin_in_place();
	client_open(&c, 3);
	client_write(&c, &m, 0, 3, 3);
	memcpy(want, m.next, sizeof(want));
	disk_fail_sync(d, "base", 1);
	client_commit(&c, &m, 3, true);
	open_again(&in_place, NULL);
	come_back(3);
	client_open(&c, 4);
	send_compared(0, 3, 3, want);
	is_int(client_commit(&c, &m, 4, true), 0, "restarted in place: clean");
	ok(is_whole_after_a_cut(want), "whole after a power cut");
	end();
}

/* I5: the refusal itself costs nothing; a stranger cannot make it cost. */
static void test_nobody_comes_back(void)
{
	struct stage_options still = in_place;
	struct error err = { 0 };
	struct client other;

	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_settle(c.v, true, NULL);
	is_int(flood(2), -ENOSPC, "the log is full");
	client_connect(&other, s, "a");
	memset(&other.h, 0, sizeof(other.h));
	other.h.generation = 0x3333;
	other.h.seq = c.h.seq + 10;
	is_int(client_hello(&other, 9, 9), -EPERM, "a stranger comes");
	client_close(&other);
	stage_settle(c.v, false, NULL);
	is_int(info_now().state, STAGE_LOG_FULL, "no more than full");
	is_int(image_error(1), 0, "the last image is there");
	still.is_still = true;
	open_again(&still, &err);
	is_int(stage_fence(stage_find(s, "a"), 1, 77, &err), 0,
	       "and can be promoted%s%s", err.code ? ": " : "", err.text);
	end();
}

static enum stage_state wait_in_place(void)
{
	for (int i = 0; i < 600 && info_now().state != STAGE_IN_PLACE; i++)
		usleep(100000);
	return info_now().state;
}

static bool is_error(void)
{
	return info_now().state == STAGE_ERROR;
}

/* What cannot be announced is tried again, and no error stays behind. */
static void test_announce_fails(void)
{
	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_settle(c.v, true, NULL);
	flood(2);
	disk_break(d, "checkpoint");
	come_back(2);
	ok(is_error(), "in place, but it cannot be announced");
	disk_break(d, "");
	is_int(wait_in_place(), STAGE_IN_PLACE, "then it can");
	come_back(3);
	is_int(send_whole(3), 0, "and it goes on");
	end();
}

/* I2: nor does an epoch begin in the log while it is tried again. */
static void test_announced_late(void)
{
	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_settle(c.v, true, NULL);
	flood(2);
	disk_break(d, "checkpoint");
	come_back(2);
	ok(is_error(), "in place, but it cannot be announced");
	disk_slow(d, "checkpoint", 500);
	disk_break(d, "");
	come_back(3);
	usleep(100000);			/* the applier has begun again */
	is_int(client_open(&c, 3), 0, "an epoch meanwhile");
	client_write(&c, &m, 0, 4, 3);
	is_int(client_commit(&c, &m, 3, false), 0, "which is partial");
	is_int(wait_in_place(), STAGE_IN_PLACE, "in place now");
	disk_slow(d, "", 0);
	client_open(&c, 4);
	client_write(&c, &m, 0, 4, 4);
	is_int(client_commit(&c, &m, 4, true), 0, "then a clean one");
	ok(shows(&c, m.image[4]), "which is the image");
	stage_settle(c.v, true, NULL);
	ok(shows(&c, m.image[4]), "and stays so");
	end();
}

/* S7: a group is in place as a whole. */
static void test_group(void)
{
	struct client b;

	begin(&in_place, 2);
	client_connect(&b, s, "b");
	client_hello(&b, 1, 1);
	flood(1);
	client_hello(&b, 1, 2);
	come_back(2);
	is_int(info_now().state, STAGE_IN_PLACE, "a group");
	client_open(&c, 2);
	client_open(&b, 2);
	client_write(&c, &m, 0, CHUNKS, 2);
	client_write(&b, NULL, 0, CHUNKS, 2);
	is_int(client_commit(&c, &m, 2, true), 0, "one member's commit");
	is_int(info_now().state, STAGE_IN_PLACE, "is a promise");
	is_int(client_commit(&b, NULL, 2, true), 0, "with the other's");
	ok(shows(&c, m.image[2]) && shows(&b, m.image[2]), "it is an image");
	client_close(&b);
	end();
}

/* Many small partial epochs: their records find room. */
static void test_room(void)
{
	int ret = 0;

	begin(&in_place, 1);
	flood(1);
	come_back(2);
	for (uint64_t e = 2; !ret && e < 500; e++) {
		ret = client_open(&c, e);
		if (!ret)
			ret = client_write(&c, &m, e % CHUNKS, 1, e);
		if (!ret)
			ret = client_commit(&c, e < 499 ? &m : NULL, e,
					    e == 499);
	}
	is_int(ret, 0, "500 epochs in place: %s", c.err.text);
	ok(info_now().log_bytes <= in_place.log_bytes, "in a log that is full");
	ok(shows(&c, m.next), "and all of it is there");
	end();
}

/* A6: what is there of a larger log is more than all of the new one. */
static void test_smaller(const struct stage_options *small)
{
	is_int(begin_smaller(small), 0, "most of a large segment");
	stage_settle(c.v, true, NULL);
	is_int(client_epoch(&c, &m, 7, 7, true), 0,
	       "a log of less than that takes the next epoch: %s", c.err.text);
	ok(shows(&c, m.image[7]), "it is the image");
	stage_settle(c.v, true, NULL);
	ok(info_now().log_bytes <= small->log_bytes, "the large one has gone");
	is_int(flood(8), -ENOSPC, "it is as large as it should be");
	is_int(come_back(3), 0, "it comes back");
	is_int(flood(9), small->on_full_apply ? 0 : -ENOSPC, "on_full: %s",
	       c.err.text);
	end();
}

/* The same, in place before the large one has gone. */
static void test_smaller_in_place(void)
{
	begin_smaller(&in_place);
	is_int(flood(7), -ENOSPC, "smaller, and an epoch that is too large");
	is_int(come_back(3), 0, "it comes back");
	is_int(flood(8), 0, "in place: %s", c.err.text);
	is_int(client_commit(&c, &m, 8, true), 0, "clean: %s", c.err.text);
	ok(shows(&c, m.image[8]), "it is the image");
	end();
}

/* --- power cuts ----------------------------------------------------------- */

/* Moments at which things were begun and done. */
static struct {
	uint64_t begun, refused, partial_sent, partial_acked;
	uint64_t clean_sent, clean_acked, last_sent, last_acked;
} at;

/*
 * 1 and 2 clean, 3 partial, 4 refused; in place: 5 partial, 6 given up, 7
 * clean; 8 clean, staged.
 */
static void workload(void)
{
	begin(&in_place, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_epoch(&c, &m, 2, 2, true);
	client_open(&c, 3);
	client_write(&c, &m, 0, 5, 3);
	client_commit(&c, &m, 3, false);
	at.begun = disk_moment(d);
	flood(4);
	come_back(2);
	at.refused = disk_moment(d);
	client_open(&c, 5);
	client_write(&c, &m, 2, 10, 5);
	at.partial_sent = disk_moment(d);
	client_commit(&c, &m, 5, false);
	at.partial_acked = disk_moment(d);
	client_open(&c, 6);
	client_write(&c, &m, 12, 8, 6);
	come_back(3);
	client_open(&c, 7);
	client_write(&c, &m, 10, CHUNKS - 10, 7);
	at.clean_sent = disk_moment(d);
	client_commit(&c, &m, 7, true);
	at.clean_acked = disk_moment(d);
	client_open(&c, 8);
	client_write(&c, &m, 4, 4, 8);
	at.last_sent = disk_moment(d);
	client_commit(&c, &m, 8, true);
	at.last_acked = disk_moment(d);
}

/* What the primary must believe by then, at least and at most. */
static bool is_clean_right(uint64_t clean, uint64_t moment)
{
	if (clean == 2)
		return moment < at.clean_acked;
	if (clean == 7)
		return moment >= at.clean_sent && moment < at.last_acked;
	return clean == 8 && moment >= at.last_sent;
}

/* Where there is no image: from 5 or 3 on all is shipped again. */
static bool can_be_mended(const struct stage_info *info, uint64_t moment)
{
	bool has_5 = info->header.last_partial == 5;
	char want[RIG_BYTES];
	uint64_t from = has_5 ? 10 : 2;

	if (info->header.last_clean != 2 || moment >= at.clean_acked ||
	    (moment >= at.partial_acked && !has_5) ||
	    (!has_5 && info->header.last_partial != 3))
		return false;
	memcpy(want, m.image[7], sizeof(want));
	fill(want + from * RIG_CHUNK, RIG_BYTES - from * RIG_CHUNK,
	     from * RIG_CHUNK, 40);
	client_connect(&c, s, "a");
	return !client_hello(&c, 9, 9) && !client_open(&c, 40) &&
	       !client_write(&c, NULL, from, CHUNKS - from, 40) &&
	       !client_commit(&c, NULL, 40, true) && shows(&c, want) &&
	       !image_error(40) && shows_epoch(c.v, 40, want);
}

static bool is_right(uint64_t moment)
{
	struct stage_volume *v = stage_find(s, "a");
	struct stage_info info;

	memset(&c, 0, sizeof(c));
	c.v = v;
	stage_get_info(v, &info);
	if (info.state == STAGE_IN_PLACE)
		return moment >= at.begun && image_error(STAGE_LATEST) &&
		       can_be_mended(&info, moment);
	client_connect(&c, s, "a");
	return info.state != STAGE_ERROR &&
	       is_clean_right(info.header.last_clean, moment) &&
	       shows(&c, m.image[info.header.last_clean]) && shows_all(v, &m);
}

static bool check_cut(struct disk *cut, uint64_t moment)
{
	struct error err = { 0 };
	bool is_good;

	s = rig_open(cut, &in_place, &err);
	is_good = s && is_right(moment);
	client_close(&c);
	stage_close(s);
	disk_destroy(cut);
	return is_good;
}

static unsigned int count_bad(unsigned int most)
{
	const char *env = getenv("STAGE_SEEDS");
	unsigned int seeds = env ? atoi(env) : 4, bad = 0, nr = 0;

	workload();
	client_close(&c);
	stage_close(s);
	for (uint64_t i = at.begun; i <= at.last_acked && bad < most; i++)
		for (unsigned int seed = 0; seed < seeds; seed++, nr++)
			if (!check_cut(disk_cut(d, i, seed < 2 ? seed :
						i * 31 + seed), i)) {
				printf("# moment %llu of %llu, seed %u\n",
				       (unsigned long long)i,
				       (unsigned long long)at.last_acked,
				       seed);
				bad++;
			}
	disk_destroy(d);
	printf("# %u states\n", nr);
	return bad;
}

static void test_cuts(void)
{
	is_int(count_bad(5), 0, "a power cut at any moment");
	stage_faults = STAGE_FAULT_I1;
	ok(count_bad(1), "I1 off: noticed");
	stage_faults = STAGE_FAULT_I3;
	ok(count_bad(1), "I3 off: noticed");
	stage_faults = 0;
}

int main(void)
{
	test_refused();
	test_in_place();
	test_partial_before();
	test_history_min();
	test_full_at_sync();
	test_pinned();
	test_base_fails();
	test_applier_is_told();
	test_base_shows_what_it_lost();
	test_restart_in_place();
	test_announce_fails();
	test_announced_late();
	test_nobody_comes_back();
	test_group();
	test_room();
	test_smaller(&(struct stage_options) { .log_bytes = 256 << 10 });
	test_smaller(&in_place);
	test_smaller_in_place();
	test_cuts();
	return tap_done();
}
