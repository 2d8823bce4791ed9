// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * V1 What a writer was told is written had been marked dirty before. The role
 *    refuses before it marks. So who looks after the role is set, and sees
 *    nothing dirty nor frozen, has seen the last write.
 * V2 The hold only has writers wait instead of failing, for as long as it may
 *    still be called off. It ends by its time, or with this process (K6), and
 *    nothing counts on it.
 * V3 "begun" is in NAME.id before the role is in the kernel, and until the role
 *    is durably taken back: so what a process that was killed, or a crash of
 *    the machine, has left closed is opened by the next one, and goes on as the
 *    primary. Where it was readonly, as a superseded one may be, it says that,
 *    too, and becomes that again (N2). A role that an operator has set is never
 *    taken back.
 * V4 "done" is in NAME.id after the last look (V1), when the role is durable. It
 *    stays closed then, whatever ends: by its metadata device, or where it has
 *    none, as soon as it has joined.
 * V5 Whether a note that failed is on disk is unknown: it is not opened before
 *    "begun" has been written there again.
 * V6 Of several, one note says it of all of them (given-up.h), when each is
 *    ready and none has said it by itself: so there is no moment at which some
 *    have been given up, and others go on. It is taken back, if it failed,
 *    before any of them is opened.
 */
#include "giving-up.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "given-up.h"
#include "group.h"
#include "kernel.h"
#include "log.h"
#include "reactor.h"
#include "verify.h"
#include "volume.h"

const char giving_up_advice[] =
"take it over at the other site (replicactl failover --force), if that has not "
"been done; to receive it here: replicactl disable, then pair invite --create; to "
"be the primary again: replicactl disable, then enable";

/* For tests that kill us between two lines. */
static void tell_step(const struct volume *v, const char *step)
{
	const struct kernel_ops *ops = v->reactor->kernel->ops;

	if (ops->note_step)
		ops->note_step(step);
}

static int fail_id(const struct volume *v, int ret, struct error *err)
{
	return error_set(err, ret, "%.150s/%s.id: %s", v->reactor->state_dir,
			 v->config->name, strerror(-ret));
}

static int note(struct volume *v, enum given_up given_up, struct error *err)
{
	int ret = v->identity.given_up == given_up ? 0 :
		  identity_note_given_up(&v->identity, v->reactor->state_dir,
					 v->config->name, given_up);

	return ret ? fail_id(v, ret, err) : 0;
}

static int fail(struct volume *v, int ret, struct error *err)
{
	return error_set(err, ret == -EBUSY ? -EAGAIN : ret, "%s: %.200s",
			 v->config->name, kernel_error(v->reactor->kernel));
}

static int set_role(struct volume *v, uint32_t role, struct error *err)
{
	const struct dmr_set set = { .role = &role };
	int ret = v->info.role == role ? 0 :
		  kernel_set(v->reactor->kernel, v->device.dev, &set);

	if (ret)
		return fail(v, ret, err);
	v->info.role = role;
	return 0;
}

int giving_up_hold(struct volume *v, unsigned int ms, struct error *err)
{
	int ret = kernel_hold(v->reactor->kernel, v->device.dev, ms);

	if (ret)
		return fail(v, ret, err);
	v->is_stopped = ms;
	tell_step(v, ms ? "giving-up-held" : "giving-up-let-go");
	return 0;
}

static int fail_note(const struct volume *v, int ret, struct error *err)
{
	return error_set(err, ret, "%.200s/given-up: %s: a file there cannot be "
			 "read: until it is put right it stays closed",
			 v->reactor->state_dir, strerror(-ret));
}

/* An old note of a group is not of this time. */
static int note_begun(struct volume *v, struct error *err)
{
	int ret = given_up_drop(v->reactor->state_dir, v->config->name);

	/* What another process has fenced is known by its role. */
	v->identity.is_fenced = v->fence == FENCE_READONLY ||
				v->info.role == DMR_ROLE_READONLY;
	return ret ? fail_note(v, ret, err) : note(v, GIVEN_UP_BEGUN, err);
}

