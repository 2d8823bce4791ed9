/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: an INI file of one [replicad] section and a [volume NAME]
 * section for each volume; the same keys are the options of "enable". Every
 * key, with its type, bounds and default, is a row of the table in config.c.
 *
 * Errors are sentences that name the file, the line, the key, and for a key
 * that does not exist the nearest one that does.
 */
#ifndef REPLICAD_CONFIG_H
#define REPLICAD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_ERROR_SIZE	400

struct volume_config {
	struct volume_config *next;
	char *name;		/* [A-Za-z0-9._-], at most 40 */
	char *device;		/* device-mapper name or path; default: name */
	char *target;		/* nbd://…, nbd+unix://…, local:PATH,
				 * stage:DIR/VOLUME */
	char *origin;		/* block device to make the device above */
	char *metadata;		/* block device, or "none" */
	char *group;		/* cut together with; NULL = alone */
	char *tls;		/* "off": a TCP target may be in clear */
	char *spool;		/* file for what the link cannot take */
	uint64_t interval_ms;	/* least time between two cuts */
	uint64_t window;	/* bytes; a larger dirty set is cut fuzzy */
	uint64_t memory;	/* bytes that wait for the link in memory */
	uint64_t spool_size;	/* bytes in the spool file */
	uint64_t bandwidth;	/* bytes a second, 0 = no limit */
	uint64_t connections;
	uint64_t apply;		/* enum backend_apply */
	uint64_t activation;	/* enum activation */
	uint64_t on_superseded;	/* enum fence_policy */
	uint64_t stale_wait_ms;	/* how long a dead connection may write (W6) */
	uint64_t heartbeat_ms;
	uint64_t timeout_ms;	/* for each request to the target */
	bool is_unsafe;		/* take a target without FLUSH */
	bool trusts_boot;	/* no other system writes it between boots */
	bool may_overwrite;	/* a target that has other data; not saved */
	bool is_runtime;	/* enabled at run time: in volumes.conf */
};

struct config {
	char *socket;
	char *state_dir;
	char *hooks;		/* their folder; NULL = the usual one, if it is
				 * there; "none" */
	uint64_t hook_timeout_ms;
	char *plugin;		/* nbdkit's name for ours, or its path */
	uint64_t reactors;	/* 0 = one per core */
	uint64_t log_level;	/* enum log_level */
	struct volume_config *volumes;
};

/* The defaults, without any volume. 0 or -ENOMEM. */
int config_init(struct config *config);
void config_clear(struct config *config);

/*
 * Reads the file at @path over what @config has. A volume that is there
 * already is refused. @is_runtime is noted in each volume. On an error (0 or
 * -errno) @error has the sentence and @config must be cleared.
 */
int config_load(struct config *config, const char *path, bool is_runtime,
		char error[CONFIG_ERROR_SIZE]);

/*
 * Writes the volumes that were enabled at run time to @path: atomically, and
 * durable when it returns. Only what differs from the defaults is written;
 * overwrite is not: it was meant for the target that was there then.
 */
int config_save(const struct config *config, const char *path);

struct volume_config *config_find(const struct config *config,
				  const char *name);

/* A volume with default values that is in no list. NULL: bad name or memory. */
struct volume_config *volume_config_create(const char *name);
struct volume_config *volume_config_clone(const struct volume_config *volume);
void volume_config_destroy(struct volume_config *volume);

/* Sets one key from text. 0 or -errno with a sentence in @error. */
int volume_config_set(struct volume_config *volume, const char *key,
		      const char *value, char error[CONFIG_ERROR_SIZE]);

/* What can be said only when all keys are known (a target is missing…). */
int volume_config_check(const struct volume_config *volume,
			char error[CONFIG_ERROR_SIZE]);

/*
 * Would the volume go over TCP in clear? Then it must say tls=off: else -EPERM
 * with a sentence in @error.
 */
bool volume_config_is_clear(const struct volume_config *volume);
int volume_config_check_clear(const struct volume_config *volume,
			      char error[CONFIG_ERROR_SIZE]);

bool volume_name_is_valid(const char *name);

/* Pure parts, for their unit test. 0 or -EINVAL, -ERANGE. */
int config_parse_size(const char *text, uint64_t *bytes);
int config_parse_duration(const char *text, uint64_t *ms);

#endif
