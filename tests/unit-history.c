// SPDX-License-Identifier: GPL-2.0-or-later
/* The codec of VOL@history: what comes back, and what is refused. */
#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "tap.h"

#define HEAD		4096
#define NR		5

static struct stage_epoch epochs[NR] = {
	{ .epoch = 3, .cut_time = 300, .commit_time = 301, .is_clean = true,
	  .is_base = true, .nr_images = 2 },
	{ .epoch = 5, .cut_time = 500, .commit_time = 501, .bytes = 4096 },
	{ .epoch = 6, .cut_time = 600, .commit_time = 601, .bytes = 8192,
	  .is_clean = true },
	{ .epoch = 9, .cut_time = 900, .commit_time = 901, .bytes = 1ULL << 40,
	  .is_clean = true, .nr_images = 1 },
	{ .epoch = 12, .cut_time = 1200, .commit_time = 1201, .bytes = 512 },
};

static const struct history sample = {
	.name = "vol", .group = "g", .state = STAGE_LOG_FULL,
	.bytes = 1ULL << 41, .chunk_bytes = 4096, .now = 2000, .last_clean = 9,
	.last_partial = 12, .highest_seen = 13, .open_epoch = 13,
	.cut_time = 950, .log_bytes = 77, .log_needed = 88, .unsent = 99,
	.unsent_time = 1999,
	.notices = { "it is damaged", "look at it", "a slot is bad" },
	.epochs = epochs, .nr = NR,
};

static uint32_t crc_of(const void *buf, size_t len)
{
	return htole32(~crc32_iscsi((void *)buf, len, ~0U));
}

/* Both checksums right again, after a field was set. */
static void seal(char *bytes, size_t table)
{
	uint32_t crc = crc_of(bytes + HEAD, table);

	memcpy(bytes + 4088, &crc, 4);
	crc = crc_of(bytes, 4092);
	memcpy(bytes + 4092, &crc, 4);
}

static char *encode(size_t *len)
{
	void *bytes = NULL;

	if (history_encode(&sample, &bytes, len))
		abort();
	return bytes;
}

static bool is_same(const struct stage_epoch *a, const struct stage_epoch *b)
{
	return a->epoch == b->epoch && a->cut_time == b->cut_time &&
	       a->commit_time == b->commit_time && a->bytes == b->bytes &&
	       a->is_clean == b->is_clean && a->is_base == b->is_base &&
	       a->nr_images == b->nr_images;
}

static void test_round_trip(void)
{
	struct history h;
	size_t len;
	char *bytes = encode(&len);
	int same = 0;

	ok(len % HISTORY_ALIGN == 0, "its length is a multiple of 512");
	ok(!history_decode(&h, bytes, len, NULL), "it is decoded");
	for (size_t i = 0; i < h.nr && i < NR; i++)
		same += is_same(&h.epochs[i], &epochs[i]);
	ok(h.nr == NR && same == NR, "all entries come back");
	ok(!strcmp(h.name, "vol") && !strcmp(h.group, "g") &&
	   h.state == STAGE_LOG_FULL && h.bytes == 1ULL << 41 &&
	   h.chunk_bytes == 4096 && h.now == 2000 && h.last_clean == 9 &&
	   h.last_partial == 12 && h.highest_seen == 13 &&
	   h.open_epoch == 13 && h.cut_time == 950 && h.log_bytes == 77 &&
	   h.log_needed == 88 && h.unsent == 99 && h.unsent_time == 1999,
	   "and the head");
	ok(!strcmp(h.notices.log, "it is damaged") &&
	   !strcmp(h.notices.step, "look at it") &&
	   !strcmp(h.notices.device, "a slot is bad"), "and the notices");
	history_clear(&h);
	free(bytes);
}

static uint64_t at(const struct history *h, uint64_t epoch)
{
	const struct stage_epoch *e = history_find(h, epoch);

	return e ? e->epoch : 0;
}

static uint64_t at_time(const struct history *h, uint64_t ns)
{
	const struct stage_epoch *e = history_find_time(h, ns);

	return e ? e->epoch : 0;
}

