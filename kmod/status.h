/* SPDX-License-Identifier: GPL-2.0 */
/* dmsetup status, table and message of the target "replica". */
#ifndef DMR_STATUS_H
#define DMR_STATUS_H

#include "device.h"

/* The target's methods. */
void dmr_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		char *result, unsigned int maxlen);
int dmr_message(struct dm_target *ti, unsigned int argc, char **argv,
		char *result, unsigned int maxlen);

#endif
