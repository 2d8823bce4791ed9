// SPDX-License-Identifier: GPL-2.0-or-later
/* Which hooks there are, whether they may be run, and which are owed. */
#include "hooks.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook-process.h"
#include "log.h"
#include "state-file.h"

static const struct {
	const char *name;
	bool may_refuse;
} table[HOOK_NR] = {
	[HOOK_BEFORE_PROMOTE] = { "before-promote", true },
	[HOOK_AFTER_PROMOTE] = { "after-promote", false },
	[HOOK_BEFORE_DEMOTE] = { "before-demote", true },
	[HOOK_AFTER_DEMOTE] = { "after-demote", false },
	[HOOK_SUPERSEDED] = { "superseded", false },
	[HOOK_BEFORE_SYNCING] = { "before-syncing", true },
};

const char *hook_name(enum hook hook)
{
	return table[hook].name;
}

/* --- what one is called with ---------------------------------------------- */

int hook_call_add(struct hook_call *call, const char *volume)
{
	char *all;

	if (asprintf(&all, "%s%s%s", call->volumes ?: "",
		     call->volumes ? " " : "", volume) < 0)
		return -ENOMEM;
	free(call->volumes);
	call->volumes = all;
	return 0;
}

void hook_call_clear(struct hook_call *call)
{
	free(call->volumes);
	call->volumes = NULL;
}

/* --- may it be run? (Q1) -------------------------------------------------- */

/*
 * @spares: S_ISVTX, where others may write, but replace only what is theirs.
 * 1: there is none.
 */
static int look(const char *path, mode_t kind, mode_t spares, struct error *err)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 1 :
		       error_set(err, -errno, "%.150s: %s", path,
				 strerror(errno));
	if ((st.st_mode & S_IFMT) != kind)
		return error_set(err, -EPERM, "%.150s: is no %s", path,
				 kind == S_IFDIR ? "folder" : "regular file");
	if (st.st_uid && st.st_uid != geteuid())
		return error_set(err, -EPERM, "%.150s: does not belong to root",
				 path);
	if (st.st_mode & 022 && !(st.st_mode & spares))
		return error_set(err, -EPERM, "%.150s: others than its owner "
				 "can write it", path);
	return 0;
}

static int look_at_parents(const char *dir, struct error *err)
{
	char path[PATH_MAX];
	int ret = look("/", S_IFDIR, S_ISVTX, err);

	for (const char *end = strchr(dir + 1, '/'); !ret && end;
	     end = strchr(end + 1, '/')) {
		snprintf(path, sizeof(path), "%.*s", (int)(end - dir), dir);
		ret = look(path, S_IFDIR, S_ISVTX, err);
	}
	return ret;
}

/* 1: there is none, and that is all right. */
static int look_at_folder(const struct hooks *hooks, struct error *err)
{
	int ret;

	if (hooks->dir[0] != '/')
		return error_set(err, -EINVAL, "hooks=%.150s: want an absolute "
				 "path", hooks->dir);
	ret = look(hooks->dir, S_IFDIR, 0, err);
	if (!ret)
		ret = look_at_parents(hooks->dir, err);
	if (ret <= 0 || !hooks->must_exist)
		return ret;
	return error_set(err, -ENOENT, "%.150s: the folder of hooks is missing "
			 "(hooks=): nobody knows what would be run", hooks->dir);
}

/* 0: @path may be run; 1: there is none; -errno. */
static int find(const struct hooks *hooks, enum hook hook, char path[PATH_MAX],
		struct error *err)
{
	int ret;

	if (!hooks || !hooks->dir)
		return 1;
	if (snprintf(path, PATH_MAX, "%s/%s", hooks->dir, hook_name(hook)) >=
	    PATH_MAX)
		return error_set(err, -ENAMETOOLONG, "%.150s", hooks->dir);
	ret = look_at_folder(hooks, err);
	if (!ret)
		ret = look(path, S_IFREG, 0, err);
	if (!ret && access(path, X_OK))
		ret = error_set(err, -EPERM, "%.150s: is not executable", path);
	return ret;
}

bool hooks_has(const struct hooks *hooks, enum hook hook)
{
	char path[PATH_MAX];

	return find(hooks, hook, path, NULL) <= 0;
}

void hooks_check(const struct hooks *hooks)
{
	struct error why = { 0 };

	if (hooks->dir && look_at_folder(hooks, &why) < 0)
		log_err(NULL, "%s: what a hook may refuse is refused",
			why.text);
}

/* --- running -------------------------------------------------------------- */

static int tell(const struct hook_call *call, int ret, struct error *err)
{
	if (ret != -ECANCELED)
		log_err(call->volume, "hook %s: %s", hook_name(call->hook),
			err->text);
	return ret;
}

