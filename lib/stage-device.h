/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The block device (or file) that has the segments of a stage's logs, in slots
 * of one size; the rest of the stage is in its directory. The option log_device
 * names it: it is formatted if it is blank and the stage has no volume yet, and
 * later it may be left out, or be where the same device is now. segment_bytes
 * counts only when it is formatted; then it may be 0 (1024 slots).
 *
 * What must hold is at the top of stage-device.c and stage-slots.c.
 */
#ifndef REPLICA_STAGE_DEVICE_H
#define REPLICA_STAGE_DEVICE_H

#include <pthread.h>

#include "stage-impl.h"

struct stage_slot {
	struct stage_slot_block b;	/* as it is on the device, or will be */
	bool is_out;			/* not to be taken any more */
	unsigned int shortages;		/* it has met so often with ENOSPC */
};

struct stage_device {
	const struct stage_io *io;	/* set once, up to `block` */
	char path[STAGE_PATH_LEN];
	int fd;				/* has the lock; -1: not usable: */
	struct error error;
	struct stage_device_block block;
	struct error notice;		/* B7: of the first one; code 0: none */
	struct error growth;		/* B4: why it has none; set once */
	unsigned int nr_damaged;	/* slots */
	pthread_mutex_t lock;		/* no other is taken with it */
	struct stage_slot *slots;	/* lock */
};

/*
 * Alone with the stage, before its volumes are loaded. Where the logs are on a
 * device: sets s->device, s->medium and the options that follow from its size.
 * One that is not usable is an error only if there is no volume yet: else it is
 * that of each volume.
 */
int stage_device_open(struct stage *s, struct error *err);
void stage_device_close(struct stage *s);

/* Is it the same device that @fd has open? */
bool stage_device_is(const struct stage_device *d, int fd);

/* Where a slot is. */
static inline uint64_t stage_slot_pos(const struct stage_device *d,
				      unsigned int slot)
{
	return STAGE_DEVICE_HEAD + slot * d->block.slot_bytes;
}

/* Of a segment in it. */
static inline uint64_t stage_slot_room(const struct stage_device *d)
{
	return d->block.slot_bytes - STAGE_BLOCK_BYTES;
}

/* Says it on the device: not synced. */
int stage_slot_write(const struct stage_device *d, unsigned int slot,
		     const struct stage_slot_block *b);

/* All slots of a log are free, durably; or none of them can be taken. Nobody
 * uses that log any more. */
int stage_device_release(struct stage *s, const uint8_t *log_id,
			 struct error *err);

/* Slots that cannot be used. */
unsigned int stage_device_nr_out(struct stage_device *d);

#endif
