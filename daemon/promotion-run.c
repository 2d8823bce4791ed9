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
 *    which may have been lost: if only some of a group's were, they are made
 *    again by it, at the step of the others; one that has left goes by itself.
 * P6 before-promote is run while the stage is served: it may take long. So
 *    there is a plan before it, of what could refuse without it, and another
 *    after it: the epoch may be a newer one then.
 * P7 (S7) Volumes of a group go together: one epoch, one generation, one run.
 *    Each has its record. The leader's is written last, and removed first:
 *    while it is not there, nothing was begun; until it is ACTIVE, its step is
 *    that of all. From then on each is a volume like any other.
 * P8 All that the stage has in the group go, or none: a member without a record
 *    has no salvage, and no marks.
 */
#include "promotion-run-impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "activation.h"
#include "identity.h"
#include "log.h"
#include "metadata-file.h"
#include "salvage-file.h"

#define PIECE_BYTES	(1U << 20)
#define OPEN_TRIES	50
#define OPEN_WAIT_US	100000

/* For tests that kill us between two lines. */
static void tell_word(const struct promotion_work *w, const char *word)
{
	if (w->run->kernel_ops->note_step)
		w->run->kernel_ops->note_step(word);
}

static void tell_step(const struct promotion_work *w, const char *when,
		      enum promotion_step step)
{
	char text[40];

	snprintf(text, sizeof(text), "%s-%s", when, promotion_step_name(step));
	tell_word(w, text);
}

/* --- of a group ----------------------------------------------------------- */

void promotion_select(struct promotion_work *w, unsigned int i)
{
	w->r = w->all[i];
	w->v = w->stage ? stage_find(w->stage, w->r->volume) : NULL;
}

int promotion_for_each(struct promotion_work *w,
		       int (*each)(struct promotion_work *w))
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < w->nr; i++) {
		promotion_select(w, i);
		ret = each(w);
	}
	promotion_select(w, 0);
	return ret;
}

/* --- the stage ------------------------------------------------------------ */

static void tell_notice(const char *text)
{
	log_warn(NULL, "%s", text);
}

/* The server of a replicad that was killed may be on its way out still. */
static int open_when_free(struct promotion_work *w,
			  const struct stage_options *options,
			  struct error *why)
{
	int ret;

	for (int i = 0;; i++) {
		error_clear(why);
		ret = stage_open(&w->stage, w->r->dir, options, why);
		if (!ret)
			stage_tell_notices(w->stage, tell_notice);
		if (ret != -EBUSY || !w->r->pair[0] || i == OPEN_TRIES)
			return ret;
		usleep(OPEN_WAIT_US);
	}
}

static int find_member(struct promotion_work *w)
{
	struct promotion_record *r = w->r;
	struct stage_info info;

	if (!w->v)
		return error_set(w->err, -ENOENT, "%.150s: has no volume %s",
				 r->dir, r->volume);
	stage_get_info(w->v, &info);
	snprintf(r->base, sizeof(r->base), "%s", info.base);
	if (r->group[0] && strcmp(r->group, info.group))
		return error_set(w->err, -EINVAL, "%s: is in group %.60s, not "
				 "in %.60s", r->volume, info.group, r->group);
	if (info.state == STAGE_ERROR)
		return error_set(w->err, -EIO, "%s: %.200s", r->volume,
				 info.error.text);
	return 0;
}

static int open_stage(struct promotion_work *w)
{
	const struct stage_options still = { .is_still = true };
	struct error why = { 0 };
	int ret = open_when_free(w, &still, &why);

	if (ret == -EBUSY)
		return error_set(w->err, ret, "%.150s: another process has the "
				 "stage: end that nbdkit first", w->r->dir);
	if (ret)
		return error_set(w->err, ret, "%s", why.text);
	return promotion_for_each(w, find_member);
}

/* --- steps ---------------------------------------------------------------- */

static int do_fence(struct promotion_work *w)
{
	int ret = promotion_check_members(w);			/* P8 */

	return ret ? ret : stage_fence(w->v, w->r->epoch, w->r->generation,
				       w->err);
}

static bool has_left(const struct promotion_work *w)
{
	struct stage_fence f;

	stage_get_fence(w->v, &f);
	return f.phase >= STAGE_PHASE_LEFT;
}

struct salvaging {
	struct promotion_work *w;
	struct salvage_writer *writer;
	char *buf;
};

