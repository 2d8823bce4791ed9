/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Test devices: writable devices of a replica as it was at an epoch, while
 * replication goes on. Each is an nbdkit of its own with the filter cow, in
 * front of VOL@EPOCH at the target; what is written is gone with it.
 *
 *	ASKING		the target's history is read, an epoch is chosen
 *	  -> HOLDING	a connection to VOL@EPOCH pins it; in a stage of this
 *			process, the image itself does [on_history]
 *	HOLDING
 *	  -> ASKING	the epoch went meanwhile: again [retry]
 *	  -> STARTING	nbdkit is being started, and tried until it answers
 *			[on_held]
 *	STARTING
 *	  -> ATTACHING	it answers; the kernel gets it as /dev/nbdN
 *			[on_answered]
 *	  -> READY	… or not
 *	READY
 *	  -> ENDED	nbdkit has ended by itself; kept, to be told [on_end]
 *	any -> DROPPING	[testdev_drop, give_up, testdev_drop_all]; freed when
 *			nothing of it is left [let_go]
 *
 * V1 from HOLDING on the epoch is pinned, by us until nbdkit does it: its one
 *    connection (shared=true) lives as long as it.
 * V2 nbdkit ends with the daemon (--exit-with-parent), and one that did not is
 *    found by its record and killed when the next daemon starts: so nothing
 *    pins an epoch for ever. The record is there before nbdkit is started.
 * V3 done() of a creation comes once; nothing is there if it tells an error.
 *
 * All on the main thread.
 */
#ifndef REPLICAD_TESTDEV_H
#define REPLICAD_TESTDEV_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"

#define TESTDEV_NAME_LEN	80	/* with its NUL */
#define TESTDEVS_MAX		64

struct daemon;

enum testdev_attach {
	TESTDEV_ATTACH_AUTO,	/* as /dev/nbdN, where the kernel can */
	TESTDEV_ATTACH_NO,
	TESTDEV_ATTACH_YES,	/* or fail */
};

/* true, false, or anything else: AUTO. */
enum testdev_attach testdev_attach_of(const json_t *attach);

/* What is asked for. Strings are copied. */
struct testdev_wish {
	const char *target;	/* URI of the volume at its target; a stage */
	bool is_salvage;	/* the target is the path of one */
	bool may_open;		/* the stage, with what the target says of it;
				 * else it must be open */
	const char *name;	/* or NULL: VOLUME-EPOCH[-salvage] */
	uint64_t epoch;		/* this, or the newest image below; 0 = any */
	uint64_t at_ns;		/* cut by then, ns since 1970; 0 = newest */
	enum testdev_attach attach;
};

/* @result: what testdev_json() says; NULL with an error. */
typedef void testdev_done_fn(void *arg, json_t *result,
			     const struct error *err);

/* 0, and done() comes, later. -errno with a sentence, without a call. */
int testdev_create(struct daemon *daemon, const struct testdev_wish *wish,
		   testdev_done_fn *done, void *arg, struct error *err);

/*
 * As testdev_create(); the result is NULL. -EBUSY: its device is mounted, or
 * in use otherwise.
 */
int testdev_drop(struct daemon *daemon, const char *name,
		 testdev_done_fn *done, void *arg, struct error *err);

/* An array of those that can be used, or could. NULL: no memory. */
json_t *testdev_list(const struct daemon *daemon);

/* One that reads the salvage of this name: its name, or NULL, as below. */
const char *testdev_of_salvage(const struct daemon *daemon, const char *name);

/*
 * One that reads an image of @volume of the stage in @dir, which this process
 * has open: its name, or NULL. Valid until the caller returns to the ring.
 */
const char *testdev_of_stage(const struct daemon *daemon, const char *dir,
			     const char *volume);

/*
 * Before there is any: what an earlier daemon has left behind is ended and
 * removed (V2). May block for a moment.
 */
void testdev_recover(struct daemon *daemon);

/* All of them; daemon->testdevs is NULL when they are gone. */
void testdev_drop_all(struct daemon *daemon);

#endif
