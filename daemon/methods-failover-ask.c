// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * F1 (P5) A volume that was promoted here, and that another site has taken over
 *    since, is no primary: whoever asks for a failover is told so. Its own
 *    record does not say it; the state of its pair does, which is asked for
 *    first.
 */
#include "methods-failover.h"

#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "methods.h"
#include "ops.h"
#include "status.h"
#include "usable.h"

struct asking {
	struct request *request;
	failover_then_fn *then;
};

static json_t *find_overtaken(const struct daemon *daemon, const json_t *all)
{
	json_t *found = json_object(), *one;
	size_t i;

	json_array_foreach(json_object_get(all, "volumes"), i, one) {
		const char *name = json_string_value(json_object_get(one,
								     "name"));

		if (promotion_find(daemon, name) && usable_is_others(one))
			json_object_set_new(found, name, json_sprintf(
				"%s: was promoted here, and is %s since: %s",
				name, json_string_value(json_object_get(one,
								"state")),
				json_string_value(json_object_get(one,
							"next_step"))));
	}
	return found;
}

static void on_status(struct op *op)
{
	struct asking *a = op->arg;
	json_t *all = status_all(op->daemon, op->result, NULL);
	json_t *overtaken = find_overtaken(op->daemon, all);

	if (op->daemon->is_stopping)
		request_refuse(a->request, 1, "replicad is stopping");
	else
		a->then(a->request, overtaken);
	json_decref(overtaken);
	json_decref(all);
	free(a);
	op_free(op);
}

void failover_ask(struct request *request, failover_then_fn *then)
{
	const struct daemon *daemon = request->daemon;
	const char *volume = request_text(request, "volume");
	struct asking *a;

	/* Who was not promoted here does not wait for what others do. */
	if (!daemon->promotions ||
	    (volume && !promotion_find(daemon, volume))) {
		then(request, NULL);
		return;
	}
	a = malloc(sizeof(*a));
	if (a)
		*a = (struct asking){ request, then };
	if (a && op_status(request->daemon, NULL, on_status, a))
		return;
	free(a);
	request_refuse(request, 1, "no memory");
}

static const struct promotion *leader_of(const struct promotion *p)
{
	return p->leader ?: p;
}

const char *failover_overtaken(const struct request *request,
			       const json_t *overtaken, const char *volume,
			       bool is_group)
{
	const json_t *told = json_object_get(overtaken, volume);
	const struct daemon *daemon = request->daemon;
	const struct promotion *asked = promotion_find(daemon, volume), *p;

	if (!asked || asked->state == PROMOTION_ENDING)
		return NULL;		/* promotion_start() says what to do */
	for (p = daemon->promotions; !told && is_group && p; p = p->next)
		if (leader_of(p) == leader_of(asked))
			told = json_object_get(overtaken, p->record.volume);
	return json_string_value(told);
}
