/* SPDX-License-Identifier: GPL-2.0 */
/* The table line of the target "replica". See args.c. */
#ifndef DMR_ARGS_H
#define DMR_ARGS_H

#include "device.h"

/*
 * Parses what follows <origin dev>: <metadata dev | -> <#opts> [opts] into
 * @cfg, with defaults for what is not there; *@meta is a word of @argv, or NULL
 * for "-". -EINVAL with ti->error set.
 */
int dmr_args_parse(struct dm_target *ti, unsigned int argc, char **argv,
		   struct dmr_config *cfg, const char **meta);

/* The same as text, with what differs from the defaults. Returns the length. */
unsigned int dmr_args_print(const struct dmr_config *cfg, const char *meta,
			    char *result, unsigned int maxlen);

#endif
