// SPDX-License-Identifier: GPL-2.0-or-later
#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon.h"
#include "extents.h"
#include "group.h"
#include "hooks.h"
#include "log.h"
#include "ops.h"
#include "promotion.h"
#include "salvage-file.h"
#include "volume.h"

#define PIECE_BYTES	(1U << 20)
#define AGAIN_MS	100
#define DUMPS		10	/* until one is of one piece */

struct resolution {
	struct resolution *next;	/* daemon->resolutions */
	struct daemon *daemon;
	struct reactor *reactor;
	struct ring_work work;
	struct ring_job job;
	char dir[PATH_MAX], path[PATH_MAX], live[PATH_MAX];
	char device[DMR_NAME_LEN];
	bool is_made;			/* its device goes with its target */
	bool was_promoted;		/* there is a device to be removed */
	bool is_owed;			/* after-demote, if it is given up */
	struct salvage_info info;
	uint64_t chunk_bytes;
	struct dmr_extents *dirty;
	int fd;				/* R1 */
	bool is_dry, is_planned;
	uint64_t wait_ns;		/* of a planned one: for the end */
	uint64_t until_ns;		/* monotonic; of that */
	struct ring_timer again;
	struct error error;
	void (*done)(void *arg, json_t *result, const struct error *err);
	void *arg;
};

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

static void run_job(struct resolution *r, void (*blocking)(struct ring_job *),
		    void (*done)(struct ring_job *))
{
	r->job.blocking = blocking;
	r->job.done = done;
	if (!ring_job_start(main_ring(r), &r->job))
		return;
	error_set(&r->error, -ENOMEM, "no thread");
	finish(r);
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

/* It is given up, whatever else. */
static void finish_with_hook(struct resolution *r)
{
	run_job(r, pay_blocking, on_paid);
}

/* --- disable -------------------------------------------------------------- */

static void remove_blocking(struct ring_job *job)
{
	struct resolution *r = container_of(job, struct resolution, job);
	char error[KERNEL_ERROR_SIZE] = "";
	int ret = r->daemon->kernel_ops->deactivate(r->device, error);

	if (ret)
		error_set(&r->error, ret, "%s: it is given up, but its device "
			  "could not be removed: %.120s", name_of(r), error);
}

static void on_removed(struct ring_job *job)
{
	finish_with_hook(container_of(job, struct resolution, job));
}

static void on_disabled(struct op *op)
{
	struct resolution *r = op->arg;
	bool is_left = !op->err && r->was_promoted;

	if (op->err)
		error_set(&r->error, op->err, "%.200s", op->error[0] ?
			  op->error : strerror(-op->err));
	else
		log_info(name_of(r), "given up here: the other site's data "
			 "are kept");
	op_free(op);
	if (r->error.code) {
		finish(r);
		return;
	}
	r->is_owed = false;		/* it will be paid */
	if (!is_left) {
		finish_with_hook(r);
		return;
	}
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	run_job(r, remove_blocking, on_removed);
}

static void disable(struct resolution *r)
{
	const struct hook_call after = hook_of(r, HOOK_AFTER_DEMOTE);
	int ret;

	if (hooks_owe(&r->daemon->hooks, &after, &r->error)) {
		finish(r);
		return;
	}
	r->is_owed = true;
	ret = promotion_forget(r->daemon, name_of(r), &r->was_promoted);
	if (ret) {
		error_set(&r->error, ret, "%s: the record of its failover: %s",
			  name_of(r), strerror(-ret));
		finish(r);
		return;
	}
	if (r->is_made) {			/* else it is we who use it */
		close(r->fd);
		r->fd = -1;
	}
	if (op_disable(r->daemon, name_of(r), on_disabled, r))
		return;
	error_set(&r->error, -ENOMEM, "no memory");
	finish(r);
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
		finish(r);
	else
		disable(r);
}

static void salvage(struct resolution *r)
{
	if (!dmr_extents_chunks(r->dirty)) {
		disable(r);
		return;
	}
	if (snprintf(r->path, sizeof(r->path), "%s/%s-%" PRIu64 "-%08" PRIx32
		     SALVAGE_SUFFIX, r->dir, name_of(r), r->info.epoch,
		     (uint32_t)r->info.generation) < PATH_MAX) {
		run_job(r, salvage_blocking, on_salvaged);
		return;
	}
	error_set(&r->error, -ENAMETOOLONG, "%.200s", r->dir);
	finish(r);
}

/* --- collect, on the volume's thread -------------------------------------- */

/* R2 */
static int check_state(struct resolution *r, const struct volume *v)
{
	enum pair_state state = v->group->pair.state;

	if (r->is_planned)
		return 0;
	if (state == PAIR_SUPERSEDED || state == PAIR_SPLIT_BRAIN)
		return 0;
	return error_set(&r->error, -EINVAL, "%s is %s: there is nothing to "
			 "resolve", name_of(r), pair_state_name(state));
}

/* R2, planned: has the target all of it? */
static int check_settled(struct resolution *r, struct volume *v)
{
	const struct pair *pair = &v->group->pair;

	if (volume_refresh(v))
		return error_set(&r->error, -EIO, "%s: %.200s", name_of(r),
				 kernel_error(v->reactor->kernel));
	if (pair->state != PAIR_REPLICATING)
		return error_set(&r->error, -EAGAIN, "%s is %s: %.180s",
				 name_of(r), pair_state_name(pair->state),
				 pair_reason(pair));
	if (v->info.epoch || v->info.nr_dirty || v->info.nr_frozen)
		return error_set(&r->error, -EAGAIN, "%s: not all of it is at "
				 "the other site yet", name_of(r));
	return 0;
}

/* R3. A dry run tells what there is. */
static int check_given_up(struct resolution *r, struct volume *v)
{
	int ret = check_state(r, v);

	if (ret || r->is_dry || volume_refresh(v))
		return ret;
	return v->info.epoch || v->info.nr_frozen ?
	       error_set(&r->error, -EAGAIN, "%s: its last epoch is still open",
			 name_of(r)) : 0;
}

static void look(struct resolution *r, struct volume *v)
{
	int ret = r->is_planned ? check_settled(r, v) : check_given_up(r, v);

	if (ret)
		return;
	ret = volume_refresh(v);
	for (int tries = 0; !ret && tries < DUMPS; tries++) {
		dmr_extents_clear(r->dirty);
		ret = kernel_get_dirty(v->reactor->kernel, v->device.dev,
				       dmr_extents_add_array, r->dirty);
		if (ret != -EINTR)
			break;
		ret = tries + 1 < DUMPS ? 0 : ret;
	}
	if (ret)
		error_set(&r->error, ret, "%s: %.200s", name_of(r),
			  kernel_error(v->reactor->kernel));
	r->chunk_bytes = volume_chunk_bytes(v);
	r->info.volume_bytes = volume_bytes(v);
	r->info.generation = v->identity.generation;
	r->info.epoch = v->info.last_committed;
	r->info.last_clean = v->info.last_committed;
}

static void go_to_reactor(struct resolution *r);

static void on_again(struct ring_timer *timer)
{
	struct resolution *r = container_of(timer, struct resolution, again);

	error_clear(&r->error);
	go_to_reactor(r);
}

/* With the claim nothing new comes: it is a matter of time, or of the link. */
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

static void on_collected(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);

	if (look_again(r))
		return;
	if (r->error.code || r->is_dry)
		finish(r);
	else
		salvage(r);
}

