/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a peer may use up. There is one server for each pair, so the process's
 * limits are the peer's. Any thread; nothing here waits but quota_sum().
 *
 * Q1 a connection counts while somebody may be at its other end: not once a
 *    newer session has taken over, nor when it has been silent for
 *    QUOTA_SILENT_MS. So connections that broke without a word, which a server
 *    never notices, do not lock a primary out.
 */
#ifndef REPLICA_PLUGIN_QUOTA_H
#define REPLICA_PLUGIN_QUOTA_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "header.h"

#define QUOTA_SILENT_MS		300000

struct quota_user {
	struct quota_user *next;	/* quota->lock, as all below … */
	const void *volume;
	bool has_session;
	bool is_fenced;
	struct replica_session session;
	uint64_t last_ms;		/* … but this: atomic */
};

struct quota {
	pthread_mutex_t lock;
	unsigned int max_users;		/* set once; 0 = any number */
	uint64_t sum_rate;		/* set once; bytes a second, 0 = any */
	struct quota_user *users;	/* lock */
	uint64_t sum_free_ns;		/* lock: VOL@sum may go on then */
};

#define QUOTA_INIT	{ .lock = PTHREAD_MUTEX_INITIALIZER }

/* One more connection to @volume. 0, or -EUSERS with the sentence. */
int quota_join(struct quota *q, struct quota_user *u, const void *volume,
	       struct error *err);
void quota_leave(struct quota *q, struct quota_user *u);

/* @u is alive. */
void quota_touch(struct quota_user *u);

/* @u has said hello, and was accepted: older sessions of its volume are out. */
void quota_hello(struct quota *q, struct quota_user *u,
		 const struct replica_session *session);

/* Before @bytes are read for digests: sleeps as long as the rate wants. */
void quota_sum(struct quota *q, uint64_t bytes);

#endif