static void test_find(void)
{
	ok(at(&sample, 6) == 6 && at(&sample, 8) == 6 && at(&sample, 12) == 9,
	   "an epoch, else the clean one below");
	ok(!at(&sample, 2), "none below the oldest");
	ok(at(&sample, UINT64_MAX) == 9, "the newest is a clean one");
	ok(at_time(&sample, 600) == 6 && at_time(&sample, 899) == 6 &&
	   at_time(&sample, 5000) == 9, "by the time of the cut");
	ok(!at_time(&sample, 299), "nothing is that old");
}

static void test_flips(void)
{
	struct history h;
	size_t len, used = HEAD + NR * 64;
	char *bytes = encode(&len);
	int taken = 0;

	for (size_t i = 0; i < used * 8; i++) {
		bytes[i / 8] ^= 1 << i % 8;
		if (!history_decode(&h, bytes, len, NULL)) {
			taken++;
			history_clear(&h);
		}
		bytes[i / 8] ^= 1 << i % 8;
	}
	ok(!taken, "any bit flipped: refused");
	for (size_t n = 0; n < used; n++)
		if (!history_decode(&h, bytes, n, NULL)) {
			taken++;
			history_clear(&h);
		}
	ok(!taken, "cut anywhere: refused");
	free(bytes);
}

static int decode_with(size_t off, uint64_t value, size_t size)
{
	struct history h;
	size_t len;
	char *bytes = encode(&len);
	int ret;

	value = htole64(value);
	memcpy(bytes + off, &value, size);
	seal(bytes, NR * 64);
	ret = history_decode(&h, bytes, len, NULL);
	history_clear(&h);
	free(bytes);
	return ret;
}

static void test_bad(void)
{
	struct history h;
	struct error err = { 0 };
	char zeros[HEAD] = { 0 };

	ok(history_decode(&h, zeros, HEAD, &err) == -EOPNOTSUPP &&
	   strstr(err.text, "keeps no history"), "another export's bytes");
	ok(decode_with(8, 2, 4) == -EPROTONOSUPPORT, "a newer version");
	ok(decode_with(12, 8192, 4) == -EBADMSG, "entries elsewhere");
	ok(decode_with(16, 63, 4) == -EBADMSG, "entries that are too short");
	ok(decode_with(16, 0, 4) == -EBADMSG, "of no length");
	ok(decode_with(16, ~0U, 4) == -EBADMSG, "of a huge one");
	ok(decode_with(20, 99, 4) == -EBADMSG, "a state that is none");
	ok(decode_with(24, 1ULL << 58, 8) == -EBADMSG, "a number that wraps");
	ok(decode_with(HEAD + 64, 3, 8) == -EBADMSG, "an epoch twice");
	ok(!decode_with(HEAD + 64, 4, 8), "(and one that fits is taken)");
}

static void test_texts(void)
{
	struct history bad = sample, h;
	void *bytes;
	size_t len;

	memset(bad.name, '\x1b', sizeof(bad.name));
	if (history_encode(&bad, &bytes, &len) ||
	    history_decode(&h, bytes, len, NULL))
		abort();
	ok(strlen(h.name) == sizeof(h.name) - 1 && h.name[0] == '?',
	   "a name without an end, for a terminal");
	history_clear(&h);
	free(bytes);
}

static void is_uri(const char *from, const char *want)
{
	char *uri = history_uri(from, "@history");

	ok(!strcmp(uri, want), "%s", from);
	free(uri);
}

static void test_uris(void)
{
	is_uri("nbd://h/vol", "nbd://h/vol@history");
	is_uri("nbd://h", "nbd://h/@history");
	is_uri("nbd://[::1]:99/", "nbd://[::1]:99/@history");
	is_uri("nbd+unix:///vol?socket=/a/b", "nbd+unix:///vol@history?socket=/a/b");
	is_uri("nbd+unix:///?socket=/a", "nbd+unix:///@history?socket=/a");
	is_uri("nbd://h?x=/y", "nbd://h/@history?x=/y");
}

int main(void)
{
	test_round_trip();
	test_find();
	test_flips();
	test_bad();
	test_texts();
	test_uris();
	return tap_done();
}
