// SPDX-License-Identifier: GPL-2.0-or-later
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "direct.h"
#include "netlink.h"
#include "print.h"
#include "replicas.h"
#include "settle.h"

#define WATCH_S	2

/* --- without the daemon --------------------------------------------------- */

static int count_device(void *arg, const struct dmr_info *info)
{
	++*(int *)arg;
	return 0;
}

/* What the kernel does is worth knowing just then. */
static void tell_kernel_side(const struct args *args)
{
	struct dmr_nl *nl;
	int nr = 0;

	if (dmr_nl_open(&nl)) {
		ctl_hint(args, "The kernel module is not loaded either: no "
			 "volume is tracked.");
		return;
	}
	if (!dmr_nl_get_all(nl, count_device, &nr))
		ctl_hint(args, nr == 1 ?
			 "The kernel goes on tracking %d volume; nothing is lost, "
			 "but nothing is shipped.\nSee it with: replicactl kernel "
			 "list" :
			 "The kernel goes on tracking %d volumes; nothing is "
			 "lost, but nothing is shipped.\nSee them with: "
			 "replicactl kernel list", nr);
	dmr_nl_close(nl);
}

static json_t *params_for(const char *volume)
{
	json_t *params = json_object();

	if (volume)
		json_object_set_new(params, "volume", json_string(volume));
	return params;
}

static int tell_no_volumes(const struct args *args)
{
	return ctl_fail(args, STATUS_FAILED, "replicad's status has no volumes");
}

/* What people are shown, or "verify" asks for: a third of what there is. */
static const char *const keys[] = {
	"name", "state", "reason", "next_step", "target", "clear_text",
	"persistence", "size_bytes", "dirty_bytes", "rate_bytes_s", "eta_s",
	"last_committed", "applying", "replica_consistent", "synced",
	"sync_total_bytes", "sync_done_bytes", "comparing", "bytes_compared",
	"bytes_equal", "lag_s", "lag_bytes", "verify", NULL
};

/* NULL: there is none, or it is not JSON. */
static json_t *read_member(struct json_text object, const char *key)
{
	struct json_text value;

	return json_text_get(object, key, &value) ?
	       json_loadb(value.at, value.len, JSON_DECODE_ANY, NULL) : NULL;
}

static json_t *read_volumes(struct json_text status)
{
	struct json_text value;
	json_t *volumes;
	char *only;

	if (!json_text_get(status, "volumes", &value))
		return NULL;
	only = json_text_only(value, keys);
	volumes = only ? json_loads(only, 0, NULL) : NULL;
	free(only);
	if (json_is_array(volumes))
		return volumes;
	json_decref(volumes);
	return NULL;
}

json_t *status_get(const struct args *args, const char *volume, int *status)
{
	char *line = ctl_call_text(args, "status", params_for(volume), status);
	struct json_text text = { line, line ? strlen(line) : 0 };
	json_t *volumes = line ? read_volumes(text) : NULL, *result = NULL;

	if (!line && *status == STATUS_FAILED)
		tell_kernel_side(args);
	if (line && !volumes)
		*status = tell_no_volumes(args);
	if (volumes)
		result = json_pack("{so so* so*}", "volumes", volumes,
				   "verdict", read_member(text, "verdict"),
				   "not_replicated",
				   read_member(text, "not_replicated"));
	free(line);
	return result;
}

/* --- as it is ------------------------------------------------------------- */

static bool holds_array(struct json_text object, const char *key)
{
	struct json_text value;

	return json_text_get(object, key, &value) && value.len &&
	       *value.at == '[';
}

static int check_verdict(const struct args *args, const char *verdict)
{
	if (args_has(args, "check") && (!verdict || strcmp(verdict, "ok")))
		return STATUS_DEGRADED;
	return STATUS_OK;
}

/* The word alone, as JSON has it. */
static int check_text(const struct args *args, struct json_text status)
{
	struct json_text verdict;
	bool is_ok = json_text_get(status, "verdict", &verdict) &&
		     verdict.len == 4 && !memcmp(verdict.at, "\"ok\"", 4);

	return check_verdict(args, is_ok ? "ok" : NULL);
}

static int print_text(const struct args *args, struct json_text text)
{
	char *indented = NULL;

	if (!args_has(args, "watch")) {
		indented = json_text_indent(text);
		if (!indented)
			return ctl_fail(args, STATUS_FAILED,
					"not enough memory");
		fputs(indented, stdout);
		free(indented);
	} else {
		printf("%s\n", text.at);
		fflush(stdout);
	}
	return STATUS_OK;
}

/* With --watch on one line. A thousand volumes are not read, only written. */
static int show_json(const struct args *args, const char *volume)
{
	int status;
	char *line = ctl_call_text(args, "status", params_for(volume), &status);
	struct json_text text = { line, line ? strlen(line) : 0 };

	if (!line)
		return status;
	if (!holds_array(text, "volumes"))
		status = tell_no_volumes(args);
	else
		status = print_text(args, text);
	if (!status && !args_has(args, "watch"))
		status = check_text(args, text);
	free(line);
	return status;
}

