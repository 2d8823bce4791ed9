// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of chunks, sparse and marked without a lock.
 *
 * For: remembering which chunks were written (dirty), belong to the open epoch
 * (frozen), or have been read in it (released). Not for: deciding which set is
 * which; epoch.c does that.
 *
 * Layout: a table with one word for each region: empty (NULL), FULL, or a
 * block with a bit for each chunk. Above it two levels of summary, "any chunk
 * in this region" and "any bit in this word of the first level" (4096 regions
 * with 64-bit words), so that a look at the set costs what is in it and not
 * the size of the volume.
 *
 * Invariants:
 *  M1 A chunk is in the set before dmr_map_mark() returns, and its summary bits
 *     are set too. The chunk's bit is set first; who looks meanwhile may miss
 *     the chunk, which is harmless, since its write has not been issued.
 *  M2 A region's entry only ever goes NULL -> block, NULL -> FULL while markers
 *     run. A block that becomes full stays a block. So a marker never holds a
 *     block that is being freed.
 *  M3 Entries go back to NULL (clear, move) only in a set that no marker uses.
 *     Blocks are then freed after a grace period: readers may be in them. What
 *     they read there meanwhile may be anything; each of them looks again at
 *     the epoch under a lock before it relies on it (preserve.c, view.c).
 *  M4 Too much is allowed, too little never: where memory lacks, the whole
 *     region goes in. Only dmr_map_add() is exact; it may fail instead.
 */
#include "dirty.h"

#include <linux/bitmap.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/dm-replica.h>

union block {
	struct rcu_head rcu;		/* once freed, see M3 */
	DECLARE_FLEX_ARRAY(unsigned long, bits);
};

struct dmr_map {
	const struct dmr_geometry *geo;
	union block **blocks;		/* one for each region; cmpxchg */
	unsigned long *any;		/* one bit for each region */
	unsigned long *top;		/* one bit for each word of any */
};

#define FULL	((union block *)1UL)

static inline bool is_block(const union block *b)
{
	return (unsigned long)b > 1;
}

void dmr_geometry_init(struct dmr_geometry *geo, sector_t sectors,
		       unsigned int chunk_sectors, unsigned int region_sectors)
{
	geo->sectors = sectors;
	geo->chunk_shift = ilog2(chunk_sectors);
	geo->region_shift = ilog2(region_sectors) - geo->chunk_shift;
	geo->nr_chunks = DIV_ROUND_UP_ULL(sectors, chunk_sectors);
	geo->nr_regions = DIV_ROUND_UP_ULL(geo->nr_chunks,
					   1ULL << geo->region_shift);
}

static inline unsigned int region_chunks(const struct dmr_map *map, u64 region)
{
	u64 start = region << map->geo->region_shift;

	return min_t(u64, 1ULL << map->geo->region_shift,
		     map->geo->nr_chunks - start);
}

static inline unsigned int region_words(const struct dmr_map *map)
{
	return BITS_TO_LONGS(1UL << map->geo->region_shift);
}

static union block *alloc_block(const struct dmr_map *map, gfp_t gfp)
{
	size_t len = region_words(map) * sizeof(long);

	return kzalloc(max(len, sizeof(struct rcu_head)), gfp | __GFP_NOWARN);
}

static u64 nr_words(u64 bits)
{
	return DIV_ROUND_UP_ULL(bits, BITS_PER_LONG);
}

static struct dmr_map *create(const struct dmr_geometry *geo, u64 nr_regions)
{
	u64 words = nr_words(nr_regions);
	struct dmr_map *map;

	map = kzalloc(sizeof(*map), GFP_KERNEL);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->geo = geo;
	map->blocks = vzalloc(array_size(nr_regions, sizeof(void *)));
	map->any = vzalloc(array_size(words, sizeof(long)));
	map->top = vzalloc(array_size(nr_words(words), sizeof(long)));
	if (map->blocks && map->any && map->top)
		return map;
	dmr_map_free_grown(map);
	return ERR_PTR(-ENOMEM);
}

