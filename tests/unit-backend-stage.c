// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stage of this process as a target: what may be named, who may have it, and
 * that it does what one behind a server does.
 */
#include "backend-rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"
#include "stage.h"
#include "tap.h"

#define MIB	(1 << 20)
#define BYTES	(2 * MIB)
#define CHUNKS	(BYTES / 4096)

static char target[512];

/* "stage:FOLDER/NAME?base=FOLDER/NAME.base" and more options. */
static const char *name_it(const struct rig *r, const char *name,
			   const char *options)
{
	snprintf(target, sizeof(target), "stage:%s/%s?base=%s/%s.base%s",
		 r->dir, name, r->dir, name, options);
	return target;
}

static void begin(struct rig *r)
{
	rig_init(r);
	r->opts.volume_bytes = BYTES;
}

static void test_names(void)
{
	static const char *const wrong[] = {
		"", "a", "dir/a", "/a", "/dir/", "/dir/a@1", "/dir/a?base=b",
		"/dir/a?histroy=1h", "/dir/a?history=soon", "/dir/a?log",
		"/dir/a?dir=/b", "/dir/a?log=1GiB&history=2GiB",
		"/dir/a?create=a:1MiB:/b",
	};
	struct rig r;

	begin(&r);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(target, sizeof(target), "stage:%s", wrong[i]);
		ok(rig_open(&r, target) < 0, "%s: %s", target, r.text);
		ok(r.text[0] && !r.b, "with a reason, and nothing is left");
	}
	r.opts.apply = BACKEND_APPLY_DIRECT;
	is_int(rig_open(&r, name_it(&r, "a", "")), -EINVAL, "%s", r.text);
	rig_free(&r);
}

static void test_opening(void)
{
	struct rig r;

	begin(&r);
	is_int(rig_open(&r, "stage:/nowhere/at/all/a"), -ENOENT, "%s", r.text);
	is_int(rig_open(&r, "stage:/dev/null/a"), -ENOTDIR, "%s", r.text);
	snprintf(target, sizeof(target), "stage:%s/a", r.dir);
	is_int(rig_open(&r, target), -ENOENT, "not there, and no base: %s",
	       r.text);
	is_int(rig_open(&r, name_it(&r, "a", "")), 0, "with one it is made");
	ok(backend_info(r.b)->is_staged, "it stages");
	is_int(backend_info(r.b)->size, replica_export_bytes(BYTES),
	       "it has room for data and header");
	snprintf(target, sizeof(target), "stage:%s/a", r.dir);
	is_int(rig_open(&r, target), 0, "then it needs none");
	snprintf(target, sizeof(target), "stage:%s/a?base=/x", r.dir);
	is_int(rig_open(&r, target), -EINVAL, "another: %s", r.text);
	r.opts.volume_bytes = MIB;
	is_int(rig_open(&r, name_it(&r, "a", "")), -EINVAL, "%s", r.text);
	r.opts.volume_bytes = BYTES;
	r.opts.chunk_bytes = 8192;
	is_int(rig_open(&r, name_it(&r, "a", "")), -EINVAL, "%s", r.text);
	r.opts.chunk_bytes = 0;
	r.opts.group = "g";
	is_int(rig_open(&r, name_it(&r, "a", "")), -EINVAL, "%s", r.text);
	rig_free(&r);
}

/* S9, H1, H2, Q3 */
static void test_sharing(void)
{
	struct error err = { 0 };
	struct stage *other;
	struct rig r, more;

	begin(&r);
	begin(&more);
	is_int(rig_open(&r, name_it(&r, "a", "")), 0, "one");
	is_int(stage_open(&other, r.dir, NULL, &err), -EBUSY,
	       "nobody else opens it: %s", err.text);
	is_int(rig_open(&more, name_it(&r, "b", "")), 0,
	       "a second volume, from another ring");
	rig_close(&more);
	is_int(rig_open(&more, name_it(&r, "b", "&history=1h")), -EINVAL, "%s",
	       more.text);
	rig_close(&r);
	is_int(rig_open(&more, name_it(&r, "b", "&history=1h")), 0,
	       "alone it may have them");
	rig_close(&more);
	is_int(stage_open(&other, r.dir, NULL, NULL), 0,
	       "closed, it is another's");
	is_int(rig_open(&r, name_it(&r, "a", "")), -EBUSY, "%s", r.text);
	stage_close(other);
	is_int(rig_open(&r, name_it(&r, "a", "")), 0, "and then ours again");
	rig_free(&more);
	rig_free(&r);
}

