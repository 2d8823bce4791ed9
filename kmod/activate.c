// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a volume's metadata.
 *
 *	created -[dmr_meta_activate]-> working -[retire, quiesce]-> shut
 *	              |    ^           | ^  ^                         |
 *	            refused '-- again  | |  '----[dmr_meta_activate]--'
 *	                               | '-----[dmr_meta_activate]--.
 *	                               '-[quiesce]-> taken out -----'
 *
 * Invariants:
 *  S2 Superblocks and bits are written in an order such that every prefix is
 *     true: ones first, then the superblock that counts on them (format,
 *     growth, suspicion); the superblock first, then the zeros that count on it
 *     (C2 in cool.c).
 *  S3 (D6) Nothing is written to the origin, and nothing is cut, before the
 *     superblock with the new incarnation, and without CLEAN, is durable.
 *  S4 (D5) CLEAN is written when no write can come, no region is hot, and the
 *     origin has been flushed after all that.
 *  S5 A volume is as a whole dirty, and SUSPECT, where the origin may have been
 *     written without us: taken out, or a witness that does not match. It stays
 *     SUSPECT until an epoch that was cut later has been committed: that had
 *     every chunk which had not been delivered before.
 *  S6 What can't be read or makes no sense is refused; the volume does not come
 *     up then. Only bits have an answer that is always safe: ones.
 *  S8 Once it is quiesced, TAKEN_OUT is durable, or CLEAN: the table that comes
 *     next may take writes before ours is destroyed. Who goes on takes it back,
 *     and nobody waits for that: until it is durable a crash makes the volume
 *     suspect. A metadata device that does not answer is not waited for long:
 *     who suspends both may have begun with it.
 *
 * A new volume is wholly dirty without being suspect: nothing is there to
 * compare with.
 */
#include "bits.h"

#include <linux/blkdev.h>
#include <linux/sched/mm.h>

#include "cache.h"
#include "epoch.h"
#include "fault.h"
#include "group.h"
#include "hot.h"
#include "intent.h"
#include "main.h"
#include "witness.h"

/* How long a suspend waits for the metadata device. */
#define ANSWER	(5 * HZ)

/* ---- bits, read and written as a whole ---- */

static struct dmr_block hot_block(const struct dmr_meta *m, u64 i)
{
	return (struct dmr_block){
		.nr = dmr_layout_hot_block(&m->layout, i * DMR_BLOCK_BITS),
		.data = m->hot[i],
	};
}

/* From block @from of the hot bits on; as they are in memory. */
static int write_hot(struct dmr_meta *m, u64 from)
{
	u64 nr = dmr_layout_nr_hot_blocks(&m->layout);
	struct dmr_block b;
	int r = 0;

	mutex_lock(&m->hot_lock);
	for (; from < nr && !r; from++) {
		b = hot_block(m, from);
		dmr_block_seal(b.data, m->now.volume_id, b.nr,
			       DMR_ALL_SECTORS);
		r = dmr_blocks_write(m->bdev, &b, 1);
	}
	mutex_unlock(&m->hot_lock);
	return r;
}

/* One block of hot bits, @n of them in use; counts what is set. hot_lock. */
static int read_hot_block(struct dmr_meta *m, u64 i, unsigned int n,
			  unsigned int *nr_hot)
{
	struct dmr_block b = hot_block(m, i);
	unsigned int at, bad;
	int r = dmr_blocks_read(m->bdev, &b, 1);

	if (r)
		return r;
	bad = dmr_block_check(b.data, m->now.volume_id, b.nr, DMR_ALL_SECTORS);
	if (bad)
		dmr_warn(m->dev, "metadata: %u damaged sectors of hot bits: all hot",
			 bad);
	dmr_block_clear(b.data, n, DMR_BLOCK_BITS - n);
	dmr_block_seal(b.data, m->now.volume_id, b.nr, DMR_ALL_SECTORS);
	for (at = 0; at < n; at++)
		*nr_hot += dmr_block_test(b.data, at);
	return 0;
}

