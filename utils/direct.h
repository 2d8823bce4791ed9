/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asking a target without replicad, and the words --target takes. */
#ifndef REPLICACTL_DIRECT_H
#define REPLICACTL_DIRECT_H

#include <jansson.h>

#include "args.h"

/*
 * The URI of --target, with the volume (the first word, if there is one) as its
 * export if it names none. Allocated; NULL without --target, or if *status is
 * set: the failure has been told.
 */
char *direct_target(const struct args *args, int *status);

/* What the method "history" answers, from the server itself. As ctl_call(). */
json_t *direct_history(const struct args *args, const char *target,
		       int *status);

/* From replicad, or with --target from there. */
json_t *history_get(const struct args *args, int *status);

/* For people: a few lines on the replica as a whole; cmd-history.c. */
void history_print_head(const json_t *history);

#endif
