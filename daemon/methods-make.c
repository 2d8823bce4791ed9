// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The methods create, clone, delete and extend, of volumes that drivers make.
 *
 *	create:	op_make ─> answer; or op_enable ─> op_make_settle ─>
 *		answer; where that fails ─> op_undo_enable if it is
 *		replicated by then ─> op_unmake ─> refusal
 *	clone:	the same, with op_clone
 *	extend:	op_grow ─> op_extend, if it is replicated or was promoted ─>
 *		answer
 *	delete:	op_disable if it is said ─> op_unmake ─> answer; of what was
 *		promoted: methods-delete-promoted.c
 *
 * C1 All that can be known is looked at before anything is made: the backend,
 *    the type, the target.
 * C2 What is to be replicated is so when the answer comes, or it is not there;
 *    or, where it cannot be undone, the refusal says so, and it stays.
 */
#include "methods.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"
#include "config-match.h"
#include "control.h"
#include "daemon.h"
#include "driver.h"
#include "identity.h"
#include "log.h"
#include "made.h"
#include "ops.h"
#include "promoted.h"
#include "promotion.h"

#define SIZE_STEP	4096	/* of a volume: nothing smaller is tracked */

struct making {
	struct request *request;
	struct made made;
	struct made *from;		/* a clone of it; NULL: empty */
	const char *snapshot;		/* … of this one; "": as it is now */
	struct volume_config *config;	/* NULL: it is not to be replicated */
	json_t *result;
	int exit_status;		/* of the refusal, when it is unmade */
	char error[CONFIG_ERROR_SIZE];
};

static struct making *making_create(struct request *request)
{
	struct making *x = calloc(1, sizeof(*x));

	if (!x) {
		request_refuse(request, 1, "no memory");
		return NULL;
	}
	x->request = request;
	request->daemon->nr_methods++;
	return x;
}