static void collect(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);
	struct volume *v = reactor_find(r->reactor, name_of(r));

	if (v)
		look(r, v);
	else
		error_set(&r->error, -ENOENT, "there is no volume %s",
			  name_of(r));
	r->work.run = on_collected;
	ring_post(main_ring(r), &r->work);
}

static void go_to_reactor(struct resolution *r)
{
	r->work.run = collect;
	ring_post(r->reactor->ring, &r->work);
}

/* --- claim ---------------------------------------------------------------- */

/* What has it open without a claim is counted: ours is one. */
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

	if (r->error.code)
		finish(r);
	else if (r->is_dry)
		go_to_reactor(r);
	else
		run_job(r, claim_blocking, on_claimed);
}

static void take_device(struct resolution *r, const struct volume *v)
{
	snprintf(r->live, sizeof(r->live), "%s", v->device.live);
	snprintf(r->device, sizeof(r->device), "%s", v->device.name);
	r->is_made = v->config->origin;
}

/* On the volume's thread. */
static void find_device(struct ring_work *work)
{
	struct resolution *r = container_of(work, struct resolution, work);
	struct volume *v = reactor_find(r->reactor, name_of(r));

	if (v && !check_state(r, v))
		take_device(r, v);
	else if (!v)
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
	r->work.run = find_device;
	ring_post(r->reactor->ring, &r->work);
}
