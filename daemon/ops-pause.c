// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ops that stop a group for as long as an operator wants: pause and resume.
 */
#include "ops-impl.h"

#include <stdio.h>
#include <string.h>

#include "group.h"
#include "reactor.h"
#include "volume.h"

static void with_group(struct op *op, int (*change)(struct group *group),
		       const char *done)
{
	struct volume *v = reactor_find(op->reactor, op->name);
	int err = v ? change(v->group) : 0;

	if (err)
		snprintf(op->error, sizeof(op->error), "%s: it is %s, but will "
			 "not be after a restart: %s", op->reactor->state_dir,
			 done, strerror(-err));
	op->err = err;
	op_finish(op);
}

static void pause_on_reactor(struct op *op)
{
	with_group(op, group_pause, "paused");
}

static void resume_on_reactor(struct op *op)
{
	with_group(op, group_resume, "resumed");
}

static void start_pause(struct op *op)
{
	op_go_to_volume(op, pause_on_reactor);
}

static void start_resume(struct op *op)
{
	op_go_to_volume(op, resume_on_reactor);
}

struct op *op_pause(struct daemon *daemon, const char *name, op_done_fn *done,
		    void *arg)
{
	struct op *op = op_create(daemon, name, start_pause, done, arg);

	return op ? op_put_in_line(op) : NULL;
}

struct op *op_resume(struct daemon *daemon, const char *name,
		     op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, start_resume, done, arg);

	return op ? op_put_in_line(op) : NULL;
}
