// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	enable, start:	main: check ─> job: insert, view ─> reactor: volume,
 *			group stops, volume joins, group starts ─> main: save
 *	disable:	main ─> reactor: group stops, volume leaves, group
 *			starts ─> job: take out ─> main: save
 *
 * O1 an op belongs to the thread on which its step runs; handing it on
 *    (op_run_on_main(), op_run_on(), op_run_job()) is the last thing that a
 *    step does.
 * O2 ops that change something run one at a time, so no step meets a group
 *    that another op is stopping. The first in the line is the one that runs;
 *    who copies a volume does that beside the line (ops-aside.c).
 */
#include "ops.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activation-ask.h"
#include "boot.h"
#include "group.h"
#include "insertion.h"
#include "local-stage.h"
#include "log.h"
#include "look.h"
#include "made.h"
#include "ops-impl.h"
#include "promotion.h"
#include "stages.h"
#include "status.h"
#include "volume.h"

#define CHANGE_GRACE_MS	5000	/* for the open epoch, when a group changes */
#define STOP_GRACE_MS	3000

/* --- walking ----------------------------------------------------------- */

static void run_step(struct ring_work *work)
{
	struct op *op = container_of(work, struct op, work);

	op->step(op);
}

void op_run_on(struct op *op, struct reactor *reactor,
	       void (*step)(struct op *op))
{
	op->reactor = reactor;
	op->step = step;
	op->work.run = run_step;
	ring_post(reactor->ring, &op->work);
}

void op_run_on_main(struct op *op, void (*step)(struct op *op))
{
	op->step = step;
	op->work.run = run_step;
	ring_post(op->daemon->reactors[0].ring, &op->work);
}

