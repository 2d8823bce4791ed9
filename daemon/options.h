/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of replicad. */
#ifndef REPLICAD_OPTIONS_H
#define REPLICAD_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *config;	/* file; NULL = the default one, if it exists */
	const char *socket;	/* NULL = as the config says */
	const char *state_dir;	/* NULL = as the config says */
	const char *log_level;	/* NULL = as the config says */
	bool only_insert;	/* the targets of all volumes, then exit */
	unsigned int wait_s;	/* with it: for devices */
	bool only_check;	/* read the config, say what is wrong, exit */
};

#define OPTIONS_DEFAULT_CONFIG	"/etc/replica/replica.conf"

/* -1: go on; else the exit status (0 after --help and --version). */
int options_parse(struct options *options, int argc, char **argv);

#endif