static int salvage_extent(void *arg, uint64_t off, uint64_t len)
{
	struct salvaging *s = arg;
	struct promotion_work *w = s->w;
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

static int write_salvage(struct promotion_work *w, const char *path)
{
	const struct promotion_record *r = w->r;
	struct salvage_info info = {
		.volume_bytes = r->bytes, .generation = r->old_generation,
		.epoch = r->epoch, .last_clean = r->last_clean,
		.last_partial = r->last_partial,
		.time = promotion_now(),
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
static int do_salvage(struct promotion_work *w)
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
	if (promotion_name_salvage(r, r->salvage))
		return error_set(w->err, -ENAMETOOLONG, "%.200s", r->dir);
	return write_salvage(w, r->salvage);
}

/* L2 */
static int do_mark(struct promotion_work *w)
{
	struct metadata_file *file = NULL;
	struct stage_fence f;
	int ret;

	if (has_left(w) || !promotion_has_metadata(w->r))
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

static int do_apply(struct promotion_work *w)
{
	return stage_fence_apply(w->v, w->err);
}

static int adopt_identity(struct promotion_work *w)
{
	const struct promotion_run *run = w->run;
	struct stage_fence f;
	int ret;

	stage_get_fence(w->v, &f);
	ret = identity_adopt(run->state_dir, w->r->volume, &f.header);
	return ret ? error_set(w->err, ret, "%.200s/%s.id: %s", run->state_dir,
			       w->r->volume, strerror(-ret)) : 0;
}

/* N1: what was marked by a run before may be away since. */
static int mark_again(struct promotion_work *w)
{
	struct stage_fence f;

	stage_get_fence(w->v, &f);
	return promotion_lost_metadata(w->r, &f.header) ? do_mark(w) : 0;
}

/* P3, P8 */
static int do_leave(struct promotion_work *w)
{
	int ret = promotion_check_members(w);

	if (!ret)
		ret = promotion_for_each(w, mark_again);
	if (!ret)
		ret = promotion_for_each(w, adopt_identity);
	return ret ? ret : stage_fence_finish(w->v, w->err);
}

/* hook_call_clear(). -ENOMEM. */
static int fill_hook(struct hook_call *c, enum hook hook,
		     struct promotion_record *const *all, unsigned int nr)
{
	const struct promotion_record *r = all[0];
	int ret = 0;

	*c = (struct hook_call){ .hook = hook, .epoch = r->epoch,
				 .generation = r->generation };
	snprintf(c->volume, sizeof(c->volume), "%s", r->volume);
	snprintf(c->device, sizeof(c->device), "/dev/mapper/%s", r->volume);
	snprintf(c->reason, sizeof(c->reason), "a forced failover");
	if (nr > 1)
		snprintf(c->group, sizeof(c->group), "%s", r->group);
	for (unsigned int i = 0; !ret && nr > 1 && i < nr; i++)
		ret = hook_call_add(c, all[i]->volume);
	return ret;
}

int promotion_ask(const struct promotion_run *run,
		  struct promotion_record *const *all, unsigned int nr,
		  struct error *err)
{
	const struct promotion_work w = { .run = run };
	struct hook_call c;
	int ret = fill_hook(&c, HOOK_BEFORE_PROMOTE, all, nr);

	ret = ret ? error_set(err, ret, "no memory") :
		    hooks_run(run->hooks, &c, err);
	hook_call_clear(&c);
	tell_word(&w, "hook");
	return ret;
}

static bool has_to_ask(const struct promotion_run *run)
{
	return !run->is_asked && hooks_has(run->hooks, HOOK_BEFORE_PROMOTE);
}

/* Not when its device is only made again. */
static int owe_hook(struct promotion_work *w)
{
	struct hook_call c;
	int ret;

	if (w->r->step == PROMOTION_ACTIVE)
		return 0;
	ret = fill_hook(&c, HOOK_AFTER_PROMOTE, w->all, w->nr);
	ret = ret ? error_set(w->err, ret, "no memory") :
		    hooks_owe(w->run->hooks, &c, w->err);
	hook_call_clear(&c);
	return ret;
}

/* P4 */
static int activate(struct promotion_work *w)
{
	struct kernel_promoted promoted = {
		.name = w->r->volume,
		.base = w->r->base,
		.metadata = w->r->metadata,
	};
	char why[KERNEL_ERROR_SIZE] = "";
	int ret = promotion_need_metadata(w);

	if (ret)
		return ret;
	promoted.bytes = promotion_bytes(w->r);
	ret = activation_run(w->run->kernel_ops, w->run->state_dir,
				 &promoted, w->is_again, why);

	return ret ? error_set(w->err, ret, "%s: %s", w->r->volume,
			       why[0] ? why : strerror(-ret)) : 0;
}

static int do_activate(struct promotion_work *w)
{
	int ret = owe_hook(w);

	return ret ? ret : promotion_for_each(w, activate);
}

static int salvage_all(struct promotion_work *w)
{
	return promotion_for_each(w, do_salvage);
}

static int mark_all(struct promotion_work *w)
{
	return promotion_for_each(w, do_mark);
}

static const struct {
	enum promotion_step step;
	int (*run)(struct promotion_work *w);
	bool needs_stage;
} steps[] = {
	{ PROMOTION_FENCED, do_fence, true },
	{ PROMOTION_SALVAGED, salvage_all, true },
	{ PROMOTION_MARKED, mark_all, true },
	{ PROMOTION_APPLIED, do_apply, true },
	{ PROMOTION_LEFT, do_leave, true },
	{ PROMOTION_ACTIVE, do_activate, false },
};

#define NR_STEPS	(sizeof(steps) / sizeof(steps[0]))

/* --- all of them ---------------------------------------------------------- */

static int save(struct promotion_work *w, struct promotion_record *r,
		enum promotion_step step)
{
	const char *state_dir = w->run->state_dir;
	int ret;

	r->step = step;
	ret = promotion_save(state_dir, r);
	if (ret)
		return error_set(w->err, ret, "%.200s/promotions/%s.json: %s",
				 state_dir, r->volume, strerror(-ret));
	r->is_begun = true;
	r->is_lost = false;
	return 0;
}

/* P2, P7 */
static int note(struct promotion_work *w, enum promotion_step step)
{
	int ret = 0;

	tell_step(w, "done", step);
	for (unsigned int i = w->nr; !ret && i--;) {
		if (!i && w->nr > 1)
			tell_step(w, "noting", step);
		ret = save(w, w->all[i], step);
	}
	if (ret)
		return ret;
	log_info(w->r->volume, "failover: %s", promotion_step_name(step));
	tell_step(w, "noted", step);
	return 0;
}

/* Its device goes with each boot: the last step is done at each start. */
static bool is_done(const struct promotion_work *w, unsigned int i)
{
	return steps[i].step <= w->r->step && steps[i].step != PROMOTION_ACTIVE;
}

/* P7: the leader's first. */
static void remove_records(struct promotion_work *w)
{
	for (unsigned int i = 0; i < w->nr; i++) {
		if (promotion_remove(w->run->state_dir, w->all[i]->volume))
			return;
		w->all[i]->is_begun = false;
	}
}

/*
 * It is refused, and has left nothing behind. What is known of a write that
 * failed is that it may be there: who cannot remove that has been begun.
 */
static int begin(struct promotion_work *w)
{
	int ret = note(w, PROMOTION_BEGUN);			/* P1 */

	for (unsigned int i = 0; ret && i < w->nr; i++)
		w->all[i]->is_begun = true;
	if (ret)
		remove_records(w);
	return ret;
}

/* P1. What was refused now will be at each start. */
static void drop_refused(struct promotion_work *w, int code)
{
	struct stage_fence f;

	if (w->r->step != PROMOTION_BEGUN ||
	    (code != -EOPNOTSUPP && code != -ENOENT && code != -EINVAL))
		return;
	stage_get_fence(w->v, &f);
	if (f.phase == STAGE_PHASE_OPEN)
		remove_records(w);
}

static int run_steps(struct promotion_work *w)
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

static int run_new(struct promotion_work *w)
{
	int ret = promotion_plan(w);

	tell_word(w, "planned");
	if (ret || w->run->is_dry)
		return ret;
	if (has_to_ask(w->run))
		return error_set(w->err, -EINPROGRESS, "not asked yet");
	w->is_again = has_left(w);
	ret = begin(w);
	return ret ? ret : run_steps(w);
}

static bool needs_stage(const struct promotion_work *w)
{
	bool needs = w->run->is_new || w->r->step < PROMOTION_LEFT;

	for (unsigned int i = 0; i < w->nr; i++)
		needs |= w->all[i]->is_lost;
	return needs;
}

int promotion_run(const struct promotion_run *run,
		  struct promotion_record *const *all, unsigned int nr,
		  struct error *err)
{
	struct promotion_work w = { .run = run, .all = all, .nr = nr,
				    .err = err };
	int ret = 0;

	promotion_select(&w, 0);
	w.is_again = !run->is_new && w.r->step >= PROMOTION_LEFT;
	if (needs_stage(&w))
		ret = open_stage(&w);
	if (!ret)
		ret = promotion_adopt_lost(&w);
	if (!ret)
		ret = run->is_new ? run_new(&w) : run_steps(&w);
	stage_close(w.stage);
	return ret;
}
