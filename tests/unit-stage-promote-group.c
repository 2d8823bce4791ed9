// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A group leaves its stage, and power is cut, or the process killed, at every
 * moment of that. If this fails, a volume of a group can be promoted while
 * another takes epochs still, or at another epoch than it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

#define GENERATION	0xb0b
#define NR		3
#define KEPT		1000000		/* ms: nothing is applied */

static const char *const names[NR] = { "a", "b", "c" };

struct run {
	struct disk *d;
	struct model m[NR];
	struct stage_options opts;
	uint64_t from, fenced;		/* moments: it begins; it is fenced */
	uint64_t epoch;
};

static struct run run;

static bool say(const char *what)
{
	printf("# %s\n", what);
	return false;
}

/* --- the history ---------------------------------------------------------- */

/* Each writes its own; "c" has no data in epoch 2. */
static void make_epoch(struct run *r, struct client c[NR], uint64_t e)
{
	bool is_clean = e != 3;

	for (unsigned int i = 0; i < NR; i++) {
		if (i == 2 && e == 2)
			continue;
		client_open(&c[i], e);
		client_write(&c[i], &r->m[i], (e * 5 + i) % 20, 2, e * 10 + i);
	}
	for (unsigned int i = 0; i < NR; i++) {
		if (i == 2 && e == 2)
			c[i].records = c[i].digest = 0;
		if (client_commit(&c[i], &r->m[i], e, is_clean))
			say(c[i].err.text);
	}
}

/* Epochs 1 … 5; 3 is partial, and 6 is open: one has promised it already. */
static void make_history(struct run *r, uint64_t history_ms)
{
	struct client c[NR];
	struct stage *s;

	memset(r, 0, sizeof(*r));
	r->opts.history_ms = history_ms;
	r->d = disk_create();
	s = rig_create(r->d, &r->opts, NR);
	for (unsigned int i = 0; i < NR; i++) {
		client_connect(&c[i], s, names[i]);
		if (client_hello(&c[i], 1, 1))
			say(c[i].err.text);
	}
	for (uint64_t e = 1; e <= 5; e++)
		make_epoch(r, c, e);
	client_open(&c[0], 6);
	client_write(&c[0], NULL, 0, 3, 999);
	client_commit(&c[0], NULL, 6, true);
	for (unsigned int i = 0; i < NR; i++)
		client_close(&c[i]);
	stage_close(s);
	r->opts.is_still = true;
}

/* --- what must be true of it ---------------------------------------------- */

/* Through "b", which is not the one that decides (F5). */
static int promote(struct run *r, struct disk *d, struct stage *s,
		   struct error *err)
{
	struct stage_volume *v = stage_find(s, names[1]);
	int ret = stage_fence(v, r->epoch, GENERATION, err);

	if (!ret && d == r->d && !r->fenced)
		r->fenced = disk_moment(d);
	if (!ret)
		ret = stage_fence_apply(v, err);
	return ret ? ret : stage_fence_finish(v, err);
}

static bool base_is(struct disk *d, const char *volume, const char *image)
{
	uint64_t size;
	char path[32];
	const char *data;

	snprintf(path, sizeof(path), "/base/%s", volume);
	data = disk_data(d, path, &size);
	return data && size >= RIG_BYTES && !memcmp(data, image, RIG_BYTES);
}

static bool has_segments(struct disk *d)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++)
		if (strstr(name, ".seg") && disk_data(d, name, &(uint64_t){ 0 }))
			return true;
	return false;
}

static bool old_writer_gets(struct stage *s, const char *volume, int want)
{
	struct client c;
	int ret = client_connect(&c, s, volume);

	c.h.generation = 0x1111;
	c.h.nr_ancestors = 0;
	if (!ret)
		ret = client_hello(&c, 5, 5);
	if (ret != want)
		printf("# a hello to %s: %d, %s\n", volume, ret, c.err.text);
	client_close(&c);
	return ret == want;
}

static bool is_sound_as(const struct run *r, struct disk *d,
			struct stage_volume *v, unsigned int i,
			enum stage_phase phase)
{
	struct stage_fence f;
	struct stage_info info;

