/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For verbs that read the configuration themselves, and need no replicad. */
#ifndef REPLICACTL_LOAD_H
#define REPLICACTL_LOAD_H

#include "cmd.h"
#include "config.h"
#include "options.h"

/* For the option list of such a verb. */
#define LOAD_OPTIONS \
	{ "config", "FILE", "this one (" OPTIONS_DEFAULT_CONFIG ")" }, \
	{ "state-dir", "DIR", "where replicad keeps what was changed at run " \
	  "time" }

/* As replicad would read it. STATUS_OK, or what was wrong has been told. */
int load_config(const struct args *args, struct config *config);

#endif
