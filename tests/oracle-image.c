// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-image.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TORN		UINT64_MAX	/* in found: no record at all */
#define PRINTED_MAX	12

/* One sector. want: what it holds after the chain's record newest - 1. */
struct cell {
	uint64_t found;			/* number; 0: zeros */
	uint64_t want;
	uint8_t owner;
};

struct chain {
	struct oracle_row row;		/* row.last is record "next" */
	struct oracle_record before;	/* record next - 1, not yet in want */
	uint64_t newest;		/* number found */
	uint64_t seen_by;		/* record that the following is from */
	uint64_t seen[ORACLE_CHAINS_MAX];
	bool torn;			/* record newest is not whole */
	bool zeroed;			/* record newest + 1 has begun */
	bool zeroed_wholly;
};

struct oracle_image {
	const struct oracle_plan *plan;
	struct cell *cells[ORACLE_VOLUMES_MAX];
	struct chain chains[ORACLE_CHAINS_MAX];
	unsigned int violations;
};

static void chain_restart(struct oracle_image *image, uint32_t c)
{
	struct chain *chain = &image->chains[c];
	uint64_t s;
	uint32_t v;

	oracle_row_begin(&chain->row, image->plan, c);
	memset(&chain->before, 0, sizeof(chain->before));
	oracle_row_next(&chain->row);
	for (v = 0; v < image->plan->nr_volumes; v++)
		for (s = 0; s < image->plan->sectors[v]; s++)
			if (image->cells[v][s].owner == c)
				image->cells[v][s].want = 0;
}

static bool cells_create(struct oracle_image *image, uint32_t volume)
{
	uint64_t s, sectors = image->plan->sectors[volume];

	image->cells[volume] = calloc(sectors, sizeof(struct cell));
	if (!image->cells[volume])
		return false;
	for (s = 0; s < sectors; s++)
		image->cells[volume][s].owner =
			oracle_owner(image->plan, volume, s);
	return true;
}

struct oracle_image *oracle_image_create(const struct oracle_plan *plan)
{
	struct oracle_image *image = calloc(1, sizeof(*image));
	uint32_t i;

	if (!image)
		return NULL;
	image->plan = plan;
	for (i = 0; i < plan->nr_volumes; i++)
		if (!cells_create(image, i)) {
			oracle_image_destroy(image);
			return NULL;
		}
	for (i = 0; i < plan->nr_chains; i++)
		chain_restart(image, i);
	return image;
}

void oracle_image_destroy(struct oracle_image *image)
{
	uint32_t v;

	if (!image)
		return;
	for (v = 0; v < image->plan->nr_volumes; v++)
		free(image->cells[v]);
	free(image);
}

static void put_data(struct oracle_image *image, struct cell *cell,
		     const struct oracle_sector *sector)
{
	struct chain *chain = &image->chains[cell->owner];

	cell->found = sector->number;
	if (sector->number < chain->seen_by)
		return;
	chain->seen_by = sector->number;
	memcpy(chain->seen, sector->seen, sizeof(chain->seen));
}

void oracle_image_put(struct oracle_image *image, uint32_t volume,
		      uint64_t at, const void *data, uint64_t nr_sectors)
{
	const struct oracle_sector *sector = data;

	for (; nr_sectors; nr_sectors--, at++, sector++) {
		struct cell *cell = &image->cells[volume][at];

		switch (oracle_sector_parse(image->plan, volume, at, sector)) {
		case ORACLE_ZEROS:
			cell->found = 0;
			break;
		case ORACLE_DATA:
			put_data(image, cell, sector);
			break;
		case ORACLE_TORN:
			cell->found = TORN;
			break;
		}
	}
}

/* --- the check ------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3)))
violation(struct oracle_image *image, const char *fmt, ...)
{
	va_list args;

	if (++image->violations > PRINTED_MAX)
		return;
	printf("# oracle: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

static void find_newest(struct oracle_image *image)
{
	uint64_t s;
	uint32_t v, c;

	for (c = 0; c < image->plan->nr_chains; c++)
		image->chains[c].newest = 0;
	for (v = 0; v < image->plan->nr_volumes; v++)
		for (s = 0; s < image->plan->sectors[v]; s++) {
			const struct cell *cell = &image->cells[v][s];

			if (cell->found == TORN)
				violation(image, "volume %u sector %" PRIu64
					  " is damaged, torn or misplaced",
					  v, s);
			else if (cell->found &&
				 cell->found >
				 image->chains[cell->owner].newest)
				image->chains[cell->owner].newest = cell->found;
		}
}

/* Record before becomes part of what must be there. */
static void chain_step(struct oracle_image *image, struct chain *chain)
{
	const struct oracle_record *record = &chain->before;
	struct cell *cell = image->cells[record->volume] + record->sector;
	uint32_t s;

	for (s = 0; s < record->nr_sectors; s++)
		cell[s].want = record->zero ? 0 : record->number;
	chain->before = chain->row.last;
	oracle_row_next(&chain->row);
}

