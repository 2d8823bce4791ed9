// SPDX-License-Identifier: GPL-2.0-or-later
/*
 *	choose -> BEGUN -> FENCED -> SALVAGED -> MARKED -> APPLIED -> LEFT
 *	   '- refused					ACTIVE <-'
 *
 * P1 The record of what is to be done is durable before the first change; so a
 *    promotion that was begun is always carried on, with the same epoch and the
 *    same generation. Only where the stage refuses the fence, and so is as it
 *    was, the record goes again.
 * P2 A step is noted when what it did is durable. One that was done, but not
 *    noted, is done again and changes nothing.
 * P3 (L2, L4) The stage lets the volume go only when its metadata, in which
 *    what is above the epoch is dirty, and the salvage of it are durable.
 * P4 The device is made last: nobody can write before tracking is on, and a
 *    base that the stage still has open is never written by another.
 * P5 What the stage says of a fence that is there counts more than the record,
 *    which may have been lost.
 * P6 before-promote is run while the stage is served: it may take long. So
 *    there is a plan before it, of what could refuse without it, and another
 *    after it: the epoch may be a newer one then.
 */
#include "promotion-run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "activation.h"
#include "identity.h"
#include "log.h"
#include "metadata-file.h"
#include "salvage-file.h"
#include "stage-promote.h"

#define PIECE_BYTES	(1U << 20)
#define SALVAGE_SPARE	(1U << 20)	/* its table, and room for a log */
#define OPEN_TRIES	50
#define OPEN_WAIT_US	100000

struct work {
	const struct promotion_run *run;
	struct promotion_record *r;
	struct stage *stage;
	struct stage_volume *v;
	bool is_again;			/* the base was let go before */
	struct error *err;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* For tests that kill us between two lines. */
static void tell_word(const struct work *w, const char *word)
{
	if (w->run->kernel_ops->note_step)
		w->run->kernel_ops->note_step(word);
}

static void tell_step(const struct work *w, const char *when,
		      enum promotion_step step)
{
	char text[40];

	snprintf(text, sizeof(text), "%s-%s", when, promotion_step_name(step));
	tell_word(w, text);
}

static bool is_none(const char *metadata)
{
	return !strcmp(metadata, "none");
}

/* --- choosing ------------------------------------------------------------- */

static const struct stage_epoch *find(const struct history *h,
				      const struct promotion_wish *wish)
{
	if (wish->at_ns)
		return history_find_time(h, wish->at_ns);
	return history_find(h, wish->epoch ? wish->epoch : UINT64_MAX);
}

int promotion_choose(const struct history *h,
		     const struct promotion_wish *wish,
		     struct promotion_record *r, struct error *err)
{
	const struct stage_epoch *e = find(h, wish);

	if (!e && (wish->epoch || wish->at_ns))
		return error_set(err, -ENOENT, "%s: the history does not reach "
				 "back so far", h->name);
	if (!e)
		return error_set(err, -ENOENT, "%s: there is no consistent "
				 "image of it yet", h->name);
	if (wish->epoch && e->epoch != wish->epoch)
		return error_set(err, -ENOENT, "%s: there is no image of epoch "
				 "%" PRIu64 "; the next below is %" PRIu64,
				 h->name, wish->epoch, e->epoch);
	r->epoch = e->epoch;
	r->cut_time = e->cut_time;
	r->last_clean = h->last_clean;
	r->last_partial = h->last_partial;
	r->bytes = h->bytes;
	r->dropped_bytes = 0;
	for (size_t i = 0; i < h->nr; i++)
		if (h->epochs[i].epoch > e->epoch)
			r->dropped_bytes += h->epochs[i].bytes;
	return 0;
}

static int choose(struct work *w)
{
	struct history h;
	int ret = history_read(&h, w->v);

	if (ret)
		return error_set(w->err, ret, "no memory");
	ret = h.error.code ? error_set(w->err, h.error.code, "%s",
				       h.error.text) :
	      promotion_choose(&h, &w->run->wish, w->r, w->err);
	history_clear(&h);
	return ret;
}

/* --- the stage ------------------------------------------------------------ */

/* The server of a replicad that was killed may be on its way out still. */
static int open_when_free(struct work *w, const struct stage_options *options,
			  struct error *why)
{
	int ret;

