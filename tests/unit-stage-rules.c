// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each rule of the design, by a scenario that goes wrong without it: each is
 * run with the rule on, when it must hold, and off, when that must show.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage-scene.h"
#include "tap.h"

#define HOUR_MS	3600000ULL


static const struct stage_options keep = { .history_ms = HOUR_MS };

/* A partial epoch must not be seen before the clean one above it. */
static bool s1(void)
{
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_epoch(&c, &m, 2, 2, false);
	is_good = shows(&c, m.image[1]);
	client_epoch(&c, &m, 3, 3, true);
	is_good = is_good && shows(&c, m.image[3]);
	end();
	return is_good;
}

/* An abort costs the open epoch, but nothing that was kept. */
static bool s2(void)
{
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_epoch(&c, &m, 2, 2, false);
	client_open(&c, 3);
	client_write(&c, NULL, 0, 3, 33);
	client_epoch(&c, &m, 4, 4, true);
	is_good = shows(&c, m.image[4]);
	end();
	return is_good;
}

/* A commit whose sync failed was refused, and does not come back. */
static bool s3_close(void)
{
	struct error err = { 0 };
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, NULL, 4, 2, 2);
	disk_fail_sync(d, ".seg", 1);
	is_good = client_commit(&c, NULL, 2, true) == -EIO &&
		  shows(&c, m.image[1]);
	client_close(&c);
	stage_close(s);
	s = rig_open(d, &keep, &err);
	client_connect(&c, s, "a");
	is_good = is_good && c.h.last_clean == 1 && shows(&c, m.image[1]) &&
		  !client_hello(&c, 1, 2) &&
		  !client_epoch(&c, &m, 3, 3, true) && shows(&c, m.image[3]);
	end();
	return is_good;
}

/* The newest header and commit of a disk, in a stage that is opened there. */
static void look_at(struct disk *disk, uint64_t told[2])
{
	struct error err = { 0 };
	struct stage *stage = rig_open(disk, &keep, &err);
	struct stage_info info = { 0 };

	if (stage)
		stage_get_info(stage_find(stage, "a"), &info);
	stage_close(stage);
	told[0] = info.header.seq;
	told[1] = info.header.last_clean;
}

/* What was told after a power cut is so after another one, which comes next. */
static bool is_told_for_good(const struct disk *before, uint64_t seed)
{
	struct disk *cut = disk_cut(before, disk_moment(before), seed), *again;
	uint64_t told[2], now[2];
	bool is_good = true;

	look_at(cut, told);
	for (uint64_t i = 2; is_good && i < 20; i++) {
		again = disk_cut(cut, disk_moment(cut), i);
		look_at(again, now);
		is_good = !memcmp(now, told, sizeof(now));
		disk_destroy(again);
	}
	disk_destroy(cut);
	return is_good;
}

/* The call that fails in a commit is the one with this number; two epochs more
 * are given up, and another one is open when power is lost. */
static bool is_given_up(uint64_t nth)
{
	bool is_good = true;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, NULL, 4, 2, 2);
	disk_fail(d, nth, -EIO, 0);
	client_commit(&c, NULL, 2, true);
	disk_fail(d, 0, 0, 0);
	client_close(&c);
	client_connect(&c, s, "a");
	is_good = !client_hello(&c, 1, 2);
	for (uint64_t i = 3; is_good && i < 7; i++)
		is_good = !client_open(&c, i) &&
			  !client_write(&c, NULL, 0, 2, i) &&
			  !client_header(&c, REPLICA_KIND_HEARTBEAT, 0);
	for (uint64_t seed = 1; is_good && seed < 30; seed++)
		is_good = is_told_for_good(d, seed);
	end();
	return is_good;
}

/* What was given up does not come back, once that is told. */
static bool z9(void)
{
	bool is_good = true;

	for (uint64_t nth = 1; is_good && nth < 4; nth++)
		is_good = is_given_up(nth);
	return is_good;
}

/* What was answered is there, whatever a power cut takes. */
static bool s3_commit(void)
{
	struct error err = { 0 };
	struct disk *cut;
	bool is_good;

	begin(&keep, 1);
	is_good = !client_epoch(&c, &m, 1, 1, true) &&
		  !client_epoch(&c, &m, 2, 2, true);
	cut = disk_cut(d, disk_moment(d), 0);
	end();
	d = cut;
	s = rig_open(d, &keep, &err);
	client_connect(&c, s, "a");
	is_good = is_good && c.h.last_clean == 2 && shows(&c, m.image[2]);
	end();
	return is_good;
}

