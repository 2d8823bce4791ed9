// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"
#include "confirm.h"
#include "print.h"

#define MAX_TOKEN	512

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

/* --- invite --------------------------------------------------------------- */

static void add_param(json_t *params, const char *key, const char *value)
{
	json_array_append_new(params, json_sprintf("%s=%s", key, value));
}

/* An option may come more than once: in the order of the command line. */
static json_t *server_params(const struct args *args)
{
	static const char *const keys[] = { "dir", "create", "history" };
	json_t *params = json_array();

	for (int i = 0; i < args->nr_options; i++)
		for (int k = 0; k < 3; k++)
			if (!strcmp(args->options[i].spec->name, keys[k]))
				add_param(params, keys[k],
					  args->options[i].value);
	return params;
}

static int put_lifetime(const struct args *args, json_t *params)
{
	const char *text = args_value(args, "expires");
	double seconds;

	if (!text)
		return STATUS_OK;
	if (args_seconds(text, &seconds) || seconds < 1 || seconds > 900)
		return ctl_fail(args, STATUS_USAGE, "--expires=%.20s is not a "
				"time from 1s to 15m", text);
	json_object_set_new(params, "expires_s", json_real(seconds));
	return STATUS_OK;
}

static int print_invitation(const struct args *args, json_t *result)
{
	char time[PRINT_LEN];

	if (args_has(args, "json")) {
		print_json(result);
		return STATUS_OK;
	}
	printf("%s\n", text_of(result, "token"));
	fprintf(stderr, "This is the token, for one join within %s. Give it to "
		"the other site by a way that is\nsecret; there: replicactl "
		"pair join NAME, which reads it from its input.\n",
		print_seconds(time, json_number_value(
			json_object_get(result, "expires_s"))));
	return STATUS_OK;
}

static int invite(const struct args *args, const char *name)
{
	json_t *params, *result;
	int status;

	if (!args_has(args, "address") || !args_has(args, "dir"))
		return ctl_fail(args, STATUS_USAGE, "--address HOST:PORT, where "
				"the other site reaches this one, and --dir "
				"DIR, for the stage, are needed");
	params = json_pack("{ss ss so}", "name", name, "address",
			   args_value(args, "address"), "params",
			   server_params(args));
	if (args_has(args, "listen"))
		json_object_set_new(params, "listen",
				    json_string(args_value(args, "listen")));
	status = put_lifetime(args, params);
	if (status) {
		json_decref(params);
		return status;
	}
	result = ctl_call(args, "pair_invite", params, &status);
	if (!result)
		return status;
	status = print_invitation(args, result);
	json_decref(result);
	return status;
}

/* --- join ----------------------------------------------------------------- */

static char *read_hidden(char token[MAX_TOKEN])
{
	struct termios old, quiet;
	char *line;

	fputs("Token: ", stderr);
	if (tcgetattr(STDIN_FILENO, &old))
		return fgets(token, MAX_TOKEN, stdin);
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	line = fgets(token, MAX_TOKEN, stdin);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return line;
}

static int read_token(const struct args *args, char token[MAX_TOKEN])
{
	const char *path = args_value(args, "token-file");
	FILE *file = path ? fopen(path, "re") : stdin;
	char *line;

	if (!file)
		return ctl_fail(args, STATUS_FAILED, "%.200s: %s", path,
				strerror(errno));
	line = !path && isatty(STDIN_FILENO) ? read_hidden(token) :
					       fgets(token, MAX_TOKEN, file);
	if (path)
		fclose(file);
	return line ? STATUS_OK : ctl_fail(args, STATUS_USAGE,
					   "there is no token in the input");
}

static int join(const struct args *args, const char *name)
{
	char token[MAX_TOKEN] = "", done[200];
	int status = read_token(args, token);

	if (status)
		return status;
	snprintf(done, sizeof(done), "Paired. Volumes go there with: replicactl"
		 " enable VOLUME --target pair:%.60s", name);
	status = ctl_do(args, "pair_join", json_pack("{ss ss}", "name", name,
						     "token", token), done);
	explicit_bzero(token, sizeof(token));
	return status;
}

/* --- revoke, list --------------------------------------------------------- */

static void print_left(const char *dir)
{
	if (!dir)
		return;
	printf("Its replicas stay, and get nothing new:\n"
	       "    replicactl failover VOLUME --force --dir %s\n"
	       "makes one the primary, and\n"
	       "    replicactl delete VOLUME --replica --dir %s\n"
	       "removes it.\n", dir, dir);
}

