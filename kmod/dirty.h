/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sets of chunks: dirty, frozen, released. See the top of dirty.c.
 */
#ifndef DMR_DIRTY_H
#define DMR_DIRTY_H

#include <linux/types.h>
#include <linux/gfp.h>

struct dmr_extent;
struct dmr_map;

#define DMR_NO_CHUNK	(~0ULL)

/* The shape of a volume; set once by dmr_geometry_init(). */
struct dmr_geometry {
	sector_t sectors;
	u64 nr_chunks;
	u64 nr_regions;
	unsigned int chunk_shift;	/* sector >> chunk_shift = chunk */
	unsigned int region_shift;	/* chunk >> region_shift = region */
};

/*
 * @chunk_sectors and @region_sectors are powers of two; a region has from
 * DMR_MIN_REGION_CHUNKS to DMR_MAX_REGION_CHUNKS chunks.
 */
#define DMR_MIN_REGION_CHUNKS	64
#define DMR_MAX_REGION_CHUNKS	32768
void dmr_geometry_init(struct dmr_geometry *geo, sector_t sectors,
		       unsigned int chunk_sectors, unsigned int region_sectors);

static inline u64 dmr_chunk_of(const struct dmr_geometry *geo, sector_t sector)
{
	return sector >> geo->chunk_shift;
}

/* Sectors of @chunk; the last one may be short. */
static inline unsigned int dmr_chunk_sectors(const struct dmr_geometry *geo,
					     u64 chunk)
{
	sector_t start = chunk << geo->chunk_shift;

	return min_t(sector_t, 1U << geo->chunk_shift, geo->sectors - start);
}

/* Below, a range @first … @last is never empty and inside the volume. */

/* An empty set. May sleep; ERR_PTR(-ENOMEM). @geo outlives the set. */
struct dmr_map *dmr_map_create(const struct dmr_geometry *geo);

/* Nobody uses @map any more. Takes NULL and ERR_PTR. */
void dmr_map_destroy(struct dmr_map *map);

/*
 * Growth, in steps, with all markers and other writers excluded from the second
 * on: tables for @nr_regions, which may be more than the geometry says
 * (ERR_PTR(-ENOMEM)); @map gets them and @larger the old ones; after a grace
 * period the geometry may change, and the old ones go.
 */
struct dmr_map *dmr_map_prepare(const struct dmr_map *map, u64 nr_regions);
void dmr_map_grow(struct dmr_map *map, struct dmr_map *larger);
void dmr_map_free_grown(struct dmr_map *map);

/*
 * The write path: puts the chunks from @first to @last into the set. Any
 * context that has preemption off or rcu_read_lock(); never sleeps, never
 * fails: where memory lacks, the whole region goes in.
 */
void dmr_map_mark(struct dmr_map *map, u64 first, u64 last);

/*
 * Puts exactly @first … @last in and returns how many were new, or -ENOMEM
 * (some are in then, and *@nr_new says how many). May sleep. The caller
 * excludes other dmr_map_add(), not readers.
 */
int dmr_map_add(struct dmr_map *map, u64 first, u64 last, u64 *nr_new);

/*
 * Adds those of the 64 * @nr chunks from @chunk on, a multiple of 64, whose bit
 * is set in @words; all of them are in one region. 0 or -ENOMEM. May sleep;
 * nobody else uses @map.
 */
int dmr_map_add_words(struct dmr_map *map, u64 chunk, const u64 *words,
		      unsigned int nr);

/* All chunks go in. Markers may run. */
void dmr_map_fill(struct dmr_map *map);

/*
 * @dst gets what is in @src and not in @except (NULL = nothing); @src ends
 * empty. Never fails: where memory lacks, @dst gets more. Markers on @dst and
 * readers on @src may run; the caller excludes all other writers of the three.
 */
void dmr_map_move(struct dmr_map *dst, struct dmr_map *src,
		  struct dmr_map *except);

/* Empties @map. Readers may run. */
void dmr_map_clear(struct dmr_map *map);

/*
 * Looking. All of these may run beside markers; a chunk that goes in meanwhile
 * may be missed. An RCU read section (preemption off is one), or whatever
 * excludes clear and move.
 */
bool dmr_map_test(const struct dmr_map *map, u64 chunk);
bool dmr_map_is_empty(const struct dmr_map *map);
u64 dmr_map_count(const struct dmr_map *map);

/* First region at or after @region with a chunk in the set, or nr_regions. */
u64 dmr_map_next_region(const struct dmr_map *map, u64 region);

/* First chunk in @first … @last that is in @map and not in @except, or
 * DMR_NO_CHUNK.
 */
u64 dmr_map_find(const struct dmr_map *map, const struct dmr_map *except,
		 u64 first, u64 last);

/* 64 chunks from @chunk on, a multiple of 64; what is past the end is any. */
u64 dmr_map_word(const struct dmr_map *map, u64 chunk);

/* First chunk in @first … @last that is not in @map, or DMR_NO_CHUNK. */
u64 dmr_map_find_missing(const struct dmr_map *map, u64 first, u64 last);

/* The first run of chunks in @first … @last; false if there is none. */
bool dmr_map_next_extent(const struct dmr_map *map, u64 first, u64 last,
			 struct dmr_extent *ext);

#endif
