/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may still be written to a volume when another site is its primary.
 * DESIGN: on_superseded=. On the thread of its group.
 */
#ifndef REPLICAD_FENCE_H
#define REPLICAD_FENCE_H

struct group;
struct ring_timer;
struct volume;

/* In the order of the words of on_superseded=. */
enum fence_policy {
	FENCE_CONTINUE,		/* everything */
	FENCE_READONLY,		/* nothing: a write gets an error */
	FENCE_SUSPEND,		/* a write waits */
};

/* Brings the kernel to what the group's state asks for. At any moment. */
void fence_update(struct group *group);

/* It joins its group; a fence of an earlier process may be on it. */
void fence_adopt(struct volume *volume);

/* Whatever the state: the volume leaves for good. */
void fence_lift(struct volume *volume);

/* group::fence */
void fence_on_timer(struct ring_timer *timer);

/* Of writes: "allowed", "refused" or "held". */
const char *fence_name(const struct volume *volume);

#endif