/* @nr_regions: as many as the device was written with. */
static int read_hot(struct dmr_meta *m, u64 nr_regions, unsigned int *nr_hot)
{
	unsigned int n;
	u64 i;
	int r = 0;

	mutex_lock(&m->hot_lock);
	for (i = 0; nr_regions && !r; i++, nr_regions -= n) {
		n = min_t(u64, nr_regions, DMR_BLOCK_BITS);
		r = read_hot_block(m, i, n, nr_hot);
	}
	mutex_unlock(&m->hot_lock);
	return r;
}

/* All chunks of a hot region are dirty, and it has to cool. hot_lock. */
static int heat_again(struct dmr_meta *m, u32 region)
{
	const struct dmr_geometry *geo = &m->dev->geo;
	u64 first = (u64)region << geo->region_shift, new = 0;
	u64 last = min(first + m->layout.region_chunks, geo->nr_chunks) - 1;

	atomic_set(&m->regions[region], DMR_R_HOT);
	dmr_ring_push(m, region);
	m->nr_hot++;
	return dmr_map_add(m->dev->slot[0].map, first, last, &new);
}

static int heat_all_again(struct dmr_meta *m)
{
	u64 region, nr = m->layout.nr_regions;
	int r = 0;

	mutex_lock(&m->hot_lock);
	m->nr_hot = 0;
	m->ring_len = 0;
	for (region = 0; region < nr && !r; region++) {
		atomic_set(&m->regions[region], 0);
		if (dmr_block_test(m->hot[div_u64(region, DMR_BLOCK_BITS)],
				   region % DMR_BLOCK_BITS))
			r = heat_again(m, region);
	}
	mutex_unlock(&m->hot_lock);
	return r;
}

/* ---- a new device ---- */

/* The one that this load makes comes first. */
static void add_incarnation(struct dmr_meta *m)
{
	struct dmr_super *s = &m->now;
	u32 keep = min_t(u32, s->nr_incarnations, DMR_MAX_INCARNATIONS - 1);

	if (s->nr_incarnations && s->incarnations[0] == m->dev->incarnation)
		return;
	memmove(s->incarnations + 1, s->incarnations, keep * sizeof(u64));
	s->incarnations[0] = m->dev->incarnation;
	s->nr_incarnations = keep + 1;
}

/* S2: block 0 last, so that it is new until it is complete. */
static int format(struct dmr_meta *m)
{
	struct dmr_super *s = &m->now;
	u64 i;
	int r;

	memset(s, 0, sizeof(*s));
	memcpy(s->volume_id, &m->dev->volume_id, sizeof(s->volume_id));
	s->sectors = m->layout.sectors;
	s->chunk_sectors = m->layout.chunk_sectors;
	s->region_sectors = m->layout.region_sectors;
	m->dev->loads = 1;
	add_incarnation(m);
	m->sequence = 0;
	for (i = 0; i < dmr_layout_nr_hot_blocks(&m->layout); i++)
		memset(m->hot[i], 0, DMR_BLOCK_SIZE);
	r = dmr_super_write_first(m) ?: write_hot(m, 0) ?:
	    dmr_bits_fill(m, 0) ?: dmr_super_write(m);
	if (!r)
		dmr_info(m->dev, "metadata: formatted; the whole volume is dirty");
	return r;
}

/* ---- a device that was used before ---- */

static int check_fit(struct dmr_meta *m, const struct dmr_config *cfg,
		     const char **why)
{
	const struct dmr_super *s = &m->now;

	*why = NULL;
	if (s->sectors > m->layout.sectors)
		*why = "the volume is larger than the table says";
	else if (s->chunk_sectors != m->layout.chunk_sectors)
		*why = "the volume has another chunk_size";
	else if (s->region_sectors != m->layout.region_sectors)
		*why = "the volume has another region_size";
	else if (cfg->has_role && cfg->role != s->role)
		*why = "the volume has another role";
	return *why ? -EINVAL : 0;
}