static int revoke_pair(const struct args *args, const char *name)
{
	char done[200];
	json_t *result;
	int status = confirm(args, CONFIRM_PEOPLE, "Volumes that go to %.60s, or"
			     " come from it, will stop being replicated: its "
			     "key will be worth nothing. What it was asked "
			     "to give up (resolve --keep local) is not waited "
			     "for any more: whether it has will not be known.",
			     name);

	if (status)
		return status;
	result = ctl_call(args, "pair_revoke", json_pack("{ss}", "name", name),
			  &status);
	if (!result)
		return status;
	snprintf(done, sizeof(done), "The pair %.60s is no more: its key is "
		 "worth nothing here.", name);
	if (args_has(args, "json")) {
		json_object_set_new(result, "schema_version",
				    json_integer(SCHEMA_VERSION));
		json_object_set_new(result, "ok", json_true());
		json_object_set_new(result, "message", json_string(done));
		print_json(result);
	} else {
		puts(done);
		print_left(json_string_value(json_object_get(result, "dir")));
	}
	json_decref(result);
	return STATUS_OK;
}

static void print_pairs(const json_t *pairs)
{
	static const char *const heading[] = {
		"NAME", "STATE", "ADDRESS", "ID", "",
	};
	struct table *table = table_create(5);
	json_t *p;
	size_t i;

	if (!table || table_add(table, heading)) {
		table_destroy(table);
		return;
	}
	json_array_foreach(pairs, i, p) {
		const char *const cells[] = {
			text_of(p, "name"), text_of(p, "state"),
			text_of(p, "address"), text_of(p, "pair_id"),
			text_of(p, "reason"),
		};

		if (table_add(table, cells))
			break;
	}
	table_print(table);
	table_destroy(table);
}

static int list(const struct args *args)
{
	int status;
	json_t *result = ctl_call(args, "pair_list", json_object(), &status);
	const json_t *pairs = json_object_get(result, "pairs");

	if (!result)
		return status;
	if (args_has(args, "names"))
		print_names(pairs, "name");
	else if (args_has(args, "json"))
		print_json(result);
	else if (json_array_size(pairs))
		print_pairs(pairs);
	else
		puts("There is no pair.");
	json_decref(result);
	return STATUS_OK;
}

static int run(const struct args *args)
{
	static const char *const action_names[] = {
		"invite", "join", "list", "revoke", NULL
	};
	static const struct {
		const char *name;
		int (*run)(const struct args *args, const char *name);
	} actions[] = {
		{ "invite", invite }, { "join", join }, { "revoke", revoke_pair },
	};
	const char *action = args->words[0];

	if (!strcmp(action, "list"))
		return list(args);
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(action, actions[i].name))
			continue;
		if (args->nr_words < 2)
			return ctl_fail(args, STATUS_USAGE, "pair %s: which "
					"pair? The name is missing", action);
		return actions[i].run(args, args->words[1]);
	}
	return ctl_no_action(args, "pair", action, action_names);
}

static const struct option_spec options[] = {
	{ "address", "HOST:PORT", "invite: where the other site reaches us" },
	{ "listen", "ADDRESS", "invite: listen at this one only" },
	{ "dir", "DIR", "invite: the stage, as of nbdkit-replica-plugin" },
	{ "create", "SPEC", "invite: a volume, [GROUP/]NAME:SIZE:BASE" },
	{ "history", "AGE,SIZE", "invite: how long epochs are kept (0)" },
	{ "expires", "TIME", "invite: how long the token is good (15m)" },
	{ "token-file", "FILE", "join: the token is in this file" },
	{ "names", NULL, "list: only their names, one a line" },
	CONFIRM_OPTION,
	{ NULL }
};

const struct command cmd_pair = {
	.name = "pair",
	.words = "ACTION [NAME]",
	.min_words = 1,
	.max_words = 2,
	.summary = "pair two sites: invite, join, list, revoke",
	.examples =
	"    replicactl pair invite paris --address b.example.com:10809 \\\n"
	"        --dir /srv/stage --create data:10GiB:/srv/data.img\n"
	"    replicactl pair join berlin <token\n"
	"    replicactl pair list\n",
	.text =
	"The site that receives invites, and prints a token. The other joins with\n"
	"it, once, within 15 minutes; both make a key that is on no wire. Then the\n"
	"receiver serves the stage at that port, and target=pair:NAME is a target.\n",
	.options = options,
	.run = run,
};
