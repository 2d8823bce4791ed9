// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stage as a client sees it: if this fails, an epoch that was committed is
 * not shown, or one is that was not.
 */
#include "stage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"
#include "tap.h"

static struct model m;

static struct stage *begin(struct disk **d, struct client *c,
			   const struct stage_options *opts)
{
	struct stage *s;

	memset(&m, 0, sizeof(m));
	*d = disk_create();
	s = rig_create(*d, opts, 1);
	client_connect(c, s, "a");
	return s;
}

static void end(struct stage *s, struct client *c, struct disk *d)
{
	client_close(c);
	stage_close(s);
	disk_destroy(d);
}

static void test_epochs(void)
{
	static const char zeros[RIG_BYTES];
	struct stage_options o = { .history_ms = 1000000 };
	struct stage_info info;
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, &o);

	ok(shows(&c, zeros), "a new volume is zeros");
	is_int(client_hello(&c, 1, 1), 0, "hello");
	is_int(client_open(&c, 1), 0, "open 1");
	is_int(client_write(&c, &m, 1, 2, 1), 0, "data");
	is_int(client_zero(&c, &m, 5, 1), 0, "zeros");
	ok(shows(&c, zeros), "the open epoch is not shown (S5)");
	is_int(client_commit(&c, &m, 1, true), 0, "clean 1");
	ok(shows(&c, m.image[1]), "the committed one is");
	is_int(client_epoch(&c, &m, 2, 2, false), 0, "partial 2");
	ok(shows(&c, m.image[1]), "a partial one is not shown (S1)");
	ok(sums_are(c.v, m.now), "but its digests are (W4)");
	is_int(client_epoch(&c, &m, 3, 3, true), 0, "clean 3");
	ok(shows(&c, m.image[3]), "and with the next clean one it is");
	ok(shows_epoch(c.v, 1, m.image[1]), "VOL@1 is still there");
	stage_get_info(c.v, &info);
	is_int(info.header.last_clean, 3, "last clean");
	is_int(info.header.last_partial, 2, "last partial");
	is_int(info.state, STAGE_OK, "state");
	is_int(info.nr_epochs, 3, "epochs in the history");
	end(s, &c, d);
}

static unsigned int count_syncs(const struct disk *d, uint64_t from,
				uint64_t to)
{
	unsigned int nr = 0;

	for (uint64_t i = from; i < to; i++)
		nr += disk_is_sync(d, i);
	return nr;
}

/* A commit costs the disk one sync, of the log, and it is the last thing. */
static void test_syncs(void)
{
	struct stage_options o = { .history_ms = 1000000 };
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, &o);
	uint64_t from, to, counted;
	struct stage_info info;

	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);	/* its segment is a new one */
	stage_get_info(c.v, &info);
	counted = info.nr_syncs;
	for (uint64_t e = 2; e <= 4; e++) {
		from = disk_moment(d);
		client_open(&c, e);
		client_write(&c, &m, e, 1, e);
		client_commit(&c, &m, e, true);
		to = disk_moment(d);
		is_int(count_syncs(d, from, to), 1, "a small epoch: a sync");
		ok(disk_is_sync(d, to - 1), "after all that it has written");
	}
	stage_get_info(c.v, &info);
	is_int(info.nr_syncs - counted, 3, "which the stage counts");
	end(s, &c, d);
}

static void test_apply(void)
{
	struct stage_info info;
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, NULL);
	uint64_t size;
	char *base;

	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 20; e++)
		if (client_epoch(&c, &m, e, e, e % 3 > 0))
			break;
	is_int(c.h.epoch, 20, "20 epochs");
	is_int(stage_settle(c.v, true, &c.err), 0, "they are applied");
	base = disk_data(d, "/base/a", &size);
	ok(base && size == RIG_BYTES && !memcmp(base, m.image[20], size),
	   "the base is the newest image");
	ok(shows(&c, m.image[20]), "VOL too");
	stage_get_info(c.v, &info);
	is_int(info.applied_epoch, 20, "and the checkpoint says so");
	is_int(info.index_bytes, 0, "nothing is left in the index");
	ok(info.log_bytes <= 3 * 65536, "nor much in the log");
	end(s, &c, d);
}

