/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May a volume be used here, by whoever mounts it? */
#ifndef REPLICAD_USABLE_H
#define REPLICAD_USABLE_H

#include <jansson.h>
#include <stdbool.h>

struct daemon;

/*
 * {"schema_version", "volume", "path", "use": "yes", "not-yet" or "no",
 * "reason": a sentence, null with "yes"}. @status: what status_all() has of the
 * volume; NULL: nothing. NULL: neither that, nor is a replica of it here. Main
 * thread.
 */
json_t *usable_tell(const struct daemon *daemon, const char *volume,
		    const json_t *status);

/* Another site has taken it over, or may have. */
bool usable_is_others(const json_t *status);

#endif
