// SPDX-License-Identifier: GPL-2.0
/*
 * The witness: digests of a sample of the origin, taken when a volume is shut
 * down and looked at when it comes up again. Where one does not match, the
 * origin was written without us, and nothing that we remember of it is worth
 * anything. A filesystem that is mounted writes into the first MiB; the random
 * pieces are for those that don't.
 */
#include "witness.h"

#include <linux/random.h>
#include <linux/slab.h>
#include <linux/xxhash.h>

#include "cache.h"
#include "group.h"

#define BLOCK_SECTORS	(DMR_BLOCK_SIZE / SECTOR_SIZE)
#define FIRST_BLOCKS	256

/* The blocks of chunk_lock serve for this too. */
static int digest(struct dmr_meta *m, u64 seed, struct dmr_witness *w)
{
	u64 block = w->sector / BLOCK_SECTORS;
	u64 end = block + w->sectors / BLOCK_SECTORS;
	struct dmr_block *b = dmr_cache_scratch(m);
	unsigned int i, n;
	int r;

	lockdep_assert_held(&m->chunk_lock);
	w->digest = seed;
	for (; block < end; block += n) {
		n = min_t(u64, end - block, DMR_SCRATCH_BLOCKS);
		for (i = 0; i < n; i++)
			b[i].nr = block + i;
		r = dmr_blocks_read(m->dev->bdev, b, n);
		if (r)
			return r;
		for (i = 0; i < n; i++)
			w->digest = xxh64(b[i].data, DMR_BLOCK_SIZE,
					  w->digest);
	}
	return 0;
}

/* Whole blocks only: what a volume has behind its last one has no witness. */
static unsigned int choose(const struct dmr_meta *m, struct dmr_witness *w)
{
	u64 blocks = m->now.sectors / BLOCK_SECTORS;
	unsigned int i;

	if (!blocks)
		return 0;
	w[0].sector = 0;
	w[0].sectors = min_t(u64, blocks, FIRST_BLOCKS) * BLOCK_SECTORS;
	for (i = 1; i < DMR_MAX_WITNESSES; i++) {
		div64_u64_rem(get_random_u64(), blocks, &w[i].sector);
		w[i].sector *= BLOCK_SECTORS;
		w[i].sectors = BLOCK_SECTORS;
	}
	return DMR_MAX_WITNESSES;
}

static int digest_all(struct dmr_meta *m, u64 seed, struct dmr_witness *w,
		      unsigned int nr)
{
	unsigned int i;
	int r = 0;

	mutex_lock(&m->chunk_lock);
	for (i = 0; i < nr && !r; i++)
		r = digest(m, seed, &w[i]);
	mutex_unlock(&m->chunk_lock);
	return r;
}

static struct dmr_witness *alloc_witnesses(void)
{
	return kcalloc(DMR_MAX_WITNESSES, sizeof(struct dmr_witness),
		       GFP_NOIO);
}

int dmr_witness_take(struct dmr_meta *m)
{
	struct dmr_witness *w = alloc_witnesses();
	u64 seed = get_random_u64();
	struct dmr_group *g;
	unsigned int nr;
	int r;

	if (!w)
		return -ENOMEM;
	nr = choose(m, w);
	r = digest_all(m, seed, w, nr);
	if (!r) {
		g = dmr_group_lock(m->dev);
		memcpy(m->now.witnesses, w, nr * sizeof(*w));
		m->now.nr_witnesses = nr;
		m->now.witness_seed = seed;
		dmr_group_unlock(g);
	}
	kfree(w);
	return r;
}

int dmr_witness_check(struct dmr_meta *m)
{
	const struct dmr_super *s = &m->now;
	struct dmr_witness *w = alloc_witnesses();
	unsigned int i;
	int r;

	if (!w)
		return -ENOMEM;
	memcpy(w, s->witnesses, s->nr_witnesses * sizeof(*w));
	r = digest_all(m, s->witness_seed, w, s->nr_witnesses);
	for (i = 0; i < s->nr_witnesses && !r; i++)
		if (w[i].digest != s->witnesses[i].digest)
			r = -EUCLEAN;
	kfree(w);
	return r;
}
