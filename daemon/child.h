/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that runs as long as we want it to, and not longer than the daemon.
 *
 * H1 the child has no descriptor of ours but 0 (/dev/null), 1, 2 and what it
 *    is given as 3, blocks no signal and ignores none, and is in a group of
 *    processes of its own.
 * H2 ended() comes once, when it has been reaped; before that its pid is not
 *    anybody else's.
 * H3 it gets SIGTERM when the ring's thread ends, whatever ends that, and while
 *    the program is still being started, too (which it can't see to itself: we
 *    may be gone before it asks for that).
 */
#ifndef REPLICAD_CHILD_H
#define REPLICAD_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "ring.h"

struct child {
	struct ring *ring;
	pid_t pid;			/* 0: it does not run */
	int pidfd;
	int give;			/* is its 3; 0: it has none. Caller's */
	struct ring_op poll;
	/* @status: as wait() gives it. The child may be started again. */
	void (*ended)(struct child *child, int status);
};

/*
 * Starts @argv, found in PATH. What it prints goes to @log (may be -1), which
 * stays the caller's. 0, or -errno without a call of ended().
 */
int child_start(struct child *child, struct ring *ring, char *const argv[],
		int log);

/* Harmless if it does not run. */
void child_signal(struct child *child, int signo);

static inline bool child_runs(const struct child *child)
{
	return child->pid != 0;
}

#endif
