// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Volumes that are made here, and go again (the rules are in made.h):
 *
 *	make:	none ─> job: check ─> record "making" ─> driver, which may clone
 *		another one [beside the line, if that has to be copied] ─>
 *		record "ready", or, if it is to be replicated, left at "making"
 *		until it is
 *	unmake:	job: device out ─> record "deleting" ─> driver ─> no record
 *	grow:	job: record "growing" ─> driver ─> record "ready"
 *
 * What is a copy of what was promoted is left at "making" until the main thread
 * has seen that this is the primary still (M1).
 * Where a make fails, it is unmade at once; where that fails too, its record
 * stays, and the next start goes on.
 */
#include "ops-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "identity.h"
#include "log.h"
#include "made.h"
#include "promoted.h"
#include "promotion.h"
#include "stages.h"

/* A base in whole extents may become larger than it was to be. */
#define LARGEST_EXTENT	(4ULL << 30)

void op_note_step(const struct op *op, const char *step)
{
	if (op->daemon->kernel_ops->note_step)
		op->daemon->kernel_ops->note_step(step);
}

void op_take_error(struct op *op, const struct error *err)
{
	op->err = err->code;
	snprintf(op->error, sizeof(op->error), "%s", err->text);
}

int op_save_made(const struct op *op, enum made_step step, struct error *err)
{
	op->made->step = step;
	return made_save(op->daemon->config.state_dir, op->made, err);
}

/* --- on a thread ---------------------------------------------------------- */

/* replicad may have died above it. -EBUSY: its device is in use. */
static int take_device_out(struct op *op, struct error *err)
{
	const struct kernel_form form = {
		.device = op->made->volume,
		.origin = op->made->base,
		.metadata = op->made->metadata,
	};
	char text[KERNEL_ERROR_SIZE] = "";
	int ret = op->daemon->kernel_ops->take_out(&form, text);

	return !ret || ret == -ENXIO ? 0 : error_set(err, ret, "%.200s", text);
}

/* V10 */
int op_save_deleting(const struct op *op, const char *snapshot,
		     struct error *err)
{
	const char *state_dir = op->daemon->config.state_dir;
	int ret = made_save(state_dir, op->made, err);

	/* After EIO nobody knows what the disk has. */
	if (!ret || ret == -EIO ||
	    made_is_to_stay(state_dir, op->made->volume, snapshot))
		return ret;
	*err = (struct error){ 0 };
	return 0;
}

/* V6 */
void op_note_refused(const struct op *op, const char *until, struct error *err)
{
	struct error full = { 0 }, why = *err;

	if (!made_save(op->daemon->config.state_dir, op->made, &full))
		return;
	*err = (struct error){ 0 };
	error_set(err, why.code, "%.90s; that can't be noted (%.60s): it goes "
		  "with %s", why.text, full.text, until);
}

/*
 * V1, V3, V4, V6, V7. Where nothing has gone yet, it is as it was; and
 * what has the name of its base, and is somebody else's, is not touched. Of
 * what was promoted only the record goes (V12).
 */
static int unmake(struct op *op, struct error *err)
{
	const char *state_dir = op->daemon->config.state_dir;
	const struct driver *driver = driver_find(op->made->driver);
	enum made_step before = op->made->step;
	bool is_there = false, is_noted;
	int ret;

	if (op->made->is_promoted)
		return made_remove(state_dir, op->made->volume, err);
	if (!driver)
		return error_set(err, -EINVAL, "there is no driver %s",
				 op->made->driver);
	ret = driver->find_base(op->made, &is_there, err);
	if (!ret && is_there)
		ret = stages_check_base(state_dir, op->made->base, NULL, err) ?:
		      take_device_out(op, err);
	if (!ret)
		ret = driver->check_free(op->made, err);
	op->made->step = MADE_DELETING;
	if (!ret)
		ret = op_save_deleting(op, NULL, err);
	is_noted = !ret;
	op_note_step(op, "deleting");
	if (!ret)
		ret = driver->destroy(op->made, err);
	if (ret == -EBUSY && is_noted) {
		op->made->step = before;
		op_note_refused(op, "the next start", err);
	}
	op_note_step(op, "destroyed");
	if (!ret)
		ret = identity_forget(state_dir, op->made->volume);
	if (ret)
		return error_set(err, ret, "%s", strerror(-ret));
	return made_remove(state_dir, op->made->volume, err);
}

