// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A stage of our own as a target, stage:DIR/VOLUME, without a server. It is
 * what nbdkit's plugin would be behind NBD: writes are a protocol.
 *
 * Q1 no call of the stage is made on the ring's thread, where it could wait for
 *    a disk: opening and closing are jobs, requests go to the stage's threads
 *    and their answers are posted.
 * Q2 a call belongs to its thread from local_stage_queue() until it is posted,
 *    and to the ring's thread before and after. The rest is the latter's.
 * Q3 the stage is let go when nothing is under way; closed() comes after that,
 *    so what is opened next does not find it locked by us.
 * Q4 FLUSH, and FUA of data, do nothing: what is not committed is not kept, and
 *    a header is durable when it is answered.
 */
#include "backend-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "local-stage.h"
#include "ring.h"

#define MAX_IO		(1024 * 1024)

struct staged {
	struct backend base;
	struct stage_name name;
	struct local_stage *stage;	/* NULL: not open, or no more */
	struct stage_volume *v;
	struct stage_conn *conn;
	struct ring_job job;		/* opening, then closing */
	bool is_job;
	struct error err;		/* of the opening */
	unsigned int pending;
	struct ring_work ended;
	bool is_closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct call {
	struct stage_work work;
	struct ring_work answer;
	struct staged *s;
	int (*run)(struct call *call);	/* on a thread of the stage; -errno */
	const void *from;
	void *to;
	uint64_t len, off;		/* of digests: number, first */
	bool is_write;
	int ret;
	struct error err;
	backend_done_fn *done;
	void *arg;
};

static struct staged *to_staged(struct backend *b)
{
	return container_of(b, struct staged, base);
}

/* --- closing -------------------------------------------------------------- */

static void end_blocking(struct ring_job *job)
{
	struct staged *s = container_of(job, struct staged, job);

	stage_conn_destroy(s->conn);
	s->conn = NULL;
	if (s->stage)
		local_stage_put(s->stage);
	s->stage = NULL;
}

/* Q3 */
static void on_ended(struct ring_job *job)
{
	struct staged *s = container_of(job, struct staged, job);
	void (*closed)(void *arg) = s->closed;
	void *arg = s->closed_arg;

	stage_name_clear(&s->name);
	free(s);
	if (closed)
		closed(arg);
}

static void let_go(struct ring_work *work)
{
	struct staged *s = container_of(work, struct staged, ended);

	s->job.blocking = end_blocking;
	s->job.done = on_ended;
	s->is_job = true;
	if (!ring_job_start(s->base.ring, &s->job))
		return;
	end_blocking(&s->job);	/* no thread: better late than never */
	on_ended(&s->job);
}

static void let_go_if_idle(struct staged *s)
{
	if (s->is_closing && !s->pending && !s->is_job)
		ring_defer(s->base.ring, &s->ended);
}

static void staged_close(struct backend *b, void (*closed)(void *arg),
			 void *arg)
{
	struct staged *s = to_staged(b);

	s->is_closing = true;
	s->closed = closed;
	s->closed_arg = arg;
	let_go_if_idle(s);
}

/* --- requests ------------------------------------------------------------- */

static void call_answered(struct ring_work *work)
{
	struct call *call = container_of(work, struct call, answer);
	struct staged *s = call->s;
	backend_done_fn *done = call->done;
	void *arg = call->arg;
	int ret = call->ret;

	if (ret)
		backend_set_error(&s->base, ret, "%s", call->err.text);
	s->base.writes -= call->is_write;
	s->pending--;
	free(call);
	let_go_if_idle(s);
	done(arg, ret);
}

static void call_run(struct stage_work *work)
{
	struct call *call = container_of(work, struct call, work);

	call->ret = call->run(call);
	ring_post(call->s->base.ring, &call->answer);
}

static int call_start(struct backend *b, const struct call *what)
{
	struct staged *s = to_staged(b);
	int err = s->conn && !s->is_closing ? -ENOMEM : -ENOTCONN;
	struct call *call = err == -ENOMEM ? malloc(sizeof(*call)) : NULL;

	if (!call)
		return backend_set_error(b, err, "%s", strerror(-err));
	*call = *what;
	call->s = s;
	call->work.run = call_run;
	call->answer.run = call_answered;
	s->pending++;
	b->writes += call->is_write;
	local_stage_queue(s->stage, &call->work);
	return 0;
}

static int run_write(struct call *call)
{
	return stage_conn_write(call->s->conn, call->from, call->len,
				call->off, &call->err);
}

static int staged_write(struct backend *b, const void *buf, size_t len,
			uint64_t off, unsigned int flags,
			backend_done_fn *done, void *arg)
{
	return call_start(b, &(struct call) {
		.run = run_write, .from = buf, .len = len, .off = off,
		.is_write = true, .done = done, .arg = arg,
	});
}

static int run_zero(struct call *call)
{
	return stage_conn_zero(call->s->conn, call->len, call->off,
			       &call->err);
}

static int staged_zero(struct backend *b, uint64_t len, uint64_t off,
		       unsigned int flags, backend_done_fn *done, void *arg)
{
	return call_start(b, &(struct call) {
		.run = run_zero, .len = len, .off = off, .is_write = true,
		.done = done, .arg = arg,
	});
}

static int run_read(struct call *call)
{
	return stage_conn_read(call->s->conn, call->to, call->len, call->off,
			       &call->err);
}

static int staged_read(struct backend *b, void *buf, size_t len, uint64_t off,
		       backend_done_fn *done, void *arg)
{
	return call_start(b, &(struct call) {
		.run = run_read, .to = buf, .len = len, .off = off,
		.done = done, .arg = arg,
	});
}

/* Q4 */
static int run_flush(struct call *call)
{
	return 0;
}

static int staged_flush(struct backend *b, backend_done_fn *done, void *arg)
{
	return call_start(b, &(struct call) {
		.run = run_flush, .done = done, .arg = arg,
	});
}

/* The seed is the session's, which the stage knows. */
static int run_sums(struct call *call)
{
	return stage_get_sums(call->s->v, call->off, call->len, call->to,
			      &call->err);
}

static int staged_sums(struct backend *b, uint64_t first, uint32_t nr,
		       void *sums, uint64_t seed, backend_done_fn *done,
		       void *arg)
{
	return call_start(b, &(struct call) {
		.run = run_sums, .to = sums, .len = nr, .off = first,
		.done = done, .arg = arg,
	});
}

/* --- opening -------------------------------------------------------------- */

static int refuse(struct staged *s, int err, const char *what,
		  const char *there)
{
	return error_set(&s->err, err, "the stage %.100s has %.40s %s %.80s",
			 s->name.options.dir, s->name.volume, what, there);
}

/* Not where its description or its log is damaged, which the error says. */
static int check_readable(struct staged *s)
{
	struct stage_conn *c = NULL;
	int ret = stage_conn_create(&c, s->v, &s->err);

	stage_conn_destroy(c);
	return ret;
}

/* It is there already, and must be what we ship, or can grow to that. */
static int check_volume(struct staged *s, const char *group)
{
	const struct backend_options *o = &s->base.opts;
	struct stage_info info;
	char text[32];

	if (check_readable(s))
		return s->err.code;
	stage_get_info(s->v, &info);
	snprintf(text, sizeof(text), "%llu bytes",
		 (unsigned long long)info.bytes);
	if (o->volume_bytes && info.bytes > o->volume_bytes)
		return refuse(s, -EINVAL, "with", text);
	snprintf(text, sizeof(text), "%u bytes", info.chunk_bytes);
	if (info.chunk_bytes != backend_chunk_bytes(&s->base))
		return refuse(s, -EINVAL, "with chunks of", text);
	if (s->name.base && strcmp(info.base, s->name.base))
		return refuse(s, -EINVAL, "on", info.base);
	if (strcmp(info.group, group))
		return refuse(s, -EINVAL, "in the group", info.group);
	return 0;
}

static int create_volume(struct staged *s)
{
	const struct backend_options *o = &s->base.opts;
	const struct stage_volume_config config = {
		.name = s->name.volume,
		.group = o->group,
		.base = s->name.base,
		.bytes = o->volume_bytes,
		.chunk_bytes = o->chunk_bytes,
	};

	if (!s->name.base)
		return error_set(&s->err, -ENOENT, "the stage %.100s has no "
				 "volume %.40s; with ?base=PATH in the target "
				 "it is made, on that file or device",
				 s->name.options.dir, s->name.volume);
	return stage_create_volume(local_stage_of(s->stage), &config, &s->v,
				   &s->err);
}

static int try_open(struct staged *s)
{
	const char *group = s->base.opts.group ?: s->name.volume;
	int ret = local_stage_get(&s->stage, &s->name, &s->err);

	if (ret)
		return ret;
	s->v = stage_find(local_stage_of(s->stage), s->name.volume);
	ret = s->v ? check_volume(s, group) : create_volume(s);
	return ret ? ret : stage_conn_create(&s->conn, s->v, &s->err);
}

static void open_blocking(struct ring_job *job)
{
	struct staged *s = container_of(job, struct staged, job);
	int ret = try_open(s);

	if (ret)
		error_set(&s->err, ret, "%s", strerror(-ret));
}

static void fill_info(struct staged *s)
{
	struct backend_info *info = &s->base.info;
	uint64_t bytes = stage_conn_bytes(s->conn);

	info->size = replica_export_bytes(bytes);
	info->is_smaller = bytes < s->base.opts.volume_bytes;
	info->max_io = MAX_IO;
	info->min_block = STAGE_BLOCK;
	info->can = BACKEND_CAN_ZERO | BACKEND_CAN_FUA | BACKEND_CAN_FLUSH |
		    BACKEND_CAN_SUM;
	info->connections = 1;
	info->is_staged = true;
}

static void on_opened(struct ring_job *job)
{
	struct staged *s = container_of(job, struct staged, job);
	struct backend *b = &s->base;

	s->is_job = false;
	if (s->is_closing) {
		let_go_if_idle(s);
		return;
	}
	if (!s->err.code)
		fill_info(s);
	else
		backend_set_error(b, 0, "%s", s->err.text);
	b->events->ready(b->arg, s->err.code, b->error);
}

static const struct backend_ops staged_ops = {
	.write = staged_write,
	.zero = staged_zero,
	.read = staged_read,
	.flush = staged_flush,
	.sums = staged_sums,
	.close = staged_close,
};

static int refuse_name(const struct backend_options *opts, const char *target,
		       struct stage_name *name, struct error *err)
{
	if (strlen(target) >= sizeof(((struct backend *)0)->name))
		return error_set(err, -EINVAL, "the target's name is too long");
	if (opts->apply == BACKEND_APPLY_DIRECT)
		return error_set(err, -EINVAL, "a stage cannot be written in "
				 "place (apply=direct): local:PATH can");
	return stage_name_parse(name, target, err);
}

int stage_backend_open(struct backend **b, struct ring *ring,
		       const char *target, const struct backend_options *opts,
		       const struct backend_events *events, void *arg,
		       char *text, size_t text_len)
{
	struct staged *s = calloc(1, sizeof(*s));
	struct error err = { 0 };
	int ret = s ? refuse_name(opts, target, &s->name, &err) : -ENOMEM;

	if (!ret) {
		backend_init(&s->base, &staged_ops, ring, target, opts, events,
			     arg);
		s->ended.run = let_go;
		s->job.blocking = open_blocking;
		s->job.done = on_opened;
		s->is_job = true;
		ret = ring_job_start(ring, &s->job);
		if (ret)
			stage_name_clear(&s->name);
	}
	if (!ret) {
		*b = &s->base;
		return 0;
	}
	free(s);
	snprintf(text, text_len, "%s", err.code ? err.text : strerror(-ret));
	return ret;
}
