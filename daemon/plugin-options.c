// SPDX-License-Identifier: GPL-2.0-or-later
/* One row of the table is one parameter. */
#include "plugin-options.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "util/nearest.h"

#define CONNECTIONS	64
#define LOG_BYTES	(16ULL << 30)
#define SIZE_MOST	(1ULL << 50)
#define FOR_EVER_MS	(UINT64_MAX / 4)
#define SUM_RATE_MIN	(1U << 20)
#define PID_MOST	(1U << 22)	/* PID_MAX_LIMIT of the kernel */
#define OPEN_IDLE_MS	(10 * 60 * 1000)
#define SOCKET_LEN	sizeof(((struct sockaddr_un *)0)->sun_path)

const char plugin_options_help[] =
	"dir=DIR                    the stage: volumes and their log (required)\n"
	"create=[GROUP/]NAME:SIZE:BASE\n"
	"                           a volume, unless it is there: BASE is a file\n"
	"                           or a block device of at least SIZE\n"
	"chunk=SIZE                 of volumes that are made (default: 4KiB)\n"
	"pair=ID                    of volumes that are made (default: that of\n"
	"                           who writes first)\n"
	"verbs=SOCKET               of replicad, which answers what comes to @verbs\n"
	"                           from this pair (default: nobody does)\n"
	"log=SIZE                   most that a log may take (default: 16GiB, or\n"
	"                           twice the history)\n"
	"log_device=PATH            the logs of a new stage go to this block device\n"
	"                           or file, which is formatted: it must be blank;\n"
	"                           later it is found by itself\n"
	"history=[AGE][,SIZE]       how long epochs are kept (default: 0)\n"
	"history_min=AGE            not even a full log costs younger ones\n"
	"max_size=SIZE              a primary makes no volume larger (default: the\n"
	"                           size of the file system that has its BASE)\n"
	"index=SIZE                 most that an index may take in memory\n"
	"                           (default: 1GiB)\n"
	"open_timeout=AGE           an open epoch for which nothing comes is given\n"
	"                           up then (default: 10m; 0: never)\n"
	"on_full=refuse|apply       what a log costs that cannot hold an epoch: the\n"
	"                           epoch (the default), or the image: the next\n"
	"                           ones go to BASE in place, until one is clean\n"
	"connections=N              most at a time (default: 64; 0: any number)\n"
	"sum_rate=SIZE              bytes a second to read for NAME@sum\n"
	"                           (default: 0, any)\n"
	"parent=PID                 killed when PID ends, which must have started it\n"
	"parallel=auto|yes|no       several requests of a connection at a time\n"
	"                           (default: auto, if this nbdkit can do it)\n";

static int bad(struct error *err, const char *key, const char *value,
	       const char *want)
{
	return error_set(err, -EINVAL, "%s=%.80s: %s", key, value, want);
}

