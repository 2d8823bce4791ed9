/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Targets "fake:0" … in memory, with a write cache that a power cut would lose,
 * and faults on demand. They watch what the daemon sends:
 *
 *	order_errors	a data write while the newest durable header was not
 *			open, or a commit while data was not durable (W6)
 *
 * Link with -Wl,--wrap=backend_open.
 */
#ifndef REPLICA_FAKE_TARGET_H
#define REPLICA_FAKE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "header.h"

#define FAKE_TARGETS	4
#define FAKE_STALE	64

enum fake_fault {
	FAKE_NONE,
	FAKE_LOSE_ANSWER,	/* done, and the connection breaks */
	FAKE_LOSE_REQUEST,	/* not done, and the connection breaks */
	FAKE_ERROR,		/* answered with EIO, the connection lives */
};

struct fake_backend;

struct fake_stale {
	uint64_t off;
	size_t len;
	char *data;
};

struct fake_target {
	char *data;		/* as the server shows it */
	char *durable;		/* as it is after a power cut */
	uint64_t size;
	uint64_t volume_bytes;
	bool is_down;		/* refuses connections */
	bool can_flush;
	unsigned int delay_ms;	/* of each answer */
	enum fake_fault header_fault;	/* for the next header of this kind */
	enum replica_kind header_kind;
	enum fake_fault data_fault;	/* for a data write … */
	unsigned int data_countdown;	/* … when this reaches 0 */
	unsigned int read_fault;	/* this read from now is answered EIO */
	bool flush_fault;	/* the next flush is answered with EIO */
	struct fake_backend *connection;	/* the newest */
	void (*before_lost)(void);	/* called as the connection is lost */
	struct fake_stale stale[FAKE_STALE];	/* lost data writes */
	unsigned int nr_stale;
	unsigned int opens;
	unsigned int data_writes, header_writes, flushes, reads;
	unsigned int order_errors;
	uint64_t data_bytes;
};

extern struct fake_target fake_targets[FAKE_TARGETS];

void fake_setup(struct fake_target *fake, uint64_t volume_bytes);
void fake_clear(struct fake_target *fake);
/* A server still executes the writes of a connection that is dead (C2). */
void fake_run_stale(struct fake_target *fake);
/* The connection breaks; nobody asks for anything just then. */
void fake_break(struct fake_target *fake);
/* The newest header that is there; false: none. */
bool fake_header(const struct fake_target *fake, struct replica_header *h);

#endif