/* --- again and again ------------------------------------------------------ */

static volatile sig_atomic_t is_interrupted;

static void on_interrupt(int sig)
{
	is_interrupted = 1;
}

static void clear_screen(void)
{
	if (isatty(STDOUT_FILENO))
		fputs("\033[H\033[2J", stdout);
	else
		putchar('\n');
}

static int show_once(const struct args *args, const char *volume, bool clear)
{
	int status;
	json_t *result;

	if (args_has(args, "json"))
		return show_json(args, volume);
	result = status_get(args, volume, &status);
	if (!result)
		return status;
	if (clear)
		clear_screen();
	status_print(result);
	fflush(stdout);
	json_decref(result);
	return STATUS_OK;
}

static int watch(const struct args *args, const char *volume)
{
	struct sigaction sa = { .sa_handler = on_interrupt };
	const char *text = args_value(args, "watch");
	double seconds = WATCH_S;
	bool is_first = true;
	int status;

	if (text && (args_seconds(text, &seconds) || seconds < 0.1 ||
		     seconds > 86400))
		return ctl_fail(args, STATUS_USAGE,
				"--watch=%.20s is not a time from 0.1s to 24h",
				text);
	sigaction(SIGINT, &sa, NULL);
	do {
		status = show_once(args, volume,
				   !is_first || isatty(STDOUT_FILENO));
		is_first = false;
		if (!is_interrupted && status == STATUS_OK)
			usleep(seconds * 1e6);
	} while (!is_interrupted && status == STATUS_OK);
	return status;
}

/* --- of a replica, at its own site ---------------------------------------- */

static bool is_good_replica(const json_t *h)
{
	return !strcmp(json_string_value(json_object_get(h, "state")), "ok") &&
	       json_is_number(json_object_get(h, "lag_s")) &&
	       !json_array_size(json_object_get(h, "notices"));
}

/* A history without its epochs. */
static int show_replica(const struct args *args)
{
	int status;
	json_t *h = history_get(args, &status);

	if (!h)
		return status;
	json_object_del(h, "epochs");
	if (args_has(args, "json"))
		print_json(h);
	else
		history_print_head(h);
	if (args_has(args, "check") && !is_good_replica(h))
		status = STATUS_DEGRADED;
	json_decref(h);
	return status;
}

/* --- what a tenant sees --------------------------------------------------- */

static void print_own(const json_t *one)
{
	const json_t *size = json_object_get(one, "size_bytes");
	char text[PRINT_LEN] = "?";

	if (json_is_number(size))
		print_bytes(text, json_number_value(size));
	printf("%-24s %10s  %-14s %s\n",
	       json_string_value(json_object_get(one, "name")), text,
	       json_string_value(json_object_get(one, "replication_status")) ?:
	       "?", json_string_value(json_object_get(one, "type")) ?: "-");
}

static void print_all_own(const json_t *volumes)
{
	json_t *one;
	size_t i;

	if (json_array_size(volumes))
		printf("%-24s %10s  %-14s %s\n", "VOLUME", "SIZE",
		       "REPLICATION", "TYPE");
	else
		puts("There is no volume whose status this user may see.");
	json_array_foreach(volumes, i, one)
		print_own(one);
}

/* NULL: the failure has been told. */
static json_t *get_own(const struct args *args, const char *volume, int *status)
{
	json_t *params = json_object();

	if (volume)
		json_object_set_new(params, "volume", json_string(volume));
	if (args_has(args, "tenant"))
		json_object_set_new(params, "user", json_string(
					    args_value(args, "tenant")));
	return ctl_call(args, "volumes", params, status);
}

static bool are_enabled(const json_t *volumes)
{
	json_t *one;
	size_t i;

	json_array_foreach(volumes, i, one) {
		const char *word = json_string_value(json_object_get(one,
						"replication_status"));

		if (!word || strcmp(word, "enabled"))
			return false;
	}
	return true;
}

static int show_own(const struct args *args, const char *volume)
{
	int status;
	json_t *result = get_own(args, volume, &status), *volumes;

	if (!result)
		return status;
	volumes = json_object_get(result, "volumes");
	if (args_has(args, "names"))
		print_names(volumes, "name");
	else if (args_has(args, "json"))
		print_json(result);
	else
		print_all_own(volumes);
	if (args_has(args, "check") && !are_enabled(volumes))
		status = STATUS_DEGRADED;
	json_decref(result);
	return status;
}

