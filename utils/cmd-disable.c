// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"

static int run(const struct args *args)
{
	char done[200];

	snprintf(done, sizeof(done), "%.60s is no longer replicated.",
		 args->words[0]);
	return ctl_do(args, "disable",
		      json_pack("{ss}", "volume", args->words[0]), done);
}

static const struct option_spec options[] = { { NULL } };

const struct command cmd_disable = {
	.name = "disable",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "stop replicating a volume",
	.examples = "    replicactl disable vol\n",
	.text =
	"Gives the device its old table back, under its users. The target keeps the\n"
	"last image. Enabling the volume again starts with a full copy.\n",
	.options = options,
	.run = run,
};
