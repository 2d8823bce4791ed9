// SPDX-License-Identifier: GPL-2.0-or-later
/* The pump ships every chunk exactly once, whatever the sizes and the order. */
#include "pump-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tap.h"

#define MIB	(1 << 20)

static void test_tiny(void)
{
	struct rig r;

	rig_init(&r, RIG_CHUNK, 0);
	is_int(rig_ship(&r), 0, "one chunk");
	ok(rig_is_right(&r), "is shipped");
	is_int(r.stats.bytes_read, RIG_CHUNK, "its bytes are counted as read");
	is_int(r.stats.bytes_sent, RIG_CHUNK, "… as sent");
	is_int(r.stats.bytes_spooled, 0, "… and not as spooled");
	rig_free(&r);

	rig_init(&r, RIG_CHUNK, 0);
	r.nr_extents = 0;
	is_int(rig_ship(&r), 0, "no extent at all");
	is_int(r.nr_done, 1, "is done, once");
	rig_free(&r);
}

static void test_merging(void)
{
	struct rig r;

	rig_init(&r, 4 * MIB, 0);
	for (unsigned int i = 0; i < 1024; i++)
		r.extents[i] = (struct dmr_extent) { i, 1 };
	r.nr_extents = 1024;
	is_int(rig_ship(&r), 0, "1024 neighbours");
	ok(rig_is_right(&r), "are shipped");
	is_int(r.stats.records, 16, "as 16 records of 256 KiB");
	is_int(rig_faults.nr_reads, 16, "with 16 reads");
	rig_free(&r);
}

/* Sizes of buffers and requests, budgets down to one buffer, depths. */
static void test_shapes(void)
{
	static const struct {
		uint32_t io;
		uint64_t memory;
		unsigned int depth, max_io;
	} shapes[] = {
		{ 4096, 4096, 1, 32 * MIB },
		{ 4096, 64 * 1024, 64, 32 * MIB },
		{ 256 * 1024, 1, 1, 32 * MIB },
		{ 256 * 1024, 256 * 1024, 1024, 32 * MIB },
		{ 256 * 1024, 2 * MIB, 3, 32 * MIB },
		{ 1 * MIB, 8 * MIB, 1024, 32 * MIB },
		{ 1 * MIB, 8 * MIB, 1024, 12 * 1024 },
		{ 1 * MIB, 8 * MIB, 1024, 4097 },
	};
	unsigned int right = 0, n = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		for (unsigned int variant = 0; variant < 8; variant++, n++) {
			struct rig r;

			rig_init(&r, 3 * MIB + 512, variant & 1 ? 3 : 0);
			r.from_memory = variant & 2;
			r.seed = i * 8 + variant;
			r.opts.io_bytes = shapes[i].io;
			r.opts.memory = shapes[i].memory;
			r.opts.depth = shapes[i].depth;
			r.target.b.info.max_io = shapes[i].max_io;
			if (variant & 4)
				rig_random(&r, 3);
			right += !rig_ship(&r) && rig_is_right(&r) &&
				 r.target.most_calls <= shapes[i].depth;
			rig_free(&r);
		}
	}
	is_int(right, n, "all shapes of buffers, budgets and depths are right");
}

static void test_orders(void)
{
	unsigned int right = 0;

	for (unsigned int seed = 0; seed < 200; seed++) {
		struct rig r;

		rig_init(&r, MIB + seed * 512, seed % 5);
		r.seed = seed;
		r.opts.io_bytes = 4096 << seed % 5;
		r.opts.memory = r.opts.io_bytes * (1 + seed % 7);
		r.opts.depth = 1 + seed % 50;
		r.held = seed % 2;
		rig_random(&r, 1 + seed % 4);
		rig_faults.short_reads = seed % 3 == 0;
		right += !rig_ship(&r) && rig_is_right(&r);
		rig_free(&r);
	}
	is_int(right, 200, "200 sets, answers in any order: each chunk once");
}

/* Between jobs the buffers can go; during one nothing happens. */
static void test_again(bool trims)
{
	struct rig r;
	unsigned int right = 0;

	rig_init(&r, MIB, 7);
	for (unsigned int i = 0; i < 5; i++) {
		memset(r.target.seen, 0, MIB / RIG_CHUNK);
		memset(r.released, 0, MIB / RIG_CHUNK);
		r.target.nr_data = r.target.nr_zero = 0;
		r.target.digest = 0;
		if (!rig_start(&r)) {
			if (trims)
				pump_trim(r.pump);
			rig_run(&r);
		}
		right += !r.result && rig_is_right(&r);
		if (trims)
			pump_trim(r.pump);
	}
	is_int(right, 5, trims ? "also when its buffers go in between" :
				 "a pump does one job after the other");
	rig_free(&r);
}

