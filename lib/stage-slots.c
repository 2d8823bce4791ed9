// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Segments in slots of a device. A slot's own block says whose segment it has,
 * the segment begins in the next one.
 *
 * T1 a slot is taken only if it is free: what it had has been removed, which
 *    for what was applied is after the checkpoint (apply P3, recover Z4).
 *    Nothing is discarded: a slot keeps what it has until a segment is written
 *    there.
 * T2 a slot whose log nobody knows is not free: its volume may be described
 *    again. Only the removal of a log frees them (delete E2).
 * T3 a slot where a write has failed is not taken again by this process. One
 *    that was dirty when a sync failed is taken last: it may be that of
 *    another slot, or the device was full (a thin one says EIO then, too).
 * T4 a slot with something that is to be looked at is free when a copy of that
 *    is in the directory, durably; else it says so on the device, durably, and
 *    is not taken; else the log is not recovered.
 * T5 a group has a file description of its own: a failed write is told to each
 *    once, and must not be told to another group alone.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-device.h"
#include "stage-parts.h"
#include "stage-recover.h"

/* --- slots ---------------------------------------------------------------- */

static bool is_free(const struct stage_slot *slot)
{
	return slot->b.state == STAGE_SLOT_FREE && !slot->is_out;
}

static bool is_of(const struct stage_slot *slot, const uint8_t *log_id)
{
	return slot->b.state != STAGE_SLOT_FREE &&
	       !memcmp(slot->b.log_id, log_id, sizeof(slot->b.log_id));
}

/* As it is now: other groups may be taking and freeing theirs. */
static struct stage_slot look_at(struct stage_device *d, unsigned int nr)
{
	struct stage_slot slot;

	pthread_mutex_lock(&d->lock);
	slot = d->slots[nr];
	pthread_mutex_unlock(&d->lock);
	return slot;
}

unsigned int stage_device_nr_out(struct stage_device *d)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; d->slots && i < d->block.nr_slots; i++)
		nr += d->slots[i].is_out ||
		      d->slots[i].b.state == STAGE_SLOT_LOST;
	pthread_mutex_unlock(&d->lock);
	return nr;
}

/* T1, T3. Its number; -ENOSPC. */
static int take(struct stage_device *d, const struct stage_slot_block *b)
{
	int best = -ENOSPC;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; d->slots && i < d->block.nr_slots; i++)
		if (is_free(&d->slots[i]) &&
		    (best < 0 || d->slots[i].shortages <
				 d->slots[best].shortages))
			best = i;
	if (best >= 0)
		d->slots[best].b = *b;
	pthread_mutex_unlock(&d->lock);
	return best;
}

/* What is there from now on, and what was found out about it. */
static int put(struct stage_device *d, const struct stage_segment *s,
	       enum stage_slot_state state)
{
	struct stage_slot *slot = &d->slots[s->slot];
	int ret;

	pthread_mutex_lock(&d->lock);
	slot->b.state = state;
	slot->shortages += s->is_short;
	ret = stage_slot_write(d, s->slot, &slot->b);
	slot->is_out |= s->is_bad || ret;
	pthread_mutex_unlock(&d->lock);
	return ret;
}

/* The state is in memory when it is durable: nobody takes one before. */
static int free_slots(struct stage_device *d, const uint8_t *log_id,
		      bool is_lost_too)
{
	int ret = 0;

	for (int pass = 0; !ret && pass < 2; pass++) {
		pthread_mutex_lock(&d->lock);
		for (unsigned int i = 0; !ret && i < d->block.nr_slots; i++) {
			struct stage_slot_block b = d->slots[i].b;

			if (!is_of(&d->slots[i], log_id) ||
			    (b.state == STAGE_SLOT_LOST && !is_lost_too))
				continue;
			b.state = STAGE_SLOT_FREE;
			if (pass)
				d->slots[i].b = b;
			else
				ret = stage_slot_write(d, i, &b);
		}
		pthread_mutex_unlock(&d->lock);
		if (!ret && !pass)
			ret = d->io->sync(d->io->arg, d->fd);
	}
	return ret;
}

int stage_device_release(struct stage *s, const uint8_t *log_id,
			 struct error *err)
{
	struct stage_device *d = s->device;
	int ret;

	if (d->fd < 0)
		return error_set(err, -EIO, "%s", d->error.text);
	ret = free_slots(d, log_id, true);
	return ret ? error_set(err, ret, "log_device=%.200s: %s",
			       d->path, strerror(-ret)) : 0;
}

/* --- a group's segments --------------------------------------------------- */

static struct stage_device *device_of(const struct stage_group *g)
{
	return g->stage->device;
}

/* T5. By then another device may have the path (device B6). */
static int attach(struct stage_group *g)
{
	const struct stage_device *d = device_of(g);
	int fd;

	if (d->fd < 0)
		return -EIO;
	if (g->device_fd >= 0)
		return 0;
	fd = d->io->open(d->io->arg, d->path, O_RDWR);
	if (fd < 0)
		return fd;
	if (!stage_device_is(d, fd)) {
		d->io->close(d->io->arg, fd);
		return -ENODEV;
	}
	g->device_fd = fd;
	return 0;
}

