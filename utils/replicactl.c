// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replicactl: a table of verbs (each in its cmd-*.c), and what they share. Data
 * goes to stdout, messages to stderr; the exit statuses are in exit-status.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "print.h"
#include "util/nearest.h"

#define DEFAULT_TIMEOUT_S	60

const struct command *const commands[] = {
	&cmd_status, &cmd_top, &cmd_create, &cmd_enable, &cmd_disable,
	&cmd_pause, &cmd_resume, &cmd_recover, &cmd_resync, &cmd_extend,
	&cmd_snapshot, &cmd_clone, &cmd_path, &cmd_verify, &cmd_history,
	&cmd_test, &cmd_failover, &cmd_resolve, &cmd_salvage, &cmd_delete,
	&cmd_pair, &cmd_events, &cmd_metrics, &cmd_targets, &cmd_target,
	&cmd_set_type, &cmd_capabilities, &cmd_match, &cmd_config, &cmd_doctor,
	&cmd_kernel, &cmd_version, &cmd_help, NULL
};

/* The words that Cinder's client uses; and the way back: a failover that
 * is planned at the site where the volume is now. */
static const struct alias {
	const char *alias, *name;
	char *option;			/* that it stands for as well */
} aliases[] = {
	{ "replication-enable", "enable", NULL },
	{ "replication-disable", "disable", NULL },
	{ "replication-failover", "failover", NULL },
	{ "replication-list-targets", "targets", NULL },
	{ "failback", "failover", "--planned" },
};

const struct option_spec global_options[] = {
	{ "json", NULL, "machine-readable output, with a schema_version" },
	{ "socket", "PATH", "replicad's control socket" },
	{ "timeout", "TIME", "how long to wait for replicad (60s)" },
	{ "help", NULL, "this help" },
	{ NULL }
};

static void fail_json(int exit_status, const char *text)
{
	json_t *json = json_pack("{si s{ss si}}", "schema_version",
				 SCHEMA_VERSION, "error", "message", text,
				 "exit", exit_status);

	if (json)
		print_json_line(json);
	json_decref(json);
}

int ctl_fail(const struct args *args, int exit_status, const char *fmt, ...)
{
	char text[RPC_WHY + 100];
	va_list list;

	va_start(list, fmt);
	vsnprintf(text, sizeof(text), fmt, list);
	va_end(list);
	if (args_has(args, "json"))
		fail_json(exit_status, text);
	else
		fprintf(stderr, "replicactl: %s\n", text);
	return exit_status;
}

void ctl_hint(const struct args *args, const char *fmt, ...)
{
	va_list list;

	if (args_has(args, "json"))
		return;
	va_start(list, fmt);
	vfprintf(stderr, fmt, list);
	va_end(list);
	fputc('\n', stderr);
}

double ctl_timeout(const struct args *args, double standard)
{
	const char *text = args_value(args, "timeout");
	double seconds;

	return text && !args_seconds(text, &seconds) ? seconds : standard;
}

int ctl_open(const struct args *args, struct rpc **rpc, double standard,
	     struct rpc_error *err)
{
	const char *path = args_value(args, "socket");

	if (!path)
		path = getenv("REPLICA_SOCKET");
	if (!path || !path[0])
		path = RPC_DEFAULT_SOCKET;
	return rpc_open(rpc, path, ctl_timeout(args, standard), err);
}

json_t *ctl_call(const struct args *args, const char *method, json_t *params,
		 int *status)
{
	return ctl_call_for(args, DEFAULT_TIMEOUT_S, method, params, status);
}

/* What became of a call, told; @ret: of opening it. */
static int tell_outcome(const struct args *args, int ret, bool is_done,
			const struct rpc_error *err)
{
	int status = STATUS_OK;

	if (!is_done)
		status = ctl_fail(args, err->exit_status, "%s", err->text);
	if (ret && err->exit_status == STATUS_FAILED)
		ctl_hint(args, "Start it: systemctl start replicad, or run "
			 "replicad.");
	return status;
}

