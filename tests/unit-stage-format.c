// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The codecs of the stage's files: if this fails, what one version has written
 * is misread, or something that is torn is believed.
 */
#include "stage-format.h"

#include <errno.h>
#include <string.h>

#include "tap.h"

static char block[STAGE_BLOCK_BYTES];

static void test_record(void)
{
	struct stage_record r = {
		.type = STAGE_REC_DATA, .member = 3, .epoch = 77,
		.off = 8192, .len = 4096, .payload = 4096, .crc = 0x1234,
	}, got;
	char head[STAGE_RECORD_BYTES];
	unsigned int bad = 0;

	stage_record_encode(&r, 99, stage_lsn(5, 4096), head);
	is_int(stage_record_decode(&got, 99, stage_lsn(5, 4096), head), 0,
	       "a record");
	ok(!memcmp(&r, &got, sizeof(r)), "comes back");
	is_int(stage_record_decode(&got, 98, stage_lsn(5, 4096), head),
	       -EBADMSG, "not in another segment's life (F2)");
	is_int(stage_record_decode(&got, 99, stage_lsn(5, 4160), head),
	       -EBADMSG, "nor at another place");
	for (unsigned int bit = 0; bit < sizeof(head) * 8; bit++) {
		head[bit / 8] ^= 1 << bit % 8;
		bad += stage_record_decode(&got, 99, stage_lsn(5, 4096),
					   head) == 0;
		head[bit / 8] ^= 1 << bit % 8;
	}
	is_int(bad, 0, "no bit of it may change");
	r.payload = 512;
	stage_record_encode(&r, 99, stage_lsn(5, 4096), head);
	is_int(stage_record_decode(&got, 99, stage_lsn(5, 4096), head),
	       -EBADMSG, "lengths that differ (F3)");
	memset(head, 0, sizeof(head));
	is_int(stage_record_decode(&got, 99, stage_lsn(5, 4096), head),
	       -ENODATA, "zeros are nothing");
}

static void test_places(void)
{
	is_int(stage_record_end(4096, 4096), 4096 + 64 + 4096, "small");
	is_int(stage_payload_pos(4160, STAGE_BIG), 8192, "big: at a page");
	is_int(stage_record_end(4160, STAGE_BIG), 8192 + STAGE_BIG, "its end");
	is_int(stage_record_end(4096, 0), 4160, "no payload");
}

static unsigned int count_undetected(int (*decode)(void))
{
	unsigned int bad = 0;

	for (unsigned int at = 0; at < sizeof(block); at++) {
		block[at] ^= 0x40;
		bad += decode() == 0;
		block[at] ^= 0x40;
	}
	return bad;
}

static int decode_segment(void)
{
	struct stage_segment_block s;

	return stage_segment_decode(&s, block);
}

static int decode_checkpoint(void)
{
	struct stage_checkpoint c;

	return stage_checkpoint_decode(&c, block);
}

static int decode_volume(void)
{
	struct stage_volume_block v;

	return stage_volume_decode(&v, block);
}

static void test_blocks(void)
{
	struct stage_segment_block s = { .number = 7, .salt = 1, .bytes = 65536,
					 .prev = 5, .prev_end = 4096 };
	struct stage_checkpoint c = { .seq = 3, .first = 7, .applied_lsn = 5,
				      .floor_lsn = 6 };
	struct stage_volume_block v = { .name = "vm1", .group = "g",
					.base = "/b", .bytes = 1 << 20,
					.chunk_bytes = 4096 };

	stage_segment_encode(&s, block);
	is_int(decode_segment(), 0, "a segment's front");
	is_int(count_undetected(decode_segment), 0, "no byte may change");
	is_int(decode_volume(), -EBADMSG, "it is no volume");
	stage_checkpoint_encode(&c, block);
	is_int(decode_checkpoint(), 0, "a checkpoint");
	is_int(count_undetected(decode_checkpoint), 0, "no byte may change");
	c.floor_lsn = 4;
	stage_checkpoint_encode(&c, block);
	is_int(decode_checkpoint(), -EBADMSG, "a floor below the base");
	c.floor_lsn = c.in_place_lsn = 9;
	stage_checkpoint_encode(&c, block);
	is_int(decode_checkpoint(), 0, "one that is in place");
	c.in_place_lsn = 10;
	stage_checkpoint_encode(&c, block);
	is_int(decode_checkpoint(), -EBADMSG, "in place above the floor");
	stage_volume_encode(&v, block);
	is_int(decode_volume(), 0, "a volume");
	is_int(count_undetected(decode_volume), 0, "no byte may change");
	strcpy(v.name, "../x");
	stage_volume_encode(&v, block);
	is_int(decode_volume(), -EBADMSG, "a name that is none (S-d)");
	memset(block, 0, sizeof(block));
	is_int(decode_volume(), -ENODATA, "zeros");
}

static void test_newer(void)
{
	struct stage_segment_block s = { .number = 7, .bytes = 65536 };
	uint32_t crc;

	stage_segment_encode(&s, block);
	block[8]++;
	crc = stage_crc(block, sizeof(block) - 4);
	memcpy(block + sizeof(block) - 4, &crc, 4);
	is_int(decode_segment(), -EPROTONOSUPPORT, "a newer version");
}

int main(void)
{
	test_record();
	test_places();
	test_blocks();
	test_newer();
	is_int(stage_crc("123456789", 9), 0xe3069283, "crc32c, as known");
	return tap_done();
}
