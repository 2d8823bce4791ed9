// SPDX-License-Identifier: GPL-2.0-or-later
#include "resolve-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "giving-up.h"
#include "hooks.h"
#include "log.h"
#include "promotion.h"

#define PIECE_BYTES	(1U << 20)
#define AGAIN_MS	100
#define GIVE_UP_NS	10000000000ULL	/* until its metadata has the role */
#define OPENS_MAX	10	/* looks at which it is open, in a row */

static struct ring *main_ring(const struct resolution *r)
{
	return r->daemon->reactors[0].ring;
}

static const char *name_of(const struct resolution *r)
{
	return r->info.volume;
}

/* --- the end -------------------------------------------------------------- */

static json_t *describe(const struct resolution *r)
{
	uint64_t bytes = dmr_extents_chunks(r->dirty) * r->chunk_bytes;

	return json_pack("{si ss sI sI ss sb}", "schema_version", 1, "volume",
			 name_of(r), "lost_bytes", (json_int_t)bytes,
			 "last_committed", (json_int_t)r->info.epoch,
			 "salvage", r->is_dry || !bytes ? "" : r->path,
			 "dry_run", r->is_dry);
}

static void finish(struct resolution *r)
{
	struct resolution **link = &r->daemon->resolutions;

	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	if (r->fd >= 0)
		close(r->fd);
	if (r->is_owed)
		hooks_waive(&r->daemon->hooks, HOOK_AFTER_DEMOTE, name_of(r));
	r->done(r->arg, r->error.code ? NULL : describe(r),
		r->error.code ? &r->error : NULL);
	dmr_extents_destroy(r->dirty);
	daemon_wrap_up(r->daemon);
	free(r);
}

static void on_undone(struct ring_work *work)
{
	finish(container_of(work, struct resolution, work));
}

static void undo_on_reactor(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);
	struct volume *v = reactor_find(r->reactor, name_of(r));

	if (v)
		giving_up_undo(v);
	r->work.run = on_undone;
	ring_post(main_ring(r), &r->work);
}

/* It goes on as it was. */
static void undo(struct resolution *r)
{
	r->work.run = undo_on_reactor;
	ring_post(r->reactor->ring, &r->work);
}

static void run_job(struct resolution *r, void (*blocking)(struct ring_job *),
		    void (*done)(struct ring_job *))
{
	r->job.blocking = blocking;
	r->job.done = done;
	if (!ring_job_start(main_ring(r), &r->job))
		return;
	error_set(&r->error, -ENOMEM, "no thread");
	undo(r);
}

/* --- hooks ---------------------------------------------------------------- */

static struct hook_call hook_of(const struct resolution *r, enum hook hook)
{
	struct hook_call c = {
		.hook = hook, .epoch = r->info.epoch,
		.generation = r->info.generation,
	};

	snprintf(c.volume, sizeof(c.volume), "%s", name_of(r));
	snprintf(c.device, sizeof(c.device), "/dev/mapper/%s", r->device);
	snprintf(c.reason, sizeof(c.reason), "%s", r->is_planned ?
		 "a planned failover" : "the other site's data are kept");
	return c;
}

static void pay_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	hooks_pay(&r->daemon->hooks, HOOK_AFTER_DEMOTE, name_of(r));
}

static void on_paid(struct ring_job *job)
{
	finish(container_of(job, struct resolution, job));
}

/* It is given up, whatever else. Without a thread, the next start pays. */
static void finish_with_hook(struct resolution *r)
{
	r->job.blocking = pay_blocking;
	r->job.done = on_paid;
	if (ring_job_start(main_ring(r), &r->job))
		finish(r);
}

/* --- the end of one that is given up -------------------------------------- */

static void on_ended(void *arg, const struct error *err)
{
	struct resolution *r = arg;

	if (!err) {
		finish_with_hook(r);
		return;
	}
	error_set(&r->error, err->code, "%s", err->text);
	finish(r);
}

/* The claim is over: it is we who would use the device. */
static void end_given_up(struct resolution *r)
{
	r->is_owed = false;		/* it will be paid */
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	promotion_end(r->daemon, name_of(r), on_ended, r);
}

static void go_to_reactor(struct resolution *r);

/* Q3 */
static void give_up(struct resolution *r)
{
	const struct hook_call after = hook_of(r, HOOK_AFTER_DEMOTE);

	if (hooks_owe(&r->daemon->hooks, &after, &r->error)) {
		undo(r);
		return;
	}
	r->is_owed = true;
	/* However long the salvage took. */
	r->until_ns = ring_now(main_ring(r)) + GIVE_UP_NS;
	go_to_reactor(r);
}

/* --- salvage -------------------------------------------------------------- */

