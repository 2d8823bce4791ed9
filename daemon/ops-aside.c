// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Ops that work for as long as a volume is large: they step out of the line,
 * and the others go on.
 *
 * S1 Who is aside has its name: any other op of that volume which comes to its
 *    turn is refused, also one that would undo what is being made, or read
 *    what must be opened by nobody. But who disables one opens nothing, and
 *    writes no record: what is given up does not wait.
 * S2 Where what it reads must be opened by nobody else, it has that name, too
 *    (->from); else whoever has the source may go on with it. What a clone
 *    reads is not dropped: op_is_read().
 * S3 It comes back to the line with what it still has to do there, and is not
 *    refused by others that are aside. Its method waits for it, so a stop does
 *    (nr_methods), and its job is told of one by file_copy_stop().
 * S4 Nobody waits for it who tries again what could not be done.
 */
#include "ops-impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "driver.h"

/* In the line again. */
static void come_back(struct op *op)
{
	op->step(op);
}

static void on_done(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->start = come_back;
	op_put_in_line(op);
}

void op_run_aside(struct op *op, void (*blocking)(struct ring_job *job),
		  void (*step)(struct op *op))
{
	struct daemon *daemon = op->daemon;
	int err;

	op->next_aside = daemon->aside;
	daemon->aside = op;
	op->is_aside = true;
	op_leave_line(op);		/* S1: the next one looks */
	op->step = step;
	op->job.blocking = blocking;
	op->job.done = on_done;
	err = ring_job_start(daemon->reactors[0].ring, &op->job);
	if (err) {
		op->err = err;
		snprintf(op->error, sizeof(op->error), "no thread: %s",
			 strerror(-err));
		on_done(&op->job);
	}
}

void op_end_aside(struct op *op)
{
	struct op **link = &op->daemon->aside;

	if (!op->is_aside)
		return;
	while (*link != op)
		link = &(*link)->next_aside;
	*link = op->next_aside;
	op->is_aside = false;
}

static bool is_alone(const struct op *op)
{
	const struct driver *driver = op->from ? driver_find(op->from->driver) :
						 NULL;

	return driver && driver->copies_alone;
}

static bool reads(const struct op *op, const char *volume, const char *snapshot)
{
	return op->from && !strcmp(op->from->volume, volume) &&
	       !strcmp(op->snapshot, snapshot);
}

/* S1, S2 */
static bool is_in_its_way(const struct op *aside, const struct op *op)
{
	const char *name = op->config ? op->config->name : op->name;

	if (op->start == op_start_disable)
		return false;
	return !strcmp(aside->name, name) ||
	       (op->from && !op->snapshot[0] &&
		!strcmp(aside->name, op->from->volume)) ||
	       (is_alone(aside) && (reads(aside, name, "") || (op->from &&
		reads(aside, op->from->volume, op->snapshot))));
}

bool op_may_start(struct op *op)
{
	const struct op *a = op->is_aside ? NULL : op->daemon->aside;

	while (a && !is_in_its_way(a, op))
		a = a->next_aside;
	if (!a)
		return true;
	op->is_late = op->yields;			/* A1 */
	op->err = op->yields ? 0 : -EBUSY;
	if (op->err)
		snprintf(op->error, sizeof(op->error), a->from ? "the clone %s "
			 "of %s is being copied: wait for that (replicactl "
			 "create lists it)" : "%s is being copied, for its "
			 "snapshot %s: wait for that", a->name,
			 a->from ? a->from->volume : a->snapshot);
	op_finish(op);
	return false;
}

const struct op *op_find_reader(const struct daemon *daemon,
				const char *volume)
{
	const struct op *op = daemon->aside;

	while (op && (!op->from || strcmp(op->from->volume, volume)))
		op = op->next_aside;
	return op;
}

unsigned int ops_aside(const struct daemon *daemon)
{
	unsigned int nr = 0;

	for (const struct op *op = daemon->aside; op; op = op->next_aside)
		nr++;
	return nr;
}

bool op_is_read(const struct op *op, const char *snapshot)
{
	const struct op *a = op->daemon->aside;

	while (a && !reads(a, op->name, snapshot))
		a = a->next_aside;
	return a;
}

const struct op *op_find_aside(const struct daemon *daemon, const char *name)
{
	const struct op *op = daemon->aside;

	while (op && strcmp(op->name, name))
		op = op->next_aside;
	return op;
}