/* A record has gone, its neighbours are good: the epoch does not count. */
static bool s3_count(void)
{
	struct stage_record r = { .type = STAGE_REC_OPEN };
	struct error err = { 0 };
	struct stage_segment *seg;
	uint64_t lsn, size;
	bool is_good;
	char *data;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_zero(&c, NULL, 1, 1);
	lsn = stage_lsn(c.v->g->current->number, c.v->g->current->tail - 64);
	client_write(&c, NULL, 5, 1, 2);
	client_commit(&c, NULL, 2, true);
	seg = c.v->g->segments[0];
	data = disk_data(d, "/stage/a.log/0000000001.seg", &size);
	/* In its place one that is whole, but of another epoch's data. */
	r = (struct stage_record) { .type = STAGE_REC_ZERO, .epoch = 2,
				    .off = 8192, .len = 4096 };
	r.crc = replica_digest(r.off, NULL, r.len);
	stage_record_encode(&r, seg->salt, lsn, data + stage_lsn_pos(lsn));
	client_close(&c);
	stage_close(s);
	s = rig_open(d, &keep, &err);
	client_connect(&c, s, "a");
	is_good = c.h.last_clean == 1 && shows(&c, m.image[1]);
	end();
	return is_good;
}

/* What is open is not shown. */
static bool s5(void)
{
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, NULL, 0, 3, 5);
	is_good = shows(&c, m.image[1]);
	end();
	return is_good;
}

/* A flood: young history stays, the epoch is refused, the image is served. */
static bool s6(void)
{
	struct stage_options o = { .history_ms = HOUR_MS,
				   .history_min_ms = HOUR_MS / 2,
				   .log_bytes = 512 << 10 };
	struct stage_info info;
	uint64_t e = 1, last;
	bool is_good;
	int ret = 0;

	begin(&o, 1);
	client_epoch(&c, &m, e, 1, true);
	while (!ret && ++e < 60) {
		client_open(&c, e);
		ret = client_write(&c, &m, 0, 12, e);
		if (!ret)
			ret = client_commit(&c, &m, e, true);
	}
	last = m.clean;
	stage_get_info(c.v, &info);
	is_good = ret == -ENOSPC && info.state == STAGE_LOG_FULL &&
		  info.log_needed && shows(&c, m.image[last]) &&
		  shows_epoch(c.v, 1, m.image[1]);
	/* Later the history is old enough, and goes. */
	disk_set_now(d, 9000000000000000ULL);
	model_drop(&m);
	is_good = is_good && !client_open(&c, 61) &&
		  !client_write(&c, NULL, 0, 12, 61) &&
		  !client_commit(&c, NULL, 61, true);
	stage_get_info(c.v, &info);
	is_good = is_good && info.state == STAGE_OK;
	end();
	return is_good;
}

/* One member's commit is none while the other's has not come. */
static bool s7(void)
{
	static const char zeros[RIG_BYTES];
	struct client b;
	bool is_good;

	begin(&keep, 2);
	client_connect(&b, s, "b");
	client_hello(&b, 1, 1);
	client_open(&c, 1);
	client_open(&b, 1);
	client_write(&c, NULL, 0, 1, 1);
	client_write(&b, NULL, 0, 1, 2);
	client_commit(&c, NULL, 1, true);
	is_good = shows(&c, zeros);
	client_close(&b);
	end();
	return is_good;
}

/* Data of an old session is not taken into the new one's epoch. */
static bool s8(void)
{
	struct client newer;
	bool is_good;

	begin(&keep, 1);
	client_connect(&newer, s, "a");
	client_hello(&newer, 1, 2);
	client_open(&newer, 1);
	client_write(&newer, &m, 2, 1, 1);
	client_write(&c, NULL, 2, 1, 666);
	is_good = !client_commit(&newer, &m, 1, true) &&
		  shows(&newer, m.image[1]);
	client_close(&newer);
	end();
	return is_good;
}

static bool s9(void)
{
	struct error err = { 0 };
	struct stage *second;
	bool is_good;

	begin(&keep, 1);
	second = rig_open(d, &keep, &err);
	is_good = !second && err.code == -EBUSY;
	stage_close(second);
	end();
	return is_good;
}

