// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an epoch that has failed means for its group.
 *
 * R1 a log that has no room for a window, at a target that has an image, may
 *    So it is tried next, whatever its size, before the log is said to be full.
 */
#include "group.h"

#include <stdio.h>

#include "growth.h"
#include "volume.h"

/* Only a clean epoch, or nothing left to send, shows that it is over. */
void group_note_error(struct group *g, enum pair_event event)
{
	if (event == PAIR_EV_CLEAN)
		g->is_unproven = false;
	if (g->pair.state == PAIR_ERROR || g->is_log_full)
		g->is_unproven = true;
}

bool group_distrusts(const struct group *g, const struct volume *v)
{
	const struct ship *ship = &g->ship;

	if (v == ship->blamed || v->shipment.is_in_doubt)
		return true;
	/*
	 * A stage is about all members that it has: if it was full for one of
	 * them, it may go in place for all. That is known when their headers
	 * are read again, after a hello.
	 */
	return ship->blame == SHIP_BLAME_TARGET && v->target.is_staged &&
	       ship->blamed->target.is_staged;
}

static bool has_image(const struct volume *v)
{
	return v->target.is_staged && v->target.header.last_clean &&
	       !volume_is_in_place(v);
}

/* R1 */
static bool lacks_room_for_windows(struct group *g)
{
	bool is_it = g->ship.flags & DMR_EPOCH_F_FUZZY &&
		     has_image(g->ship.blamed);

	g->pace.has_no_room |= is_it;
	return is_it;
}

enum pair_event group_judge_failure(struct group *g, char *reason, size_t len)
{
	const struct ship *ship = &g->ship;
	enum pair_event event = PAIR_EV_LOST;
	const char *why = ship->text;

	reason[0] = 0;
	if (ship->blame == SHIP_BLAME_NOBODY)
		return event;
	if (ship->blame == SHIP_BLAME_KERNEL) {
		if (!growth_was_it(ship->volumes))
			event = PAIR_EV_REFUSED;
	} else if (ship_met_full_log(ship)) {
		if (lacks_room_for_windows(g)) {
			why = "the target's log has no room for more windows, "
			      "a clean epoch is tried";
		} else {
			why = "the target's log is full";
			event = PAIR_EV_FULL;
		}
	}
	snprintf(reason, len, "%s: %s", ship->blamed->config->name, why);
	return event;
}
