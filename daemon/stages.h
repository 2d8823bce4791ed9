/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The folders of all stages that this site has had, in the file
 * STATE_DIR/stages, each with what tells it from another one of its name: what
 * a replica stands on is known by them also when no pair has it any more (V7 in
 * made.h). Blocking.
 */
#ifndef REPLICAD_STAGES_H
#define REPLICAD_STAGES_H

#include "error.h"

struct promoted;

/* It is in there, durably, when this returns 0. -errno with a sentence. */
int stages_note(const char *state_dir, const char *dir, struct error *err);

/*
 * 0: no replica stands on it, in any of them, but (not NULL) what was promoted
 * from its stage. -EBUSY: one does. -ENXIO: one of them is not there, so nobody
 * knows.
 */
int stages_check_base(const char *state_dir, const char *base,
		      const struct promoted *but, struct error *err);

#endif
