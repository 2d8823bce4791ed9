// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looking at what a segment has behind its end, in a file with holes. If this
 * fails, an epoch that was answered stands behind the damage of a log, and is
 * not seen there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage-parts.h"
#include "stage-recover.h"
#include "tap.h"

#define BYTES		(4U << 20)
#define PIECE		(256U << 10)	/* as it is read */
#define FROM		STAGE_BLOCK_BYTES

static struct stage stage = { .io = &stage_system_io };
static struct stage_group group = { .stage = &stage, .name = "g" };
static struct stage_segment segment = {
	.number = 3, .salt = 99, .bytes = BYTES,
};

/* Holes only, or data that is no record; longer or shorter than the segment. */
static void make_file(bool is_sparse, uint64_t bytes)
{
	char path[] = "/tmp/unit-stage-behind.XXXXXX", *buf = malloc(bytes);

	if (segment.fd > 0)
		close(segment.fd);
	segment.fd = mkstemp(path);
	if (segment.fd < 0 || !buf || ftruncate(segment.fd, bytes))
		abort();
	unlink(path);
	memset(buf, 0x5a, bytes);
	if (!is_sparse && pwrite(segment.fd, buf, bytes, 0) != (ssize_t)bytes)
		abort();
	free(buf);
}

static void put(uint32_t type, uint64_t pos)
{
	struct stage_record r = {
		.type = type, .epoch = 5,
		.payload = type == STAGE_REC_CLEAN ? stage_commit_len(1) : 0,
	};
	char head[STAGE_RECORD_BYTES];

	stage_record_encode(&r, segment.salt, stage_lsn(segment.number, pos),
			    head);
	if (pwrite(segment.fd, head, sizeof(head), pos) != sizeof(head))
		abort();
}

static bool sees_commit_at(bool is_sparse, uint64_t pos)
{
	struct behind b;

	make_file(is_sparse, BYTES);
	put(STAGE_REC_CLEAN, pos);
	b = stage_look_behind(&group, &segment, FROM);
	if (b.has_commit && !b.is_acked && !b.unread)
		return true;
	printf("# at %llu, %s\n", (unsigned long long)pos,
	       is_sparse ? "holes" : "data");
	return false;
}

static void test_places(bool is_sparse)
{
	static const uint64_t places[] = {
		FROM, FROM + 64, FROM + PIECE - 64, FROM + PIECE,
		FROM + PIECE - 128, 1 << 20, (1 << 20) + 192, (2 << 20) - 64,
		BYTES - (64 + 64 + 64 + REPLICA_SLOT_BYTES),
	};
	unsigned int bad = 0;

	for (unsigned int i = 0; i < sizeof(places) / sizeof(*places); i++)
		bad += !sees_commit_at(is_sparse, places[i]);
	is_int(bad, 0, "a commit is seen, wherever it is amid %s",
	       is_sparse ? "holes" : "data");
	make_file(is_sparse, BYTES);
	put(STAGE_REC_CLEAN, BYTES - 64);
	ok(!stage_look_behind(&group, &segment, FROM).has_commit,
	   "not one that is not all there");
	put(STAGE_REC_OPEN, BYTES - 64);
	ok(stage_look_behind(&group, &segment, FROM).is_acked,
	   "what is begun is seen in the last place");
}

static void test_blank(void)
{
	make_file(true, BYTES);
	ok(stage_is_blank(&group, &segment), "holes are blank");
	if (pwrite(segment.fd, "", 1, 1 << 20) != 1)
		abort();
	ok(stage_is_blank(&group, &segment), "so are zeros");
	if (pwrite(segment.fd, "x", 1, BYTES - 1) != 1)
		abort();
	ok(!stage_is_blank(&group, &segment), "the last byte is not");
	make_file(true, BYTES / 2);
	ok(stage_is_blank(&group, &segment), "a file that is shorter is");
	ok(!stage_look_behind(&group, &segment, FROM).unread,
	   "and is no error");
	make_file(true, 2 * BYTES);
	if (pwrite(segment.fd, "x", 1, BYTES) != 1)
		abort();
	ok(stage_is_blank(&group, &segment), "what is behind is not looked at");
}

static unsigned int nr_failed;

static ssize_t fail_block(void *arg, int fd, void *buf, size_t len,
			  uint64_t off)
{
	const uint64_t bad = (1 << 20) + (200 << 10);

	if (off >= bad + STAGE_BLOCK_BYTES || off + len <= bad)
		return stage_system_io.pread(arg, fd, buf, len, off);
	nr_failed++;
	return -EIO;
}

/* D2: each may take half a minute. */
static void test_bad_block(void)
{
	struct stage_io io = stage_system_io;
	struct behind b;

	io.pread = fail_block;
	stage.io = &io;
	make_file(false, BYTES);
	b = stage_look_behind(&group, &segment, FROM);
	stage.io = &stage_system_io;
	is_int(b.unread, STAGE_BLOCK_BYTES, "one block is bad");
	is_int(nr_failed, 2, "it is asked for twice");
}

