/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checkpoint on the disk. None of these drops a lock, nor is called with
 * that of the group, if others may have it: they wait for the disk.
 */
#ifndef REPLICA_STAGE_CHECKPOINT_H
#define REPLICA_STAGE_CHECKPOINT_H

#include "stage-impl.h"

/* Who applies, or has the group alone. ->seq and ->sessions are given to it. */
int stage_checkpoint_write(struct stage_group *g,
			   const struct stage_checkpoint *c, struct error *err);
/* Who applies, or has the group alone: the one that counts is on the disk. */
int stage_checkpoint_confirm(struct stage_group *g, struct error *err);
/* Alone with the group. */
int stage_checkpoint_read(struct stage_group *g, struct stage_checkpoint *c,
			  struct error *err);
/* Whoever: the newest session of a member is on the disk. C2 */
int stage_checkpoint_keep(struct stage_group *g, uint32_t member,
			  const struct replica_session *s, struct error *err);

#endif
