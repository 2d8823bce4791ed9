/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: JSON-RPC 2.0, one message a line, over a Unix socket.
 * Root, the daemon's own user and the group "replica" may do anything; others
 * are tenants (tenant.h). methods.c has the methods.
 */
#ifndef REPLICAD_CONTROL_H
#define REPLICAD_CONTROL_H

#include <jansson.h>
#include <stdbool.h>

#include "config.h"
#include "ring.h"

struct client;
struct control;
struct daemon;

#define CONTROL_MAX_REQUEST	(64 * 1024)
#define CONTROL_MAX_BACKLOG	(4 * 1024 * 1024) /* else it is too slow */

/* 0 or -errno with a sentence in @error. */
int control_create(struct control **control, struct daemon *daemon,
		   struct ring *ring, char error[CONFIG_ERROR_SIZE]);
/* Closes everything; before the ring is destroyed. NULL is fine. */
void control_close(struct control *control);
/* After the ring was destroyed. NULL is fine. */
void control_free(struct control *control);

/* For the listener of events: a line to everybody who wants them. */
void control_tell(struct control *control, const char *line);

/*
 * A request that is being answered. Its client may be gone when the answer
 * comes; then the answer is dropped.
 */
struct request {
	struct daemon *daemon;
	struct client *client;		/* a reference is held */
	json_t *id;			/* NULL: no answer is wanted */
	json_t *params;			/* an object */
	bool may_change;
	const char *user;		/* of a tenant, else "" */
	const char *notice;		/* notice.h: it has begun; NULL */
	/* Of one without a client: the answer goes here; @result: borrowed. */
	void (*answered)(void *arg, int exit_status, const char *text,
			 json_t *result);
	void *arg;
};

/* A request of our own; @params is taken over. NULL: no memory. */
struct request *request_create(struct daemon *daemon, json_t *params,
			       void (*answered)(void *arg, int exit_status,
						const char *text,
						json_t *result), void *arg);

/* A parameter: NULL where it is no text, or not there; false if not true. */
const char *request_text(const struct request *request, const char *key);
bool request_flag(const struct request *request, const char *key);

/* Either ends the request and frees it. @result is taken over. */
void request_answer(struct request *request, json_t *result);
/* @exit_status: what replicactl is to exit with (DESIGN.md 8). */
void request_refuse(struct request *request, int exit_status, const char *fmt,
		    ...) __attribute__((format(printf, 3, 4)));
/* From now on this client gets the events. */
void request_subscribe(struct request *request);

/* methods.c: takes one request; it is answered now or later. */
void method_call(struct request *request, const char *method);

#endif
