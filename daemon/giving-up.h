/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume whose data count no more here: nobody writes to it, until it is
 * disabled, or enabled anew. On the thread of its group.
 *
 *	no -[begin]-> begun -[finish]-> done -[forget]-> begun -[adopt]-.
 *	^-----------[undo, adopt; when the role is durable]-------------'
 */
#ifndef REPLICAD_GIVING_UP_H
#define REPLICAD_GIVING_UP_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "error.h"

struct volume;

/*
 * Writers of the volume's group wait, for @ms at most. 0, -EAGAIN, or another
 * -errno with a sentence.
 */
int giving_up_hold(struct volume *v, unsigned int ms, struct error *err);

/*
 * A write gets an error from now on, and one that waits, too. @role: READONLY
 * where it is to be read still, else SECONDARY. -EAGAIN: an epoch is open. What
 * the disk refuses is known before any of them is closed.
 */
int giving_up_begin(struct volume *const *all, unsigned int nr, uint32_t role,
		    struct error *err);

/* By what GET said last: is the role on its metadata device? */
bool giving_up_is_durable(const struct volume *v);

/*
 * The point of no return: all of them, or none. Several are of one group. Their
 * group is superseded after it. -errno: giving_up_undo() is to be called.
 */
int giving_up_finish(struct volume *const *all, unsigned int nr,
		     struct error *err);

/*
 * They go on as they were: all of them, before one that waits goes on. Nothing
 * to do where it was not begun, or is done.
 */
void giving_up_undo(struct volume *const *all, unsigned int nr);

/* A volume has its identity: what was noted of its group counts, too. */
void giving_up_load(struct volume *v);

/* A volume joins, after ATTACH: what a process before us has left. */
int giving_up_adopt(struct volume *v, char error[CONFIG_ERROR_SIZE]);

/* An operator enables it: before it joins. */
void giving_up_forget(struct volume *v);

/* After each GET. */
void giving_up_look(struct volume *v);

/* Its role is ours: begun, or done. */
bool giving_up_is_on(const struct volume *v);

/* By what is on disk: is it done? 1, 0, or -errno: nobody knows. Any thread. */
int giving_up_is_noted(const char *state_dir, const char *name);

/* Says to the group that it is given up. */
void giving_up_tell(struct volume *v);

extern const char giving_up_advice[];	/* the next step, when it is done */

#endif