int hooks_run(const struct hooks *hooks, const struct hook_call *call,
	      struct error *err)
{
	char path[PATH_MAX];
	struct error why = { 0 };
	int ret = find(hooks, call->hook, path, &why);

	if (ret > 0)
		return 0;
	if (!ret) {
		log_info(call->volume, "hook %s: begins",
			 hook_name(call->hook));
		ret = hook_process_run(hooks, call, path, &why);
	}
	if (!ret)
		return 0;
	tell(call, ret, &why);
	if (!table[call->hook].may_refuse)
		return ret;
	return error_set(err, ret == -ECANCELED ? ret : -EPERM,
			 "%.60s: refused by the hook %s: %.150s", call->volume,
			 hook_name(call->hook), why.text);
}

/* --- what is owed (Q3) ---------------------------------------------------- */

static int owed_path(const struct hooks *hooks, enum hook hook,
		     const char *volume, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/hooks/%s%s%s%s", hooks->state_dir,
			hook_name(hook), volume ? "/" : "", volume ?: "",
			volume ? ".json" : "") < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int make_folders(const struct hooks *hooks, enum hook hook,
			char path[PATH_MAX])
{
	int ret = snprintf(path, PATH_MAX, "%s/hooks", hooks->state_dir) <
		  PATH_MAX ? 0 : -ENAMETOOLONG;

	if (!ret)
		ret = state_folder_make(path);
	if (!ret)
		ret = owed_path(hooks, hook, NULL, path);
	return ret ? ret : state_folder_make(path);
}

static int write_owed(const struct hooks *hooks, const struct hook_call *call,
		      char path[PATH_MAX])
{
	json_t *o = json_pack("{ss ss ss sI sI ss}", "volumes",
			      call->volumes ?: call->volume,
			      "group", call->group, "device", call->device,
			      "epoch", (json_int_t)call->epoch, "generation",
			      (json_int_t)call->generation, "reason",
			      call->reason);
	char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;
	int ret = text ? make_folders(hooks, call->hook, path) : -ENOMEM;

	if (!ret)
		ret = owed_path(hooks, call->hook, call->volume, path);
	if (!ret)
		ret = state_file_write(path, text, strlen(text));
	free(text);
	json_decref(o);
	return ret;
}

int hooks_owe(const struct hooks *hooks, const struct hook_call *call,
	      struct error *err)
{
	char path[PATH_MAX] = "";
	int ret = hooks_has(hooks, call->hook) ?
		  write_owed(hooks, call, path) : 0;

	return ret ? error_set(err, ret, "%.180s: %s", path, strerror(-ret)) :
		     0;
}

static void take_text(char *field, size_t size, const json_t *o,
		      const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	snprintf(field, size, "%s", text ?: "");
}

static void fill(struct hook_call *c, const json_t *o)
{
	const char *all = json_string_value(json_object_get(o, "volumes"));

	c->volumes = all && *all ? strdup(all) : NULL;
	take_text(c->group, sizeof(c->group), o, "group");
	take_text(c->device, sizeof(c->device), o, "device");
	take_text(c->reason, sizeof(c->reason), o, "reason");
	c->epoch = json_integer_value(json_object_get(o, "epoch"));
	c->generation = json_integer_value(json_object_get(o, "generation"));
}

/* What cannot be read is damaged: the hook is owed all the same. */
static bool load_owed(struct hook_call *call, const char *path)
{
	char *text = NULL;
	size_t len;
	json_t *o;

	if (state_file_read(path, &text, &len))
		return !access(path, F_OK);
	o = json_loads(text, 0, NULL);
	fill(call, o);
	json_decref(o);
	free(text);
	return true;
}

static void forget_owed(const char *path, const char *volume)
{
	int err = state_file_remove(path);

	if (err)
		log_err(volume, "%s: %s: the hook may be run again", path,
			strerror(-err));
}

void hooks_waive(const struct hooks *hooks, enum hook hook, const char *volume)
{
	char path[PATH_MAX];

	if (hooks && !owed_path(hooks, hook, volume, path))
		forget_owed(path, volume);
}

void hooks_pay(const struct hooks *hooks, enum hook hook, const char *volume)
{
	struct hook_call call = { .hook = hook };
	char path[PATH_MAX];

	if (!hooks || owed_path(hooks, hook, volume, path))
		return;
	snprintf(call.volume, sizeof(call.volume), "%s", volume);
	if (load_owed(&call, path) &&
	    hooks_run(hooks, &call, NULL) != -ECANCELED)
		forget_owed(path, volume);
	hook_call_clear(&call);
}

void hooks_each_owed(const struct hooks *hooks, enum hook hook,
		     void (*each)(void *arg, const char *volume), void *arg)
{
	char path[PATH_MAX];

	if (hooks && !owed_path(hooks, hook, NULL, path))
		state_folder_each(path, each, arg);
}
