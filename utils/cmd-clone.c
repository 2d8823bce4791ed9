// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd.h"
#include "many.h"

static int run(const struct args *args)
{
	json_t *params = json_pack("{ss ss}", "volume", args->words[0],
				   "name", args->words[1]);

	option_put(params, "snapshot", args, "from");
	option_put(params, "type", args, "type");
	option_put(params, "target", args, "target");
	return made_call(args, "clone", params);
}

static const struct option_spec options[] = {
	{ "from", "SNAPSHOT", "of VOLUME, instead of VOLUME as it is now" },
	{ "type", "TYPE", "what NEW is to be like (as VOLUME)" },
	{ "target", "URI", "replicate NEW, to there" },
	DRY_RUN_OPTION,
	{ NULL }
};

const struct command cmd_clone = {
	.name = "clone",
	.words = "VOLUME NEW",
	.min_words = 2,
	.max_words = 2,
	.summary = "make a volume with what another one has",
	.examples =
	"    replicactl clone db db-test\n"
	"    replicactl clone db db-test --from before-upgrade --type plain\n",
	.text =
	"NEW is as VOLUME would be after a power cut now, or as its SNAPSHOT. It is on the\n"
	"same backend, and neither needs the other from then on. If its type, its pool or\n"
	"--target asks for that, it is replicated at once, all of it. It is there as a\n"
	"whole when this says so, or nothing is left of it. Of logical volumes only thin\n"
	"ones; of a file that is in use where its filesystem has reflinks.\n",
	.options = options,
	.run = run,
};
