/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs of the operator that are run when a volume's life takes a turn:
 * HOOKS/NAME, by the names below. replicad(8) tells what they are given.
 *
 * Q1 only a file is run that nobody but root, or our own user, can have put
 *    there: it, its folder, and those above that. One that is not so refuses
 *    where a hook can refuse; so does a folder that was named and is missing
 *    (not mounted, say): what stands there, nobody knows.
 * Q2 a hook ends within its time, or is ended with its process group, and has
 *    then failed. What one that ends leaves behind is not waited for.
 * Q3 what is owed is on disk before the step that it follows, and is taken off
 *    when the hook has ended: so it is run once at least, whatever kills us.
 *    The others are not owed: their step has not been done yet, or is taken
 *    again by the next process.
 */
#ifndef REPLICAD_HOOKS_H
#define REPLICAD_HOOKS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define HOOKS_DEFAULT_DIR	"/etc/replica/hooks"

enum hook {
	HOOK_BEFORE_PROMOTE,	/* may refuse: nothing has been done yet */
	HOOK_AFTER_PROMOTE,	/* owed; the device is there */
	HOOK_BEFORE_DEMOTE,	/* may refuse; the device may be in use */
	HOOK_AFTER_DEMOTE,	/* owed; the site is given up */
	HOOK_SUPERSEDED,	/* each time that state begins */
	HOOK_BEFORE_SYNCING,	/* may refuse: the target has no image yet */
	HOOK_NR
};

/* Set once, before there are threads. */
struct hooks {
	const char *dir;		/* NULL = none */
	bool must_exist;		/* @dir, if it was named */
	const char *state_dir;
	const char *socket;
	uint64_t limit_ms;
	const bool *is_stopping;	/* then a hook is ended, and failed */
};

struct hook_call {
	enum hook hook;
	char volume[64];		/* of a group: the first … */
	char *volumes;			/* … and all, with spaces between, or
					 * NULL: it alone. hook_call_clear() */
	char group[64];			/* "" = it is alone */
	char device[PATH_MAX];
	uint64_t epoch, generation;	/* 0 = not known */
	char reason[256];
	const bool *stop;		/* as is_stopping; may be NULL */
};

const char *hook_name(enum hook hook);

/* One more of its ->volumes. 0 or -ENOMEM. */
int hook_call_add(struct hook_call *call, const char *volume);
void hook_call_clear(struct hook_call *call);

/* Logs what is wrong with the folder, if anything: at the start. */
void hooks_check(const struct hooks *hooks);

/* Is there something to run, or to refuse? @hooks may be NULL: no. */
bool hooks_has(const struct hooks *hooks, enum hook hook);

/*
 * Runs it, if there is one; its output goes to the log. Blocks; any thread. 0;
 * -EPERM and why: it has failed, and what it may refuse is refused; -ECANCELED:
 * it was to stop. Of one that may not refuse, a failure is logged.
 */
int hooks_run(const struct hooks *hooks, const struct hook_call *call,
	      struct error *err);

/* Q3. Any thread. Durable when it returns 0. Nothing to do without a hook. */
int hooks_owe(const struct hooks *hooks, const struct hook_call *call,
	      struct error *err);
/* Runs it if it is owed. Blocks; any thread. */
void hooks_pay(const struct hooks *hooks, enum hook hook, const char *volume);
/* Not owed any more: the step that it follows was not done. Any thread. */
void hooks_waive(const struct hooks *hooks, enum hook hook, const char *volume);
/* Calls @each for each volume that is owed it. */
void hooks_each_owed(const struct hooks *hooks, enum hook hook,
		     void (*each)(void *arg, const char *volume), void *arg);

#endif
