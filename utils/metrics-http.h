/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The metrics over HTTP, by libmicrohttpd. */
#ifndef REPLICACTL_METRICS_HTTP_H
#define REPLICACTL_METRICS_HTTP_H

#include "args.h"

/*
 * Serves GET /metrics until SIGINT or SIGTERM. where: "PORT" (loopback),
 * "ADDRESS:PORT", "[V6]:PORT". An exit status; a failure has been told.
 */
int metrics_serve(const struct args *args, const char *where);

#endif
