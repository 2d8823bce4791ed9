// SPDX-License-Identifier: GPL-2.0-or-later
/* What can be said of a volume's configuration when all of its keys are set. */
#include "config-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int volume_config_check(const struct volume_config *volume,
			char error[CONFIG_ERROR_SIZE])
{
	if (!volume->target) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "volume %s has no target= (an NBD URI, "
			 "stage:DIR/VOLUME or local:PATH)",
			 volume->name);
		return -EINVAL;
	}
	if (volume->tls && strcmp(volume->tls, "on") &&
	    strcmp(volume->tls, "off")) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "volume %s: tls=%.64s is neither on nor off",
			 volume->name, volume->tls);
		return -EINVAL;
	}
	if (volume->origin && (*volume->origin != '/' || !volume->metadata)) {
		snprintf(error, CONFIG_ERROR_SIZE, "volume %s: origin= is an "
			 "absolute path, and needs metadata=", volume->name);
		return -EINVAL;
	}
	if (volume->origin && volume->device) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "volume %s: with origin= the device is made, and has "
			 "the volume's name: leave device= out",
			 volume->name);
		return -EINVAL;
	}
	if (volume->group && !volume_name_is_valid(volume->group)) {
		snprintf(error, CONFIG_ERROR_SIZE,
			 "volume %s: group=%.64s is not a name: use letters, "
			 "digits and . _ -",
			 volume->name, volume->group);
		return -EINVAL;
	}
	return 0;
}

bool volume_config_is_clear(const struct volume_config *volume)
{
	return !strncasecmp(volume->target, "nbd://", 6);
}

int volume_config_check_clear(const struct volume_config *volume,
			      char error[CONFIG_ERROR_SIZE])
{
	char *target;

	if (!volume_config_is_clear(volume) ||
	    (volume->tls && !strcmp(volume->tls, "off")))
		return 0;
	target = config_masked(volume->target);
	snprintf(error, CONFIG_ERROR_SIZE, "volume %s: %.200s would be sent in "
		 "clear: use nbds://, or allow it with tls=off", volume->name,
		 target ? target : "its data");
	free(target);
	return -EPERM;
}