static int slots_list(struct stage_group *g,
		      int (*fn)(void *arg, const struct stage_segment *s),
		      void *arg)
{
	struct stage_device *d = device_of(g);
	int ret = 0;

	for (unsigned int i = 0; !ret && d->slots && i < d->block.nr_slots;
	     i++) {
		struct stage_slot slot = look_at(d, i);
		const struct stage_segment s = {
			.number = slot.b.number,
			.salt = slot.b.salt,
			.slot = i,
			.is_lost = slot.b.state == STAGE_SLOT_LOST,
			.fd = -1,
		};

		if (is_of(&slot, g->log_id))
			ret = fn(arg, &s);
	}
	return ret;
}

static int slots_open(struct stage_group *g, struct stage_segment *s)
{
	int ret = attach(g);

	if (ret)
		return ret;
	s->fd = g->device_fd;
	s->at = stage_slot_pos(device_of(g), s->slot) + STAGE_BLOCK_BYTES;
	s->bytes = stage_slot_room(device_of(g));
	return 0;
}

static void slots_close(struct stage_group *g, struct stage_segment *s)
{
	s->fd = -1;
}

static int slots_create(struct stage_group *g, struct stage_segment *s)
{
	struct stage_device *d = device_of(g);
	struct stage_slot_block b = {
		.number = s->number,
		.salt = s->salt,
		.state = STAGE_SLOT_USED,
	};
	int ret = attach(g);

	if (ret)
		return ret;
	memcpy(b.device_id, d->block.device_id, sizeof(b.device_id));
	memcpy(b.log_id, g->log_id, sizeof(b.log_id));
	ret = take(d, &b);
	if (ret < 0)
		return ret;
	s->slot = ret;
	ret = slots_open(g, s);
	assert(!ret && s->bytes == g->stage->opts.segment_bytes);
	return stage_slot_write(d, s->slot, &b);
}

static void slots_remove(struct stage_group *g, struct stage_segment *s)
{
	put(device_of(g), s, STAGE_SLOT_FREE);
	slots_close(g, s);
}

/* --- what is to be looked at ---------------------------------------------- */

/* T4 */
static int slots_keep(struct stage_group *g, struct stage_segment *s,
		      struct error *err)
{
	struct stage_device *d = device_of(g);
	int copied = stage_recover_copy(g, s, NULL), ret;

	ret = put(d, s, copied ? STAGE_SLOT_LOST : STAGE_SLOT_FREE);
	if (copied && !ret)
		ret = d->io->sync(d->io->arg, d->fd);
	slots_close(g, s);
	return copied && ret ?
	       error_set(err, copied, "%s: segment %" PRIu64 " of the log is "
			 "damaged, or was lost, and can be kept neither in "
			 "the directory (%s) nor on %.150s (%s)", g->name,
			 s->number, strerror(-copied), d->path,
			 strerror(-ret)) : 0;
}

static int slots_settle(struct stage_group *g)
{
	struct stage_device *d = device_of(g);

	return d->io->sync(d->io->arg, d->fd);
}

/* --- the rest ------------------------------------------------------------- */

static void slots_cut(struct stage_group *g, struct stage_segment *s,
		      uint64_t end)
{
}

static bool slots_has_room(const struct stage_group *g, unsigned int nr)
{
	struct stage_device *d = device_of(g);
	unsigned int found = 0;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; found < nr && d->slots &&
	     i < d->block.nr_slots; i++)
		found += is_free(&d->slots[i]);
	pthread_mutex_unlock(&d->lock);
	return found >= nr;
}

static unsigned int slots_nr_unknown(const struct stage_group *g)
{
	return device_of(g)->nr_damaged;
}

static bool slots_is_shared(const struct stage_group *g)
{
	struct stage_device *d = device_of(g);
	bool is_shared = false;

	pthread_mutex_lock(&d->lock);
	for (unsigned int i = 0; !is_shared && d->slots &&
	     i < d->block.nr_slots; i++)
		is_shared = d->slots[i].b.state == STAGE_SLOT_USED &&
			    !is_of(&d->slots[i], g->log_id);
	pthread_mutex_unlock(&d->lock);
	return is_shared;
}

/* T4. What cannot be freed now is when the stage is opened again. */
static void slots_remove_all(struct stage_group *g)
{
	struct stage_device *d = device_of(g);

	if (d->fd >= 0)
		free_slots(d, g->log_id, false);
}

const struct stage_medium stage_slots = {
	.is_sparse = false,
	.list = slots_list,
	.open = slots_open,
	.close = slots_close,
	.create = slots_create,
	.remove = slots_remove,
	.keep = slots_keep,
	.settle = slots_settle,
	.cut = slots_cut,
	.has_room = slots_has_room,
	.nr_unknown = slots_nr_unknown,
	.is_shared = slots_is_shared,
	.remove_all = slots_remove_all,
};
