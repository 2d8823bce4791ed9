// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume takes up what its origin has more, while its device is in use:
 *	main: found -> reactor: group stops, the view is closed -> job: table
 *	and view -> main: noted, of what was promoted -> reactor: the volume's
 *	new size, group starts
 * The epoch that is open is finished first. Whatever fails, the group starts
 * again, with the size that the kernel has. What was promoted, and is not
 * replicated, has its job only.
 */
#include "ops-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "group.h"
#include "growth.h"
#include "insertion.h"
#include "promoted.h"
#include "volume.h"

static const char nothing_more[] =
"%.60s: its origin has no more than %" PRIu64 " bytes: make that larger first (a "
"volume that was inserted live: disable it, make it larger, enable it again)";

/* What was asked for by an operator must have made a difference. */
static void note_result(struct op *op, uint64_t before, uint64_t bytes)
{
	if (!op->err && bytes == before && !op->is_noticed) {
		op->err = -EINVAL;
		snprintf(op->error, sizeof(op->error), nothing_more, op->name,
			 bytes);
	}
	op->result = json_pack("{sI sI}", "size_bytes", (json_int_t)bytes,
			       "before_bytes", (json_int_t)before);
}

static void resize_on_reactor(struct op *op)
{
	struct volume *v = op->volume;
	char error[CONFIG_ERROR_SIZE] = "";
	uint64_t before = volume_bytes(v);
	int err = volume_resize(v, error);

	if (err && !op->err) {
		op->err = err;
		snprintf(op->error, sizeof(op->error), "%s", error);
	}
	growth_ended(v, op->error);
	note_result(op, before, volume_bytes(v));
	group_start(v->group);
	op_finish(op);
}

/* M2. It is as large at least, if not noted so: its metadata say it. */
static void note_promoted(struct op *op)
{
	struct error err = { 0 };

	if (op->err || !op->promoted ||
	    !promoted_note_bytes(op->daemon, op->promoted, op->bytes, &err))
		return;
	op->err = err.code;
	snprintf(op->error, sizeof(op->error), "it has grown, but that is not "
		 "noted: %.250s", err.text);
}

static void extended(struct op *op)
{
	note_promoted(op);
	op_run_on(op, op->entry->reactor, resize_on_reactor);
}

/* What was promoted is a device that others make, to those who replicate it. */
static void extend_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	const struct kernel_form look = op->entry ?
		insertion_form(op->entry->config) :
		(struct kernel_form){ .device = op->name, .has_no_view = true };
	struct kernel_form form = look;

	if (op->promoted && !form.origin) {
		form.origin = op->promoted->base;
		form.metadata = op->promoted->metadata;
	}
	op->err = insertion_extend(op->daemon->kernel_ops, &look, &form,
				   &op->bytes, op->error);
}

static void start_job(struct op *op)
{
	op_run_job(op, extend_blocking, extended);
}

static void on_stopped(struct group *g)
{
	struct op *op = op_of_group(g);

	volume_close_view(op->volume);
	op_run_on_main(op, start_job);
}

static void refuse_absent(struct op *op)
{
	op->err = -EBUSY;
	snprintf(op->error, sizeof(op->error), "%s does not run now: "
		 "replicactl status has the reason", op->name);
	op_finish(op);
}

static void stop_on_reactor(struct op *op)
{
	op->volume = reactor_find(op->reactor, op->name);
	if (op->volume)
		op_stop_group(op, op->volume->group, on_stopped);
	else
		refuse_absent(op);
}

static void promoted_extended(struct op *op)
{
	note_promoted(op);
	note_result(op, op->promoted->bytes, op->bytes);
	op_finish(op);
}

static void start_extend(struct op *op)
{
	struct error err = { 0 };
	int ret = promoted_find(op->daemon, op->name, &op->promoted, &err);

	if (daemon_find(op->daemon, op->name) || ret == -ENOENT) {
		op_go_to_volume(op, stop_on_reactor);
	} else if (ret) {
		op->err = ret;
		snprintf(op->error, sizeof(op->error), "%s", err.text);
		op_finish(op);
	} else {
		op_run_job(op, extend_blocking, promoted_extended);
	}
}

struct op *op_extend(struct daemon *daemon, const char *name, bool is_noticed,
		     op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, start_extend, done, arg);

	if (!op)
		return NULL;
	op->is_noticed = is_noticed;
	return op_put_in_line(op);
}