	for (int i = 0;; i++) {
		error_clear(why);
		ret = stage_open(&w->stage, w->r->dir, options, why);
		if (ret != -EBUSY || !w->r->pair[0] || i == OPEN_TRIES)
			return ret;
		usleep(OPEN_WAIT_US);
	}
}

static int open_stage(struct work *w)
{
	const struct stage_options still = { .is_still = true };
	struct error why = { 0 };
	struct stage_info info;
	int ret = open_when_free(w, &still, &why);

	if (ret == -EBUSY)
		return error_set(w->err, ret, "%.150s: another process has the "
				 "stage: end that nbdkit first", w->r->dir);
	if (ret)
		return error_set(w->err, ret, "%s", why.text);
	w->v = stage_find(w->stage, w->r->volume);
	if (!w->v)
		return error_set(w->err, -ENOENT, "%.150s: has no volume %s",
				 w->r->dir, w->r->volume);
	stage_get_info(w->v, &info);
	snprintf(w->r->base, sizeof(w->r->base), "%s", info.base);
	if (info.state == STAGE_ERROR)
		return error_set(w->err, -EIO, "%s: %.200s", w->r->volume,
				 info.error.text);
	return 0;
}

static int name_salvage(const struct promotion_record *r, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%s-%" PRIu64 "-%08" PRIx32
			SALVAGE_SUFFIX, r->dir, r->volume, r->epoch,
			(uint32_t)r->generation) >= PATH_MAX ?
	       -ENAMETOOLONG : 0;
}

/* What a record that was lost knew, as far as the salvage tells it. */
static void adopt_salvage(struct promotion_record *r)
{
	struct salvage s;
	char path[PATH_MAX];

	r->last_clean = r->epoch;
	if (name_salvage(r, path) || salvage_open(&s, path, NULL))
		return;
	memcpy(r->salvage, path, sizeof(path));
	r->last_clean = s.info.last_clean;
	r->last_partial = s.info.last_partial;
	r->dropped_bytes = s.info.data_bytes;
	r->begun_at = s.info.time;
	salvage_close(&s);
}

/* P5 */
static int adopt_fence(struct work *w, const struct stage_fence *f)
{
	const struct promotion_wish *wish = &w->run->wish;
	struct promotion_record *r = w->r;

	if (f->phase == STAGE_PHASE_GIVEN_UP)
		return error_set(w->err, -EINVAL, "%s: was promoted from this "
				 "stage once, and given up: what it has is old",
				 r->volume);
	if (wish->epoch && wish->epoch != f->epoch)
		return error_set(w->err, -EEXIST, "%s: was promoted already, "
				 "as of epoch %" PRIu64, r->volume, f->epoch);
	r->epoch = f->epoch;
	r->generation = f->header.generation;
	r->cut_time = f->header.cut_time;
	r->bytes = f->header.volume_bytes;
	adopt_salvage(r);
	return 0;
}

static int add_length(void *arg, uint64_t off, uint64_t len)
{
	*(uint64_t *)arg += len;
	return 0;
}

/* L4: before anything is closed. A volume without a way on would be no help. */
static int check_space(struct work *w)
{
	uint64_t need = 0, room;
	struct statvfs fs;
	int ret = stage_above(w->v, w->r->epoch, add_length, &need, w->err);

	if (ret || !need)
		return ret;
	if (statvfs(w->r->dir, &fs))
		return error_set(w->err, -errno, "%.200s: %s", w->r->dir,
				 strerror(errno));
	need += SALVAGE_SPARE;
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	return room >= need ? 0 :
	       error_set(w->err, -ENOSPC, "%.150s: the salvage of what is "
			 "dropped needs %" PRIu64 " bytes there, %" PRIu64
			 " are free", w->r->dir, need, room);
}

static int check_alone(struct work *w, const struct stage_info *info)
{
	return info->nr_members == 1 ? 0 :
	       error_set(w->err, -EOPNOTSUPP, "%s: is one of %u in group %.60s, "
			 "and a group is not promoted in parts", w->r->volume,
			 info->nr_members, info->group);
}

static int plan(struct work *w)
{
	struct promotion_record *r = w->r;
	struct stage_info info;
	struct stage_fence f;
	int ret;

	stage_get_fence(w->v, &f);
	stage_get_info(w->v, &info);
	r->begun_at = now_ns();
	r->old_generation = f.phase == STAGE_PHASE_OPEN ?
			    info.header.generation :
			    f.header.ancestors[0].generation;
	if (!r->generation)			/* P6: the same as before */
		identity_random(&r->generation, sizeof(r->generation));
	ret = check_alone(w, &info);
	if (!ret)
		ret = f.phase == STAGE_PHASE_OPEN ? choose(w) :
						    adopt_fence(w, &f);
	if (!ret && f.phase == STAGE_PHASE_OPEN)
		ret = stage_fence_check(w->v, r->epoch, r->generation, w->err);
	if (!ret && f.phase == STAGE_PHASE_OPEN)
		ret = check_space(w);
	if (!ret && f.phase != STAGE_PHASE_LEFT && !is_none(r->metadata))
		ret = metadata_file_check(r->metadata, &info.header, w->err);
	return ret;
}

