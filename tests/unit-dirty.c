// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sets of chunks (kmod/dirty.c) against a plain array, by random calls. If
 * this failed, a written chunk could be missing from an epoch.
 */
#include "kshim/kshim.h"
#include "../kmod/dirty.c"
#include "tap.h"

unsigned int kshim_fail;
long kshim_live;

#define REGION		512		/* sectors: 64 chunks */
#define SECTORS		((sector_t)REGION * 200 + 203)
#define ROUNDS		20000

struct pair {
	struct dmr_map *map;
	bool *want;
};

static struct dmr_geometry geo;

static u64 below(u64 n)
{
	return ((u64)random() << 31 | (u64)random()) % n;
}

static struct pair pair_new(void)
{
	return (struct pair){ dmr_map_create(&geo),
			      calloc(geo.nr_chunks, sizeof(bool)) };
}

static void pair_free(struct pair *p)
{
	dmr_map_destroy(p->map);
	free(p->want);
}

static u64 count(const struct pair *p)
{
	u64 i, n = 0;

	for (i = 0; i < geo.nr_chunks; i++)
		n += p->want[i];
	return n;
}

/* So do its words. */
static bool same_words(const struct pair *p)
{
	u64 i, word = 0;

	for (i = 0; i < geo.nr_chunks; i++) {
		if (i % 64 == 0)
			word = dmr_map_word(p->map, i);
		if ((word >> i % 64 & 1) != p->want[i])
			return false;
	}
	return true;
}

/* Extents of the map, laid out flat, equal the array; so does the count. */
static bool same(const struct pair *p)
{
	struct dmr_extent e = { 0, 0 };
	u64 i, at = 0;

	while (dmr_map_next_extent(p->map, at, geo.nr_chunks - 1, &e)) {
		for (i = at; i < e.start; i++)
			if (p->want[i])
				return false;
		for (i = e.start; i < e.start + e.count; i++)
			if (!p->want[i] || !dmr_map_test(p->map, i))
				return false;
		at = e.start + e.count;
		if (at >= geo.nr_chunks)
			break;
	}
	for (i = at; i < geo.nr_chunks; i++)
		if (p->want[i])
			return false;
	return same_words(p) && dmr_map_count(p->map) == count(p) &&
	       dmr_map_is_empty(p->map) == !count(p);
}

/* Small runs, runs over regions, whole regions, to the very end. */
static void some_range(u64 *first, u64 *last)
{
	u64 n = geo.nr_chunks, len;

	switch (below(4)) {
	case 0:
		len = 1 + below(8);
		break;
	case 1:
		len = 1 + below(300);
		break;
	case 2:
		len = (1 + below(3)) << geo.region_shift;
		*first = below(geo.nr_regions) << geo.region_shift;
		*last = min(n - 1, *first + len - 1);
		return;
	default:
		*first = n - 1 - below(200);
		*last = n - 1;
		return;
	}
	*first = below(n);
	*last = min(n - 1, *first + len - 1);
}

static void mark(struct pair *p)
{
	u64 first, last, i;

	some_range(&first, &last);
	dmr_map_mark(p->map, first, last);
	for (i = first; i <= last; i++)
		p->want[i] = true;
}

static bool add(struct pair *p)
{
	u64 first, last, i, nr = 0, want = 0;

	some_range(&first, &last);
	for (i = first; i <= last; i++) {
		want += !p->want[i];
		p->want[i] = true;
	}
	return !dmr_map_add(p->map, first, last, &nr) && nr == want;
}

static void move(struct pair *dst, struct pair *src, struct pair *except)
{
	u64 i;

	dmr_map_move(dst->map, src->map, except ? except->map : NULL);
	for (i = 0; i < geo.nr_chunks; i++) {
		if (src->want[i] && !(except && except->want[i]))
			dst->want[i] = true;
		src->want[i] = false;
	}
}

static void clear(struct pair *p)
{
	dmr_map_clear(p->map);
	memset(p->want, 0, geo.nr_chunks * sizeof(bool));
}

static void fill(struct pair *p)
{
	dmr_map_fill(p->map);
	memset(p->want, 1, geo.nr_chunks * sizeof(bool));
}

static bool find_agrees(const struct pair *a, const struct pair *b)
{
	u64 first, last, i, found, missing;

	some_range(&first, &last);
	found = dmr_map_find(a->map, b->map, first, last);
	missing = dmr_map_find_missing(a->map, first, last);
	for (i = first; i <= last && !(a->want[i] && !b->want[i]); i++)
		;
	if (found != (i > last ? DMR_NO_CHUNK : i))
		return false;
	for (i = first; i <= last && a->want[i]; i++)
		;
	return missing == (i > last ? DMR_NO_CHUNK : i);
}