/* The request is answered. */
static void making_end(struct making *x, struct daemon *daemon)
{
	volume_config_destroy(x->config);
	json_decref(x->result);
	free(x->from);
	free(x);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static void refuse(struct making *x, int exit_status, const char *text)
{
	struct daemon *daemon = x->request->daemon;

	request_refuse(x->request, exit_status, "%s", text);
	making_end(x, daemon);
}

static void answer(struct making *x)
{
	struct daemon *daemon = x->request->daemon;

	json_object_set_new(x->result, "schema_version", json_integer(1));
	request_answer(x->request, json_incref(x->result));
	making_end(x, daemon);
}

/* The op has ended well, or its refusal was told. */
static bool take(struct making *x, struct op *op)
{
	bool is_well = !op->err;

	if (is_well && op->result)
		json_object_update(x->result, op->result);
	else if (!is_well)
		refuse(x, method_exit_status(op->err), op->error[0] ?
		       op->error : strerror(-op->err));
	op_free(op);
	return is_well;
}

static void check_op(struct making *x, const struct op *op)
{
	if (!op)
		refuse(x, 1, "no memory");
}

static bool is_dry(const struct making *x)
{
	return request_flag(x->request, "dry_run");
}

/* --- create --------------------------------------------------------------- */

/* It is there, whatever was to become of it: it must not go at a start. */
static void on_kept(struct op *op)
{
	struct making *x = op->arg;

	if (op->err)
		log_err(x->made.volume, "it could not be undone, and goes at "
			"the next start: %s", op->error);
	op_free(op);
	refuse(x, x->exit_status, x->error);
}

static void append(struct making *x, const char *before, const char *text)
{
	size_t len = strlen(x->error);

	snprintf(x->error + len, sizeof(x->error) - len, "%s%.200s", before,
		 text);
}

static void on_undone(struct op *op)
{
	struct making *x = op->arg;
	struct daemon *daemon = op->daemon;
	bool is_left = op->err;

	if (is_left) {
		log_err(x->made.volume, "it could not be undone: %s",
			op->error);
		append(x, "; that could not be undone: ", op->error);
	}
	op_free(op);
	if (is_left && daemon_find(daemon, x->made.volume))
		check_op(x, op_make_settle(daemon, x->made.volume, on_kept,
					   x));
	else
		refuse(x, x->exit_status, x->error);
}

static void on_out(struct op *op)
{
	struct making *x = op->arg;
	struct daemon *daemon = op->daemon;

	append(x, "; so it was taken back", "");
	if (op->err)
		log_err(x->made.volume, "%s", op->error);
	op_free(op);
	check_op(x, op_unmake(daemon, x->made.volume, on_undone, x));
}

/* C2. It may be replicated, and only not be so after a restart. */
static void undo(struct making *x, struct op *op)
{
	struct daemon *daemon = op->daemon;

	x->exit_status = method_exit_status(op->err);
	snprintf(x->error, sizeof(x->error), "%.300s", op->error[0] ?
		 op->error : strerror(-op->err));
	op_free(op);
	if (daemon_find(daemon, x->made.volume))
		check_op(x, op_undo_enable(daemon, x->made.volume, on_out, x));
	else
		check_op(x, op_unmake(daemon, x->made.volume, on_undone, x));
}

static void on_settled(struct op *op)
{
	struct making *x = op->arg;

	if (op->err)
		undo(x, op);
	else if (take(x, op))
		answer(x);
}

static void on_enabled(struct op *op)
{
	struct making *x = op->arg;
	struct daemon *daemon = op->daemon;

	if (op->err)
		undo(x, op);
	else if (take(x, op))
		check_op(x, op_make_settle(daemon, x->made.volume, on_settled,
					   x));
}

/* What it would be; nothing was made. */
static void answer_dry(struct making *x)
{
	char *target = x->config ? config_masked(x->config->target) : NULL;

	json_object_update_new(x->result, made_describe(&x->made));
	json_object_del(x->result, "step");
	json_object_set_new(x->result, "dry_run", json_true());
	json_object_set_new(x->result, "replicated", json_boolean(x->config));
	if (target)
		json_object_set_new(x->result, "target", json_string(target));
	free(target);
	answer(x);
}

static void on_made(struct op *op)
{
	struct making *x = op->arg;
	struct daemon *daemon = op->daemon;
	struct volume_config *config = x->config;

	if (!take(x, op))
		return;
	if (is_dry(x)) {
		answer_dry(x);
		return;
	}
	json_object_set_new(x->result, "replicated", json_boolean(config));
	x->config = NULL;
	if (config)
		check_op(x, op_enable(daemon, config, on_enabled, x));
	else
		answer(x);
}

/* The one that is named, and fits. */
static const struct section *check_backend(const struct config *config,
					   const char *name,
					   const struct section *type,
					   char error[CONFIG_ERROR_SIZE])
{
	const struct section *s = config_section(config, SECTION_BACKEND, name);
	char near[80], why[MATCH_WHY];

	if (!s)
		snprintf(error, CONFIG_ERROR_SIZE, "there is no [backend %.60s]"
			 "%s", name, config_nearest(config, SECTION_BACKEND,
						    name, near));
	else if (!driver_of(s))
		snprintf(error, CONFIG_ERROR_SIZE, "[backend %s] has driver=%s,"
			 " which makes no volumes: want lvm or file", s->name,
			 section_driver(s));
	else if (type && !match_type(config, type, s, why))
		snprintf(error, CONFIG_ERROR_SIZE, "%.*s", MATCH_WHY, why);
	else
		return s;
	return NULL;
}

/* The first that makes volumes, and fits. */
static const struct section *choose_backend(const struct config *config,
					    const struct section *type,
					    char error[CONFIG_ERROR_SIZE])
{
	char why[MATCH_WHY] = "there is no [backend] with driver=lvm or file";

	for (const struct section *s = config->sections; s; s = s->next)
		if (s->kind == SECTION_BACKEND && driver_of(s) &&
		    (!type || match_type(config, type, s, why)))
			return s;
	snprintf(error, CONFIG_ERROR_SIZE, "no backend is one for it: %.*s",
		 MATCH_WHY, why);
	return NULL;
}

/* What the driver says is not said by others. */
static int set_keys(struct making *x, char error[CONFIG_ERROR_SIZE])
{
	static const char *const keys[] = { "type", "target", NULL };
	static const char *const drivers[] = { "device", "origin", "metadata",
					       "backend", NULL };
	json_t *options = json_object_get(x->request->params, "options");

	for (size_t i = 0; drivers[i]; i++)
		if (json_object_get(options, drivers[i]))
			return config_refuse(error, -EDESTADDRREQ, "%s is not "
					     "an option of create: what makes "
					     "the volume says it", drivers[i]);
	return method_set_keys(x->config, x->request->params, keys, error);
}

/* A clone of what was promoted is in no backend, but beside it (V12). */
static int check_beside(const struct making *x, struct section *beside,
			char error[CONFIG_ERROR_SIZE])
{
	if (x->config->type)
		return config_refuse(error, -EINVAL, "volume %.60s is in no "
				     "backend that could have a type: clone it "
				     "without one", x->from->volume);
	*beside = (struct section){ .name = x->from->backend,
				    .driver = DRIVER_FILE,
				    .folder = x->from->place };
	return 0;
}

static int plan(struct making *x, const struct section *backend,
		char error[CONFIG_ERROR_SIZE])
{
	struct made *m = &x->made;
	struct error err = { 0 };
	int ret;

	snprintf(m->volume, sizeof(m->volume), "%s", x->config->name);
	snprintf(m->backend, sizeof(m->backend), "%s", backend->name);
	snprintf(m->driver, sizeof(m->driver), "%s", section_driver(backend));
	if (volume_config_is_own(x->config, "type"))
		snprintf(m->type, sizeof(m->type), "%s", x->config->type);
	identity_random(&m->id, sizeof(m->id));
	ret = driver_of(backend)->plan(m, backend, &err);
	if (!ret && x->from && (strcmp(m->driver, x->from->driver) ||
				strcmp(m->place, x->from->place)))
		ret = error_set(&err, -EINVAL, "[backend %s] is not where %s "
				"was made any more", backend->name,
				x->from->volume);
	if (!ret && x->from)
		snprintf(m->pool, sizeof(m->pool), "%s", x->from->pool);
	if (!ret)
		ret = made_fill(m, x->config);
	if (ret)
		snprintf(error, CONFIG_ERROR_SIZE, "%s", err.text[0] ?
			 err.text : strerror(-ret));
	return ret;
}

/* By its type, by a pool that is replicated whole, or as a target is named. */
static bool wants_replication(const struct config *config,
			      const struct volume_config *v)
{
	const struct section *type = !v->type ? NULL :
		config_section(config, SECTION_TYPE, v->type);

	return volume_config_is_own(v, "target") || v->group ||
	       match_wants_replication(type);
}

/* C1. 0, or -errno with a sentence. */
static int fill(struct making *x, char error[CONFIG_ERROR_SIZE])
{
	const struct config *config = &x->request->daemon->config;
	const char *name = x->from ? x->from->backend :
				     request_text(x->request, "backend");
	const struct section *backend = NULL, *type;
	struct section beside;
	int err = set_keys(x, error);

	if (!err && x->from && x->from->type[0] &&
	    !volume_config_is_own(x->config, "type"))
		err = volume_config_set(x->config, "type", x->from->type,
					error);
	if (!err)
		err = config_resolve(config, x->config, error);
	if (err)
		return err;
	type = !x->config->type ? NULL :
	       config_section(config, SECTION_TYPE, x->config->type);
	if (x->from && !*name)
		backend = check_beside(x, &beside, error) ? NULL : &beside;
	else
		backend = name ? check_backend(config, name, type, error) :
				 choose_backend(config, type, error);
	if (!backend)
		return -EINVAL;
	err = plan(x, backend, error);
	if (!err)
		err = config_resolve(config, x->config, error);
	if (err)
		return err;
	if (wants_replication(config, x->config)) {
		x->config->is_runtime = true;
		return config_settle(config, x->config, error) ?:
		       method_go_with_group(x->request->daemon, x->config,
					    error) ?:
		       volume_config_check_clear(x->config, error);
	}
	volume_config_destroy(x->config);
	x->config = NULL;
	return 0;
}

/* How large it is to be. 0, or -errno with a sentence. */
static int take_size(struct making *x, char error[CONFIG_ERROR_SIZE])
{
	json_int_t bytes = json_integer_value(json_object_get(
					x->request->params, "size_bytes"));

	x->made.bytes = (bytes + SIZE_STEP - 1ULL) / SIZE_STEP * SIZE_STEP;
	if (bytes > 0 && driver_metadata_bytes(x->made.bytes))
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "want size_bytes, of a volume that "
		 "there can be");
	return -EDESTADDRREQ;
}