static struct replica_header head = {
	.members = 1, .generation = 1, .incarnation = 1,
	.session = { 1, 1, 77 }, .role = REPLICA_ROLE_PRIMARY,
	.state = REPLICA_STATE_APPLYING, .chunk_bytes = 4096,
	.volume_bytes = BYTES,
	.pair_id = { 1 }, .volume_id = { 2 },
};

static int write_header(struct rig *r, uint32_t kind, uint64_t epoch)
{
	static char slot[REPLICA_SLOT_BYTES];

	head.kind = kind;
	head.epoch = head.highest_seen = epoch;
	head.last_clean = kind == REPLICA_KIND_CLEAN ? epoch : 0;
	head.cut_time = head.last_clean * 1000;
	head.state = head.last_clean ? REPLICA_STATE_OK :
				       REPLICA_STATE_APPLYING;
	head.seq++;
	if (replica_header_encode(&head, slot, NULL))
		return -EBADMSG;
	return rig_write_each(r, slot, sizeof(slot),
			      replica_slot_offset(BYTES, head.seq));
}

static void test_epochs(void)
{
	static char data[MIB], back[MIB], zeros[MIB];
	char want[REPLICA_SUM_BYTES], sums[CHUNKS][REPLICA_SUM_BYTES];
	struct rig r;

	begin(&r);
	memset(data, 7, sizeof(data));
	is_int(rig_open(&r, name_it(&r, "a", "")), 0, "open");
	is_int(rig_write(&r, data, 4096, 0, 0), -EINVAL, "no hello: %s",
	       backend_error(r.b));
	is_int(write_header(&r, REPLICA_KIND_HELLO, 0), 0, "hello");
	is_int(write_header(&r, REPLICA_KIND_OPEN, 1), 0, "header(open)");
	is_int(rig_write(&r, data, MIB, 4096, BACKEND_FUA), 0, "data");
	is_int(rig_zero(&r, 8192, MIB, 0), 0, "zeros");
	is_int(rig_flush(&r), 0, "flush");
	is_int(rig_read(&r, back, MIB, 4096), 0, "a read");
	ok(!memcmp(back, zeros, MIB), "shows nothing of it");
	is_int(write_header(&r, REPLICA_KIND_CLEAN, 1), -EINVAL,
	       "a wrong count: %s", backend_error(r.b));
	is_int(write_header(&r, REPLICA_KIND_OPEN, 2), 0, "header(open)");
	is_int(rig_write(&r, data, MIB, 4096, 0), 0, "data");
	head.records = 1;
	head.digest = replica_digest(4096, data, MIB);
	is_int(write_header(&r, REPLICA_KIND_CLEAN, 2), 0, "header(clean)");
	is_int(rig_read(&r, back, MIB, 4096), 0, "a read");
	ok(!memcmp(back, data, MIB), "shows all of it");
	is_int(rig_sums(&r, 0, CHUNKS, sums, 77), 0, "digests");
	replica_sum(want, zeros, 4096, 77);
	ok(!memcmp(want, sums[0], sizeof(want)), "of zeros");
	replica_sum(want, data, 4096, 77);
	ok(!memcmp(want, sums[256], sizeof(want)), "and of data");
	is_int(rig_open(&r, name_it(&r, "a", "")), 0, "opened again");
	is_int(rig_read(&r, back, MIB, 4096), 0, "a read");
	ok(!memcmp(back, data, MIB), "shows the same");
	rig_free(&r);
}

/* Each is answered, once, before it is closed. */
static void test_closing(void)
{
	static char data[MIB];
	struct rig r;
	int begun = 0;

	begin(&r);
	is_int(rig_open(&r, name_it(&r, "a", "")), 0, "open");
	head.session.attaches++;
	head.seq = 0;
	is_int(write_header(&r, REPLICA_KIND_HELLO, 0), 0, "hello");
	is_int(write_header(&r, REPLICA_KIND_OPEN, 3), 0, "header(open)");
	r.nr_answers = 0;
	for (int i = 0; i < 40; i++)
		begun += !rig_begin_write(&r, data, MIB, i % 2 * MIB);
	is_int(begun, 40, "writes are under way");
	backend_close(r.b, NULL, NULL);
	ok(rig_wait(&r, &r.nr_answers, 40), "they are answered when it closes");
	r.b = NULL;
	is_int(backend_open(&r.b, r.ring, name_it(&r, "a", ""), &r.opts,
			    &(const struct backend_events) { 0 }, &r, r.text,
			    sizeof(r.text)), 0, "opened");
	rig_close(&r);
	is_int(r.nr_closed, 1, "and closed at once");
	rig_free(&r);
}

int main(void)
{
	test_names();
	test_opening();
	test_sharing();
	test_epochs();
	test_closing();
	return tap_done();
}
