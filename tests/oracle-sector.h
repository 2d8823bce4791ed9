/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The consistency oracle, part 2: what a sector says.
 *
 * Every sector of a data record tells whose it is (run, chain, number), where
 * it was meant to be, which records of *every* chain had completed when it was
 * issued, and carries filling that depends on all of this, and a checksum. So a
 * sector that is torn, misplaced or stale can't pass for another.
 */
#ifndef TESTS_ORACLE_SECTOR_H
#define TESTS_ORACLE_SECTOR_H

#include <stdint.h>

#include "oracle-plan.h"

#define ORACLE_SECTOR_BYTES	512

struct oracle_sector {
	uint64_t magic;
	uint64_t run;
	uint32_t chain;
	uint32_t volume;
	uint64_t number;
	uint64_t sector;
	uint64_t seen[ORACLE_CHAINS_MAX];
	uint64_t fill[42];
	uint64_t check;
};
_Static_assert(sizeof(struct oracle_sector) == ORACLE_SECTOR_BYTES,
	       "a sector is a sector");

enum oracle_found {
	ORACLE_ZEROS,		/* never written, another run's, or zeroed */
	ORACLE_DATA,
	ORACLE_TORN,		/* neither: damaged, misplaced, foreign */
};

/* Fills record->nr_sectors sectors of buffer. */
void oracle_record_fill(const struct oracle_plan *plan, uint32_t chain,
			const struct oracle_record *record,
			const uint64_t *seen, struct oracle_sector *buffer);

/* What is in a sector that was read from that place. */
enum oracle_found oracle_sector_parse(const struct oracle_plan *plan,
				      uint32_t volume, uint64_t at,
				      const struct oracle_sector *sector);

#endif
