// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The secondary loses power, or its process is killed, at every moment of a
 * workload. If this fails, a replica is not exactly the last epoch that was
 * acknowledged (or the one whose commit was under way), its history lies, or a
 * log is said to be damaged which is not.
 * STAGE_SEEDS sets how many subsets are tried for each moment (4).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

#define SECONDS	6	/* power cuts right after the recovery of one killed */

struct run {
	struct disk *d;
	struct model m;
	struct marks sent, acked;
	struct stage_options opts;
};

static void epoch(struct run *r, struct client *c, uint64_t e, bool is_clean)
{
	struct model *m = &r->m;

	client_open(c, e);
	client_write(c, m, e * 5 % 20, 1 + e % 4, e);
	client_zero(c, m, e * 3 % 22, 1);
	client_write(c, m, e * 11 % 23, 1, e + 100);
	/* An image that may be there before its commit is answered. */
	if (is_clean) {
		memcpy(m->image[e], m->next, sizeof(m->next));
		m->is_there[e] = true;
	}
	marks_add(&r->sent, r->d, is_clean ? e : m->clean,
		  is_clean ? m->partial : e);
	if (client_commit(c, m, e, is_clean))
		printf("# epoch %llu: %s\n", (unsigned long long)e,
		       c->err.text);
	marks_add(&r->acked, r->d, m->clean, m->partial);
}

/* Clean and partial epochs, an abort, a new session, applying, all rolled. */
static void workload(struct run *r, const struct stage_options *opts)
{
	struct client c, c2;
	struct stage *s;

	memset(r, 0, sizeof(*r));
	r->d = disk_create();
	r->opts = *opts;
	s = rig_create(r->d, opts, 1);
	marks_add(&r->sent, r->d, 0, 0);
	marks_add(&r->acked, r->d, 0, 0);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 5; e++)
		epoch(r, &c, e, e != 3);
	client_open(&c, 6);
	client_write(&c, NULL, 0, 20, 666);
	client_connect(&c2, s, "a");
	client_hello(&c2, 1, 2);
	model_drop(&r->m);
	epoch(r, &c2, 7, false);
	epoch(r, &c2, 8, true);
	stage_settle(c2.v, false, NULL);
	epoch(r, &c2, 9, true);
	disk_set_now(r->d, 3000000000000ULL);
	stage_settle(c2.v, true, NULL);
	client_open(&c2, 10);
	client_write(&c2, NULL, 3, 16, 77);
	client_open(&c2, 11);
	model_drop(&r->m);
	for (uint64_t e = 12; e <= 16; e++)
		epoch(r, &c2, e, e % 3 != 1);
	client_close(&c);
	client_close(&c2);
	stage_close(s);
}

static bool is_blamed;

static void hear(const char *text)
{
	if (!strstr(text, "is damaged,") || strstr(text, "was cut off"))
		return;
	printf("# %s\n", text);
	is_blamed = true;
}

/* What a stage shows after a cut at the moment. No disk is blamed for it. */
static bool is_right(const struct run *r, struct stage *s, uint64_t moment,
		     uint64_t *clean)
{
	const struct mark *acked, *sent;
	struct stage_volume *v = stage_find(s, "a");
	struct stage_info info;

	acked = marks_find(&r->acked, moment);
	sent = marks_find(&r->sent, moment);
	stage_get_info(v, &info);
	*clean = info.header.last_clean;
	is_blamed = false;
	stage_tell_notices(s, hear);
	if (is_blamed)
		return false;
	if (info.state == STAGE_ERROR) {
		printf("# %s\n", info.error.text);
		return false;
	}
	return marks_allow(acked, sent, info.header.last_clean,
			   info.header.last_partial) &&
	       shows_all(v, &r->m);
}

/* It goes on: a new epoch is committed and shown. */
static bool goes_on(struct stage *s)
{
	char image[RIG_BYTES];
	struct client c;
	bool is_good;

	client_connect(&c, s, "a");
	is_good = !client_hello(&c, 9, 9) && !client_open(&c, 40) &&
		  !client_write(&c, NULL, 0, 24, 40) &&
		  !client_commit(&c, NULL, 40, true);
	fill(image, RIG_BYTES, 0, 40);
	is_good = is_good && shows(&c, image);
	if (!is_good)
		printf("# going on: %s\n", c.err.text);
	client_close(&c);
	return is_good;
}

/* A cut of what has recovered: it says what it has said. */
static bool says_again(const struct run *r, struct disk *d, uint64_t moment,
		       uint64_t clean)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, &r->opts, &err);
	uint64_t again = 0;
	bool is_good = s && is_right(r, s, moment, &again);

	if (is_good && again != clean)
		printf("# it said %llu, and now %llu\n",
		       (unsigned long long)clean, (unsigned long long)again);
	else if (!s)
		printf("# the second time: %s\n", err.text);
	stage_close(s);
	return is_good && again == clean;
}

