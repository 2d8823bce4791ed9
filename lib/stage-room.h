/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room in a log and in its index (S6): who needs some waits, and the applier
 * makes it of history.
 */
#ifndef REPLICA_STAGE_ROOM_H
#define REPLICA_STAGE_ROOM_H

#include <stdbool.h>
#include <stdint.h>

struct stage_group;

/* Locked, not dropped. Has the index more than it may have? M5 */
bool stage_index_is_full(const struct stage_group *g);

/* Locked, not dropped. Can the applier make room? */
bool stage_apply_can_free(struct stage_group *g);

/* At most, for the group to change. Locked, dropped meanwhile. */
void stage_wait_a_second(struct stage_group *g);

/*
 * Locked, dropped. False: no history may go, or it is @until, which was
 * stage_patience() when the wait began. Else the applier has been asked, and
 * perhaps made room.
 */
bool stage_wait_for_room(struct stage_group *g, uint64_t until);
uint64_t stage_patience(void);

#endif
