// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor.h"

#include <errno.h>
#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "activation-ask.h"
#include "cmd.h"
#include "config-show.h"
#include "options.h"
#include "print.h"
#include "rpc.h"

#define MIB		1048576ULL
#define STATE_NEEDS	(64 * MIB)

/* --- configuration -------------------------------------------------------- */

/* A file that is wrong leaves an empty configuration. */
static bool is_well(struct doctor *d, int err, bool is_runtime,
		    const char *error)
{
	if (!err)
		return true;
	doctor_find(d, "config", LEVEL_BAD, is_runtime ?
		    "replicad writes this file: put it right by hand, "
		    "or move it away and enable its volumes again" :
		    "put it right; replicad --check says when it is", "%s",
		    error);
	config_clear(&d->config);
	config_init(&d->config);
	return false;
}

static bool load(struct doctor *d, const char *path, bool is_runtime)
{
	char error[CONFIG_ERROR_SIZE] = "";
	char *file = doctor_path(d, path);
	int err = 0;

	if (doctor_is_hidden(d, path, R_OK)) {
		doctor_cannot(d, "config", path);
		free(file);
		return is_runtime;	/* the rest is worth a look */
	}
	if (file && doctor_has(d, path))
		err = config_read(&d->config, file, is_runtime, error);
	if (file && !err && !is_runtime)
		err = config_read_folder(&d->config, file, error);
	free(file);
	return is_well(d, err, is_runtime, error);
}

static bool load_kept(struct doctor *d, const char *name)
{
	char path[500];

	snprintf(path, sizeof(path), "%.450s/%s", d->config.state_dir, name);
	return load(d, path, true);
}

static bool finish(struct doctor *d)
{
	char error[CONFIG_ERROR_SIZE] = "";

	return is_well(d, config_finish(&d->config, error), false, error);
}

static void check_keys(struct doctor *d, const struct volume_config *v)
{
	if (v->metadata && !strcmp(v->metadata, "none"))
		doctor_find(d, "metadata", LEVEL_WARN, "disable it, and "
			    "enable it with --metadata DEVICE",
			    "%s has none: after each boot or crash all "
			    "of it is sent again", v->name);
	if (v->origin && v->target && !strncmp(v->target, "pair:", 5) &&
	    v->activation != ACTIVATION_ASK)
		doctor_find(d, "boot", LEVEL_WARN, v->is_runtime ?
			    "enable it with --activation ask, see replicad(8)" :
			    "activation=ask in its section, see replicad(8)",
			    "%s comes up at a boot "
			    "without asking: it is active at both sites then, "
			    "where the other one has taken over", v->name);
}

void doctor_config(struct doctor *d)
{
	const struct volume_config *v;
	int nr = 0;

	if (!load(d, d->config_path, false) || !load_kept(d, "targets.conf") ||
	    !load_kept(d, "volumes.conf") || !finish(d))
		return;
	for (v = d->config.volumes; v; v = v->next)
		nr++;
	doctor_find(d, "config", LEVEL_OK, NULL, "is good: %d volume%s", nr,
		    nr == 1 ? "" : "s");
	for (v = d->config.volumes; v; v = v->next)
		check_keys(d, v);
}

/* --- who may read and write it -------------------------------------------- */

/* The line of @file that has a secret; 0: none. What is shown has ***. */
static int secret_in(const json_t *sections, const char *file)
{
	const json_t *section, *key;
	size_t i, j, len = strlen(file);

	json_array_foreach(sections, i, section)
		json_array_foreach(json_object_get(section, "keys"), j, key) {
			const char *value = json_string_value(
				json_object_get(key, "value"));
			const char *origin = json_string_value(
				json_object_get(key, "origin"));

			if (value && origin && strstr(value, "***") &&
			    !strncmp(origin, file, len) && origin[len] == ':')
				return atoi(origin + len + 1);
		}
	return 0;
}

static void check_mode(struct doctor *d, const json_t *sections,
		       const char *file)
{
	const char *name = file + strlen(d->root);
	char remedy[600];
	struct stat st;
	int line;

	if (stat(file, &st))
		return;
	if ((st.st_uid && st.st_uid != geteuid()) || st.st_mode & 0002 ||
	    (st.st_mode & 0020 && st.st_gid)) {
		snprintf(remedy, sizeof(remedy), "chown root %.200s; chmod "
			 "go-w %.200s", name, name);
		doctor_find(d, "config", LEVEL_BAD, remedy, "%s can be written "
			    "by others than root: who does says what replicad "
			    "does, as root", name);
	}
	line = st.st_mode & 0004 ? secret_in(sections, file) : 0;
	snprintf(remedy, sizeof(remedy), "chmod o-r %.200s; and take another "
		 "secret, for it was open to all", name);
	if (line)
		doctor_find(d, "config", LEVEL_WARN, remedy, "%s can be read "
			    "by anybody, and has a secret in line %d", name,
			    line);
}