static int set_error(struct op *op, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int set_error(struct op *op, int err, const char *fmt, ...)
{
	va_list args;

	op->err = err;
	va_start(args, fmt);
	vsnprintf(op->error, sizeof(op->error), fmt, args);
	va_end(args);
	return err;
}

static void start_first(struct daemon *daemon)
{
	if (daemon->ops && op_may_start(daemon->ops))
		daemon->ops->start(daemon->ops);
}

void op_leave_line(struct op *op)
{
	struct daemon *daemon = op->daemon;

	daemon->ops = op->next;
	if (!daemon->ops)
		daemon->last_op = &daemon->ops;
	op->is_in_line = false;
	start_first(daemon);
}

static void finish_on_main(struct op *op)
{
	op_end_aside(op);
	if (op->is_in_line)
		op_leave_line(op);
	op_end_joined(op);
	op->done(op);
}

static void finish(struct op *op)
{
	op_run_on_main(op, finish_on_main);
}

static struct op *create(struct daemon *daemon, void (*start)(struct op *op),
			 op_done_fn *done, void *arg)
{
	struct op *op = calloc(1, sizeof(*op));

	if (!op)
		return NULL;
	op->daemon = daemon;
	op->start = start;
	op->done = done;
	op->arg = arg;
	return op;
}

/* A2 in ops-again.c. The first one runs. */
static struct op **place_of(const struct op *op)
{
	struct op **link = &op->daemon->ops;

	if (op->yields || !*link)
		return op->daemon->last_op;
	do
		link = &(*link)->next;
	while (*link && !(*link)->yields);
	return link;
}

static struct op *put_in_line(struct op *op)
{
	struct daemon *daemon = op->daemon;
	struct op **place = place_of(op);
	bool is_first = !daemon->ops;

	op->is_in_line = true;
	op->next = *place;
	*place = op;
	if (!op->next)
		daemon->last_op = &op->next;
	if (is_first)
		start_first(daemon);
	return op;
}

void op_free(struct op *op)
{
	json_decref(op->result);
	look_destroy(op->look);
	volume_config_destroy(op->config);
	volume_config_destroy(op->next_config);
	free(op->made);
	free(op->from);
	free(op->promoted);
	free(op);
}

static void job_done(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->step(op);
}

/* @blocking on a thread of its own, then @step on the main thread. */
void op_run_job(struct op *op, void (*blocking)(struct ring_job *job),
		void (*step)(struct op *op))
{
	int err;

	op->step = step;
	op->job.blocking = blocking;
	op->job.done = job_done;
	err = ring_job_start(op->daemon->reactors[0].ring, &op->job);
	if (err) {
		set_error(op, err, "no thread: %s", strerror(-err));
		step(op);
	}
}

/* --- enable ------------------------------------------------------------ */

static struct group *find_group(const struct reactor *reactor,
				const struct volume_config *config)
{
	const char *name = config->group ? config->group : config->name;

	for (struct group *g = reactor->groups; g; g = g->next)
		if (g->is_named == !!config->group && !strcmp(g->name, name))
			return g;
	return NULL;
}

static void save_enabled(struct op *op)
{
	struct daemon *daemon = op->daemon;
	char text[CONFIG_ERROR_SIZE];
	int err;

	op->entry->err = op->err;
	if (op->err) {
		snprintf(op->entry->error, sizeof(op->entry->error), "%s",
			 op->error);
		if (op->config)
			daemon_remove(daemon, op->entry);
		finish(op);
		return;
	}
	op->entry->error[0] = 0;
	op->entry->reactor = op->reactor;
	boot_forecast(op->entry->config, op->device.form, text);
	op->result = json_pack("{ss}", "boot", text);
	err = op->entry->config->is_runtime ? daemon_save(daemon) : 0;
	if (err)
		set_error(op, err, "%s: it is replicated, but will not be "
			  "after a restart: %s", daemon->runtime_path,
			  strerror(-err));
	finish(op);
}

static void join_stopped_group(struct op *op)
{
	struct group *g = op->group;
	int err = group_add(g, op->volume, op->error);

	if (err) {
		op->err = err;
		volume_destroy(op->volume);
	}
	if (!err && op->entry->error[0])
		g->is_unproven = true;
	if (!g->volumes)
		group_destroy(g);
	else if (!op->daemon->is_starting)
		group_start(g);
	op_run_on_main(op, save_enabled);
}

static void on_stopped_to_join(struct group *group)
{
	join_stopped_group(op_of_group(group));
}

/* The op that changes a group on this reactor: there is one at a time (O2). */
static __thread struct op *changing;

struct op *op_of_group(struct group *group)
{
	return changing;
}

static void add_on_reactor(struct op *op)
{
	struct volume_config *copy = volume_config_clone(op->entry->config);
	struct group *g = find_group(op->reactor, op->entry->config);

	if (!copy)
		op->err = -ENOMEM;
	else
		op->err = volume_create(&op->volume, op->reactor, copy,
					&op->device, op->error);
	if (!op->err && op->config)
		volume_forget_pause(op->volume);
	if (!op->err && !g)
		g = group_create(op->reactor, copy->group ? copy->group :
				 copy->name, !!copy->group);
	if (!op->err && !g) {
		op->err = -ENOMEM;
		volume_destroy(op->volume);
	}
	if (op->err) {
		op_run_on_main(op, save_enabled);
		return;
	}
	op->group = g;
	changing = op;
	if (g->pair.state == PAIR_DISABLED)
		join_stopped_group(op);
	else
		group_stop(g, CHANGE_GRACE_MS, on_stopped_to_join);
}

/* Where the rest of its group lives, else the next in turn. */
static struct reactor *choose_reactor(struct daemon *daemon,
				      const struct volume_config *config)
{
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (config->group && e->reactor && e->config->group &&
		    !strcmp(e->config->group, config->group))
			return e->reactor;
	return &daemon->reactors[daemon->next_reactor++ % daemon->nr_reactors];
}

static void inserted(struct op *op)
{
	if (op->may_go)
		promotion_may_go(op->daemon, op->entry->config->name);
	if (op->err)
		save_enabled(op);
	else
		op_run_on(op, choose_reactor(op->daemon, op->entry->config),
		       add_on_reactor);
}

/* Of a local target: V7 in made.h. */
static int note_stage(struct op *op)
{
	const char *target = op->entry->config->target;
	struct error err = { 0 };
	struct stage_name name;
	int ret;

	if (!target || !stage_name_is(target))
		return 0;
	ret = stage_name_parse(&name, target, &err);
	if (!ret) {
		ret = stages_note(op->daemon->config.state_dir,
				  name.options.dir, &err);
		stage_name_clear(&name);
	}
	return ret ? set_error(op, ret, "%s", err.text) : 0;
}

static void insert_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);
	struct insertion_past none = { 0 };

	/* Who enables it has decided. */
	if (!op->config && (op->is_promoted ?
			    activation_asks(op->daemon->config.state_dir,
					    op->entry->config) :
			    activation_has_to_ask(op->daemon->kernel_ops,
						  op->daemon->config.state_dir,
						  op->entry->config)))
		op->err = daemon_ask(op->daemon, op->entry, op->error);
	op->may_go = op->is_promoted && !op->err;
	if (op->may_go)
		set_error(op, -EAGAIN, "its device is being made");
	if (!op->err)
		op->err = note_stage(op);
	if (!op->err)
		op->err = insertion_run(op->daemon->kernel_ops,
					op->daemon->config.state_dir,
					op->entry->config,
					&none, &op->device,
					op->error);
}

