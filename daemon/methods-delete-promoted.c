// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method delete of what was promoted here: the primary goes, with what its
 * stage has of it, its base, and what a driver made for that.
 *
 *	check, look (job), check -[disable, if that is said]-> look, check ─>
 *	noted -[promotion_end(), of all]-> given up -[delete_given_up()]->
 *	-[op_unmake(), of each that was made]-> their NAME.id ─> answer
 *
 * W1 Who was promoted together goes together, or none does (S7). Who has that
 *    name in another stage, or of another promotion, is somebody else; where a
 *    pair has one, promotion_end() would take it for this one: refused.
 * W2 What can be known before any of them is given up is looked at before, and
 *    again after the last that takes time. What is found later (a stage that
 *    somebody else opens; what a driver refuses) is told, with what goes on.
 * W3 They are given up by one note (given-up.h): who dies before it has changed
 *    nothing, but that they may be disabled; who dies after it gives them up at
 *    the next start, and they are replicas (delete --replica).
 * W4 A base that no driver has made goes with the stage, if it is a file; where
 *    one of the group was given up before, whose base may be another's since,
 *    none of those does. What stays is told.
 * W5 A record of what was made goes only if it is the one that was looked at;
 *    what is known of a name goes only if nothing has it.
 */
#include "methods.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "daemon.h"
#include "given-up.h"
#include "local-stage.h"
#include "log.h"
#include "ops.h"
#include "promoted.h"
#include "promotion.h"
#include "resolve.h"
#include "stage-promote.h"
#include "stages.h"

struct member {
	struct promoted *p;
	uint64_t epoch;			/* that it was promoted at */
	uint64_t made_id;		/* 0: no record of it goes */
	bool is_base_made;		/* … with its base */
	bool is_file;			/* its base */
};

struct departure {
	struct request *request;
	struct daemon *daemon;
	struct member *all;		/* what was asked for is the first */
	unsigned int nr, at;
	bool keeps_bases;		/* W4 */
	unsigned int nr_ending;
	json_t *log_bytes;		/* as the stage tells; NULL */
	struct ring_job job;
	struct error err;
};

static const char *name_of(const struct departure *x)
{
	return x->all[0].p->volume;
}

