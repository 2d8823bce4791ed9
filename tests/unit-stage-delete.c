// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume that goes. If this fails, a power cut or a disk that fails in the
 * middle leaves half of one, or files that nobody finds; its space stays taken;
 * or one goes that is in use, or was not meant.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage-delete.h"
#include "stage-rig.h"
#include "tap.h"

#define OTHER_BASE	"/base/z"

static const struct stage_options keep = { .history_ms = 3600000 };

static struct disk *d;
static struct stage *s;
static struct client c;
static struct model m, other;

static void make_epochs(struct stage *stage, const char *name, struct model *to)
{
	struct client client;

	memset(to, 0, sizeof(*to));
	client_connect(&client, stage, name);
	client_hello(&client, 1, 1);
	client_epoch(&client, to, 1, 1, true);
	client_epoch(&client, to, 2, 2, true);
	client_epoch(&client, to, 3, 3, false);
	client_close(&client);
}

static int make_volume(struct stage *stage, const char *name, const char *base)
{
	const struct stage_volume_config config = {
		.name = name,
		.base = base,
		.bytes = RIG_BYTES,
		.chunk_bytes = RIG_CHUNK,
	};

	return stage_create_volume(stage, &config, NULL, NULL);
}

/* "a" (or "a" and "b" in a group) with epochs, and "z", which is to stay. */
static void begin(unsigned int nr)
{
	d = disk_create();
	s = rig_create(d, &keep, nr);
	if (nr == 1)
		make_epochs(s, "a", &m);
	make_volume(s, "z", OTHER_BASE);
	make_epochs(s, "z", &other);
}

static void end(void)
{
	stage_close(s);
	disk_destroy(d);
}

static int delete(struct stage *stage, const char *name, unsigned int flags,
		  struct error *err)
{
	return stage_delete(stage_find(stage, name), flags, err);
}

/* What is on the disk but the lock and what is z's. */
static const char *left_over(struct disk *disk)
{
	const char *name;

	for (unsigned int i = 0; (name = disk_name(disk, i)); i++)
		if (strcmp(name, RIG_DIR "/lock") &&
		    strcmp(name, OTHER_BASE) &&
		    strncmp(name, RIG_DIR "/z.", 9))
			return name;
	return NULL;
}

static bool is_whole(struct stage *stage, const char *name,
		     const struct model *model)
{
	struct stage_volume *v = stage_find(stage, name);

	return v && shows_all(v, model);
}

/* Nothing of it is left, and another one of that name is a new one. */
static bool is_gone(struct disk *disk, struct stage **stage)
{
	static struct model again;
	const char *left = left_over(disk);

	if (left || stage_find(*stage, "a")) {
		printf("# %s is left\n", left ? left : "the volume");
		return false;
	}
	if (make_volume(*stage, "a", "/base/a"))
		return false;
	make_epochs(*stage, "a", &again);
	stage_close(*stage);
	*stage = rig_open(disk, &keep, NULL);
	return is_whole(*stage, "a", &again);
}

/* --- refusals ------------------------------------------------------------- */

static void test_refusals(void)
{
	struct error err = { 0 };
	struct stage_image *i;

	begin(1);
	client_connect(&c, s, "a");
	is_int(delete(s, "a", 0, &err), -EBUSY, "%s", err.text);
	error_clear(&err);
	is_int(stage_delete_check(c.v, 0, &err), -EBUSY, "%s", err.text);
	client_close(&c);
	stage_image_open(&i, c.v, 1, NULL);
	error_clear(&err);
	is_int(delete(s, "a", 0, &err), -EBUSY, "%s", err.text);
	stage_image_close(i);
	is_int(stage_delete_check(c.v, 0, NULL), 0, "now it could");
	ok(is_whole(s, "a", &m), "it was not touched by that");
	end();
}

static void test_promoted(void)
{
	struct stage_options still = keep;
	struct error err = { 0 };

	begin(1);
	stage_close(s);
	still.is_still = true;
	s = rig_open(d, &still, NULL);
	is_int(stage_fence(stage_find(s, "a"), 2, 77, &err), 0, "fenced");
	is_int(delete(s, "a", 0, &err), -EPERM, "%s", err.text);
	stage_fence_apply(stage_find(s, "a"), NULL);
	stage_fence_finish(stage_find(s, "a"), NULL);
	is_int(delete(s, "a", 0, NULL), -EPERM, "one that has left");
	end();
}

