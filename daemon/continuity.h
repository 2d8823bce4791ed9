/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a volume is for the kernel, and whether what the kernel remembers of it
 * can be trusted (L1). On the thread of the volume's group.
 */
#ifndef REPLICAD_CONTINUITY_H
#define REPLICAD_CONTINUITY_H

#include <stdbool.h>

#include "config.h"

struct volume;

/* How often to look again at what is not durable yet. */
#define CONTINUITY_LOOK_MS	20

/* After ATTACH, before the first epoch. 0 or -errno, and a sentence. */
int continuity_begin(struct volume *v, char error[CONFIG_ERROR_SIZE]);

/*
 * By what GET said last: false while something that the next epoch counts on
 * is not durable in the metadata.
 */
bool continuity_is_settled(struct volume *v);

/*
 * By what GET said last, of all that was marked: 0 if a crash leaves it marked,
 * and where a crash leaves all dirty anyway; -EAGAIN: not yet; -EIO and a
 * sentence: not before the metadata device works again.
 */
int continuity_marks(const struct volume *v, char error[CONFIG_ERROR_SIZE]);

/* An epoch of the volume was committed or kept. */
void continuity_committed(struct volume *v);

/* Its device is without its target, and nobody has told it to be (U5). */
void continuity_lost(struct volume *v);

/* After each GET: tells when the metadata device fails, and works again. */
void continuity_look(struct volume *v);

/* "none", "durable", "failed": what a crash leaves of the dirty state. */
const char *continuity_persistence(const struct volume *v);

#endif
