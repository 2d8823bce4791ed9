// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "metrics.h"
#include "metrics-http.h"
#include "print.h"

static int run(const struct args *args)
{
	json_t *status;
	int exit_status;
	size_t len;
	char *text;

	if (args_has(args, "listen"))
		return metrics_serve(args, args_value(args, "listen"));
	status = ctl_call(args, "status", json_object(), &exit_status);
	if (!status)
		return exit_status;
	if (args_has(args, "json")) {
		print_json(status);
		json_decref(status);
		return STATUS_OK;
	}
	text = metrics_render(status, &len);
	json_decref(status);
	if (!text)
		return ctl_fail(args, STATUS_FAILED, "not enough memory");
	fwrite(text, 1, len, stdout);
	free(text);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "listen", "WHERE", "serve them over HTTP: PORT (on 127.0.0.1), or"
	  " ADDRESS:PORT" },
	{ NULL }
};

const struct command cmd_metrics = {
	.name = "metrics",
	.words = "",
	.summary = "numbers for Prometheus, in OpenMetrics",
	.examples =
	"    replicactl metrics\n"
	"    replicactl metrics | grep lag_seconds\n"
	"    replicactl metrics --listen 9742\n",
	.text =
	"Prints what the status has as OpenMetrics text. With --listen it serves\n"
	"that at http://127.0.0.1:PORT/metrics until it is ended; port 0 is any\n"
	"free one, which is printed. Names of volumes and groups are in it, and no\n"
	"address, path or key. With --json it prints the status itself.\n",
	.options = options,
	.run = run,
};