/* Promoted; then @path is damaged, or is gone, and the stage opened again. */
static void begin_promoted(unsigned int nr, const char *path, bool is_gone)
{
	struct stage_options still = keep;
	struct stage_volume *v;
	struct client b;
	uint64_t size;

	begin(nr);
	if (nr > 1) {
		client_connect(&c, s, "a");
		client_connect(&b, s, "b");
		client_hello(&c, 1, 1);
		client_hello(&b, 1, 1);
		client_commit(&c, NULL, 2, true);
		client_commit(&b, NULL, 2, true);
		client_close(&c);
		client_close(&b);
	}
	stage_close(s);
	still.is_still = true;
	s = rig_open(d, &still, NULL);
	v = stage_find(s, "a");
	stage_fence(v, 2, 77, NULL);
	stage_fence_apply(v, NULL);
	is_int(stage_fence_finish(v, NULL), 0, "promoted");
	stage_close(s);
	if (is_gone)
		disk_remove(d, path);
	else
		disk_data(d, path, &size)[50] ^= 1;
	s = rig_open(d, &keep, NULL);
}

/* The base is a primary's, also where the fence cannot say it. */
static void test_promoted_and_damaged(void)
{
	struct error err = { 0 };
	uint64_t size;

	begin_promoted(1, RIG_DIR "/a.fence", false);
	is_int(delete(s, "a", 0, &err), -EIO, "%s", err.text);
	ok(disk_data(d, "/base/a", &size) != NULL, "its base is there");
	end();
	begin_promoted(2, RIG_DIR "/a.volume", true);
	error_clear(&err);
	is_int(delete(s, "b", STAGE_DELETE_GROUP, &err), -EPERM, "%s",
	       err.text);
	ok(disk_data(d, "/base/b", &size) != NULL, "its base is there");
	end();
	begin_promoted(2, RIG_DIR "/b.fence", false);
	is_int(delete(s, "a", STAGE_DELETE_GROUP, NULL), -EPERM,
	       "the fence of another member is damaged");
	ok(disk_data(d, "/base/b", &size) != NULL, "its base is there");
	end();
}

/* One whose first member nobody describes, and that nobody promoted, goes. */
static void test_damaged(void)
{
	begin(2);
	stage_close(s);
	disk_remove(d, RIG_DIR "/a.volume");
	s = rig_open(d, &keep, NULL);
	is_int(delete(s, "b", STAGE_DELETE_GROUP, NULL), 0,
	       "a damaged group that is nobody's goes");
	end();
}

static void test_group(void)
{
	struct error err = { 0 };

	begin(2);
	is_int(delete(s, "b", 0, &err), -EOPNOTSUPP, "%s", err.text);
	is_int(delete(s, "b", STAGE_DELETE_GROUP, NULL), 0, "all of it");
	ok(!stage_find(s, "a") && !stage_find(s, "b"), "neither is there");
	is_str(left_over(d), NULL, "nothing is left");
	ok(is_whole(s, "z", &other), "the other one is");
	end();
}

/* --- what is left --------------------------------------------------------- */

static void test_deleting(void)
{
	struct stage_volume *v;
	struct stage_conn *conn;
	struct stage_image *i;
	char buf[RIG_CHUNK];
	struct stage_info info;
	uint64_t size;

	begin(1);
	v = stage_find(s, "a");
	is_int(stage_delete(v, 0, NULL), 0, "deleted");
	is_str(left_over(d), NULL, "nothing is left");
	is_int(stage_conn_create(&conn, v, NULL), -ENOENT, "who knows it still "
	       "cannot connect");
	ok(stage_image_open(&i, v, STAGE_LATEST, NULL) < 0, "nor open it");
	ok(stage_get_sums(v, 0, 1, (void *)buf, NULL) < 0, "nor read digests");
	is_int(stage_delete(v, 0, NULL), -ENOENT, "nor delete it again");
	stage_get_info(v, &info);
	is_int(info.state, STAGE_ERROR, "and is told");
	ok(is_whole(s, "z", &other), "the other one is as it was");
	ok(is_gone(d, &s), "a new one can be made");
	is_int(delete(s, "a", STAGE_DELETE_KEEP_BASE, NULL), 0, "deleted");
	ok(disk_data(d, "/base/a", &size) && size == RIG_BYTES,
	   "but its base, as was asked for");
	end();
}

