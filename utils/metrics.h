/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The status as OpenMetrics 1.0 text. Pure: an object as the method "status"
 * answers goes in, a text comes out. Nothing that could tell a secret or an
 * address is in it: of a volume only its name and its group.
 */
#ifndef REPLICACTL_METRICS_H
#define REPLICACTL_METRICS_H

#include <jansson.h>
#include <stddef.h>

#define METRICS_TYPE \
	"application/openmetrics-text; version=1.0.0; charset=utf-8"

/*
 * Allocated, *len bytes without the 0 at its end; NULL: no memory. status NULL:
 * replicad did not answer, and replica_up says so.
 */
char *metrics_render(const json_t *status, size_t *len);

#endif
