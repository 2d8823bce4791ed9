// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume that becomes larger. If this fails, a power cut in the middle costs
 * the image, an older size is written to, or what is new is not zero.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage-rig.h"
#include "tap.h"

#define LARGER	(RIG_BYTES + 32 * 1024)
#define LATER_NS	2000000000000ULL
#define FAR	(RIG_BYTES + 4096 * 1024)	/* its tail is elsewhere */

static const struct stage_options keep = { .history_ms = 3600000 };

static struct disk *d;
static struct stage *s;
static struct client c;
static struct model m;

static void begin(void)
{
	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, &keep, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_epoch(&c, &m, 2, 2, true);
}

static uint64_t size_of(struct stage_volume *v)
{
	struct stage_info info;

	stage_get_info(v, &info);
	return info.header.volume_bytes == info.bytes ? info.bytes : 0;
}

static uint64_t applied_epoch(struct stage_volume *v)
{
	struct stage_info info;

	stage_get_info(v, &info);
	return info.applied_epoch;
}

/* The image of what was there, and zeros. */
static bool is_whole(struct stage_volume *v, const char *image)
{
	static const char zeros[LARGER - RIG_BYTES];
	char buf[LARGER];
	struct stage_image *i;
	uint64_t bytes = size_of(v);
	bool is_good;

	if (stage_image_open(&i, v, STAGE_LATEST, NULL))
		return false;
	is_good = !stage_image_read(i, buf, bytes, 0, NULL) &&
		  !memcmp(buf, image, RIG_BYTES) &&
		  !memcmp(buf + RIG_BYTES, zeros, bytes - RIG_BYTES);
	stage_image_close(i);
	return is_good;
}

/* In the place where the tail is of a volume of @there. */
static int hello_at(struct stage_conn *conn, uint64_t bytes, uint64_t there,
		    uint64_t loads)
{
	char slot[REPLICA_SLOT_BYTES];
	struct replica_header h = c.h;

	h.kind = REPLICA_KIND_HELLO;
	h.epoch = 0;
	h.volume_bytes = bytes;
	h.session = (struct replica_session) { loads, 1, loads };
	h.seq += 3;
	replica_header_encode(&h, slot, NULL);
	return stage_conn_write(conn, slot, sizeof(slot),
				replica_slot_offset(there, h.seq), NULL);
}

/* A hello, of a primary whose volume has so many bytes. */
static int hello_of(struct stage_conn *conn, uint64_t bytes)
{
	return hello_at(conn, bytes, bytes, 2);
}

/* Y7: the client of before is still connected, and has an epoch open. */
static void test_hello(void)
{
	char block[STAGE_BLOCK_BYTES] = "late";
	struct stage_conn *conn;

	begin();
	client_open(&c, 3);
	stage_conn_create(&conn, c.v, NULL);
	is_int(hello_at(conn, LARGER, RIG_BYTES, 0), -ESHUTDOWN,
	       "an older session");
	is_int(hello_at(conn, LARGER, RIG_BYTES, 1), -ESHUTDOWN,
	       "one of the same age");
	is_int(hello_at(conn, LARGER + 1, RIG_BYTES, 2), -EINVAL, "odd bytes");
	is_int(size_of(c.v), RIG_BYTES, "they change nothing");
	is_int(hello_at(conn, LARGER, RIG_BYTES, 2), 0, "a hello of more");
	is_int(size_of(c.v), LARGER, "it grows");
	ok(is_whole(c.v, m.image[2]), "what was open is dropped");
	ok(stage_conn_write(c.conn, block, sizeof(block), 0, NULL) < 0,
	   "who was connected is out");
	stage_conn_destroy(conn);
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

static bool has_tail(struct stage_conn *conn, uint64_t bytes)
{
	char slots[REPLICA_HEADERS_BYTES];
	struct replica_header h;

	return !stage_conn_read(conn, slots, sizeof(slots),
				replica_tail_offset(bytes), NULL) &&
	       !replica_header_pick(&h, slots, sizeof(slots), NULL);
}

/* What is refused changes nothing: who has an epoch open goes on with it. */
static void test_limit(const struct stage_options *o, uint64_t space)
{
	struct stage_conn *conn;

	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, o, 1);
	disk_set_space(d, space);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);
	client_open(&c, 2);
	client_write(&c, &m, 3, 2, 2);
	stage_conn_create(&conn, c.v, NULL);
	is_int(hello_at(conn, FAR, RIG_BYTES, 2), -EINVAL, "a hello of more "
	       "than %s", o->volume_bytes ? "was said" : "there is");
	is_int(size_of(c.v), RIG_BYTES, "it is as it was");
	is_int(client_write(&c, &m, 7, 1, 3), 0, "nobody is shut out");
	is_int(client_commit(&c, &m, 2, true), 0, "what was open is committed");
	ok(is_whole(c.v, m.image[2]), "and shown");
	is_int(hello_at(conn, LARGER, RIG_BYTES, 3), 0, "a hello of less");
	is_int(size_of(c.v), LARGER, "it grows");
	stage_conn_destroy(conn);
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

