/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a stage has to do with any request of any client, in whatever order they
 * come: what Documentation/protocol.rst and stage.h promise, said once more and
 * with none of the stage's code. Data is not kept: a sector is the number from
 * which fill() makes its content, 0 for zeros.
 *
 * M1 of a request the model says that it is taken, or with which errors it may
 *    be refused. What is refused changes nothing, but that a commit takes its
 *    own epoch with it, and a full log the open one.
 * M2 an epoch is there, in each member, from the last member's commit on. It
 *    never changes; whether it is still kept is for who looks, by the options.
 * M3 one request comes after the other. Two that are under way at once are
 *    judged by trying both orders (unit-stage-any-order.c).
 */
#ifndef CLIENT_MODEL_H
#define CLIENT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "header.h"

#define WALK_SECTOR	512U
#define WALK_CHUNK	4096U
/* It grows over the place where its tail was. */
#define WALK_BYTES	((1U << 20) - (16U << 10))
#define WALK_BYTES_MAX	((1U << 20) + (48U << 10))
#define WALK_SECTORS	(WALK_BYTES_MAX / WALK_SECTOR)
#define WALK_MEMBERS	2
#define WALK_CONNS	6

/* What a request may be refused with. */
enum refusal {
	REFUSED_INVAL = 1 << 0,
	REFUSED_PERM = 1 << 1,
	REFUSED_SHUTDOWN = 1 << 2,
	REFUSED_NOSPC = 1 << 3,
};

/* The set of this -errno; 0 of 0; of any other all bits. */
unsigned int refusal_of(int err);

enum request_type {
	REQUEST_CONNECT,
	REQUEST_CLOSE,
	REQUEST_WRITE,
	REQUEST_ZERO,
	REQUEST_HEADER,
};

struct request {
	enum request_type type;
	unsigned int conn;
	unsigned int member;		/* connect */
	uint64_t off, len;
	uint32_t seed;			/* write: of sector i, seed + i */
	uint32_t digest;		/* write, zero: W2 */
	struct replica_header h;
	bool is_torn;			/* header: of a wrong checksum */
};

/* A commit. They are a list, the newest first, and never change. */
struct past {
	const struct past *before;
	struct past *made_before;	/* of all that were made */
	uint64_t epoch;
	bool is_clean;
	uint32_t image[WALK_MEMBERS][WALK_SECTORS];
};

struct conn_model {
	bool is_there;
	unsigned int member;
	uint64_t bytes;
	uint64_t token;			/* 0: no hello yet */
	struct replica_session session;
};

struct member_model {
	uint64_t bytes;
	uint64_t seq;			/* of the header as served; 0: none */
	uint64_t logged_seq;		/* of the newest that is durable */
	uint64_t token;			/* of the newest session; 0: no hello
					 * since the stage was opened */
	struct replica_header writer;	/* that hello */
	struct replica_session session;	/* as served */
	uint64_t generation;
	uint64_t cut_time;
	bool is_open, is_prepared;
	uint64_t promised_seq, promised_cut_time;
	uint64_t records, digest;
	uint32_t now[WALK_SECTORS];	/* committed, or partial */
	uint32_t next[WALK_SECTORS];	/* and with the open epoch */
};

struct client_model {
	unsigned int nr_members;
	uint64_t tokens;
	uint64_t seen, clean, partial;
	uint64_t logged_seen;		/* that is durable */
	uint64_t open;			/* 0: none */
	unsigned int nr_prepared;
	uint32_t kind;			/* that those have promised */
	const struct past *past;
	struct conn_model conns[WALK_CONNS];
	struct member_model members[WALK_MEMBERS];
};

void model_begin(struct client_model *m, unsigned int nr_members);

/* 0: it must be taken; else one of these errors. It has happened then. */
unsigned int model_step(struct client_model *m, const struct request *r);

/* The open epoch, if any, is gone. */
void model_drop_open(struct client_model *m);

/* The log is full: the open epoch, or what @r would have begun, is gone. */
void model_full(struct client_model *m, const struct request *r);

/*
 * The stage was opened again: no connection is left, nor an open epoch. @h: of
 * each member, as served. What was never said to be durable may be as it was,
 * or gone; false: it is neither.
 */
bool model_reopen(struct client_model *m, const struct replica_header *h);

#define MODEL_WHY	100

/* Is that what a stage may say of a member in the tail? Says why not. */
bool model_serves(const struct client_model *m, unsigned int member,
		  const struct replica_header *h, char *why);

/* The newest clean one, or NULL. */
const struct past *model_newest(const struct client_model *m);

/* Of all models: no list is good any more. */
void model_free_all(void);

#endif