static int copy_run(struct resolution *r, struct salvage_writer *w, char *buf,
		    const struct dmr_extent *e)
{
	uint64_t off = e->start * r->chunk_bytes;
	uint64_t end = off + e->count * r->chunk_bytes;
	int ret = 0;

	if (end > r->info.volume_bytes)
		end = r->info.volume_bytes;
	while (!ret && off < end) {
		size_t part = end - off < PIECE_BYTES ? end - off : PIECE_BYTES;
		ssize_t n = pread(r->fd, buf, part, off);

		if (n != (ssize_t)part)
			return error_set(&r->error, n < 0 ? -errno : -EIO,
					 "%.180s: cannot be read at %" PRIu64,
					 r->live, off);
		ret = salvage_add(w, off, buf, part, &r->error);
		off += part;
	}
	return ret;
}

static int write_salvage(struct resolution *r)
{
	struct salvage_writer *w = NULL;
	char *buf = malloc(PIECE_BYTES);
	const struct dmr_extent *e;
	size_t nr;
	int ret = buf ? salvage_begin(&w, r->path, &r->info, &r->error) :
			error_set(&r->error, -ENOMEM, "no memory");

	e = dmr_extents_array(r->dirty, &nr);
	for (size_t i = 0; !ret && i < nr; i++)
		ret = copy_run(r, w, buf, &e[i]);
	if (!ret)
		ret = salvage_end(w, &r->error);
	else if (w)
		salvage_give_up(w);
	free(buf);
	return ret;
}

static void salvage_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	r->info.time = now.tv_sec * 1000000000ULL + now.tv_nsec;
	if (mkdir(r->dir, 0700) && errno != EEXIST)
		error_set(&r->error, -errno, "%.200s: %s", r->dir,
			  strerror(errno));
	else
		write_salvage(r);
}

static void on_salvaged(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	if (r->error.code)
		undo(r);
	else
		give_up(r);
}

static void salvage(struct resolution *r)
{
	if (!dmr_extents_chunks(r->dirty)) {
		give_up(r);
		return;
	}
	if (snprintf(r->path, sizeof(r->path), "%s/%s-%" PRIu64 "-%08" PRIx32
		     SALVAGE_SUFFIX, r->dir, name_of(r), r->info.epoch,
		     (uint32_t)r->info.generation) < PATH_MAX) {
		run_job(r, salvage_blocking, on_salvaged);
		return;
	}
	error_set(&r->error, -ENAMETOOLONG, "%.200s", r->dir);
	undo(r);
}

/* --- looking -------------------------------------------------------------- */

/* What else has it open: ours is one. It may only look at it, as udev does. */
static void count_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);
	char error[KERNEL_ERROR_SIZE] = "";
	int ret = r->daemon->kernel_ops->nr_opens(r->device, error);

	r->is_counted = ret >= 0 && ret <= 1;
	r->nr_open_seen = ret > 1 ? r->nr_open_seen + 1 : 0;
	if (ret < 0)
		error_set(&r->error, ret, "%s: %.200s", name_of(r), error);
	else if (ret > 1)
		error_set(&r->error, r->nr_open_seen < OPENS_MAX ? -EAGAIN :
			  -EBUSY, "%s: %.100s: is in use: stop what uses it",
			  name_of(r), r->live);
}

static void on_again(struct ring_timer *timer)
{
	struct resolution *r = container_of(timer, struct resolution, again);

	error_clear(&r->error);
	go_to_reactor(r);
}

/* It is a matter of time, or of the link. */
static bool look_again(struct resolution *r)
{
	if (r->error.code != -EAGAIN)
		return false;
	if (ring_now(main_ring(r)) >= r->until_ns || r->is_dry ||
	    r->daemon->is_stopping) {
		r->error.code = -ETIMEDOUT;
		return false;
	}
	r->again.fire = on_again;
	ring_timer_add(main_ring(r), &r->again, AGAIN_MS);
	return true;
}

static void on_counted(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	if (look_again(r))
		return;
	if (r->error.code)
		undo(r);
	else
		go_to_reactor(r);
}

/* R1: counted while writers wait, or when they cannot write any more. */
static void go_on(struct resolution *r)
{
	if (r->phase == RESOLVE_DONE)
		end_given_up(r);
	else if (r->phase == RESOLVE_SALVAGED)
		salvage(r);
	else if (r->is_counted)
		go_to_reactor(r);
	else
		run_job(r, count_blocking, on_counted);
}

static void on_looked(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	if (look_again(r))
		return;
	if (r->is_dry)
		finish(r);
	else if (r->error.code)
		undo(r);
	else
		go_on(r);
}

static void look(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);
	struct volume *v = reactor_find(r->reactor, name_of(r));

	if (v)
		resolve_look(r, v);
	else
		error_set(&r->error, -ENOENT, "there is no volume %s",
			  name_of(r));
	r->work.run = on_looked;
	ring_post(main_ring(r), &r->work);
}

