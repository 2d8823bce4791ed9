/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Targets that are added, changed and removed at run time.
 *
 * E1 an edit is undone whole, or stays: what refers to the target is looked at
 *    in between, by who edits.
 * E2 a target of a file is the file's: it is neither changed nor removed.
 */
#ifndef REPLICAD_CONFIG_TARGET_H
#define REPLICAD_CONFIG_TARGET_H

#include <jansson.h>

#include "config.h"

enum target_verb { TARGET_ADD, TARGET_SET, TARGET_REMOVE };

struct target_edit {
	struct section **link;		/* where ->now stands, if it is there */
	struct section *old, *now;
};

/*
 * Edits the sections of @config. @keys: an object of texts by the keys of
 * [target]; "" takes one away. 0, then one of the two below; or -errno with a
 * sentence, and nothing has changed.
 */
int target_edit(struct target_edit *edit, struct config *config,
		enum target_verb verb, const char *id, const json_t *keys,
		char error[CONFIG_ERROR_SIZE]);
void target_edit_undo(struct target_edit *edit);
void target_edit_keep(struct target_edit *edit);

/* Volumes of a group or of a pool; neither: all. */
struct scope {
	const char *group;
	const struct section *pool;
};

bool scope_has(const struct scope *scope, const struct volume_config *volume);

/* May the volume go there: by its targets=, its type, or its backend? */
bool target_is_of(const struct config *config, const struct section *target,
		  const struct volume_config *volume);

/* What it prefers, if anything, is one of these. -ENOENT with a sentence. */
int target_check_preferred(const struct config *config,
			   const struct volume_config *volume,
			   char error[CONFIG_ERROR_SIZE]);

/*
 * What is configured of a target, without secrets: "id", "kind" (backend,
 * remote_device), "managed", "enabled", "origin" (config, runtime), and where
 * known "backend", "uri", "for", "tls", "extra", "file", "line". The caller's.
 */
json_t *target_json(const struct section *target);

#endif