static void end(struct departure *x)
{
	struct daemon *daemon = x->daemon;

	for (unsigned int i = 0; i < x->nr; i++)
		free(x->all[i].p);
	free(x->all);
	json_decref(x->log_bytes);
	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void refuse(struct departure *x)
{
	method_refuse(x->request, &x->err);
	end(x);
}

/* W4 */
static bool is_to_stay(const struct departure *x, const struct member *m)
{
	return !m->is_base_made && (x->keeps_bases || !m->is_file);
}

static json_t *describe(const struct departure *x, bool is_dry)
{
	json_t *volumes = json_array();

	for (unsigned int i = 0; i < x->nr; i++) {
		const struct promoted *p = x->all[i].p;
		bool is_kept = is_dry ? is_to_stay(x, &x->all[i]) :
					!access(p->base, F_OK);

		json_array_append_new(volumes, json_pack("{ss ss sI sI sb}",
			"volume", p->volume, "base", p->base, "size_bytes",
			(json_int_t)p->bytes, "last_committed",
			(json_int_t)x->all[i].epoch, "base_kept", is_kept));
	}
	return json_pack("{si ss sb sO? so}", "schema_version", 1, "dir",
			 x->all[0].p->dir, "dry_run", is_dry, "log_bytes",
			 x->log_bytes, "volumes", volumes);
}

static void answer(struct departure *x, bool is_dry)
{
	request_answer(x->request, describe(x, is_dry));
	end(x);
}

/* --- they go -------------------------------------------------------------- */

/* W3: what is left, and the verb that does it. */
static void stop_half(struct departure *x, int code, const char *text,
		      const char *verb)
{
	error_clear(&x->err);
	error_set(&x->err, code, "%.60s was given up here, and is not gone: "
		  "%.150s: replicactl %s goes on", name_of(x),
		  text ?: "no memory", verb);
	refuse(x);
}

/* W5. Those of which there was a record still when their stage went. */
static void forget_all(const struct departure *x)
{
	for (unsigned int i = 0; i < x->nr; i++) {
		const char *volume = x->all[i].p->volume;

		delete_forget_given_up(x->daemon, volume);
		log_info(volume, "what was promoted here was deleted");
	}
}

static void unmake_next(struct departure *x);

static void on_unmade(struct op *op)
{
	struct departure *x = op->arg;
	int err = op->err;
	char text[sizeof(op->error)];

	snprintf(text, sizeof(text), "%s", op->error[0] ? op->error :
		 strerror(-err));
	op_free(op);
	if (err && err != -ENOENT)
		stop_half(x, err, text, "delete VOLUME");
	else
		unmake_next(x);
}

static void unmake_next(struct departure *x)
{
	const struct member *m = x->all + x->at;

	while (x->at < x->nr && !m->made_id)
		m = x->all + ++x->at;
	if (x->at == x->nr) {
		forget_all(x);
		answer(x, false);
		return;
	}
	x->at++;
	if (!op_unmake_that(x->daemon, m->p->volume, m->made_id, on_unmade, x))
		stop_half(x, -ENOMEM, NULL, "delete VOLUME");
}

static void on_stage_left(void *arg, int exit_status, const char *text,
			  json_t *result)
{
	struct departure *x = arg;

	if (exit_status) {
		stop_half(x, -EIO, text, "delete VOLUME --replica --dir DIR");
		return;
	}
	x->log_bytes = json_incref(json_object_get(result, "log_bytes"));
	unmake_next(x);
}

static void leave_stage(struct departure *x)
{
	json_t *params = json_pack("{ss ss sb sb}", "volume", name_of(x),
				   "dir", x->all[0].p->dir, "group",
				   request_flag(x->request, "group"),
				   "keep_base", x->keeps_bases);
	struct request *request = request_create(x->daemon, params,
						 on_stage_left, x);

	if (request)
		delete_given_up(request);
	else
		stop_half(x, -ENOMEM, NULL, "delete VOLUME --replica --dir DIR");
}

static void on_given_up(void *arg, const struct error *err)
{
	struct departure *x = arg;

	if (err && !x->err.code)
		x->err = *err;
	if (--x->nr_ending)
		return;
	if (x->err.code) {
		struct error why = x->err;

		stop_half(x, why.code, why.text, "recover VOLUME, then delete "
			  "VOLUME --replica --dir DIR,");
	} else {
		leave_stage(x);
	}
}

/* W3. Nothing comes between the last look and the fences. */
static void give_up(struct departure *x)
{
	const char **names = calloc(x->nr, sizeof(*names));
	bool is_unsure = false;
	int ret = names ? 0 : -ENOMEM;

	for (unsigned int i = 0; names && i < x->nr; i++)
		names[i] = x->all[i].p->volume;
	if (!ret)
		ret = given_up_note_idle(x->daemon->config.state_dir, names,
					 x->nr, &is_unsure);
	free(names);
	if (ret) {
		error_set(&x->err, ret, "%.60s: that it goes cannot be noted: "
			  "%s%s", name_of(x), strerror(-ret), is_unsure ?
			  ": nor that it does not: it goes, perhaps, when "
			  "replicad is started again" : "");
		refuse(x);
		return;
	}
	if (x->daemon->kernel_ops->note_step)
		x->daemon->kernel_ops->note_step("leaving-noted");
	x->nr_ending = x->nr + 1;
	for (unsigned int i = 0; i < x->nr; i++)
		promotion_end(x->daemon, x->all[i].p->volume, on_given_up, x);
	on_given_up(x, NULL);
}

/* --- may they? (W2) ------------------------------------------------------- */

/* Its record, and that nothing but it would go with that. */
static int check_made(const struct departure *x, struct member *m,
		      struct made *made, struct error *err)
{
	const char *volume = m->p->volume;
	int ret = made_load(x->daemon->config.state_dir, volume, made, err);

	m->made_id = 0;
	m->is_base_made = false;
	if (ret == -ENOENT)
		error_clear(err);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!made->is_promoted && !promoted_is_on(m->p, made->base))
		return 0;
	if (made->nr_snapshots)
		return error_set(err, -EBUSY, "%s has snapshots: drop them "
				 "first (replicactl snapshot lists them)",
				 volume);
	m->made_id = made->id;
	m->is_base_made = !made->is_promoted;
	return 0;
}

