/* SPDX-License-Identifier: GPL-2.0 */
/* Copies of held chunks. See the top of preserve.c. */
#ifndef DMR_PRESERVE_H
#define DMR_PRESERVE_H

#include "device.h"

int dmr_preserve_init(void);
void dmr_preserve_exit(void);

void dmr_preserve_setup(struct dmr_device *dev);
/* No bio is left. Waits for reads under way. */
void dmr_preserve_teardown(struct dmr_device *dev);

/* All of these: group lock. */
/* A cut, with all writes held. */
void dmr_preserve_open(struct dmr_device *dev, u64 epoch, bool clean);
/* The device's writes of the epoch have completed; @nr_frozen chunks. */
void dmr_preserve_drained(struct dmr_device *dev, u64 nr_frozen);
/*
 * @nr_new chunks from @first to @last have just been put into released. @all:
 * each of them is, and copies can go.
 */
void dmr_preserve_released(struct dmr_device *dev, u64 first, u64 last,
			   u64 nr_new, bool all);
/* END: copies are dropped, writes that wait go on. */
void dmr_preserve_close(struct dmr_device *dev);

struct dmr_preserve_counts {
	u64 held;		/* frozen chunks not released */
	u64 preserved;		/* chunks with a copy */
	bool fuzzy;		/* final once held is 0 */
};

/* Any context but irq. */
void dmr_preserve_count(struct dmr_device *dev, struct dmr_preserve_counts *c);

/*
 * The view's side. A read of @first … @last may start: the open epoch, or 0
 * where it must be refused (nothing open, writes under way, a chunk not
 * frozen, or released in a clean epoch: K4). @copies says whether any copy is
 * there already.
 */
u64 dmr_preserve_read_begin(struct dmr_device *dev, u64 first, u64 last,
			    bool *copies);

enum dmr_read_end { DMR_READ_OK, DMR_READ_PATCH, DMR_READ_FAIL };

/*
 * It has come back (K2): OK, or data must be replaced from copies, or the
 * epoch is over or the chunk was released: fail. Any context.
 */
enum dmr_read_end dmr_preserve_read_end(struct dmr_device *dev, u64 epoch,
					u64 first, u64 last);

/*
 * Replaces @len bytes at @buf, from @offset of @chunk on and within one page
 * of it, if there is a copy. False: as DMR_READ_FAIL. Does not sleep.
 */
bool dmr_preserve_patch(struct dmr_device *dev, u64 epoch, u64 chunk,
			unsigned int offset, void *buf, unsigned int len);

#endif
