/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration: INI files of one [replicad] section, a [volume NAME]
 * section for each volume (the same keys are the options of "enable"), and
 * sections of what volumes refer to: [backend NAME], [target ID], [type NAME],
 * [group NAME], [pool NAME]; and [pair NAME]. Every key, with its type, bounds
 * and default, is a row of a table in config.c or config-section.c.
 *
 * N1 a file that is wrong changes nothing: what was read is thrown away whole.
 * N2 a value has one origin: the volume's own line, else its type's, else the
 *    default; only own lines are ever saved (volume_config::own).
 * N3 an error is a sentence that names file and line, and for a name that does
 *    not exist the nearest one that does.
 * N4 a secret is not kept: where there is one, what is kept is ***.
 */
#ifndef REPLICAD_CONFIG_H
#define REPLICAD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_ERROR_SIZE	400

/* A line that set something. */
struct config_record {
	struct config_record *next;
	char *key;
	char *value;		/* of a type's spec, else NULL */
	char *file;
	int line;
};

struct volume_config {
	struct volume_config *next;
	char *name;		/* [A-Za-z0-9._-], at most 40 */
	char *device;		/* device-mapper name or path; default: name */
	char *target;		/* nbd://…, nbd+unix://…, local:PATH,
				 * stage:DIR/VOLUME, pair:NAME; resolved where
				 * it is not the volume's own */
	char *targets;		/* ids, of which one is used, … */
	char *prefer;		/* … this one, if it is enabled; NULL: the
				 * first that is, … */
	char *target_id;	/* … which is this one; NULL: target= was
				 * given */
	char *type;		/* a [type], or NULL */
	char *backend;		/* a [backend], or NULL */
	char *origin;		/* block device to make the device above */
	char *metadata;		/* block device, or "none" */
	char *group;		/* cut together with; NULL = alone */
	char *tenants;		/* users who see its name and status; NULL */
	char *tls;		/* "off": a TCP target may be in clear */
	char *congestion;	/* TCP's; NULL: the kernel's */
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
	uint64_t retry_max_ms;	/* the longest wait between two attempts */
	bool is_unsafe;		/* take a target without FLUSH */
	bool trusts_boot;	/* no other system writes it between boots */
	bool may_overwrite;	/* a target that has other data; not saved */
	bool is_runtime;	/* enabled at run time: in volumes.conf */
	uint64_t own;		/* bit I: row I of volume_keys was set (N2) */
	struct config_record *records;	/* of what came from a file */
	char *file;		/* where its section is; NULL: no file */
	int line;
};

enum section_kind {
	SECTION_BACKEND, SECTION_TARGET, SECTION_TYPE, SECTION_GROUP,
	SECTION_POOL, SECTION_PAIR,
	SECTION_NR_KINDS
};

enum section_driver { DRIVER_NONE, DRIVER_LVM, DRIVER_FILE, DRIVER_DM };
enum section_replicate { REPLICATE_TYPED, REPLICATE_ALL };

enum routed { ROUTED_OFF, ROUTED_LOOK, ROUTED_ON };

/* What volumes refer to. The kind says which of the fields are used. */
struct section {
	struct section *next;
	enum section_kind kind;
	char *name;
	bool is_runtime;	/* a target that was added at run time */
	struct config_record *records;	/* a type's are its extra specs */
	char *file;
	int line;
	/* backend */
	uint64_t driver;	/* enum section_driver */
	char *volume_driver;	/* Cinder's: kept, shown, not used */
	char *volume_backend_name;	/* another name for it */
	char *volume_group;	/* of driver lvm */
	char *thin_pool;	/* of it; NULL: plain logical volumes */
	char *folder;		/* of driver file */
	char *pair;		/* the pairing that leads to it */
	char *valid_devices;	/* KEY_LINES, three spellings */
	char *device_lines;
	char *device_list;
	bool is_managed;	/* how ->device_list is read */
	/* target */
	char *owner;		/* backends whose list it is in, or NULL */
	char *to_backend;	/* managed: it is that backend, or NULL */
	char *uri;		/* with {volume} for the volume's name */
	char *tls;
	char *extra;		/* what we do not use of its description */
	bool is_enabled;
	/* group, pool */
	char *members;		/* names or globs of volumes */
	char *type;		/* of members that say none */
	uint64_t replicate;	/* pool: enum section_replicate */
	/* pair */
	bool gives_up;		/* what is in doubt, if it is asked to */
	bool deletes;		/* what is asked for, too */
	uint64_t routed;	/* of a pair: 0, or 1 + enum routed */
};

