/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes of this site that become, or have become, primaries by a forced
 * failover.
 *
 *	WAITING		until nobody serves the stage [pairing_hold], or, where
 *			no pair has it, no other promotion does [start_next]
 *	  -> RUNNING	promotion-run.h, on a thread of its own [start_run]
 *	       -> DONE	its device is there
 *	       -> FAILED	it was begun; goes on when it is asked for
 *				again, and at the next start
 *	       -> (gone)	it was refused before anything was done, or was
 *				dry
 *
 * T1 one at a time for a volume: who asks meanwhile is refused. A dry run is in
 *    nobody's way.
 * T2 nobody serves a stage while a promotion has it open, and one has it at a
 *    time; nbdkit comes back, after the last, whatever has become of them.
 * T3 what was begun is resumed at the start of the daemon, before its pair is
 *    served again.
 * T4 what was given up is never promoted again: the fence in the stage says so,
 *    durably, before the record does.
 * T5 one that was given up is ENDING, whatever ends meanwhile, until its device
 *    is gone; then its record goes (promotion-end.c). It is in no other's run.
 * T7 (S7) Volumes of one group have one run, that of their leader; their states
 *    are one until it is DONE, and has run the hook of all. From then on each
 *    is by itself, also when it is asked for again. A group is never promoted
 *    in parts.
 * T8 (B1) At a start, the device of one that is replicated from here with
 *    activation=ask is not made before its target has said that no other site
 *    has taken over; nor are those of its run. Its entry asks (ops.c).
 *
 * All on the main thread.
 */
#ifndef REPLICAD_PROMOTION_H
#define REPLICAD_PROMOTION_H

#include <jansson.h>

#include "pairing.h"
#include "promotion-run.h"

enum promotion_state {
	PROMOTION_WAITING, PROMOTION_RUNNING, PROMOTION_DONE, PROMOTION_FAILED,
	PROMOTION_ENDING,
};

typedef void promotion_done_fn(void *arg, json_t *result,
			       const struct error *err);

struct promotion {
	struct promotion *next;		/* daemon->promotions */
	struct daemon *daemon;
	enum promotion_state state;
	struct promotion_record record;
	struct promotion_run run;
	struct pairing *pairing;	/* held while WAITING, RUNNING; NULL */
	struct pairing_hold hold;
	struct promotion *leader;	/* T7; NULL: it leads, or is alone */
	struct promotion_record **all;	/* of the run, with its own */
	unsigned int nr;
	struct ring_job job;
	struct error error;		/* of the last run; the job's while it
					 * is RUNNING */
	promotion_done_fn *done;	/* NULL: nobody waits */
	bool waits_for_dir, has_dir;	/* of a stage that no pair has */
	bool is_ending;			/* of promotion-end.c */
	bool asks_first;		/* T8; no more, when its entry went */
	void *arg;
};

struct promotion_request {
	const char *volume;
	const char *dir;		/* NULL: of the pair that has it */
	const char *metadata;		/* NULL: DIR/VOLUME.meta */
	struct promotion_wish wish;
	bool is_dry;
	bool is_group;			/* all of its group, with it */
	bool is_begun;			/* it goes on, or is refused */
};

/*
 * done() comes once, perhaps from inside the call, with the description of it
 * or an error: -EBUSY (T1), -EEXIST, -ENOENT …
 */
void promotion_start(struct daemon *daemon, const struct promotion_request *q,
		     promotion_done_fn *done, void *arg);

/*
 * T3. After pairings_load() and before pairings_start(). A stop waits for the
 * step that is under way: daemon->nr_promotions.
 */
void promotions_start(struct daemon *daemon);
void promotions_free(struct daemon *daemon);

/*
 * T4, T5. The volume was given up here (giving-up.h): it is disabled, and the
 * device of its promotion goes, if there was one. done() comes once, perhaps
 * from inside the call. It may be called again: -EBUSY, while it is under way.
 */
void promotion_end(struct daemon *daemon, const char *volume,
		   void (*done)(void *arg, const struct error *err), void *arg);

/* Does the stage of a pair of this site have it? */
bool promotion_is_replica(const struct daemon *daemon, const char *volume);
/* Does that of this one? */
bool promotion_has_replica(const struct pairing *p, const char *volume);
/* … which was not given up, and is served? @volume: a valid name. */
bool promotion_serves_replica(const struct pairing *p, const char *volume);
/* Which pair's, unless it was given up; NULL: none. @volume: a valid name. */
struct pairing *promotion_pair_of(const struct daemon *daemon,
				  const char *volume);
/*
 * Each that the stage of a pair has, pair by pair, and by name; also one that
 * was promoted here, unless it was given up.
 */
void promotion_each_replica(const struct daemon *daemon,
			    void (*each)(void *arg, const char *dir,
					 const char *volume), void *arg);

/* T8: the target of that volume has to be asked, or has said that it may. */
bool promotion_asks_first(const struct daemon *daemon, const char *volume);
void promotion_may_go(struct daemon *daemon, const char *volume);

/* Is there a promotion, which is over, or is to be? */
bool promotion_is_ending(const struct daemon *daemon, const char *volume);
bool promotion_was_given_up(const struct promotion *p);
/* Nobody can say: nothing is done with it, until what is named is put right. */
bool promotion_is_unsure(const struct promotion *p);
void promotion_tell_unsure(struct promotion *p);

/* T5, after the volumes were started. */
void promotions_end(struct daemon *daemon);

/* The one of that name that is no dry run; NULL. */
struct promotion *promotion_find(const struct daemon *daemon,
				 const char *volume);
void promotion_drop(struct promotion *p);
/* The folder of its stage; NULL. */
const char *promotion_stage_of(const struct pairing *pairing);

/* As volumes in a status; added to the array @all. @only: NULL, or a name. */
void promotions_status(const struct daemon *daemon, json_t *all,
		       const char *only);

/* Where there may be salvages: of stages, and our own. An array of texts. */
json_t *promotion_dirs(const struct daemon *daemon);

#endif
