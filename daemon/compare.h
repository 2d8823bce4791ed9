/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Volumes whose target may already have what is dirty: they are shipped by
 * digest first (W4), and data goes only where it differs.
 *
 * M1 comparing goes on from when it was asked for until a clean epoch that was
 *    cut later is committed: only then has all been looked at. As long as the
 *    kernel calls the volume suspect it goes on, too.
 * M2 it changes what is sent, never what is owed: a chunk is forgotten with its
 *    epoch, as any other. So nothing is lost if this is; it costs bytes.
 * M3 where a target cannot tell digests, all is sent.
 *
 * A volume that is suspect: compare_all(). One of which the kernel has kept
 * more dirty than there can be: compare_dirty(). On the thread of its reactor.
 */
#ifndef REPLICAD_COMPARE_H
#define REPLICAD_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

struct volume;

/*
 * All of the volume is dirty from now on; it is compared. Also while it ships,
 * or is not connected. 0 or -errno of the kernel, with kernel_error().
 */
int compare_all(struct volume *volume);

/* What is dirty now is compared. */
void compare_dirty(struct volume *volume);

/* All of it is dirty, and is sent whether it differs or not. As above. */
int compare_none(struct volume *volume);

/* A clean epoch is committed (M1). */
void compare_committed(struct volume *volume, uint64_t epoch);

/* Nothing is dirty, and no epoch is open: there is nothing to compare. */
void compare_settled(struct volume *volume);

/* The next epoch is to be compared, and the target knows digests. */
bool compare_is_on(const struct volume *volume);

/* As above, whatever the target knows. */
bool compare_is_wanted(const struct volume *volume);

#endif
