/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events in the grammar of "drbdsetup events2", for the programs that read it: a
 * word for what happened, one for the kind of object, then KEY:VALUE.
 */
#ifndef REPLICACTL_EVENTS2_H
#define REPLICACTL_EVENTS2_H

#include <jansson.h>
#include <stdbool.h>

/*
 * "exists volume …" for each volume of a status, or the one named, then
 * "exists -". What is printed is remembered in known (an object).
 */
void events2_exists(const json_t *status, const char *only, json_t *known,
		    bool has_time);

/* One event: "create", "change" or "destroy". */
void events2_change(const json_t *event, json_t *known, bool has_time);

#endif