/* Words of one region go in. */
static bool add_words(struct pair *p)
{
	u64 region = below(geo.nr_regions), at, word[4];
	unsigned int i, n, per = (1U << geo.region_shift) / 64;

	at = (region << geo.region_shift) + below(per) * 64;
	n = 1 + below(4);
	n = n < per ? n : per;
	at = n > 1 ? region << geo.region_shift : at;
	for (i = 0; i < n * 64; i++) {
		if (i % 64 == 0)
			word[i / 64] = below(2) ? below(~0ULL >> 1) : 0;
		if (at + i >= geo.nr_chunks)
			word[i / 64] &= ~(1ULL << i % 64);
		else if (word[i / 64] >> i % 64 & 1)
			p->want[at + i] = true;
	}
	return !dmr_map_add_words(p->map, at, word, n) && same(p);
}

static bool one_round(struct pair p[3])
{
	unsigned int a = below(3), b = (a + 1) % 3, c = (a + 2) % 3;

	switch (below(16)) {
	case 0:
		clear(&p[a]);
		return same(&p[a]);
	case 1:
		move(&p[a], &p[b], &p[c]);
		return same(&p[a]) && same(&p[b]);
	case 2:
		move(&p[a], &p[b], NULL);
		return same(&p[a]) && same(&p[b]);
	case 3:
		if (!below(8))
			fill(&p[a]);
		return same(&p[a]);
	case 4: case 5: case 6:
		return add(&p[a]);
	case 10:
		return add_words(&p[a]);
	case 7: case 8: case 9:
		return find_agrees(&p[a], &p[b]);
	default:
		mark(&p[a]);
		return true;
	}
}

static void test_random(void)
{
	struct pair p[3] = { pair_new(), pair_new(), pair_new() };
	unsigned int i, bad = 0;

	for (i = 0; i < ROUNDS && !bad; i++)
		bad += !one_round(p);
	is_int(bad, 0, "sets agree with an array (%u calls)", i);
	ok(same(&p[0]) && same(&p[1]) && same(&p[2]), "… and at the end");
	for (i = 0; i < 3; i++)
		pair_free(&p[i]);
	is_int(kshim_live, 0, "no memory is lost");
}

/* M4: without memory a mark takes in more, and never less. */
static void test_no_memory(void)
{
	struct pair p = pair_new();
	u64 chunk = 5000, nr = 0;

	kshim_fail = 1;
	dmr_map_mark(p.map, chunk, chunk);
	ok(dmr_map_test(p.map, chunk), "a mark without memory is there");
	is_int(dmr_map_count(p.map), 1 << geo.region_shift,
	       "… with its whole region");
	kshim_fail = 1;
	is_int(dmr_map_add(p.map, 0, 0, &nr), -ENOMEM,
	       "an add without memory fails");
	ok(!nr && !dmr_map_test(p.map, 0), "… and puts nothing in");
	pair_free(&p);
}

/* What keep gives back must not shrink when memory lacks. */
static void test_move_no_memory(void)
{
	struct pair dirty = pair_new(), frozen = pair_new(),
		    released = pair_new();
	u64 nr = 0;

	dmr_map_fill(frozen.map);
	dmr_map_add(released.map, 3, 9, &nr);
	kshim_fail = 1;
	dmr_map_move(dirty.map, frozen.map, released.map);
	is_int(dmr_map_count(dirty.map), geo.nr_chunks,
	       "a move without memory keeps the whole region");
	ok(dmr_map_is_empty(frozen.map), "… and empties the source");
	pair_free(&dirty);
	pair_free(&frozen);
	pair_free(&released);
	is_int(kshim_live, 0, "no memory is lost");
}

/* A set that grows keeps what it has, and takes what is new. */
static void test_growth(void)
{
	struct dmr_geometry before = geo;
	struct pair p = pair_new();
	struct dmr_map *larger;
	u64 old = geo.nr_chunks, i, wrong = 0, nr = 0;

	for (i = 0; i < old; i += 1 + below(50)) {
		dmr_map_mark(p.map, i, i);
		p.want[i] = true;
	}
	larger = dmr_map_prepare(p.map, 5000);
	dmr_map_grow(p.map, larger);
	dmr_geometry_init(&geo, (sector_t)REGION * 4999 + 7, 8, REGION);
	dmr_map_free_grown(larger);
	for (i = 0; i < geo.nr_chunks; i++)
		wrong += dmr_map_test(p.map, i) != (i < old && p.want[i]);
	is_int(wrong, 0, "a set that has grown is what it was");
	dmr_map_add(p.map, old, geo.nr_chunks - 1, &nr);
	is_int(nr, geo.nr_chunks - old, "… and takes the new part");
	ok(dmr_map_find_missing(p.map, old, geo.nr_chunks - 1) == DMR_NO_CHUNK,
	   "… to its end");
	pair_free(&p);
	geo = before;
	is_int(kshim_live, 0, "no memory is lost");
}

int main(void)
{
	srandom(7);
	dmr_geometry_init(&geo, SECTORS, 8, REGION);
	is_int(geo.nr_chunks, (SECTORS + 7) / 8, "chunks are rounded up");
	test_random();
	test_no_memory();
	test_move_no_memory();
	test_growth();
	return tap_done();
}