static void test_zeros(void)
{
	struct rig r;

	rig_init(&r, 4 * MIB, 0);
	memset(r.source + MIB, 0, 2 * MIB);
	is_int(rig_ship(&r), 0, "2 MiB of zeros amid data");
	ok(rig_is_right(&r), "are shipped");
	is_int(r.stats.bytes_zero, 2 * MIB, "as zeros");
	is_int(r.stats.bytes_sent, 2 * MIB, "and the rest as data");
	is_int(r.target.nr_zero, 8, "in 8 records");
	rig_free(&r);

	rig_init(&r, 4 * MIB, 2);
	r.target.b.info.can = 0;
	is_int(rig_ship(&r), 0, "zeros for a target without WRITE_ZEROES");
	ok(rig_is_right(&r), "are shipped");
	is_int(r.target.nr_zero, 0, "as data");
	rig_free(&r);

	rig_init(&r, MIB, 0);
	memset(r.source, 0, MIB);
	r.source[MIB - 1] = 1;
	is_int(rig_ship(&r), 0, "one byte at the very end");
	is_int(r.stats.bytes_sent, RIG_CHUNK, "makes one chunk of data");
	ok(rig_is_right(&r), "and is not lost");
	rig_free(&r);
}

/* A target with blocks of 4 KiB, a volume that ends in the middle of one. */
static void test_padding(void)
{
	struct rig r;
	uint64_t bytes = 5 * RIG_CHUNK + 512;
	bool padded = true;

	rig_init(&r, bytes, 0);
	r.target.b.info.min_block = 4096;
	is_int(rig_ship(&r), 0, "a short last chunk for blocks of 4 KiB");
	ok(rig_is_right(&r), "is shipped");
	for (size_t i = 0; i < 4096 - 512; i++)
		padded = padded && !r.target.image[bytes + i];
	ok(padded, "and padded with zeros");
	ok(r.target.image[6 * RIG_CHUNK] == (char)0xaa, "up to the block");
	rig_free(&r);

	rig_init(&r, bytes, 0);
	r.target.b.info.min_block = 4096;
	r.from_memory = true;
	is_int(rig_ship(&r), -EINVAL, "which memory cannot be");
	rig_free(&r);
}

static void test_refusals(void)
{
	static const struct dmr_extent bad[][2] = {
		{ { 0, 0 }, { 5, 1 } },
		{ { 0, 2 }, { 1, 1 } },
		{ { 5, 1 }, { 0, 1 } },
		{ { 0, 1 }, { 255, 2 } },
		{ { 0, 1 }, { 257, 1 } },
		{ { 0, 1 }, { 1, UINT64_MAX } },
		{ { UINT64_MAX, 2 }, { 1, 1 } },
	};
	struct rig r;
	unsigned int refused = 0;

	rig_init(&r, MIB, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(r.extents, bad[i], sizeof(bad[i]));
		r.nr_extents = 2;
		refused += rig_start(&r) == -EINVAL && *pump_error(r.pump);
	}
	is_int(refused, sizeof(bad) / sizeof(bad[0]),
	       "extents that overlap, are empty or lie beyond are refused");
	rig_all(&r);
	is_int(rig_start(&r), 0, "good ones are taken after that");
	is_int(rig_start(&r), -EBUSY, "a second job is not");
	rig_run(&r);
	ok(rig_is_right(&r), "and does not disturb the first");
	r.opts.io_bytes = 5000;
	pump_destroy(r.pump);
	is_int(pump_create(&r.pump, r.ring, &r.opts), -EINVAL,
	       "a buffer that is no multiple of the chunk is refused");
	rig_free(&r);
}

/* The ring's pool has two buffers, the budget is for eight. */
static void test_ring_buffers(void)
{
	const struct ring_opts pool = { .nr_bufs = 2, .buf_size = 64 * 1024 };
	struct rig r;

	rig_init(&r, 4 * MIB, 5);
	ring_destroy(r.ring);
	is_int(ring_create(&r.ring, &pool), 0, "a ring with two buffers");
	r.opts.io_bytes = 64 * 1024;
	r.opts.memory = 8 * r.opts.io_bytes;
	r.opts.ring_buffers = true;
	is_int(rig_ship(&r), 0, "a pump that uses them");
	ok(rig_is_right(&r), "is right");
	is_int(ring_buf_available(r.ring), 0, "keeps them");
	pump_destroy(r.pump);
	r.pump = NULL;
	is_int(ring_buf_available(r.ring), 2, "and gives them back");
	rig_free(&r);
}

static void test_direct(void)
{
	char name[] = "pump-XXXXXX";
	struct rig r;
	int fd = mkstemp(name), direct;

	rig_init(&r, MIB + 512, 9);
	ok(write(fd, r.source, r.bytes) == (ssize_t)r.bytes, "a file");
	direct = open(name, O_RDONLY | O_DIRECT);
	unlink(name);
	close(fd);
	if (direct >= 0) {
		close(r.fd);
		r.fd = direct;
		is_int(rig_ship(&r), 0, "a source with O_DIRECT, odd size");
		ok(rig_is_right(&r), "is shipped");
	}
	rig_free(&r);
}

int main(void)
{
	test_tiny();
	test_merging();
	test_shapes();
	test_orders();
	test_again(false);
	test_again(true);
	test_zeros();
	test_padding();
	test_refusals();
	test_ring_buffers();
	test_direct();
	return tap_done();
}
