/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A history as the control socket and "replicactl history --json" tell it.
 * Documentation/control-socket.rst has the fields.
 */
#ifndef REPLICAD_HISTORY_JSON_H
#define REPLICAD_HISTORY_JSON_H

#include <jansson.h>

struct history;

/* @target: where it is from. NULL: no memory. */
json_t *history_json(const struct history *h, const char *target);

#endif
