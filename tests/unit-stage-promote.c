// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume leaves its stage at each epoch that it has an image of, and power is
 * cut, or the process killed, at every moment of that. If this fails, a
 * promotion that was begun lets old writers in, has another image than that of
 * its epoch, or drops what nobody has noted (L2).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

#define GENERATION	0xb0b
#define CHUNKS		(RIG_BYTES / RIG_CHUNK)
#define NOTES		"/base/notes"

struct run {
	struct disk *d;
	struct model m;
	struct stage_options opts;
	uint64_t from;			/* the moment at which it begins */
	uint64_t fenced;		/* … and the fence is said to stand */
	uint64_t epoch;
};

static struct run run;

/* Epochs 1 … 6; 3 and 6 are partial, and 7 is open at the end. */
static void make_history(struct run *r, bool is_applied)
{
	struct client c;
	struct stage *s;

	memset(r, 0, sizeof(*r));
	r->opts.history_ms = is_applied ? 0 : 1000000;
	r->d = disk_create();
	s = rig_create(r->d, &r->opts, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 6; e++)
		if (client_epoch(&c, &r->m, e, e * 13, e % 3 != 0))
			printf("# epoch %llu: %s\n", (unsigned long long)e,
			       c.err.text);
	client_open(&c, 7);
	client_write(&c, NULL, 0, 3, 999);
	client_close(&c);
	stage_close(s);
	r->opts.is_still = true;
}

/* --- what the new primary would keep: a byte a chunk, and a copy --------- */

struct notes {
	uint8_t is_above[CHUNKS];
	char copy[RIG_BYTES];
};

static int note_above(void *arg, uint64_t off, uint64_t len)
{
	struct notes *n = arg;

	for (uint64_t at = off / RIG_CHUNK; at * RIG_CHUNK < off + len; at++)
		n->is_above[at] = 1;
	return 0;
}

/* Durable on the same disk. */
static int save_notes(struct disk *d, const struct notes *n)
{
	const struct stage_io *io = disk_io(d);
	struct iovec iov = { (void *)n, sizeof(*n) };
	int fd = io->open(io->arg, NOTES, O_RDWR | O_CREAT), ret;

	if (fd < 0)
		return fd;
	ret = io->pwritev(io->arg, fd, &iov, 1, 0);
	if (!ret)
		ret = io->sync(io->arg, fd);
	io->close(io->arg, fd);
	return ret ? ret : io->sync_dir(io->arg, "/base");
}

static int take_notes(struct disk *d, struct stage_volume *v, uint64_t epoch)
{
	struct notes n;
	int ret;

	memset(&n, 0, sizeof(n));
	ret = stage_above(v, epoch, note_above, &n, NULL);
	if (!ret)
		ret = stage_fence_read(v, n.copy, RIG_BYTES, 0, NULL);
	return ret ? ret : save_notes(d, &n);
}

/* --- the promotion, and what must be true of it --------------------------- */

/* As the daemon does it; also after a crash. */
static int promote(struct run *r, struct disk *d, struct stage *s,
		   struct error *err)
{
	struct stage_volume *v = stage_find(s, "a");
	struct stage_fence f;
	int ret = stage_fence(v, r->epoch, GENERATION, err);

	if (!ret && d == r->d && !r->fenced)
		r->fenced = disk_moment(d);
	stage_get_fence(v, &f);
	if (!ret && f.phase == STAGE_PHASE_FENCED)
		ret = take_notes(d, v, r->epoch);
	if (!ret)
		ret = stage_fence_apply(v, err);
	if (!ret)
		ret = stage_fence_finish(v, err);
	return ret;
}

static bool base_is(struct disk *d, const char *image)
{
	uint64_t size;
	const char *data = disk_data(d, "/base/a", &size);

	return data && size >= RIG_BYTES && !memcmp(data, image, RIG_BYTES);
}

/* L2, L4: what differs between the epoch and what was committed is noted. */
static bool notes_are_whole(const struct run *r, struct disk *d)
{
	uint64_t size;
	const struct notes *n = (void *)disk_data(d, NOTES, &size);

	if (!n || size < sizeof(*n))
		return false;
	for (unsigned int i = 0; i < CHUNKS; i++) {
		size_t at = i * RIG_CHUNK;

		if (memcmp(r->m.image[r->epoch] + at, r->m.now + at,
			   RIG_CHUNK) && !n->is_above[i])
			return false;
	}
	return !memcmp(n->copy, r->m.now, RIG_BYTES);
}

