/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verbs that one side of a pair asks the other one for. Both keep what they
 * have asked for, and what they were asked for; whenever the sender speaks,
 * the two exchange a message each, of the same form (protocol.rst): who they
 * are, all that they want done and have no answer to, and the answers to what
 * the other one wants. So a message that is lost is made up for by the next.
 *
 *	ask:	(asked) -> told [route_tell] -> answered [route_take]
 *			-> given up [route_check, route_end_asks]
 *	job:	(told) running [route_take] -> ended [route_job_end]
 *			-> gone, when the other one has the answer [route_take]
 *
 * O1 What was asked for is done once at most, however often it is told: the ids
 *    of one who asks only grow; one that is not above all that were seen, and
 *    is not kept, is not done, and answered with "not known".
 * O2 It is for one process only: the one to which it was told first. Another
 *    one, which knows nothing of it, does not do it.
 *    Where it is certain that this one never had it, it is told to another: it
 *    was told in one message only, and another process says that it was the one
 *    who heard that.
 * O3 A message that was overtaken (by its number, or as one of a process that
 *    another has followed) is refused, and changes nothing.
 * O4 What was never told has not been done, and the words for it say so. What
 *    was told, and not answered, may have been done, and nobody is told
 *    otherwise.
 * O5 Of what the other one may use up there is a limit: ROUTE_MOST jobs,
 *    ROUTE_BYTES of a message. What is too much now is taken later.
 *
 * Knows nothing of pairs, of verbs, or of the wire. All on the main thread.
 */
#ifndef REPLICAD_ROUTE_H
#define REPLICAD_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define ROUTE_VERSION	1
#define ROUTE_MOST	8
#define ROUTE_BYTES	(28 * 1024)	/* of a message, as it is told */
#define ROUTE_PARAMS	4096		/* of one verb … */
#define ROUTE_ALL_PARAMS (8 * 1024)	/* … and of all that are asked for */
#define ROUTE_ANSWER	(16 * 1024)	/* of the result of one verb */
#define ROUTE_ID_LEN	17

/* Given up, when nobody is met for so long: what was not told, what was … */
#define ROUTE_REACH_MS	10000
#define ROUTE_SILENT_MS	60000
/* … and either, however often it is met. */
#define ROUTE_LIMIT_MS	1800000

enum route_exit {
	ROUTE_FAILED = 1, ROUTE_NOT_KNOWN = 6, ROUTE_UNREACHABLE = 9,
};

/* @result is borrowed; with another @exit_status than 0 @text is a sentence. */
typedef void route_done_fn(void *arg, int exit_status, const char *text,
			   json_t *result);

struct route_ask {
	struct route_ask *next;		/* by id */
	uint64_t id;
	const char *verb;		/* static */
	json_t *params;
	bool is_harmless;		/* it changes nothing, done or not */
	char to[ROUTE_ID_LEN];		/* O2; "" = it was not told */
	unsigned int nr_told;		/* in so many messages … */
	uint64_t told_seq;		/* … the last of which was this */
	uint64_t since_ns;
	route_done_fn *done;
	void *arg;
};

struct route_job {
	struct route_job *next;		/* by id */
	struct route *route;
	uint64_t id;
	bool is_orphan;			/* who asked is gone */
	bool is_ended;
	int exit_status;
	char *text;
	json_t *result;
};

struct route {
	char self[ROUTE_ID_LEN];	/* this process, for this pair */
	char peer[ROUTE_ID_LEN];	/* "" = not met */
	char old_peers[ROUTE_MOST][ROUTE_ID_LEN];	/* O3 */
	unsigned int nr_old;
	uint64_t seq, peer_seq;
	uint64_t last_id, seen_id;	/* O1 */
	uint64_t heard_ns;		/* 0 = never */
	struct route_ask *asks;
	struct route_job *jobs;
	/* Does @verb, now or later: route_job_end(), perhaps from inside. */
	void (*run)(struct route_job *job, const char *verb,
		    const json_t *params, void *arg);
	void *arg;
};

void route_init(struct route *r);
/* Nothing runs any more, and nobody waits. */
void route_clear(struct route *r);

/*
 * @params is taken over. 0: done() comes once, later. -EAGAIN or -ENOMEM (O5)
 * with a sentence.
 */
int route_ask(struct route *r, uint64_t now_ns, const char *verb,
	      bool is_harmless, json_t *params, route_done_fn *done, void *arg,
	      struct error *err);

/* The next message. NULL: no memory. */
json_t *route_tell(struct route *r);
/* Instead of one, to whom nothing is told but why. */
json_t *route_refuse(const char *why);
/*
 * One that came. -errno with a sentence: it was not taken (O3), or is none; it
 * may be half taken then, as the next one makes up for it.
 */
int route_take(struct route *r, const json_t *message, uint64_t now_ns,
	       struct error *err);

/* Gives up what has waited for too long, for the reason in @why. */
void route_check(struct route *r, uint64_t now_ns, const char *why);
/* All that was asked for is given up, for the reason in @why. */
void route_end_asks(struct route *r, const char *why);

/* @result is taken over. */
void route_job_end(struct route_job *job, int exit_status, const char *text,
		   json_t *result);
/* Is there anything to be told soon? */
bool route_is_busy(const struct route *r);
bool route_has_jobs(const struct route *r);	/* that run */

#endif
