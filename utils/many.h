/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For verbs that take many volumes at once: a group, a pool, or this host. */
#ifndef REPLICACTL_MANY_H
#define REPLICACTL_MANY_H

#include "cmd.h"

/* For the option list of such a verb. */
#define MANY_GROUP_OPTION \
	{ "group", "NAME", "all volumes of a group" }
#define DRY_RUN_OPTION \
	{ "dry-run", NULL, "only tell what would be done, or refused" }
#define MANY_OPTIONS \
	{ "pool", "NAME", "all volumes of a [pool]" }, \
	{ "host", NULL, "all volumes of this machine" }

/* Is a pool or the host named, or no volume? */
bool many_is_meant(const struct args *args);

/*
 * Adds who is meant to @params: VOLUME, --group, --pool or --host, exactly one
 * of them; else it is told, and an exit status.
 */
int many_put(const struct args *args, const char *verb, json_t *params);

/*
 * Prints the answer: of each volume its error or "NAME @done"; @already where
 * there was nothing to do. STATUS_FAILED if any has an error.
 */
int many_tell(const struct args *args, const json_t *result, const char *done,
	      const char *already);

/* Calls the method and tells; @params is taken over. An exit status. */
int many_call(const struct args *args, const char *method, json_t *params,
	      const char *done, const char *already);

#endif
