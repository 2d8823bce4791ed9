/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One frame of "top": lines that fit the terminal, sent in one write. */
#ifndef REPLICACTL_TOP_SCREEN_H
#define REPLICACTL_TOP_SCREEN_H

#include <jansson.h>
#include <stdio.h>

struct history;

struct screen {
	int columns, lines;		/* of the terminal */
	int used;			/* lines so far */
	FILE *out;			/* the frame */
	char *text;
	size_t len;
};

void screen_begin(struct screen *screen);

/* status NULL: replicad does not answer. */
void screen_status(struct screen *screen, const json_t *status,
		   const struct history *history);

void screen_end(struct screen *screen);

#endif