/* May who asks see no more than that? */
static bool is_tenant(const struct args *args)
{
	struct rpc_error err = { 0 };
	json_t *result;

	if (args_has(args, "tenant"))
		return true;
	if (!geteuid())
		return false;
	result = ctl_try(args, "status", json_object(), &err);
	json_decref(result);
	return !result && err.exit_status == STATUS_PERMISSION;
}

/* Before it is shown; an exit status. */
static int wait_first(const struct args *args, const char *volume)
{
	if (!args_has(args, "wait"))
		return STATUS_OK;
	if (args_has(args, "watch") || args_has(args, "target") ||
	    args_has(args, "tenant") || args_has(args, "replicas"))
		return ctl_fail(args, STATUS_USAGE, "status: --wait goes with "
				"none of --watch, --target, --tenant and "
				"--replicas");
	return settle_wait(args, volume);
}

static int show_replicas(const struct args *args, const char *volume)
{
	int status;
	json_t *result, *replicas;

	if (args_has(args, "check") || args_has(args, "watch"))
		return ctl_fail(args, STATUS_USAGE, "status: --replicas goes "
				"with neither --check nor --watch");
	result = ctl_call(args, "replicas", params_for(volume), &status);
	replicas = json_object_get(result, "replicas");
	if (!result)
		return status;
	if (args_has(args, "json"))
		print_json(result);
	else if (args_has(args, "names"))
		print_names(replicas, "volume");
	else if (json_array_size(replicas))
		replicas_print(replicas);
	else
		puts("No pair of this site has a replica.");
	json_decref(result);
	return STATUS_OK;
}

/* Below the volumes, if there are any. */
static void add_replicas(const struct args *args)
{
	struct rpc_error err = { 0 };
	json_t *result = ctl_try(args, "replicas", json_object(), &err);
	json_t *replicas = json_object_get(result, "replicas");

	if (json_array_size(replicas)) {
		putchar('\n');
		replicas_print(replicas);
	}
	/* A replicad of before this method has no such thing to tell. */
	if (!result && err.exit_status != STATUS_USAGE)
		ctl_hint(args, "What replicas are here is not known: %s",
			 err.text);
	json_decref(result);
}

static int run(const struct args *args)
{
	const char *volume = args->nr_words ? args->words[0] : NULL;
	json_t *result;
	int status = wait_first(args, volume);

	if (status)
		return status;
	if (args_has(args, "target"))
		return show_replica(args);
	if (is_tenant(args))
		return show_own(args, volume);
	if (args_has(args, "replicas"))
		return show_replicas(args, volume);
	if (args_has(args, "watch"))
		return watch(args, volume);
	if (args_has(args, "json") && !args_has(args, "names"))
		return show_json(args, volume);
	result = status_get(args, volume, &status);
	if (!result)
		return status;
	if (args_has(args, "names"))
		print_names(json_object_get(result, "volumes"), "name");
	else
		status_print(result);
	if (!args_has(args, "names") && !args_has(args, "check") && !volume)
		add_replicas(args);
	status = check_verdict(args, json_string_value(json_object_get(
					result, "verdict")));
	json_decref(result);
	return status;
}

static const struct option_spec options[] = {
	{ "watch", "[=TIME]", "again and again (every 2s)" },
	{ "wait", "[=TIME]", "until every volume replicates, at most so long" },
	{ "check", NULL, "exit status 4 unless every volume replicates" },
	{ "names", NULL, "only the volumes' names, one a line" },
	{ "replicas", NULL, "only what this site keeps of other sites' volumes" },
	{ "tenant", "USER", "what this user sees, who is not in the group replica" },
	{ "target", "URI", "of the replica on this server, without replicad" },
	{ NULL }
};

const struct command cmd_status = {
	.name = "status",
	.words = "[VOLUME]",
	.max_words = 1,
	.summary = "how replication is doing, and what to do next",
	.examples = "    replicactl status\n"
		    "    replicactl status --watch=1s\n"
		    "    replicactl status --replicas\n"
		    "    replicactl status vol --json | jq .volumes[0].lag_s\n"
		    "    replicactl status --check || mail -s DR ops\n"
		    "    replicactl enable vol && replicactl status vol --wait\n",
	.text =
	"Prints a verdict in one line, a table of the volumes, the progress of a\n"
	"copy, and for each volume that is not well the reason and the next step. Below\n"
	"are the replicas that the pairs of this site keep, and how old each is (not with\n"
	"--check, --watch and --json; --replicas has only them, also as JSON).\n"
	"Works without replicad as far as the kernel knows.\n"
	"\n"
	"With --wait first until there is a replica of each: where TIME is over before,\n"
	"the exit status is 6, and 4 at once where no waiting would bring it (a volume\n"
	"that is paused, or not replicated, for example).\n"
	"\n"
	"Who is neither root nor in the group replica sees of the volumes whose tenants=\n"
	"names them the name, the size, the status in Cinder's words, and the type.\n",
	.options = options,
	.run = run,
};