/* --- a disk that dies ----------------------------------------------------- */

#define LARGE_BYTES	(64U << 20)

static uint64_t bad_from, bad_to, bad_step;	/* blocks; every such one */

static ssize_t fail_many(void *arg, int fd, void *buf, size_t len,
			 uint64_t off)
{
	for (uint64_t b = off / STAGE_BLOCK_BYTES;
	     b <= (off + len - 1) / STAGE_BLOCK_BYTES; b++) {
		if (fd != segment.fd || b < bad_from || b >= bad_to ||
		    b % bad_step)
			continue;
		nr_failed++;
		return -EIO;
	}
	return stage_system_io.pread(arg, fd, buf, len, off);
}

static uint64_t copy_of(uint64_t from, uint64_t to, uint64_t step)
{
	struct stage_io io = stage_system_io;
	uint64_t unread = 0;

	io.pread = fail_many;
	bad_from = from;
	bad_to = to;
	bad_step = step;
	nr_failed = 0;
	stage.io = &io;
	if (stage_recover_copy(&group, &segment, &unread))
		unread = UINT64_MAX;
	stage.io = &stage_system_io;
	return unread;
}

static uint64_t look_at(uint64_t from, uint64_t to, uint64_t step)
{
	struct stage_io io = stage_system_io;
	struct behind b;

	io.pread = fail_many;
	bad_from = from;
	bad_to = to;
	bad_step = step;
	nr_failed = 0;
	stage.io = &io;
	b = stage_look_behind(&group, &segment, FROM);
	stage.io = &stage_system_io;
	return b.unread;
}

/* Each failed read takes a tenth of a second, and a copy is compared, too. */
#define SECONDS(n)	((n) * 10)

/* D2: else nothing is served for half an hour, or for days. */
static void test_dying_disk(void)
{
	static const unsigned int all = LARGE_BYTES / STAGE_BLOCK_BYTES;
	char path[sizeof(group.dir) + 40];
	uint64_t unread;

	make_file(false, LARGE_BYTES);
	segment.bytes = LARGE_BYTES;
	strcpy(group.dir, "/tmp/unit-stage-behind.XXXXXX");
	if (!mkdtemp(group.dir))
		abort();
	snprintf(path, sizeof(path), "%s/%010u.seg.lost", group.dir, 3);

	is_int(look_at(0, all, 1), LARGE_BYTES - FROM, "nothing can be read");
	ok(nr_failed < SECONDS(4), "%u reads tell that", nr_failed);
	ok(look_at(0, all, 2) >= (LARGE_BYTES - FROM) / 2, "or half of it");
	ok(nr_failed < SECONDS(25), "%u reads", nr_failed);
	put(STAGE_REC_OPEN, 1 << 20);
	is_int(look_at(100, 104, 1), 4 * STAGE_BLOCK_BYTES,
	       "some blocks take no others with them");

	is_int(copy_of(0, all, 1), LARGE_BYTES, "a copy of nothing");
	ok(nr_failed < SECONDS(4), "%u reads tell that", nr_failed);
	is_int(copy_of(0, all, 1), LARGE_BYTES, "which was made before");
	ok(nr_failed < SECONDS(4), "%u reads", nr_failed);
	is_int(copy_of(0, 0, 1), 0, "a copy of all");
	is_int(copy_of(0, all, 1), 0, "has what cannot be read now");
	ok(nr_failed < SECONDS(4), "%u reads", nr_failed);
	unlink(path);
	unread = copy_of(1000, 9000, 1);
	ok(unread >= 8000ULL * STAGE_BLOCK_BYTES && unread < LARGE_BYTES,
	   "half of it: %llu bytes are given up", (unsigned long long)unread);
	ok(nr_failed < SECONDS(4), "%u reads", nr_failed);
	unlink(path);
	ok(copy_of(0, all, 2) >= LARGE_BYTES / 2, "every other block");
	ok(nr_failed < SECONDS(25), "%u reads", nr_failed);
	unlink(path);
	rmdir(group.dir);
}

/* In a directory of the stage, under the name of one of its files. */
static void test_pipe(void)
{
	const struct stage_io *io = &stage_system_io;
	char dir[] = "/tmp/unit-stage-behind.XXXXXX", path[64], byte;
	int fd;

	if (!mkdtemp(dir))
		abort();
	snprintf(path, sizeof(path), "%s/x.volume", dir);
	if (mkfifo(path, 0600))
		abort();
	alarm(60);			/* else it is waited for, for ever */
	fd = io->open(io->arg, path, O_RDONLY);
	ok(fd >= 0 && stage_pread(io, fd, &byte, 1, 0) < 0,
	   "a pipe has nothing, and is not waited for");
	alarm(0);
	io->close(io->arg, fd);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	test_places(true);
	test_places(false);
	test_blank();
	test_bad_block();
	test_dying_disk();
	test_pipe();
	close(segment.fd);
	return tap_done();
}
