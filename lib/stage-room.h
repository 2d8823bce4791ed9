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
 * Where the options don't say how long a request may wait for room: less than a
 * primary waits for the answer (nbd.h), or that one would take a full log for a
 * link that is broken.
 */
#define STAGE_PATIENCE_MS	20000

/*
 * The request that this thread handles begins: patience_ms is for all of its
 * records together. Locked or not.
 */
void stage_patience_begin(const struct stage_group *g);

/*
 * Locked, dropped. False: no history may go, or that patience is over. Else the
 * applier has been asked, and perhaps made room.
 */
bool stage_wait_for_room(struct stage_group *g);

/* Why it was false. Locked, not dropped. */
const char *stage_room_word(struct stage_group *g);

#endif
