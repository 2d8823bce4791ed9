// SPDX-License-Identifier: GPL-2.0-or-later
/* Ops that look at what is there: resync, verify. */
#include "ops-impl.h"

#include <stdio.h>

#include "compare.h"
#include "reactor.h"
#include "verify.h"
#include "volume.h"

/* --- resync ------------------------------------------------------------ */

static void resync_on_reactor(struct op *op)
{
	struct volume *v = reactor_find(op->reactor, op->name);
	int err = !v ? 0 : op->is_full ? compare_none(v) : compare_all(v);

	if (v && !err)
		volume_accept(v);
	if (err)
		snprintf(op->error, sizeof(op->error), "%s: %s", op->name,
			 kernel_error(op->reactor->kernel));
	op->err = err;
	op_finish(op);
}

static void start_resync(struct op *op)
{
	op_go_to_volume(op, resync_on_reactor);
}

struct op *op_resync(struct daemon *daemon, const char *name, bool is_full,
		     op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, start_resync, done, arg);

	if (!op)
		return NULL;
	op->is_full = is_full;
	return op_put_in_line(op);
}

/* --- verify ------------------------------------------------------------ */

static void verify_on_reactor(struct op *op)
{
	struct volume *v = reactor_find(op->reactor, op->name);
	char error[CONFIG_ERROR_SIZE] = "";
	int err = 0;

	if (v && op->is_stop)
		verify_stop(v, "by an operator");
	else if (v)
		err = verify_start(v, op->is_full, error);
	if (err)
		snprintf(op->error, sizeof(op->error), "%s: %.300s", op->name,
			 error);
	op->err = err;
	op_finish(op);
}

static void start_verify(struct op *op)
{
	op_go_to_volume(op, verify_on_reactor);
}

struct op *op_verify(struct daemon *daemon, const char *name, bool is_repair,
		     bool is_stop, op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, start_verify, done, arg);

	if (!op)
		return NULL;
	op->is_full = is_repair;
	op->is_stop = is_stop;
	return op_put_in_line(op);
}
