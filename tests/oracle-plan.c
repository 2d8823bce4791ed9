// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-plan.h"

#include <errno.h>
#include <string.h>

#define CHUNK		8u	/* sectors of a chunk of the shared area */
#define SHARED_MAX	2048u		/* sectors of the shared area */
#define VOLUME_MIN	2048u

/* Percent of the records that go to the shared area, to the ring. */
#define TO_SHARED	30
#define TO_RING		25

/* Where a chain's own sectors of one volume are. */
struct slice {
	uint64_t ring;
	uint32_t ring_sectors;
	uint64_t log;
	uint64_t log_sectors;
};

int oracle_plan_check(const struct oracle_plan *plan)
{
	uint32_t v;

	if (!plan->nr_chains || plan->nr_chains > ORACLE_CHAINS_MAX ||
	    !plan->nr_volumes || plan->nr_volumes > ORACLE_VOLUMES_MAX ||
	    !plan->max_record || plan->max_record > ORACLE_RECORD_MAX ||
	    plan->zero_percent > 50)
		return -EINVAL;
	for (v = 0; v < plan->nr_volumes; v++)
		if (plan->sectors[v] < VOLUME_MIN)
			return -EINVAL;
	return 0;
}

static uint64_t shared_sectors(const struct oracle_plan *plan, uint32_t volume)
{
	uint64_t quarter = plan->sectors[volume] / 4;

	return (quarter < SHARED_MAX ? quarter : SHARED_MAX) & ~(CHUNK - 1ull);
}

/* A chain's sectors in each of its chunks of the shared area. */
static uint32_t share(const struct oracle_plan *plan)
{
	return plan->nr_chains < CHUNK ? CHUNK / plan->nr_chains : 1;
}

/* More chains than sectors in a chunk: they take the chunks in turn. */
static uint32_t turns(const struct oracle_plan *plan)
{
	return (plan->nr_chains + CHUNK - 1) / CHUNK;
}

static uint64_t slice_sectors(const struct oracle_plan *plan, uint32_t volume)
{
	return (plan->sectors[volume] - shared_sectors(plan, volume)) /
	       plan->nr_chains;
}

static struct slice slice_of(const struct oracle_row *row, uint32_t volume)
{
	uint64_t size = slice_sectors(row->plan, volume);
	struct slice slice;

	slice.ring = shared_sectors(row->plan, volume) + row->chain * size;
	slice.ring_sectors = size / 4 < 2 * ORACLE_RECORD_MAX ? size / 4 :
			     2 * ORACLE_RECORD_MAX;
	slice.log = slice.ring + slice.ring_sectors;
	slice.log_sectors = size - slice.ring_sectors;
	return slice;
}

static uint8_t shared_owner(const struct oracle_plan *plan, uint64_t sector)
{
	uint32_t chain = sector % CHUNK / share(plan) +
			 sector / CHUNK % turns(plan) * CHUNK;

	return chain < plan->nr_chains ? chain : ORACLE_NOBODY;
}

uint8_t oracle_owner(const struct oracle_plan *plan, uint32_t volume,
		     uint64_t sector)
{
	uint64_t shared = shared_sectors(plan, volume);
	uint64_t chain;

	if (sector < shared)
		return shared_owner(plan, sector);
	chain = (sector - shared) / slice_sectors(plan, volume);
	return chain < plan->nr_chains ? chain : ORACLE_NOBODY;
}

/* --- the row -------------------------------------------------------------- */

/* splitmix64 */
static uint64_t random_next(struct oracle_row *row)
{
	uint64_t z = row->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static uint32_t random_below(struct oracle_row *row, uint64_t limit)
{
	return (random_next(row) >> 16) % limit;
}

void oracle_row_begin(struct oracle_row *row, const struct oracle_plan *plan,
		      uint32_t chain)
{
	memset(row, 0, sizeof(*row));
	row->plan = plan;
	row->chain = chain;
	row->random = plan->seed * 0xd1342543de82ef95ull + chain;
}

/* Mostly small, sometimes as large as it gets. */
static uint32_t random_size(struct oracle_row *row, uint32_t room)
{
	static const struct {
		uint32_t percent, sectors;
	} sizes[] = {
		{ 50, 8 }, { 30, 64 }, { 15, 256 }, { 5, ORACLE_RECORD_MAX },
	};
	uint32_t dice = random_below(row, 100), i = 0, limit;

	while (dice >= sizes[i].percent)
		dice -= sizes[i++].percent;
	limit = sizes[i].sectors;
	if (limit > row->plan->max_record)
		limit = row->plan->max_record;
	if (limit > room)
		limit = room;
	return 1 + random_below(row, limit);
}

static void place_shared(struct oracle_row *row, struct oracle_record *record)
{
	const struct oracle_plan *plan = row->plan;
	uint32_t chunks = shared_sectors(plan, record->volume) / CHUNK;
	uint32_t chunk = random_below(row, chunks / turns(plan)) * turns(plan) +
			 row->chain / CHUNK;
	uint32_t first = random_below(row, share(plan));

	record->sector = (uint64_t)chunk * CHUNK +
			 row->chain % CHUNK * share(plan) + first;
	record->nr_sectors = 1 + random_below(row, share(plan) - first);
}

static void place_ring(struct oracle_row *row, struct oracle_record *record)
{
	struct slice slice = slice_of(row, record->volume);

	record->nr_sectors = random_size(row, slice.ring_sectors);
	record->sector = slice.ring + random_below(row, slice.ring_sectors -
						   record->nr_sectors + 1);
}

static void place_log(struct oracle_row *row, struct oracle_record *record)
{
	struct slice slice = slice_of(row, record->volume);
	uint64_t *at = &row->log_at[record->volume];

	record->nr_sectors = random_size(row, slice.log_sectors / 4);
	if (*at + record->nr_sectors > slice.log_sectors)
		*at = 0;
	record->sector = slice.log + *at;
	*at += record->nr_sectors;
}

static bool overlap(const struct oracle_record *a,
		    const struct oracle_record *b)
{
	return a->volume == b->volume &&
	       a->sector < b->sector + b->nr_sectors &&
	       b->sector < a->sector + a->nr_sectors;
}

/* A zero record, if the dice and P1 allow it. */
static bool try_zero(struct oracle_row *row, struct oracle_record *record)
{
	if (!row->last.number || row->last.zero ||
	    random_below(row, 100) >= row->plan->zero_percent)
		return false;
	place_ring(row, record);
	record->zero = !overlap(record, &row->last);
	return record->zero;
}

const struct oracle_record *oracle_row_next(struct oracle_row *row)
{
	struct oracle_record record = {
		.number = row->last.number + 1,
		.volume = random_below(row, row->plan->nr_volumes),
	};
	uint32_t dice = random_below(row, 100);

	if (!try_zero(row, &record)) {
		if (dice < TO_SHARED)
			place_shared(row, &record);
		else if (dice < TO_SHARED + TO_RING)
			place_ring(row, &record);
		else
			place_log(row, &record);
	}
	row->last = record;
	return &row->last;
}
