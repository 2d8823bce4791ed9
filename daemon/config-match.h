/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a backend can do, and whether that is what a type asks for: the extra
 * specs of Cinder's types, with its operators.
 *
 * M1 a spec holds if one of the values of the capability does; one that names
 *    no capability holds for none. Of several values <in> takes a whole one: a
 *    type that wants "<in> sync" is not for a backend that has only "async".
 * M2 a key with a scope (replication:interval) is no question, but for the
 *    scope "capabilities".
 * M3 who is refused is told every time by which spec, and what the value is.
 */
#ifndef REPLICAD_CONFIG_MATCH_H
#define REPLICAD_CONFIG_MATCH_H

#include <jansson.h>
#include <stdbool.h>

#include "config.h"

#define MATCH_WHY	300

/*
 * Pure. @wanted: "VALUE", or an operator and its values: = == != >= <=
 * (numbers; = is >=), s== s!= s< s<= s> s>= (texts), <is> (yes or no), <in>
 * (a part of the text), <all-in> A B, <or> A <or> B.
 */
bool spec_holds(const char *wanted, const char *value);

/* An object of Cinder's names; the caller's. NULL: no memory. */
json_t *capabilities_json(const struct config *config,
			  const struct section *backend);

/*
 * config-pool.c: the same of a pool, which is what all of its volumes can do;
 * "reason": why it cannot be replicated.
 */
json_t *pool_capabilities_json(const struct config *config,
			       const struct section *pool);

/* Does the type (NULL: none) ask that its volumes are replicated? */
bool match_wants_replication(const struct section *type);

/* Is the backend one for this type? Else false, and @why is a sentence. */
bool match_type(const struct config *config, const struct section *type,
		const struct section *backend, char why[MATCH_WHY]);

/*
 * May the volume be replicated as its type (if it has one) says? 0, or -EINVAL
 * with a sentence. Of a volume without a backend only the specs on replication
 * are looked at.
 */
int match_volume(const struct config *config,
		 const struct volume_config *volume,
		 char error[CONFIG_ERROR_SIZE]);

#endif
