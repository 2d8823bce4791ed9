/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an operator asks for, and what starting and stopping are made of. An op
 * walks from thread to thread: the main one, a job's (device-mapper), a
 * reactor's, and back; op->done() is called on the main thread. One at a time,
 * in the order in which they came, but for what is only tried again (A2 in
 * ops-again.c), and what copies a volume (ops-aside.c); a status does not wait
 * in that line.
 */
#ifndef REPLICAD_OPS_H
#define REPLICAD_OPS_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"
#include "daemon.h"
#include "kernel.h"
#include "ring.h"

struct group;
struct look;
struct made;
struct promoted;
struct volume;

typedef void op_done_fn(struct op *op);

struct op {
	struct op *next;		/* in the line, or of those joined */
	struct daemon *daemon;
	void (*start)(struct op *op);	/* on the main thread */
	op_done_fn *done;
	void *arg;			/* of done() */
	int err;			/* 0 or -errno … */
	char error[CONFIG_ERROR_SIZE];	/* … and its sentence */
	json_t *result;			/* freed with the op */
	/* private to ops.c */
	struct ring_work work;
	struct ring_job job;
	void (*step)(struct op *op);
	struct reactor *reactor;
	unsigned int reactor_index;
	struct entry *entry;
	struct volume_config *config;
	struct volume_config *next_config;
	void (*left)(struct op *op);	/* instead of taking out */
	struct volume *volume;
	struct group *group;
	struct look *look;		/* status: by the first reactor */
	struct made *made;		/* these three are of ops-make.c */
	uint64_t bytes, before_bytes;	/* extend: of the device, then */
	uint64_t made_id;		/* unmake: only that; 0 = whatever is */
	struct promoted *promoted;	/* extend, grow, snapshot, make of that;
					 * NULL: it was not promoted */
	struct made *from;		/* make: a clone of it; NULL: empty */
	char snapshot[64];		/* of ops-snapshot.c, or of from */
	struct kernel_device device;
	char name[64];
	struct ring_timer timer;	/* resync */
	uint64_t until_ns;
	bool is_in_line;
	bool is_aside;			/* ops-aside.c; in … */
	struct op *next_aside;		/* … daemon->aside */
	bool is_copying;		/* make, snapshot: the driver has to */
	atomic_ullong copied_bytes;	/* … which has so many */
	bool is_late;			/* ops-again.c, ops-replace.c: nothing
					 * was done */
	bool yields;			/* A2 */
	bool is_joined;			/* A3: to another one, of which … */
	struct op *joined;		/* … this is the list */
	bool is_promoted;		/* start: of promotion.h (T8), … */
	bool may_go;			/* … which may go on now */
	bool is_full;			/* resync all; verify and repair */
	bool is_stop;			/* the verify */
	bool is_noticed;		/* extend: nobody has asked for it */
	bool is_dry;			/* make, grow: it is only looked at */
	bool is_left_open;		/* make: op_make_settle() follows;
					 * disable: op_unmake() does */
};

/*
 * Each takes @done, which must call op_free(). NULL when out of memory. The
 * config of enable is taken over.
 */
struct op *op_enable(struct daemon *daemon, struct volume_config *config,
		     op_done_fn *done, void *arg);
struct op *op_disable(struct daemon *daemon, const char *name,
		      op_done_fn *done, void *arg);
/*
 * What both would look at first, and no more (--dry-run). ->result: what it is
 * of, as the configuration says.
 */
struct op *op_look_enable(struct daemon *daemon, struct volume_config *config,
			  op_done_fn *done, void *arg);
struct op *op_look_disable(struct daemon *daemon, const char *name,
			   op_done_fn *done, void *arg);
/* As op_disable(), of one whose making is undone: its record does not say "ready". */
struct op *op_undo_enable(struct daemon *daemon, const char *name,
			  op_done_fn *done, void *arg);
struct op *op_pause(struct daemon *daemon, const char *name, op_done_fn *done,
		    void *arg);
struct op *op_resume(struct daemon *daemon, const char *name,
		     op_done_fn *done, void *arg);
/*
 * All of it is shipped: by digest first, or as it is (@is_full). It ends when a
 * crash cannot make that forgotten any more (U6 in continuity.c).
 */
struct op *op_resync(struct daemon *daemon, const char *name, bool is_full,
		     op_done_fn *done, void *arg);
/* Starts to verify, or stops it; how it goes is in the status. */
struct op *op_verify(struct daemon *daemon, const char *name, bool is_repair,
		     bool is_stop, op_done_fn *done, void *arg);
