/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fail-nth: what its operations (fail-nth-ops.c, fail-nth-tables.c) share with
 * the loop over n (fail-nth.c).
 */
#ifndef TESTS_FAIL_NTH_H
#define TESTS_FAIL_NTH_H

#include "dmr.h"

#define VOL	"fail-nth"
#define VIEW	"fail-nth-dmr-view"

struct op {
	const char *name;
	/* To the state from which it starts; nothing fails there. */
	void (*prepare)(void);
	/* It; -errno of the first of its calls that failed. */
	int (*run)(void);
	/* Its effect is there, all of it. */
	bool (*done)(void);
	/* Back to where prepare works, from before or after. */
	void (*undo)(void);
	/* What else a failure may leave; optional. */
	bool (*partly)(void);
};

/* The state of the volume before the operation and now; see fail-nth.c. */
extern struct dmr_get before, now;
extern uint64_t dev;			/* 0: there is none */
extern const char *origin, *meta;	/* paths */
extern uint64_t origin_sectors;
extern struct genl owner, looker;	/* sockets */

extern const struct op command_ops[], table_ops[];
extern const unsigned int nr_command_ops, nr_table_ops;

/* Nothing is injected meanwhile, so that it can't fail. */
void must(const char *what, int err);
/* Waits for the drain of a cut, and takes the state. False: no such device. */
bool look(struct dmr_get *get);

/* fail-nth-tables.c */
void make_volume(void);
void drop_volume(void);
void wipe_meta(void);

#endif
