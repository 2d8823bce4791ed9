// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-sector.h"

#include <stddef.h>
#include <string.h>

#define MAGIC	0x64726f6c63617265ull
#define WORDS	(ORACLE_SECTOR_BYTES / 8)
#define FILL_WORDS	(sizeof(((struct oracle_sector *)0)->fill) / 8)

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9fb21c651e98df25ull;
	return hash ^ hash >> 29;
}

static uint64_t checksum(const struct oracle_sector *sector)
{
	const uint64_t *word = (const uint64_t *)sector;
	uint64_t hash = MAGIC;
	int i;

	for (i = 0; i < WORDS - 1; i++)
		hash = mix(hash, word[i]);
	return hash;
}

void oracle_record_fill(const struct oracle_plan *plan, uint32_t chain,
			const struct oracle_record *record,
			const uint64_t *seen, struct oracle_sector *buffer)
{
	uint32_t s;
	size_t i;

	for (s = 0; s < record->nr_sectors; s++, buffer++) {
		buffer->magic = MAGIC;
		buffer->run = plan->run;
		buffer->chain = chain;
		buffer->volume = record->volume;
		buffer->number = record->number;
		buffer->sector = record->sector + s;
		memcpy(buffer->seen, seen, sizeof(buffer->seen));
		for (i = 0; i < FILL_WORDS; i++)
			buffer->fill[i] = mix(record->number + i,
					      buffer->sector << 8 | chain);
		buffer->check = checksum(buffer);
	}
}

static bool is_zero(const struct oracle_sector *sector)
{
	const uint64_t *word = (const uint64_t *)sector;
	int i;

	for (i = 0; i < WORDS; i++)
		if (word[i])
			return false;
	return true;
}

enum oracle_found oracle_sector_parse(const struct oracle_plan *plan,
				      uint32_t volume, uint64_t at,
				      const struct oracle_sector *sector)
{
	if (sector->magic != MAGIC)
		return is_zero(sector) ? ORACLE_ZEROS : ORACLE_TORN;
	if (sector->check != checksum(sector))
		return ORACLE_TORN;
	if (sector->run != plan->run)
		return ORACLE_ZEROS;
	if (sector->volume != volume || sector->sector != at ||
	    sector->chain != oracle_owner(plan, volume, at) ||
	    !sector->number)
		return ORACLE_TORN;
	return ORACLE_DATA;
}