static int make_content(struct op *op, struct error *err)
{
	const struct driver *driver = driver_find(op->made->driver);

	return !op->from ? driver->create(op->made, err) :
	       driver->clone(op->made, op->from,
			     made_snapshot(op->from, op->snapshot), err);
}

static int save_whole(struct op *op, struct error *err)
{
	return op_save_made(op, op->is_left_open || op->promoted ?
			    MADE_MAKING : MADE_READY, err);
}

/* V1, V2 */
static int make(struct op *op, struct error *err)
{
	int ret = op_save_made(op, MADE_MAKING, err);

	op_note_step(op, "making");
	if (!ret)
		ret = make_content(op, err);
	op_note_step(op, "created");
	op->is_copying = ret == -EINPROGRESS;
	return op->is_copying ? 0 : ret ?: save_whole(op, err);
}

static void take_back(struct op *op)
{
	struct error left = { 0 };

	if (unmake(op, &left))
		log_err(op->made->volume, "it is not made, and what there may be "
			"of it is left until the next start: %s", left.text);
}

static void copy_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	op_note_step(op, "copying");
	driver_find(op->made->driver)->copy(op->made, op->from, made_snapshot(
			op->from, op->snapshot), &op->copied_bytes, &err);
	op_note_step(op, "copied");
	op_take_error(op, &err);
}

static void copied_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	if (!op->err &&
	    (driver_find(op->made->driver)->copied(op->made, &err) ||
	     save_whole(op, &err)))
		op_take_error(op, &err);
	if (op->err)
		take_back(op);
	op->is_copying = false;
}

/* V7. A snapshot is what it was taken of. */
static int check_source(const struct op *op, struct error *err)
{
	return !op->from || op->snapshot[0] ? 0 :
	       stages_check_base(op->daemon->config.state_dir, op->from->base,
				 op->promoted, err);
}

static void make_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	if (!driver_find(op->made->driver)->check(op->made, &err) &&
	    !check_source(op, &err) && !op->is_dry && make(op, &err))
		take_back(op);
	op_take_error(op, &err);
}

static void unmake_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	if (!op_drop_unended(op, &err))
		unmake(op, &err);
	op_take_error(op, &err);
}

static void settle_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	op_note_step(op, "settling");
	op_save_made(op, MADE_READY, &err);
	op_take_error(op, &err);
}

/*
 * V5. What is refused is forgotten: it may have grown a little, which no record
 * has to say. What was under way when replicad died is tried at each start.
 */
static int grow(struct op *op, struct error *err)
{
	const struct driver *driver = driver_find(op->made->driver);
	bool was_ready = op->made->step == MADE_READY;
	struct error ignored = { 0 };
	int ret = !driver ? error_set(err, -EINVAL, "there is no driver %s",
				      op->made->driver) : 0;

	if (!ret && op->promoted)				/* M3 */
		ret = promoted_make_room(op->promoted, op->made->bytes,
					 LARGEST_EXTENT, err);
	if (!ret)
		ret = op_save_made(op, MADE_GROWING, err);

	op_note_step(op, "growing");
	if (!ret)
		ret = driver->extend(op->made, err);
	op_note_step(op, "grown");
	if (!ret)
		return op_save_made(op, MADE_READY, err);
	if (was_ready) {
		op->made->bytes = op->before_bytes;
		op_save_made(op, MADE_READY, &ignored);
	}
	return ret;
}

static void grow_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct error err = { 0 };

	grow(op, &err);
	op_take_error(op, &err);
}