static void test_limits(void)
{
	const struct stage_options said = { .history_ms = 3600000,
					    .volume_bytes = LARGER };

	test_limit(&said, 0);
	test_limit(&keep, FAR - 1);
}

/* conn V3: for a client that said hello, and heard no answer, too. */
static void test_connection(void)
{
	struct stage_conn *old, *conn;

	begin();
	stage_conn_create(&old, c.v, NULL);
	stage_conn_create(&conn, c.v, NULL);
	is_int(hello_at(conn, FAR, RIG_BYTES, 2), 0, "it grows");
	stage_conn_destroy(conn);
	is_int(stage_conn_bytes(old), RIG_BYTES, "an open one is as it was");
	ok(has_tail(old, RIG_BYTES) && !has_tail(old, FAR),
	   "it has its tail where it was");
	is_int(hello_at(old, FAR, RIG_BYTES, 2), 0, "and says hello there");
	is_int(stage_conn_zero(old, 4096, RIG_BYTES, NULL), -EINVAL,
	       "what is new is not in it");
	stage_conn_create(&conn, c.v, NULL);
	is_int(stage_conn_bytes(conn), FAR, "a new one is larger");
	ok(has_tail(conn, FAR), "and has its tail at its end");
	stage_conn_destroy(conn);
	stage_conn_destroy(old);
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

static bool is_over;

/* The end of the gap, and the tail. */
static void *read_always(void *arg)
{
	static char buf[REPLICA_TAIL_BYTES + 4096];
	uint64_t off = replica_tail_offset(RIG_BYTES) - 4096;
	uintptr_t bad = 0;

	while (!__atomic_load_n(&is_over, __ATOMIC_ACQUIRE))
		bad += !!stage_conn_read(c.conn, buf, sizeof(buf), off, NULL);
	return (void *)bad;
}

static void test_readers(void)
{
	uint64_t bytes = RIG_BYTES, more;
	struct stage_conn *conn;
	pthread_t reader;
	int bad = 0;
	void *ret;

	begin();
	pthread_create(&reader, NULL, read_always, NULL);
	for (int i = 0; i < 8; i++, bytes = more) {
		more = bytes + (1 << 20);
		stage_conn_create(&conn, c.v, NULL);
		c.h.seq += 3;
		bad += !!hello_at(conn, more, bytes, 2 + i);
		stage_conn_destroy(conn);
	}
	__atomic_store_n(&is_over, true, __ATOMIC_RELEASE);
	pthread_join(reader, &ret);
	is_int(bad, 0, "it grows while somebody reads");
	is_int((uintptr_t)ret, 0, "who reads what there is");
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
}

static void test_growing(void)
{
	struct stage_volume *v;
	struct stage_conn *conn;
	struct stage_image *i;
	struct error err = { 0 };
	char *base, old[RIG_BYTES];
	uint64_t size;

	begin();
	v = c.v;
	is_int(stage_grow_volume(v, LARGER, &err), -EBUSY, "%s", err.text);
	client_close(&c);
	stage_image_open(&i, v, 1, NULL);
	error_clear(&err);
	is_int(stage_grow_volume(v, 4096, &err), -EINVAL, "%s", err.text);
	is_int(stage_grow_volume(v, RIG_BYTES + 1, NULL), -EINVAL, "odd bytes");
	is_int(stage_grow_volume(v, RIG_BYTES, NULL), 0, "the same size");
	disk_resize(d, "/base/a", LARGER + 4096);
	base = disk_data(d, "/base/a", &size);
	memset(base + RIG_BYTES, 7, LARGER - RIG_BYTES);
	is_int(stage_grow_volume(v, LARGER, NULL), 0, "it grows");
	is_int(size_of(v), LARGER, "it is larger, the header says so");
	ok(is_whole(v, m.image[2]), "what is new is zero");
	ok(!stage_image_read(i, old, RIG_BYTES, 0, NULL) &&
	   !memcmp(old, m.image[1], RIG_BYTES), "an open image stays");
	stage_image_close(i);
	stage_conn_create(&conn, v, NULL);
	is_int(hello_of(conn, RIG_BYTES), -EINVAL, "the old size is refused");
	is_int(hello_of(conn, LARGER), 0, "the new one is taken");
	stage_conn_destroy(conn);
	stage_close(s);
	s = rig_open(d, &keep, NULL);
	v = stage_find(s, "a");
	ok(size_of(v) == LARGER && is_whole(v, m.image[2]),
	   "recovered: the same");
	stage_close(s);
	disk_destroy(d);
}

static void test_failing(void)
{
	unsigned int bad = 0;

	for (uint64_t nth = 1; nth < 12; nth++) {
		begin();
		client_close(&c);
		disk_fail(d, nth, -EIO, 0);
		stage_grow_volume(c.v, LARGER, NULL);
		bad += !is_whole(c.v, m.image[2]);
		disk_fail(d, 0, 0, 0);
		bad += stage_grow_volume(c.v, LARGER, NULL) ||
		       size_of(c.v) != LARGER || !is_whole(c.v, m.image[2]);
		stage_close(s);
		disk_destroy(d);
	}
	is_int(bad, 0, "a call fails: it is as it was, and grows later");
}

/*
 * Apply P3: the growth's sync is told that pages are lost that the applier has
 * written. The applier's own sync is good then, and must not be enough.
 */
static void test_applier_is_told(void)
{
	const struct stage_options now = { 0 };
	struct stage_conn *conn;
	struct disk *cut;
	struct stage *old;
	struct client reader = { 0 };

	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, &now, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_open(&c, 1);
	for (uint64_t chunk = 0; chunk < RIG_BYTES / RIG_CHUNK; chunk++)
		client_write(&c, &m, chunk, 1, 1 + chunk);
	disk_slow(d, "base", 20);
	client_commit(&c, &m, 1, true);
	while (stage_load(&c.v->g->bytes_applied) < RIG_BYTES / 4)
		usleep(1000);
	disk_fail_sync(d, "base", 1);
	stage_conn_create(&conn, c.v, NULL);
	is_int(hello_at(conn, LARGER, RIG_BYTES, 2), -EIO, "it cannot grow");
	stage_conn_destroy(conn);
	disk_slow(d, "base", 0);
	for (uint64_t later = LATER_NS; applied_epoch(c.v) != 1;
	     later += LATER_NS) {
		disk_set_now(d, later);		/* it tries again */
		usleep(1000);
	}
	cut = disk_cut(d, disk_moment(d), 0);
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
	old = rig_open(cut, &now, NULL);
	ok(old && !client_connect(&reader, old, "a") &&
	   shows(&reader, m.image[1]), "what the applier wrote is on the disk");
	client_close(&reader);
	stage_close(old);
	disk_destroy(cut);
}

/* The nth call that a hello of more makes fails; @is_end: there is none. */
static bool goes_on_after(uint64_t nth, int err, bool *is_end)
{
	struct stage_conn *conn;
	bool is_good;
	int ret;

	begin();
	client_open(&c, 3);
	client_write(&c, &m, 3, 2, 3);
	stage_conn_create(&conn, c.v, NULL);
	disk_fail(d, nth, err, 0);
	ret = hello_at(conn, LARGER, RIG_BYTES, 2);
	*is_end = disk_calls(d) < nth;
	disk_fail(d, 0, 0, 0);
	if (size_of(c.v) == LARGER)	/* at most its header has failed */
		is_good = client_write(&c, NULL, 7, 1, 3) < 0 &&
			  is_whole(c.v, m.image[2]);
	else
		is_good = ret == err && !client_write(&c, &m, 7, 1, 3) &&
			  !client_commit(&c, &m, 3, true) &&
			  is_whole(c.v, m.image[3]) &&
			  !hello_at(conn, LARGER, RIG_BYTES, 3) &&
			  size_of(c.v) == LARGER && is_whole(c.v, m.image[3]);
	if (!is_good)
		printf("# call %llu: %d, %llu bytes\n", (unsigned long long)nth,
		       ret, (unsigned long long)size_of(c.v));
	stage_conn_destroy(conn);
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
	return is_good;
}

/* Y7: who has an epoch open goes on with it, and the next hello grows it. */
static void test_refused(int err, const char *what)
{
	unsigned int bad = 0;
	bool is_end = false;
	uint64_t nth;

	for (nth = 1; !is_end && nth < 40; nth++)
		bad += !goes_on_after(nth, err, &is_end);
	ok(nth > 8 && is_end, "%llu calls", (unsigned long long)nth);
	is_int(bad, 0, "a hello of more meets %s: nobody is shut out", what);
}

static void test_cuts(void)
{
	unsigned int bad = 0, grown = 0, nr = 0;
	uint64_t from, to;

	struct stage_conn *conn;

	begin();
	client_close(&c);
	stage_conn_create(&conn, c.v, NULL);
	from = disk_moment(d);
	hello_at(conn, LARGER, RIG_BYTES, 2);
	to = disk_moment(d);
	stage_conn_destroy(conn);
	for (uint64_t at = from; at <= to; at++)
		for (uint64_t seed = 0; seed < 8; seed++, nr++) {
			struct disk *cut = disk_cut(d, at, seed);
			struct stage *after = rig_open(cut, &keep, NULL);
			struct stage_volume *v = stage_find(after, "a");

			grown += size_of(v) == LARGER;
			bad += !is_whole(v, m.image[2]);
			stage_close(after);
			disk_destroy(cut);
		}
	is_int(bad, 0, "a power cut at any moment: the image is there");
	ok(grown && grown < nr, "it is larger, or not yet");
	stage_close(s);
	disk_destroy(d);
}

int main(void)
{
	test_growing();
	test_hello();
	test_limits();
	test_connection();
	test_readers();
	test_failing();
	test_applier_is_told();
	test_refused(-ENOSPC, "a full disk");
	test_refused(-EIO, "a failing one");
	test_cuts();
	return tap_done();
}
