/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verbs of a pair, from side to side: route.h on the pair's own wire. The
 * side that sends speaks, on a connection of its own to @verbs (verbs-wire.h);
 * the other side's replicad answers, by its nbdkit [do_peer].
 *
 *	away -> connecting [on_timer] -> writing [on_ready]
 *	     -> reading [on_written] -> quiet [on_rest] -> writing [on_timer] ..
 *	any  -> away [on_closed]
 *
 * O6 It is spoken to once a second, and more often while a verb is under way:
 *    the other side, which cannot call, asks for something in its answers.
 * O11 Whatever it says, it fills no log: so many lines a minute, and then how
 *    many there were more.
 *
 * All on the main thread.
 */
#ifndef REPLICAD_ROUTING_H
#define REPLICAD_ROUTING_H

#include "nbd.h"
#include "ring.h"
#include "route.h"

struct pairing;

struct routing {
	struct route route;
	struct pairing *pairing;
	struct ring_timer timer;
	bool has_started, is_over;
	const char *refused;		/* what was last refused, and told */
	char why[200];			/* the last time, nobody was met */
	uint64_t minute_ns;		/* these three are of O11 */
	unsigned int nr_lines, nr_silent;
	/* routing-link.c, of a sender */
	struct nbd_conn *conn;		/* NULL: away */
	bool is_ready, is_speaking;
	struct nbd_req req;
	char *block;			/* of VERBS_BYTES; with conn */
	unsigned int backoff_ms;
};

/* @p is not filled yet. NULL: no memory. */
struct routing *routing_create(struct pairing *p);
/* It is not busy. */
void routing_destroy(struct routing *x);
/* Of a sender: it speaks from now on. Again is fine. */
void routing_start(struct routing *x);
/* Who waits for the other side is told; pairing_step() follows what ends. */
void routing_end(struct routing *x);
/* After the end: a connection is open still, or a verb runs. */
bool routing_is_busy(const struct routing *x);

/* As route_ask(). */
int routing_ask(struct routing *x, const char *verb, bool is_harmless,
		json_t *params, route_done_fn *done, void *arg,
		struct error *err);
/* The other side has said @text: what it is told. NULL: no memory. */
char *routing_answer(struct routing *x, const char *text);

/* O11: may a line be logged of what it says? It is counted. */
bool routing_may_log(struct routing *x);

/* methods-route.c: route->run() */
void routing_run(struct route_job *job, const char *verb,
		 const json_t *params, void *arg);

/* --- between routing.c and routing-link.c --------------------------------- */

/* Speaks, or connects first, unless it does so. */
void routing_link_speak(struct routing *x);
void routing_link_end(struct routing *x);
/* In how long it is spoken next. */
void routing_wake(struct routing *x, unsigned int ms);
/* What came from the other side. 0, or ->why tells. */
int routing_take(struct routing *x, const char *text);
void routing_note(struct routing *x, const char *why);

#endif