	stage_get_info(v, &info);
	stage_get_fence(v, &f);
	if (info.state == STAGE_ERROR)
		return say(info.error.text);
	if (f.phase != phase)
		return say("one of them is elsewhere");
	if (phase == STAGE_PHASE_OPEN)
		return shows_all(v, &r->m[i]) || say("the history is wrong");
	if (f.epoch != r->epoch || f.header.generation != GENERATION ||
	    f.header.ancestors[0].generation != 0x1111 ||
	    info.header.last_clean != r->epoch)
		return say("another fence");
	return phase == STAGE_PHASE_FENCED ?
	       shows_epoch(v, r->epoch, r->m[i].image[r->epoch]) ||
	       say("its image is wrong") :
	       base_is(d, names[i], r->m[i].image[r->epoch]) ||
	       say("its base is wrong");
}

static bool is_sound(const struct run *r, struct disk *d, struct stage *s,
		     uint64_t moment)
{
	struct stage_fence first;
	bool is_good = true;

	stage_get_fence(stage_find(s, names[0]), &first);
	if (r->fenced && moment >= r->fenced &&
	    first.phase == STAGE_PHASE_OPEN)
		return say("the fence is gone");
	for (unsigned int i = 0; is_good && i < NR; i++)
		is_good = is_sound_as(r, d, stage_find(s, names[i]), i,
				      first.phase);
	return is_good;
}

/* After the crash it is done again, to the end. */
static bool ends_well(struct run *r, struct disk *d, struct stage *s)
{
	struct error err = { 0 };
	bool is_good = true;

	if (promote(r, d, s, &err))
		return say(err.text);
	for (unsigned int i = 0; is_good && i < NR; i++)
		is_good = is_sound_as(r, d, stage_find(s, names[i]), i,
				      STAGE_PHASE_LEFT) &&
			  old_writer_gets(s, names[i], -EPERM);
	return is_good && (!has_segments(d) || say("there are segments"));
}

static bool check_state(struct run *r, struct disk *d, uint64_t moment)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, &r->opts, &err);
	bool is_good;

	if (!s)
		return say(err.text);
	is_good = is_sound(r, d, s, moment) && ends_well(r, d, s);
	stage_close(s);
	return is_good;
}

static unsigned int count_bad(struct run *r, unsigned int seeds)
{
	uint64_t last = disk_moment(r->d);
	unsigned int bad = 0, nr = 0;

	for (uint64_t m = r->from; m <= last && bad < 3; m++)
		for (unsigned int seed = 0; seed <= seeds; seed++) {
			struct disk *d = seed == seeds ? disk_kill(r->d, m) :
				disk_cut(r->d, m, seed < 2 ? seed :
					 m * 31 + seed);

			nr++;
			if (!check_state(r, d, m)) {
				printf("# moment %llu of %llu … %llu, seed %u\n",
				       (unsigned long long)m,
				       (unsigned long long)r->from,
				       (unsigned long long)last, seed);
				bad++;
			}
			disk_destroy(d);
		}
	printf("# %u states\n", nr);
	return bad;
}

/* With the rule @fault off, from the first step on. -1: it has not run. */
static int try(uint64_t epoch, unsigned int seeds, unsigned long long fault)
{
	struct error err = { 0 };
	struct stage *s;
	int bad = -1;

	make_history(&run, KEPT);
	run.epoch = epoch;
	stage_faults = fault;
	run.from = disk_moment(run.d);
	s = rig_open(run.d, &run.opts, &err);
	if (!s || promote(&run, run.d, s, &err))
		say(err.text);
	else
		bad = 0;
	stage_close(s);
	bad += bad ? 0 : count_bad(&run, seeds);
	stage_faults = 0;
	disk_destroy(run.d);
	return bad;
}

/* --- tests ---------------------------------------------------------------- */

static void test_refusals(void)
{
	struct error err = { 0 };
	struct stage *s;

	make_history(&run, KEPT);
	s = rig_open(run.d, &run.opts, &err);
	is_int(stage_fence(stage_find(s, "b"), 3, GENERATION, NULL), -ENOENT,
	       "a partial epoch");
	is_int(stage_fence(stage_find(s, "b"), 6, GENERATION, NULL), -ENOENT,
	       "one that not all have promised");
	is_int(stage_fence(stage_find(s, "b"), 5, 0x1111, NULL), -EINVAL,
	       "their generation");
	stage_close(s);
	s = rig_open(run.d, &run.opts, &err);
	for (unsigned int i = 0; i < NR; i++)
		ok(old_writer_gets(s, names[i], 0), "%s is as it was",
		   names[i]);
	is_int(stage_fence(stage_find(s, "c"), 4, GENERATION, &err), 0,
	       "a fence, by one of them");
	is_int(stage_fence(stage_find(s, "a"), 4, GENERATION, &err), 0,
	       "the same, by another");
	is_int(stage_fence(stage_find(s, "b"), 5, GENERATION, NULL), -EEXIST,
	       "another one, by a third");
	for (unsigned int i = 0; i < NR; i++)
		ok(old_writer_gets(s, names[i], -EPERM), "%s is fenced",
		   names[i]);
	stage_close(s);
	disk_destroy(run.d);
}

