// SPDX-License-Identifier: GPL-2.0-or-later
#include "cmd.h"
#include "print.h"

static void put(json_t *params, const struct args *args, const char *option,
		const char *key)
{
	if (args_has(args, option))
		json_object_set_new(params, key,
				    json_string(args_value(args, option)));
}

static int run(const struct args *args)
{
	json_t *r, *params = json_pack("{ss ss}", "volume", args->words[0],
				       "name", args->words[1]);
	int status = STATUS_OK;

	put(params, args, "from", "snapshot");
	put(params, args, "type", "type");
	put(params, args, "target", "target");
	r = ctl_call_for(args, BACKEND_TIMEOUT_S, "clone", params, &status);
	if (!r)
		return status;
	if (args_has(args, "json"))
		print_json(r);
	else
		made_tell(r);
	json_decref(r);
	return STATUS_OK;
}

static const struct option_spec options[] = {
	{ "from", "SNAPSHOT", "of VOLUME, instead of VOLUME as it is now" },
	{ "type", "TYPE", "what NEW is to be like (as VOLUME)" },
	{ "target", "URI", "replicate NEW, to there" },
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
