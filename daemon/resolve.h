/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of an old primary: what is only here is kept aside (L4), and the
 * device is given back, so that it can become the base of a replica.
 *
 *	claim [job]	nobody may have the device open; from now on nobody can
 *			mount it, or claim it otherwise
 *	collect		what is dirty: of the volume's thread
 *	salvage [job]	that is read and is durable in a file
 *	forget		if it was promoted here once, that is over: before the
 *			rest, for else its device would come back
 *	disable		as op_disable(); then the claim ends
 *	remove [job]	the device of a promotion
 *
 * R1 the claim holds from before the dirty map is read until the device has
 *    lost its target: nobody who mounts the device, or claims it otherwise, can
 *    write past the salvage. (One that we have made above an origin= is free
 *    for a moment before it is removed.) Who opens it without O_EXCL can.
 * R2 only for a volume that is superseded, or in a split brain: it sends
 *    nothing, so the map only grows. Or (a planned handover) for one that
 *    replicates and owes its target nothing, after the claim: then the peer
 *    has all that there is.
 * R3 the map is read when no epoch is open: one that was in doubt is aborted,
 *    and dirty again, after the state has changed (L3: dirty or frozen).
 *
 * It may be repeated after a crash until "forget": nothing is dropped before the
 * last step, and the salvage gets its name when it is whole. Of a volume that
 * was promoted here, a crash after "forget" leaves the device to be removed by
 * hand.
 */
#ifndef REPLICAD_RESOLVE_H
#define REPLICAD_RESOLVE_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"

struct daemon;

struct resolve_request {
	const char *volume;
	const char *dir;	/* of the salvage; NULL: STATE_DIR/salvage */
	bool is_dry;
	bool is_planned;	/* a handover: nothing may be lost … */
	unsigned int wait_ms;	/* … and this long it may take until all is
				 * there, with the claim */
};

/*
 * The peer's data are kept, ours are not. done() comes once, perhaps from
 * inside the call: -EBUSY in use, or under way already; -EINVAL (R2);
 * -ETIMEDOUT: not all is there …
 */
void resolve_keep_peer(struct daemon *daemon, const struct resolve_request *q,
		       void (*done)(void *arg, json_t *result,
				    const struct error *err), void *arg);

#endif
