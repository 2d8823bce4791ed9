/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What oracle-target does to its clients, and when: each action in each phase
 * of an epoch, in random order. One at a time: after each, some images have to
 * come, so that each is shown to be survived; now and then the next strikes
 * during the recovery. Not thread-safe: the lock of the exports guards it.
 */
#ifndef TESTS_ORACLE_FAULT_H
#define TESTS_ORACLE_FAULT_H

#include "oracle-export.h"

enum action {
	ACTION_NONE,
	ACTION_CUT,		/* the connection breaks */
	ACTION_KILL,		/* the daemon is killed */
	ACTION_HANG,		/* no answer for a while */
	NR_ACTIONS,
};

struct fault {
	enum phase phase;
	enum action action;
	bool is_after;		/* the request is executed, not answered */
};

#define FAULTS_MAX	(NR_PHASES * (NR_ACTIONS - 1) * 2)

struct faults {
	unsigned int dice;
	struct fault order[FAULTS_MAX];
	unsigned int nr, next;
	struct fault armed;
	unsigned int countdown;		/* requests of the armed phase */
	uint64_t images_due;		/* before the next is armed */
	unsigned int done[NR_ACTIONS];
	bool is_seen[NR_PHASES][NR_ACTIONS][2];
	unsigned int nr_kinds;		/* of nr that were seen */
};

/* Without @kills nobody is killed. */
void faults_init(struct faults *f, unsigned int seed, bool kills);

/* What happens to this request, of which exports_phase() said @phase. */
struct fault faults_draw(struct faults *f, const struct exports *x,
			 enum phase phase);

unsigned int faults_below(struct faults *f, unsigned int limit);

#endif
