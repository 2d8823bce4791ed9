// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "version.h"

static const char help[] =
"Examples\n"
"    replicad\n"
"    replicad --config ./replica.conf --socket /tmp/replicad.sock\n"
"    replicad --check --config ./replica.conf\n"
"\n"
"replicad ships the epochs of replicated volumes to their targets. It stays\n"
"in the foreground and logs to stderr. SIGTERM ends it cleanly; it can be killed\n"
"at any moment.\n"
"\n"
"Options\n"
"    --config FILE       default " OPTIONS_DEFAULT_CONFIG ", if it exists\n"
"    --socket PATH       control socket; also the variable REPLICA_SOCKET\n"
"    --state-dir PATH    where identities and run-time volumes are kept\n"
"    --log-level LEVEL   err, warn, info or debug\n"
"    --insert[=SECONDS]  insert the targets of all volumes, and exit; wait so\n"
"                        long for devices that are not there yet\n"
"    --check             read the configuration, say what is wrong, exit\n"
"    --help, --version\n";

enum {
	OPT_CONFIG = 256, OPT_SOCKET, OPT_STATE, OPT_LEVEL, OPT_INSERT,
	OPT_CHECK, OPT_HELP, OPT_VERSION,
};

static const struct option long_options[] = {
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "state-dir", required_argument, NULL, OPT_STATE },
	{ "log-level", required_argument, NULL, OPT_LEVEL },
	{ "insert", optional_argument, NULL, OPT_INSERT },
	{ "check", no_argument, NULL, OPT_CHECK },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 }
};

/* -1: go on */
static int take_seconds(unsigned int *seconds, const char *text)
{
	int end = 0;

	if (!text || (sscanf(text, "%5u%n", seconds, &end) == 1 &&
		      !text[end]))
		return -1;
	fprintf(stderr, "replicad: --insert=%.40s is not a number of "
		"seconds\n", text);
	return 2;
}

/* -1: go on */
static int take_option(struct options *options, int option)
{
	switch (option) {
	case OPT_CONFIG:
		options->config = optarg;
		return -1;
	case OPT_SOCKET:
		options->socket = optarg;
		return -1;
	case OPT_STATE:
		options->state_dir = optarg;
		return -1;
	case OPT_LEVEL:
		options->log_level = optarg;
		return -1;
	case OPT_INSERT:
		options->only_insert = true;
		return take_seconds(&options->wait_s, optarg);
	case OPT_CHECK:
		options->only_check = true;
		return -1;
	case OPT_HELP:
		fputs(help, stdout);
		return 0;
	case OPT_VERSION:
		puts("replicad " REPLICA_VERSION);
		return 0;
	default:
		fputs("replicad --help lists the options\n", stderr);
		return 2;
	}
}

int options_parse(struct options *options, int argc, char **argv)
{
	int option, status;

	memset(options, 0, sizeof(*options));
	while ((option = getopt_long(argc, argv, "", long_options,
				     NULL)) != -1) {
		status = take_option(options, option);
		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "replicad: what is \"%s\"? replicad --help lists the "
		"options\n", argv[optind]);
	return 2;
}