static void test_reopen(void)
{
	struct stage_options o = { .history_ms = 1000000 };
	struct error err = { 0 };
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, &o);

	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 12; e++)
		client_epoch(&c, &m, e, e, e != 4);
	client_open(&c, 13);
	client_write(&c, NULL, 0, 2, 99);
	client_close(&c);
	stage_close(s);
	s = rig_open(d, &o, &err);
	if (!ok(s, "it is opened again: %s", err.text))
		return;
	is_int(client_connect(&c, s, "a"), 0, "and can be connected to");
	is_int(c.h.last_clean, 12, "the header names the last clean epoch");
	is_int(c.h.highest_seen, 13, "and the highest seen");
	ok(shows(&c, m.image[12]), "VOL");
	ok(shows_all(c.v, &m), "the history");
	is_int(client_hello(&c, 1, 2), 0, "hello");
	is_int(client_epoch(&c, &m, 13, 13, true), -EINVAL, "13 was used");
	model_drop(&m);
	is_int(client_epoch(&c, &m, 14, 14, true), 0, "14 was not");
	ok(shows_all(c.v, &m), "the history goes on");
	end(s, &c, d);
}

/* W2, order, numbers: each refusal has its words. */
static void test_refusals(void)
{
	struct client c, old;
	struct disk *d;
	struct stage *s = begin(&d, &c, NULL);

	is_int(client_open(&c, 1), -EINVAL, "open before hello");
	is_int(client_write(&c, NULL, 0, 1, 1), -EINVAL, "data before hello");
	is_int(client_hello(&c, 2, 1), 0, "hello 2.1");
	is_int(client_write(&c, NULL, 0, 1, 1), -EINVAL, "data before open");
	is_int(client_open(&c, 5), 0, "open 5");
	is_int(client_write(&c, NULL, 0, 1, 1), 0, "data");
	c.digest++;
	is_int(client_commit(&c, NULL, 5, true), -EINVAL, "wrong digest (W2)");
	ok(strstr(c.err.text, "digest"), "and why: %s", c.err.text);
	is_int(client_write(&c, NULL, 0, 1, 1), -EINVAL, "5 is gone");
	is_int(client_open(&c, 5), -EINVAL, "and its number used");
	is_int(client_open(&c, 6 + (1ULL << 32)), -EINVAL, "too far (S-f)");
	is_int(client_open(&c, 6), 0, "open 6");
	is_int(client_commit(&c, NULL, 7, true), -EINVAL, "7 is not open");
	client_connect(&old, s, "a");
	is_int(client_hello(&old, 1, 9), -ESHUTDOWN, "an older hello (W1)");
	is_int(client_hello(&old, 2, 2), 0, "a newer one");
	is_int(client_write(&c, NULL, 0, 1, 1), -ESHUTDOWN, "fences (S8)");
	is_int(client_open(&c, 8), -ESHUTDOWN, "headers too");
	client_close(&old);
	end(s, &c, d);
}

static void test_identity(void)
{
	struct client c, other;
	struct disk *d;
	struct stage *s = begin(&d, &c, NULL);

	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_connect(&other, s, "a");
	other.h.generation = 0x7777;
	is_int(client_hello(&other, 3, 1), -EPERM, "an unrelated generation");
	other.h.nr_ancestors = 1;
	other.h.ancestors[0].generation = 0x1111;
	is_int(client_hello(&other, 3, 1), 0, "a younger one");
	is_int(c.v->header.generation, 0x1111, "is not adopted with hello");
	is_int(client_epoch(&other, &m, 2, 2, false), 0, "nor with");
	is_int(c.v->header.generation, 0x1111, "a partial epoch");
	is_int(client_epoch(&other, &m, 3, 3, true), 0, "but with");
	is_int(c.v->header.generation, 0x7777, "a clean one (L3)");
	client_close(&c);
	client_connect(&c, s, "a");
	c.h.generation = 0x1111;
	c.h.nr_ancestors = 0;
	is_int(client_hello(&c, 4, 1), -EPERM, "an older one is refused");
	client_close(&other);
	end(s, &c, d);
}