/* An image that is open stays, whatever is applied. */
static bool s10(void)
{
	struct stage_options o = { .history_ms = 0 };
	char buf[RIG_BYTES];
	struct stage_image *i;
	bool is_good;

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_settle(c.v, true, NULL);
	client_epoch(&c, &m, 2, 2, true);
	stage_image_open(&i, c.v, 1, NULL);
	for (uint64_t e = 3; e < 9; e++)
		client_epoch(&c, &m, e, e, true);
	stage_settle(c.v, true, NULL);
	is_good = !stage_image_read(i, buf, sizeof(buf), 0, NULL) &&
		  !memcmp(buf, m.image[1], sizeof(buf));
	stage_image_close(i);
	stage_settle(c.v, true, NULL);
	is_good = is_good && c.v->g->checkpoint.applied_epoch == 8;
	end();
	return is_good;
}

/* Only a full log breaks the pin, and then it is told. */
static bool s10_broken(void)
{
	struct stage_options o = { .history_ms = 0, .log_bytes = 512 << 10 };
	char buf[4096];
	struct stage_image *i;
	int ret = 0;

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_image_open(&i, c.v, 1, NULL);
	for (uint64_t e = 2; !ret && e < 40; e++) {
		client_open(&c, e);
		ret = client_write(&c, &m, 0, 12, e);
		if (!ret)
			ret = client_commit(&c, &m, e, true);
	}
	ret = ret ? ret : stage_image_read(i, buf, sizeof(buf), 0, NULL);
	stage_image_close(i);
	end();
	return ret == -ESTALE;
}

static int sum_up(void *arg, const struct stage_epoch *e)
{
	*(uint64_t *)arg += e->bytes;
	return 0;
}

static uint64_t history_bytes(void)
{
	uint64_t bytes = 0;

	stage_settle(c.v, false, NULL);
	stage_history(c.v, sum_up, &bytes);
	return bytes;
}

/* Epochs younger than history= are there, and older ones go. */
static bool history_age(void)
{
	bool is_good;

	begin(&keep, 1);
	disk_set_now(d, 1000 * HOUR_MS * 1000000);
	client_epoch(&c, &m, 1, 1, true);
	disk_set_now(d, 1000 * HOUR_MS * 1000000 + HOUR_MS / 2 * 1000000);
	client_epoch(&c, &m, 2, 2, true);
	client_epoch(&c, &m, 3, 3, true);
	history_bytes();
	is_good = c.v->g->nr_epochs == 3 && shows_all(c.v, &m);
	disk_set_now(d, 1000 * HOUR_MS * 1000000 + HOUR_MS * 1200000);
	history_bytes();
	is_good = is_good && c.v->g->nr_epochs == 2 &&
		  c.v->g->checkpoint.applied_epoch == 1 && shows_all(c.v, &m);
	end();
	return is_good;
}

/* No more than history= says, whatever its age: the oldest go. */
static bool history_size(void)
{
	struct stage_options o = { .history_ms = HOUR_MS,
				   .history_bytes = 100 << 10 };
	bool is_good;

	begin(&o, 1);
	for (uint64_t e = 1; e < 12; e++) {
		client_open(&c, e);
		client_write(&c, &m, e, 5, e);
		client_commit(&c, &m, e, true);
	}
	is_good = history_bytes() <= o.history_bytes &&
		  history_bytes() > o.history_bytes / 2 &&
		  shows_all(c.v, &m);
	end();
	return is_good;
}

static void *write_slowly(void *arg)
{
	client_write(arg, NULL, 2, 3, 666);
	return NULL;
}

static void wait_in_flight(void)
{
	for (int i = 0; i < 1000; i++) {
		unsigned int nr;

		pthread_mutex_lock(&c.v->g->lock);
		nr = c.v->g->open.in_flight;
		pthread_mutex_unlock(&c.v->g->lock);
		if (nr)
			return;
		usleep(1000);
	}
}

/* C2: a slow write of an old connection, which ends after the hello. */
static bool w1(void)
{
	struct client newer;
	pthread_t thread;
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	disk_slow(d, ".seg", 200);
	pthread_create(&thread, NULL, write_slowly, &c);
	wait_in_flight();
	disk_slow(d, ".seg", 0);
	client_connect(&newer, s, "a");
	client_hello(&newer, 1, 2);
	is_good = !newer.v->in_flight;
	client_open(&newer, 3);
	client_write(&newer, &m, 2, 1, 3);
	pthread_join(thread, NULL);
	is_good = is_good && !client_commit(&newer, &m, 3, true) &&
		  shows(&newer, m.image[3]);
	client_close(&newer);
	end();
	return is_good;
}