/* W1 */
static int check_pairs(const struct departure *x, const struct promoted *p,
		       struct error *err)
{
	for (const struct pairing *o = x->daemon->pairings; o; o = o->next)
		if (promotion_has_replica(o, p->volume) &&
		    !local_stage_is_same_dir(promotion_stage_of(o), p->dir))
			return error_set(err, -EBUSY, "the pair %s has another "
					 "%.60s, in %.120s: replicactl delete "
					 "%.60s --replica --dir … first",
					 o->record.name, p->volume,
					 promotion_stage_of(o), p->volume);
	return 0;
}

static int check_member(struct departure *x, struct member *m,
			struct error *err)
{
	const char *volume = m->p->volume;
	struct made *made;
	int ret;

	if (!promoted_is_still(x->daemon, m->p) ||
	    promotion_find(x->daemon, volume)->state != PROMOTION_DONE)
		return error_set(err, -EBUSY, "%s is being given up, or is "
				 "promoted again", volume);
	if (daemon_find(x->daemon, volume) &&
	    !request_flag(x->request, "disable"))
		return error_set(err, -EBUSY, "%s is replicated: disable it "
				 "first, or say --disable", volume);
	ret = enable_check_no_file(x->daemon, volume, err) ?:
	      resolve_check_idle(x->daemon, volume, err) ?:
	      check_pairs(x, m->p, err);
	if (!ret && op_find_reader(x->daemon, volume))
		ret = error_set(err, -EBUSY, "a clone of %s is being copied: "
				"wait for that (replicactl create lists it)",
				volume);
	if (ret)
		return ret;
	made = malloc(sizeof(*made));
	ret = made ? check_made(x, m, made, err) :
		     error_set(err, -ENOMEM, "no memory");
	free(made);
	return ret;
}

static int check(struct departure *x)
{
	if (x->daemon->is_stopping)
		return error_set(&x->err, -ECANCELED, "replicad is stopping");
	for (unsigned int i = 0; !x->err.code && i < x->nr; i++)
		check_member(x, &x->all[i], &x->err);
	return x->err.code;
}

static void look(struct departure *x);

static void on_disabled(struct op *op)
{
	struct departure *x = op->arg;

	if (op->err && op->err != -ENOENT)
		error_set(&x->err, op->err, "%.200s", op->error[0] ?
			  op->error : strerror(-op->err));
	op_free(op);
	if (x->err.code)
		refuse(x);
	else
		look(x);
}

static struct member *find_replicated(const struct departure *x)
{
	for (unsigned int i = 0; i < x->nr; i++)
		if (daemon_find(x->daemon, x->all[i].p->volume))
			return &x->all[i];
	return NULL;
}

static void on_looked(struct ring_job *job)
{
	struct departure *x = container_of(job, struct departure, job);
	const struct member *m = find_replicated(x);

	if (x->err.code || check(x)) {
		refuse(x);
	} else if (request_flag(x->request, "dry_run")) {
		answer(x, true);
	} else if (!m) {
		give_up(x);
	} else if (!op_disable(x->daemon, m->p->volume, on_disabled, x)) {
		error_set(&x->err, -ENOMEM, "no memory");
		refuse(x);
	}
}

/* --- on a thread ---------------------------------------------------------- */

static const struct member *find_member(const struct departure *x,
					const char *volume)
{
	for (unsigned int i = 0; i < x->nr; i++)
		if (!strcmp(x->all[i].p->volume, volume))
			return &x->all[i];
	return NULL;
}

