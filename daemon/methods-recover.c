// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method recover: the cause is mended, go on now (recovery.h).
 *
 *	do_recover ─> [op_status] begin ─> each try: an op, a failover
 *	… ─> [op_status, again and again] judge ─> answer
 *
 * The answer comes when no try is under way any more, or wait_s is over; what
 * is under way then goes on.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "log.h"
#include "methods-many.h"
#include "ops.h"
#include "pairing.h"
#include "promotion.h"
#include "recovery.h"
#include "status.h"

#define WAIT_MS		10000
#define MAX_WAIT_S	3600
#define LOOK_MS		250
#define NS_PER_MS	1000000ULL

struct recovery {
	struct request *request;	/* NULL: it was answered */
	struct daemon *daemon;
	const char *only;		/* of the request, as is … */
	struct scope scope;		/* … this, while it is looked for */
	bool is_dry;
	struct recovery_item *items;
	unsigned int nr_under_way;	/* of the tries; and a status */
	struct ring_timer timer;
	uint64_t until_ns;
};

static uint64_t now(const struct recovery *r)
{
	return ring_now(r->daemon->reactors[0].ring);
}

/* It is gone when it was answered and nothing refers to it any more. */
static void put(struct recovery *r)
{
	struct daemon *daemon = r->daemon;

	if (r->request || r->nr_under_way)
		return;
	ring_timer_cancel(daemon->reactors[0].ring, &r->timer);
	recovery_free(r->items);
	free(r);
	daemon->nr_recoveries--;
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void refuse(struct recovery *r, int exit_status, const char *text)
{
	request_refuse(r->request, exit_status, "%s", text);
	r->request = NULL;
}

/* --- the answer ----------------------------------------------------------- */

static const char *const kinds[] = {
	[RECOVER_VOLUME] = "volume",
	[RECOVER_PAIR] = "pair",
	[RECOVER_RECORD] = "record",
};

static json_t *render(const struct recovery_item *item,
		      const struct recovery_state *s)
{
	const char *try = item->is_late ? NULL : recovery_try_name(item->try);

	return json_pack("{ss ss ss ss* ss ss ss sb}", "name", item->name,
			 "kind", kinds[item->kind], "was", item->was,
			 "try", try, "state", s->state, "reason", s->reason,
			 "next_step", s->next_step, "ok", s->is_well);
}

/* Only UTF-8 can be told; a character that was cut in two is none. */
static void make_whole(char *text)
{
	size_t len = strlen(text);
	json_t *whole;

	while (!(whole = json_string(text)) && len)
		text[--len] = '\0';
	json_decref(whole);
}

/* "failed" is what a request by dmsetup is told (request.c). */
static void answer(struct recovery *r, const json_t *status)
{
	json_t *items = json_array(), *failed = json_array();
	json_int_t nr_failed = 0;

	for (const struct recovery_item *i = r->items; i; i = i->next) {
		struct recovery_state s;
		char reason[CONFIG_ERROR_SIZE];

		recovery_judge(r->daemon, status, i, &s);
		snprintf(reason, sizeof(reason), "%s", s.reason);
		make_whole(reason);
		s.reason = reason;
		json_array_append_new(items, render(i, &s));
		nr_failed += !s.is_well;
		if (!s.is_well)
			json_array_append_new(failed, json_sprintf("%s: %s: %s",
					      i->name, s.state, s.reason));
	}
	request_answer(r->request, json_pack("{si sb sI so so}",
			"schema_version", 1, "dry_run", r->is_dry,
			"remaining", nr_failed, "items", items, "failed", failed));
	r->request = NULL;
}

/* --- the tries ------------------------------------------------------------ */

/* R3 */
static void note_late(struct recovery *r, enum recovery_kind kind,
		      const char *name)
{
	for (struct recovery_item *i = r->items; i; i = i->next)
		if (i->kind == kind && !strcmp(i->name, name))
			i->is_late = true;
}

static void try_ended(struct recovery *r)
{
	r->nr_under_way--;
	put(r);
}

/* What is not told by a status is in the log. */
static void on_op(struct op *op)
{
	struct recovery *r = op->arg;

	if (op->err && !op->is_joined)
		log_warn(op->name, "recover: %s",
			 op->error[0] ? op->error : strerror(-op->err));
	op_free(op);
	try_ended(r);
}

/* Of a volume. replicad's own next try has the same to tell (on_started). */
static void on_volume(struct op *op)
{
	if (op->is_late)
		note_late(op->arg, RECOVER_VOLUME, op->name);
	else if (op->err)
		daemon_note_told(daemon_find(op->daemon, op->name));
	on_op(op);
}

/* As at a start: what it is made of may have become larger. */
static void on_record(struct op *op)
{
	struct recovery *r = op->arg;
	bool has_grown = !op->err && op->result &&
			 daemon_find(op->daemon, op->name);

	if (op->is_late)
		note_late(r, RECOVER_RECORD, op->name);
	if (has_grown && op_extend(op->daemon, op->name, false, on_op, r))
		op_free(op);
	else
		on_op(op);
}

static void on_failed_over(void *arg, json_t *result, const struct error *err)
{
	json_decref(result);
	try_ended(arg);
}

static void on_given_up(void *arg, const struct error *err)
{
	try_ended(arg);
}

static void restart_server(struct pairing *p)
{
	if (!p || p->state != PAIRING_SERVING)
		return;
	p->backoff_ms = 0;
	ring_timer_cancel(p->daemon->reactors[0].ring, &p->timer);
	pairing_step(p);
}

static const struct op *begin_op(struct recovery *r,
				 const struct recovery_item *item)
{
	switch (item->try) {
	case TRY_TARGET:
		return op_try_now(r->daemon, item->name, on_volume, r);
	case TRY_START:
		return op_start_asking(r->daemon, item->name, on_volume, r);
	case TRY_OUT:
		return op_take_out(r->daemon, item->name, on_volume, r);
	case TRY_RECORD:
		return op_made_again(r->daemon, item->name, on_record, r);
	default:
		return NULL;
	}
}

static void begin_one(struct recovery *r, struct recovery_item *item)
{
	const struct promotion_request q = {
		.volume = item->name,
		.is_begun = true,
	};

	if (!recovery_is_due(r->daemon, item)) {
		item->is_late = true;
		return;
	}
	log_info(item->name, "recover: %s", recovery_try_name(item->try));
	r->nr_under_way++;
	switch (item->try) {
	case TRY_FAILOVER:
		promotion_start(r->daemon, &q, on_failed_over, r);
		return;
	case TRY_ENDING:
		promotion_end(r->daemon, item->name, on_given_up, r);
		return;
	case TRY_SERVER:
		restart_server(pairing_find(r->daemon, item->name));
		break;
	default:
		if (begin_op(r, item))
			return;
	}
	r->nr_under_way--;
}

/* --- looking -------------------------------------------------------------- */

static void on_looked(struct op *op);

static void look_again(struct recovery *r)
{
	r->nr_under_way++;
	if (op_status(r->daemon, NULL, on_looked, r))
		return;
	r->nr_under_way--;
	refuse(r, 1, "no memory");
	put(r);
}

static void on_timer(struct ring_timer *timer)
{
	look_again(container_of(timer, struct recovery, timer));
}

static bool is_over(const struct recovery *r, const json_t *status)
{
	struct recovery_state s;

	if (r->is_dry || now(r) >= r->until_ns)
		return true;
	if (r->nr_under_way)
		return false;
	for (const struct recovery_item *i = r->items; i; i = i->next) {
		recovery_judge(r->daemon, status, i, &s);
		if (!s.is_at_rest)
			return false;
	}
	return true;
}

static void on_looked(struct op *op)
{
	struct recovery *r = op->arg;
	json_t *status = status_all(op->daemon, op->result, NULL);

	r->nr_under_way--;
	if (r->daemon->is_stopping)
		refuse(r, 1, "replicad is stopping; what is under way goes on "
		       "with its next start");
	else if (is_over(r, status))
		answer(r, status);
	else
		ring_timer_add(r->daemon->reactors[0].ring, &r->timer,
			       LOOK_MS);
	json_decref(status);
	op_free(op);
	put(r);
}

static void begin(struct recovery *r, const json_t *status)
{
	const char *of = r->only ?: many_name(&r->scope);
	unsigned int nr;
	char text[100];

	if (recovery_look(r->daemon, status, r->only, &r->scope, &r->items,
			  &nr)) {
		refuse(r, 1, "no memory");
	} else if (r->daemon->is_stopping) {
		refuse(r, 1, "replicad is stopping");
	} else if (of && !nr) {
		snprintf(text, sizeof(text), "there is no volume %s%.60s",
			 r->only ? "" : "of ", of);
		refuse(r, 3, text);
	} else {
		for (struct recovery_item *i = r->items;
		     !r->is_dry && i; i = i->next)
			begin_one(r, i);
		look_again(r);
	}
}

static void on_status(struct op *op)
{
	struct recovery *r = op->arg;
	json_t *status = status_all(op->daemon, op->result, NULL);

	if (many_scope(r->request, &r->scope))	/* they may be others now */
		begin(r, status);
	else
		r->request = NULL;
	json_decref(status);
	op_free(op);
	try_ended(r);		/* only now: begin() may answer */
}

void do_recover(struct request *request)
{
	double wait_s = json_number_value(json_object_get(request->params,
							  "wait_s"));
	struct recovery *r = calloc(1, sizeof(*r));

	if (!r) {
		request_refuse(request, 1, "no memory");
		return;
	}
	r->request = request;
	r->daemon = request->daemon;
	r->only = request_text(request, "volume");
	r->is_dry = request_flag(request, "dry_run");
	r->timer.fire = on_timer;
	r->until_ns = now(r) + NS_PER_MS * (wait_s > 0 && wait_s < MAX_WAIT_S ?
					    wait_s * 1000 : WAIT_MS);
	r->nr_under_way = 1;
	r->daemon->nr_methods++;
	r->daemon->nr_recoveries++;
	if (op_status(r->daemon, NULL, on_status, r))
		return;
	r->nr_under_way = 0;
	refuse(r, 1, "no memory");
	put(r);
}