static char *absolute(const char *path)
{
	char *cwd, *whole;

	if (*path == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	if (!cwd || asprintf(&whole, "%s/%s", cwd, path) < 0)
		whole = NULL;
	free(cwd);
	return whole;
}

/* As in the daemon's configuration; nbdkit's "64M" is 64MiB too. */
static int parse_size(const char *text, uint64_t *bytes)
{
	size_t len = strlen(text);
	char whole[40];

	if (!len || len > 30)
		return -EINVAL;
	snprintf(whole, sizeof(whole), "%s%s", text,
		 strchr("KMGT", text[len - 1]) ? "iB" : "");
	return config_parse_size(whole, bytes);
}

/* --- parameters ----------------------------------------------------------- */

static int set_dir(struct plugin_options *o, const char *value,
		   struct error *err)
{
	if (o->dir)
		return bad(err, "dir", value, "there is one already");
	if (!*value)
		return bad(err, "dir", value, "want a folder");
	o->dir = absolute(value);
	return o->dir ? 0 : error_set(err, -ENOMEM, "no memory");
}

static int set_log_device(struct plugin_options *o, const char *value,
			  struct error *err)
{
	char *path;

	if (o->stage.log_device[0])
		return bad(err, "log_device", value, "there is one already");
	path = absolute(value);
	if (!path)
		return error_set(err, -ENOMEM, "no memory");
	if (!*value || strlen(path) >= sizeof(o->stage.log_device)) {
		free(path);
		return bad(err, "log_device", value, "want a path");
	}
	strcpy(o->stage.log_device, path);
	free(path);
	return 0;
}

static int set_history_part(struct plugin_options *o, const char *part,
			    bool *has_age)
{
	if (!config_parse_duration(part, &o->stage.history_ms)) {
		*has_age = true;
		return 0;
	}
	if (parse_size(part, &o->stage.history_bytes) ||
	    o->stage.history_bytes > SIZE_MOST)
		return -EINVAL;
	return 0;
}

static int set_history(struct plugin_options *o, const char *value,
		       struct error *err)
{
	char text[80], *next = text, *part;
	bool has_age = false;
	int ret = 0;

	snprintf(text, sizeof(text), "%s", value);
	while (!ret && (part = strsep(&next, ",")))
		ret = set_history_part(o, part, &has_age);
	if (!has_age)
		o->stage.history_ms = FOR_EVER_MS;
	return ret ? bad(err, "history", value, "want an age, a size, or both, "
			 "like 1h,20GiB") : 0;
}

static int set_history_min(struct plugin_options *o, const char *value,
			   struct error *err)
{
	return config_parse_duration(value, &o->stage.history_min_ms) ?
	       bad(err, "history_min", value, "want an age, like 10m") : 0;
}

static int set_open_timeout(struct plugin_options *o, const char *value,
			    struct error *err)
{
	return config_parse_duration(value, &o->stage.open_idle_ms) ?
	       bad(err, "open_timeout", value, "want an age, like 10m") : 0;
}

static int set_on_full(struct plugin_options *o, const char *value,
		       struct error *err)
{
	o->stage.on_full_apply = !strcmp(value, "apply");
	return o->stage.on_full_apply || !strcmp(value, "refuse") ? 0 :
	       bad(err, "on_full", value, "want refuse or apply");
}

static int set_parallel(struct plugin_options *o, const char *value,
			struct error *err)
{
	if (!strcmp(value, "yes"))
		o->parallel = PARALLEL_YES;
	else if (!strcmp(value, "no"))
		o->parallel = PARALLEL_NO;
	else if (strcmp(value, "auto"))
		return bad(err, "parallel", value, "want auto, yes or no");
	return 0;
}

static int scan_id(uint8_t id[16], const char *text)
{
	if (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32)
		return -EINVAL;
	for (int i = 0; i < 16; i++)
		if (sscanf(text + 2 * i, "%2hhx", &id[i]) != 1)
			return -EINVAL;
	return 0;
}

static int set_pair(struct plugin_options *o, const char *value,
		    struct error *err)
{
	if (scan_id(o->pair_id, value))
		return bad(err, "pair", value, "want 32 hexadecimal digits");
	strcpy(o->pair, value);
	return 0;
}

static int set_verbs(struct plugin_options *o, const char *value,
		     struct error *err)
{
	if (o->verbs)
		return bad(err, "verbs", value, "there is one already");
	o->verbs = absolute(value);
	if (!o->verbs)
		return error_set(err, -ENOMEM, "no memory");
	return !*value || strlen(o->verbs) >= SOCKET_LEN ?
	       bad(err, "verbs", value, "want the path of a socket") : 0;
}

static int copy_name(char to[STAGE_NAME_LEN], const char *from, size_t len)
{
	if (!len || len >= STAGE_NAME_LEN)
		return -EINVAL;
	memcpy(to, from, len);
	to[len] = 0;
	return 0;
}

/* Cuts [GROUP/]NAME:SIZE:BASE. */
static int parse_create(struct create_option *c, const char *value)
{
	const char *size = strchr(value, ':'), *base, *slash;
	char text[32];

	base = size ? strchr(size + 1, ':') : NULL;
	if (!base || !base[1] || (size_t)(base - size - 1) >= sizeof(text))
		return -EINVAL;
	snprintf(text, sizeof(text), "%.*s", (int)(base - size - 1), size + 1);
	if (parse_size(text, &c->bytes))
		return -EINVAL;
	slash = memchr(value, '/', size - value);
	if (slash && copy_name(c->group, value, slash - value))
		return -EINVAL;
	value = slash ? slash + 1 : value;
	if (copy_name(c->name, value, size - value))
		return -EINVAL;
	c->base = absolute(base + 1);
	return c->base ? 0 : -ENOMEM;
}

static int add_create(struct plugin_options *o, const char *value,
		      struct error *err)
{
	struct create_option *c = calloc(1, sizeof(*c)), **at = &o->creates;

	if (!c)
		return error_set(err, -ENOMEM, "no memory");
	if (parse_create(c, value)) {
		free(c);
		return bad(err, "create", value,
			   "want [GROUP/]NAME:SIZE:BASE");
	}
	while (*at)
		at = &(*at)->next;
	*at = c;
	return 0;
}

/* --- the table ------------------------------------------------------------ */

struct row {
	const char *key;
	int (*set)(struct plugin_options *o, const char *value,
		   struct error *err);
	size_t size;		/* else: of this field */
	uint64_t min, max;
};

#define BY(setter)	.set = (setter)
#define SIZE(field, least, most) \
	.size = offsetof(struct plugin_options, field), \
	.min = (least), .max = (most)

static const struct row rows[] = {
	{ "dir", BY(set_dir) },
	{ "create", BY(add_create) },
	{ "chunk", SIZE(chunk_bytes, STAGE_BLOCK, 1 << 20) },
	{ "pair", BY(set_pair) },
	{ "verbs", BY(set_verbs) },
	{ "log", SIZE(stage.log_bytes, 256 << 10, SIZE_MOST) },
	{ "log_device", BY(set_log_device) },
	{ "history", BY(set_history) },
	{ "history_min", BY(set_history_min) },
	{ "index", SIZE(stage.index_bytes, 64 << 10, 1ULL << 40) },
	{ "max_size", SIZE(stage.volume_bytes, STAGE_BLOCK, SIZE_MOST) },
	{ "open_timeout", BY(set_open_timeout) },
	{ "on_full", BY(set_on_full) },
	{ "parallel", BY(set_parallel) },
	{ "parent", SIZE(parent, 1, PID_MOST) },
	{ "connections", SIZE(connections, 0, 100000) },
	{ "sum_rate", SIZE(sum_rate, 0, SIZE_MOST) },
};

#define NR_ROWS	(sizeof(rows) / sizeof(rows[0]))

static int set_size(struct plugin_options *o, const struct row *row,
		    const char *value, struct error *err)
{
	uint64_t bytes;

	if (parse_size(value, &bytes))
		return bad(err, row->key, value, "want a number, or a size "
			   "like 64MiB");
	if (bytes < row->min || bytes > row->max)
		return error_set(err, -EINVAL, "%s=%.80s: want %" PRIu64
				 " to %" PRIu64, row->key, value, row->min,
				 row->max);
	*(uint64_t *)((char *)o + row->size) = bytes;
	return 0;
}

static int unknown(const char *key, struct error *err)
{
	unsigned int best = UINT32_MAX;
	const char *near = NULL;

	for (size_t i = 0; i < NR_ROWS; i++) {
		unsigned int d = nearest_distance(key, rows[i].key);

		if (d < best && nearest_is_close(key, rows[i].key, d)) {
			best = d;
			near = rows[i].key;
		}
	}
	return error_set(err, -ENOENT, "there is no parameter '%.40s'%s%s%s",
			 key, near ? ", did you mean '" : "", near ?: "",
			 near ? "'?" : "");
}

int plugin_options_set(struct plugin_options *o, const char *key,
		       const char *value, struct error *err)
{
	for (size_t i = 0; i < NR_ROWS; i++)
		if (!strcmp(rows[i].key, key))
			return rows[i].set ? rows[i].set(o, value, err) :
					     set_size(o, &rows[i], value, err);
	return unknown(key, err);
}

/* --- as a whole ----------------------------------------------------------- */

void plugin_options_init(struct plugin_options *o)
{
	memset(o, 0, sizeof(*o));
	o->connections = CONNECTIONS;
	o->stage.open_idle_ms = OPEN_IDLE_MS;
}

int plugin_options_check(struct plugin_options *o, struct error *err)
{
	struct stage_options *s = &o->stage;

	if (!o->dir)
		return error_set(err, -EINVAL, "which stage? The parameter "
				 "dir= is missing");
	if (o->verbs && !o->pair[0])
		return bad(err, "verbs", o->verbs, "of which pair? The "
			   "parameter pair= is missing");
	if (!s->log_bytes && !s->log_device[0])
		s->log_bytes = s->history_bytes > LOG_BYTES / 2 ?
			       2 * s->history_bytes : LOG_BYTES;
	if (s->log_bytes && s->history_bytes > s->log_bytes)
		return error_set(err, -EINVAL, "history: more than the log may "
				 "take (log=)");
	if (s->history_min_ms > s->history_ms)
		return error_set(err, -EINVAL, "history_min: longer than "
				 "history");
	if (o->sum_rate && o->sum_rate < SUM_RATE_MIN)
		return error_set(err, -EINVAL, "sum_rate: want 1MiB or more, "
				 "or 0");
	return 0;
}

void plugin_options_clear(struct plugin_options *o)
{
	struct create_option *c;

	while ((c = o->creates)) {
		o->creates = c->next;
		free(c->base);
		free(c);
	}
	free(o->dir);
	free(o->verbs);
	memset(o, 0, sizeof(*o));
}
