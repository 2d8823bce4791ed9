/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stages that this process has open itself: what a target names that is
 *
 *	stage:DIR/VOLUME[?KEY=VALUE[&KEY=VALUE]...]
 *
 * The keys are those of nbdkit's plugin that are about a stage (log, history,
 * history_min, index, open_timeout, on_full), and base: the file or block
 * device of a volume that is to be made.
 */
#ifndef REPLICAD_LOCAL_STAGE_H
#define REPLICAD_LOCAL_STAGE_H

#include <stdbool.h>

#include "error.h"
#include "plugin-options.h"
#include "stage.h"

#define LOCAL_STAGE_PREFIX	"stage:"

struct local_stage;

struct stage_name {
	char volume[STAGE_NAME_LEN];
	char *base;			/* absolute; NULL: not given */
	struct plugin_options options;	/* ->dir is DIR */
};

bool stage_name_is(const char *target);

/* 0, or -EINVAL, -ENOMEM with a sentence; then there is nothing to clear. */
int stage_name_parse(struct stage_name *name, const char *target,
		     struct error *err);
void stage_name_clear(struct stage_name *name);

/* Do both name the same folder? */
bool local_stage_is_same_dir(const char *a, const char *b);

/* Something for a thread of the stage. Initialise with zeroes and ->run. */
struct stage_work {
	void (*run)(struct stage_work *work);
	struct stage_work *next;	/* private */
};

/*
 * The stage in DIR, which is opened if it is not. Blocks, as put does: for a
 * job, not for a ring's thread. 0 or -errno with a sentence; -EBUSY:
 * another process has it.
 */
int local_stage_get(struct local_stage **s, const struct stage_name *name,
		    struct error *err);

/*
 * Only if it is open, with whatever options; else NULL. To be put, too. 0, or
 * -EAGAIN with a sentence while it is opened or closed, which isn't waited for.
 */
int local_stage_find(struct local_stage **s, const struct stage_name *name,
		     struct error *err);

/* The last one closes it: no connection and no work is left. */
void local_stage_put(struct local_stage *s);

struct stage *local_stage_of(struct local_stage *s);

/* From any thread; does not block. */
void local_stage_queue(struct local_stage *s, struct stage_work *work);

#endif
