// SPDX-License-Identifier: GPL-2.0-or-later
/* Methods for when the other site is lost: failover, resolve. */
#include "methods-failover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ask.h"
#include "config-impl.h"
#include "config-target.h"
#include "control.h"
#include "daemon.h"
#include "log.h"
#include "methods.h"
#include "resolve.h"

#define NS	1e9
#define RESOLVE_WAIT_MS	30000

/* --- failover ------------------------------------------------------------- */

static void on_promoted(void *arg, json_t *result, const struct error *err)
{
	if (err)
		method_refuse(arg, err);
	else
		request_answer(arg, result);
}

int failover_wish(struct promotion_wish *wish, const struct request *request,
		  struct error *err)
{
	const json_t *epoch = json_object_get(request->params, "epoch");
	const json_t *at = json_object_get(request->params, "at");
	double seconds = json_number_value(at);

	if (epoch && at)
		return error_set(err, -EDESTADDRREQ, "epoch and at: one of "
				 "them");
	if (epoch && (!json_is_integer(epoch) ||
		      json_integer_value(epoch) <= 0))
		return error_set(err, -EDESTADDRREQ, "epoch is not a number "
				 "from 1 on");
	if (at && (!json_is_number(at) || seconds <= 0 || seconds > 9e9))
		return error_set(err, -EDESTADDRREQ, "at is not a time in "
				 "seconds since 1970");
	*wish = (struct promotion_wish){ 0 };
	wish->epoch = json_integer_value(epoch);
	wish->at_ns = seconds * NS;
	return 0;
}

unsigned int failover_wait_ms(const struct request *request)
{
	double wait_s = json_number_value(json_object_get(request->params,
							  "wait_s"));

	return wait_s > 0 && wait_s < 3600 ? wait_s * 1000 : RESOLVE_WAIT_MS;
}

/* --- to whom -------------------------------------------------------------- */

static bool is_meant(const struct request *request, const struct entry *e)
{
	const struct daemon *daemon = request->daemon;
	const char *volume = request_text(request, "volume");
	const char *pool = request_text(request, "pool");
	struct scope scope = { 0 };

	if (volume && !request_flag(request, "group"))
		return !strcmp(volume, e->config->name);
	if (volume && daemon_find(daemon, volume))
		scope.group = daemon_find(daemon, volume)->config->group;
	if (volume && !scope.group)
		return !strcmp(volume, e->config->name);
	if (pool)
		scope.pool = config_section(&daemon->config, SECTION_POOL,
					    pool);
	return (!pool || scope.pool) && scope_has(&scope, e->config);
}

static int check_goes_to(const struct config *config,
			 const struct section *target,
			 const struct volume_config *v, struct error *err)
{
	if (v->target_id && !strcmp(v->target_id, target->name))
		return 0;
	if (!target_is_of(config, target, v))
		return error_set(err, -EINVAL, "%s: %s is no target of it",
				 v->name, target->name);
	return error_set(err, -EINVAL, "%s goes to %s now: first replicactl "
			 "target use %s %s, and when it replicates, this again",
			 v->name, v->target_id ?: "another", target->name,
			 v->name);
}

/* Of each that is meant, before anything is done: a slip changes nothing. */
static int check_to(const struct request *request, struct error *err)
{
	const struct config *config = &request->daemon->config;
	const char *to = request_text(request, "to");
	const struct section *target;
	char near[80];
	int ret = 0;

	if (!to)
		return 0;
	if (!request_flag(request, "planned"))
		return error_set(err, -EDESTADDRREQ, "to is of planned: who "
				 "takes over does it where it is said");
	if (request->daemon->is_reloading)
		return error_set(err, -EBUSY, "the targets are being changed: "
				 "this again when that is done");
	target = config_section(config, SECTION_TARGET, to);
	if (!target)
		return error_set(err, -ENOENT, "there is no target %.60s%s", to,
				 config_nearest(config, SECTION_TARGET, to,
						near));
	for (struct entry *e = request->daemon->entries; !ret && e; e = e->next)
		if (!e->is_disabled && is_meant(request, e))
			ret = check_goes_to(config, target, e->config, err);
	return ret;
}

/* --- failover ------------------------------------------------------------- */

static void hand_over(struct request *request)
{
	const struct resolve_request q = {
		.volume = request_text(request, "volume"),
		.is_planned = true,
		.is_group = request_flag(request, "group"),
		.is_dry = request_flag(request, "dry_run"),
		.wait_ms = failover_wait_ms(request),
	};

	resolve_keep_peer(request->daemon, &q, on_promoted, request);
}

/* F1 of methods-failover-ask.c */
static void take_over(struct request *request, const json_t *overtaken)
{
	struct promotion_request q = {
		.volume = request_text(request, "volume"),
		.dir = request_text(request, "dir"),
		.metadata = request_text(request, "metadata"),
		.is_dry = request_flag(request, "dry_run"),
		.is_group = request_flag(request, "group"),
	};
	const char *why = failover_overtaken(request, overtaken, q.volume,
					     q.is_group);
	struct error err = { 0 };

	if (why)
		error_set(&err, -ESTALE, "%s", why);
	if (err.code || failover_wish(&q.wish, request, &err))
		method_refuse(request, &err);
	else
		promotion_start(request->daemon, &q, on_promoted, request);
}

void do_failover(struct request *request)
{
	const char *volume = request_text(request, "volume");
	struct error err = { 0 };

	if (check_to(request, &err)) {
		method_refuse(request, &err);
		return;
	}
	if (failover_many(request))
		return;
	if (volume && request_flag(request, "planned")) {
		hand_over(request);
		return;
	}
	if (!volume)
		error_set(&err, -EDESTADDRREQ, "the volume is missing");
	else if (!request_flag(request, "force") &&
		 !request_flag(request, "dry_run"))
		error_set(&err, -EDESTADDRREQ, "neither force nor planned is "
			  "set");
	if (err.code)
		method_refuse(request, &err);
	else
		failover_ask(request, take_over);
}

/* --- resolve -------------------------------------------------------------- */

static bool keeps_local(struct request *request)
{
	const char *keep = request_text(request, "keep");
	struct error err = { 0 };

	if (!keep || strcmp(keep, "local"))
		return false;
	if (request_text(request, "dir"))
		error_set(&err, -EDESTADDRREQ, "keep=local: not with dir: what "
			  "the other site gives up is kept aside there");
	if (err.code)
		method_refuse(request, &err);
	else
		keep_local(request);
	return true;
}

void do_resolve(struct request *request)
{
	const struct resolve_request q = {
		.volume = request_text(request, "volume"),
		.dir = request_text(request, "dir"),
		.is_group = request_flag(request, "group"),
		.is_dry = request_flag(request, "dry_run"),
		.wait_ms = failover_wait_ms(request),
	};
	const char *keep = request_text(request, "keep");
	struct error err = { 0 };

	if (!q.volume)
		error_set(&err, -EDESTADDRREQ, "the volume is missing");
	else if (keeps_local(request))
		return;
	else if (!keep || strcmp(keep, "peer"))
		error_set(&err, -EDESTADDRREQ, "keep: want local or peer: "
			  "whose data count");
	else if (request_text(request, "pair"))
		error_set(&err, -EDESTADDRREQ, "pair: only with keep=local: "
			  "who is asked");
	if (err.code)
		method_refuse(request, &err);
	else
		resolve_keep_peer(request->daemon, &q, on_promoted, request);
}
