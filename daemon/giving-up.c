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
 *    primary. A role that an operator has set is never taken back.
 * V4 "done" is in NAME.id after the last look (V1), when the role is durable. It
 *    stays closed then, whatever ends: by its metadata device, or where it has
 *    none, as soon as it has joined.
 * V5 Whether a note that failed is on disk is unknown: it is not opened before
 *    "begun" has been written there again.
 */
#include "giving-up.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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

static int note(struct volume *v, enum given_up given_up, struct error *err)
{
	int ret = v->identity.given_up == given_up ? 0 :
		  identity_note_given_up(&v->identity, v->reactor->state_dir,
					 v->config->name, given_up);

	return ret ? error_set(err, ret, "%.150s/%s.id: %s",
			       v->reactor->state_dir, v->config->name,
			       strerror(-ret)) : 0;
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

/* V3 */
int giving_up_begin(struct volume *v, uint32_t role, struct error *err)
{
	int ret = v->identity.given_up ? 0 : note(v, GIVEN_UP_BEGUN, err);

	if (ret)
		return ret;
	tell_step(v, "giving-up-begun");
	v->is_reopening = v->wants_reopen = false;
	verify_stop(v, "the volume is being given up");
	ret = set_role(v, role, err);
	if (!ret)
		tell_step(v, "giving-up-closed");
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

/* V4 */
int giving_up_finish(struct volume *v, struct error *err)
{
	/* One that was read still is readonly: no power cut may know that. */
	int ret = set_role(v, DMR_ROLE_SECONDARY, err);

	if (ret || v->identity.given_up == GIVEN_UP_DONE)
		return ret;
	if (volume_refresh(v))
		return fail(v, -EIO, err);
	if (!giving_up_is_durable(v))
		return error_set(err, -EAGAIN, "%s: its metadata device does "
				 "not take the new role", v->config->name);
	tell_step(v, "giving-up-seen");
	ret = note(v, GIVEN_UP_DONE, err);
	v->is_in_doubt = ret;
	if (ret)
		return ret;
	tell_step(v, "giving-up-done");
	v->fence = FENCE_CONTINUE;
	let_writers_go(v);
	log_info(v->config->name, "given up here: the other site's data count, "
		 "and a write here gets an error from now on");
	giving_up_tell(v);
	return 0;
}

/* V5 */
static int note_begun_again(struct volume *v, struct error *err)
{
	int ret = v->is_in_doubt ?
		  identity_note_given_up(&v->identity, v->reactor->state_dir,
					 v->config->name, GIVEN_UP_BEGUN) : 0;

	v->is_in_doubt = ret;
	return ret ? error_set(err, ret, "%.150s/%s.id: %s",
			       v->reactor->state_dir, v->config->name,
			       strerror(-ret)) : 0;
}

/* V3. A fence that was there stays (N2). */
static int reopen(struct volume *v, struct error *err)
{
	bool is_fenced = v->info.role == DMR_ROLE_READONLY &&
			 v->fence == FENCE_READONLY;
	int ret = note_begun_again(v, err);

	if (!ret && !is_fenced)
		ret = set_role(v, DMR_ROLE_PRIMARY, err);
	v->wants_reopen = ret;
	v->is_reopening = !ret;
	return ret;
}

void giving_up_undo(struct volume *v)
{
	struct error err = { 0 };

	if (v->identity.given_up == GIVEN_UP_BEGUN && !v->is_reopening &&
	    reopen(v, &err))
		log_err(v->config->name, "it stays closed for now: %s",
			err.text);
	if (v->is_stopped)	/* a fence's hold is not ours */
		let_writers_go(v);
	group_kick(v->group);
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

int giving_up_adopt(struct volume *v, char error[CONFIG_ERROR_SIZE])
{
	struct error err = { 0 };
	int ret = 0;

	if (v->identity.given_up == GIVEN_UP_DONE) {
		ret = set_role(v, DMR_ROLE_SECONDARY, &err);
	} else if (v->identity.given_up == GIVEN_UP_BEGUN) {
		log_info(v->config->name, "its giving up was interrupted: it "
			 "goes on");
		if (v->info.role == DMR_ROLE_SECONDARY ||
		    v->config->on_superseded != FENCE_READONLY)
			ret = set_role(v, DMR_ROLE_PRIMARY, &err);
		v->is_reopening = !ret;
	}
	if (ret)
		snprintf(error, CONFIG_ERROR_SIZE, "%s", err.text);
	return ret;
}

void giving_up_forget(struct volume *v)
{
	struct error err = { 0 };

	if (v->identity.given_up == GIVEN_UP_DONE &&
	    note(v, GIVEN_UP_BEGUN, &err))
		log_err(v->config->name, "it stays closed: %s", err.text);
}

bool giving_up_is_on(const struct volume *v)
{
	return v->identity.given_up && !v->is_reopening;
}

bool giving_up_is_noted(const char *state_dir, const char *name)
{
	struct identity id;

	return !identity_load(&id, state_dir, name) &&
	       id.given_up == GIVEN_UP_DONE;
}

void giving_up_tell(struct volume *v)
{
	group_given_up(v->group, "given up here: the other site's data count, "
		       "and a write here gets an error");
}
