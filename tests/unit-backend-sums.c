// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a target tells of itself: whether it stages, and digests of its chunks.
 * If this failed, a plain server would be trusted to stage, or a resync would
 * believe wrong digests.
 */
#include "backend-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "header.h"
#include "tap.h"

#define MIB	(1 << 20)
#define CHUNKS	(4 * MIB / 4096)

/* An eval server of a volume of 4 MiB: what its NAME@sum is like. */
static void start_server(struct rig *r, const char *sum_size,
			 const char *sum_read)
{
	static char size[200], read[200];

	snprintf(size, sizeof(size), "get_size=case \"$2\" in vol@sum) %s;; "
		 "vol) echo 5M;; esac", sum_size);
	snprintf(read, sizeof(read), "pread=case \"$2\" in vol@sum) %s;; "
		 "*) head -c $3 /dev/zero;; esac", sum_read);
	start_nbdkit(r, "eval", "open=case \"$3\" in vol|vol@sum) echo $3;; "
		     "*) echo ENOENT nothing >&2; exit 1;; esac", size, read,
		     "can_write=case \"$2\" in vol@sum) exit 3;; esac",
		     "pwrite=cat >>/dev/null", "can_flush=exit 0",
		     "flush=exit 0", "can_fua=echo native",
		     "can_multi_conn=exit 0", NULL);
	snprintf(r->uri, sizeof(r->uri), "nbd+unix:///vol?socket=%s/sock",
		 r->dir);
	r->opts.volume_bytes = 4 * MIB;
	r->opts.connections = 3;
}

static void test_stage(void)
{
	static char slot[4096];
	char sums[3 * REPLICA_SUM_BYTES], want[REPLICA_SUM_BYTES];
	struct rig r;

	rig_init(&r);
	start_server(&r, "echo 16384", "yes | tr -d '\\n' | head -c $3");
	is_int(rig_open(&r, r.uri), 0, "a server with NAME@sum");
	ok(backend_info(r.b)->is_staged, "stages");
	ok(backend_info(r.b)->can & BACKEND_CAN_SUM, "and knows digests");
	is_int(rig_write_each(&r, slot, 4096, 4 * MIB), 0,
	       "a write on each of its connections");
	is_int(r.nr_answers, 1, "has one answer");
	is_int(rig_sums(&r, 5, 3, sums, 1), 0, "digests of three chunks");
	memset(want, 'y', sizeof(want));
	ok(!memcmp(sums, want, sizeof(want)) &&
	   !memcmp(sums + 2 * sizeof(want), want, sizeof(want)),
	   "are what the server says");
	is_int(rig_sums(&r, CHUNKS - 1, 1, sums, 1), 0, "of the last one");
	is_int(backend_sums(r.b, CHUNKS, 1, sums, 1, rig_answer, &r), -EINVAL,
	       "there are no more: %s", backend_error(r.b));
	is_int(r.nr_lost, 0, "it is not lost");
	stop_nbdkit(&r);
	ok(rig_wait(&r, &r.nr_lost, 1), "until the server is gone");
	rig_free(&r);
}

static void test_no_stage(void)
{
	static const struct {
		const char *size, *what;
	} others[] = {
		{ "echo 5M", "NAME@sum is as large as NAME" },
		{ "echo 16368", "NAME@sum lacks a digest" },
		{ "exit 1", "NAME@sum cannot be opened" },
	};
	struct rig r;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		rig_init(&r);
		start_server(&r, others[i].size, "exit 1");
		is_int(rig_open(&r, r.uri), 0, "%s", others[i].what);
		ok(!backend_info(r.b)->is_staged &&
		   !(backend_info(r.b)->can & BACKEND_CAN_SUM),
		   "it is a plain server");
		is_int(backend_sums(r.b, 0, 1, NULL, 1, rig_answer, &r),
		       -EOPNOTSUPP, "that has no digests");
		r.opts.apply = BACKEND_APPLY_STAGED;
		is_int(rig_open(&r, r.uri), -EOPNOTSUPP, "apply=staged: %s",
		       r.text);
		rig_free(&r);
	}
	rig_init(&r);
	start_nbdkit(&r, "memory", "5M", NULL);
	r.opts.volume_bytes = 4 * MIB;
	is_int(rig_open(&r, r.uri), 0, "one thing under every name");
	ok(!backend_info(r.b)->is_staged, "is a plain server, too");
	stop_nbdkit(&r);
	start_server(&r, "echo 16384", "exit 1");
	r.opts.apply = BACKEND_APPLY_DIRECT;
	is_int(rig_open(&r, r.uri), 0, "a stage, with apply=direct");
	ok(!backend_info(r.b)->is_staged, "is not asked");
	rig_free(&r);
}

/* N4 */
static void test_no_way_in(void)
{
	static char data[4096], sums[REPLICA_SUM_BYTES];
	struct rig r;

	rig_init(&r);
	start_server(&r, "echo 16384", "echo EIO broken >&2; exit 1");
	is_int(rig_open(&r, r.uri), 0, "a server whose digests cannot be read");
	is_int(rig_sums(&r, 0, 1, sums, 1), -EIO, "says so");
	is_int(rig_write(&r, data, 4096, 0, 0), 0, "and lives");
	is_int(r.nr_lost, 0, "it is not lost");
	rig_free(&r);
}

static void test_local(void)
{
	static char data[5 * MIB];
	char sums[CHUNKS + 1][REPLICA_SUM_BYTES], want[REPLICA_SUM_BYTES];
	char target[128];
	unsigned int right = 0;
	struct rig r;
	int fd;

	rig_init(&r);
	sprintf(target, "local:%s/target", r.dir);
	fd = open(target + 6, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = rand();
	if (fd < 0 || ftruncate(fd, 7 * MIB) ||
	    pwrite(fd, data, sizeof(data), 0) < 0)
		printf("# no file\n");
	close(fd);
	r.opts.volume_bytes = 4 * MIB + 512;
	is_int(rig_open(&r, target), 0, "a file");
	ok(!backend_info(r.b)->is_staged, "does not stage");
	is_int(rig_sums(&r, 0, CHUNKS + 1, sums, 9), 0, "but has digests");
	for (unsigned int c = 0; c <= CHUNKS; c++) {
		replica_sum(want, data + c * 4096, c < CHUNKS ? 4096 : 512, 9);
		right += !memcmp(want, sums[c], sizeof(want));
	}
	is_int(right, CHUNKS + 1, "of each chunk, also of the short one");
	is_int(rig_sums(&r, 7, 1, sums, 10), 0, "of one");
	replica_sum(want, data + 7 * 4096, 4096, 10);
	ok(!memcmp(want, sums[0], sizeof(want)), "in another session");
	is_int(rig_write_each(&r, data, 4096, 0), 0, "there is one connection");
	r.opts.apply = BACKEND_APPLY_STAGED;
	is_int(rig_open(&r, target), -EOPNOTSUPP, "apply=staged: %s", r.text);
	rig_free(&r);
}

int main(void)
{
	test_stage();
	test_no_stage();
	test_no_way_in();
	test_local();
	return tap_done();
}
