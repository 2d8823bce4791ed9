// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fuzz-stage-recover [SECONDS [SEED]]
 *
 * Recovery of logs that somebody has changed, with good checksums: records of
 * any type and content in any order, so that what is behind the checksums is
 * reached. It must open or refuse, show something or fail to, and go on; the
 * sanitizers judge. With clang and -DLIBFUZZER it is a libFuzzer target: the
 * input is the changes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stage-rig.h"
#include "tap.h"

static struct disk *good;
static struct model m;

static const struct stage_options keep = { .history_ms = 3600000 };

static void make_good(void)
{
	struct stage *s;
	struct client c;

	good = disk_create();
	s = rig_create(good, &keep, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	for (uint64_t e = 1; e <= 6; e++)
		client_epoch(&c, &m, e, e, e % 3 > 0);
	client_close(&c);
	stage_close(s);
}

struct input {
	const uint8_t *at;
	size_t len;
};

static uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t v = 0;

	while (bytes-- && in->len) {
		v = v << 8 | *in->at++;
		in->len--;
	}
	return v;
}

/* A number that matters: small, or huge, or near another. */
static uint64_t number(struct input *in, uint64_t old)
{
	switch (take(in, 1) % 6) {
	case 0: return take(in, 1);
	case 1: return old + take(in, 1) - 128;
	case 2: return take(in, 8);
	case 3: return UINT64_MAX - take(in, 1);
	case 4: return take(in, 2) * 512;
	default: return old;
	}
}

static void change_record(struct input *in, char *data, uint64_t size,
			  const struct stage_segment_block *s, uint64_t pos)
{
	struct stage_record r;
	uint64_t lsn = stage_lsn(s->number, pos);

	if (stage_record_decode(&r, s->salt, lsn, data + pos))
		return;
	r.type = take(in, 1) % 4 ? r.type : take(in, 1) % 8;
	r.member = number(in, r.member);
	r.epoch = number(in, r.epoch);
	r.off = number(in, r.off);
	r.len = number(in, r.len);
	r.payload = number(in, r.payload);
	if (take(in, 1) % 2 && stage_payload_pos(pos, r.payload) + r.payload <
	    size)
		r.crc = stage_crc(data + stage_payload_pos(pos, r.payload),
				  r.payload);
	stage_record_encode(&r, s->salt, lsn, data + pos);
}

static void change_front(struct input *in, char *data,
			 struct stage_segment_block *s)
{
	s->number = number(in, s->number);
	s->bytes = number(in, s->bytes);
	s->prev = number(in, s->prev);
	s->prev_end = number(in, s->prev_end) & ~63ULL;
	s->durable_lsn = number(in, s->durable_lsn);
	s->partial = number(in, s->partial);
	s->seen = number(in, s->seen);
	stage_segment_encode(s, data);
}

static void change_segment(struct input *in, char *data, uint64_t size)
{
	struct stage_segment_block s;
	struct stage_record r;
	uint64_t pos = STAGE_BLOCK_BYTES;
	unsigned int nth = take(in, 1) % 40;

	if (stage_segment_decode(&s, data))
		return;
	if (!nth) {
		change_front(in, data, &s);
		return;
	}
	while (--nth && pos + STAGE_RECORD_BYTES < size &&
	       !stage_record_decode(&r, s.salt, stage_lsn(s.number, pos),
				    data + pos))
		pos = stage_record_end(pos, r.payload);
	if (pos + STAGE_RECORD_BYTES <= size)
		change_record(in, data, size, &s, pos);
}

static void change_checkpoint(struct input *in, char *data)
{
	struct stage_checkpoint c;

	if (stage_checkpoint_decode(&c, data))
		return;
	c.first = number(in, c.first);
	c.applied_lsn = number(in, c.applied_lsn);
	c.floor_lsn = number(in, c.floor_lsn);
	c.applied_epoch = number(in, c.applied_epoch);
	stage_checkpoint_encode(&c, data);
	memcpy(data + STAGE_BLOCK_BYTES, data, STAGE_BLOCK_BYTES);
}

static void use(struct disk *d)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, &keep, &err);
	struct client c = { 0 };
	char buf[RIG_BYTES];

	if (!s)
		return;
	if (!client_connect(&c, s, "a")) {
		stage_conn_read(c.conn, buf, sizeof(buf), 0, &err);
		if (!client_hello(&c, 1000, 1))
			client_epoch(&c, NULL, c.h.highest_seen + 1, 3, true);
		stage_settle(c.v, true, &err);
	}
	if (c.conn)
		client_close(&c);
	stage_close(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct disk *d;

	if (!good)
		make_good();
	d = disk_copy(good);
	while (in.len) {
		const char *name = disk_name(d, take(&in, 1) % 8);
		uint64_t size;
		char *file = name ? disk_data(d, name, &size) : NULL;

		if (file && strstr(name, ".seg"))
			change_segment(&in, file, size);
		else if (file && strstr(name, "checkpoint"))
			change_checkpoint(&in, file);
	}
	use(d);
	disk_destroy(d);
	return 0;
}

#ifndef LIBFUZZER
int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 5);
	uint8_t data[64];
	unsigned int nr = 0;

	srand(argc > 2 ? atoi(argv[2]) : 1);
	while (time(NULL) < end) {
		size_t len = 1 + rand() % sizeof(data);

		for (size_t i = 0; i < len; i++)
			data[i] = rand();
		LLVMFuzzerTestOneInput(data, len);
		nr++;
	}
	disk_destroy(good);
	ok(nr, "%u changed logs", nr);
	return tap_done();
}
#endif