/* A record that never came: its epoch is refused. */
static bool w2(void)
{
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, NULL, 3, 1, 2);
	c.records++;
	c.digest += 12345;
	is_good = client_commit(&c, NULL, 2, true) == -EINVAL &&
		  shows(&c, m.image[1]);
	end();
	return is_good;
}

/* C6: what compare asks for has what was kept in it. */
static bool w4(void)
{
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_epoch(&c, &m, 2, 2, false);
	client_open(&c, 3);
	client_write(&c, NULL, 0, 1, 3);
	is_good = sums_are(c.v, m.now);
	end();
	return is_good;
}

/* C5: a number that was seen is not used again, also if it was dropped. */
static bool number(void)
{
	bool is_good;

	begin(&keep, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 5);
	client_hello(&c, 1, 2);
	is_good = client_open(&c, 3) == -EINVAL &&
		  client_open(&c, 5) == -EINVAL &&
		  client_open(&c, 6 + (1ULL << 33)) == -EINVAL;
	end();
	return is_good;
}

static void settle_all(void)
{
	while (stage_settle(c.v, true, NULL))
		usleep(10000);
}

/*
 * A sync of the base fails, of epoch 1 or, if that has been applied already, of
 * epoch 2: everything since the last good one is done again.
 */
static bool base_sync(void)
{
	struct stage_options o = { .history_ms = 0 };
	struct disk *cut;
	uint64_t size;
	char *base;
	bool is_good;

	begin(&o, 1);
	client_epoch(&c, &m, 1, 1, true);
	disk_fail_sync(d, "/base/", 1);
	settle_all();
	client_epoch(&c, &m, 2, 2, true);
	settle_all();
	cut = disk_cut(d, disk_moment(d), 0);
	base = disk_data(cut, "/base/a", &size);
	is_good = !memcmp(base, m.image[2], RIG_BYTES);
	disk_destroy(cut);
	end();
	return is_good;
}

static const struct {
	const char *claim;
	bool (*holds)(void);
	unsigned long long fault;		/* 0: no switch */
} rules[] = {
	{ "S1 a partial epoch is not shown", s1, STAGE_FAULT_S1 },
	{ "S2 an abort drops the open epoch only", s2, STAGE_FAULT_S2 },
	{ "S3 a failed sync ends the epoch", s3_close, STAGE_FAULT_S3_CLOSE },
	{ "S3 a commit is synced before its answer", s3_commit,
	  STAGE_FAULT_S3_COMMIT },
	{ "S3 a commit counts its records", s3_count, STAGE_FAULT_S3_COUNT },
	{ "S3 a base's failed sync repeats all", base_sync,
	  STAGE_FAULT_S3_BASE },
	{ "Z9 what was given up stays so", z9, STAGE_FAULT_Z9 },
	{ "S5 VOL is the committed image", s5, STAGE_FAULT_S5 },
	{ "S6 a full log costs no young history", s6, STAGE_FAULT_S6 },
	{ "S7 a group commits together", s7, STAGE_FAULT_S7 },
	{ "S8 only the newest session writes", s8, STAGE_FAULT_S8 },
	{ "S9 one process has it", s9, STAGE_FAULT_S9 },
	{ "S10 an open image stays", s10, STAGE_FAULT_S10 },
	{ "S10 a broken pin is told", s10_broken,
	  STAGE_FAULT_S10_TELL },
	{ "history is kept by age", history_age, STAGE_FAULT_AGE },
	{ "history is kept by size", history_size, STAGE_FAULT_SIZE },
	{ "W1 hello waits for what is under way", w1, STAGE_FAULT_W1_WAIT },
	{ "W2 a commit with wrong count is refused", w2, STAGE_FAULT_W2 },
	{ "W4 digests have what was kept", w4, STAGE_FAULT_W4 },
	{ "C5 numbers are used once", number, STAGE_FAULT_NUMBER },
};

/* In a process of its own: without its rule a scenario may end anyhow. */
static bool fails_without(unsigned long long fault, bool (*holds)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		alarm(20);
		if (!freopen("/dev/null", "w", stderr))
			_exit(2);
		stage_faults = fault;
		_exit(holds() ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	return status != 0;
}

int main(void)
{
	for (unsigned int i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		ok(rules[i].holds(), "%s", rules[i].claim);
		if (rules[i].fault)
			ok(fails_without(rules[i].fault, rules[i].holds),
			   "and not without the rule");
	}
	return tap_done();
}
