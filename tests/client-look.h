/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A walk of clients through a stage, and whether this shows what the model of
 * it says: the headers as served, the image, each epoch, the digests.
 */
#ifndef CLIENT_LOOK_H
#define CLIENT_LOOK_H

#include "client-steps.h"
#include "stage.h"

#define WALK_STEPS	400
#define WALK_LAST	16
#define HOUR_MS		3600000ULL

struct walk {
	struct dice dice;
	struct disk *d;
	struct stage *s;
	struct stage_options opts;
	struct stage_conn *conns[WALK_CONNS];
	struct client_model m;
	unsigned int nr_taken, nr_refused, nr_races, nr_opened;
	char last[WALK_LAST][200];	/* requests; the newest at nr_last */
	unsigned int nr_last;
	bool is_wrong;
};

/* A request, for who looks for what went wrong. */
void note(struct walk *w, const char *text);

/* The first one is told, with the last requests, and ends the walk. */
void wrong(struct walk *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct stage_volume *volume(struct walk *w, unsigned int member);

/* Does the stage say of each member what @m says? Else @why, MODEL_WHY. */
bool is_served(struct walk *w, const struct client_model *m, char *why);

/* That is wrong if not. */
void check_served(struct walk *w);

/* Images, history and digests; not @is_all: some of each. */
void check_all(struct walk *w, bool is_all);

#endif