/* A member that nobody has ever written to has no image. */
static void test_member_without_image(void)
{
	struct stage_options opts = { .history_ms = 1000000 };
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, &opts, 2);
	struct error err = { 0 };
	struct client c;

	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_close(&c);
	stage_close(s);
	opts.is_still = true;
	s = rig_open(d, &opts, &err);
	is_int(stage_fence(stage_find(s, "a"), 1, GENERATION, NULL), -ENOENT,
	       "a group that has no image");
	stage_close(s);
	disk_destroy(d);
}

/* What one file says that is damaged. */
static void test_files(void)
{
	struct error err = { 0 };
	struct stage_info info;
	struct stage *s;
	uint64_t size;

	make_history(&run, KEPT);
	run.epoch = 4;
	s = rig_open(run.d, &run.opts, &err);
	is_int(stage_fence(stage_find(s, "a"), 4, GENERATION, &err), 0,
	       "a fence");
	stage_close(s);
	disk_data(run.d, RIG_DIR "/b.fence", &size)[50] ^= 1;
	s = rig_open(run.d, &run.opts, &err);
	stage_get_info(stage_find(s, "c"), &info);
	is_int(info.state, STAGE_ERROR, "one damaged fence lets nobody in");
	ok(strstr(info.error.text, "b.fence"), "and is named: %s",
	   info.error.text);
	for (unsigned int i = 0; i < NR; i++)
		ok(old_writer_gets(s, names[i], -EIO), "%s: no old writer",
		   names[i]);
	stage_close(s);
	disk_destroy(run.d);
}

static bool has_lost_segments(struct disk *d)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++)
		if (strstr(name, ".lost"))
			return true;
	return false;
}

/* P8: the last one's description is damaged: who else is there looks whole. */
static void test_missing_member(uint64_t history_ms, const char *how)
{
	struct error err = { 0 };
	struct stage_info info;
	struct stage *s;
	uint64_t size;
	char *block;

	make_history(&run, history_ms);
	block = disk_data(run.d, RIG_DIR "/c.volume", &size);
	block[50] ^= 1;
	s = rig_open(run.d, &run.opts, &err);
	stage_get_info(stage_find(s, "a"), &info);
	is_int(info.state, STAGE_ERROR, "two of three, %s: an error", how);
	ok(strstr(info.error.text, "is that of 3 members"), "which says: %s",
	   info.error.text);
	for (uint64_t e = 1; e <= 5; e++)
		ok(stage_fence(stage_find(s, "a"), e, GENERATION, NULL) < 0,
		   "no fence at %u", (unsigned int)e);
	stage_close(s);
	ok(!has_lost_segments(run.d), "nothing of the log is lost");
	disk_data(run.d, RIG_DIR "/c.volume", &size)[50] ^= 1;
	s = rig_open(run.d, &run.opts, &err);
	for (unsigned int i = 0; i < NR; i++)
		ok(shows_all(stage_find(s, names[i]), &run.m[i]),
		   "%s is whole when that is put right", names[i]);
	stage_close(s);
	disk_destroy(run.d);
}

static void test_cuts(void)
{
	static const uint64_t epochs[] = { 2, 5 };

	for (unsigned int i = 0; i < 2; i++)
		is_int(try(epochs[i], 4, 0), 0,
		       "power cuts and kills while epoch %u is promoted",
		       (unsigned int)epochs[i]);
	ok(try(5, 2, STAGE_FAULT_S7) > 0,
	   "noticed when off: the first member is the last");
	ok(try(5, 2, STAGE_FAULT_F1) > 0,
	   "noticed when off: a fence is durable");
}

int main(int argc, char **argv)
{
	test_refusals();
	test_member_without_image();
	test_files();
	test_missing_member(KEPT, "nothing applied");
	test_missing_member(0, "all applied");
	test_cuts();
	return tap_done();
}
