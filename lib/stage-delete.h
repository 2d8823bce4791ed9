/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes of a stage that go. As stage.h has it for errors and threads. */
#ifndef REPLICA_STAGE_DELETE_H
#define REPLICA_STAGE_DELETE_H

#include "stage.h"

#define STAGE_DELETE_GROUP	1u	/* with the others of its group */
#define STAGE_DELETE_KEEP_BASE	2u	/* the files of the bases stay */
#define STAGE_DELETE_GIVEN_UP	4u	/* those of what has left, too: that
					 * primary is gone for good */

/*
 * The volume goes: what it is, its log, its history, and its base, if that is a
 * file. @v stays valid, and refuses everything. A salvage stays. Durable, all
 * or nothing; what a crash or -EIO has left is removed when the stage is opened
 * the next time. What has left in a promotion and was given up keeps its base,
 * unless STAGE_DELETE_GIVEN_UP says otherwise.
 * -EBUSY: a connection or an image is open. -EPERM: it is promoted here.
 * -EOPNOTSUPP: it is one of a group, and that was not asked for. -ESTALE: it
 * was not given up, as STAGE_DELETE_GIVEN_UP supposes.
 */
int stage_delete(struct stage_volume *v, unsigned int flags,
		 struct error *err);

/* Would it be refused now? The same answers, and nothing is changed. */
int stage_delete_check(struct stage_volume *v, unsigned int flags,
		       struct error *err);

#endif
