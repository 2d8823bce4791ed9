// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ops that try again what could not be done before: of replicad itself, which
 * has none in the line while anything else is there (on_retry() in daemon.c),
 * and of the method recover, which may have one of each volume there, whoever
 * says it how often (A2 to A4).
 *
 * A1 While such an op is in the line, others start, take out, delete, enable
 *    what it is about. So it has a name only, looks whether all is still as it
 *    supposes when it is its turn, and else ends well (->is_late).
 * A2 Each may take seconds (B3 in activation-ask.c), and they may be many:
 *    they let all others go first (->yields), so each other op waits for one
 *    of them at most. The line is: what runs, what does not yield, these.
 * A3 Of a name and kind one waits in the line at most. A second one is joined
 *    to it, and ends when it does, as it does. Not to one that runs: that may
 *    have looked before the cause was mended.
 * A4 A stop does not wait for those in the line: they end late.
 */
#include "ops-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "reactor.h"
#include "volume.h"

static void end_late(struct op *op)
{
	op->is_late = true;
	op_finish(op);
}

/* --- the line ------------------------------------------------------------ */

static struct op *find_waiting(const struct op *op)
{
	const struct op *running = op->daemon->ops;
	struct op *other = running ? running->next : NULL;

	while (other && (other->start != op->start ||
			 strcmp(other->name, op->name)))
		other = other->next;
	return other;
}

/* A2, A3. NULL: no memory. */
static struct op *put_behind(struct op *op)
{
	struct op *other = op ? find_waiting(op) : NULL;

	if (!op)
		return NULL;
	op->yields = true;
	if (!other)
		return op_put_in_line(op);
	op->is_joined = true;
	op->next = other->joined;
	other->joined = op;
	return op;
}

void op_end_joined(struct op *op)
{
	while (op->joined) {
		struct op *other = op->joined;

		op->joined = other->next;
		other->err = op->err;
		other->is_late = op->is_late;
		snprintf(other->error, sizeof(other->error), "%s", op->error);
		other->done(other);
	}
}

static struct op *again(struct daemon *daemon, const char *name,
			void (*start)(struct op *op), op_done_fn *done,
			void *arg)
{
	return put_behind(op_create(daemon, name, start, done, arg));
}

/* A4 */
static bool is_stopping(const struct op *op)
{
	return op->daemon->is_stopping;
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
	struct op *op = op_create(daemon, name, start_start, done, arg);

	return op ? op_put_in_line(op) : NULL;
}

/* B3 in activation-ask.c: no job runs that could look whose turn it is. */
static void start_asking(struct op *op)
{
	struct entry *entry = daemon_find(op->daemon, op->name);

	if (is_stopping(op)) {
		end_late(op);
		return;
	}
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

	if (!is_stopping(op) && entry && entry->is_disabled)
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

	if (!is_stopping(op) && entry && entry->reactor)
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
	if (is_stopping(op) || daemon_is_at_verb(op->daemon) || has_ended(op))
		end_late(op);
	else
		op_start_recover_made(op);
}

struct op *op_made_again(struct daemon *daemon, const char *name,
			 op_done_fn *done, void *arg)
{
	return put_behind(op_create_made(daemon, name, start_made, done, arg));
}
