// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method delete_replica: what this site keeps of another's volume goes.
 *
 * X1 the stage is one's at a time: the pair's nbdkit is held stopped; a stage
 *    that this process has open is used as it is; one that is open elsewhere is
 *    refused (S9).
 * X2 nothing is applied for that, so a dry run, or a refusal, costs no history.
 * X3 what may go is forgotten by the pair first, durably: its nbdkit, which
 *    comes back, would make it again, empty.
 *
 * X4 nothing goes of what is a primary here still, also where its fence says
 *    that it is to be none: its metadata are in the stage.
 * X5 what is known of one that was given up, as its fence says, too, goes with
 *    it, if nobody has it.
 *
 *	check (job) -> pairing_forget() -> delete (job) -> answer
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "given-up.h"
#include "giving-up.h"
#include "identity.h"
#include "local-stage.h"
#include "made.h"
#include "log.h"
#include "methods.h"
#include "pairing.h"
#include "promotion.h"
#include "stage-delete.h"
#include "stage-promote.h"
#include "testdev.h"

struct deletion {
	struct request *request;
	struct pairing *pairing;	/* held; NULL: no pair has it */
	struct pairing_hold hold;
	struct ring_job job;
	struct stage_name name;
	unsigned int flags;
	bool is_dry, is_checked;
	json_t *volumes;		/* that go, or have gone */
	uint64_t log_bytes;
	struct error err;
};

/* --- on a thread ---------------------------------------------------------- */

static void describe(struct deletion *x, struct stage *s, const char *group)
{
	struct stage_volume *v = NULL;
	struct stage_fence fence;
	struct stage_info info;

	while ((v = stage_next(s, v))) {
		stage_get_info(v, &info);
		if (strcmp(info.group, group))
			continue;
		stage_get_fence(v, &fence);
		json_array_append_new(x->volumes, json_pack("{ss ss sI sI sb}",
			"volume", info.name, "base", info.base,
			"size_bytes", (json_int_t)info.bytes,
			"last_committed", (json_int_t)info.header.last_clean,
			"given_up", fence.phase == STAGE_PHASE_GIVEN_UP));
		x->log_bytes = info.log_bytes;
	}
}

static void delete_from(struct deletion *x, struct stage *s)
{
	struct stage_volume *v = stage_find(s, x->name.volume);
	struct stage_info info;

	if (!v) {
		error_set(&x->err, -ENOENT, "the stage %.150s has no volume %s",
			  x->name.options.dir, x->name.volume);
		return;
	}
	if (x->is_checked) {
		stage_delete(v, x->flags, &x->err);
		return;
	}
	stage_get_info(v, &info);
	describe(x, s, info.group);
	stage_delete_check(v, x->flags, &x->err);
}

/* X1, X2 */
static void work_blocking(struct ring_job *job)
{
	struct deletion *x = container_of(job, struct deletion, job);
	const struct stage_options still = { .is_still = true };
	struct local_stage *open;
	struct stage *s;

	if (local_stage_find(&open, &x->name, &x->err))
		return;
	if (open) {
		delete_from(x, local_stage_of(open));
		local_stage_put(open);
	} else if (!stage_open(&s, x->name.options.dir, &still, &x->err)) {
		delete_from(x, s);
		stage_close(s);
	}
}

/* --- on the main thread --------------------------------------------------- */

static const char *name_of(const json_t *volume)
{
	return json_string_value(json_object_get(volume, "volume"));
}

/* What an operator can do about an image that is open. */
static const char *find_testdev(const struct deletion *x)
{
	const char *name;
	json_t *volume;
	size_t i;

	json_array_foreach(x->volumes, i, volume) {
		name = testdev_of_stage(x->request->daemon,
					x->name.options.dir, name_of(volume));
		if (name)
			return name;
	}
	return NULL;
}

static void answer(struct deletion *x)
{
	struct request *request = x->request;
	const char *test = x->err.code == -EBUSY ? find_testdev(x) : NULL;

	if (test) {
		request_refuse(request, method_exit_status(-EBUSY), "%s; the "
			       "test device %s has an image of it (replicactl "
			       "test --drop %s)", x->err.text, test, test);
		return;
	}
	if (x->err.code) {
		request_refuse(request, method_exit_status(x->err.code), "%s",
			       x->err.text);
		return;
	}
	if (!x->is_dry)
		log_info(x->name.volume, "its replica in %s is gone",
			 x->name.options.dir);
	request_answer(request, json_pack("{si ss sb sI sO}", "schema_version",
		       1, "dir", x->name.options.dir, "dry_run", x->is_dry,
		       "log_bytes", (json_int_t)x->log_bytes, "volumes",
		       x->volumes));
}