/* Recovers; then loses power at once, in @nr ways; then goes on. */
static bool check_cut(const struct run *r, struct disk *d, uint64_t moment,
		      unsigned int nr)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, &r->opts, &err);
	uint64_t clean = 0;
	struct disk *second[SECONDS];
	bool is_good;

	if (!s) {
		printf("# %s\n", err.text);
		return false;
	}
	is_good = is_right(r, s, moment, &clean);
	for (unsigned int i = 0; i < nr; i++)
		second[i] = disk_cut(d, disk_moment(d), i ? moment * 7 + i : 0);
	is_good = is_good && goes_on(s);
	stage_close(s);
	for (unsigned int i = 0; i < nr; i++) {
		is_good = is_good && says_again(r, second[i], moment, clean);
		disk_destroy(second[i]);
	}
	return is_good;
}

/* All moments, some subsets of what was not synced. */
static unsigned int count_bad(const struct run *r, unsigned int seeds,
			      bool is_kill, unsigned int most)
{
	uint64_t last = disk_moment(r->d);
	unsigned int bad = 0, nr = 0;

	for (uint64_t m = r->acked.list[0].moment; m <= last && bad < most;
	     m++) {
		for (unsigned int seed = 0; seed < seeds; seed++) {
			struct disk *d = is_kill ? disk_kill(r->d, m) :
				disk_cut(r->d, m, seed < 2 ? seed :
					 m * 31 + seed);

			nr++;
			if (!check_cut(r, d, m, is_kill ? SECONDS : 1)) {
				printf("# moment %llu of %llu, seed %u\n",
				       (unsigned long long)m,
				       (unsigned long long)last, seed);
				bad++;
			}
			disk_destroy(d);
		}
	}
	printf("# %u states of %llu moments\n", nr, (unsigned long long)last);
	return bad;
}

static const struct stage_options keep = { .history_ms = 1000000 };
static const struct stage_options at_once = { .history_ms = 0 };
static const struct stage_options on_device = {
	.history_ms = 1000000, .log_device = RIG_DEVICE,
};
static const struct stage_options on_device_at_once = {
	.log_device = RIG_DEVICE,
};

static struct run run;

static void test_cuts(const struct stage_options *opts, const char *name)
{
	const char *env = getenv("STAGE_SEEDS");
	unsigned int seeds = env ? atoi(env) : 4;

	workload(&run, opts);
	is_int(run.acked.nr, 14, "the workload has run");
	is_int(count_bad(&run, seeds, false, 3), 0, "power cuts, %s", name);
	is_int(count_bad(&run, 1, true, 3), 0, "kills, %s", name);
	disk_destroy(run.d);
}

static bool has_volume(struct disk *d)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, &keep, &err);
	struct stage_volume *v = s ? stage_find(s, "a") : NULL;
	struct stage_info info;
	bool has = v;

	if (v)
		stage_get_info(v, &info);
	if (!s || (v && info.state == STAGE_ERROR)) {
		printf("# %s\n", s ? info.error.text : err.text);
		has = false;
	}
	stage_close(s);
	return has;
}

/* A volume that was seen after a kill is there after a power cut. */
static void test_new_volume(void)
{
	struct disk *d = disk_create();
	unsigned int seen = 0, lost = 0;

	stage_close(rig_create(d, &keep, 1));
	for (uint64_t m = 0; m <= disk_moment(d); m++) {
		struct disk *killed = disk_kill(d, m), *cut;
		bool has = has_volume(killed);

		cut = disk_cut(killed, disk_moment(killed), 0);
		seen += has;
		lost += has && !has_volume(cut);
		disk_destroy(killed);
		disk_destroy(cut);
	}
	disk_destroy(d);
	ok(seen, "a volume is seen after %u of the kills", seen);
	is_int(lost, 0, "it does not go again");
}

/* Each rule, switched off, must be noticed by this very test. */
static void test_faults(void)
{
	static const struct {
		unsigned long long fault;
		bool is_kill, is_at_once;
		const char *name;
	} t[] = {
		{ STAGE_FAULT_S3_SYNC, true, false, "recovery syncs" },
		{ STAGE_FAULT_S3_VERIFY, false, false, "it looks at payloads" },
		{ STAGE_FAULT_S4, false, true, "the base is synced first" },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		stage_faults = t[i].fault & STAGE_FAULT_S4;
		workload(&run, t[i].is_at_once ? &at_once : &keep);
		stage_faults = t[i].fault;
		ok(count_bad(&run, t[i].is_kill ? 1 : 8, t[i].is_kill, 1),
		   "noticed when off: %s", t[i].name);
		stage_faults = 0;
		disk_destroy(run.d);
	}
}

int main(int argc, char **argv)
{
	test_cuts(&keep, "long history");
	test_cuts(&at_once, "no history");
	test_cuts(&on_device, "log on a device, long history");
	test_cuts(&on_device_at_once, "log on a device, no history");
	test_new_volume();
	test_faults();
	return tap_done();
}
