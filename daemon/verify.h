/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compares a volume with its replica while both are in use. No hold, and never
 * a difference where there is none (V1 in verify.c).
 *
 * One at a time for each volume, on the thread of its reactor. It survives a
 * target that goes away: it waits for it. What it has found stays until the
 * next one is started.
 */
#ifndef REPLICAD_VERIFY_H
#define REPLICAD_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct dmr_extents;
struct verify;
struct volume;

struct verify_report {
	bool is_running;
	bool is_repair;
	uint64_t total_bytes, done_bytes;
	uint64_t compared_bytes;
	uint64_t moving_bytes;		/* written all the time: not compared */
	uint64_t differing_bytes;
	const struct dmr_extents *differing;	/* in chunks */
	/* Marked, to be shipped; for good if it has ended without an error. */
	uint64_t repaired_bytes;
	const char *error;		/* why it ended early; "" if it did not */
};

/*
 * Starts to compare all of the volume; @is_repair: in the end what differs is
 * marked, so that it is shipped. 0 or -errno with a sentence.
 */
int verify_start(struct volume *volume, bool is_repair,
		 char error[CONFIG_ERROR_SIZE]);

/* Ends it early, soon. Without one: nothing. */
void verify_stop(struct volume *volume, const char *why);

/* Its requests have ended: the target may go, and the volume. */
bool verify_is_idle(const struct volume *volume);

/* The chunks of an epoch that is being shipped are known. */
void verify_note_frozen(struct volume *volume,
			const struct dmr_extents *frozen);

/* false: there was none yet. */
bool verify_get_report(const struct volume *volume,
		       struct verify_report *report);

/* Only while idle. */
void verify_free(struct volume *volume);

#endif