static bool has_segments(struct disk *d)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(d, i)); i++)
		if (strstr(name, ".seg") && disk_data(d, name, &(uint64_t){ 0 }))
			return true;
	return false;
}

static bool say(const char *what)
{
	printf("# %s\n", what);
	return false;
}

/* Nobody of the old generation gets in, with whatever session. */
static bool old_writer_gets(struct stage *s, int want)
{
	struct client c;
	int ret = client_connect(&c, s, "a");

	c.h.generation = 0x1111;
	c.h.nr_ancestors = 0;
	if (!ret)
		ret = client_hello(&c, 5, 5);
	if (ret != want)
		printf("# a hello: %d, %s\n", ret, c.err.text);
	client_close(&c);
	return ret == want;
}

/* What a stage may be like at a moment of its promotion. */
static bool is_sound(const struct run *r, struct disk *d, struct stage *s,
		     uint64_t moment)
{
	struct stage_volume *v = stage_find(s, "a");
	struct stage_fence f;
	struct stage_info info;

	stage_get_info(v, &info);
	stage_get_fence(v, &f);
	if (info.state == STAGE_ERROR)
		return say(info.error.text);
	if (r->fenced && moment >= r->fenced &&
	    f.phase == STAGE_PHASE_OPEN)
		return say("the fence is gone");
	if (f.phase == STAGE_PHASE_OPEN)
		return shows_all(v, &r->m) || say("the history is wrong");
	if (f.epoch != r->epoch || f.header.generation != GENERATION ||
	    info.header.last_clean != r->epoch)
		return say("another fence");
	if (f.phase == STAGE_PHASE_FENCED)
		return shows_epoch(v, r->epoch, r->m.image[r->epoch]) ||
		       say("its image is wrong");
	return (base_is(d, r->m.image[r->epoch]) || say("the base")) &&
	       (notes_are_whole(r, d) || say("the notes"));
}

