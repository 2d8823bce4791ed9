/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A question before data could be lost, and its option --yes. */
#ifndef REPLICACTL_CONFIRM_H
#define REPLICACTL_CONFIRM_H

#include "cmd.h"

enum confirm {
	CONFIRM_PEOPLE,		/* scripts have said it by another option */
	CONFIRM_ALWAYS,		/* scripts must say --yes */
};

/* For the option list of a verb that asks: --yes. */
#define CONFIRM_OPTION \
	{ "yes", NULL, "do not ask: what could be lost may be lost" }

/*
 * STATUS_OK: go on. Else it has been told that nothing has changed. The text
 * is one or two sentences on what could be lost; the question is added.
 */
int confirm(const struct args *args, enum confirm who, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Whether a question would be put: it may need to be prepared. */
bool confirm_asks(const struct args *args);

#endif
