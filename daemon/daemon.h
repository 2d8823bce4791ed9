/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The process: its reactors, the volumes that it knows, and how it starts and
 * ends. Everything in struct daemon belongs to the first reactor's thread (the
 * main thread), which also serves the control socket.
 */
#ifndef REPLICAD_DAEMON_H
#define REPLICAD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "events.h"
#include "hooks.h"
#include "options.h"
#include "reactor.h"
#include "ring.h"

struct ask;
struct control;
struct kernel_ops;
struct op;
struct testdev;

/* A volume that is to be replicated, whether it runs or not. */
struct entry {
	struct entry *next;
	struct volume_config *config;
	struct reactor *reactor;	/* where it runs; NULL = it does not */
	bool is_disabled;		/* only its take-out failed */
	int err;			/* -errno: why it does not … */
	char error[CONFIG_ERROR_SIZE];	/* … in words … */
	char told[CONFIG_ERROR_SIZE];	/* … and what was logged of that */
};

struct daemon {
	struct config config;
	const struct options *options;
	const struct kernel_ops *kernel_ops;
	struct events events;
	struct hooks hooks;
	unsigned int nr_hooks;		/* under way, of what was owed */
	struct reactor *reactors;
	unsigned int nr_reactors;
	unsigned int next_reactor;	/* for the next new group */
	struct entry *entries;
	struct op *ops, **last_op;	/* one runs at a time: the first */
	struct op *aside;		/* ops-aside.c */
	struct ask *asks;		/* under way */
	struct testdev *testdevs;
	struct pairing *pairings;
	unsigned int nr_joins;		/* under way */
	struct promotion *promotions;
	unsigned int nr_promotions;	/* under way */
	unsigned int nr_methods;	/* that work on a thread … */
	unsigned int nr_recoveries;	/* … of these: recover */
	struct resolution *resolutions;	/* under way */
	struct resolve_local *keeping;	/* resolve.h R7; under way */
	struct control *control;
	struct ring_signal signal;
	struct ring_timer retry;	/* of entries that do not run */
	struct entry *may_ask;		/* B3: whose turn it is */
	uint64_t started_ns;
	bool is_starting;		/* groups are started at its end */
	bool is_reloading;		/* of reload.c */
	bool is_stopping;
	bool is_wrapped_up;		/* groups are being stopped */
	char runtime_path[500];		/* STATE_DIR/volumes.conf */
};

/* The whole program. Returns the exit status. */
int daemon_main(int argc, char **argv, const struct kernel_ops *kernel_ops);

/* Starts the clean stop; returns at once. */
void daemon_stop(struct daemon *daemon);

/* Something that a stop waits for has ended: go on with it, if there is one. */
void daemon_wrap_up(struct daemon *daemon);

/*
 * activation_ask(), if it is the entry's turn (B3 in activation-ask.c); else
 * what it was told last, or -EAGAIN. Blocks; for the job of an op.
 */
int daemon_ask(struct daemon *daemon, const struct entry *entry,
	       char error[CONFIG_ERROR_SIZE]);

/* A verb other than recover is under way, perhaps between two of its steps. */
bool daemon_is_at_verb(const struct daemon *daemon);

struct entry *daemon_find(const struct daemon *daemon, const char *name);
/* Takes the config over. NULL when out of memory (the config is freed). */
struct entry *daemon_add(struct daemon *daemon, struct volume_config *config);
void daemon_remove(struct daemon *daemon, struct entry *entry);
/* Why it does not run was logged: only another reason is. NULL is fine. */
void daemon_note_told(struct entry *entry);
/* Writes volumes.conf. 0 or -errno. */
int daemon_save(struct daemon *daemon);

#endif
