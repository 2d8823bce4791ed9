/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin's parameters, KEY=VALUE on nbdkit's command line. */
#ifndef REPLICA_PLUGIN_OPTIONS_H
#define REPLICA_PLUGIN_OPTIONS_H

#include "error.h"
#include "stage.h"

/* create=[GROUP/]NAME:SIZE:BASE */
struct create_option {
	struct create_option *next;
	char name[STAGE_NAME_LEN];
	char group[STAGE_NAME_LEN];	/* "" = alone */
	char *base;			/* absolute */
	uint64_t bytes;
};

struct plugin_options {
	char *dir;			/* absolute; NULL: not given */
	struct stage_options stage;
	struct create_option *creates;	/* in the order given */
	uint64_t chunk_bytes;		/* of those; 0 = the default */
	uint8_t pair_id[16];		/* of those; zero: any */
	char pair[33];			/* the same, as text */
	char *verbs;			/* replicad's socket; NULL: no @verbs */
	uint64_t connections;
	uint64_t sum_rate;
	uint64_t parent;		/* see replica_after_fork(); 0: none */
	enum { PARALLEL_AUTO, PARALLEL_NO, PARALLEL_YES } parallel;
};

extern const char plugin_options_help[];

void plugin_options_init(struct plugin_options *o);

/* 0, -ENOENT for a key that there is not, or -EINVAL, -ENOMEM; a sentence. */
int plugin_options_set(struct plugin_options *o, const char *key,
		       const char *value, struct error *err);

/* What can only be said, and set, when all is known. */
int plugin_options_check(struct plugin_options *o, struct error *err);

void plugin_options_clear(struct plugin_options *o);

#endif
