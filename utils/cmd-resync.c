// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>

#include "cmd.h"

static int run(const struct args *args)
{
	bool is_full = args_has(args, "full");
	char done[200];

	snprintf(done, sizeof(done), "All of %.60s is %s. Watch it with: "
		 "replicactl status --watch", args->words[0], is_full ?
		 "sent again" : "compared, and what differs is sent");
	return ctl_do(args, "resync",
		      json_pack("{ss sb}", "volume", args->words[0], "full",
				is_full), done);
}

static const struct option_spec options[] = {
	{ "full", NULL, "send everything, without comparing" },
	{ NULL }
};

const struct command cmd_resync = {
	.name = "resync",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "make the replica like the volume again",
	.examples = "    replicactl resync vol\n"
		    "    replicactl resync vol --full\n",
	.text =
	"For a replica that is in doubt. The target is asked for a digest of each\n"
	"chunk, and only what differs is sent; to a target that knows no digests\n"
	"(a plain NBD server) all of it. The volume stays in use, and a staged\n"
	"replica keeps its last image all the while.\n",
	.options = options,
	.run = run,
};
