// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every two sites whose generations are among five, with up to three ancestors
 * each, against the table said again in another way. If this fails, an old
 * primary goes on, a new one gives way, or two of them think they are alone.
 */
#include "lineage.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

#define GENERATIONS	5
#define LINES	(GENERATIONS * 216)	/* 6 * 6 * 6: none, or one of five */

struct line {
	struct replica_ancestor ancestors[3];
	struct lineage_side side;
	unsigned int set;	/* bits: its ancestors */
};

/* Number @n of all lines; false: it is none (an ancestor twice, or itself). */
static bool make_line(struct line *l, unsigned int n)
{
	memset(l, 0, sizeof(*l));
	l->side.generation = 1 + n % GENERATIONS;
	n /= GENERATIONS;
	for (int i = 0; i < 3; i++, n /= 6) {
		unsigned int g = n % 6;

		if (!g)
			continue;
		if (l->set & 1 << g || g == l->side.generation)
			return false;
		l->set |= 1 << g;
		l->ancestors[l->side.nr_ancestors++] =
			(struct replica_ancestor) { g, 10 * g };
	}
	l->side.ancestors = l->ancestors;
	l->side.is_primary = true;
	return true;
}

static enum lineage expected(const struct line *a, const struct line *b)
{
	unsigned int me = 1 << a->side.generation;
	unsigned int you = 1 << b->side.generation;

	if (me == you)
		return a->side.is_primary && b->side.is_primary ?
		       LINEAGE_TWINS : LINEAGE_SAME;
	if (!((a->set | me) & (b->set | you)))
		return LINEAGE_UNRELATED;
	if (!(a->set & you) == !(b->set & me))
		return LINEAGE_SPLIT_BRAIN;
	return a->set & you ? LINEAGE_SUCCESSOR : LINEAGE_SUPERSEDED;
}

static enum lineage mirror(enum lineage l)
{
	return l == LINEAGE_SUCCESSOR ? LINEAGE_SUPERSEDED :
	       l == LINEAGE_SUPERSEDED ? LINEAGE_SUCCESSOR : l;
}

static void test_all(void)
{
	unsigned int nr = 0, wrong = 0, unfit = 0, seen[6] = { 0 };
	struct line a, b;

	for (unsigned int i = 0; i < LINES; i++) {
		if (!make_line(&a, i))
			continue;
		for (unsigned int j = 0; j < LINES; j++) {
			enum lineage got;

			if (!make_line(&b, j))
				continue;
			b.side.is_primary = j % 2;
			got = lineage_judge(&a.side, &b.side);
			nr++;
			seen[got]++;
			wrong += got != expected(&a, &b);
			unfit += lineage_judge(&b.side, &a.side) !=
				 mirror(got);
		}
	}
	printf("# %u pairs\n", nr);
	is_int(wrong, 0, "all are as the table says");
	is_int(unfit, 0, "and both sides say what fits (G1)");
	for (int l = 0; l < 6; l++)
		ok(seen[l], "%s is among them", lineage_name(l));
}

static void test_ends(void)
{
	const struct replica_ancestor old = { 1, 70 };
	struct lineage_side a = { .generation = 1, .is_primary = true };
	struct lineage_side b = { .generation = 2, .is_primary = true,
				  .ancestors = &old, .nr_ancestors = 1 };

	is_int(lineage_judge(&a, &b), LINEAGE_SUPERSEDED, "G2");
	is_int(lineage_judge(&b, &a), LINEAGE_SUCCESSOR, "G2");
	is_int(lineage_end_of(&b, 1), 70, "where the old one ended");
	is_int(lineage_end_of(&b, 3), 0, "of another one: nowhere");
}

int main(void)
{
	test_all();
	test_ends();
	return tap_done();
}
