/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the verbs of many volumes (methods-many.c). All on the main thread. */
#ifndef REPLICAD_METHODS_MANY_H
#define REPLICAD_METHODS_MANY_H

#include <jansson.h>
#include <stdbool.h>

#include "config.h"
#include "config-target.h"

struct request;

struct many {
	struct request *request;
	/*
	 * Begins with the volume that is next. false: many_note() has told how
	 * that went; true: it will, and then comes many_go_on().
	 */
	bool (*start)(struct many *m, const char *name);
	json_t *volumes;		/* of the answer */
	size_t next;
	struct config files;		/* of enable, else empty */
	bool is_starting, is_told;	/* of failover: inside of start() */
};

/* Is it of one "volume", and nothing else? */
bool many_is_one(const struct request *request);
/* Who is meant: by volume, group, pool, or host. false: it was refused. */
bool many_scope(struct request *request, struct scope *scope);
/* The name of the pool or the group; NULL: the host. */
const char *many_name(const struct scope *scope);

/* NULL: it was refused. */
struct many *many_create(struct request *request,
			 bool (*start)(struct many *m, const char *name));
/* Its part of the answer; the last, so far. */
json_t *many_add(struct many *m, const char *name);
/* Ends both. */
void many_refuse(struct many *m, int exit_status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void many_free(struct many *m);

/* The request is answered when the last was noted, perhaps inside the call. */
void many_run(struct many *m);
void many_go_on(struct many *m);
/* How the next one went (NULL: well), and its part of the answer. */
json_t *many_note(struct many *m, const char *error);
/* The same of a part of the answer: one that comes later is not started. */
void many_set(json_t *one, const char *error);

#endif
