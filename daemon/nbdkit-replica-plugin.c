// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The receiving end of replication, as a plugin of nbdkit: nbdkit's callbacks,
 * and nothing that is not about nbdkit. What may be asked for is the business
 * of plugin-export.h, what is kept is the stage's.
 *
 *	config …	parameters				plugin-options
 *	get_ready	what can be refused while somebody is looking
 *	after_fork	the stage is opened: it has threads	stage.h
 *	open … close	one export for each connection		plugin-export
 *	unload		the stage is closed
 *
 * N1 the stage is there from after_fork() to unload(), and `the` is not changed
 *    between; all other callbacks run in that time, many at once.
 * N2 in unload() no thread of nbdkit's has to do with the stage, but what it
 *    did not close (when it is told to end) is still open.
 * N3 before nbdkit 1.34 a client that goes away while several of its requests
 *    are under way takes the server along. So there a connection has one at a
 *    time; who needs speed opens several.
 * N4 nothing waits with nbdkit_nanosleep(): in nbdkit 1.32 it ends the server
 *    when its client is gone.
 * N5 FLUSH, and FUA of data, do nothing: what is not committed is not kept, and
 *    a header is durable when it is answered.
 * N6 with parent= we are killed with it, on the main thread's account. nbdkit's
 *    --exit-with-parent only asks: it waits for its connections then, which may
 *    hang in TLS for as long as their clients like.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NBDKIT_API_VERSION 2
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL
#include <nbdkit-plugin.h>

#include "plugin-export.h"
#include "plugin-log.h"
#include "plugin-options.h"
#include "plugin-quota.h"
#include "version.h"

#define BLOCK_PREFERRED	4096
#define EXTENTS_AT_ONCE	10000

static struct {
	struct plugin_options options;
	struct quota quota;
	struct stage *stage;
} the = { .quota = QUOTA_INIT };

struct connection {
	struct export *export;
	struct plugin_log log;
};

static int refuse(struct connection *c, const struct error *err)
{
	return plugin_refuse(&c->log, c->export->name, err);
}

/* Before there is an export to be named. */
static int refuse_start(const struct error *err)
{
	nbdkit_error("%s", err->text);
	return -1;
}

/* --- parameters ----------------------------------------------------------- */

static void replica_load(void)
{
	plugin_options_init(&the.options);
}

static int replica_config(const char *key, const char *value)
{
	struct error err = { 0 };

	return plugin_options_set(&the.options, key, value, &err) ?
	       refuse_start(&err) : 0;
}

static int replica_config_complete(void)
{
	struct error err = { 0 };

	if (plugin_options_check(&the.options, &err))
		return refuse_start(&err);
	the.quota.max_users = the.options.connections;
	the.quota.sum_rate = the.options.sum_rate;
	return 0;
}

/* N3. By the nbdkit that we were built for. */
static bool can_be_parallel(void)
{
	if (the.options.parallel == PARALLEL_AUTO)
		return NBDKIT_VERSION_MAJOR > 1 || NBDKIT_VERSION_MINOR > 33;
	return the.options.parallel == PARALLEL_YES;
}

static int replica_thread_model(void)
{
	return can_be_parallel() ? NBDKIT_THREAD_MODEL_PARALLEL :
				   NBDKIT_THREAD_MODEL_SERIALIZE_REQUESTS;
}

static void replica_dump_plugin(void)
{
	printf("replica_version=%s\n", REPLICA_VERSION);
	printf("replica_header_version=%d\n", REPLICA_HEADER_VERSION);
	printf("replica_list_version=%d\n", LIST_VERSION);
	printf("replica_sum=xxh3-128\n");
	printf("replica_exports=NAME NAME@EPOCH NAME@latest NAME@history "
	       "NAME@sum NAME@above NAME@above@EPOCH NAME@dirty "
	       "@verbs\n");
	printf("replica_on_full=refuse apply\n");
}

/* --- from start to end ---------------------------------------------------- */

static int replica_get_ready(void)
{
	struct stat st;
	int err = stat(the.options.dir, &st) ? errno :
		  !S_ISDIR(st.st_mode) ? ENOTDIR : 0;

	if (!err)
		return 0;
	nbdkit_error("dir=%s: %s", the.options.dir, strerror(err));
	return -1;
}

/*
 * It is there already, and must be what was asked for, or become larger. It may
 * have grown since, with its volume.
 */
static int check_volume(struct stage_volume *v, const struct create_option *c,
			struct error *err)
{
	const char *group = *c->group ? c->group : c->name;
	struct stage_info info;

