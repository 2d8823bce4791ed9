/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration as it is in force, and where each value is from. */
#ifndef REPLICAD_CONFIG_SHOW_H
#define REPLICAD_CONFIG_SHOW_H

#include <jansson.h>

struct config;

/*
 * An array with, for each section, {"section", "file", "line", "keys"}; "keys"
 * has {"key", "value", "origin"}, of which "value" may be null. The origin is
 * FILE:LINE, "default", or "type NAME" and the like. Without secrets (N4). The
 * caller's; NULL: no memory.
 */
json_t *config_json(const struct config *config);

/* A text without the PASSWORD of USER:PASSWORD@, if it is a URI (N4). */
json_t *config_without_password(const char *text);

#endif
