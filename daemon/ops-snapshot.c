// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Snapshots of volumes that were made here (V8 in made.h):
 *
 *	take:	none ─> job: in the record, "making" ─> driver [beside the line,
 *		if it has to be copied] ─> "ready"; of what was promoted not
 *		before the main thread has seen that this is the primary still
 *		(M1)
 *	drop:	job: looked at ─> "deleting" ─> driver ─> in no record
 *
 * Where one cannot be taken, it is dropped at once; where that fails too, it
 * stays in the record, and the next start goes on, or whatever is done next
 * with a snapshot of the volume, or with all of it.
 */
#include "ops-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver.h"
#include "identity.h"
#include "log.h"
#include "promoted.h"
#include "stages.h"

/* --- on a thread ---------------------------------------------------------- */

static int save(const struct op *op, struct error *err)
{
	return op_save_made(op, op->made->step, err);
}

static int find_driver(const struct op *op, const struct driver **driver,
		       struct error *err)
{
	*driver = driver_find(op->made->driver);
	return *driver ? 0 : error_set(err, -EINVAL, "there is no driver %s",
				       op->made->driver);
}

static int drop(const struct op *op, const struct driver *driver,
		struct snapshot *s, struct error *err)
{
	enum made_step before = s->step;
	int ret;

	s->step = MADE_DELETING;
	ret = op_save_deleting(op, s->name, err);
	op_note_step(op, "dropping");
	if (!ret)
		ret = driver->drop_snapshot(op->made, s, err);
	op_note_step(op, "dropped");
	if (ret == -EBUSY) {
		s->step = before;
		op_note_refused(op, "the volume's next snapshot, or the next "
				"start", err);
	}
	if (ret)
		return ret;
	made_forget_snapshot(op->made, s);
	return save(op, err);
}

static struct snapshot *find_unended(const struct op *op)
{
	for (unsigned int i = 0; i < op->made->nr_snapshots; i++)
		if (op->made->snapshots[i].step != MADE_READY)
			return &op->made->snapshots[i];
	return NULL;
}

/* All that can go goes; @err is of the first that can't. */
int op_drop_unended(const struct op *op, struct error *err)
{
	const struct driver *driver;
	int ret = find_driver(op, &driver, err), failed = 0;

	for (unsigned int i = op->made->nr_snapshots; !ret && i-- > 0;) {
		struct snapshot *s = &op->made->snapshots[i];
		struct error one = { 0 };

		if (s->step == MADE_READY || !drop(op, driver, s, &one))
			continue;
		if (!failed)
			*err = one;
		failed = one.code;
	}
	return ret ? ret : failed;
}

bool op_has_snapshots(const struct op *op)
{
	for (unsigned int i = 0; i < op->made->nr_snapshots; i++)
		if (op->made->snapshots[i].step == MADE_READY)
			return true;
	return false;
}

static int save_taken(const struct op *op, struct snapshot *s,
		      struct error *err)
{
	if (op->promoted)
		return 0;
	s->step = MADE_READY;
	return save(op, err);
}

static int take(struct op *op, const struct driver *driver, struct snapshot *s,
		struct error *err)
{
	int ret = save(op, err);

	op_note_step(op, "snapping");
	s->taken_at = time(NULL);
	if (!ret)
		ret = driver->snapshot(op->made, s, err);
	op_note_step(op, "snapped");
	op->is_copying = ret == -EINPROGRESS;
	return op->is_copying ? 0 : ret ?: save_taken(op, s, err);
}

static struct snapshot *add(struct op *op)
{
	struct snapshot *s = &op->made->snapshots[op->made->nr_snapshots++];

	memset(s, 0, sizeof(*s));
	snprintf(s->name, sizeof(s->name), "%s", op->snapshot);
	identity_random(&s->id, sizeof(s->id));
	s->step = MADE_MAKING;
	return s;
}

static json_t *describe(const struct op *op, const struct driver *driver,
			const struct snapshot *s)
{
	char path[PATH_MAX];

	driver->snapshot_path(op->made, s, path);
	return json_pack("{ss ss ss sI sI}", "volume", op->made->volume,
			 "name", s->name, "path", path, "size_bytes",
			 (json_int_t)s->bytes, "taken_at",
			 (json_int_t)s->taken_at);
}

/* What is left of others is in the way of its own name only. */
static int make_room(const struct op *op, struct error *err)
{
	struct error left = { 0 };

	op_drop_unended(op, &left);
	if (made_snapshot(op->made, op->snapshot))
		return error_set(err, left.code, "what is left of one of that "
				 "name can't be dropped: %.150s", left.text);
	if (op->made->nr_snapshots == MADE_MAX_SNAPSHOTS)
		return error_set(err, -ENOSPC, "volume %s has as many snapshots "
				 "as it can have, 64", op->name);
	return 0;
}

/* What could not be taken. */
static void drop_taken(const struct op *op, const struct driver *driver,
		       struct snapshot *s)
{
	struct error left = { 0 };