struct dmr_map *dmr_map_create(const struct dmr_geometry *geo)
{
	return create(geo, geo->nr_regions);
}

struct dmr_map *dmr_map_prepare(const struct dmr_map *map, u64 nr_regions)
{
	return create(map->geo, nr_regions);
}

void dmr_map_grow(struct dmr_map *map, struct dmr_map *larger)
{
	u64 nr = map->geo->nr_regions;
	u64 words = nr_words(nr);

	memcpy(larger->blocks, map->blocks, nr * sizeof(void *));
	memcpy(larger->any, map->any, words * sizeof(long));
	memcpy(larger->top, map->top, nr_words(words) * sizeof(long));
	swap(map->blocks, larger->blocks);
	swap(map->any, larger->any);
	swap(map->top, larger->top);
}

void dmr_map_free_grown(struct dmr_map *map)
{
	if (IS_ERR_OR_NULL(map))
		return;
	vfree(map->blocks);
	vfree(map->any);
	vfree(map->top);
	kfree(map);
}

void dmr_map_destroy(struct dmr_map *map)
{
	if (IS_ERR_OR_NULL(map))
		return;
	dmr_map_clear(map);
	dmr_map_free_grown(map);
}

/* M1: after the chunk's bit. */
static inline void note_region(struct dmr_map *map, u64 region)
{
	u64 word = region / BITS_PER_LONG;

	smp_mb__before_atomic();	/* the chunk's bit is seen first */
	if (!test_bit(region % BITS_PER_LONG, map->any + word))
		set_bit(region % BITS_PER_LONG, map->any + word);
	if (!test_bit(word % BITS_PER_LONG, map->top + word / BITS_PER_LONG))
		set_bit(word % BITS_PER_LONG, map->top + word / BITS_PER_LONG);
}

/* Makes sure that @region has a block or is FULL; M2. */
static union block *open_region(struct dmr_map *map, u64 region, gfp_t gfp)
{
	union block *old, *b = alloc_block(map, gfp);

	if (!b && gfpflags_allow_blocking(gfp))
		return NULL;
	if (!b)
		b = FULL;
	old = cmpxchg(&map->blocks[region], NULL, b);
	if (!old)
		return b;
	if (is_block(b))
		kfree(b);
	return old;
}

static void fill_block(union block *b, unsigned int chunks)
{
	unsigned int i;

	for (i = 0; i < chunks / BITS_PER_LONG; i++)
		WRITE_ONCE(b->bits[i], ~0UL);
	for (i *= BITS_PER_LONG; i < chunks; i++)
		set_bit(i, b->bits);
}

static void fill_region(struct dmr_map *map, u64 region)
{
	union block *b = cmpxchg(&map->blocks[region], NULL, FULL);

	if (is_block(b))
		fill_block(b, region_chunks(map, region));
	note_region(map, region);
}

/* Chunks @from … @to of @region. */
static inline void mark_part(struct dmr_map *map, u64 region,
			     unsigned int from, unsigned int to)
{
	union block *b = READ_ONCE(map->blocks[region]);

	if (unlikely(!b))
		b = open_region(map, region, GFP_NOWAIT);
	if (likely(is_block(b)))
		for (; from <= to; from++)
			if (!test_bit(from, b->bits))
				set_bit(from, b->bits);
	note_region(map, region);
}

/* The regions of a range, and the part of each that is in the range. */
struct span {
	u64 region;
	unsigned int from, to;		/* chunks in the region, inclusive */
	bool whole;
};

static inline bool span_at(const struct dmr_map *map, u64 at, u64 last,
			   struct span *s)
{
	u64 start;

