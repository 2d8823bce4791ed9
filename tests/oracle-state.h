/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that a writer and its checkers share: the plan, and for each chain
 * how far it is. It is mapped; the writer alone changes the counters, each with
 * a release store after (completed) or before (issued) the write itself.
 */
#ifndef TESTS_ORACLE_STATE_H
#define TESTS_ORACLE_STATE_H

#include <stdatomic.h>

#include "oracle-image.h"

struct oracle_state {
	uint64_t magic;
	struct oracle_plan plan;
	atomic_uint stop;		/* anyone: the writer is to end */
	atomic_uint stopped;		/* the writer: it has ended well */
	atomic_uint failed;		/* the writer: a write failed */
	struct {
		_Atomic uint64_t issued;
		_Atomic uint64_t completed;
	} chain[ORACLE_CHAINS_MAX];
};

/* A new state file with that plan. Returns 0 or -errno. */
int oracle_state_create(const char *path, const struct oracle_plan *plan,
			struct oracle_state **state);
/* -EINVAL: it is not a state file. */
int oracle_state_open(const char *path, struct oracle_state **state);
/*
 * One that is on a disk, or in a file, which need not allow to be mapped: a
 * copy of it in memory, with all flags clear. *fd is for oracle_state_save,
 * which writes it back, so that all that was stored before is there; one at a
 * time. Whoever maps the disk's own file sees that at once. 0 or -errno.
 */
int oracle_state_load(const char *path, struct oracle_state **state, int *fd);
int oracle_state_save(const struct oracle_state *state, int fd);
void oracle_state_close(struct oracle_state *state);

/* What had surely completed by now. */
void oracle_state_completed(struct oracle_state *state,
			    struct oracle_bounds *bounds);
/* What can have been issued until now. */
void oracle_state_issued(struct oracle_state *state,
			 struct oracle_bounds *bounds);

#endif
