// SPDX-License-Identifier: GPL-2.0-or-later
/* The bandwidth limit is exact over time, for requests of any size. */
#include "limit.h"

#include "pump-rig.h"
#include "tap.h"

#define NS_PER_MS	1000000ull
#define MIB		(1 << 20)

/* Sends requests of @size for @ms of simulated time; returns the bytes. */
static uint64_t simulate(uint64_t rate, uint64_t size, unsigned int ms)
{
	struct limiter l;
	uint64_t now = 12345, end = now + ms * NS_PER_MS, sent = 0;

	limiter_set(&l, rate, now);
	while (now < end) {
		unsigned int wait = limiter_wait(&l, now);

		if (wait) {
			now += wait * NS_PER_MS;
			continue;
		}
		limiter_take(&l, size);
		sent += size;
	}
	return sent;
}

static void test_accuracy(void)
{
	static const uint64_t sizes[] = { 1, 512, 4096, 256 * 1024, MIB };
	static const uint64_t rates[] = { 20000, 1000 * 1000, 50 * MIB };
	unsigned int exact = 0, n = 0;

	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			unsigned int ms = sizes[s] < 512 ? 1000 : 100000;
			uint64_t want = rates[r] * ms / 1000;
			uint64_t got = simulate(rates[r], sizes[s], ms);
			uint64_t slack = want / 100 + sizes[s];

			n++;
			exact += got <= want + slack && got + slack >= want;
		}
	}
	is_int(exact, n, "within 1 %% (and one request) for all rates, sizes");
}

static void test_edges(void)
{
	struct limiter l;

	limiter_set(&l, 0, 0);
	is_int(limiter_wait(&l, 0), 0, "no limit, no wait");
	limiter_take(&l, UINT32_MAX);
	is_int(limiter_wait(&l, 1), 0, "ever");
	limiter_set(&l, 1000, 0);
	limiter_take(&l, 1000000);
	is_int(limiter_wait(&l, 0), 1000, "a long debt: look again in 1 s");
	limiter_set(&l, 1000, 0);
	is_int(limiter_wait(&l, 3600 * 1000 * NS_PER_MS), 0, "after an hour");
	ok(l.level <= 21, "only a moment's worth is left: %d", (int)l.level);
	limiter_set(&l, UINT64_MAX / 1000, 0);
	is_int(limiter_wait(&l, UINT64_MAX / 2), 0, "no overflow");
}

/* Slower is the machine's affair, faster is wrong. */
static void test_pump(void)
{
	struct limiter l;
	struct rig r;
	uint64_t begin, took;

	rig_init(&r, MIB, 0);
	r.opts.limit = &l;
	limiter_set(&l, 4 * MIB, ring_now(r.ring));
	begin = ring_now(r.ring);
	is_int(rig_ship(&r), 0, "1 MiB at 4 MiB/s");
	took = (ring_now(r.ring) - begin) / NS_PER_MS;
	/* The last request goes into debt, the burst is for free. */
	ok(took >= 250 - 62 - LIMIT_BURST_MS - 5, "takes its time: %d ms",
	   (int)took);
	ok(rig_is_right(&r), "and is right");
	rig_free(&r);
}

int main(void)
{
	test_accuracy();
	test_edges();
	test_pump();
	return tap_done();
}
