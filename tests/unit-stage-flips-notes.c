// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The notes of a stage of which any one byte is another, which are cut off or
 * somebody else's: that a volume was promoted (NAME.fence), or is being removed
 * (GROUP.delete). If this fails, one such byte lets an old writer in, gives a
 * primary's base away, or removes what nobody wanted removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-flips.h"
#include "stage-format.h"
#include "stage-impl.h"
#include "stage-promote.h"

#define FENCE		RIG_DIR "/a.fence"
#define NOTE		RIG_DIR "/a.delete"
#define GENERATION	77
#define EPOCH		4

static const struct stage_options keep = { .history_ms = 3600000 };

/* The next session of who has written it. */
static bool is_refused(struct stage *s)
{
	struct client c;
	bool is_good;

	if (client_connect(&c, s, "a"))
		return c.err.text[0];
	is_good = client_hello(&c, 1, 9) && c.err.text[0];
	client_close(&c);
	return is_good;
}

static bool is_told(struct stage_volume *v)
{
	struct stage_info info;

	stage_get_info(v, &info);
	return info.state == STAGE_ERROR && info.error.text[0];
}

/* --- fences --------------------------------------------------------------- */

static enum stage_phase phase;

static bool is_closed(struct stage_volume *v)
{
	enum stage_phase on_disk;
	struct error err = { 0 };
	struct stage_fence f;

	if (is_told(v))
		return stage_fence_look(v, &on_disk, &err) ?
		       err.text[0] : on_disk != STAGE_PHASE_OPEN;
	stage_get_fence(v, &f);
	return f.phase == phase && f.epoch == EPOCH &&
	       f.header.generation == GENERATION;
}

/* Fenced as it was, or in error; and no old writer in either case. */
static void look_at_fence(const struct stage_options *o, struct seen *seen)
{
	struct error err = { 0 };
	struct stage *s = look_only(o, &err);
	struct stage_volume *v = s ? stage_find(s, "a") : NULL;

	seen->nr++;
	if (!v || !is_closed(v) || !is_refused(s))
		seen->wrong++;
	else if (is_told(v))
		seen->damaged++;
	else
		seen->good++;
	stage_close(s);
}

/* Another volume that is promoted, too. */
static void fence_other(struct stage *s)
{
	struct error err = { 0 };
	struct client c;

	rig_add_volume(s, "b", NULL, RIG_BYTES, &err);
	client_connect(&c, s, "b");
	client_hello(&c, 1, 1);
	client_epoch(&c, NULL, EPOCH, EPOCH, true);
	client_close(&c);
}

static void make_fence(void)
{
	struct stage_options still = keep;
	struct error err = { 0 };
	struct stage *s;

	make_log(&keep);
	s = rig_open(d, &keep, &err);
	fence_other(s);
	stage_close(s);
	still.is_still = true;
	s = rig_open(d, &still, &err);
	if (stage_fence(stage_find(s, "a"), EPOCH, GENERATION, &err) ||
	    stage_fence(stage_find(s, "b"), EPOCH, GENERATION, &err))
		abort();
	if (phase == STAGE_PHASE_LEFT &&
	    (stage_fence_apply(stage_find(s, "a"), &err) ||
	     stage_fence_finish(stage_find(s, "a"), &err)))
		abort();
	stage_close(s);
}

/* Whose it is not. */
static void put_in_place(const char *from, const char *to)
{
	uint64_t size, other;
	const char *data = disk_data(d, from, &other);
	char *place = disk_data(d, to, &size);

	if (size != other)
		abort();
	memcpy(place, data, size);
}

static void test_fence(enum stage_phase of, const char *name)
{
	struct seen seen = { 0 };

	phase = of;
	make_fence();
	look_at_fence(&keep, &seen);
	is_int(seen.good, 1, "%s: as it is", name);
	flip_part(&keep, FENCE, 0, UINT64_MAX, look_at_fence, &seen);
	is_int(seen.wrong, 0, "%s: each byte of %u is as it was, or nobody "
	       "gets in", name, seen.nr);
	ok(seen.damaged, "%u are told", seen.damaged);
	memset(&seen, 0, sizeof(seen));
	cut_off(&keep, FENCE, 61, look_at_fence, &seen);
	put_in_place(RIG_DIR "/b.fence", FENCE);
	look_at_fence(&keep, &seen);
	is_int(seen.damaged, seen.nr, "%s: cut off, or another volume's: told "
	       "%u times", name, seen.nr);
	disk_destroy(d);
}

/* --- removals ------------------------------------------------------------- */

static void make_note(bool keeps_bases, bool is_ours)
{
	struct stage_delete_block b = { .group = "a" };
	const struct stage_io *io = disk_io(d);
	char block[STAGE_BLOCK_BYTES];
	struct iovec iov = { block, sizeof(block) };
	struct error err = { 0 };
	struct stage *s = rig_open(d, &keep, &err);
	int fd;

	memcpy(b.log_id, stage_find(s, "a")->g->log_id, sizeof(b.log_id));
	b.log_id[3] ^= !is_ours;
	b.keeps_bases = keeps_bases;
	stage_close(s);
	stage_delete_encode(&b, block);
	fd = io->open(io->arg, NOTE, O_RDWR | O_CREAT);
	if (fd < 0 || io->pwritev(io->arg, fd, &iov, 1, 0))
		abort();
	io->close(io->arg, fd);
}

/* In error, and nothing is removed; or as the note says. */
static void look_at_note(const struct stage_options *o, struct seen *seen)
{
	struct error err = { 0 };
	struct stage *s = look_only(o, &err);
	struct stage_volume *v = s ? stage_find(s, "a") : NULL;

	seen->nr++;
	if (s && !v && nr_removed)
		seen->good++;
	else if (v && is_told(v) && !nr_removed && is_refused(s))
		seen->damaged++;
	else
		seen->wrong++;
	stage_close(s);
}

static void test_removal(void)
{
	struct seen seen = { 0 };

	make_log(&keep);
	make_note(false, true);
	look_at_note(&keep, &seen);
	is_int(seen.good, 1, "a removal: it goes on");
	flip_part(&keep, NOTE, 0, UINT64_MAX, look_at_note, &seen);
	ok(seen.nr > STAGE_BLOCK_BYTES, "each byte of its note");
	is_int(seen.damaged, seen.nr - 1, "is told, and nothing is removed");
	memset(&seen, 0, sizeof(seen));
	cut_off(&keep, NOTE, 61, look_at_note, &seen);
	is_int(seen.damaged, seen.nr, "a note that is cut off, %u times",
	       seen.nr);
	disk_destroy(d);
}

static void test_foreign_removal(void)
{
	struct seen seen = { 0 };

	make_log(&keep);
	make_note(false, false);
	look(&keep, &seen);
	is_int(seen.good, 1, "a note of an earlier volume of that name costs "
	       "nothing");
	is_int(nr_removed, 1, "but itself");
	disk_destroy(d);
}

int main(void)
{
	test_fence(STAGE_PHASE_FENCED, "fenced");
	test_fence(STAGE_PHASE_LEFT, "left");
	test_removal();
	test_foreign_removal();
	return tap_done();
}