static void test_shapes(void)
{
	uint64_t size = replica_export_bytes(RIG_BYTES);
	char buf[8192] = { 0 };
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, NULL);

	client_hello(&c, 1, 1);
	client_open(&c, 1);
	is_int(stage_conn_write(c.conn, buf, 100, 0, NULL), -EINVAL, "100 B");
	is_int(stage_conn_write(c.conn, buf, 512, 100, NULL), -EINVAL, "at 100");
	is_int(stage_conn_write(c.conn, buf, 8192, RIG_BYTES - 4096, NULL),
	       -EINVAL, "over the end");
	is_int(stage_conn_write(c.conn, buf, 4096, RIG_BYTES, NULL), -EINVAL,
	       "behind it");
	is_int(stage_conn_zero(c.conn, 4096, replica_tail_offset(RIG_BYTES),
			       NULL), -EINVAL, "zeros over the tail");
	is_int(stage_conn_write(c.conn, buf, 4096,
				replica_tail_offset(RIG_BYTES), NULL),
	       -EINVAL, "a header that is none");
	is_int(stage_conn_read(c.conn, buf, 8192, size - 4096, NULL), -EINVAL,
	       "reading over the end");
	is_int(stage_conn_read(c.conn, buf, 8192, size - 8192, NULL), 0,
	       "but up to it");
	is_int(client_write(&c, &m, 0, 24, 5), 0, "more than a record takes");
	is_int(client_commit(&c, &m, 1, true), 0, "counts as one (W2)");
	ok(shows(&c, m.image[1]), "and is there");
	is_int(stage_conn_read(c.conn, buf, 700, 1000, NULL), 0, "odd read");
	ok(!memcmp(buf, m.image[1] + 1000, 700), "has the right bytes");
	end(s, &c, d);
}

/* Payloads that begin at a page: written, read back, recovered, applied. */
static void test_big(void)
{
	struct stage_options o = { .history_ms = 1000000,
				   .segment_bytes = 512 << 10,
				   .log_bytes = 4 << 20 };
	struct error err = { 0 };
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, &o);
	uint64_t size;

	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 9; e++) {
		client_open(&c, e);
		client_write(&c, &m, 0, 17 + e % 7, e);
		client_write(&c, &m, e, 1, 100 + e);
		client_commit(&c, &m, e, true);
	}
	ok(shows_all(c.v, &m), "nine epochs of large writes");
	client_close(&c);
	stage_close(s);
	s = rig_open(d, &o, &err);
	client_connect(&c, s, "a");
	is_int(c.h.last_clean, 9, "recovered");
	ok(shows_all(c.v, &m), "all of them");
	is_int(stage_settle(c.v, true, NULL), 0, "applied");
	ok(!memcmp(disk_data(d, "/base/a", &size), m.image[9], RIG_BYTES),
	   "the base has it");
	end(s, &c, d);
}

/* A8: whether in large pieces or small, an epoch is not left to its commit. */
static void test_goes_early(void)
{
	struct stage_options o = { .history_ms = 1000000,
				   .segment_bytes = 2 << 20,
				   .log_bytes = 16 << 20 };
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, &o);
	struct stage_info info;
	uint64_t before, small;

	client_hello(&c, 1, 1);
	client_open(&c, 1);
	is_int(disk_begun(d), 0, "not for what is small");
	client_write(&c, &m, 0, 17, 1);
	before = disk_begun(d);
	ok(before >= 16 * RIG_CHUNK, "a large write goes to the disk: %llu",
	   (unsigned long long)before);
	for (unsigned int i = 0; i < 90; i++)
		client_write(&c, &m, i % 20, 1, i);
	small = disk_begun(d) - before;
	ok(small >= 60 * RIG_CHUNK, "and small ones together: %llu",
	   (unsigned long long)small);
	is_int(client_commit(&c, &m, 1, true), 0, "committed");
	stage_get_info(c.v, &info);
	ok(disk_begun(d) <= info.bytes_logged, "nothing goes twice");
	ok(shows(&c, m.image[1]), "and the image is right");
	end(s, &c, d);
}