/* A path of the other site is not one here: nobody is to take it for one. */
static void mark_path(json_t *o, const char *key, const char *pair)
{
	const char *path = json_string_value(json_object_get(o, key));

	if (path && *path == '/')
		json_object_set_new(o, key, json_sprintf("%s:%s", pair, path));
}

static void tell_site(const struct args *args, json_t *result)
{
	const char *pair = json_string_value(json_object_get(result, "pair"));
	json_t *one;
	size_t i;

	if (args_has(args, "json"))
		return;
	mark_path(result, "path", pair);
	mark_path(result, "base", pair);
	mark_path(result, "metadata", pair);
	json_array_foreach(json_object_get(result, "snapshots"), i, one)
		mark_path(one, "path", pair);
	json_array_foreach(json_object_get(result, "volumes"), i, one)
		mark_path(one, "base", pair);
	ctl_hint(args, "That is of the other side of the pair %s.", pair);
}

json_t *ctl_call_for(const struct args *args, double standard,
		     const char *method, json_t *params, int *status)
{
	struct rpc_error err;
	struct rpc *rpc;
	json_t *result = NULL;
	int ret = ctl_open(args, &rpc, standard, &err);

	if (ret)
		json_decref(params);
	else
		result = rpc_call(rpc, method, params, &err);
	rpc_close(rpc);
	*status = tell_outcome(args, ret, result, &err);
	if (json_object_get(result, "pair"))
		tell_site(args, result);
	return result;
}

char *ctl_call_text(const struct args *args, const char *method,
		    json_t *params, int *status)
{
	struct rpc_error err = { STATUS_FAILED, "not enough memory" };
	struct json_text result;
	struct rpc *rpc;
	char *text = NULL;
	int ret = ctl_open(args, &rpc, DEFAULT_TIMEOUT_S, &err);

	if (ret)
		json_decref(params);
	else if (rpc_call_text(rpc, method, params, &result, &err))
		text = strndup(result.at, result.len);
	rpc_close(rpc);
	*status = tell_outcome(args, ret, text, &err);
	return text;
}

static json_t *try_for(const struct args *args, double standard,
		       const char *method, json_t *params,
		       struct rpc_error *err)
{
	struct rpc *rpc;
	json_t *result = NULL;

	if (ctl_open(args, &rpc, standard, err))
		json_decref(params);
	else
		result = rpc_call(rpc, method, params, err);
	rpc_close(rpc);
	return result;
}

json_t *ctl_peek_for(const struct args *args, double standard,
		     const char *method, json_t *params)
{
	struct rpc_error err;

	return try_for(args, standard, method, params, &err);
}

json_t *ctl_try(const struct args *args, const char *method, json_t *params,
		struct rpc_error *err)
{
	return try_for(args, DEFAULT_TIMEOUT_S, method, params, err);
}

json_t *ctl_peek(const struct args *args, const char *method, json_t *params)
{
	return ctl_peek_for(args, DEFAULT_TIMEOUT_S, method, params);
}

int ctl_do(const struct args *args, const char *method, json_t *params,
	   const char *done)
{
	int status;
	json_t *result = ctl_call(args, method, params, &status);

	if (!result)
		return status;
	json_decref(result);
	if (!args_has(args, "json")) {
		printf("%s\n", done);
		return STATUS_OK;
	}
	result = json_pack("{si sb ss}", "schema_version", SCHEMA_VERSION,
			   "ok", 1, "message", done);
	print_json(result);
	json_decref(result);
	return STATUS_OK;
}

/* --- from words to a verb ------------------------------------------------- */