/* --- while somebody comes ------------------------------------------------- */

#define RACES	60

static pthread_barrier_t start_line;

struct comer {
	struct stage_volume *v;
	struct stage_conn *conn;
	struct stage_image *image;
	int conn_ret, image_ret;
	unsigned int us;
};

static void *come(void *arg)
{
	struct comer *comer = arg;

	pthread_barrier_wait(&start_line);
	usleep(comer->us);
	comer->conn_ret = stage_conn_create(&comer->conn, comer->v, NULL);
	comer->image_ret = stage_image_open(&comer->image, comer->v, 1, NULL);
	return NULL;
}

/* It goes, and who comes is refused, or who comes has it, and it stays. */
static bool is_one_or_the_other(const struct comer *comer, int ret)
{
	char buf[RIG_CHUNK];

	if (!ret)
		return comer->conn_ret && comer->image_ret;
	return ret == -EBUSY && (!comer->conn_ret || !comer->image_ret) &&
	       (comer->conn_ret ||
		!stage_conn_read(comer->conn, buf, sizeof(buf), 0, NULL)) &&
	       (comer->image_ret ||
		!stage_image_read(comer->image, buf, sizeof(buf), 0, NULL));
}

/* E4, with a thread: true if it has gone. */
static bool race(unsigned int us, unsigned int *bad)
{
	struct comer comer = { .us = us };
	pthread_t thread;
	int ret;

	begin(1);
	comer.v = stage_find(s, "a");
	pthread_create(&thread, NULL, come, &comer);
	pthread_barrier_wait(&start_line);
	ret = stage_delete(comer.v, 0, NULL);
	pthread_join(thread, NULL);
	if (!is_one_or_the_other(&comer, ret)) {
		printf("# deleted: %d, connected: %d, opened: %d\n", ret,
		       comer.conn_ret, comer.image_ret);
		++*bad;
	}
	if (!comer.conn_ret)
		stage_conn_destroy(comer.conn);
	if (!comer.image_ret)
		stage_image_close(comer.image);
	end();
	return !ret;
}

static void test_race(void)
{
	unsigned int bad = 0, gone = 0;

	pthread_barrier_init(&start_line, NULL, 2);
	for (unsigned int i = 0; i < RACES; i++)
		gone += race(i % 6 * 40, &bad);
	pthread_barrier_destroy(&start_line);
	is_int(bad, 0, "of %u that are deleted while somebody comes none is "
	       "half there (%u are gone)", RACES, gone);
}

/* Given up as far as this process knows; on the disk it has left. */
static struct stage_volume *begin_given_up(void)
{
	struct stage_options still = keep;
	struct stage_volume *v;

	begin(1);
	stage_close(s);
	still.is_still = true;
	s = rig_open(d, &still, NULL);
	v = stage_find(s, "a");
	stage_fence(v, 2, 77, NULL);
	stage_fence_apply(v, NULL);
	stage_fence_finish(v, NULL);
	v->fence.phase = STAGE_PHASE_GIVEN_UP;
	return v;
}

/* The base of one that was a primary may be anybody's. */
static void test_given_up(void)
{
	struct stage_volume *v = begin_given_up();
	uint64_t size;

	is_int(stage_delete(v, 0, NULL), 0, "one that was given up goes");
	ok(disk_data(d, "/base/a", &size), "without its base");
	ok(!disk_data(d, RIG_DIR "/a.fence", &size), "with its fence");
	end();
}