/* After the crash it is done again, to the end. */
static bool ends_well(struct run *r, struct disk *d, struct stage *s)
{
	struct error err = { 0 };

	if (promote(r, d, s, &err))
		return say(err.text);
	return (base_is(d, r->m.image[r->epoch]) || say("base at the end")) &&
	       (notes_are_whole(r, d) || say("notes at the end")) &&
	       (!has_segments(d) || say("there are segments")) &&
	       old_writer_gets(s, -EPERM);
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

/*
 * F1: what a fence that was not synced has led to must not be there without it:
 * killed, opened again, and then the power is cut.
 */
static bool survives_a_cut(struct run *r, struct disk *killed, uint64_t moment)
{
	struct error err = { 0 };
	struct stage *s = rig_open(killed, &r->opts, &err);
	struct stage_fence before, after;
	struct disk *d;
	bool is_good;

	if (!s)
		return say(err.text);
	stage_get_fence(stage_find(s, "a"), &before);
	stage_close(s);
	d = disk_cut(killed, disk_moment(killed), 0);
	s = rig_open(d, &r->opts, &err);
	if (!s)
		return say(err.text);
	stage_get_fence(stage_find(s, "a"), &after);
	is_good = (after.phase == before.phase || say("another phase")) &&
		  is_sound(r, d, s, moment);
	stage_close(s);
	disk_destroy(d);
	return is_good;
}

static unsigned int count_bad(struct run *r, unsigned int seeds, bool is_kill)
{
	uint64_t last = disk_moment(r->d);
	unsigned int bad = 0, nr = 0;

	for (uint64_t m = r->from; m <= last && bad < 3; m++)
		for (unsigned int seed = 0; seed < seeds; seed++) {
			struct disk *d = is_kill ? disk_kill(r->d, m) :
				disk_cut(r->d, m, seed < 2 ? seed :
					 m * 31 + seed);

			nr++;
			if ((is_kill && !survives_a_cut(r, d, m)) ||
			    !check_state(r, d, m)) {
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

/* The whole of it once, and then with a cut at each moment of it. */
static unsigned int try(uint64_t epoch, bool is_applied, bool is_kill,
			unsigned int seeds)
{
	struct error err = { 0 };
	struct stage *s;
	unsigned int bad = 1;

	make_history(&run, is_applied);
	run.epoch = epoch;
	run.from = disk_moment(run.d);
	s = rig_open(run.d, &run.opts, &err);
	if (!s || promote(&run, run.d, s, &err))
		printf("# epoch %llu: %s\n", (unsigned long long)epoch,
		       err.text);
	else
		bad = 0;
	stage_close(s);
	bad += bad ? 0 : count_bad(&run, seeds, is_kill);
	disk_destroy(run.d);
	return bad;
}

static void test_cuts(void)
{
	static const uint64_t epochs[] = { 1, 2, 4, 5 };

	for (unsigned int i = 0; i < 4; i++) {
		is_int(try(epochs[i], false, false, 4), 0,
		       "power cuts while epoch %u is promoted",
		       (unsigned int)epochs[i]);
		is_int(try(epochs[i], false, true, 1), 0, "kills");
	}
	is_int(try(5, true, false, 4), 0, "and where the base has some");
}

/* --- refusals ------------------------------------------------------------- */

static void test_refusals(void)
{
	struct error err = { 0 };
	struct stage_volume *v;
	struct stage *s;

	make_history(&run, false);
	s = rig_open(run.d, &run.opts, &err);
	v = stage_find(s, "a");
	is_int(stage_fence(v, 3, GENERATION, NULL), -ENOENT, "a partial epoch");
	is_int(stage_fence(v, 7, GENERATION, NULL), -ENOENT, "the open one");
	is_int(stage_fence(v, 99, GENERATION, NULL), -ENOENT, "none");
	is_int(stage_fence(v, 5, 0x1111, NULL), -EINVAL, "its generation");
	is_int(stage_fence_apply(v, NULL), -EINVAL, "apply without a fence");
	is_int(stage_fence_finish(v, NULL), -EINVAL, "finish without one");
	stage_close(s);
	s = rig_open(run.d, &run.opts, &err);
	ok(old_writer_gets(s, 0), "all that has changed nothing");
	v = stage_find(s, "a");
	is_int(stage_fence(v, 4, GENERATION, &err), 0, "a fence");
	is_int(stage_fence(v, 4, GENERATION, &err), 0, "the same again");
	is_int(stage_fence(v, 5, GENERATION, NULL), -EEXIST, "another one");
	is_int(stage_fence(v, 4, 0xb0b0, NULL), -EEXIST, "for another");
	ok(old_writer_gets(s, -EPERM), "its writers are refused");
	is_int(stage_fence_finish(v, &err), -EINVAL, "the base is not there");
	ok(has_segments(run.d), "and nothing has gone");
	stage_close(s);
	disk_destroy(run.d);
}

/* A connection that is there when the fence falls. */
static void test_live_connection(void)
{
	struct error err = { 0 };
	struct client c;
	struct stage *s;

	make_history(&run, false);
	s = rig_open(run.d, &run.opts, &err);
	client_connect(&c, s, "a");
	client_hello(&c, 2, 1);
	client_open(&c, 9);
	client_write(&c, NULL, 5, 1, 5);
	is_int(stage_fence(c.v, 5, GENERATION, &err), 0, "a fence");
	is_int(client_write(&c, NULL, 6, 1, 6), -EPERM, "no data any more");
	is_int(client_commit(&c, NULL, 9, true), -EPERM, "and no commit");
	ok(strstr(c.err.text, "was promoted here as of epoch 5"), "it is told");
	client_close(&c);
	stage_close(s);
	disk_destroy(run.d);
}

static void test_damage(void)
{
	struct error err = { 0 };
	struct stage_info info;
	struct stage *s;
	uint64_t size;

	make_history(&run, false);
	s = rig_open(run.d, &run.opts, &err);
	stage_fence(stage_find(s, "a"), 4, GENERATION, &err);
	stage_close(s);
	disk_data(run.d, RIG_DIR "/a.fence", &size)[50] ^= 1;
	s = rig_open(run.d, &run.opts, &err);
	stage_get_info(stage_find(s, "a"), &info);
	is_int(info.state, STAGE_ERROR, "a damaged fence lets nobody in");
	ok(strstr(info.error.text, "a.fence"), "and is named: %s",
	   info.error.text);
	ok(old_writer_gets(s, -EIO), "an old writer neither");
	stage_close(s);
	disk_destroy(run.d);
}

/* Each rule, switched off, must be noticed. */
static void test_faults(void)
{
	static const struct {
		unsigned long long fault;
		const char *name;
	} t[] = {
		{ STAGE_FAULT_F1, "a fence is durable" },
		{ STAGE_FAULT_F2, "the log stays until it has left" },
		{ STAGE_FAULT_F3, "the base does not pass the epoch" },
		{ STAGE_FAULT_F4, "a fence is looked at first" },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		stage_faults = t[i].fault;
		ok(try(2, false, false, 2), "noticed when off: %s", t[i].name);
		stage_faults = 0;
	}
}

int main(int argc, char **argv)
{
	test_refusals();
	test_live_connection();
	test_damage();
	test_cuts();
	test_faults();
	return tap_done();
}