/* --- steps ---------------------------------------------------------------- */

static int do_fence(struct work *w)
{
	struct stage_info info;
	int ret;

	stage_get_info(w->v, &info);
	ret = check_alone(w, &info);
	return ret ? ret : stage_fence(w->v, w->r->epoch, w->r->generation,
				       w->err);
}

static bool has_left(const struct work *w)
{
	struct stage_fence f;

	stage_get_fence(w->v, &f);
	return f.phase >= STAGE_PHASE_LEFT;
}

struct salvaging {
	struct work *w;
	struct salvage_writer *writer;
	char *buf;
};

static int salvage_extent(void *arg, uint64_t off, uint64_t len)
{
	struct salvaging *s = arg;
	struct work *w = s->w;
	int ret = 0;

	while (!ret && len) {
		size_t part = len < PIECE_BYTES ? len : PIECE_BYTES;

		ret = stage_fence_read(w->v, s->buf, part, off, w->err);
		if (!ret)
			ret = salvage_add(s->writer, off, s->buf, part, w->err);
		w->r->dropped_bytes += part;
		off += part;
		len -= part;
	}
	return ret;
}

static int write_salvage(struct work *w, const char *path)
{
	const struct promotion_record *r = w->r;
	struct salvage_info info = {
		.volume_bytes = r->bytes, .generation = r->old_generation,
		.epoch = r->epoch, .last_clean = r->last_clean,
		.last_partial = r->last_partial, .time = now_ns(),
		.cut_time = r->cut_time,
	};
	struct salvaging s = { .w = w, .buf = malloc(PIECE_BYTES) };
	int ret = s.buf ? 0 : error_set(w->err, -ENOMEM, "no memory");

	snprintf(info.volume, sizeof(info.volume), "%s", r->volume);
	if (!ret)
		ret = salvage_begin(&s.writer, path, &info, w->err);
	if (!ret)
		ret = stage_above(w->v, r->epoch, salvage_extent, &s, w->err);
	if (!ret)
		ret = salvage_end(s.writer, w->err);
	else if (s.writer)
		salvage_give_up(s.writer);
	free(s.buf);
	return ret;
}

static int note_any(void *arg, uint64_t off, uint64_t len)
{
	*(bool *)arg = true;
	return 1;
}

/* L4 */
static int do_salvage(struct work *w)
{
	struct promotion_record *r = w->r;
	bool is_any = false;
	int ret;

	if (has_left(w))
		return 0;
	r->dropped_bytes = 0;
	ret = stage_above(w->v, r->epoch, note_any, &is_any, w->err);
	if (!is_any)
		return ret;
	if (name_salvage(r, r->salvage))
		return error_set(w->err, -ENAMETOOLONG, "%.200s", r->dir);
	return write_salvage(w, r->salvage);
}

/* L2 */
static int do_mark(struct work *w)
{
	struct metadata_file *file = NULL;
	struct stage_fence f;
	int ret;

	if (has_left(w) || is_none(w->r->metadata))
		return 0;
	stage_get_fence(w->v, &f);
	ret = metadata_file_begin(&file, w->r->metadata, &f.header, w->err);
	if (ret)
		return ret;
	ret = stage_above(w->v, w->r->epoch, metadata_file_mark, file, w->err);
	if (!ret)
		return metadata_file_end(file, w->err);
	metadata_file_give_up(file);
	return ret;
}

static int do_apply(struct work *w)
{
	return stage_fence_apply(w->v, w->err);
}

/* P3 */
static int do_leave(struct work *w)
{
	struct stage_fence f;
	int ret;

	stage_get_fence(w->v, &f);
	ret = identity_adopt(w->run->state_dir, w->r->volume, &f.header);
	if (ret)
		return error_set(w->err, ret, "%.200s/%s.id: %s",
				 w->run->state_dir, w->r->volume,
				 strerror(-ret));
	return stage_fence_finish(w->v, w->err);
}

static struct hook_call hook_of(const struct promotion_record *r,
				enum hook hook)
{
	struct hook_call c = {
		.hook = hook, .epoch = r->epoch, .generation = r->generation,
	};

	snprintf(c.volume, sizeof(c.volume), "%s", r->volume);
	snprintf(c.device, sizeof(c.device), "/dev/mapper/%s", r->volume);
	snprintf(c.reason, sizeof(c.reason), "a forced failover");
	return c;
}

int promotion_ask(const struct promotion_run *run,
		  const struct promotion_record *r, struct error *err)
{
	const struct work w = { .run = run };
	const struct hook_call c = hook_of(r, HOOK_BEFORE_PROMOTE);
	int ret = hooks_run(run->hooks, &c, err);

	tell_word(&w, "hook");
	return ret;
}