/* W1, W4 */
static int check_fence(struct departure *x, const char *volume)
{
	const struct member *m = find_member(x, volume);
	const char *dir = x->all[0].p->dir;
	struct stage_fence f;
	int ret = stage_fence_peek(dir, volume, &f, &x->err);

	if (ret)
		return ret;
	if (!m && f.phase == STAGE_PHASE_GIVEN_UP)
		x->keeps_bases = true;
	else if (!m)
		error_set(&x->err, -EBUSY, "%.60s is in its group in the stage "
			  "%.120s, and is not the primary here", volume, dir);
	else if (f.phase != STAGE_PHASE_LEFT ||
		 f.header.generation != m->p->generation)
		error_set(&x->err, -ESTALE, "the stage %.120s says that what "
			  "was promoted as %.60s is another one", dir, volume);
	return x->err.code;
}

static int check_stage(struct departure *x)
{
	struct stage_members names = { 0 };
	int ret = stage_members_list(x->all[0].p->dir, name_of(x), &names,
				     &x->err);

	for (unsigned int i = 0; !ret && i < names.nr; i++)
		ret = check_fence(x, names.names[i]);
	if (!ret && names.nr > 1 && !request_flag(x->request, "group"))
		ret = error_set(&x->err, -EBUSY, "%.60s is of the group %.60s, "
				"which goes as a whole: say --group",
				name_of(x), names.group);
	stage_members_clear(&names);
	return ret;
}

/* What others have on its base would go with it. */
static int check_use(struct departure *x, struct member *m)
{
	const struct promoted *p = m->p;
	const struct kernel_form form = { .device = p->volume,
					  .origin = p->base };
	char error[KERNEL_ERROR_SIZE] = "";
	int ret = x->daemon->kernel_ops->check_out(&form, error);
	struct stat st;

	m->is_file = !stat(p->base, &st) && S_ISREG(st.st_mode);
	if (ret && ret != -ENXIO)
		return error_set(&x->err, ret, "%.60s: %.200s", p->volume,
				 error[0] ? error : strerror(-ret));
	return stages_check_base(x->daemon->config.state_dir, p->base, p,
				 &x->err);
}

static void look_blocking(struct ring_job *job)
{
	struct departure *x = container_of(job, struct departure, job);
	int ret;

	x->keeps_bases = false;
	ret = check_stage(x);
	for (unsigned int i = 0; !ret && i < x->nr; i++)
		ret = check_use(x, &x->all[i]);
}

static void look(struct departure *x)
{
	int ret;

	x->job.blocking = look_blocking;
	x->job.done = on_looked;
	ret = ring_job_start(x->daemon->reactors[0].ring, &x->job);
	if (!ret)
		return;
	error_set(&x->err, ret, "no thread: %s", strerror(-ret));
	refuse(x);
}

/* --- who they are --------------------------------------------------------- */

/* One run gives them one generation, which nobody else has. */
static bool went_with(const struct promotion *a, const struct promotion *b)
{
	return a == b || (!b->run.is_dry &&
			  a->record.generation == b->record.generation &&
			  local_stage_is_same_dir(a->record.dir,
						  b->record.dir));
}

static int add(struct departure *x, const struct promotion *p)
{
	struct member *m = &x->all[x->nr];
	int ret = promoted_find(x->daemon, p->record.volume, &m->p, &x->err);

	if (ret)
		return error_set(&x->err, ret, "%s: no such promotion",
				 p->record.volume);
	m->epoch = p->record.epoch;
	x->nr++;
	return 0;
}

static int gather(struct departure *x, const struct promotion *first)
{
	unsigned int nr = 0;
	int ret;

	for (const struct promotion *p = x->daemon->promotions; p; p = p->next)
		nr++;
	x->all = calloc(nr, sizeof(*x->all));
	if (!x->all)
		return error_set(&x->err, -ENOMEM, "no memory");
	ret = add(x, first);
	for (const struct promotion *p = x->daemon->promotions; !ret && p;
	     p = p->next)
		if (p != first && went_with(first, p))
			ret = add(x, p);
	return ret;
}

void do_delete_promoted(struct request *request)
{
	const char *volume = request_text(request, "volume");
	struct departure *x = calloc(1, sizeof(*x));

	if (!x) {
		request_refuse(request, 1, "no memory");
		return;
	}
	x->request = request;
	x->daemon = request->daemon;
	x->daemon->nr_methods++;
	if (gather(x, promotion_find(x->daemon, volume)) || check(x))
		refuse(x);
	else
		look(x);
}
