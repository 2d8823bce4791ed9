// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "print.h"

#define LOOK_US		300000
#define LIST_MOST	20

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int sig)
{
	is_interrupted = 1;
}

static double number_of(const json_t *verify, const char *key)
{
	return json_number_value(json_object_get(verify, key));
}

/* Of the only volume of a status; NULL: there was none. */
static json_t *verify_of(const json_t *status)
{
	json_t *volume = json_array_get(json_object_get(status, "volumes"), 0);
	json_t *verify = json_object_get(volume, "verify");

	return json_is_object(verify) ? verify : NULL;
}

static int ask(const struct args *args, const char *key)
{
	json_t *params = json_pack("{ss}", "volume", args->words[0]), *result;
	int status;

	if (key)
		json_object_set_new(params, key, json_true());
	result = ctl_call(args, "verify", params, &status);
	json_decref(result);
	return status;
}

/* --- while it runs -------------------------------------------------------- */

static void show_progress(const json_t *verify)
{
	double total = number_of(verify, "total_bytes");
	double done = number_of(verify, "done_bytes");
	char differing[PRINT_LEN];

	fprintf(stderr, "\r%3.0f %% compared, %s differ  ",
		total ? done * 100 / total : 0,
		print_bytes(differing, number_of(verify, "differing_bytes")));
}

/* Its last status, with the verify in it; NULL: it has been reported. */
static json_t *wait_for_end(const struct args *args, int *status)
{
	bool is_shown = isatty(STDERR_FILENO) && !args_has(args, "json");
	bool is_stopped = false;

	for (;;) {
		json_t *all = status_get(args, args->words[0], status);
		json_t *verify = verify_of(all);

		if (!all)
			return NULL;
		if (!verify) {
			json_decref(all);
			*status = ctl_fail(args, STATUS_FAILED, "replicad has "
					   "forgotten the verify: was it "
					   "started anew?");
			return NULL;
		}
		if (is_shown)
			show_progress(verify);
		if (!json_is_true(json_object_get(verify, "running"))) {
			if (is_shown)
				fputc('\n', stderr);
			return all;
		}
		json_decref(all);
		if (is_interrupted && !is_stopped)
			is_stopped = !ask(args, "stop");
		usleep(LOOK_US);
	}
}

/* --- the result ----------------------------------------------------------- */

static void print_extents(const json_t *verify)
{
	double nr = number_of(verify, "differing_extents");
	size_t i;
	json_t *e;

	json_array_foreach(json_object_get(verify, "extents"), i, e) {
		if (i == LIST_MOST)
			break;
		printf("  %.0f bytes at %.0f\n", number_of(e, "length"),
		       number_of(e, "offset"));
	}
	if (nr > LIST_MOST)
		printf("  … %.0f more\n", nr - LIST_MOST);
}

static void print_result(const json_t *verify)
{
	double differing = number_of(verify, "differing_bytes");
	double moving = number_of(verify, "moving_bytes");
	char a[PRINT_LEN], b[PRINT_LEN];

	printf("%s compared, %s differ%s\n",
	       print_bytes(a, number_of(verify, "compared_bytes")),
	       print_bytes(b, differing), differing ? ":" : ".");
	print_extents(verify);
	if (number_of(verify, "repaired_bytes"))
		printf("They are sent again.\n");
	else if (differing)
		printf("Repair them with: replicactl verify --repair\n");
	if (moving)
		printf("%s were being written all the time, and not "
		       "compared.\n", print_bytes(a, moving));
}

static int report(const struct args *args, json_t *verify)
{
	const char *error = json_string_value(json_object_get(verify,
							      "error"));

	if (args_has(args, "json")) {
		json_object_set_new(verify, "schema_version",
				    json_integer(SCHEMA_VERSION));
		print_json(verify);
	} else {
		print_result(verify);
	}
	if (error && !args_has(args, "json"))
		fprintf(stderr, "replicactl: it ended early: %s\n", error);
	if (error)
		return STATUS_FAILED;
	return number_of(verify, "differing_bytes") >
	       number_of(verify, "repaired_bytes") ? STATUS_DEGRADED :
						     STATUS_OK;
}

static int run(const struct args *args)
{
	struct sigaction sa = { .sa_handler = on_interrupt };
	int status;
	json_t *all;

	if (args_has(args, "stop"))
		return ask(args, "stop");
	status = ask(args, args_has(args, "repair") ? "repair" : NULL);
	if (status || args_has(args, "background"))
		return status;
	sigaction(SIGINT, &sa, NULL);
	all = wait_for_end(args, &status);
	if (!all)
		return status;
	status = report(args, verify_of(all));
	json_decref(all);
	return status;
}

static const struct option_spec options[] = {
	{ "repair", NULL, "send again what differs" },
	{ "background", NULL, "do not wait: see status --json" },
	{ "stop", NULL, "end the one that runs" },
	{ NULL }
};

const struct command cmd_verify = {
	.name = "verify",
	.words = "VOLUME",
	.min_words = 1,
	.max_words = 1,
	.summary = "compare the replica with the volume, in use",
	.examples = "    replicactl verify vol\n"
		    "    replicactl verify vol --repair\n"
		    "    replicactl verify vol --json | jq .extents\n",
	.text =
	"Reads the volume, and at the target digests (of a plain NBD server, its\n"
	"data), and names what differs. What is being written is looked at again\n"
	"later, so a difference is one. Exit status 4 if something differs and is\n"
	"not repaired. Ctrl-C ends it.\n",
	.options = options,
	.run = run,
};