/* T8: the device of a promotion is not ours to make. */
static void start_entry(struct op *op)
{
	op->is_promoted = promotion_asks_first(op->daemon,
					       op->entry->config->name);
	op_run_job(op, insert_blocking, inserted);
}

bool op_check_enable(struct op *op)
{
	const struct entry *old = daemon_find(op->daemon, op->config->name);

	if (old && !old->is_disabled)
		set_error(op, -EEXIST, "volume %s is enabled already",
			  op->config->name);
	else if (config_settle(&op->daemon->config, op->config, op->error))
		op->err = -EINVAL;	/* what it refers to may have changed */
	if (!op->err)
		return true;
	finish(op);
	return false;
}

static void start_enable(struct op *op)
{
	struct entry *old = daemon_find(op->daemon, op->config->name);
	struct volume_config *copy;

	if (!op_check_enable(op))
		return;
	if (old)
		daemon_remove(op->daemon, old);
	copy = volume_config_clone(op->config);
	op->entry = copy ? daemon_add(op->daemon, copy) : NULL;
	if (op->entry) {
		start_entry(op);
		return;
	}
	set_error(op, -ENOMEM, "no memory");
	finish(op);
}

struct op *op_enable(struct daemon *daemon, struct volume_config *config,
		     op_done_fn *done, void *arg)
{
	struct op *op = create(daemon, start_enable, done, arg);

	if (!op) {
		volume_config_destroy(config);
		return NULL;
	}
	op->config = config;
	return put_in_line(op);
}

/* --- disable ----------------------------------------------------------- */

static void save_disabled(struct op *op)
{
	struct daemon *daemon = op->daemon;
	bool is_runtime = op->entry->config->is_runtime;
	int err;

	op->entry->is_disabled = true;
	if (op->err) {
		snprintf(op->entry->error, sizeof(op->entry->error),
			 "it is not replicated, but could not be taken out: "
			 "%.300s", op->error);
		finish(op);
		return;
	}
	daemon_remove(daemon, op->entry);
	err = is_runtime ? daemon_save(daemon) : 0;
	if (err)
		set_error(op, err, "%s: it comes back after a restart: %s",
			  daemon->runtime_path, strerror(-err));
	finish(op);
}

static void take_out_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->err = insertion_undo(op->daemon->kernel_ops,
				 op->daemon->config.state_dir,
				 op->entry->config, op->error);
	if (op->err == -ENXIO)
		op->err = 0; /* the device is gone: it is out */
}

static void take_out(struct op *op)
{
	op->entry->reactor = NULL;
	op_run_job(op, take_out_blocking, save_disabled);
}

static void leave_stopped_group(struct group *g)
{
	struct op *op = op_of_group(g);

	if (!op->left)
		fence_lift(op->volume);
	group_remove(g, op->volume);
	volume_destroy(op->volume);
	if (g->volumes)
		group_start(g);
	else
		group_destroy(g);
	op_run_on_main(op, op->left ? op->left : take_out);
}

static void remove_on_reactor(struct op *op)
{
	op->volume = reactor_find(op->reactor, op->name);
	if (!op->volume) {
		op_run_on_main(op, op->left ? op->left : take_out);
		return;
	}
	changing = op;
	group_stop(op->volume->group, CHANGE_GRACE_MS, leave_stopped_group);
}

bool op_find_entry(struct op *op)
{
	op->entry = daemon_find(op->daemon, op->name);
	if (op->entry)
		return true;
	set_error(op, -ENOENT, "there is no volume %s", op->name);
	finish(op);
	return false;
}

static void stop_and_take_out(struct op *op)
{
	if (op->err)
		finish(op);
	else if (op->entry->reactor)
		op_run_on(op, op->entry->reactor, remove_on_reactor);
	else
		take_out(op);
}

int op_settle_record(struct op *op)
{
	struct error err = { 0 };
	int ret = made_settle(op->daemon->config.state_dir, op->name, &err);

	return ret ? set_error(op, ret, "%s", err.text) : 0;
}

static void check_out_blocking(struct ring_job *job)
{
	struct op *op = container_of(job, struct op, job);

	op->err = insertion_check_undo(op->daemon->kernel_ops,
				       op->entry->config, op->error);
	if (!op->err && !op->is_left_open)
		op->err = op_settle_record(op);
}