	if (at > last)
		return false;
	s->region = at >> map->geo->region_shift;
	start = s->region << map->geo->region_shift;
	s->from = at - start;
	s->to = min_t(u64, last - start, region_chunks(map, s->region) - 1);
	s->whole = !s->from && s->to == region_chunks(map, s->region) - 1;
	return true;
}

static inline u64 span_end(const struct dmr_map *map, const struct span *s)
{
	return (s->region << map->geo->region_shift) + s->to + 1;
}

#define for_each_span(map, s, first, last)				\
	for (u64 _at = (first); span_at(map, _at, last, s);		\
	     _at = span_end(map, s))

static noinline void mark_spans(struct dmr_map *map, u64 first, u64 last)
{
	struct span s;

	for_each_span(map, &s, first, last) {
		if (s.whole)
			fill_region(map, s.region);
		else
			mark_part(map, s.region, s.from, s.to);
	}
}

void dmr_map_mark(struct dmr_map *map, u64 first, u64 last)
{
	unsigned int shift = map->geo->region_shift;
	u64 region = first >> shift, start = region << shift;

	/* An ordinary write; what may cover a region costs less as a span. */
	if (likely(last - first < DMR_MIN_REGION_CHUNKS - 1 &&
		   last >> shift == region))
		mark_part(map, region, first - start, last - start);
	else
		mark_spans(map, first, last);
}

static unsigned int weight(const unsigned long *bits, unsigned int from,
			   unsigned int to)
{
	unsigned int n = 0;

	for (; from <= to && from % BITS_PER_LONG; from++)
		n += test_bit(from, bits);
	for (; from + BITS_PER_LONG - 1 <= to; from += BITS_PER_LONG)
		n += hweight_long(READ_ONCE(bits[from / BITS_PER_LONG]));
	for (; from <= to; from++)
		n += test_bit(from, bits);
	return n;
}

static int add_span(struct dmr_map *map, const struct span *s, u64 *nr_new)
{
	union block *b = READ_ONCE(map->blocks[s->region]);
	unsigned int i;

	if (b == FULL)
		return 0;
	if (!b && s->whole) {
		*nr_new += s->to + 1;
		fill_region(map, s->region);
		return 0;
	}
	if (!b)
		b = open_region(map, s->region, GFP_NOIO);
	if (!b)
		return -ENOMEM;
	*nr_new += s->to - s->from + 1 - weight(b->bits, s->from, s->to);
	for (i = s->from; i <= s->to; i++)
		set_bit(i, b->bits);
	note_region(map, s->region);
	return 0;
}

int dmr_map_add(struct dmr_map *map, u64 first, u64 last, u64 *nr_new)
{
	struct span s;
	int r;

	for_each_span(map, &s, first, last) {
		r = add_span(map, &s, nr_new);
		if (r)
			return r;
	}
	return 0;
}

static bool any_bit(const u64 *words, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (words[i])
			return true;
	return false;
}

int dmr_map_add_words(struct dmr_map *map, u64 chunk, const u64 *words,
		      unsigned int nr)
{
	u64 region = chunk >> map->geo->region_shift;
	union block *b = map->blocks[region];
	unsigned int at, i, n = nr * (64 / BITS_PER_LONG);

	if (b == FULL || !any_bit(words, nr))
		return 0;
	if (!b)
		b = open_region(map, region, GFP_NOIO);
	if (!b)
		return -ENOMEM;
	at = (chunk - (region << map->geo->region_shift)) / BITS_PER_LONG;
	for (i = 0; i < n; i++)
		b->bits[at + i] |= words[i * BITS_PER_LONG / 64] >>
				   i * BITS_PER_LONG % 64;
	note_region(map, region);
	return 0;
}

void dmr_map_fill(struct dmr_map *map)
{
	u64 region;

	for (region = 0; region < map->geo->nr_regions; region++) {
		fill_region(map, region);
		if (!(region % 4096))
			cond_resched();
	}
}