	stage_get_info(v, &info);
	if (strcmp(info.base, c->base))
		return error_set(err, -EINVAL, "create=%s: it is there, but on "
				 "%.150s", c->name, info.base);
	if (strcmp(info.group, group))
		return error_set(err, -EINVAL, "create=%s: it is there, but in "
				 "group %s", c->name, info.group);
	return info.bytes < c->bytes ? stage_grow_volume(v, c->bytes, err) : 0;
}

static int create_volume(const struct create_option *c, struct error *err)
{
	struct stage_volume *v = stage_find(the.stage, c->name);
	struct stage_volume_config config = {
		.name = c->name,
		.group = *c->group ? c->group : NULL,
		.base = c->base,
		.bytes = c->bytes,
		.chunk_bytes = the.options.chunk_bytes,
	};

	if (v)
		return check_volume(v, c, err);
	memcpy(config.pair_id, the.options.pair_id, sizeof(config.pair_id));
	return stage_create_volume(the.stage, &config, NULL, err);
}

static void tell_notice(const char *text)
{
	nbdkit_error("%s", text);
}

/* N6 */
static int die_with_parent(pid_t parent, struct error *err)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return error_set(err, -errno, "prctl: %m");
	if (getppid() != parent)
		return error_set(err, -ESRCH, "parent=%d: process %d has "
				 "started this", (int)parent, (int)getppid());
	return 0;
}

static int replica_after_fork(void)
{
	const struct plugin_options *o = &the.options;
	struct error err = { 0 };
	int ret = o->parent ? die_with_parent(o->parent, &err) : 0;

	if (!ret)
		ret = stage_open(&the.stage, o->dir, &o->stage, &err);
	if (!ret)
		stage_tell_notices(the.stage, tell_notice);
	for (struct create_option *c = o->creates; !ret && c; c = c->next)
		ret = create_volume(c, &err);
	return ret ? refuse_start(&err) : 0;
}

static void replica_unload(void)
{
	struct quota_user *u;

	while ((u = the.quota.users))			/* N2 */
		export_close(export_of_user(u));
	stage_close(the.stage);
	plugin_options_clear(&the.options);
}

/* --- the list of exports -------------------------------------------------- */

static int add_export(void *arg, const char *name, const char *text)
{
	return nbdkit_add_export(arg, name, text);
}

static int replica_list_exports(int readonly, int is_tls,
				struct nbdkit_exports *exports)
{
	return export_list(the.stage, add_export, exports) ? -1 : 0;
}

static const char *replica_default_export(int readonly, int is_tls)
{
	char name[EXPORT_NAME_LEN];

	return export_default(the.stage, name) ?
	       nbdkit_strdup_intern(name) : NULL;
}

/* --- a connection --------------------------------------------------------- */

static void *replica_open(int readonly)
{
	const struct export_verbs verbs = { the.options.verbs,
					    the.options.pair };
	const char *name = nbdkit_export_name();
	struct connection *c = calloc(1, sizeof(*c));
	struct error err = { 0 };

	if (!c || !name) {
		nbdkit_error("no memory");
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->log.lock, NULL);
	if (!export_open(&c->export, the.stage, &the.quota, &verbs, name,
			 &err))
		return c;
	plugin_refuse(NULL, name, &err);
	pthread_mutex_destroy(&c->log.lock);
	free(c);
	return NULL;
}

static void replica_close(void *handle)
{
	struct connection *c = handle;

	plugin_log_end(&c->log, c->export->name);
	export_close(c->export);
	pthread_mutex_destroy(&c->log.lock);
	free(c);
}

static struct export *export_of(void *handle)
{
	struct connection *c = handle;

	return c->export;
}

static const char *replica_export_description(void *handle)
{
	char text[256];

	export_describe(export_of(handle), text, sizeof(text));
	return nbdkit_strdup_intern(text);
}

static int64_t replica_get_size(void *handle)
{
	return export_of(handle)->bytes;
}

static int replica_block_size(void *handle, uint32_t *minimum,
			      uint32_t *preferred, uint32_t *maximum)
{
	const struct export *e = export_of(handle);

	*minimum = e->ops->block_min;
	*maximum = e->ops->block_max;
	*preferred = BLOCK_PREFERRED;
	if (e->ops->write && e->chunk_bytes > BLOCK_PREFERRED)
		*preferred = e->chunk_bytes;
	return 0;
}

static int replica_can_write(void *handle)
{
	return export_of(handle)->ops->write != NULL;
}

static int replica_yes(void *handle)
{
	return 1;
}

