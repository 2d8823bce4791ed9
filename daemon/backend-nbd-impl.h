/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the NBD backend share: backend-nbd.c (connections, and what
 * must hold), backend-nbd-call.c (requests).
 */
#ifndef REPLICA_BACKEND_NBD_IMPL_H
#define REPLICA_BACKEND_NBD_IMPL_H

#include "backend-impl.h"
#include "nbd.h"
#include "ring.h"

#define NBD_MAX_LINKS	16
#define NBD_MAX_EXPORT	256	/* bytes of its name that we keep */

enum nbd_backend_state { OPENING, JOINING, UP, FAILED, CLOSING };

struct nbd_backend;
struct call;

struct link {
	struct nbd_backend *nb;
	struct nbd_conn *conn;		/* NULL: none, or closed */
	uint64_t load;			/* of requests without an answer */
	unsigned int failed_writes;
	bool is_ready;
};

struct nbd_backend {
	struct backend base;
	enum nbd_backend_state state;
	bool was_up;
	int err;			/* why FAILED, and in words: */
	char why[sizeof(((struct backend *)0)->error)];
	unsigned int nr_links, nr_settling;
	struct link links[NBD_MAX_LINKS];
	struct link *current;		/* gets the next requests … */
	uint64_t burst;			/* … until this is enough */
	struct link sum;		/* N4 */
	unsigned int nr_lost_sums;	/* one after the other */
	struct call *waiting;		/* until it is up; the newest first */
	char export[NBD_MAX_EXPORT];	/* as the server calls it */
	struct ring_work ended;		/* the last connection is down */
	void (*closed)(void *arg);
	void *closed_arg;
};

static inline struct nbd_backend *to_nbd(struct backend *b)
{
	return container_of(b, struct nbd_backend, base);
}

/* backend-nbd-call.c */
extern const struct backend_ops nbd_backend_ops;

/* What waits for the connection to the digests: ask, or give up. */
void nbd_backend_ask_waiting(struct nbd_backend *nb);
void nbd_backend_refuse_waiting(struct nbd_backend *nb, int err);

/* backend-nbd.c. The first begins to connect nb->sum: 0 or -ENOMEM. */
int nbd_backend_connect_sum(struct nbd_backend *nb);
void nbd_backend_close(struct backend *b, void (*closed)(void *arg),
		       void *arg);

#endif
