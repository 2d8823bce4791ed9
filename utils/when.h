/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Moments: as people write them, and as they read them. */
#ifndef REPLICACTL_WHEN_H
#define REPLICACTL_WHEN_H

#define WHEN_LEN	32

/*
 * "2026-11-27 18:30[:15]", "2026-11-27T18:30:15" (local), the same with a "Z"
 * (UTC), "18:30[:15]" (the last time that it was), "10m ago", "@1700000000".
 * Seconds since 1970; @now is that, too. 0, or -1: it is none of these.
 */
int when_parse(const char *text, double now, double *seconds);

/* "2026-11-27 18:30:15.123", local; returns buf. */
char *when_print(char buf[WHEN_LEN], double seconds);

#endif