static int replica_no(void *handle)
{
	return 0;
}

static int replica_can_fua(void *handle)
{
	return NBDKIT_FUA_NATIVE;
}

static int replica_can_multi_conn(void *handle)
{
	return export_of(handle)->ops->is_same_for_all;
}

static int replica_can_extents(void *handle)
{
	return export_of(handle)->ops->extents != NULL;
}

/* --- requests ------------------------------------------------------------- */

static int replica_pread(void *handle, void *buf, uint32_t count,
			 uint64_t offset, uint32_t flags)
{
	struct connection *c = handle;
	struct export *e = c->export;
	struct error err = { 0 };

	quota_touch(&e->user);
	return e->ops->read(e, buf, count, offset, &err) ? refuse(c, &err) : 0;
}

static int replica_pwrite(void *handle, const void *buf, uint32_t count,
			  uint64_t offset, uint32_t flags)
{
	struct connection *c = handle;
	struct export *e = c->export;
	struct error err = { 0 };

	quota_touch(&e->user);
	return e->ops->write(e, buf, count, offset, &err) ? refuse(c, &err) : 0;
}

static int replica_zero(void *handle, uint32_t count, uint64_t offset,
			uint32_t flags)
{
	struct connection *c = handle;
	struct export *e = c->export;
	struct error err = { 0 };

	quota_touch(&e->user);
	return e->ops->zero(e, count, offset, &err) ? refuse(c, &err) : 0;
}

/* What is trimmed must have one content for the primary and the replica. */
static int replica_trim(void *handle, uint32_t count, uint64_t offset,
			uint32_t flags)
{
	return replica_zero(handle, count, offset, flags);
}

/* N5 */
static int replica_flush(void *handle, uint32_t flags)
{
	quota_touch(&export_of(handle)->user);
	return 0;
}

struct walk {
	struct nbdkit_extents *extents;
	unsigned int left;
};

/* Also how the walk ends early: no error, but not 0. */
#define WALK_ENOUGH	1

static int add_extent(void *arg, uint64_t off, uint64_t len,
		      enum stage_extent type)
{
	uint32_t bits = type == STAGE_ZERO ?
			NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO : 0;
	struct walk *w = arg;

	if (nbdkit_add_extent(w->extents, off, len, bits))
		return -ENOMEM;
	return --w->left ? 0 : WALK_ENOUGH;
}

static int replica_extents(void *handle, uint32_t count, uint64_t offset,
			   uint32_t flags, struct nbdkit_extents *extents)
{
	struct connection *c = handle;
	struct export *e = c->export;
	struct error err = { 0 };
	struct walk w = {
		.extents = extents,
		.left = flags & NBDKIT_FLAG_REQ_ONE ? 1 : EXTENTS_AT_ONCE,
	};
	int ret;

	quota_touch(&e->user);
	ret = e->ops->extents(e, offset, count, add_extent, &w, &err);
	if (ret >= 0)
		return 0;
	error_set(&err, ret, "extents: %s", strerror(-ret));
	return refuse(c, &err);
}

static struct nbdkit_plugin plugin = {
	.name = "replica",
	.longname = "dm-replica stage",
	.version = REPLICA_VERSION,
	.description = "The receiving end of replication: epochs that become "
		       "visible all at once, and a history of them.",
	.magic_config_key = "dir",
	.config_help = plugin_options_help,
	.load = replica_load,
	.unload = replica_unload,
	.config = replica_config,
	.config_complete = replica_config_complete,
	.dump_plugin = replica_dump_plugin,
	.thread_model = replica_thread_model,
	.get_ready = replica_get_ready,
	.after_fork = replica_after_fork,
	.list_exports = replica_list_exports,
	.default_export = replica_default_export,
	.export_description = replica_export_description,
	.open = replica_open,
	.close = replica_close,
	.get_size = replica_get_size,
	.block_size = replica_block_size,
	.can_write = replica_can_write,
	.can_flush = replica_yes,
	.is_rotational = replica_no,
	.can_trim = replica_yes,
	.can_zero = replica_yes,
	.can_fast_zero = replica_yes,
	.can_fua = replica_can_fua,
	.can_multi_conn = replica_can_multi_conn,
	.can_extents = replica_can_extents,
	.pread = replica_pread,
	.pwrite = replica_pwrite,
	.zero = replica_zero,
	.trim = replica_trim,
	.flush = replica_flush,
	.extents = replica_extents,
};

NBDKIT_DLL_PUBLIC struct nbdkit_plugin *plugin_init(void);

NBDKIT_REGISTER_PLUGIN(plugin)