static int begin_one(struct volume *v, struct error *err)
{
	int ret = v->identity.given_up ? 0 : note_begun(v, err);

	if (!ret)
		tell_step(v, "giving-up-begun");
	return ret;
}

static int close_one(struct volume *v, uint32_t role, struct error *err)
{
	int ret;

	v->is_reopening = v->wants_reopen = false;
	verify_stop(v, "the volume is being given up");
	ret = set_role(v, role, err);
	if (!ret)
		tell_step(v, "giving-up-closed");
	return ret;
}

/* V3 */
int giving_up_begin(struct volume *const *all, unsigned int nr, uint32_t role,
		    struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = begin_one(all[i], err);
	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = close_one(all[i], role, err);
	return ret;
}

bool giving_up_is_durable(const struct volume *v)
{
	return !(v->info.dev_flags & DMR_DEV_F_META_PENDING);
}

static void let_writers_go(struct volume *v)
{
	kernel_hold(v->reactor->kernel, v->device.dev, 0);
	v->is_stopped = false;
	for (struct volume *m = v->group->volumes; m; m = m->next)
		m->is_held = false;
}

/* One that was read still is readonly: no power cut may know that. */
static int get_ready(struct volume *v, struct error *err)
{
	int ret = set_role(v, DMR_ROLE_SECONDARY, err);

	if (ret || v->identity.given_up == GIVEN_UP_DONE)
		return ret;
	if (volume_refresh(v))
		return fail(v, -EIO, err);
	if (!giving_up_is_durable(v))
		return error_set(err, -EAGAIN, "%s: its metadata device does "
				 "not take the new role", v->config->name);
	return 0;
}

/* V6 */
static int note_together(struct volume *const *all, unsigned int nr,
			 struct error *err)
{
	const char **names = calloc(nr, sizeof(*names));
	int ret = names ? 0 : -ENOMEM;

	for (unsigned int i = 0; !ret && i < nr; i++)
		names[i] = all[i]->config->name;
	if (!ret)
		ret = given_up_note(all[0]->reactor->state_dir, names, nr);
	free(names);
	return ret ? fail_note(all[0], ret, err) : 0;
}

/* V4, V6 */
static int note_done(struct volume *const *all, unsigned int nr,
		     struct error *err)
{
	int ret = nr > 1 ? note_together(all, nr, err) :
			   note(all[0], GIVEN_UP_DONE, err);

	for (unsigned int i = 0; i < nr; i++)
		all[i]->is_in_doubt = ret;
	if (!ret)
		tell_step(all[0], nr > 1 ? "giving-up-agreed" :
					   "giving-up-done");
	return ret;
}

static void end_one(struct volume *v)
{
	v->fence = FENCE_CONTINUE;
	let_writers_go(v);
	log_info(v->config->name, "given up here: the other site's data count, "
		 "and a write here gets an error from now on");
	giving_up_tell(v);
}

/*
 * Each knows it by itself, and the note may go; where it stays, the next start
 * does that.
 */
static void settle(struct volume *const *all, unsigned int nr)
{
	struct error err = { 0 };
	int ret = 0;

	for (unsigned int i = 0; i < nr; i++) {
		ret = note(all[i], GIVEN_UP_DONE, &err) || ret;
		all[i]->identity.given_up = GIVEN_UP_DONE;
		tell_step(all[i], "giving-up-done");
	}
	if (!ret)
		given_up_cancel(all[0]->reactor->state_dir,
				all[0]->config->name);
}

int giving_up_finish(struct volume *const *all, unsigned int nr,
		     struct error *err)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < nr; i++)
		ret = get_ready(all[i], err);
	if (ret)
		return ret;
	tell_step(all[0], "giving-up-seen");
	ret = note_done(all, nr, err);
	if (ret)
		return ret;
	if (nr > 1)
		settle(all, nr);
	for (unsigned int i = 0; i < nr; i++)
		end_one(all[i]);
	return 0;
}

