// SPDX-License-Identifier: GPL-2.0-or-later
/* A file as a target: opened for us alone, with holes for zeros. */
#include "backend-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define MIB	(1 << 20)

static bool no_holes;

void __real_ring_fallocate(struct ring *ring, struct ring_op *op, int fd,
			   int mode, uint64_t off, uint64_t len);
void __wrap_ring_fallocate(struct ring *ring, struct ring_op *op, int fd,
			   int mode, uint64_t off, uint64_t len);

/* A mode that no file system knows, instead. */
void __wrap_ring_fallocate(struct ring *ring, struct ring_op *op, int fd,
			   int mode, uint64_t off, uint64_t len)
{
	__real_ring_fallocate(ring, op, fd, no_holes ? 0x4000 : mode, off,
			      len);
}

static int make_file(const struct rig *r, const char *name, off_t size,
		     char *target)
{
	int fd;

	sprintf(target, "local:%s/%s", r->dir, name);
	fd = open(target + 6, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	return fd < 0 || ftruncate(fd, size) ? -1 : fd;
}

static void test_requests(void)
{
	static char data[3 * MIB + 1], back[3 * MIB + 1];
	char target[128];
	struct stat before, after;
	struct rig r;
	int fd;

	rig_init(&r);
	fd = make_file(&r, "target", 8 * MIB, target);
	r.opts.volume_bytes = 4 * MIB;
	is_int(rig_open(&r, target), 0, "a file");
	is_int(backend_info(r.b)->size, 8 * MIB, "has its size");
	memset(data, 7, sizeof(data));
	is_int(rig_write(&r, data + 1, 3 * MIB, MIB, 0), 0,
	       "a write from memory that is not aligned");
	fstat(fd, &before);
	is_int(rig_zero(&r, 2 * MIB, MIB, BACKEND_FUA), 0, "zeros");
	fstat(fd, &after);
	ok(after.st_blocks < before.st_blocks, "are a hole");
	is_int(rig_flush(&r), 0, "flush");
	memset(data + 1, 0, 2 * MIB);
	is_int(rig_read(&r, back + 1, 3 * MIB, MIB), 0, "read");
	ok(!memcmp(data + 1, back + 1, 3 * MIB), "gives it back");
	is_int(rig_write(&r, data, 4096, 8 * MIB, 0), -EINVAL,
	       "beyond the end: refused");
	is_int(rig_write(&r, data + 1, 4096, 8 * MIB - 4096, BACKEND_FUA), 0,
	       "the last block, durable");
	close(fd);
	rig_free(&r);
}

static void test_without_holes(void)
{
	static char data[4 * MIB], zeros[4 * MIB], back[4 * MIB];
	char target[128];
	struct rig r;

	rig_init(&r);
	close(make_file(&r, "target", 8 * MIB, target));
	memset(data, 7, sizeof(data));
	no_holes = true;
	is_int(rig_open(&r, target), 0, "a file system without holes");
	is_int(rig_write(&r, data, 4 * MIB, 0, 0), 0, "data");
	is_int(rig_zero(&r, MIB + 4096, 4096, BACKEND_FUA), 0,
	       "zeros are written");
	is_int(rig_zero(&r, MIB, 2 * MIB, 0), 0, "again");
	is_int(rig_read(&r, back, 4 * MIB, 0), 0, "read");
	ok(!memcmp(back, data, 4096) &&
	   !memcmp(back + 4096, zeros, MIB + 4096) &&
	   !memcmp(back + MIB + 8192, data, MIB - 8192) &&
	   !memcmp(back + 2 * MIB, zeros, MIB) &&
	   !memcmp(back + 3 * MIB, data, MIB), "exactly there");
	no_holes = false;
	rig_free(&r);
}

static void test_refused(void)
{
	char target[128], dir[128];
	struct rig r;
	int fd;

	rig_init(&r);
	fd = make_file(&r, "target", 4 * MIB, target);
	r.opts.volume_bytes = 4 * MIB;
	is_int(rig_open(&r, target), -ENOSPC, "too small");
	ok(strstr(r.text, "4194304") && strstr(r.text, "4259840"), "%s",
	   r.text);
	rig_close(&r);
	is_int(flock(fd, LOCK_EX | LOCK_NB), 0, "locked by another");
	is_int(rig_open(&r, target), -EBUSY, "%s", r.text);
	is_int(rig_open(&r, "local:/nowhere/at/all"), -ENOENT, "%s", r.text);
	snprintf(dir, sizeof(dir), "local:%s", r.dir);
	ok(rig_open(&r, dir) < 0, "a folder: %s", r.text);
	ok(rig_open(&r, "local:/dev/null") < 0, "%s", r.text);
	is_int(rig_open(&r, "local:"), -EINVAL, "%s", r.text);
	close(fd);
	rig_free(&r);
}

static void test_alone(void)
{
	char target[128];
	struct rig r, other;

	rig_init(&r);
	rig_init(&other);
	close(make_file(&r, "target", MIB, target));
	is_int(rig_open(&r, target), 0, "a file is ours");
	is_int(rig_open(&other, target), -EBUSY, "%s", other.text);
	rig_close(&r);
	is_int(r.nr_closed, 1, "we close it");
	is_int(rig_open(&other, target), 0, "and another can have it");
	rig_free(&r);
	rig_free(&other);
}

static void test_close(void)
{
	static char data[MIB];
	char target[128];
	struct rig r;

	rig_init(&r);
	close(make_file(&r, "target", 64 * MIB, target));
	is_int(rig_open(&r, target), 0, "a file");
	for (unsigned int i = 0; i < 32; i++)
		rig_begin_write(&r, data, sizeof(data), i * MIB);
	ok(backend_unclean(r.b), "writes are under way");
	rig_close(&r);
	is_int(r.nr_answers, 32, "they are answered before it is closed");
	is_int(r.nr_errors, 0, "well");
	is_int(r.nr_closed, 1, "once");
	rig_free(&r);
}

int main(void)
{
	test_requests();
	test_without_holes();
	test_refused();
	test_alone();
	test_close();
	return tap_done();
}
