/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify.c (rounds) and verify-read.c (lanes) share; for nobody else. */
#ifndef REPLICAD_VERIFY_IMPL_H
#define REPLICAD_VERIFY_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "header.h"
#include "ring.h"
#include "xfer.h"

#define VERIFY_ROUND	8192		/* chunks, at most */
#define VERIFY_LANES	8		/* reads under way */
#define VERIFY_IO	(256U << 10)	/* of one, if chunks are not larger */

enum verify_state {
	VERIFY_IDLE,		/* not begun, or over */
	VERIFY_READING,
	VERIFY_LOOKING,
	VERIFY_CONFIRMING,
	VERIFY_WAITING,
	VERIFY_MARKING,		/* U6 in continuity.c */
};

struct verify;

/* Some neighbours of a round, and where their sums go. */
struct verify_piece {
	uint64_t start;
	uint32_t nr;
	uint32_t index;		/* of the first, in ->ours and ->theirs */
};

struct verify_lane {
	struct verify *verify;
	char *buf;
	struct xfer xfer;	/* ours */
	const struct verify_piece *piece;
	bool is_theirs;
	bool is_waiting;	/* for the link, R1 */
};

struct verify {
	struct volume *volume;
	struct ring *ring;
	enum verify_state state;
	struct ring_timer timer;
	bool is_repair;
	bool is_stopping;
	int live_fd;
	unsigned int pass;
	uint64_t total;			/* chunks, as all below */
	uint64_t compared, repaired, moving_left;
	struct dmr_extents *todo, *again;	/* this pass, the next */
	struct dmr_extents *round;
	struct dmr_extents *moving;	/* since the round began */
	struct dmr_extents *found, *differing;	/* in the round; in all */
	char error[200];

	/* a round; verify-read.c */
	uint64_t seed;
	unsigned int opens;		/* of the target, when it began */
	struct verify_piece *pieces;
	unsigned int nr_pieces, next;	/* next to be read, both sides */
	unsigned int pending;		/* lanes and digest requests */
	struct ring_timer pace;		/* R1 */
	bool is_pacing;
	bool has_sums;			/* else their data is read */
	int err;			/* theirs: the round is done again */
	char *ours, *theirs;		/* sums */
	void *slots;			/* of the header, V3 */
	struct verify_lane lanes[VERIFY_LANES];
};

/* verify-read.c */
int verify_lanes_create(struct verify *y);
void verify_lanes_free(struct verify *y);

/* Reads ->round; one of the two below follows. */
void verify_read_round(struct verify *y);

/* verify.c: all is there; or it is not, and what is wrong may go away. */
void verify_round_read(struct verify *y);
void verify_round_again(struct verify *y);

#endif
