// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"

static int run(const struct args *args)
{
	char done[200];

	snprintf(done, sizeof(done),
		 "%.60s is paused. Go on with: replicactl resume",
		 args->words[0]);
	return ctl_do(args, "pause",
		      json_pack("{ss}", "volume", args->words[0]), done);
}

static const struct option_spec options[] = { { NULL } };

const struct command cmd_pause = {
	.name = "pause",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "stop shipping for a while",
	.examples = "    replicactl pause vol\n",
	.text =
	"Nothing is shipped until \"replicactl resume\". What is written meanwhile is\n"
	"remembered by the kernel, and the replica stays as it is. Whether the other\n"
	"site takes over meanwhile is known here only after \"replicactl resume\".\n",
	.options = options,
	.run = run,
};
