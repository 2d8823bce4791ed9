/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume that was promoted here, and is the primary: what it stands on, for
 * those who make that larger, or take a copy of it.
 *
 * M1 Nobody but the primary writes to that while it is one: its stage serves it
 *    again only after it was given up. Who has taken a copy looks again whether
 *    it is one still, before anybody is told of the copy.
 * M2 A device that was promoted has at each start the size that it had, also
 *    after a death between its growth and the record of it: its metadata say
 *    how large it is (promotion_bytes()).
 * M3 Its metadata have room before its base is larger: the kernel can take that
 *    up then.
 */
#ifndef REPLICAD_PROMOTED_H
#define REPLICAD_PROMOTED_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "made.h"

struct daemon;

struct promoted {
	char volume[MADE_NAME_LEN];
	char dir[PATH_MAX];		/* of the stage that it has left */
	char base[PATH_MAX];		/* a file or a device */
	char metadata[PATH_MAX];	/* the same, or "none" */
	uint64_t bytes;			/* of the volume */
	uint64_t generation;
};

/*
 * Main thread. 0; -ENOENT: it was never promoted; -EBUSY with a sentence: it is
 * not the primary now, or is being made it (again). *@p is the caller's, to be
 * freed, also NULL.
 */
int promoted_find(const struct daemon *daemon, const char *volume,
		  struct promoted **p, struct error *err);
/*
 * M1. Main thread: the same promotion is there, and nobody gives it up; it may
 * be asked for again meanwhile.
 */
bool promoted_is_still(const struct daemon *daemon, const struct promoted *p);
/* Is that, a file or a device, what it stands on? Blocks. */
bool promoted_is_on(const struct promoted *p, const char *base);
/*
 * Main thread. The device is as large now; durable when it returns 0, unless
 * the promotion runs again: then only its metadata say so (M2).
 */
int promoted_note_bytes(struct daemon *daemon, const struct promoted *p,
			uint64_t bytes, struct error *err);

/*
 * Main thread. The record of what @volume stands on: of one that was made here,
 * by its name; of what was promoted (*@p, as above; else NULL) that, if it is
 * what it stands on, or, where it stands on a file, one of V12. -ENOENT: there
 * is none; -EOPNOTSUPP: it stands on a device that was not made here; -EBUSY
 * also: what there is are the snapshots of what was promoted once.
 */
int promoted_made(const struct daemon *daemon, const char *volume,
		  struct promoted **p, struct made *m, struct error *err);
/*
 * M3. Any thread; blocks. For @bytes and, in a file, @more. -ENOSPC: a device,
 * which has no room; -EOPNOTSUPP: it has no metadata, and cannot grow.
 */
int promoted_make_room(const struct promoted *p, uint64_t bytes, uint64_t more,
		       struct error *err);

#endif