/* 0, or -errno with a sentence: a file has it, or the size is none. */
static int check(struct making *x, const char *name,
		 char error[CONFIG_ERROR_SIZE])
{
	int err = enable_of_file(x->request, name, &x->config, error);

	if (x->config || err == -EEXIST) {
		snprintf(error, CONFIG_ERROR_SIZE, "volume %.60s is of the "
			 "files already", name);
		return -EEXIST;
	}
	return err || x->from ? err : take_size(x, error);
}

static const struct op *start(struct making *x)
{
	struct daemon *daemon = x->request->daemon;

	return x->from ? op_clone(daemon, &x->made, x->from->volume,
				  x->snapshot, x->config, is_dry(x), on_made,
				  x) :
			 op_make(daemon, &x->made, x->config, is_dry(x),
				 on_made, x);
}

static void begin_make(struct making *x, const char *name)
{
	char error[CONFIG_ERROR_SIZE] = "no memory";
	int err = check(x, name, error);

	if (!err)
		x->config = volume_config_create(name);
	if (!err && !x->config) {
		snprintf(error, sizeof(error), "\"%.60s\" is not a name for a "
			 "volume: use letters, digits and . _ -", name);
		err = -EDESTADDRREQ;
	}
	if (!err)
		err = fill(x, error);
	if (err)
		refuse(x, method_exit_status(err), error);
	else
		check_op(x, start(x));
}