/* --- on the main thread --------------------------------------------------- */

void op_refuse_made(struct op *op, int err, const char *what)
{
	op->err = err;
	snprintf(op->error, sizeof(op->error), "volume %s %s", op->name, what);
	op_finish(op);
}

bool op_load_made(struct op *op)
{
	struct error err = { 0 };

	if (!made_load(op->daemon->config.state_dir, op->name, op->made, &err))
		return true;
	op_take_error(op, &err);
	if (op->err == -ENOENT)
		op_refuse_made(op, -ENOENT, "was not made here");
	else
		op_finish(op);
	return false;
}

bool op_is_promoted_still(struct op *op)
{
	if (op->err || !op->promoted ||
	    promoted_is_still(op->daemon, op->promoted))
		return true;
	op->err = -EBUSY;
	snprintf(op->error, sizeof(op->error), "volume %s was given up here "
		 "meanwhile", op->promoted->volume);
	return false;
}

static void take_back_blocking(struct ring_job *job)
{
	take_back(container_of(job, struct op, job));
}

static void answer_made(struct op *op)
{
	op->result = json_pack("{ss sI ss ss ss ss}", "volume",
			       op->made->volume, "size_bytes",
			       (json_int_t)op->made->bytes, "backend",
			       op->made->backend, "driver", op->made->driver,
			       "base", op->made->base, "metadata",
			       op->made->metadata);
	op_finish(op);
}

static void made(struct op *op);

static void copied(struct op *op)
{
	op_run_job(op, copied_blocking, made);
}

static void made(struct op *op)
{
	if (op->err && op->is_copying)
		log_err(op->name, "it is not made, and what there is of it is "
			"left until the next start");
	if (!op->err && op->is_copying)
		op_run_aside(op, copy_blocking, copied);
	else if (!op_is_promoted_still(op))
		op_run_job(op, take_back_blocking, op_finish);
	else if (!op->err && op->promoted && !op->is_left_open)
		op_run_job(op, settle_blocking, answer_made);
	else
		answer_made(op);
}

/* V7 */
const char *op_other_use(const struct op *op, const char *name)
{
	if (promotion_find(op->daemon, name))
		return "was promoted here";
	if (promotion_is_replica(op->daemon, name))
		return "is a replica here (replicactl delete --replica)";
	return NULL;
}

bool op_load_used(struct op *op, const char *name, struct made *m)
{
	struct error err = { 0 };
	int ret = promoted_made(op->daemon, name, &op->promoted, m, &err);
	bool is_replica = !op->promoted &&
			  promotion_is_replica(op->daemon, name);

	if (!ret && !is_replica)
		return true;
	if (ret == -ENOENT || !ret) {
		error_clear(&err);
		error_set(&err, ret ? ret : -EBUSY, "volume %s %s", name,
			  ret ? "was not made here" : "is a replica here");
	}
	op_take_error(op, &err);
	op_finish(op);
	return false;
}

/* A snapshot is what it was, whatever has become of its volume. */
static bool load_snapshotted(struct op *op, const char *name)
{
	struct error err = { 0 };

	if (!made_load(op->daemon->config.state_dir, name, op->from, &err))
		return true;
	op_take_error(op, &err);
	op_finish(op);
	return false;
}

/* Of a clone: what it is of is there still. */
static bool load_source(struct op *op)
{
	const struct snapshot *s;
	char name[MADE_NAME_LEN];

	snprintf(name, sizeof(name), "%s", op->from->volume);
	if (!(op->snapshot[0] ? load_snapshotted(op, name) :
				op_load_used(op, name, op->from)))
		return false;
	s = made_snapshot(op->from, op->snapshot);
	if (op->from->step != MADE_READY ||
	    (op->snapshot[0] && (!s || s->step != MADE_READY)))
		op_refuse_made(op, -ESTALE, "cannot be made: what it is to be "
			       "a clone of is being deleted, or is gone");
	else
		return true;
	return false;
}

