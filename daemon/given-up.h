/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STATE_DIR/given-up/ID.json: volumes that were given up as one. A volume whose
 * own NAME.id says "begun" is given up if it is in one (giving-up.h). Any
 * thread.
 */
#ifndef REPLICAD_GIVEN_UP_H
#define REPLICAD_GIVEN_UP_H

#include <stdbool.h>

#include "identity.h"

/*
 * All of them are, durably, when this returns 0. -errno: perhaps all are,
 * perhaps none; given_up_cancel() takes it back.
 */
int given_up_note(const char *state_dir, const char *const *volumes,
		  unsigned int nr);

/*
 * The same of volumes that are not enabled, with their NAME.id. -errno: none
 * is, or (@is_unsure) that cannot be said until the next start.
 */
int given_up_note_idle(const char *state_dir, const char *const *volumes,
		       unsigned int nr, bool *is_unsure);

/*
 * That of @volume goes with all that are in it: it is gone, durably, when this
 * returns 0.
 */
int given_up_cancel(const char *state_dir, const char *volume);

/* @volume alone is in none any more, durably, when this returns 0. */
int given_up_drop(const char *state_dir, const char *volume);

/*
 * Is it given up, by what its NAME.id says, and by these? 1, 0; -errno: one
 * that it may be in cannot be read.
 */
int given_up_is(const char *state_dir, const char *volume,
		 const struct identity *id);

/*
 * At the start, before there are volumes: each of them knows it by itself, and
 * the note goes. What fails is logged, and it stays.
 */
void given_up_settle(const char *state_dir);

#endif
