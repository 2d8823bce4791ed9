// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods on the configuration. */
#include "methods.h"

#include <errno.h>

#include "control.h"
#include "reload.h"

static void on_reloaded(void *arg, json_t *result)
{
	request_answer(arg, result);
}

void do_reload(struct request *request)
{
	char error[CONFIG_ERROR_SIZE] = "";
	int err = reload_start(request->daemon, on_reloaded, request, error);

	if (err)
		request_refuse(request, err == -EBUSY ?
			       method_exit_status(err) : 1, "%s", error);
}