void do_create(struct request *request)
{
	const char *name = request_text(request, "volume");
	struct making *x;

	if (!name) {
		request_refuse(request, 2, "the volume is missing");
		return;
	}
	x = making_create(request);
	if (!x)
		return;
	x->result = json_object();
	begin_make(x, name);
}

/* --- clone ---------------------------------------------------------------- */

/* As load_source() of ops-make.c, which does it again in its turn. */
static int load_source(struct making *x, const char *name, struct error *err)
{
	const struct daemon *daemon = x->request->daemon;
	struct promoted *p = NULL;
	int ret;

	x->from = malloc(sizeof(*x->from));
	ret = !x->from ? error_set(err, -ENOMEM, "no memory") :
	      x->snapshot[0] ? made_load(daemon->config.state_dir, name,
					 x->from, err) :
	      promoted_made(daemon, name, &p, x->from, err);
	free(p);
	return ret;
}

/* 0, or -errno with a sentence. */
static int find_source(struct making *x, const char *name,
		       char error[CONFIG_ERROR_SIZE])
{
	const struct snapshot *s;
	struct error err = { 0 };
	int ret = load_source(x, name, &err);

	if (ret) {
		snprintf(error, CONFIG_ERROR_SIZE, ret == -ENOENT ? "volume "
			 "%.60s was not made here" : "%.250s",
			 ret == -ENOENT ? name : err.text);
		return ret;
	}
	s = made_snapshot(x->from, x->snapshot);
	x->made.bytes = s ? s->bytes : x->from->bytes;
	if (s || !x->snapshot[0])
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "volume %.60s has no snapshot %.60s",
		 name, x->snapshot);
	return -ENOENT;
}

static void begin_clone(struct request *request)
{
	struct making *x = making_create(request);
	char error[CONFIG_ERROR_SIZE] = "no memory";
	int err;

	if (!x)
		return;
	x->result = json_object();
	x->snapshot = request_text(request, "snapshot") ?: "";
	err = find_source(x, request_text(request, "volume"), error);
	if (err)
		refuse(x, method_exit_status(err), error);
	else
		begin_make(x, request_text(request, "name"));
}

/* A snapshot is what it was, also where its volume is not to be used. */
void do_clone(struct request *request)
{
	const char *volume = request_text(request, "volume");
	const char *snapshot = request_text(request, "snapshot");

	if (!volume || !volume_name_is_valid(volume) ||
	    !request_text(request, "name"))
		request_refuse(request, 2, "want the names of a volume, and of "
			       "the new one");
	else if (snapshot && !volume_name_is_valid(snapshot))
		request_refuse(request, 2, "want the name of a snapshot, or "
			       "none");
	else if (snapshot)
		begin_clone(request);
	else
		method_if_usable(request, begin_clone);
}