struct ranges {
	uint64_t off[32], len[32];
	unsigned int nr, type[32];
};

static int note_extent(void *arg, uint64_t off, uint64_t len,
		       enum stage_extent type)
{
	struct ranges *r = arg;

	r->off[r->nr] = off;
	r->type[r->nr] = type;
	r->len[r->nr++] = len;
	return 0;
}

static int note_range(void *arg, uint64_t off, uint64_t len)
{
	return note_extent(arg, off, len, STAGE_DATA);
}

/* VOL@above (L2, C1): clean, partial and open records above the fork. */
static void test_above(void)
{
	struct stage_options o = { .history_ms = 1000000 };
	struct ranges r = { .nr = 0 };
	struct stage_image *i;
	struct client c;
	struct disk *d;
	struct stage *s = begin(&d, &c, &o);

	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 3; e++) {
		client_open(&c, e);
		client_write(&c, &m, e * 4, 1, e);
		client_commit(&c, &m, e, e != 3);
	}
	client_open(&c, 4);
	client_zero(&c, NULL, 20, 2);
	is_int(stage_above(c.v, 1, note_range, &r, NULL), 0, "above 1");
	ok(r.nr == 3 && r.off[0] == 8 * 4096 && r.off[1] == 12 * 4096 &&
	   r.off[2] == 20 * 4096 && r.len[2] == 8192,
	   "are 2, the partial 3 and the open 4");
	r.nr = 0;
	is_int(stage_image_open(&i, c.v, 2, NULL), 0, "VOL@2");
	is_int(stage_image_extents(i, 4096, RIG_BYTES - 4096, note_extent, &r,
				   NULL), 0, "its extents");
	ok(r.nr == 1 && r.off[0] == 4096 && r.len[0] == RIG_BYTES - 4096,
	   "are merged (the base has no holes here)");
	stage_image_close(i);
	is_int(stage_image_open(&i, c.v, 3, NULL), -ENOENT,
	       "3 is not an image yet");
	end(s, &c, d);
}

static void test_group(void)
{
	static struct model mb;
	struct stage_options o = { .history_ms = 1000000 };
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, &o, 2);
	struct client a, b;

	memset(&m, 0, sizeof(m));
	memset(&mb, 0, sizeof(mb));
	client_connect(&a, s, "a");
	client_connect(&b, s, "b");
	client_hello(&a, 1, 1);
	client_hello(&b, 1, 1);
	is_int(client_epoch(&a, &m, 1, 1, true), 0, "a commits 1");
	is_int(a.v->header.last_clean, 0, "it waits for b (S7)");
	is_int(client_epoch(&b, &mb, 1, 2, true), 0, "b commits 1");
	is_int(a.v->header.last_clean, 1, "now both have it");
	ok(shows(&a, m.image[1]) && shows(&b, mb.image[1]), "both show it");
	client_open(&a, 2);
	client_open(&b, 2);
	client_write(&a, NULL, 3, 1, 7);
	client_write(&b, NULL, 3, 1, 8);
	client_commit(&a, NULL, 2, true);
	client_hello(&b, 1, 2);
	ok(shows(&a, m.image[1]) && shows(&b, mb.image[1]),
	   "2 ended with b's session, for both");
	is_int(client_open(&a, 3), 0, "a opens 3");
	model_drop(&m);
	is_int(client_commit(&a, &m, 3, true), 0, "a is empty");
	is_int(client_commit(&b, &mb, 3, true), 0, "b did not open");
	is_int(b.v->header.last_clean, 3, "3 is there");
	client_close(&a);
	client_close(&b);
	stage_close(s);
	disk_destroy(d);
}

int main(void)
{
	test_epochs();
	test_syncs();
	test_apply();
	test_reopen();
	test_refusals();
	test_identity();
	test_shapes();
	test_big();
	test_goes_early();
	test_above();
	test_group();
	return tap_done();
}
