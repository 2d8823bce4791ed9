/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consistency oracle, part 3: is an image of the volumes closed?
 *
 * For each chain there must be a k such that all records up to k are there
 * (except where a later one of them has overwritten), and nothing after them
 * but, wholly or partly, record k+1, which may have been in flight. And what a
 * record of one chain saw completed in another chain must be there as well.
 *
 * O1 After record m-1 the plan says what each sector of the chain must hold. m
 *    is the newest number found: the sectors of record m may hold m or what
 *    they held before, any other may only hold what it held before.
 * O2 If record m+1 is a zero record, its sectors may be zero too, but then m
 *    must be whole.
 * O3 *whole*: the newest record that is there entirely. The bounds that a
 *    caller knows (completed before the cut, issued before it returned) must
 *    hold: completed <= whole, and nothing is there that was not issued.
 * O4 For every chain c and d: seen[d] in the newest record of c <= whole of d.
 *
 * The image is fed by oracle_image_put, in any order, again and again: only the
 * numbers are kept, so a check after each of thousands of epochs costs what the
 * epoch changed plus one pass over a table.
 */
#ifndef TESTS_ORACLE_IMAGE_H
#define TESTS_ORACLE_IMAGE_H

#include <stddef.h>

#include "oracle-sector.h"

struct oracle_image;

/* What is known of a chain at the time of a cut. */
struct oracle_bounds {
	uint64_t completed[ORACLE_CHAINS_MAX];
	uint64_t issued[ORACLE_CHAINS_MAX];
};

/* NULL: no memory. The image is all zeros at first. The plan must stay. */
struct oracle_image *oracle_image_create(const struct oracle_plan *plan);
void oracle_image_destroy(struct oracle_image *image);

/* These sectors of the volume now have that content. */
void oracle_image_put(struct oracle_image *image, uint32_t volume,
		      uint64_t sector, const void *data, uint64_t nr_sectors);

/*
 * Returns the number of violations and prints the first few to stdout, as
 * comments. bounds may be NULL. whole, if not NULL, gets the newest complete
 * record of each chain.
 */
unsigned int oracle_image_check(struct oracle_image *image,
				const struct oracle_bounds *bounds,
				uint64_t *whole);

#endif