void op_start_disable(struct op *op)
{
	if (op_find_entry(op))
		op_run_job(op, check_out_blocking, stop_and_take_out);
}

struct op *op_disable(struct daemon *daemon, const char *name,
		      op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, op_start_disable, done,
				  arg);

	return op ? put_in_line(op) : NULL;
}

struct op *op_undo_enable(struct daemon *daemon, const char *name,
			  op_done_fn *done, void *arg)
{
	struct op *op = op_create(daemon, name, op_start_disable, done,
				  arg);

	if (!op)
		return NULL;
	op->is_left_open = true;
	return put_in_line(op);
}

/* --- for ops-impl.h ---------------------------------------------------- */

struct op *op_create(struct daemon *daemon, const char *name,
		     void (*start)(struct op *op), op_done_fn *done, void *arg)
{
	struct op *op = create(daemon, start, done, arg);

	if (op)
		snprintf(op->name, sizeof(op->name), "%s", name);
	return op;
}

struct op *op_put_in_line(struct op *op)
{
	return put_in_line(op);
}

void op_finish(struct op *op)
{
	finish(op);
}

void op_go_to_volume(struct op *op, void (*step)(struct op *op))
{
	if (!op_find_entry(op))
		return;
	if (op->entry->reactor) {
		op_run_on(op, op->entry->reactor, step);
		return;
	}
	set_error(op, -EBUSY, "volume %s does not run: %.300s", op->name,
		  op->entry->error);
	finish(op);
}

void op_leave(struct op *op, void (*left)(struct op *op))
{
	op->left = left;
	op_run_on(op, op->entry->reactor, remove_on_reactor);
}

void op_start_entry(struct op *op)
{
	start_entry(op);
}

void op_stop_group(struct op *op, struct group *group,
		   void (*stopped)(struct group *group))
{
	changing = op;
	group_stop(group, CHANGE_GRACE_MS, stopped);
}

/* --- all reactors, one after the other --------------------------------- */

static void go_to_next(struct op *op, void (*step)(struct op *op))
{
	if (op->reactor_index == op->daemon->nr_reactors) {
		finish(op);
		return;
	}
	op_run_on(op, &op->daemon->reactors[op->reactor_index++], step);
}

static void start_on_reactor(struct op *op)
{
	for (struct group *g = op->reactor->groups; g; g = g->next)
		if (g->pair.state == PAIR_DISABLED)
			group_start(g);
	go_to_next(op, start_on_reactor);
}

static void start_start_groups(struct op *op)
{
	op->daemon->is_starting = false;
	go_to_next(op, start_on_reactor);
}

struct op *op_start_groups(struct daemon *daemon, op_done_fn *done, void *arg)
{
	struct op *op = create(daemon, start_start_groups, done, arg);

	return op ? put_in_line(op) : NULL;
}

static void stop_on_reactor(struct op *op);

static void free_group(struct group *g)
{
	while (g->volumes) {
		struct volume *v = g->volumes;

		group_remove(g, v);
		volume_destroy(v);
	}
	group_destroy(g);
}

static void on_stopped_to_end(struct group *g)
{
	struct op *op = op_of_group(g);

	free_group(g);
	if (!op->reactor->groups)
		go_to_next(op, stop_on_reactor);
}

/* All groups of a reactor at once: a slow one costs its grace only once. */
static void stop_on_reactor(struct op *op)
{
	struct group *next;

	changing = op;
	if (!op->reactor->groups) {
		go_to_next(op, stop_on_reactor);
		return;
	}
	for (struct group *g = op->reactor->groups; g; g = next) {
		next = g->next;
		group_stop(g, STOP_GRACE_MS, on_stopped_to_end);
	}
}

static void start_stop_all(struct op *op)
{
	go_to_next(op, stop_on_reactor);
}

struct op *op_stop_all(struct daemon *daemon, op_done_fn *done, void *arg)
{
	struct op *op = create(daemon, start_stop_all, done, arg);

	return op ? put_in_line(op) : NULL;
}

static void status_on_reactor(struct op *op)
{
	if (op->name[0])
		status_one(op->result, op->reactor, op->name);
	else
		status_reactor(op->result, op->reactor, &op->look);
	go_to_next(op, status_on_reactor);
}

struct op *op_status(struct daemon *daemon, const char *only,
		     op_done_fn *done, void *arg)
{
	struct op *op = create(daemon, NULL, done, arg);

	if (!op)
		return NULL;
	snprintf(op->name, sizeof(op->name), "%s", only ? only : "");
	op->result = json_array();
	go_to_next(op, status_on_reactor);
	return op;
}
