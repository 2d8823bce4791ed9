/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hook as a process: what it is given, how long, and how it ends (Q2). */
#ifndef REPLICAD_HOOK_PROCESS_H
#define REPLICAD_HOOK_PROCESS_H

#include "hooks.h"

/*
 * 0: it has ended with status 0. -EPERM and why: otherwise, or not in time;
 * -ECANCELED: it was to stop, and has been ended; -errno: it was not begun.
 */
int hook_process_run(const struct hooks *hooks, const struct hook_call *call,
		     const char *path, struct error *err);

#endif
