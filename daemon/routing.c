// SPDX-License-Identifier: GPL-2.0-or-later
#include "routing.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "log.h"
#include "pairing.h"

#define IDLE_MS		1000
#define BUSY_MS		100
#define MINUTE_NS	60000000000ULL
#define MOST_LINES	30

/* It goes to a control socket as a text, in which a quote becomes two bytes. */
static_assert(2 * ROUTE_BYTES + 1024 < CONTROL_MAX_REQUEST, "it is refused");

static const char silent[] = "it does not answer";

static struct ring *ring_of(const struct routing *x)
{
	return x->pairing->daemon->reactors[0].ring;
}

void routing_wake(struct routing *x, unsigned int ms)
{
	ring_timer_add(ring_of(x), &x->timer, ms);
}

/* O6; of a receiver: as long as somebody waits. */
static void on_timer(struct ring_timer *timer)
{
	struct routing *x = container_of(timer, struct routing, timer);

	route_check(&x->route, ring_now(ring_of(x)), x->why);
	if (x->has_started)
		routing_link_speak(x);
	if (x->route.asks || x->has_started)
		routing_wake(x, route_is_busy(&x->route) ? BUSY_MS : IDLE_MS);
}

struct routing *routing_create(struct pairing *p)
{
	struct routing *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	route_init(&x->route);
	x->route.run = routing_run;
	x->route.arg = x;
	x->pairing = p;
	x->timer.fire = on_timer;
	snprintf(x->why, sizeof(x->why), "%s", silent);
	return x;
}

void routing_destroy(struct routing *x)
{
	ring_timer_cancel(ring_of(x), &x->timer);
	route_clear(&x->route);
	free(x);
}

void routing_start(struct routing *x)
{
	if (x->has_started)
		return;
	x->has_started = true;
	routing_wake(x, 0);
}

void routing_end(struct routing *x)
{
	x->is_over = true;
	x->has_started = false;
	ring_timer_cancel(ring_of(x), &x->timer);
	route_end_asks(&x->route, "the pair is revoked here, or replicad "
		       "stops");
	routing_link_end(x);
}

bool routing_is_busy(const struct routing *x)
{
	return x->conn || route_has_jobs(&x->route);
}

int routing_ask(struct routing *x, const char *verb, bool is_harmless,
		json_t *params, route_done_fn *done, void *arg,
		struct error *err)
{
	int ret;

	if (x->is_over) {
		json_decref(params);
		return error_set(err, -ENOENT, "the pair is being revoked");
	}
	ret = route_ask(&x->route, ring_now(ring_of(x)), verb, is_harmless,
			params, done, arg, err);
	if (!ret)
		routing_wake(x, 0);
	return ret;
}

void routing_note(struct routing *x, const char *why)
{
	snprintf(x->why, sizeof(x->why), "%s", why);
}

bool routing_may_log(struct routing *x)
{
	uint64_t now = ring_now(ring_of(x));

	if (now - x->minute_ns > MINUTE_NS) {
		if (x->nr_silent)
			log_warn(x->pairing->record.name, "pair: %u more lines "
				 "of what the other side says were left out",
				 x->nr_silent);
		x->minute_ns = now;
		x->nr_lines = x->nr_silent = 0;
	}
	if (x->nr_lines < MOST_LINES) {
		x->nr_lines++;
		return true;
	}
	x->nr_silent++;
	return false;
}

/* A link that is down is no news here: the volumes say so. */
static void tell_refusal(struct routing *x, const char *why)
{
	if (strncmp(x->why, why, sizeof(x->why) - 1) && routing_may_log(x))
		log_warn(x->pairing->record.name, "pair: no verbs from side to "
			 "side: %s", why);
	routing_note(x, why);
}

int routing_take(struct routing *x, const char *text)
{
	json_t *message = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	struct error err = { 0 };
	int ret = route_take(&x->route, message, ring_now(ring_of(x)), &err);

	json_decref(message);
	if (ret)
		tell_refusal(x, err.text);
	else
		snprintf(x->why, sizeof(x->why), "%s", silent);
	return ret;
}

char *routing_answer(struct routing *x, const char *text)
{
	json_t *message = routing_take(x, text) ? route_refuse(x->why) :
						  route_tell(&x->route);
	char *answer = message ? json_dumps(message, JSON_COMPACT) : NULL;

	json_decref(message);
	return answer;
}