/* What came while it was in the line counts, too. */
static void start_make(struct op *op)
{
	struct error err = { 0 };
	struct made *there = malloc(sizeof(*there));
	int ret = !there ? -ENOMEM :
		  made_load(op->daemon->config.state_dir, op->name, there,
			    &err);

	free(there);
	if (ret == -ENOMEM)
		op_refuse_made(op, ret, "cannot be made: no memory");
	else if (ret != -ENOENT)
		op_refuse_made(op, -EEXIST, "is there already, or what is left of one "
		       "(replicactl create lists them)");
	else if (daemon_find(op->daemon, op->name) ||
		 promotion_find(op->daemon, op->name))
		op_refuse_made(op, -EEXIST, "is there already (replicactl status)");
	else if (identity_is_kept(op->daemon->config.state_dir, op->name))
		op_refuse_made(op, -EEXIST, "was replicated here before, and is to "
			       "be known again: enable it, or take another name; "
			       "if it is gone for good, remove its .id in the "
			       "state folder");
	else if (!op->from || load_source(op))
		op_run_job(op, make_blocking, op->is_dry ? op_finish : made);
}

/* V9 */
static void run_unmake(struct op *op)
{
	if (op_has_snapshots(op))
		op_refuse_made(op, -EBUSY, "has snapshots (replicactl snapshot "
			       "lists them)");
	else
		op_run_job(op, unmake_blocking, op_finish);
}

/* Or the op has ended. */
static bool is_that(struct op *op)
{
	if (!op->made_id || op->made->id == op->made_id)
		return true;
	op_refuse_made(op, -ENOENT, "is another one now");
	return false;
}

static void start_unmake(struct op *op)
{
	const char *use = op_other_use(op, op->name);

	if (daemon_find(op->daemon, op->name))
		op_refuse_made(op, -EBUSY, "is replicated: disable it first, or say "
		       "--disable");
	else if (use)
		op_refuse_made(op, -EBUSY, use);
	else if (op_load_made(op) && is_that(op))
		run_unmake(op);
}

static void start_settle(struct op *op)
{
	if (op_load_made(op))
		op_run_job(op, settle_blocking, op_finish);
}

static void grown(struct op *op)
{
	if (!op->is_dry)
		op_is_promoted_still(op);
	op->result = json_pack("{sI sI}", "size_bytes",
			       (json_int_t)op->made->bytes, "before_bytes",
			       (json_int_t)op->before_bytes);
	op_finish(op);
}

/* One that could not grow before tries the size that is asked for now. */
static void start_grow(struct op *op)
{
	if (!op_load_used(op, op->name, op->made))
		return;
	op->before_bytes = op->made->bytes;
	if (op->made->step != MADE_READY && op->made->step != MADE_GROWING) {
		op_refuse_made(op, -EBUSY, "is being made, or deleted");
	} else if (op->bytes < op->made->bytes &&
		   op->made->step == MADE_READY) {
		op_refuse_made(op, -EINVAL, "is larger already, and is not made "
		       "smaller");
	} else {
		op->made->bytes = op->bytes;
		if (op->is_dry)
			grown(op);
		else
			op_run_job(op, grow_blocking, grown);
	}
}

/* V5: a stage's base is the stage's to make larger. */
static bool may_grow(const struct op *op)
{
	return promotion_find(op->daemon, op->name) ||
	       (!op->made->is_promoted &&
		!promotion_is_replica(op->daemon, op->name));
}

/* V2, V3, V5, V8 */
void op_start_recover_made(struct op *op)
{
	bool is_there = daemon_find(op->daemon, op->name);
	const char *use = op_other_use(op, op->name);

	if (!op_load_made(op))
		return;
	if (op->made->step == MADE_GROWING && !may_grow(op))
		op_run_job(op, settle_blocking, op_finish);
	else if (op->made->step == MADE_MAKING && is_there)
		op_run_job(op, settle_blocking, op_finish);
	else if (op->made->step == MADE_GROWING)
		op_run_job(op, grow_blocking, grown);
	else if (op->made->step == MADE_READY)
		op_recover_snapshots(op);
	else if (is_there)
		op_refuse_made(op, -EBUSY, "is to be deleted, but replicated");
	else if (use)
		op_refuse_made(op, -EBUSY, use);
	else
		run_unmake(op);
}

