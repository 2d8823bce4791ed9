// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "confirm.h"

/*
 * A target that is ahead of us may be the better copy, as may be the site that
 * has taken over.
 *
 * Y1 nothing is sent before replicad has said that it is not, or somebody that
 *    it may be: no answer, or one without a word on it, is none.
 */
static int confirm_rollback(const struct args *args)
{
	const char *name = args->words[0];
	json_t *all, *volume, *is_newer;
	const char *taken_over;
	int status = STATUS_OK;

	if (args_has(args, "yes"))
		return STATUS_OK;
	all = ctl_call(args, "status", json_pack("{ss}", "volume", name),
		       &status);
	if (!all) {
		ctl_hint(args, "Whether the replica is newer is not known: "
			 "nothing was done. With --yes nobody looks.");
		return status;
	}
	volume = json_array_get(json_object_get(all, "volumes"), 0);
	is_newer = json_object_get(volume, "rolled_back");
	taken_over = json_string_value(json_object_get(volume, "taken_over"));
	if (taken_over && strcmp(taken_over, "no"))
		status = confirm(args, CONFIRM_ALWAYS, "Another site has taken "
			"over from %.60s (%.20s). If that is not given up, "
			"there are two primaries from then on.", name,
			taken_over);
	else if (!json_is_false(is_newer))
		status = confirm(args, CONFIRM_ALWAYS, json_is_true(is_newer) ?
			"The replica of %.60s is newer than the volume, which "
			"was rolled back, or is a copy. What only the replica "
			"has will be lost." : "Whether the replica of %.60s is "
			"newer than the volume is not known. If it is, what "
			"only the replica has will be lost.", name);
	json_decref(all);
	return status;
}

static int run(const struct args *args)
{
	bool is_full = args_has(args, "full");
	int status = confirm_rollback(args);
	char done[200];

	if (status)
		return status;
	snprintf(done, sizeof(done), "All of %.60s is %s. Watch it with: "
		 "replicactl status --watch", args->words[0], is_full ?
		 "sent again" : "compared, and what differs is sent");
	return ctl_do(args, "resync",
		      json_pack("{ss sb}", "volume", args->words[0], "full",
				is_full), done);
}

static const struct option_spec options[] = {
	{ "full", NULL, "send everything, without comparing" },
	CONFIRM_OPTION,
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
	"replica keeps its last image all the while. It says that this copy is the right\n"
	"one, also where another site has taken over: then resume sends it to its target.\n",
	.options = options,
	.run = run,
};
