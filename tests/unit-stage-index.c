// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The index against the plainest thing that does the same: if this fails, a
 * place reads as an older or a younger record than it should.
 */
#include "stage-index.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

#define SECTORS	200
#define RECORDS	400

struct plain {
	uint64_t off, lsn;
	uint32_t len;
};

static struct plain plain[RECORDS];
static unsigned int nr_plain;

static uint64_t newest(uint64_t off, uint64_t max_lsn)
{
	uint64_t lsn = 0;

	for (unsigned int i = 0; i < nr_plain; i++)
		if (plain[i].off <= off && plain[i].off + plain[i].len > off &&
		    plain[i].lsn <= max_lsn && plain[i].lsn > lsn)
			lsn = plain[i].lsn;
	return lsn;
}

/* The pieces of the whole range, sector by sector. */
static bool is_same(const struct stage_index *ix, const struct stage_tree *t,
		    uint64_t max_lsn)
{
	struct stage_piece p;

	for (uint64_t at = 0; at < SECTORS; at += p.len) {
		stage_index_find(ix, t, at, SECTORS - at, max_lsn, &p);
		if (!p.len || p.off != at || at + p.len > SECTORS)
			return false;
		for (uint64_t s = at; s < at + p.len; s++)
			if (newest(s, max_lsn) != p.lsn)
				return false;
	}
	return true;
}

static void insert(struct stage_index *ix, struct stage_tree *t, uint64_t lsn)
{
	struct plain *p = &plain[nr_plain++];

	p->off = rand() % (SECTORS - 20);
	p->len = 1 + rand() % 20;
	p->lsn = lsn;
	stage_index_insert(ix, t, p->off, p->len, lsn, false, true);
}

static void erase(struct stage_index *ix, struct stage_tree *t, uint64_t min,
		  uint64_t max)
{
	unsigned int nr = 0;

	stage_index_erase(ix, t, min, max);
	for (unsigned int i = 0; i < nr_plain; i++)
		if (plain[i].lsn < min || plain[i].lsn > max)
			plain[nr++] = plain[i];
	nr_plain = nr;
}

static bool run(unsigned int seed)
{
	struct stage_index *ix = stage_index_create();
	struct stage_tree t = { 0 };
	bool is_good = true;

	srand(seed);
	nr_plain = 0;
	for (uint64_t lsn = 1; lsn <= RECORDS; lsn++) {
		insert(ix, &t, lsn);
		if (rand() % 100 == 0)
			erase(ix, &t, 0, rand() % lsn);
		if (rand() % 100 == 0)
			erase(ix, &t, lsn - rand() % lsn, UINT64_MAX);
		if (rand() % 10 == 0)
			is_good = is_good && is_same(ix, &t, UINT64_MAX) &&
				  is_same(ix, &t, rand() % (lsn + 1));
	}
	is_good = is_good && stage_index_bytes(ix) <= 64 * nr_plain;
	erase(ix, &t, 0, UINT64_MAX);
	is_good = is_good && !t.root && !stage_index_bytes(ix);
	stage_index_destroy(ix);
	return is_good;
}

/* A place that is written all the time does not make reading slow. */
static void test_hot_place(void)
{
	struct stage_index *ix = stage_index_create();
	struct stage_tree t = { 0 };
	struct stage_piece p;
	clock_t start;
	bool is_good = true;

	for (uint64_t lsn = 1; lsn <= 200013; lsn++)
		stage_index_insert(ix, &t, 8 * (lsn % 3), 8, lsn, false, true);
	start = clock();
	for (uint64_t lsn = 3; lsn < 200013; lsn += 2) {
		stage_index_find(ix, &t, 8, 8, lsn, &p);
		is_good = is_good && p.lsn == lsn - (lsn + 2) % 3;
	}
	ok(is_good, "200013 versions of three places");
	ok((clock() - start) / CLOCKS_PER_SEC < 10, "each is found at once");
	stage_index_destroy(ix);
}

int main(void)
{
	unsigned int bad = 0;

	for (unsigned int seed = 1; seed <= 30; seed++)
		bad += !run(seed);
	is_int(bad, 0, "30 runs as the plain one");
	test_hot_place();
	return tap_done();
}
