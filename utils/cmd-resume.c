// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"

static int run(const struct args *args)
{
	char done[200];

	snprintf(done, sizeof(done), "%.60s goes on.", args->words[0]);
	return ctl_do(args, "resume",
		      json_pack("{ss}", "volume", args->words[0]), done);
}

static const struct option_spec options[] = { { NULL } };

const struct command cmd_resume = {
	.name = "resume",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "go on after a pause or an error",
	.examples = "    replicactl resume vol\n",
	.text =
	"Goes on shipping what was written since. Also says that the cause of an\n"
	"error has been put right.\n",
	.options = options,
	.run = run,
};
