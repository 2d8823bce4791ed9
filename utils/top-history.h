/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The last lags of each volume, for the sparklines of "top". */
#ifndef REPLICACTL_TOP_HISTORY_H
#define REPLICACTL_TOP_HISTORY_H

#include <jansson.h>

#define HISTORY_LEN	32
#define SPARK_LEN	(3 * HISTORY_LEN + 1)	/* UTF-8 */

struct history;

struct history *history_create(void);
void history_destroy(struct history *history);

/* One sample of each volume of a status; what is gone is forgotten. */
void history_add(struct history *history, const json_t *volumes);

/*
 * The newest at the right, as many letters as given (at most HISTORY_LEN),
 * scaled to the largest; '.' where there was no lag. In ASCII where the locale
 * has no UTF-8 (is_plain). Returns buf.
 */
char *history_spark(const struct history *history, const char *volume,
		    int letters, int is_plain, char buf[SPARK_LEN]);

#endif
