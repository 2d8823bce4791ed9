/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consistency oracle, part 1: what is written where.
 *
 * A *chain* is a row of records 1, 2, 3 ... Record n+1 is written only after
 * record n has completed, so an image that has anything of n+1 must have all of
 * n. Place, size and kind of each record follow from the seed alone: the writer
 * and the checker compute the same row, and a checker that finds number n in a
 * sector knows what every other sector of the chain must hold.
 *
 * Each sector of 512 bytes belongs to one chain:
 *
 *	shared area	the sectors of each 4 KiB chunk are dealt out to the
 *			chains: dependent and independent writes meet in one
 *	per chain	a ring of places written again and again, at any sector
 *			and at any size up to the largest record,
 *			and a log that is written in order, always to chunks
 *			that have been left alone for long
 *
 * P1 Records of kind zero (discard, write-zeroes) carry no number. They follow
 *    a data record and are disjoint from it, so the newest data record of a
 *    chain can always be seen.
 * P2 Record 1 carries data.
 */
#ifndef TESTS_ORACLE_PLAN_H
#define TESTS_ORACLE_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#define ORACLE_CHAINS_MAX	16
#define ORACLE_VOLUMES_MAX	64
#define ORACLE_RECORD_MAX	2048		/* sectors: 1 MiB */
#define ORACLE_NOBODY		0xff		/* owner of unused sectors */

/* What writer and checker must agree on. */
struct oracle_plan {
	uint64_t run;			/* random; other runs don't count */
	uint64_t seed;
	uint32_t nr_chains;
	uint32_t nr_volumes;
	uint32_t max_record;		/* sectors */
	uint32_t zero_percent;
	uint64_t sectors[ORACLE_VOLUMES_MAX];
};

struct oracle_record {
	uint64_t number;		/* 0: none */
	uint64_t sector;
	uint32_t volume;
	uint32_t nr_sectors;
	bool zero;
};

/* The place in a chain's row of records. */
struct oracle_row {
	const struct oracle_plan *plan;
	uint32_t chain;
	uint64_t random;
	uint64_t log_at[ORACLE_VOLUMES_MAX];
	struct oracle_record last;
};

/* Zero, or -EINVAL: too many chains or volumes, or a volume below 1 MiB. */
int oracle_plan_check(const struct oracle_plan *plan);

/* The chain that a sector belongs to, or ORACLE_NOBODY. */
uint8_t oracle_owner(const struct oracle_plan *plan, uint32_t volume,
		     uint64_t sector);

void oracle_row_begin(struct oracle_row *row, const struct oracle_plan *plan,
		      uint32_t chain);
/* The next record, which is then row->last. */
const struct oracle_record *oracle_row_next(struct oracle_row *row);

static inline bool oracle_covers(const struct oracle_record *record,
				 uint32_t volume, uint64_t sector)
{
	return record->volume == volume && sector >= record->sector &&
	       sector - record->sector < record->nr_sectors;
}

#endif
