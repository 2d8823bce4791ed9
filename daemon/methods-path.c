// SPDX-License-Identifier: GPL-2.0-or-later
/* The method path: what a mount asks before it goes on. */
#include "methods.h"

#include <errno.h>

#include "control.h"
#include "ops.h"
#include "status.h"
#include "usable.h"

static void on_status(struct op *op)
{
	struct request *request = op->arg;
	const char *name = request_text(request, "volume");
	json_t *status = status_all(op->daemon, op->result, name);
	json_t *answer = usable_tell(op->daemon, name, json_array_get(
				json_object_get(status, "volumes"), 0));

	if (answer)
		request_answer(request, answer);
	else
		request_refuse(request, method_exit_status(-ENOENT),
			       "there is no volume %.60s", name);
	json_decref(status);
	op_free(op);
}

void do_path(struct request *request)
{
	const char *name = request_text(request, "volume");

	if (!name)
		request_refuse(request, method_exit_status(-EDESTADDRREQ),
			       "the volume is missing");
	else if (!op_status(request->daemon, name, on_status, request))
		request_refuse(request, method_exit_status(-ENOMEM),
			       "no memory");
}
