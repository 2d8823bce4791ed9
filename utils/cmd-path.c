// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "print.h"

#define WAIT_S		120
#define POLL_US		500000

static bool is_use(const json_t *answer, const char *word)
{
	return !strcmp(rpc_text(answer, "use"), word);
}

/* Whoever reads the log of a boot sees what it waits for. */
static void tell_reason(const struct args *args, const char *reason,
			char told[RPC_WHY])
{
	if (!strcmp(told, reason))
		return;
	snprintf(told, RPC_WHY, "%s", reason);
	ctl_hint(args, "waiting: %s", reason);
}

/*
 * replicad may be on its way up, too: until @until only what waiting does not
 * change is an answer. NULL: *err.
 */
static json_t *ask(const struct args *args, double until,
		   struct rpc_error *err)
{
	char told[RPC_WHY] = "";

	for (;;) {
		json_t *answer = ctl_try(args, "path",
					 json_pack("{ss sb}", "volume",
						   args->words[0], "any_site",
						   args_has(args, "any-site")),
					 err);
		bool may_change = answer ? is_use(answer, "not-yet") :
				  err->exit_status == STATUS_FAILED ||
				  err->exit_status == STATUS_TIMEOUT ||
				  err->exit_status == STATUS_UNREACHABLE;

		if (!may_change || rpc_now() >= until)
			return answer;
		tell_reason(args, answer ? rpc_text(answer, "reason") :
					   err->text, told);
		json_decref(answer);
		usleep(POLL_US);
	}
}

static int tell(const struct args *args, const json_t *answer)
{
	const char *pair = rpc_text(answer, "pair");

	if (!is_use(answer, "yes"))
		return ctl_fail(args, STATUS_NOT_HERE, "%.60s is not to be "
				"used %s%s: %.300s", args->words[0],
				*pair ? "at the other site, either" : "here",
				is_use(answer, "no") ? "" : " yet",
				rpc_text(answer, "reason"));
	if (args_has(args, "json"))
		print_json(answer);
	else
		printf("%s%s%s\n", pair, *pair ? ":" : "",
		       rpc_text(answer, "path"));
	return STATUS_OK;
}

static int run(const struct args *args)
{
	const char *text = args_value(args, "wait");
	double wait = args_has(args, "wait") ? WAIT_S : 0;
	struct rpc_error err = { 0 };
	json_t *answer;
	int status;

	if (text && (args_seconds(text, &wait) || wait > 86400))
		return ctl_fail(args, STATUS_USAGE, "--wait=%.20s is not a "
				"time such as 30s or 2m, and at most 24h",
				text);
	answer = ask(args, rpc_now() + wait, &err);
	if (!answer)
		return ctl_fail(args, err.exit_status, "%s", err.text);
	status = tell(args, answer);
	json_decref(answer);
	return status;
}

static const struct option_spec options[] = {
	{ "any-site", NULL, "or at the other site, as PAIR:PATH" },
	{ "wait", "[=TIME]", "until it may be used, at most so long (2m)" },
	{ NULL }
};

const struct command cmd_path = {
	.name = "path",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "the device of a volume, if it may be used here",
	.examples =
	"    mount \"$(replicactl path vol --wait=60s)\" /srv/vol\n"
	"    systemctl start replica-volume@vol\n"
	"    replicactl path vol --any-site\n",
	.text =
	"Prints the path of the device when the volume is active here, this site is the\n"
	"primary, and, with activation=ask, its target has been met since replicad was\n"
	"started and says that no other site has taken over. Else the exit status is 8,\n"
	"and the reason is told. With --wait that is the answer at once only where no\n"
	"waiting would change it. With --any-site the site that is active is asked, by the\n"
	"pair; its path comes behind the name of the pair, so that nobody mounts it here.\n",
	.options = options,
	.run = run,
};
