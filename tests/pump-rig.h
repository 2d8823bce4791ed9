/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rig for tests of the pump: a source with known content in a memory file, a
 * target that keeps what it gets, counts each chunk and answers in any order,
 * and reads that can be made short or fail.
 */
#ifndef REPLICA_PUMP_RIG_H
#define REPLICA_PUMP_RIG_H

#include <linux/dm-replica.h>

#include "backend-impl.h"
#include "pump.h"
#include "ring.h"

#define RIG_CHUNK	4096

struct rig_call;

/* The target: writes become answers when the rig ticks. */
struct rig_target {
	struct backend b;
	char *image;
	uint8_t *seen;			/* times that a chunk was written */
	struct rig_call **calls;	/* without an answer */
	unsigned int nr_calls, max_calls, most_calls;
	unsigned int nr_data, nr_zero;
	uint64_t digest;
	unsigned int fail_at;		/* the nth request fails; 0: none */
	bool fail_at_once;		/* … without a callback */
	unsigned int nr_sums, sum_requests;	/* digests, in requests */
	unsigned int sums_fail_at;	/* the nth of them; 0: none */
	bool sums_failed;
	uint64_t sum_seed;
	bool stuck;			/* answers nothing */
	bool in_order;
};

struct rig {
	struct ring *ring;
	struct pump *pump;
	struct pump_options opts;
	struct rig_target target;
	int fd;
	char *source;			/* the same, in memory */
	uint64_t bytes;
	struct dmr_extent *extents;
	size_t nr_extents;
	uint8_t *released;		/* times that on_read named a chunk */
	unsigned int seed;
	bool from_memory, held, compare;
	uint64_t seed_of_sums;

	unsigned int steps;		/* ticks of the target, and on_reads */
	unsigned int abort_at;		/* step; 0: never */
	unsigned int nr_done;
	int result;
	bool stop_when_released;	/* ring_run() ends then */
	struct pump_stats stats;
	struct ring_work tick;
	struct ring_timer watchdog;
};

/* @zero_every: this and every so-manieth chunk is zeros; 0: none. */
void rig_init(struct rig *r, uint64_t bytes, unsigned int zero_every);
void rig_free(struct rig *r);

/* Extents: all, or about one of @one_of chunks, in short runs. */
void rig_all(struct rig *r);
void rig_random(struct rig *r, unsigned int one_of);

/* A pump with r->opts; the old one goes. */
void rig_pump(struct rig *r);

/* Starts a job and runs the ring until it is done. */
int rig_start(struct rig *r);
void rig_run(struct rig *r);
int rig_ship(struct rig *r);

/* Each chunk of the extents is at the target once, right, and was released
 * once; nothing else was touched; the sums agree. */
bool rig_is_right(struct rig *r);
/* No chunk was sent or released twice, none that was not asked for. */
bool rig_is_harmless(struct rig *r);
bool rig_all_released(const struct rig *r);

/* Needs -Wl,--wrap for ring_read, ring_write and posix_memalign. */
struct rig_faults {
	int source_fd;			/* the reads that these are about */
	bool short_reads;
	uint64_t bad_sector;		/* reads that touch it fail; ~0: none */
	unsigned int nr_reads;
	int fail_writes_to;		/* not this fd: writes fail; 0: none */
	bool fail_writes, corrupt_writes;
	bool no_memory;			/* for buffers */
};
extern struct rig_faults rig_faults;

#endif