struct config {
	char *socket;
	char *state_dir;
	char *hooks;		/* their folder; NULL = the usual one, if it is
				 * there; "none" */
	uint64_t hook_timeout_ms;
	uint64_t routed;	/* enum routed: what the peers may ask for */
	char *plugin;		/* nbdkit's name for ours, or its path */
	uint64_t reactors;	/* 0 = one per core */
	uint64_t log_level;	/* enum log_level */
	struct volume_config *volumes;
	struct section *sections;	/* in the order of the files */
	struct section *defaults;	/* [backend_defaults], or NULL */
	struct config_record *records;	/* of [replicad] */
	struct config_record *warnings;	/* ->value is a sentence */
};

/* The defaults, without any volume. 0 or -ENOMEM. */
int config_init(struct config *config);
void config_clear(struct config *config);

/*
 * Reads a file over what @config has. A volume or section that is there already
 * is refused. @is_runtime is noted in each. 0 or -errno; then @error has the
 * sentence and @config must be cleared.
 */
int config_read(struct config *config, const char *path, bool is_runtime,
		char error[CONFIG_ERROR_SIZE]);
/* The files *.conf of the folder PATH.d, in the order of their names. */
int config_read_folder(struct config *config, const char *path,
		       char error[CONFIG_ERROR_SIZE]);
/*
 * When all files are read, once: makes targets of the lists of backends, looks
 * at every reference, and resolves every volume. As config_read().
 */
int config_finish(struct config *config, char error[CONFIG_ERROR_SIZE]);

/* One file, and that is all: config_read() and config_finish(). */
int config_load(struct config *config, const char *path, bool is_runtime,
		char error[CONFIG_ERROR_SIZE]);

/*
 * All that a daemon reads: @path (NULL: the default file, if there is one), its
 * folder, and what STATE_DIR keeps; @state_dir overrides what the file says.
 */
int config_load_all(struct config *config, const char *path,
		    const char *state_dir, char error[CONFIG_ERROR_SIZE]);

/*
 * Writes the volumes that were enabled at run time to @path: atomically, and
 * durable when it returns. Only their own keys are written, and overwrite is
 * not: it was meant for the target that was there then.
 */
int config_save(const struct config *config, const char *path);
/* The same of the targets that were added at run time. */
int config_save_targets(const struct config *config, const char *path);

struct volume_config *config_find(const struct config *config,
				  const char *name);
/* NULL: none. A backend is also found by its volume_backend_name. */
struct section *config_section(const struct config *config,
			       enum section_kind kind, const char *name);
/* ", the nearest is "X"", or "" where nothing is near; in @text. */
const char *config_nearest(const struct config *config, enum section_kind kind,
			   const char *name, char text[80]);
const char *section_word(enum section_kind kind);
/* Of a backend: the word behind driver=, and whether that makes volumes. */
const char *section_driver(const struct section *backend);
bool section_makes_volumes(const struct section *backend);

/* A volume with default values that is in no list. NULL: bad name or memory. */
struct volume_config *volume_config_create(const char *name);
/* Without records. */
struct volume_config *volume_config_clone(const struct volume_config *volume);
void volume_config_destroy(struct volume_config *volume);
bool volume_config_equals(const struct volume_config *a,
			  const struct volume_config *b);

/* overwrite was meant for the target of then: at another one it is not set. */
void volume_config_spare(struct volume_config *now,
			 const struct volume_config *before);

/* Sets one key from text. 0 or -errno with a sentence in @error. */
int volume_config_set(struct volume_config *volume, const char *key,
		      const char *value, char error[CONFIG_ERROR_SIZE]);
bool volume_config_is_own(const struct volume_config *volume, const char *key);
/* It was set by other ways than volume_config_set(). */
void volume_config_has_own(struct volume_config *volume, const char *key);

/*
 * Fills in what the volume does not say itself: from the groups and pools that
 * name it, from its type, and where its target is. Again is fine. 0 or -errno.
 */
int config_resolve(const struct config *config, struct volume_config *volume,
		   char error[CONFIG_ERROR_SIZE]);

/*
 * config_resolve(), and all that must hold before the volume may run by it:
 * that it is complete, and of its type. 0 or -errno with a sentence.
 */
int config_settle(const struct config *config, struct volume_config *volume,
		  char error[CONFIG_ERROR_SIZE]);

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
