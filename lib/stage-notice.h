/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an operator is to know of a stage until it has been dealt with. */
#ifndef REPLICA_STAGE_NOTICE_H
#define REPLICA_STAGE_NOTICE_H

#include "stage.h"

/* Sentences; empty: there is nothing to tell. */
struct stage_notices {
	char log[ERROR_TEXT_LEN];	/* what of it did not count */
	char step[ERROR_TEXT_LEN];	/* what is to be done about it */
	char device[ERROR_TEXT_LEN];	/* what may be missing on its device */
};

/* A view of what another process has open, or had when that was opened. */
bool stage_has_owner(const struct stage *s);

/* As it is now: looks into the directory of the volume's log. */
void stage_get_notices(struct stage_volume *v, struct stage_notices *n);

#endif