/* Each load is told apart from all others. */
static void adopt(struct dmr_meta *m)
{
	struct dmr_group *g = dmr_group_lock(m->dev);
	struct dmr_device *dev = m->dev;
	struct dmr_super *s = &m->now;

	memcpy(&dev->volume_id, s->volume_id, sizeof(dev->volume_id));
	dev->generation = s->generation;
	dev->last_committed = s->last_committed;
	dev->highest_seen = s->highest_seen;
	dev->loads = s->loads + 1;
	WRITE_ONCE(dev->role, s->role);
	m->sequence = s->sequence;
	add_incarnation(m);
	dmr_group_unlock(g);
}

/* S5: why the origin can't be trusted, or NULL. */
static const char *suspicion(struct dmr_meta *m)
{
	u32 flags = m->now.flags;

	if (flags & DMR_SUPER_F_TAKEN_OUT)
		return "it was taken out without \"retire\"";
	if (flags & DMR_SUPER_F_CLEAN && dmr_witness_check(m))
		return "its origin was written meanwhile (the witness does not match)";
	return NULL;
}

/* What is dirty, from disk. @old: as it was written. */
static int load_bits(struct dmr_meta *m, const struct dmr_config *cfg,
		     const struct dmr_layout *old)
{
	unsigned int nr_hot = 0;
	u64 i;
	int r;

	for (i = 0; i < dmr_layout_nr_hot_blocks(&m->layout); i++)
		memset(m->hot[i], 0, DMR_BLOCK_SIZE);
	dmr_map_clear(m->dev->slot[0].map);
	r = read_hot(m, old->nr_regions, &nr_hot) ?:
	    dmr_meta_limit(m, cfg->hot_regions, nr_hot) ?:
	    dmr_bits_load(m, old->nr_chunks) ?: heat_all_again(m);
	if (!r && nr_hot)
		dmr_info(m->dev, "metadata: was not shut down; %u regions were hot",
			 nr_hot);
	return r;
}

static int mark_from(struct dmr_meta *m, u64 chunk)
{
	struct dmr_group *g = dmr_group_lock(m->dev);
	u64 new = 0;
	int r;

	r = dmr_map_add(dmr_epoch_dirty(m->dev, g), chunk,
			m->layout.nr_chunks - 1, &new);
	dmr_group_unlock(g);
	return r;
}

/* S2: what the volume has more than the superblock says, but for that. */
static int add_new_area(struct dmr_meta *m)
{
	const struct dmr_super *s = &m->now;
	u64 from = div_u64(s->sectors, s->chunk_sectors);

	if (s->sectors == m->layout.sectors)
		return 0;
	dmr_info(m->dev, "the volume has grown to %llu sectors",
		 m->layout.sectors);
	return mark_from(m, from) ?: dmr_bits_fill(m, from) ?:
	       write_hot(m, div_u64(div_u64(s->sectors - 1, s->region_sectors),
				    DMR_BLOCK_BITS));
}

/* It is as large as the table says from now on. */
static int write_size(struct dmr_meta *m)
{
	u64 old = m->now.sectors;
	int r;

	m->now.sectors = m->layout.sectors;
	r = dmr_super_write(m);
	if (r)
		m->now.sectors = old;
	return r;
}

static int suspect_all(struct dmr_meta *m, const char *why)
{
	dmr_warn(m->dev, "the whole volume is suspect: %s", why);
	dmr_map_fill(m->dev->slot[0].map);
	m->now.suspect_epoch = m->now.highest_seen;
	return dmr_bits_fill(m, 0);
}

