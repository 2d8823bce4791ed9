/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume that has become larger while it is replicated. On the thread of its
 * group, but for the last.
 */
#ifndef REPLICAD_GROWTH_H
#define REPLICAD_GROWTH_H

#include <stdbool.h>

struct daemon;
struct group;
struct volume;

/*
 * By what GET said last: is a member larger than its target knows? Then nothing
 * may be cut, and this sees to it that the group is stopped, the member taken
 * up as it is, and the group started again.
 */
bool growth_is_due(struct group *group);

/* Asks GET: has one of these grown, so that the kernel ended their epoch? */
bool growth_was_it(struct volume *volumes);

/* The end of that: it was taken up, or why not. */
void growth_ended(struct volume *volume, const char *error);

/* For reactor::grown; @daemon is the argument. */
void growth_tell(void *daemon, const char *volume);

#endif
