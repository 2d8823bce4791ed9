/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done at boot, before anybody writes to a volume, and told before. */
#ifndef REPLICAD_BOOT_H
#define REPLICAD_BOOT_H

#include "config.h"

struct daemon;

/*
 * Inserts the target of each volume, waiting so many seconds for those whose
 * device is not there yet. Blocks. 0, or -errno of one that could not be; each
 * has its line in the log.
 */
int boot_insert(struct daemon *daemon, unsigned int wait_s);

/*
 * A sentence or two: what becomes of a volume, of this form (kernel.h), at the
 * next boot, and why.
 */
void boot_forecast(const struct volume_config *config, const char *form,
		   char text[CONFIG_ERROR_SIZE]);

#endif