struct op *op_create_made(struct daemon *daemon, const char *name,
			  void (*start)(struct op *op), op_done_fn *done,
			  void *arg)
{
	struct op *op = op_create(daemon, name, start, done, arg);

	if (op)
		op->made = calloc(1, sizeof(*op->made));
	if (op && !op->made) {
		op_free(op);
		return NULL;
	}
	return op;
}

struct op *op_make(struct daemon *daemon, const struct made *m,
		   bool is_left_open, bool is_dry, op_done_fn *done, void *arg)
{
	struct op *op = op_create_made(daemon, m->volume, start_make, done,
				       arg);

	if (!op)
		return NULL;
	*op->made = *m;
	op->is_left_open = is_left_open;
	op->is_dry = is_dry;
	return op_put_in_line(op);
}

struct op *op_clone(struct daemon *daemon, const struct made *m,
		    const char *from, const char *snapshot, bool is_left_open,
		    bool is_dry, op_done_fn *done, void *arg)
{
	struct op *op = op_create_made(daemon, m->volume, start_make, done,
				       arg);

	if (op)
		op->from = calloc(1, sizeof(*op->from));
	if (!op || !op->from) {
		if (op)
			op_free(op);
		return NULL;
	}
	*op->made = *m;
	op->is_left_open = is_left_open;
	op->is_dry = is_dry;
	snprintf(op->from->volume, sizeof(op->from->volume), "%s", from);
	snprintf(op->snapshot, sizeof(op->snapshot), "%s", snapshot);
	return op_put_in_line(op);
}

struct op *op_make_settle(struct daemon *daemon, const char *name,
			  op_done_fn *done, void *arg)
{
	struct op *op = op_create_made(daemon, name, start_settle, done, arg);

	return op ? op_put_in_line(op) : NULL;
}

struct op *op_unmake(struct daemon *daemon, const char *name, op_done_fn *done,
		     void *arg)
{
	struct op *op = op_create_made(daemon, name, start_unmake, done, arg);

	return op ? op_put_in_line(op) : NULL;
}

struct op *op_unmake_that(struct daemon *daemon, const char *name, uint64_t id,
			  op_done_fn *done, void *arg)
{
	struct op *op = op_create_made(daemon, name, start_unmake, done, arg);

	if (!op)
		return NULL;
	op->made_id = id;
	return op_put_in_line(op);
}

struct op *op_grow(struct daemon *daemon, const char *name, uint64_t bytes,
		   bool is_dry, op_done_fn *done, void *arg)
{
	struct op *op = op_create_made(daemon, name, start_grow, done, arg);

	if (!op)
		return NULL;
	op->bytes = bytes;
	op->is_dry = is_dry;
	return op_put_in_line(op);
}

static void on_taken_up(struct op *op)
{
	if (op->err)
		log_err(op->name, "what it is made of has grown, itself not: "
			"%s", op->error);
	op_free(op);
}

/* Behind the starts of all volumes, in the line. */
static void on_recovered(struct op *op)
{
	if (!op->err && op->result && daemon_find(op->daemon, op->name))
		op_extend(op->daemon, op->name, false, on_taken_up, NULL);
	if (op->err)
		log_err(op->name, "its making, growing or deleting has not "
			"ended: %s", op->error);
	op_free(op);
}

static void recover(void *arg, const char *name)
{
	struct op *op = op_create_made(arg, name, op_start_recover_made,
				       on_recovered, NULL);

	if (op)
		op_put_in_line(op);
}

void ops_recover_made(struct daemon *daemon)
{
	made_each(daemon->config.state_dir, recover, daemon);
}