u64 dmr_map_word(const struct dmr_map *map, u64 chunk)
{
	u64 region = chunk >> map->geo->region_shift;
	const union block *b = READ_ONCE(map->blocks[region]);
	unsigned int at;

	if (!is_block(b))
		return b ? ~0ULL : 0;
	at = (chunk - (region << map->geo->region_shift)) / BITS_PER_LONG;
#if BITS_PER_LONG == 64
	return READ_ONCE(b->bits[at]);
#else
	return READ_ONCE(b->bits[at]) | (u64)READ_ONCE(b->bits[at + 1]) << 32;
#endif
}

u64 dmr_map_next_region(const struct dmr_map *map, u64 region)
{
	u64 words = nr_words(map->geo->nr_regions);
	u64 word, n = map->geo->nr_regions;

	while (region < n) {
		word = region / BITS_PER_LONG;
		word = find_next_bit(map->top, words, word);
		if (word >= words)
			return n;
		region = max(region, word * BITS_PER_LONG);
		region = find_next_bit(map->any,
				       min(n, (word + 1) * BITS_PER_LONG),
				       region);
		if (region < min(n, (word + 1) * BITS_PER_LONG))
			return region;
	}
	return n;
}

#define for_each_region(map, region)					\
	for (region = dmr_map_next_region(map, 0);			\
	     region < (map)->geo->nr_regions;				\
	     region = dmr_map_next_region(map, region + 1))

/* Only where no marker is: M3. */
static union block *take_region(struct dmr_map *map, u64 region)
{
	union block *b = map->blocks[region];

	WRITE_ONCE(map->blocks[region], NULL);
	clear_bit(region % BITS_PER_LONG, map->any + region / BITS_PER_LONG);
	return b;
}

static void free_block(union block *b)
{
	if (is_block(b))
		kfree_rcu(b, rcu);
}

static void clear_top(struct dmr_map *map)
{
	memset(map->top, 0, nr_words(nr_words(map->geo->nr_regions)) *
	       sizeof(long));
}

void dmr_map_clear(struct dmr_map *map)
{
	u64 region;

	for_each_region(map, region) {
		free_block(take_region(map, region));
		cond_resched();
	}
	clear_top(map);
}

/*
 * @b without what @except has: @b itself with bits cleared, or NULL when
 * nothing is left, or FULL where memory lacks (M4).
 */
static union block *subtract(struct dmr_map *except, u64 region, union block *b)
{
	union block *e = except ? except->blocks[region] : NULL;
	unsigned int i, chunks, words = except ? region_words(except) : 0;

	if (!e)
		return b;
	if (e == FULL) {
		free_block(b);
		return NULL;
	}
	if (b == FULL) {
		chunks = region_chunks(except, region);
		b = alloc_block(except, GFP_NOIO);
		if (!b)
			return FULL;
		fill_block(b, chunks);
	}
	for (i = 0; i < words; i++)
		WRITE_ONCE(b->bits[i], b->bits[i] & ~e->bits[i]);
	if (!bitmap_empty(b->bits, words * BITS_PER_LONG))
		return b;
	free_block(b);
	return NULL;
}

static void or_block(union block *dst, const union block *src,
		     unsigned int chunks)
{
	unsigned int i;

	for_each_set_bit(i, src->bits, chunks)
		set_bit(i, dst->bits);
}

/* Gives @b, which nobody marks, to @dst, where markers run. */
static void merge_region(struct dmr_map *dst, u64 region, union block *b)
{
	union block *old = cmpxchg(&dst->blocks[region], NULL, b);

	if (old && old != FULL && b == FULL)
		fill_block(old, region_chunks(dst, region));
	else if (is_block(old))
		or_block(old, b, region_chunks(dst, region));
	if (old)
		free_block(b);
	note_region(dst, region);
}

void dmr_map_move(struct dmr_map *dst, struct dmr_map *src,
		  struct dmr_map *except)
{
	union block *b;
	u64 region;