/* … but who has ended that primary says that it is nobody's any more. */
static void test_given_up_for_good(void)
{
	struct stage_volume *v = begin_given_up();
	uint64_t size;

	is_int(stage_delete(v, STAGE_DELETE_GIVEN_UP |
			       STAGE_DELETE_KEEP_BASE, NULL), 0, "one that was "
	       "given up for good goes");
	ok(disk_data(d, "/base/a", &size), "without its base, if that is kept");
	end();
	v = begin_given_up();
	is_int(stage_delete(v, STAGE_DELETE_GIVEN_UP, NULL), 0, "else");
	ok(!disk_data(d, "/base/a", &size), "with its base");
	end();
}

/* As stage_fence_give_up() leaves it, which knows the system's files only. */
static void give_up(const char *path)
{
	uint64_t size;
	char *fence = disk_data(d, path, &size);
	uint32_t crc;

	fence[16] = STAGE_PHASE_GIVEN_UP;
	crc = htole32(stage_crc(fence + 12, size - 12));
	memcpy(fence + 8, &crc, sizeof(crc));
}

static void test_given_up_and_damaged(void)
{
	struct error err = { 0 };
	uint64_t size;

	begin_promoted(2, RIG_DIR "/a.volume", true);
	stage_close(s);
	give_up(RIG_DIR "/b.fence");
	s = rig_open(d, &keep, NULL);
	is_int(delete(s, "b", STAGE_DELETE_GROUP, &err), 0, "what is left of a "
	       "group that was given up goes%s", err.text);
	ok(disk_data(d, "/base/b", &size) != NULL, "without its base");
	end();
}

/* --- crashes -------------------------------------------------------------- */

static void test_failing(void)
{
	unsigned int bad = 0, whole = 0, gone = 0;

	for (uint64_t nth = 1; nth < 24; nth++) {
		begin(1);
		disk_fail(d, nth, -EIO, 0);
		delete(s, "a", 0, NULL);
		disk_fail(d, 0, 0, 0);
		bad += !is_whole(s, "z", &other);
		if (stage_find(s, "a")) {
			whole++;
			bad += !is_whole(s, "a", &m);
			stage_close(s);
			s = rig_open(d, &keep, NULL);
			bad += !is_whole(s, "a", &m);
			bad += delete(s, "a", 0, NULL) != 0;
		} else {
			gone++;
			stage_close(s);
			s = rig_open(d, &keep, NULL);
		}
		bad += !is_gone(d, &s);
		end();
	}
	is_int(bad, 0, "a call fails: it is whole, or gone and that is ended");
	ok(whole > 2 && gone > 2, "both have been seen");
}

/* The same, without opening the stage again: a new one waits for the old. */
static void test_failing_on(void)
{
	unsigned int bad = 0;

	for (uint64_t nth = 1; nth < 24; nth++) {
		begin(1);
		disk_fail(d, nth, -EIO, 2);
		delete(s, "a", 0, NULL);
		disk_fail(d, 0, 0, 0);
		if (!stage_find(s, "a")) {
			bad += make_volume(s, "y", "/base/y") != 0;
			delete(s, "y", 0, NULL);
			bad += !is_gone(d, &s);
		}
		end();
	}
	is_int(bad, 0, "what could not be removed goes before one is made");
}

static bool is_either(struct disk *cut, unsigned int *nr_gone)
{
	struct stage *after = rig_open(cut, &keep, NULL);
	bool is_good = is_whole(after, "z", &other);

	if (stage_find(after, "a")) {
		is_good &= is_whole(after, "a", &m);
	} else {
		is_good &= is_gone(cut, &after);
		++*nr_gone;
	}
	stage_close(after);
	return is_good;
}

static void test_cuts(void)
{
	unsigned int bad = 0, gone = 0, nr = 0;
	uint64_t from, to;

	begin(1);
	from = disk_moment(d);
	delete(s, "a", 0, NULL);
	to = disk_moment(d);
	for (uint64_t at = from; at <= to; at++)
		for (uint64_t seed = 0; seed < 12; seed++, nr++) {
			struct disk *cut = disk_cut(d, at, seed);

			bad += !is_either(cut, &gone);
			disk_destroy(cut);
		}
	is_int(bad, 0, "a power cut at any moment: it is whole, or gone");
	ok(gone && gone < nr, "both have been seen (%u, %u)", gone, nr);
	end();
}

