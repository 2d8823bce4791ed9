/* SPDX-License-Identifier: GPL-2.0 */
/* The write-intent log: hot regions. See the top of intent.c. */
#ifndef DMR_INTENT_H
#define DMR_INTENT_H

#include "device.h"
#include "io.h"
#include "meta.h"

/* dmr_meta::regions; what they mean stands in intent.c. */
#define DMR_R_HOT	BIT(30)
#define DMR_R_CLOSED	BIT(29)
#define DMR_R_USED	BIT(28)
#define DMR_R_HEATING	BIT(27)
#define DMR_R_PINS	(BIT(27) - 1)

/* Sectors of a region: 1 << this. */
static inline unsigned int dmr_region_shift(const struct dmr_geometry *geo)
{
	return geo->region_shift + geo->chunk_shift;
}

/*
 * Any context that may map a write, never sleeps. @bio is inside one region or
 * covers whole ones (dmr_intent_limit). True: its regions are pinned until
 * dmr_intent_leave(). False: nothing has happened. @io: dmr_io_of(bio), which
 * the caller has looked up.
 */
bool dmr_intent_enter(struct dmr_meta *m, struct bio *bio, struct dmr_io *io);

/* The bio waits until its intent is durable, and is classified then. */
void dmr_intent_defer(struct dmr_meta *m, struct bio *bio);

/* Any context. */
void dmr_intent_leave(struct dmr_meta *m, struct dmr_io *io);

/* Where @bio must be cut so that dmr_intent_enter() can take it: sectors. */
unsigned int dmr_intent_limit(const struct dmr_device *dev, struct bio *bio);

/*
 * For the workers: @bios could not go; back to @list. True: something has
 * changed since dmr_meta::chances was @chances, so try again at once; else
 * cool.c calls when it does.
 */
bool dmr_intent_stay(struct dmr_meta *m, struct bio_list *list,
		     struct bio_list *bios, unsigned int chances);

/* For cool.c: pins whatever the bio covers, hot or not; false if closed. */
bool dmr_intent_pin_range(struct dmr_meta *m, struct bio *bio);

/*
 * How many may be hot before regions are cooled, and where that ends: with room
 * for some steps of heating meanwhile. Where all may be hot, none has to cool.
 */
static inline unsigned int dmr_hot_high(const struct dmr_meta *m)
{
	if (m->limit >= m->layout.nr_regions)
		return m->limit;
	return m->limit - max(m->limit / 4, min(m->limit / 2, 64U));
}

static inline unsigned int dmr_hot_low(const struct dmr_meta *m)
{
	return dmr_hot_high(m) - max(1U, dmr_hot_high(m) / 3);
}

void dmr_heat_work(struct work_struct *work);

#endif