/* V5, V6 */
static int note_begun_again(struct volume *v, struct error *err)
{
	const char *state_dir = v->reactor->state_dir;
	int ret = 0;

	if (!v->is_in_doubt)
		return 0;
	ret = given_up_cancel(state_dir, v->config->name);
	if (ret)
		return fail_note(v, ret, err);
	ret = identity_note_given_up(&v->identity, state_dir, v->config->name,
				     GIVEN_UP_BEGUN);
	v->is_in_doubt = ret;
	return ret ? fail_id(v, ret, err) : 0;
}

/* V3. A fence that was there stays (N2). */
static int reopen(struct volume *v, struct error *err)
{
	uint32_t role = v->fence == FENCE_READONLY ? DMR_ROLE_READONLY :
						    DMR_ROLE_PRIMARY;
	int ret = note_begun_again(v, err);

	if (!ret && v->info.role != role)
		ret = set_role(v, role, err);
	v->wants_reopen = ret;
	v->is_reopening = !ret;
	return ret;
}

static void undo_one(struct volume *v)
{
	struct error err = { 0 };

	if (v->identity.given_up == GIVEN_UP_BEGUN && !v->is_reopening &&
	    reopen(v, &err))
		log_err(v->config->name, "it stays closed for now: %s",
			err.text);
}

void giving_up_undo(struct volume *const *all, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		undo_one(all[i]);
	for (unsigned int i = 0; i < nr; i++) {
		if (all[i]->is_stopped)	/* a fence's hold is not ours */
			let_writers_go(all[i]);
		group_kick(all[i]->group);
	}
}

void giving_up_look(struct volume *v)
{
	struct error err = { 0 };

	/* What GET said is of before it: the next one knows. */
	if (v->wants_reopen) {
		reopen(v, &err);
		return;
	}
	if (!v->is_reopening || !giving_up_is_durable(v))
		return;
	v->is_reopening = note(v, GIVEN_UP_NO, &err);
}

void giving_up_load(struct volume *v)
{
	int is = given_up_is(v->reactor->state_dir, v->config->name,
			     &v->identity);

	v->given_up_err = is < 0 ? is : 0;
	if (is > 0)
		v->identity.given_up = GIVEN_UP_DONE;
}

/* V3. If it is not closed, the fence has ended with its load (N2). */
static int take_back(struct volume *v, struct error *err)
{
	if (!v->identity.is_fenced)
		return set_role(v, DMR_ROLE_PRIMARY, err);
	return v->info.role == DMR_ROLE_SECONDARY ?
	       set_role(v, DMR_ROLE_READONLY, err) : 0;
}

int giving_up_adopt(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	struct error err = { 0 };
	int ret = 0;

	if (v->given_up_err) {		/* given-up D3 */
		set_role(v, DMR_ROLE_SECONDARY, &err);
		error_clear(&err);
		ret = fail_note(v, v->given_up_err, &err);
	} else if (v->identity.given_up == GIVEN_UP_DONE) {
		ret = set_role(v, DMR_ROLE_SECONDARY, &err);
	} else if (v->identity.given_up == GIVEN_UP_BEGUN) {
		log_info(v->config->name, "its giving up was interrupted: it "
			 "goes on");
		ret = take_back(v, &err);
		v->is_reopening = !ret;
	}
	if (ret)
		snprintf(error, CONFIG_ERROR_SIZE, "%s", err.text);
	return ret;
}

void giving_up_forget(struct volume *v)
{
	struct error err = { 0 };

	if (v->identity.given_up == GIVEN_UP_DONE && note_begun(v, &err))
		log_err(v->config->name, "it stays closed: %s", err.text);
}

bool giving_up_is_on(const struct volume *v)
{
	return v->identity.given_up && !v->is_reopening;
}

int giving_up_is_noted(const char *state_dir, const char *name)
{
	struct identity id;
	int err = identity_load(&id, state_dir, name);

	return err ? err : given_up_is(state_dir, name, &id);
}

void giving_up_tell(struct volume *v)
{
	group_given_up(v->group, "given up here: the other site's data count, "
		       "and a write here gets an error");
}