/* S2, S3. */
static int take_over(struct dmr_meta *m, const struct dmr_config *cfg,
		     const struct dmr_layout *old)
{
	const char *why;
	int r;

	adopt(m);
	r = load_bits(m, cfg, old) ?: add_new_area(m);
	if (r)
		return r;
	why = suspicion(m);
	r = why ? suspect_all(m, why) : 0;
	r = r ?: dmr_cool_all(m);
	if (r)
		return r;
	dmr_super_flags(m, DMR_SUPER_F_CLEAN | DMR_SUPER_F_TAKEN_OUT,
			why ? DMR_SUPER_F_SUSPECT : 0);
	return dmr_fault(no_incarnation) ? 0 : write_size(m);
}

/* ---- activation ---- */

static int read_supers(struct dmr_meta *m, const char **why)
{
	struct dmr_block *b;
	int r;

	*why = "the superblocks can't be read";
	mutex_lock(&m->chunk_lock);
	b = dmr_cache_scratch(m);
	b[0].nr = 0;
	b[1].nr = 1;
	r = dmr_blocks_read(m->bdev, b, DMR_NR_SUPERS);
	if (!r)
		r = dmr_super_choose(b[0].data, b[1].data, &m->now, why);
	mutex_unlock(&m->chunk_lock);
	if (r >= 0) {
		m->next_slot = !r;
		if (*why)
			dmr_warn(m->dev,
				 "metadata: superblock %d is not sound (%s)",
				 !r, *why);
	}
	return r;
}

static int load(struct dmr_meta *m, const struct dmr_config *cfg)
{
	struct dmr_layout old;
	const char *why;
	int r = read_supers(m, &why);

	if (r == -ENODATA) {
		why = "it can't be formatted";
		r = dmr_meta_limit(m, cfg->hot_regions, 0) ?: format(m);
	} else if (r >= 0) {
		r = check_fit(m, cfg, &why);
		if (!r) {
			why = "the bits can't be read or written";
			dmr_layout_init(&old, m->now.sectors,
					m->now.chunk_sectors,
					m->now.region_sectors);
			r = take_over(m, cfg, &old);
		}
	}
	if (r)
		dmr_err(m->dev, "metadata: %s: error %d", why, r);
	return r;
}

/* ---- taken out ---- */

/* dmr_meta::taken_work. It has answered what was asked before. */
void dmr_taken_work(struct work_struct *work)
{
	struct dmr_meta *m = container_of(work, struct dmr_meta, taken_work);
	/* before the flags are captured; pairs with take_out() */
	unsigned int asked = smp_load_acquire(&m->asked);
	int r = dmr_super_write(m);

	if (r)
		dmr_warn(m->dev, "metadata: a removal can't be recorded: error %d",
			 r);
	WRITE_ONCE(m->answered, asked);
	wake_up(&m->answer_wait);
}

/* S8. state_lock; nothing can be written. */
static void take_out(struct dmr_meta *m)
{
	unsigned int asked = m->asked + 1;

	dmr_super_flags(m, DMR_SUPER_F_CLEAN, DMR_SUPER_F_TAKEN_OUT);
	/* after the flags were set; pairs with dmr_taken_work() */
	smp_store_release(&m->asked, asked);
	queue_work(dmr_cool_wq, &m->taken_work);
	if (!wait_event_timeout(m->answer_wait,
				READ_ONCE(m->answered) == asked, ANSWER))
		dmr_warn(m->dev, "metadata: no answer: a removal is not recorded yet");
}

/* S8. state_lock. */
static int put_back(struct dmr_meta *m)
{
	struct dmr_group *g;
	int r;

	dmr_super_flags(m, DMR_SUPER_F_CLEAN | DMR_SUPER_F_TAKEN_OUT, 0);
	if (m->shut || m->now.sectors < m->layout.sectors) {
		r = write_size(m);
		if (r)
			take_out(m);
		m->shut = false;
		return r;
	}
	g = dmr_group_lock(m->dev);
	dmr_meta_changed(m);
	dmr_group_unlock(g);
	return 0;
}

/* ---- activation, again ---- */