	if (drop(op, driver, s, &left))
		log_err(op->made->volume, "its snapshot %s is not taken, and "
			"what there may be of it is left until the next one, or "
			"the next start: %s", op->snapshot, left.text);
}

static void take_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };
	const struct driver *driver;
	struct snapshot *s;

	if (!find_driver(op, &driver, &err) && !make_room(op, &err) &&
	    !stages_check_base(op->daemon->config.state_dir, op->made->base,
			       op->promoted, &err)) {
		s = add(op);
		if (take(op, driver, s, &err))
			drop_taken(op, driver, s);
		else if (!op->is_copying)
			op->result = describe(op, driver, s);
	}
	op_take_error(op, &err);
}

static void copy_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	op_note_step(op, "copying");
	driver_find(op->made->driver)->copy_snapshot(op->made, made_snapshot(
			op->made, op->snapshot), &op->copied_bytes, &err);
	op_note_step(op, "copied");
	op_take_error(op, &err);
}

static void copied_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	const struct driver *driver = driver_find(op->made->driver);
	struct snapshot *s = made_snapshot(op->made, op->snapshot);
	struct error err = { 0 };

	if (!op->err && save_taken(op, s, &err))
		op_take_error(op, &err);
	if (op->err)
		drop_taken(op, driver, s);
	else
		op->result = describe(op, driver, s);
	op->is_copying = false;
}

static void settle_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	op_note_step(op, "settling");
	made_snapshot(op->made, op->snapshot)->step = MADE_READY;
	save(op, &err);
	op_take_error(op, &err);
}

static void take_back_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct snapshot *s = made_snapshot(op->made, op->snapshot);
	const struct driver *driver;
	struct error left = { 0 };

	if (find_driver(op, &driver, &left) || drop(op, driver, s, &left))
		log_err(op->made->volume, "its snapshot %s was given up, and is "
			"left until the next one, or the next start: %s",
			op->snapshot, left.text);
}

static void drop_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct snapshot *s = made_snapshot(op->made, op->snapshot);
	const struct driver *driver;
	struct error err = { 0 };

	if (!find_driver(op, &driver, &err) &&
	    !driver->check_snapshot_free(op->made, s, &err))
		drop(op, driver, s, &err);
	op_take_error(op, &err);
}

static void recover_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	op_drop_unended(op, &err);
	op_take_error(op, &err);
}

/* --- on the main thread --------------------------------------------------- */

void op_recover_snapshots(struct op *op)
{
	if (find_unended(op))
		op_run_job(op, recover_blocking, op_finish);
	else
		op_finish(op);
}

static bool is_taken(const struct op *op)
{
	const struct snapshot *s = made_snapshot(op->made, op->snapshot);

	return s && s->step == MADE_READY;
}

static void taken(struct op *op);

static void copied(struct op *op)
{
	op_run_job(op, copied_blocking, taken);
}

static void taken(struct op *op)
{
	if (op->err && op->is_copying)
		log_err(op->name, "its snapshot %s is not taken, and what there "
			"is of it is left until the next one, or the next start",
			op->snapshot);
	if (!op->err && op->is_copying)
		op_run_aside(op, copy_blocking, copied);
	else if (!op_is_promoted_still(op))
		op_run_job(op, take_back_blocking, op_finish);
	else if (!op->err && op->promoted)
		op_run_job(op, settle_blocking, op_finish);
	else
		op_finish(op);
}

static void start_take(struct op *op)
{
	if (!op_load_used(op, op->name, op->made))
		return;
	if (op->made->step != MADE_READY)
		op_refuse_made(op, -EBUSY, "is being made, or deleted");
	else if (is_taken(op))
		op_refuse_made(op, -EEXIST, "has a snapshot of that name");
	else
		op_run_job(op, take_blocking, taken);
}

static void start_drop(struct op *op)
{
	if (!op_load_made(op))
		return;
	if (!made_snapshot(op->made, op->snapshot))
		op_refuse_made(op, -ENOENT, "has no snapshot of that name");
	else if (op_is_read(op, op->snapshot))
		op_refuse_made(op, -EBUSY, "has a clone that is being made of "
			       "that snapshot");
	else
		op_run_job(op, drop_blocking, op_finish);
}

static struct op *put_in_line(struct op *op, const char *snapshot)
{
	if (!op)
		return NULL;
	snprintf(op->snapshot, sizeof(op->snapshot), "%s", snapshot);
	return op_put_in_line(op);
}

struct op *op_snapshot(struct daemon *daemon, const char *name,
		       const char *snapshot, op_done_fn *done, void *arg)
{
	return put_in_line(op_create_made(daemon, name, start_take, done, arg),
			   snapshot);
}

struct op *op_drop_snapshot(struct daemon *daemon, const char *name,
			    const char *snapshot, op_done_fn *done, void *arg)
{
	return put_in_line(op_create_made(daemon, name, start_drop, done, arg),
			   snapshot);
}
