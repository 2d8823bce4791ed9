// SPDX-License-Identifier: GPL-2.0-or-later
/* Methods about the past of a replica: history, test, test_list, test_drop. */
#include "methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "control.h"
#include "daemon.h"
#include "history-json.h"
#include "testdev.h"

#define NS	1e9

static const char *target_of(struct request *request)
{
	struct error err = { 0 };
	const char *target = ask_target(request->daemon,
					request_text(request, "volume"),
					request_text(request, "target"), &err);

	if (!target)
		method_refuse(request, &err);
	return target;
}

/* --- history -------------------------------------------------------------- */

static void on_history(void *arg, const struct history *h,
		       const struct error *err)
{
	struct request *request = arg;
	struct error none = { 0 };

	if (h)
		request_answer(request, history_json(h, ask_target(
			request->daemon, request_text(request, "volume"),
			request_text(request, "target"), &none) ?: ""));
	else
		method_refuse(request, err);
}

void do_history(struct request *request)
{
	const char *target = target_of(request);
	struct error err = { 0 };

	if (target && ask_history(request->daemon, target, on_history, request,
				  &err))
		method_refuse(request, &err);
}

/* --- test ----------------------------------------------------------------- */

void method_testdev_done(void *arg, json_t *result, const struct error *err)
{
	struct request *request = arg;

	if (err) {
		method_refuse(request, err);
		return;
	}
	if (result)
		json_object_set_new(result, "schema_version", json_integer(1));
	request_answer(request, result);
}

static int fill_wish(struct testdev_wish *wish, const struct request *request,
		     struct error *err)
{
	const json_t *epoch = json_object_get(request->params, "epoch");
	const json_t *at = json_object_get(request->params, "at");
	double seconds = json_number_value(at);

	if ((epoch && (!json_is_integer(epoch) ||
		       json_integer_value(epoch) <= 0)) || (epoch && at))
		return error_set(err, -EDESTADDRREQ, epoch && at ?
				 "epoch and at: one of them" :
				 "epoch is not a number from 1 on");
	if (at && (!json_is_number(at) || seconds <= 0 || seconds > 9e9))
		return error_set(err, -EDESTADDRREQ, "at is not a time in "
				 "seconds since 1970");
	wish->name = request_text(request, "name");
	wish->epoch = json_integer_value(epoch);
	wish->at_ns = seconds * NS;
	wish->attach = testdev_attach_of(json_object_get(request->params,
							 "attach"));
	return 0;
}

void do_test(struct request *request)
{
	const char *target = target_of(request);
	struct testdev_wish wish = {
		.target = target,
		.may_open = !request_text(request, "target"),
	};
	struct error err = { 0 };

	if (!target)
		return;
	if (fill_wish(&wish, request, &err) ||
	    testdev_create(request->daemon, &wish, method_testdev_done, request,
			   &err))
		method_refuse(request, &err);
}

void do_test_drop(struct request *request)
{
	const char *name = request_text(request, "name");
	struct error err = { 0 };

	if (!name)
		error_set(&err, -EDESTADDRREQ, "the name is missing");
	else
		testdev_drop(request->daemon, name, method_testdev_done,
			     request, &err);
	if (err.code)
		method_refuse(request, &err);
}

/* --- test_list ------------------------------------------------------------ */

/* The list as it was, and which of it is looked at. */
struct listing {
	struct request *request;
	json_t *tests;
	size_t at;
};

static void look_at_next(struct listing *l);

static void set_state(json_t *test, const char *state, const char *reason)
{
	json_object_set_new(test, "state", json_string(state));
	json_object_set_new(test, "reason", json_string(reason));
}

/* S10: an image that is not in the history any more was broken. */
static void judge(json_t *test, const struct history *h)
{
	uint64_t epoch = json_integer_value(json_object_get(test, "epoch"));
	const struct stage_epoch *e = history_find(h, epoch);

	if (!e || e->epoch != epoch)
		set_state(test, "broken", "the log was full and its epoch had "
			  "to go: what was not written here cannot be read");
	else if (!e->nr_images)
		set_state(test, "broken", "the target has been restarted: what "
			  "was not written here cannot be read");
}

static void on_looked(void *arg, const struct history *h,
		      const struct error *err)
{
	struct listing *l = arg;
	json_t *test = json_array_get(l->tests, l->at++);
	char text[300];

	if (h) {
		judge(test, h);
	} else {
		snprintf(text, sizeof(text), "its target cannot be asked: %s",
			 err->text);
		set_state(test, "unknown", text);
	}
	look_at_next(l);
}

static bool is_ready(const json_t *test)
{
	return !strcmp(json_string_value(json_object_get(test, "state")),
		       "ready");
}

/* One after the other; the last one answers. */
static void look_at_next(struct listing *l)
{
	struct error err = { 0 };
	const json_t *test;

	for (; (test = json_array_get(l->tests, l->at)); l->at++)
		if (is_ready(test) && !ask_history(l->request->daemon,
			json_string_value(json_object_get(test, "target")),
			on_looked, l, &err))
			return;
	request_answer(l->request, json_pack("{si so}", "schema_version", 1,
					     "tests", l->tests));
	free(l);
}

void do_test_list(struct request *request)
{
	struct listing *l = calloc(1, sizeof(*l));

	if (l)
		l->tests = testdev_list(request->daemon);
	if (!l || !l->tests) {
		free(l);
		request_refuse(request, 1, "no memory");
		return;
	}
	l->request = request;
	look_at_next(l);
}
