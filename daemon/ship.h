/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One epoch of a group: cut, read, release, send, commit. From ship_start() to
 * done(); who may start one, and when, is the group's business.
 */
#ifndef REPLICAD_SHIP_H
#define REPLICAD_SHIP_H

#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"
#include "ring.h"

struct kernel;
struct volume;

enum ship_phase {
	SHIP_IDLE,
	SHIP_CUTTING,
	SHIP_SENDING,
	SHIP_COMMITTING,
	SHIP_ABORTING,
};

enum ship_result {
	SHIP_CLEAN,		/* END(commit): all targets have it, clean */
	SHIP_PARTIAL,		/* END(keep): what was sent is durable there */
	SHIP_ABORTED,		/* END(abort): all of it is dirty again */
	SHIP_DOUBT,		/* the epoch is open still: a target may have
				 * committed it, see ship_resolve() */
};

/* Who is to blame for SHIP_ABORTED and SHIP_DOUBT. */
enum ship_blame {
	SHIP_BLAME_NOBODY,	/* ship_abort() */
	SHIP_BLAME_TARGET,
	SHIP_BLAME_KERNEL,	/* the kernel or the volume itself */
};

struct ship {
	enum ship_phase phase;
	struct ring *ring;
	struct kernel *kernel;
	const char *name;		/* of the group, for the log */
	struct volume *volumes;		/* the members, at least one */
	void (*done)(struct ship *ship, enum ship_result result);
	struct ring_timer timer;	/* CUTTING: try again; SENDING: look */
	struct ring_work step;
	uint64_t epoch;
	uint32_t flags;			/* DMR_EPOCH_F_* asked for */
	bool was_cut;
	bool is_clean;			/* as it is being committed */
	unsigned int tries;
	uint64_t cut_time;		/* ns since 1970 */
	uint64_t cut_ns, commit_ns;	/* monotonic */
	uint64_t took_ns;		/* the last epoch, from its cut … */
	uint64_t commit_took_ns;	/* … and its commit alone */
	unsigned int window_scale;	/* pace.h; set before ship_start() */
	/* the first failure */
	enum ship_blame blame;
	struct volume *blamed;
	char text[300];
};

/* Once for a group; @ship is zero otherwise. */
void ship_init(struct ship *ship, struct ring *ring, struct kernel *kernel,
	       const char *name,
	       void (*done)(struct ship *ship, enum ship_result result));

/*
 * Starts an epoch with this number. All targets are ready and write no header.
 * done() follows, never from inside this call.
 */
void ship_start(struct ship *ship, struct volume *volumes, uint64_t epoch,
		bool is_fuzzy);

/* An event of a member's device: FROZEN, DEGRADED. */
void ship_event(struct ship *ship, struct volume *volume,
		const struct dmr_nl_event *ev);

/* Sends nothing more; done() follows unless idle. A commit is not recalled. */
void ship_abort(struct ship *ship, const char *why);

/*
 * W3: all targets are ready again after SHIP_DOUBT, and their headers were
 * read. Ends that epoch: SHIP_CLEAN, SHIP_PARTIAL or SHIP_ABORTED, or -errno of
 * the kernel (the epoch is gone: aborted).
 */
int ship_resolve(struct ship *ship, struct volume *volumes);

/* After SHIP_ABORTED or SHIP_DOUBT: the blamed stage had no room (S6). */
bool ship_met_full_log(const struct ship *ship);

/* Ends an epoch in doubt as aborted, without asking anybody. */
void ship_give_up(struct ship *ship, struct volume *volumes);

#endif