/* It has been here before: a reload, a resume. Growth may be half done. */
static int reopen(struct dmr_meta *m, const struct dmr_config *cfg)
{
	int r = 0;

	if (cfg->sectors > m->layout.sectors)
		r = dmr_meta_grow(m, cfg);
	r = r ?: dmr_meta_limit(m, cfg->hot_regions, 0) ?: add_new_area(m) ?:
	    put_back(m);
	if (r)
		dmr_err(m->dev, "metadata: can't go on: error %d", r);
	return r;
}

int dmr_meta_activate(struct dmr_meta *m, const struct dmr_config *cfg)
{
	unsigned int noio = memalloc_noio_save();
	int r;

	mutex_lock(&m->state_lock);
	m->bdev = cfg->meta_bdev;
	r = m->loaded ? reopen(m, cfg) : load(m, cfg);
	if (!r) {
		m->loaded = true;
		m->shut = false;
		WRITE_ONCE(m->retired, false);
		WRITE_ONCE(m->quiesced, false);
		dmr_cool_kick(m);
		dmr_meta_stamp_later(m);
		dmr_cool_idle(m);
	}
	mutex_unlock(&m->state_lock);
	memalloc_noio_restore(noio);
	return r;
}

/* ---- the end ---- */

/* S4. state_lock; nothing can be written. */
static int shut_down(struct dmr_meta *m)
{
	int r = dmr_cool_all(m);

	if (!r && !dmr_fault(no_flush))
		r = blkdev_issue_flush(m->dev->bdev);
	r = r ?: dmr_witness_take(m);
	if (!r) {
		dmr_super_flags(m, DMR_SUPER_F_TAKEN_OUT, DMR_SUPER_F_CLEAN);
		r = dmr_super_write(m);
	}
	if (r) {
		dmr_warn(m->dev, "metadata: no clean shutdown: error %d", r);
		take_out(m);
	}
	m->shut = !r;
	return r;
}

void dmr_meta_quiesce(struct dmr_meta *m)
{
	unsigned int noio = memalloc_noio_save();

	mutex_lock(&m->state_lock);
	WRITE_ONCE(m->quiesced, true);
	if (m->loaded && !m->shut) {
		if (READ_ONCE(m->retired))
			shut_down(m);
		else
			take_out(m);
	}
	mutex_unlock(&m->state_lock);
	memalloc_noio_restore(noio);
}

int dmr_meta_retire(struct dmr_meta *m)
{
	unsigned int noio = memalloc_noio_save();
	int r = 0;

	mutex_lock(&m->state_lock);
	WRITE_ONCE(m->retired, true);
	if (m->loaded && m->quiesced && !m->shut)
		r = shut_down(m);
	mutex_unlock(&m->state_lock);
	memalloc_noio_restore(noio);
	return r;
}

void dmr_meta_unretire(struct dmr_meta *m)
{
	if (!READ_ONCE(m->quiesced))
		WRITE_ONCE(m->retired, false);
}

/* What was marked since, and S8, if it could not be recorded then. */
static void record_end(struct dmr_meta *m)
{
	int r = m->shut ? dmr_cool_run(m) : dmr_super_write(m);

	if (r)
		dmr_warn(m->dev, "metadata: its end can't be recorded: error %d",
			 r);
}

void dmr_meta_stop(struct dmr_meta *m)
{
	unsigned int noio = memalloc_noio_save();

	dmr_assert(bio_list_empty(&m->waiting));		/* V4 */
	dmr_assert(bio_list_empty(&m->ranges));			/* V4 */
	cancel_work_sync(&m->taken_work);
	cancel_delayed_work_sync(&m->stamp_work);
	cancel_work_sync(&m->heat_work);	/* it arms age_work */
	cancel_work_sync(&m->range_work);
	cancel_delayed_work_sync(&m->age_work);
	cancel_delayed_work_sync(&m->cool_work);
	dmr_assert(!m->loaded || m->quiesced);			/* S8 */
	if (m->loaded)
		record_end(m);
	cancel_delayed_work_sync(&m->cool_work);
	memalloc_noio_restore(noio);
}