static const struct alias *find_alias(const char *word)
{
	size_t i;

	for (i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (!strcmp(word, aliases[i].alias))
			return &aliases[i];
	return NULL;
}

const struct command *command_find(const char *name)
{
	const struct alias *alias = find_alias(name);
	const struct command *const *c;

	if (alias)
		name = alias->name;
	for (c = commands; *c; c++)
		if (!strcmp((*c)->name, name))
			return *c;
	return NULL;
}

static const char *nearest_verb(const char *word)
{
	const struct command *const *c;
	unsigned int best_distance = ~0U;
	const char *best = NULL;

	for (c = commands; *c; c++) {
		unsigned int d = nearest_distance(word, (*c)->name);

		if (d >= best_distance ||
		    !nearest_is_close(word, (*c)->name, d))
			continue;
		best = (*c)->name;
		best_distance = d;
	}
	return best;
}

static int refuse_verb(const struct args *args, const char *word)
{
	const char *near = nearest_verb(word);
	int status = ctl_fail(args, STATUS_USAGE,
			      "there is no verb '%.60s'%s%s%s", word,
			      near ? "; did you mean '" : "", near ? near : "",
			      near ? "'?" : "");

	ctl_hint(args, "\"replicactl help\" lists the verbs.");
	return status;
}

int ctl_no_action(const struct args *args, const char *verb, const char *word,
		  const char *const *actions)
{
	const char *near = NULL;
	char list[200] = "";
	size_t len = 0;

	for (; *actions; actions++) {
		unsigned int d = nearest_distance(word, *actions);

		len += snprintf(list + len, sizeof(list) - len, "%s%s",
				len ? ", " : "", *actions);
		if (!near && nearest_is_close(word, *actions, d))
			near = *actions;
	}
	return ctl_fail(args, STATUS_USAGE, "%s: '%.30s' is none of %s%s%s%s",
			verb, word, list, near ? "; did you mean '" : "",
			near ? near : "", near ? "'?" : "");
}

static int check_words(const struct command *command, const struct args *args)
{
	if (args->nr_words < command->min_words)
		return ctl_fail(args, STATUS_USAGE, "%s needs %s",
				command->name, command->words);
	if (args->nr_words > command->max_words)
		return ctl_fail(args, STATUS_USAGE,
				"%s: '%.60s' is one word too many",
				command->name,
				args->words[command->max_words]);
	return STATUS_OK;
}

static int check_timeout(const struct args *args)
{
	const char *text = args_value(args, "timeout");
	double seconds;

	if (!text || (!args_seconds(text, &seconds) && seconds > 0))
		return STATUS_OK;
	return ctl_fail(args, STATUS_USAGE,
			"--timeout=%.20s is not a time such as 60s or 2m",
			text);
}

/* As far as a command line that is wrong can be understood: is it a program? */
static void only_json(struct args *args, int argc, char **argv)
{
	int i;

	memset(args, 0, sizeof(*args));
	for (i = 0; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json")) {
			args->options[0].spec = &global_options[0];
			args->nr_options = 1;
		}
}

static int run_command(const struct command *command, int argc, char **argv)
{
	const struct option_spec *const lists[] = {
		command->options, global_options, NULL
	};
	char why[ARGS_WHY];
	struct args args;
	int status;

	if (args_parse(&args, lists, argc, argv, why)) {
		only_json(&args, argc, argv);
		return ctl_fail(&args, STATUS_USAGE, "%s: %s", command->name,
				why);
	}
	if (args_has(&args, "help"))
		return help_print(command);
	status = check_words(command, &args);
	if (!status)
		status = check_timeout(&args);
	return status ? status : command->run(&args);
}

/* Options may stand before the verb: it is the first word without a dash. */
static int find_verb(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] != '-')
			return i;
		if (!strcmp(argv[i], "--socket") ||
		    !strcmp(argv[i], "--timeout"))
			i++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int verb = find_verb(argc, argv), first = 2;
	const struct command *command;
	const struct alias *alias;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!verb && argc > 1 && !strcmp(argv[1], "--version"))
		return cmd_version.run(&(struct args){ .nr_words = 0 });
	if (!verb) {
		help_print(NULL);
		return argc > 1 && (!strcmp(argv[1], "--help") ||
				    !strcmp(argv[1], "-h")) ? STATUS_OK :
							      STATUS_USAGE;
	}
	command = command_find(argv[verb]);
	if (!command) {
		struct args args;

		only_json(&args, argc, argv);
		return refuse_verb(&args, argv[verb]);
	}
	alias = find_alias(argv[verb]);
	memmove(&argv[2], &argv[1], (verb - 1) * sizeof(argv[0]));
	if (alias && alias->option)
		argv[--first] = alias->option;	/* where the verb was */
	return run_command(command, argc - first, argv + first);
}