/* Until before is the newest record that was found. */
static void chain_advance(struct oracle_image *image, uint32_t c)
{
	struct chain *chain = &image->chains[c];

	if (chain->before.number > chain->newest)
		chain_restart(image, c);
	while (chain->before.number < chain->newest)
		chain_step(image, chain);
	chain->torn = false;
	chain->zeroed = false;
	chain->zeroed_wholly = chain->row.last.zero;
}

static void check_cell(struct oracle_image *image, uint32_t v, uint64_t s)
{
	const struct cell *cell = &image->cells[v][s];
	struct chain *chain = &image->chains[cell->owner];
	const struct oracle_record *next = &chain->row.last;
	bool in_newest = oracle_covers(&chain->before, v, s);
	bool in_zero = next->zero && oracle_covers(next, v, s);
	uint64_t full = in_newest && !chain->before.zero ? chain->newest :
			cell->want;

	if (in_zero && cell->found)
		chain->zeroed_wholly = false;
	if (cell->found == full || cell->found == TORN)
		return;
	if (in_zero && !cell->found)
		chain->zeroed = true;
	else if (in_newest && cell->found == cell->want)
		chain->torn = true;
	else
		violation(image, "chain %u: volume %u sector %" PRIu64
			  " holds record %" PRIu64 ", not %" PRIu64
			  " (newest is %" PRIu64 ")", cell->owner, v, s,
			  cell->found, full, chain->newest);
}

static void check_cells(struct oracle_image *image)
{
	uint64_t s;
	uint32_t v;

	for (v = 0; v < image->plan->nr_volumes; v++)
		for (s = 0; s < image->plan->sectors[v]; s++)
			if (image->cells[v][s].owner != ORACLE_NOBODY)
				check_cell(image, v, s);
}

static uint64_t whole_of(struct oracle_image *image, uint32_t c)
{
	struct chain *chain = &image->chains[c];

	if (chain->torn && chain->zeroed)
		violation(image, "chain %u: record %" PRIu64 " is torn, but %"
			  PRIu64 " has begun", c, chain->newest,
			  chain->newest + 1);
	if (chain->torn)
		return chain->newest - 1;
	return chain->zeroed_wholly ? chain->newest + 1 : chain->newest;
}

static void check_bounds(struct oracle_image *image,
			 const struct oracle_bounds *bounds,
			 const uint64_t *whole)
{
	uint32_t c;

	for (c = 0; c < image->plan->nr_chains; c++) {
		struct chain *chain = &image->chains[c];
		uint64_t begun = chain->newest + (chain->zeroed ? 1 : 0);

		if (whole[c] < bounds->completed[c])
			violation(image, "chain %u: only %" PRIu64 " is whole, "
				  "but %" PRIu64 " had completed", c, whole[c],
				  bounds->completed[c]);
		if (begun > bounds->issued[c])
			violation(image, "chain %u: has %" PRIu64 ", but only %"
				  PRIu64 " was issued", c, begun,
				  bounds->issued[c]);
	}
}

/* Image after image of one run, a chain only grows. */
static void check_progress(struct oracle_image *image)
{
	uint32_t c;

	for (c = 0; c < image->plan->nr_chains; c++)
		if (image->chains[c].newest < image->chains[c].seen_by)
			violation(image, "chain %u went back from %" PRIu64
				  " to %" PRIu64, c, image->chains[c].seen_by,
				  image->chains[c].newest);
}

static void check_seen(struct oracle_image *image, const uint64_t *whole)
{
	uint32_t c, d;

	for (c = 0; c < image->plan->nr_chains; c++)
		for (d = 0; d < image->plan->nr_chains; d++)
			if (image->chains[c].newest &&
			    image->chains[c].seen[d] > whole[d])
				violation(image, "chain %u record %" PRIu64
					  " saw chain %u at %" PRIu64
					  ", which is whole to %" PRIu64, c,
					  image->chains[c].newest, d,
					  image->chains[c].seen[d], whole[d]);
}

unsigned int oracle_image_check(struct oracle_image *image,
				const struct oracle_bounds *bounds,
				uint64_t *whole)
{
	uint64_t mine[ORACLE_CHAINS_MAX];
	uint32_t c;

	image->violations = 0;
	if (!whole)
		whole = mine;
	find_newest(image);
	for (c = 0; c < image->plan->nr_chains; c++)
		chain_advance(image, c);
	check_cells(image);
	for (c = 0; c < image->plan->nr_chains; c++)
		whole[c] = whole_of(image, c);
	check_progress(image);
	if (bounds)
		check_bounds(image, bounds, whole);
	check_seen(image, whole);
	return image->violations;
}
