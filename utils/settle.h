/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for volumes to replicate. */
#ifndef REPLICACTL_SETTLE_H
#define REPLICACTL_SETTLE_H

struct args;

/*
 * Until all volumes, or this one, replicate and have a consistent replica, no
 * longer than --wait says; on the way it tells what is waited for. STATUS_OK;
 * STATUS_DEGRADED at once, where no waiting would change it; else
 * STATUS_TIMEOUT, or what keeps the question from being answered. All but the
 * first have been told.
 */
int settle_wait(const struct args *args, const char *volume);

#endif
