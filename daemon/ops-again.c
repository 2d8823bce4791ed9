// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ops that try again what could not be done before: of replicad itself, and of
 * the method recover.
 *
 * A1 While such an op is in the line, others start, take out, delete, enable
 *    what it is about. So it has a name only, looks whether all is still as it
 *    supposes when it is its turn, and else ends well (->is_late).
 */
#include "ops-impl.h"

#include <errno.h>

#include "group.h"
#include "reactor.h"
#include "volume.h"

static void end_late(struct op *op)
{
	op->is_late = true;
	op_finish(op);
}

static struct op *again(struct daemon *daemon, const char *name,
			void (*start)(struct op *op), op_done_fn *done,
			void *arg)
{
	struct op *op = op_create(daemon, name, start, done, arg);

	return op ? op_put_in_line(op) : NULL;
}

/* --- one that does not run ------------------------------------------------ */

static bool can_start(const struct entry *entry)
{
	return entry && !entry->reactor && !entry->is_disabled;
}

static void start_start(struct op *op)
{
	op->entry = daemon_find(op->daemon, op->name);
	if (can_start(op->entry))
		op_start_entry(op);
	else
		end_late(op);
}

struct op *op_start(struct daemon *daemon, const char *name, op_done_fn *done,
		    void *arg)
{
	return again(daemon, name, start_start, done, arg);
}

/* B3 in activation-ask.c: no job runs that could look whose turn it is. */
static void start_asking(struct op *op)
{
	struct entry *entry = daemon_find(op->daemon, op->name);

	if (can_start(entry))
		op->daemon->may_ask = entry;
	start_start(op);
}

struct op *op_start_asking(struct daemon *daemon, const char *name,
			   op_done_fn *done, void *arg)
{
	return again(daemon, name, start_asking, done, arg);
}

static void start_take_out(struct op *op)
{
	const struct entry *entry = daemon_find(op->daemon, op->name);

	if (entry && entry->is_disabled)
		op_start_disable(op);
	else
		end_late(op);
}

struct op *op_take_out(struct daemon *daemon, const char *name,
		       op_done_fn *done, void *arg)
{
	return again(daemon, name, start_take_out, done, arg);
}

/* --- one that runs -------------------------------------------------------- */

static void try_on_reactor(struct op *op)
{
	const struct volume *v = reactor_find(op->reactor, op->name);

	op->is_late = !v || !group_try_now(v->group);
	op_finish(op);
}

static void start_try(struct op *op)
{
	const struct entry *entry = daemon_find(op->daemon, op->name);

	if (entry && entry->reactor)
		op_run_on(op, entry->reactor, try_on_reactor);
	else
		end_late(op);
}

struct op *op_try_now(struct daemon *daemon, const char *name,
		      op_done_fn *done, void *arg)
{
	return again(daemon, name, start_try, done, arg);
}

/* --- what was made here --------------------------------------------------- */

/* What cannot be read is an error, which is told. */
static bool has_ended(struct op *op)
{
	int err = made_load(op->daemon->config.state_dir, op->name, op->made,
			    NULL);

	return err == -ENOENT || (!err && made_has_ended(op->made));
}

static void start_made(struct op *op)
{
	if (daemon_is_at_verb(op->daemon) || has_ended(op))
		end_late(op);
	else
		op_start_recover_made(op);
}

struct op *op_made_again(struct daemon *daemon, const char *name,
			 op_done_fn *done, void *arg)
{
	struct op *op = op_create_made(daemon, name, start_made, done, arg);

	return op ? op_put_in_line(op) : NULL;
}
