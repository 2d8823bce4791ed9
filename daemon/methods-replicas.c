// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method replicas: what the pairs of this site keep of others' volumes, and
 * how old that is. Each is asked of its pair's own server, one after the other:
 * what that has in memory is told, and no log is read for it.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "control.h"
#include "daemon.h"
#include "history-json.h"
#include "pairing.h"
#include "pairing-file.h"
#include "promotion.h"
#include "stage-promote.h"

struct gathering {
	struct request *request;
	struct daemon *daemon;
	json_t *replicas;	/* {"volume", "pair", "dir"}, and what is told */
	size_t at;
};

static const char *text_of(const json_t *replica, const char *key)
{
	return json_string_value(json_object_get(replica, key)) ?: "";
}

/* What was promoted is, or was, a volume of this site. */
static bool is_replica(const char *dir, const char *volume)
{
	struct stage_fence fence;

	return stage_fence_peek(dir, volume, &fence, NULL) ||
	       fence.phase < STAGE_PHASE_LEFT;
}

static void add_pair(struct gathering *x, const struct pairing *p,
		     const char *only)
{
	const char *dir = promotion_stage_of(p);
	struct stage_members m;

	if (!dir || p->state == PAIRING_ENDING ||
	    stage_members_all(dir, &m, NULL))
		return;
	for (unsigned int i = 0; i < m.nr; i++)
		if ((!only || !strcmp(only, m.names[i])) &&
		    is_replica(dir, m.names[i]))
			json_array_append_new(x->replicas, json_pack(
				"{ss ss ss}", "volume", m.names[i], "pair",
				p->record.name, "dir", dir));
	stage_members_clear(&m);
}

static void tell_error(json_t *replica, const struct error *err)
{
	char why[sizeof(err->text)];

	snprintf(why, sizeof(why), "%s", err->text[0] ? err->text :
		 strerror(-err->code));
	route_text_printable(why);
	json_object_set_new(replica, "state", json_string("error"));
	json_object_set_new(replica, "reason", json_string(why));
}

static void tell(json_t *replica, const struct history *h)
{
	json_t *all = history_json(h, "");

	json_object_del(all, "epochs");
	json_object_del(all, "target");
	json_object_del(all, "schema_version");
	json_object_update_missing(replica, all);
	json_decref(all);
}

static void ask_next(struct gathering *x);

static void on_told(void *arg, const struct history *h,
		    const struct error *err)
{
	struct gathering *x = arg;
	json_t *replica = json_array_get(x->replicas, x->at++);

	if (h)
		tell(replica, h);
	else
		tell_error(replica, err);
	ask_next(x);
}

static int ask(struct gathering *x, const json_t *replica, struct error *err)
{
	const struct pairing *p = pairing_find(x->daemon,
					       text_of(replica, "pair"));
	char uri[512];

	if (!p || p->state != PAIRING_SERVING)
		return error_set(err, -EAGAIN, "its pair's server does not "
				 "run (replicactl pair list)");
	return pairing_own_uri(x->daemon->config.state_dir, &p->record,
			       text_of(replica, "volume"), uri, sizeof(uri),
			       err) ?:
	       ask_history(x->daemon, uri, on_told, x, err);
}

static void end(struct gathering *x)
{
	request_answer(x->request, json_pack("{si sO}", "schema_version", 1,
					     "replicas", x->replicas));
	json_decref(x->replicas);
	free(x);
}

static void ask_next(struct gathering *x)
{
	json_t *replica;

	while ((replica = json_array_get(x->replicas, x->at))) {
		struct error err = { 0 };

		if (x->daemon->is_stopping)
			error_set(&err, -ECANCELED, "replicad is stopping");
		else if (!ask(x, replica, &err))
			return;
		tell_error(replica, &err);
		x->at++;
	}
	end(x);
}

void do_replicas(struct request *request)
{
	const char *volume = request_text(request, "volume");
	struct gathering *x = calloc(1, sizeof(*x));

	if (!x) {
		request_refuse(request, 1, "no memory");
		return;
	}
	x->request = request;
	x->daemon = request->daemon;
	x->replicas = json_array();
	for (struct pairing *p = x->daemon->pairings; p; p = p->next)
		add_pair(x, p, volume);
	if (!volume || json_array_size(x->replicas)) {
		ask_next(x);
		return;
	}
	request_refuse(request, method_exit_status(-ENOENT), "no pair of this "
		       "site has a replica %.60s", volume);
	json_decref(x->replicas);
	free(x);
}