static bool has_to_ask(const struct promotion_run *run)
{
	return !run->is_asked && hooks_has(run->hooks, HOOK_BEFORE_PROMOTE);
}

/* Not when its device is only made again. */
static int owe_hook(struct work *w)
{
	const struct hook_call c = hook_of(w->r, HOOK_AFTER_PROMOTE);

	return w->r->step == PROMOTION_ACTIVE ? 0 :
	       hooks_owe(w->run->hooks, &c, w->err);
}

/* P4 */
static int activate(struct work *w)
{
	const struct kernel_promoted promoted = {
		.name = w->r->volume,
		.base = w->r->base,
		.bytes = w->r->bytes,
		.metadata = w->r->metadata,
	};
	char why[KERNEL_ERROR_SIZE] = "";
	int ret = activation_run(w->run->kernel_ops, w->run->state_dir,
				 &promoted, w->is_again, why);

	return ret ? error_set(w->err, ret, "%s: %s", w->r->volume,
			       why[0] ? why : strerror(-ret)) : 0;
}

static int do_activate(struct work *w)
{
	int ret = owe_hook(w);

	return ret ? ret : activate(w);
}

static const struct {
	enum promotion_step step;
	int (*run)(struct work *w);
	bool needs_stage;
} steps[] = {
	{ PROMOTION_FENCED, do_fence, true },
	{ PROMOTION_SALVAGED, do_salvage, true },
	{ PROMOTION_MARKED, do_mark, true },
	{ PROMOTION_APPLIED, do_apply, true },
	{ PROMOTION_LEFT, do_leave, true },
	{ PROMOTION_ACTIVE, do_activate, false },
};

#define NR_STEPS	(sizeof(steps) / sizeof(steps[0]))

/* --- all of them ---------------------------------------------------------- */

/* P2 */
static int note(struct work *w, enum promotion_step step)
{
	int ret;

	tell_step(w, "done", step);
	w->r->step = step;
	ret = promotion_save(w->run->state_dir, w->r);
	if (ret)
		return error_set(w->err, ret, "%.200s/promotions/%s.json: %s",
				 w->run->state_dir, w->r->volume,
				 strerror(-ret));
	w->r->is_begun = true;
	log_info(w->r->volume, "failover: %s", promotion_step_name(step));
	tell_step(w, "noted", step);
	return 0;
}

/* Its device goes with each boot: the last step is done at each start. */
static bool is_done(const struct work *w, unsigned int i)
{
	return steps[i].step <= w->r->step && steps[i].step != PROMOTION_ACTIVE;
}

/* P1. What was refused now will be at each start. */
static void drop_refused(struct work *w, int code)
{
	struct stage_fence f;

	if (w->r->step != PROMOTION_BEGUN ||
	    (code != -EOPNOTSUPP && code != -ENOENT && code != -EINVAL))
		return;
	stage_get_fence(w->v, &f);
	if (f.phase == STAGE_PHASE_OPEN &&
	    !promotion_remove(w->run->state_dir, w->r->volume))
		w->r->is_begun = false;
}

static int run_steps(struct work *w)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < NR_STEPS; i++) {
		if (is_done(w, i))
			continue;
		if (__atomic_load_n(w->run->is_stopping, __ATOMIC_RELAXED))
			return error_set(w->err, -ECANCELED, "replicad was "
					 "stopped; it goes on at its next "
					 "start");
		if (!steps[i].needs_stage) {
			stage_close(w->stage);
			w->stage = NULL;
		}
		ret = steps[i].run(w);
		if (!ret)
			ret = note(w, steps[i].step);
		else if (steps[i].step == PROMOTION_FENCED)
			drop_refused(w, ret);
	}
	return ret;
}

static int run_new(struct work *w)
{
	int ret = plan(w);

	tell_word(w, "planned");
	if (ret || w->run->is_dry)
		return ret;
	if (has_to_ask(w->run))
		return error_set(w->err, -EINPROGRESS, "not asked yet");
	w->is_again = has_left(w);
	ret = note(w, PROMOTION_BEGUN);				/* P1 */
	return ret ? ret : run_steps(w);
}

int promotion_run(const struct promotion_run *run, struct promotion_record *r,
		  struct error *err)
{
	struct work w = { .run = run, .r = r, .err = err };
	int ret = 0;

	w.is_again = !run->is_new && r->step >= PROMOTION_LEFT;
	if (run->is_new || r->step < PROMOTION_LEFT)
		ret = open_stage(&w);
	if (!ret)
		ret = run->is_new ? run_new(&w) : run_steps(&w);
	stage_close(w.stage);
	return ret;
}