/* Cut in the middle, and again while that is ended. */
static void test_cuts_again(void)
{
	unsigned int bad = 0, gone = 0;
	uint64_t from, to;

	begin(1);
	from = disk_moment(d);
	delete(s, "a", 0, NULL);
	to = disk_moment(d);
	for (uint64_t at = from; at <= to; at++) {
		struct disk *first = disk_cut(d, at, 1);
		uint64_t begun = disk_moment(first), ended;

		stage_close(rig_open(first, &keep, NULL));
		ended = disk_moment(first);
		for (uint64_t then = begun; then <= ended; then++)
			for (uint64_t seed = 0; seed < 3; seed++) {
				struct disk *cut = disk_cut(first, then, seed);

				bad += !is_either(cut, &gone);
				disk_destroy(cut);
			}
		disk_destroy(first);
	}
	is_int(bad, 0, "and another one while that is ended");
	end();
}

/* Nobody finds the fence of another one. */
static void test_fence_cuts(void)
{
	struct stage_volume *v = begin_given_up();
	unsigned int bad = 0;
	uint64_t from = disk_moment(d), to;

	stage_delete(v, 0, NULL);
	to = disk_moment(d);
	for (uint64_t at = from; at <= to; at++)
		for (uint64_t seed = 0; seed < 12; seed++) {
			struct disk *cut = disk_cut(d, at, seed);
			struct stage *after = rig_open(cut, &keep, NULL);

			v = stage_find(after, "a");
			bad += v && v->fence.phase != STAGE_PHASE_LEFT;
			bad += !v && (disk_remove(cut, "/base/a"),
				      !is_gone(cut, &after));
			stage_close(after);
			disk_destroy(cut);
		}
	is_int(bad, 0, "a new one is open, whatever the old one was");
	end();
}

/* E3 */
static void test_note(void)
{
	struct stage_delete_block b = { .group = "a" };
	char block[STAGE_BLOCK_BYTES];

	begin(1);
	stage_delete_encode(&b, block);
	stage_block_write(s, "a", ".delete", block, NULL);
	stage_close(s);
	s = rig_open(d, &keep, NULL);
	ok(is_whole(s, "a", &m), "a note about another one of that name");
	memset(block, 1, sizeof(block));
	stage_block_write(s, "a", ".delete", block, NULL);
	stage_close(s);
	s = rig_open(d, &keep, NULL);
	is_int(stage_find(s, "a")->g->error.code, -EIO, "one that is damaged");
	disk_remove(d, RIG_DIR "/a.delete");
	stage_close(s);
	s = rig_open(d, &keep, NULL);
	ok(is_whole(s, "a", &m), "has removed nothing");
	end();
}

static void test_group_cuts(void)
{
	unsigned int bad = 0;
	uint64_t from, to;

	begin(2);
	from = disk_moment(d);
	delete(s, "a", STAGE_DELETE_GROUP, NULL);
	to = disk_moment(d);
	for (uint64_t at = from; at <= to; at++)
		for (uint64_t seed = 0; seed < 8; seed++) {
			struct disk *cut = disk_cut(d, at, seed);
			struct stage *after = rig_open(cut, &keep, NULL);
			struct stage_volume *a = stage_find(after, "a");
			struct stage_volume *b = stage_find(after, "b");

			bad += !a != !b || !is_whole(after, "z", &other);
			bad += a ? a->g->error.code != 0 : !!left_over(cut);
			stage_close(after);
			disk_destroy(cut);
		}
	is_int(bad, 0, "of a group all go, or none");
	end();
}

int main(void)
{
	test_refusals();
	test_promoted();
	test_promoted_and_damaged();
	test_damaged();
	test_group();
	test_deleting();
	test_race();
	test_given_up();
	test_given_up_for_good();
	test_given_up_and_damaged();
	test_failing();
	test_failing_on();
	test_cuts();
	test_cuts_again();
	test_fence_cuts();
	test_note();
	test_group_cuts();
	return tap_done();
}
