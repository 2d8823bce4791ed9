// SPDX-License-Identifier: GPL-2.0-or-later
#include "load.h"

int load_config(const struct args *args, struct config *config)
{
	char error[CONFIG_ERROR_SIZE] = "no memory";

	if (!config_init(config) &&
	    !config_load_all(config, args_value(args, "config"),
			     args_value(args, "state-dir"), error))
		return STATUS_OK;
	config_clear(config);
	return ctl_fail(args, STATUS_FAILED, "%s", error);
}
