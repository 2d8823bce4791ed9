/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions to targets, on behalf of the control socket: all on the main
 * thread. Those under way are counted, so that the daemon can stop.
 */
#ifndef REPLICAD_ASK_H
#define REPLICAD_ASK_H

#include "history.h"

struct daemon;

/*
 * As history_fetch_start(): @done comes once, later; *h is gone when it
 * returns. The target is a volume's, as its configuration has it. 0, or -errno
 * with a sentence and without a call.
 */
int ask_history(struct daemon *daemon, const char *target,
		history_done_fn *done, void *arg, struct error *err);

/* Those under way get -ECANCELED, later. */
void ask_cancel_all(struct daemon *daemon);

/*
 * The target that a request is about: what it says itself ("target"), else that
 * of its volume, or this site's own server of a replica; NULL: none of them,
 * *err tells.
 */
const char *ask_target(const struct daemon *daemon, const char *volume,
		       const char *target, struct error *err);

#endif