	for_each_region(src, region) {
		b = subtract(except, region, take_region(src, region));
		if (b)
			merge_region(dst, region, b);
		cond_resched();
	}
	clear_top(src);
}

/* Word @i of @region as it is now. */
static inline unsigned long word_of(const struct dmr_map *map, u64 region,
				    unsigned int i)
{
	const union block *b = READ_ONCE(map->blocks[region]);

	if (!b)
		return 0;
	return b == FULL ? ~0UL : READ_ONCE(b->bits[i]);
}

bool dmr_map_test(const struct dmr_map *map, u64 chunk)
{
	u64 region = chunk >> map->geo->region_shift;
	unsigned int bit = chunk - (region << map->geo->region_shift);

	return word_of(map, region, bit / BITS_PER_LONG) &
	       BIT(bit % BITS_PER_LONG);
}

bool dmr_map_is_empty(const struct dmr_map *map)
{
	return dmr_map_next_region(map, 0) == map->geo->nr_regions;
}

u64 dmr_map_count(const struct dmr_map *map)
{
	const union block *b;
	u64 region, n = 0;

	for_each_region(map, region) {
		b = READ_ONCE(map->blocks[region]);
		if (b == FULL)
			n += region_chunks(map, region);
		else if (b)
			n += weight(b->bits, 0, region_chunks(map, region) - 1);
	}
	return n;
}

/*
 * Looks through the words of one span for a chunk whose bit is set in
 * (map ^ flip) & ~except.
 */
static u64 find_in_span(const struct dmr_map *map, unsigned long flip,
			const struct dmr_map *except, const struct span *s)
{
	unsigned int i, last = s->to / BITS_PER_LONG;
	unsigned int unused = BITS_PER_LONG - 1 - s->to % BITS_PER_LONG;
	unsigned long w;

	for (i = s->from / BITS_PER_LONG; i <= last; i++) {
		w = word_of(map, s->region, i) ^ flip;
		if (w && except)
			w &= ~word_of(except, s->region, i);
		if (i == s->from / BITS_PER_LONG)
			w &= ~0UL << (s->from % BITS_PER_LONG);
		if (i == last)
			w &= ~0UL >> unused;
		if (w)
			return (s->region << map->geo->region_shift) +
			       i * BITS_PER_LONG + __ffs(w);
	}
	return DMR_NO_CHUNK;
}

u64 dmr_map_find(const struct dmr_map *map, const struct dmr_map *except,
		 u64 first, u64 last)
{
	u64 chunk, at = first;
	struct span s;

	while (span_at(map, at, last, &s)) {
		if (READ_ONCE(map->blocks[s.region])) {
			chunk = find_in_span(map, 0, except, &s);
			if (chunk != DMR_NO_CHUNK)
				return chunk;
			at = span_end(map, &s);
			continue;
		}
		at = dmr_map_next_region(map, s.region + 1)
		     << map->geo->region_shift;
	}
	return DMR_NO_CHUNK;
}

u64 dmr_map_find_missing(const struct dmr_map *map, u64 first, u64 last)
{
	struct span s;
	u64 chunk;

	for_each_span(map, &s, first, last) {
		if (READ_ONCE(map->blocks[s.region]) == FULL)
			continue;
		chunk = find_in_span(map, ~0UL, NULL, &s);
		if (chunk != DMR_NO_CHUNK)
			return chunk;
	}
	return DMR_NO_CHUNK;
}

bool dmr_map_next_extent(const struct dmr_map *map, u64 first, u64 last,
			 struct dmr_extent *ext)
{
	u64 end;

	ext->start = dmr_map_find(map, NULL, first, last);
	if (ext->start == DMR_NO_CHUNK)
		return false;
	end = dmr_map_find_missing(map, ext->start, last);
	ext->count = (end == DMR_NO_CHUNK ? last + 1 : end) - ext->start;
	return true;
}
