// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method replicas: what the pairs of this site keep of others' volumes, and
 * how old that is.
 *
 * A stage is only looked at, whoever has it open, on a thread: that takes as
 * long as it takes to read the heads of all records in its logs.
 */
#include "methods.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "history-json.h"
#include "pairing.h"
#include "promotion.h"
#include "stage-io.h"
#include "stage-promote.h"

struct place {
	char pair[PAIRING_NAME_LEN];
	char dir[PATH_MAX];
};

struct gathering {
	struct request *request;	/* not once it was answered */
	struct daemon *daemon;
	struct ring_job job;
	char only[STAGE_NAME_LEN];	/* "" = all */
	json_t *replicas;
	struct place *places;
	size_t nr;
};

/* --- on a thread ---------------------------------------------------------- */

static void add(struct gathering *x, const struct place *at, json_t *replica)
{
	json_object_set_new(replica, "pair", json_string(at->pair));
	json_object_set_new(replica, "dir", json_string(at->dir));
	json_array_append_new(x->replicas, replica);
}

static void add_error(struct gathering *x, const struct place *at,
		      const char *volume, const struct error *err)
{
	add(x, at, json_pack("{ss ss ss}", "volume", volume, "state", "error",
			     "reason", err->text));
}

/* What was promoted is a volume of this site. */
static bool is_wanted(const struct gathering *x, const struct place *at,
		      const char *volume)
{
	struct stage_fence fence;

	return (!x->only[0] || !strcmp(x->only, volume)) &&
	       (stage_fence_peek(at->dir, volume, &fence, NULL) ||
		fence.phase != STAGE_PHASE_LEFT);
}

static void describe(struct gathering *x, const struct place *at,
		     struct stage_volume *v)
{
	struct error err = { 0 };
	struct stage_info info;
	struct history h;
	json_t *replica;
	int ret;

	stage_get_info(v, &info);
	if (!is_wanted(x, at, info.name))
		return;
	/* Who writes may have been caught in the middle: it looks again. */
	ret = info.state == STAGE_ERROR ?
	      history_view(&h, at->dir, info.name, &err) : history_read(&h, v);
	if (ret) {
		if (!err.code)
			error_set(&err, ret, "%s", strerror(-ret));
		add_error(x, at, info.name, &err);
		return;
	}
	replica = history_json(&h, "");
	json_object_del(replica, "epochs");
	json_object_del(replica, "target");
	json_object_del(replica, "schema_version");
	add(x, at, replica);
	history_clear(&h);
}

static void look_at(struct gathering *x, const struct place *at)
{
	const struct stage_options view = { .io = &stage_view_io };
	struct stage_volume *v = NULL;
	struct error err = { 0 };
	struct stage *s;

	if (stage_open(&s, at->dir, &view, &err)) {
		add_error(x, at, x->only[0] ? x->only : "*", &err);
		return;
	}
	while ((v = stage_next(s, v)))
		describe(x, at, v);
	stage_close(s);
}

static void look_blocking(struct ring_job *job)
{
	struct gathering *x = container_of(job, struct gathering, job);

	for (size_t i = 0; i < x->nr; i++)
		look_at(x, &x->places[i]);
}

/* --- on the main thread --------------------------------------------------- */

static void end(struct gathering *x)
{
	struct daemon *daemon = x->daemon;

	json_decref(x->replicas);
	free(x->places);
	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void on_looked(struct ring_job *job)
{
	struct gathering *x = container_of(job, struct gathering, job);

	if (x->only[0] && !json_array_size(x->replicas))
		request_refuse(x->request, method_exit_status(-ENOENT), "no "
			       "pair of this site has a replica %s", x->only);
	else
		request_answer(x->request, json_pack("{si sO}",
						     "schema_version", 1,
						     "replicas", x->replicas));
	end(x);
}

/* Of those pairs that receive. */
static bool gather(struct gathering *x, const struct daemon *daemon)
{
	size_t nr = 0;

	for (const struct pairing *p = daemon->pairings; p; p = p->next)
		nr++;
	x->replicas = json_array();
	x->places = calloc(nr + 1, sizeof(*x->places));
	if (!x->replicas || !x->places)
		return false;
	for (const struct pairing *p = daemon->pairings; p; p = p->next) {
		const char *dir = promotion_stage_of(p);

		if (!dir || (x->only[0] && !promotion_has_replica(p, x->only)))
			continue;
		snprintf(x->places[x->nr].pair, PAIRING_NAME_LEN, "%s",
			 p->record.name);
		snprintf(x->places[x->nr++].dir, PATH_MAX, "%s", dir);
	}
	return true;
}

void do_replicas(struct request *request)
{
	const char *volume = request_text(request, "volume");
	struct gathering *x = calloc(1, sizeof(*x));

	if (!x || (volume && !volume_name_is_valid(volume))) {
		request_refuse(request, x ? 2 : 1, "%s", x ? "want the name of "
			       "a volume, or none" : "no memory");
		free(x);
		return;
	}
	x->request = request;
	x->daemon = request->daemon;
	snprintf(x->only, sizeof(x->only), "%s", volume ?: "");
	x->daemon->nr_methods++;
	x->job.blocking = look_blocking;
	x->job.done = on_looked;
	if (gather(x, x->daemon) &&
	    !ring_job_start(x->daemon->reactors[0].ring, &x->job))
		return;
	request_refuse(request, 1, "no memory, or no thread");
	end(x);
}
