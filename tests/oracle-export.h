/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What oracle-target knows of the targets that it serves, and judges: each is a
 * file, mapped, with a replica header in its tail (apply=direct).
 *
 * X1 (W6) Data is written only while a durable header says "applying"; so from
 *    a header that says "ok" to the next header(open) the data area stands
 *    still, and a check of it in place is a check of a copy.
 * X2 (W6) A header that commits comes after a flush of all that was written.
 * X3 (P1, S7) Whenever the headers of all members say "ok" with the same last
 *    clean epoch, the images together are closed under "depends on". They hold
 *    all that had completed when the image before was there (the cut came
 *    later), and nothing that was issued after this epoch's first header(open)
 *    (the cut came earlier).
 *
 * All requests of all exports are executed one at a time, under one lock: while
 * a check runs, nothing moves.
 */
#ifndef TESTS_ORACLE_EXPORT_H
#define TESTS_ORACLE_EXPORT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "header.h"
#include "nbd-wire.h"
#include "oracle-state.h"

struct export {
	char *data;			/* mapped, shared */
	uint64_t bytes, volume_bytes;
	struct replica_header header;	/* newest; state 0: none yet */
	bool is_applying;		/* and durably so */
	uint64_t nr_unflushed;		/* data writes since the last flush */
};

struct exports {
	pthread_mutex_t lock;		/* guards all below */
	struct oracle_state *state;
	struct oracle_image *image;
	uint32_t nr;
	struct export export[ORACLE_VOLUMES_MAX];
	uint64_t open_epoch;		/* highest that was opened */
	uint64_t checked_epoch;
	bool is_changed;		/* since it was checked */
	struct oracle_bounds bounds;	/* of the image that is to come */
	uint64_t nr_opened, nr_images, nr_partial, nr_violations;
	uint64_t check_us;		/* that the checks took, in all */
};

/* What a request is about, for those who want to disturb it. */
enum phase {
	PHASE_HELLO, PHASE_OPEN, PHASE_DATA, PHASE_FLUSH, PHASE_COMMIT,
	PHASE_OTHER, NR_PHASES,
};

/* One export for each volume of the writer, in a new file. 0 or -errno. */
int exports_create(struct exports *x, struct oracle_state *state,
		   char **path, uint32_t nr);

void exports_destroy(struct exports *x);

enum phase exports_phase(const struct exports *x, uint32_t nr,
			 const struct nbd_request *r, const void *payload);

/*
 * Executes a request (in host order); a violation is printed, counted, and ends
 * the writer. Returns 0 or an NBD error. For a read, *data is what to send.
 */
int exports_execute(struct exports *x, uint32_t nr,
		    const struct nbd_request *r, const void *payload,
		    const void **data);

#endif
