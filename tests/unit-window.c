// SPDX-License-Identifier: GPL-2.0-or-later
/* The window finds the size that a link needs, and not much more. */
#include "window.h"

#include "tap.h"

#define BATCH		(256 * 1024)
#define MIB		(1 << 20)
#define GIB		(1ull << 30)
#define MAX_BATCHES	8192
#define NS_PER_SEC	1000000000ull
#define NS_PER_MS	1000000ull

/* A link that sends one batch after the other, in simulated time. */
struct link {
	struct window w;
	uint64_t rate, latency;		/* bytes a second, ns */
	uint64_t cache;			/* half the rate for bigger windows */
	uint64_t now, free_at;
	uint64_t answered, slowest;	/* bytes, ns of a batch */
	struct {
		uint64_t started, ends;
	} fifo[MAX_BATCHES];
	unsigned int head, nr;
};

static void link_send(struct link *l)
{
	uint64_t rate = l->w.bytes > l->cache ? l->rate / 2 : l->rate;
	unsigned int at = (l->head + l->nr++) % MAX_BATCHES;

	if (l->free_at < l->now)
		l->free_at = l->now;
	l->free_at += BATCH * NS_PER_SEC / rate;
	l->fifo[at].started = l->now;
	l->fifo[at].ends = l->free_at + l->latency;
}

static void link_answer(struct link *l)
{
	uint64_t started = l->fifo[l->head].started;

	l->now = l->fifo[l->head].ends;
	l->head = (l->head + 1) % MAX_BATCHES;
	l->nr--;
	l->answered += BATCH;
	if (l->now - started > l->slowest)
		l->slowest = l->now - started;
	window_answered(&l->w, BATCH, started, l->now);
}

/* Returns the rate reached in these @ms. */
static double run(struct link *l, unsigned int ms)
{
	uint64_t begin = l->now, end = begin + ms * NS_PER_MS;

	l->answered = l->slowest = 0;
	while (l->now < end) {
		while (!l->nr || (l->nr + 1ull) * BATCH <= l->w.bytes)
			link_send(l);
		window_is_full(&l->w);
		link_answer(l);
	}
	return l->answered * 1e9 / (l->now - begin);
}

static void link_init(struct link *l, uint64_t rate, uint64_t latency)
{
	*l = (struct link) { .rate = rate, .latency = latency,
			     .cache = UINT64_MAX };
	window_init(&l->w, 2 * MIB, BATCH, GIB);
	window_restart(&l->w, 0);
}

static void test_local(void)
{
	static struct link l;
	double rate;

	link_init(&l, 4 * GIB, 50000);
	l.cache = 8 * MIB;
	run(&l, 5000);
	rate = run(&l, 5000);
	ok(rate > 0.85 * l.rate, "a fast link is used: %.0f MiB/s",
	   rate / MIB);
	ok(l.w.bytes <= 8 * MIB, "with a window for the cache: %d KiB",
	   (int)(l.w.bytes / 1024));
}

static void test_far(void)
{
	static struct link l;
	double rate;

	link_init(&l, 125 * 1000 * 1000, 100 * NS_PER_MS);
	rate = run(&l, 10000);
	ok(rate > 0.7 * l.rate, "1 Gbit/s, 100 ms: from the start %.0f MB/s",
	   rate / 1e6);
	rate = run(&l, 60000);
	ok(rate > 0.85 * l.rate, "then %.0f MB/s", rate / 1e6);
	ok(l.w.bytes <= 64 * MIB, "with %d MiB", (int)(l.w.bytes / MIB));
}

static void test_slow(void)
{
	static struct link l;

	link_init(&l, 200 * 1000, 50 * NS_PER_MS);
	run(&l, 60000);
	run(&l, 60000);
	ok(l.slowest < 3 * WINDOW_MAX_NS, "200 kB/s: answers within %d ms",
	   (int)(l.slowest / NS_PER_MS));
	ok(l.w.bytes <= 512 * 1024, "with %d KiB", (int)(l.w.bytes / 1024));
}

/* A link that gets a thousand times slower, and well again. */
static void test_change(void)
{
	static struct link l;
	double rate;

	link_init(&l, GIB, 5 * NS_PER_MS);
	run(&l, 10000);
	l.rate = MIB;
	run(&l, 30000);
	ok(l.slowest < 20 * NS_PER_SEC, "it breaks down: %d ms at worst",
	   (int)(l.slowest / NS_PER_MS));
	run(&l, 30000);
	ok(l.slowest < 2 * WINDOW_MAX_NS, "then %d ms",
	   (int)(l.slowest / NS_PER_MS));
	l.rate = GIB;
	run(&l, 10000);
	rate = run(&l, 10000);
	ok(rate > 0.8 * l.rate, "it recovers: %.0f MiB/s", rate / MIB);
}

/* What is not limited by the window must not move it. */
static void test_idle(void)
{
	struct window w;

	window_init(&w, 2 * MIB, BATCH, GIB);
	for (unsigned int i = 1; i < 10000; i++)
		window_answered(&w, BATCH, i * NS_PER_MS - 1000,
				i * NS_PER_MS);
	is_int(w.bytes, 2 * MIB, "a window that is never full stays");
	for (unsigned int i = 1; i < 100; i++)
		window_answered(&w, BATCH, i * NS_PER_SEC * 5,
				i * NS_PER_SEC * 5 + WINDOW_MAX_NS + 1);
	is_int(w.bytes, BATCH, "late answers make it as small as can be");
}

int main(void)
{
	test_local();
	test_far();
	test_slow();
	test_change();
	test_idle();
	return tap_done();
}
