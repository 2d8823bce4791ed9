/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the files ops-*.c: what an op is made of. */
#ifndef REPLICAD_OPS_IMPL_H
#define REPLICAD_OPS_IMPL_H

#include "made.h"
#include "ops.h"

/* Not in the line yet. NULL: no memory. */
struct op *op_create(struct daemon *daemon, const char *name,
		     void (*start)(struct op *op),
		     void (*done)(struct op *op), void *arg);
struct op *op_put_in_line(struct op *op);
/* ops-again.c: A3; before @op's own done(). */
void op_end_joined(struct op *op);

/* Each is the last thing that a step does (O1). */
void op_finish(struct op *op);
/* On the main thread: ->entry, of ->name; false: none, and the op has ended. */
bool op_find_entry(struct op *op);
/* The same of ->config: may it be enabled? false: the op has ended. */
bool op_check_enable(struct op *op);
/* @step on the reactor of the volume ->name; or an error. */
void op_go_to_volume(struct op *op, void (*step)(struct op *op));
/*
 * On the main thread, of an ->entry that runs: it leaves its group, and its
 * target stays in the device. Then @left, on the main thread.
 */
void op_leave(struct op *op, void (*left)(struct op *op));
/* On the main thread: starts ->entry, and ends the op. */
void op_start_entry(struct op *op);
/* The same: takes the volume ->name out. */
void op_start_disable(struct op *op);
void op_run_on(struct op *op, struct reactor *reactor,
	       void (*step)(struct op *op));
void op_run_on_main(struct op *op, void (*step)(struct op *op));
/* On the main thread: @blocking on a thread of its own, then @step here. */
void op_run_job(struct op *op, void (*blocking)(struct ring_job *job),
		void (*step)(struct op *op));
/* Blocks. What is disabled stays, also where its making has not ended (V2). */
int op_settle_record(struct op *op);
/* On the group's reactor. In @stopped, op_of_group() is @op. */
void op_stop_group(struct op *op, struct group *group,
		   void (*stopped)(struct group *group));
struct op *op_of_group(struct group *group);

/* Of the first in the line, which goes on: the others, too. */
void op_leave_line(struct op *op);

/* --- ops-aside.c: ops that take long -------------------------------------- */

/*
 * Of the op that runs, as op_run_job(), but for how long: others run meanwhile,
 * unless they are of ->name (S1), or of ->from (S2). @step in the line again.
 */
void op_run_aside(struct op *op, void (*blocking)(struct ring_job *job),
		  void (*step)(struct op *op));
void op_end_aside(struct op *op);
/* S1, S2. false: one that is aside has what it is about, and it has ended. */
bool op_may_start(struct op *op);
/* S2: is this snapshot of ->name being read? */
bool op_is_read(const struct op *op, const char *snapshot);

/* --- ops-make.c: of volumes that drivers make ---------------------------- */

/* As op_create(), with room for a record. */
struct op *op_create_made(struct daemon *daemon, const char *name,
			  void (*start)(struct op *op), op_done_fn *done,
			  void *arg);
/* false: there is none, or none that can be read, and the op has ended. */
bool op_load_made(struct op *op);
/*
 * The same of what may be used, in @m: what was promoted is ->promoted, and @m
 * what that stands on; what is the base of a replica is refused (V7).
 */
bool op_load_used(struct op *op, const char *name, struct made *m);
/* M1: false, and ->err, if it is not the primary any more that was loaded. */
bool op_is_promoted_still(struct op *op);
/* On the main thread: V2, V3, V5, V8 of the volume ->name; ends the op. */
void op_start_recover_made(struct op *op);
/* What the base of @name is of a volume that is not made here; NULL: of none
 * (V7). */
const char *op_other_use(const struct op *op, const char *name);
/* "volume NAME @what"; ends the op. */
void op_refuse_made(struct op *op, int err, const char *what);
void op_take_error(struct op *op, const struct error *err);
/* Blocks. ->made, at this step. */
int op_save_made(const struct op *op, enum made_step step, struct error *err);
/*
 * Blocks. ->made, which says that it, or this snapshot of it (not NULL), goes;
 * 0 also where the record that is there says so as well (V10).
 */
int op_save_deleting(const struct op *op, const char *snapshot,
		     struct error *err);
/* Blocks. ->made, as it was before what @err tells was refused (V6). */
void op_note_refused(const struct op *op, const char *until,
		     struct error *err);
void op_note_step(const struct op *op, const char *step);
/* ops-snapshot.c: V8, of a record that was loaded; ends the op. */
void op_recover_snapshots(struct op *op);
/* Blocks: V8, V10. 0 or -errno with a sentence. */
int op_drop_unended(const struct op *op, struct error *err);
/* V9: what is left of one that was not taken is none. */
bool op_has_snapshots(const struct op *op);

#endif