static void end(struct deletion *x)
{
	struct daemon *daemon = x->request->daemon;

	if (x->pairing)
		pairing_release(x->pairing);
	answer(x);
	stage_name_clear(&x->name);
	json_decref(x->volumes);
	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void begin(void *arg);

/* X4 */
static void check_ended(struct deletion *x)
{
	const struct promotion *p;
	json_t *volume;
	size_t i;

	json_array_foreach(x->volumes, i, volume) {
		p = promotion_find(x->request->daemon, name_of(volume));
		if (p && local_stage_is_same_dir(p->record.dir,
						 x->name.options.dir))
			error_set(&x->err, -EBUSY, "%s was promoted here: "
				  "replicactl recover %s ends that, if it was "
				  "given up", name_of(volume), name_of(volume));
	}
}

static bool is_nobodys(const struct daemon *daemon, const char *name)
{
	struct made *made = malloc(sizeof(*made));
	struct error err = { 0 };
	bool is_nobodys = made && !daemon_find(daemon, name) &&
			  !promotion_find(daemon, name) &&
			  made_load(daemon->config.state_dir, name, made,
				    &err) == -ENOENT;

	free(made);
	return is_nobodys;
}

/* X5 */
void delete_forget_given_up(const struct daemon *daemon, const char *name)
{
	const char *state_dir = daemon->config.state_dir;
	int ret;

	if (!is_nobodys(daemon, name) ||
	    giving_up_is_noted(state_dir, name) <= 0)
		return;
	ret = given_up_drop(state_dir, name);
	if (!ret || ret == -ENOENT)
		ret = identity_forget(state_dir, name);
	if (ret)
		log_err(name, "%s.id stays: %s", name, strerror(-ret));
}

static void forget_given_up(const struct deletion *x)
{
	json_t *volume;
	size_t i;

	json_array_foreach(x->volumes, i, volume)
		if (json_is_true(json_object_get(volume, "given_up")))
			delete_forget_given_up(x->request->daemon,
					       name_of(volume));
}

/* A base that is not the stage's to remove is there still. */
static void tell_bases(const struct deletion *x)
{
	json_t *volume;
	size_t i;

	json_array_foreach(x->volumes, i, volume)
		json_object_set_new(volume, "base_kept", json_boolean(!access(
			json_string_value(json_object_get(volume, "base")),
			F_OK)));
}

/* X3 */
static void forget(struct deletion *x)
{
	json_t *volume;
	int ret = 0;
	size_t i;

	if (!x->pairing)
		return;
	json_array_foreach(x->volumes, i, volume)
		ret = pairing_forget(x->pairing, name_of(volume)) ?: ret;
	if (ret)
		error_set(&x->err, ret, "the record of pair %s: %s",
			  x->pairing->record.name, strerror(-ret));
}

static void on_worked(struct ring_job *job)
{
	struct deletion *x = container_of(job, struct deletion, job);
	bool is_done = x->is_checked || x->is_dry || x->err.code;

	if (!x->err.code && !x->is_checked)
		check_ended(x);
	if (!x->err.code && x->is_checked) {
		forget_given_up(x);
		tell_bases(x);
	}
	x->is_checked = true;
	if (!is_done && !x->err.code)
		forget(x);
	if (is_done || x->err.code)
		end(x);
	else
		begin(x);
}

static void begin(void *arg)
{
	struct deletion *x = arg;
	int ret;

	x->job.blocking = work_blocking;
	x->job.done = on_worked;
	ret = ring_job_start(x->request->daemon->reactors[0].ring, &x->job);
	if (!ret)
		return;
	error_set(&x->err, ret, "no thread: %s", strerror(-ret));
	end(x);
}

static struct pairing *find_pairing(struct daemon *daemon, const char *dir)
{
	struct pairing *p = daemon->pairings;

	while (p && (p->state == PAIRING_ENDING || !promotion_stage_of(p) ||
		     !local_stage_is_same_dir(promotion_stage_of(p), dir)))
		p = p->next;
	return p;
}

/* 0, or refused. */
static int fill(struct deletion *x, struct error *err)
{
	const char *dir = request_text(x->request, "dir");
	const char *volume = request_text(x->request, "volume");
	char target[PATH_MAX + STAGE_NAME_LEN + 16];

	if (!volume || !dir)
		return error_set(err, -EDESTADDRREQ, "%s is missing", volume ?
				 "dir, the folder of the stage," :
				 "the volume");
	if (request_flag(x->request, "group"))
		x->flags |= STAGE_DELETE_GROUP;
	if (request_flag(x->request, "keep_base"))
		x->flags |= STAGE_DELETE_KEEP_BASE;
	x->is_dry = request_flag(x->request, "dry_run");
	snprintf(target, sizeof(target), LOCAL_STAGE_PREFIX "%.*s/%.*s",
		 PATH_MAX, dir, STAGE_NAME_LEN, volume);
	return stage_name_parse(&x->name, target, err);
}

static void start(struct request *request, unsigned int flags)
{
	struct deletion *x = calloc(1, sizeof(*x));
	struct error err = { 0 };

	if (x) {
		x->request = request;
		x->flags = flags;
		x->volumes = json_array();
	}
	if (!x || fill(x, &err)) {
		request_refuse(request, x ? method_exit_status(err.code) : 1,
			       "%s", x ? err.text : "no memory");
		if (x)
			json_decref(x->volumes);
		free(x);
		return;
	}
	request->daemon->nr_methods++;
	x->pairing = find_pairing(request->daemon, x->name.options.dir);
	x->hold.held = begin;
	x->hold.arg = x;
	if (!x->pairing || !pairing_hold(x->pairing, &x->hold))
		begin(x);
}

void do_delete_replica(struct request *request)
{
	start(request, 0);
}

void delete_given_up(struct request *request)
{
	start(request, STAGE_DELETE_GIVEN_UP);
}
