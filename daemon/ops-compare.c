// SPDX-License-Identifier: GPL-2.0-or-later
/* Ops that look at what is there: resync, verify. */
#include "ops-impl.h"

#include <errno.h>
#include <stdio.h>

#include "compare.h"
#include "continuity.h"
#include "reactor.h"
#include "takeover.h"
#include "verify.h"
#include "volume.h"

#define MARKS_NS	30000000000ULL

/* --- resync ------------------------------------------------------------ */

static void fail(struct op *op, int err, const char *why)
{
	snprintf(op->error, sizeof(op->error), "%s: %.300s", op->name, why);
	op->err = err;
}

/* U6. The line waits (O2), so not for ever: a disk may hang. */
static void look_at_marks(struct op *op, struct volume *v)
{
	struct ring *ring = op->reactor->ring;
	char why[CONFIG_ERROR_SIZE];
	int err = continuity_marks(v, why);

	if (err == -EAGAIN && ring_now(ring) < op->until_ns) {
		ring_timer_add(ring, &op->timer, CONTINUITY_LOOK_MS);
		return;
	}
	if (err == -EAGAIN)
		fail(op, -ETIMEDOUT, "the metadata device is slow: all of it "
		     "is sent again, but a crash now would forget that");
	else if (err)
		fail(op, err, why);
	op_finish(op);
}

static void on_timer(struct ring_timer *timer)
{
	struct op *op = container_of(timer, struct op, timer);
	struct volume *v = reactor_find(op->reactor, op->name);
	int err = v ? volume_refresh(v) : -ENODEV;

	if (!err) {
		look_at_marks(op, v);
		return;
	}
	fail(op, err, v ? kernel_error(op->reactor->kernel) : "it has gone");
	op_finish(op);
}

static void resync_on_reactor(struct op *op)
{
	struct volume *v = reactor_find(op->reactor, op->name);
	int err = !v ? -ENODEV :
		  op->is_full ? compare_none(v) : compare_all(v);

	if (!err && takeover_forget(v->group)) {
		fail(op, -EIO, "its state folder cannot be written");
		op_finish(op);
		return;
	}
	if (!err) {
		volume_accept(v);
		op->timer.fire = on_timer;
		op->until_ns = ring_now(op->reactor->ring) + MARKS_NS;
		look_at_marks(op, v);
		return;
	}
	fail(op, err, v ? kernel_error(op->reactor->kernel) : "it has gone");
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
