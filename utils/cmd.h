/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a verb of replicactl is made of, and what it can use. */
#ifndef REPLICACTL_CMD_H
#define REPLICACTL_CMD_H

#include <jansson.h>

#include "args.h"
#include "exit-status.h"
#include "rpc.h"

#define SCHEMA_VERSION	1

struct command {
	const char *name;
	const char *words;		/* "VOLUME [X]", "" */
	int min_words, max_words;
	const char *summary;		/* a few words */
	const char *examples;		/* lines, indented by 4 */
	const char *text;		/* paragraphs */
	const struct option_spec *options;
	int (*run)(const struct args *args);	/* enum exit_status */
};

/* Shown by help and found in this order; replicactl.c. */
extern const struct command *const commands[];
extern const struct command cmd_status, cmd_create, cmd_enable, cmd_disable,
	cmd_pause, cmd_resume, cmd_recover, cmd_resync, cmd_verify,
	cmd_history, cmd_path,
	cmd_test, cmd_failover, cmd_resolve, cmd_salvage, cmd_delete,
	cmd_extend, cmd_snapshot, cmd_clone, cmd_pair, cmd_events, cmd_top,
	cmd_metrics, cmd_config, cmd_doctor, cmd_match, cmd_capabilities,
	cmd_targets, cmd_target, cmd_set_type, cmd_kernel, cmd_version,
	cmd_help;

/* Options that every verb has: --socket, --timeout, --json, --help. */
extern const struct option_spec global_options[];

/*
 * Reports a failure (on stderr, or with --json as an object on stdout) and
 * returns the exit status. ctl_hint adds a line on what to do, for people.
 */
int ctl_fail(const struct args *args, int exit_status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void ctl_hint(const struct args *args, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "VERB: there is no action 'X'; did you mean …", and those that there are. */
int ctl_no_action(const struct args *args, const char *verb, const char *word,
		  const char *const *actions);

/* --timeout in seconds, or this default. */
double ctl_timeout(const struct args *args, double standard);

/*
 * Connects to the socket of --socket, REPLICA_SOCKET, or the default; the
 * connection and its call have --timeout, or 'standard' seconds.
 */
int ctl_open(const struct args *args, struct rpc **rpc, double standard,
	     struct rpc_error *err);

/* Opens, calls, closes. NULL: the failure has been reported, *status is set. */
json_t *ctl_call(const struct args *args, const char *method, json_t *params,
		 int *status);

/* The same; the result's text on one line, the caller's to free. */
char *ctl_call_text(const struct args *args, const char *method,
		    json_t *params, int *status);

/* As ctl_call, where --timeout is 'standard' seconds if it is not given. */
json_t *ctl_call_for(const struct args *args, double standard,
		     const char *method, json_t *params, int *status);

/* A volume is made, or goes, by programs of ten minutes each (tool.h). */
#define BACKEND_TIMEOUT_S	1800

/* As ctl_call, but a failure is not told: NULL. For what may be left out. */
json_t *ctl_peek(const struct args *args, const char *method, json_t *params);
/* The same; NULL: *err tells why. */
struct rpc_error;
json_t *ctl_try(const struct args *args, const char *method, json_t *params,
		struct rpc_error *err);
json_t *ctl_peek_for(const struct args *args, double standard,
		     const char *method, json_t *params);

/* A call whose result is only success: says "done", or {"ok": true}. */
int ctl_do(const struct args *args, const char *method, json_t *params,
	   const char *done);

/* --epoch and --at as the methods want them; an exit status. */
int moment_put(const struct args *args, json_t *params);

/* For help: the list behind "replicactl help [VERB]". */
int help_print(const struct command *command);
int help_words(const struct command *command);
const struct command *command_find(const char *name);

/* One event as a line for people: time, volume, kind, the rest. */
void event_print(const json_t *params);

/* status.c, cmd-status.c */
void status_print(const json_t *status);
/* One of those that create has made, in a line. */
void made_print(const json_t *one);
/* What makes a volume, and tells of it; an exit status. */
int made_call(const struct args *args, const char *method, json_t *params);
/* All of a list, or with --names only their names; an exit status. */
struct made_list {
	const char *key, *name;		/* in the result; in each of them */
	void (*print)(const json_t *one);
};
int made_list(const struct args *args, const char *method, json_t *params,
	      const struct made_list *list);
/* The value of an option, if it is given. */
void option_put(json_t *params, const char *key, const struct args *args,
		const char *option);
json_t *status_get(const struct args *args, const char *volume, int *status);

#endif
