/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Client of replicad's control socket: JSON-RPC 2.0, a line per message. */
#ifndef REPLICACTL_RPC_H
#define REPLICACTL_RPC_H

#include <jansson.h>
#include <stdbool.h>

#include "json-text.h"

#define RPC_DEFAULT_SOCKET	"/run/replica/replicad.sock"
#define RPC_WHY			400

struct rpc;

/* What went wrong: the exit status of DESIGN section 8, and a sentence. */
struct rpc_error {
	int exit_status;
	char text[RPC_WHY];
};

/*
 * Connects. No longer than 'seconds' is waited for that and for the answer of
 * the call that follows, together. 0, or -errno with *err filled;
 * -ECONNREFUSED or -ENOENT: it does not run.
 */
int rpc_open(struct rpc **rpc, const char *path, double seconds,
	     struct rpc_error *err);
void rpc_close(struct rpc *rpc);	/* NULL is fine */

/*
 * Calls a method; 'params' is taken over. The result is the caller's to
 * decref. NULL: *err tells why.
 */
json_t *rpc_call(struct rpc *rpc, const char *method, json_t *params,
		 struct rpc_error *err);

/*
 * Likewise, but the result is not read, only found: its text, until the next
 * call or the close. false: *err tells why.
 */
bool rpc_call_text(struct rpc *rpc, const char *method, json_t *params,
		   struct json_text *result, struct rpc_error *err);

/*
 * The params of the next notification, waiting as long as it takes. NULL: the
 * connection has ended, *err tells how.
 */
json_t *rpc_next(struct rpc *rpc, struct rpc_error *err);

/* Seconds that never go back, for who asks again until a time is over. */
double rpc_now(void);
/* A member of an answer; "" where there is none, or no text. */
const char *rpc_text(const json_t *o, const char *key);

#endif