/* Also those that cannot be read as a configuration. */
void doctor_modes(struct doctor *d)
{
	char *file = doctor_path(d, d->config_path), pattern[600];
	json_t *sections = config_json(&d->config);
	glob_t all;

	if (file)
		check_mode(d, sections, file);
	snprintf(pattern, sizeof(pattern), "%.500s.d/*.conf", file ?: "");
	if (file && !glob(pattern, 0, NULL, &all)) {
		for (size_t i = 0; i < all.gl_pathc; i++)
			check_mode(d, sections, all.gl_pathv[i]);
		globfree(&all);
	}
	json_decref(sections);
	free(file);
}

/* --- space ---------------------------------------------------------------- */

static void check_space(struct doctor *d, const char *what, const char *dir,
			uint64_t needs, const char *remedy)
{
	char *path = doctor_path(d, dir);
	char has[PRINT_LEN], wants[PRINT_LEN];
	struct statvfs fs;

	if (doctor_is_hidden(d, dir, F_OK)) {
		doctor_cannot(d, "space", dir);
		free(path);
		return;
	}
	if (!path || statvfs(path, &fs)) {
		doctor_find(d, "space", LEVEL_BAD, "make the folder",
			    "%s: %.200s: %s", what, dir, strerror(errno));
		free(path);
		return;
	}
	free(path);
	print_bytes(has, (double)fs.f_bavail * fs.f_frsize);
	print_bytes(wants, needs);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < needs)
		doctor_find(d, "space", LEVEL_BAD, remedy, "%s: %.200s has %s "
			    "free, and may need %s", what, dir, has, wants);
	else
		doctor_find(d, "space", LEVEL_OK, NULL, "%s: %.200s has %s "
			    "free", what, dir, has);
}

void doctor_space(struct doctor *d)
{
	const struct volume_config *v;

	if (doctor_has(d, d->config.state_dir))
		check_space(d, "state", d->config.state_dir, STATE_NEEDS,
			    "make room: replicad cannot note what it must know "
			    "after a restart");
	for (v = d->config.volumes; v; v = v->next) {
		char *copy = v->spool ? strdup(v->spool) : NULL;

		if (copy)
			check_space(d, v->name, dirname(copy), v->spool_size,
				    "make room, or a smaller spool_size=");
		free(copy);
	}
}

/* --- the daemon ----------------------------------------------------------- */

/* Who encrypts what is sent: it goes on without the kernel, at a price. */
static void check_encryption(struct doctor *d, const json_t *v)
{
	const char *tls = json_string_value(json_object_get(v, "tls"));
	const char *name = json_string_value(json_object_get(v, "name"));

	if (tls && !strcmp(tls, "kernel"))
		doctor_find(d, "tls", LEVEL_OK, NULL, "%s: the kernel encrypts "
			    "what is sent (kTLS)", name);
	else if (tls && doctor_has(d, "/proc/net/tls_stat"))
		doctor_find(d, "tls", LEVEL_OK, NULL, "%s: replicad encrypts "
			    "what is sent: the kernel cannot, with this peer, "
			    "or could not when they connected", name);
	else if (tls)
		doctor_find(d, "tls", LEVEL_WARN, "modprobe tls, also at boot "
			    "(/etc/modules-load.d); replicactl pause, resume",
			    "%s: replicad encrypts what is sent, not the kernel "
			    "(kTLS): it costs more", name);
}

static void check_volume(struct doctor *d, const json_t *v)
{
	const char *reason = json_string_value(json_object_get(v, "reason"));

	if (reason && reason[0])
		doctor_find(d, "volume", LEVEL_WARN,
			    json_string_value(json_object_get(v, "next_step")),
			    "%s: %s: %s",
			    json_string_value(json_object_get(v, "name")),
			    json_string_value(json_object_get(v, "state")),
			    reason);
	check_encryption(d, v);
}

void doctor_daemon(struct doctor *d)
{
	struct rpc_error err;
	json_t *status = ctl_try(d->args, "status", json_object(), &err), *v;
	size_t i;

	if (!status && err.exit_status == STATUS_PERMISSION) {
		doctor_cannot(d, "replicad", "its socket");
		return;
	}
	if (!status) {
		doctor_find(d, "replicad", LEVEL_BAD, "systemctl start replicad;"
			    " journalctl -u replicad tells why it ended",
			    "does not run: nothing is shipped");
		return;
	}
	doctor_find(d, "replicad", LEVEL_OK, NULL, "runs");
	json_array_foreach(json_object_get(status, "volumes"), i, v)
		check_volume(d, v);
	json_decref(status);
}