/* --- delete --------------------------------------------------------------- */

static void on_last(struct op *op)
{
	struct making *x = op->arg;

	if (take(x, op))
		answer(x);
}

static void unmake(struct making *x)
{
	check_op(x, op_unmake(x->request->daemon, x->made.volume, on_last, x));
}

static void on_disabled(struct op *op)
{
	struct making *x = op->arg;

	if (take(x, op))
		unmake(x);
}

/* 0, or -errno with a sentence. */
static int find(struct making *x, const char *name, struct error *err)
{
	const struct daemon *daemon = x->request->daemon;
	int ret = made_load(daemon->config.state_dir, name, &x->made, err);

	if (ret == -ENOENT) {
		error_clear(err);
		error_set(err, ret, promotion_is_replica(daemon, name) ?
			  "%.60s is a replica here: replicactl delete --replica "
			  "removes those" : "volume %.60s was not made here: "
			  "disable it, and remove its device by what made that",
			  name);
	}
	return ret ?: enable_check_no_file(daemon, name, err);
}

static void begin_delete(struct making *x)
{
	struct daemon *daemon = x->request->daemon;
	const struct entry *entry = daemon_find(daemon, x->made.volume);

	json_object_set_new(x->result, "dry_run",
			    json_boolean(is_dry(x)));
	if (entry && !request_flag(x->request, "disable"))
		refuse(x, method_exit_status(-EBUSY), "it is replicated: "
		       "disable it first, or say --disable");
	else if (op_find_reader(daemon, x->made.volume))
		refuse(x, method_exit_status(-EBUSY), "a clone of it is being "
		       "copied: wait for that (replicactl create lists it)");
	else if (x->made.nr_snapshots)
		refuse(x, method_exit_status(-EBUSY), "it has snapshots: drop "
		       "them first (replicactl snapshot lists them)");
	else if (is_dry(x))
		answer(x);
	else if (entry)
		check_op(x, op_disable(daemon, x->made.volume, on_disabled,
				       x));
	else
		unmake(x);
}

void do_delete(struct request *request)
{
	const char *name = request_text(request, "volume");
	struct error err = { 0 };
	struct making *x;

	if (!name || !volume_name_is_valid(name)) {
		request_refuse(request, 2, "want the name of a volume");
		return;
	}
	if (promotion_find(request->daemon, name)) {
		do_delete_promoted(request);
		return;
	}
	x = making_create(request);
	if (!x)
		return;
	if (find(x, name, &err)) {
		refuse(x, method_exit_status(err.code), err.text);
		return;
	}
	if (request_flag(request, "group")) {
		refuse(x, 2, "a group is of what was promoted, or of replicas");
		return;
	}
	x->result = made_describe(&x->made);
	begin_delete(x);
}

/* --- extend --------------------------------------------------------------- */

static void on_grown(struct op *op)
{
	struct making *x = op->arg;
	struct daemon *daemon = op->daemon;

	if (!take(x, op))
		return;
	if (is_dry(x)) {
		json_object_set_new(x->result, "dry_run", json_true());
		answer(x);
	} else if (daemon_find(daemon, x->made.volume) ||
		   promotion_find(daemon, x->made.volume))
		check_op(x, op_extend(daemon, x->made.volume, false, on_last,
				      x));
	else
		answer(x);
}

void extend_made(struct request *request, const char *name)
{
	struct making *x = making_create(request);
	char error[CONFIG_ERROR_SIZE];

	if (!x)
		return;
	x->result = json_object();
	if (!volume_name_is_valid(name)) {
		refuse(x, 2, "want the name of a volume");
	} else if (take_size(x, error)) {
		refuse(x, 2, error);
	} else {
		snprintf(x->made.volume, sizeof(x->made.volume), "%s", name);
		check_op(x, op_grow(request->daemon, name, x->made.bytes,
				    is_dry(x), on_grown, x));
	}
}
