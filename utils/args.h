/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words and long options of a command line, by tables. */
#ifndef REPLICACTL_ARGS_H
#define REPLICACTL_ARGS_H

#include <stdbool.h>

#define ARGS_MAX	16
#define ARGS_WHY	200

/* One option; a list ends with a name of NULL. */
struct option_spec {
	const char *name;
	const char *arg;		/* NULL: a flag; "[=X]": optional */
	const char *help;
};

struct args {
	const char *words[ARGS_MAX];	/* what is not an option */
	int nr_words;
	struct {
		const struct option_spec *spec;
		const char *value;	/* NULL: not given */
	} options[ARGS_MAX];
	int nr_options;
};

/*
 * lists: option lists, NULL at the end. 0, or -1 with a sentence in why that
 * names the option, and the nearest one if it is unknown.
 */
int args_parse(struct args *args, const struct option_spec *const *lists,
	       int argc, char **argv, char why[ARGS_WHY]);

bool args_has(const struct args *args, const char *name);

/* The last value of an option; NULL if it was not given, or without one. */
const char *args_value(const struct args *args, const char *name);

/* "64MiB", "4096", "1.5GiB" and "10s", "500ms", "2m": bytes, seconds. */
int args_bytes(const char *text, unsigned long long *bytes);
int args_seconds(const char *text, double *seconds);

#endif
