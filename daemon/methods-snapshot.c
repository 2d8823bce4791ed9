// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods snapshot, snapshot_list and snapshot_drop, of volumes that
 * drivers make. One is taken only where the volume may be used: at the site
 * that is active.
 */
#include "methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "driver.h"
#include "made.h"
#include "ops.h"
#include "promotion.h"
#include "status.h"
#include "usable.h"

static void refuse_no_memory(struct request *request)
{
	request_refuse(request, method_exit_status(-ENOMEM), "no memory");
}

/* S3 in ops-aside.c: a stop waits for on_done(). */
static void wait_for(struct request *request, const struct op *op)
{
	if (op)
		request->daemon->nr_methods++;
	else
		refuse_no_memory(request);
}

/* False: it was refused. */
static bool take_names(struct request *request, bool has_snapshot)
{
	const char *volume = request_text(request, "volume");
	const char *name = request_text(request, "name");

	if (!volume || !volume_name_is_valid(volume))
		request_refuse(request, method_exit_status(-EDESTADDRREQ),
			       "want the name of a volume");
	else if (has_snapshot && (!name || !volume_name_is_valid(name)))
		request_refuse(request, method_exit_status(-EDESTADDRREQ),
			       "want the name of a snapshot: use letters, "
			       "digits and . _ -");
	else
		return true;
	return false;
}

static void on_done(struct op *op)
{
	struct request *request = op->arg;
	struct daemon *daemon = op->daemon;
	json_t *result = op->result ? json_incref(op->result) : json_object();

	if (op->err) {
		json_decref(result);
		request_refuse(request, method_exit_status(op->err), "%s",
			       op->error[0] ? op->error : strerror(-op->err));
	} else {
		json_object_set_new(result, "schema_version", json_integer(1));
		request_answer(request, result);
	}
	op_free(op);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

/* --- snapshot ------------------------------------------------------------- */

/* What is made, and neither replicated nor promoted, is used by anybody. */
static bool check_use(struct request *request, const json_t *answer)
{
	const char *use = json_string_value(json_object_get(answer, "use"));

	if (!use || !strcmp(use, "yes"))
		return true;
	request_refuse(request, method_exit_status(-EREMOTE), "%.60s is not to "
		       "be used here: %.300s", request_text(request, "volume"),
		       json_string_value(json_object_get(answer, "reason")));
	return false;
}

struct asked {
	struct request *request;
	void (*then)(struct request *request);
};

static void on_status(struct op *op)
{
	const struct asked *asked = op->arg;
	const char *volume = request_text(asked->request, "volume");
	json_t *status = status_all(op->daemon, op->result, volume);
	json_t *answer = usable_tell(op->daemon, volume, json_array_get(
				json_object_get(status, "volumes"), 0));

	if (check_use(asked->request, answer))
		asked->then(asked->request);
	json_decref(answer);
	json_decref(status);
	free(op->arg);
	op_free(op);
}

void method_if_usable(struct request *request,
		      void (*then)(struct request *request))
{
	struct asked *asked = malloc(sizeof(*asked));

	if (asked) {
		*asked = (struct asked){ request, then };
		if (op_status(request->daemon, request_text(request, "volume"),
			      on_status, asked))
			return;
	}
	free(asked);
	refuse_no_memory(request);
}

static void take(struct request *request)
{
	wait_for(request, op_snapshot(request->daemon,
				      request_text(request, "volume"),
				      request_text(request, "name"), on_done,
				      request));
}

void do_snapshot(struct request *request)
{
	if (take_names(request, true))
		method_if_usable(request, take);
}

void do_snapshot_drop(struct request *request)
{
	if (take_names(request, true))
		wait_for(request, op_drop_snapshot(request->daemon,
						   request_text(request,
								"volume"),
						   request_text(request,
								"name"),
						   on_done, request));
}

/* --- snapshot_list -------------------------------------------------------- */

static json_t *list(const struct made *m)
{
	const struct driver *driver = driver_find(m->driver);
	json_t *all = json_array();
	char path[PATH_MAX] = "";

	for (unsigned int i = 0; i < m->nr_snapshots; i++) {
		const struct snapshot *s = &m->snapshots[i];

		if (driver)
			driver->snapshot_path(m, s, path);
		json_array_append_new(all, json_pack("{ss ss sI sI ss}",
			"name", s->name, "path", path, "size_bytes",
			(json_int_t)s->bytes, "taken_at",
			(json_int_t)s->taken_at, "step",
			made_step_name(s->step)));
	}
	return all;
}

void do_snapshot_list(struct request *request)
{
	struct made *m = malloc(sizeof(*m));
	struct error err = { 0 };
	const char *volume;
	int ret;

	if (!take_names(request, false)) {
		free(m);
		return;
	}
	volume = request_text(request, "volume");
	ret = m ? made_load(request->daemon->config.state_dir, volume, m,
			    &err) : -ENOMEM;
	if (ret == -ENOENT && promotion_find(request->daemon, volume))
		ret = 0;					/* V12 */
	if (ret == -ENOENT)
		request_refuse(request, method_exit_status(ret), "volume %.60s "
			       "was not made here", volume);
	else if (ret)
		request_refuse(request, method_exit_status(ret), "%s",
			       err.text[0] ? err.text : strerror(-ret));
	else
		request_answer(request, json_pack("{si ss so}",
				"schema_version", 1, "volume", volume,
				"snapshots", list(m)));
	free(m);
}