/*
 * The volume takes up what its origin has more. @is_noticed: the kernel has
 * done so already; without that it is an error if there is no more. ->result:
 * "size_bytes" and "before_bytes".
 */
struct op *op_extend(struct daemon *daemon, const char *name, bool is_noticed,
		     op_done_fn *done, void *arg);
/*
 * The volume has @config (taken over) from now on, or is not replicated any
 * more (NULL); in either case its target stays in the device. One that is not
 * there is added. How its start goes is in its status too.
 */
struct op *op_replace(struct daemon *daemon, const char *name,
		      struct volume_config *config, op_done_fn *done,
		      void *arg);
/*
 * A volume is made, by its record (made.h); @is_left_open: not for good until
 * op_make_settle(). ->result: what became of it. And the reverse, which is
 * refused while it is replicated. @is_dry: only what it begins with is looked
 * at, and nothing made.
 */
struct op *op_make(struct daemon *daemon, const struct made *m,
		   bool is_left_open, bool is_dry, op_done_fn *done, void *arg);
/* The same, with what @from has; @snapshot: "" is its base, as it is now. */
struct op *op_clone(struct daemon *daemon, const struct made *m,
		    const char *from, const char *snapshot, bool is_left_open,
		    bool is_dry, op_done_fn *done, void *arg);
/* The clone @name that is being copied now; NULL. ->copied_bytes of it. */
const struct op *op_find_aside(const struct daemon *daemon, const char *name);
/* One that copies @volume, or a snapshot of it; NULL. */
const struct op *op_find_reader(const struct daemon *daemon,
				const char *volume);
unsigned int ops_aside(const struct daemon *daemon);
struct op *op_make_settle(struct daemon *daemon, const char *name,
			  op_done_fn *done, void *arg);
struct op *op_unmake(struct daemon *daemon, const char *name, op_done_fn *done,
		     void *arg);
/* The same of the record with this id; -ENOENT also where it has another. */
struct op *op_unmake_that(struct daemon *daemon, const char *name, uint64_t id,
			  op_done_fn *done, void *arg);
/*
 * What it is made of becomes so large; op_extend() takes that up. ->result as
 * there. @is_dry: as of op_make().
 */
struct op *op_grow(struct daemon *daemon, const char *name, uint64_t bytes,
		   bool is_dry, op_done_fn *done, void *arg);
/*
 * A snapshot of a volume that was made here is taken, or dropped, by its name.
 * ->result: what became of it.
 */
struct op *op_snapshot(struct daemon *daemon, const char *name,
		       const char *snapshot, op_done_fn *done, void *arg);
struct op *op_drop_snapshot(struct daemon *daemon, const char *name,
			    const char *snapshot, op_done_fn *done, void *arg);
/* At a start, before any other: V2, V3, V5 and V8 in made.h. */
void ops_recover_made(struct daemon *daemon);
/*
 * ops-again.c: try what could not be done before. By name: what it is about may
 * have come, gone or changed by their turn; then they end well, ->is_late.
 */
/* Starts one that does not run. */
struct op *op_start(struct daemon *daemon, const char *name, op_done_fn *done,
		    void *arg);
/*
 * These stand behind all others, and are late when replicad stops. ->is_joined:
 * it ended as another one did, with ->err and ->is_late, and without ->result.
 */
/* The same, and its target is asked (B3). */
struct op *op_start_asking(struct daemon *daemon, const char *name,
			   op_done_fn *done, void *arg);
/* Takes out one that was disabled, and is in its device still. */
struct op *op_take_out(struct daemon *daemon, const char *name,
		       op_done_fn *done, void *arg);
/* A wait until its target is tried again is over. */
struct op *op_try_now(struct daemon *daemon, const char *name,
		      op_done_fn *done, void *arg);
/* As ops_recover_made(), one of them, unless a verb is under way. */
struct op *op_made_again(struct daemon *daemon, const char *name,
			 op_done_fn *done, void *arg);
/* Starts all groups that are disabled. */
struct op *op_start_groups(struct daemon *daemon, op_done_fn *done, void *arg);
/* Stops all groups, aborting what is not finished soon, and frees them. */
struct op *op_stop_all(struct daemon *daemon, op_done_fn *done, void *arg);
/* ->result: an array with an object for each volume, or @only (not NULL). */
struct op *op_status(struct daemon *daemon, const char *only,
		     op_done_fn *done, void *arg);

void op_free(struct op *op);

#endif