static void go_to_reactor(struct resolution *r)
{
	r->work.run = look;
	ring_post(r->reactor->ring, &r->work);
}

/* --- claim ---------------------------------------------------------------- */

static void claim_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);
	const struct hook_call before = hook_of(r, HOOK_BEFORE_DEMOTE);
	char error[KERNEL_ERROR_SIZE] = "";
	int ret;

	if (hooks_run(&r->daemon->hooks, &before, &r->error))
		return;
	r->fd = open(r->live, O_RDONLY | O_EXCL | O_CLOEXEC);
	ret = r->fd < 0 ? -errno :
	      r->daemon->kernel_ops->nr_opens(r->device, error);
	if (ret > 1)
		ret = -EBUSY;
	if (ret < 0)
		error_set(&r->error, ret, "%s: %.100s: %.120s", name_of(r),
			  r->live, ret == -EBUSY ? "is in use: stop what uses "
			  "it, and unmount it" : error[0] ? error :
			  strerror(-ret));
}

static void on_claimed(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);

	/* What the hook before it took is not of its time. */
	r->until_ns = ring_now(main_ring(r)) + r->wait_ns;
	if (r->error.code)
		finish(r);
	else
		go_to_reactor(r);
}

static void on_device(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	if (r->error.code || (r->is_over && r->is_dry))
		finish(r);
	else if (r->is_over)
		end_given_up(r);
	else if (r->is_dry)
		go_to_reactor(r);
	else
		run_job(r, claim_blocking, on_claimed);
}

/* On the volume's thread. */
static void find_device(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);
	struct volume *v = reactor_find(r->reactor, name_of(r));

	if (v)
		resolve_find(r, v);
	else
		error_set(&r->error, -ENOENT, "there is no volume %s",
			  name_of(r));
	r->work.run = on_device;
	ring_post(main_ring(r), &r->work);
}

/* --- the beginning -------------------------------------------------------- */

static bool is_under_way(const struct daemon *daemon, const char *volume)
{
	const struct resolution *r = daemon->resolutions;

	while (r && strcmp(name_of(r), volume))
		r = r->next;
	return r;
}

static int check(const struct daemon *daemon, const struct resolve_request *q,
		 struct error *err)
{
	const struct entry *entry = daemon_find(daemon, q->volume);

	if (promotion_is_ending(daemon, q->volume))
		return is_under_way(daemon, q->volume) ?
		       error_set(err, -EBUSY, "%.60s: is being resolved",
				 q->volume) : 0;
	if (!entry)
		return error_set(err, -ENOENT, "there is no volume %.60s",
				 q->volume);
	if (!entry->reactor)
		return error_set(err, -EINVAL, "volume %.60s does not run: "
				 "there is nothing to resolve", q->volume);
	if (is_under_way(daemon, q->volume))
		return error_set(err, -EBUSY, "%.60s: is being resolved",
				 q->volume);
	if (q->dir && q->dir[0] != '/')
		return error_set(err, -EINVAL, "dir=%.100s: want an absolute "
				 "path", q->dir);
	return 0;
}

static struct resolution *create(struct daemon *daemon,
				 const struct resolve_request *q)
{
	struct resolution *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->dirty = dmr_extents_create();
	if (!r->dirty) {
		free(r);
		return NULL;
	}
	r->daemon = daemon;
	r->fd = -1;
	r->is_dry = q->is_dry;
	r->is_planned = q->is_planned;
	r->wait_ns = q->wait_ms * 1000000ULL;
	r->is_over = promotion_is_ending(daemon, q->volume);
	if (!r->is_over)
		r->reactor = daemon_find(daemon, q->volume)->reactor;
	snprintf(r->info.volume, sizeof(r->info.volume), "%s", q->volume);
	if (q->dir)
		snprintf(r->dir, sizeof(r->dir), "%s", q->dir);
	else
		snprintf(r->dir, sizeof(r->dir), "%s/salvage",
			 daemon->config.state_dir);
	r->next = daemon->resolutions;
	daemon->resolutions = r;
	return r;
}

void resolve_keep_peer(struct daemon *daemon, const struct resolve_request *q,
		       void (*done)(void *arg, json_t *result,
				    const struct error *err), void *arg)
{
	struct error err = { 0 };
	struct resolution *r = NULL;

	if (!check(daemon, q, &err)) {
		r = create(daemon, q);
		if (!r)
			error_set(&err, -ENOMEM, "no memory");
	}
	if (err.code) {
		done(arg, NULL, &err);
		return;
	}
	r->done = done;
	r->arg = arg;
	if (r->is_over) {
		if (r->is_dry)
			finish(r);
		else
			end_given_up(r);
		return;
	}
	r->work.run = find_device;
	ring_post(r->reactor->ring, &r->work);
}
