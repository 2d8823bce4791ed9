/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storm: what the load (storm-load.c) and the operations (storm.c) share.
 *
 * Locks: "turn" is held for reading by each step of the load, and for writing
 * by what needs it to stand still; it prefers writers. Inside it, "netlink" is
 * held by who talks to the family (dmr.h has one request at a time).
 */
#ifndef TESTS_STORM_H
#define TESTS_STORM_H

#include <pthread.h>

#include "dmr.h"

#define CHUNK		4096
#define REGION		64		/* chunks */
#define VOL		"storm"
#define VIEW		"storm-dmr-view"

struct storm {
	pthread_rwlock_t turn;
	pthread_mutex_t netlink;
	/* Written with the turn held for writing. */
	uint64_t dev;
	int fd, view_fd, target_fd;	/* -1: not there */
	uint32_t nr_chunks;
	uint64_t epoch;			/* of the shipper, 0 = none */
	bool stop;
	/* By chunk, its writer's: what it has, 0 = zeros. */
	uint32_t *shadow;
	/* Counts, by whoever makes them. */
	unsigned int nr_writes[4], nr_epochs, nr_discards;
};

extern struct storm storm;

/* The words of a chunk. */
void storm_fill(void *chunk, uint32_t nr, uint32_t value);
bool storm_has(const void *chunk, uint32_t nr, uint32_t value);

/* Something is wrong: says so; the storm ends with a failure. */
void storm_fail(const char *what, uint32_t chunk, int err);
unsigned int storm_failures(void);

void storm_load_start(unsigned int seed);
/* After "stop" was set. */
void storm_load_join(void);

#endif
