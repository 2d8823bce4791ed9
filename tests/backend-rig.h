/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rig for tests of backends: a ring, a backend, and what has happened to it.
 * Each function runs the ring until what it is about has happened. With
 * start_nbdkit() also a server of one's own, on a socket in the test's folder.
 */
#ifndef REPLICA_BACKEND_RIG_H
#define REPLICA_BACKEND_RIG_H

#include <sys/types.h>

#include "backend.h"
#include "ring.h"

struct rig {
	struct ring *ring;
	struct backend *b;
	struct backend_options opts;
	char dir[64];			/* temporary, removed by rig_free() */
	char uri[128];			/* of the server in it */
	pid_t nbdkit;

	unsigned int nr_ready, nr_lost, nr_closed;
	int ready_err, lost_err;
	char text[256];			/* of ready, lost, or backend_open() */
	unsigned int nr_answers, nr_errors;
	int last_err;
	const unsigned int *until;	/* stop when *until has this value: */
	unsigned int until_is;
	struct ring_timer watchdog;
};

void rig_init(struct rig *r);
void rig_free(struct rig *r);

/* Options and plugin, up to a NULL; returns when it listens. */
void start_nbdkit(struct rig *r, ...) __attribute__((sentinel));
void stop_nbdkit(struct rig *r);

/* The result of backend_open() or of ready(). */
int rig_open(struct rig *r, const char *target);
void rig_close(struct rig *r);

/* One request; its result. */
int rig_write(struct rig *r, const void *buf, size_t len, uint64_t off,
	      unsigned int flags);
int rig_zero(struct rig *r, uint64_t len, uint64_t off, unsigned int flags);
int rig_read(struct rig *r, void *buf, size_t len, uint64_t off);
int rig_flush(struct rig *r);
int rig_write_each(struct rig *r, const void *buf, size_t len, uint64_t off);
int rig_sums(struct rig *r, uint64_t first, uint32_t nr, void *sums,
	     uint64_t seed);

/* Start one and don't wait for it: rig_answer() counts. */
int rig_begin_write(struct rig *r, const void *buf, size_t len, uint64_t off);
void rig_answer(void *rig, int err);
/* Run until *counter is @value; false if that takes too long. */
bool rig_wait(struct rig *r, const unsigned int *counter, unsigned int value);

#endif
