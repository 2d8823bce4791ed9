// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * H1 a directory is open once in this process, however it is named: the stage's
 *    lock is for other processes. Users are counted; the last one closes it, so
 *    that nbdkit can have it then.
 * H2 its options are those of the user who opened it. Who comes with others is
 *    refused: a history must not depend on who came first.
 * H3 work is begun in the order in which it was queued, several at a time. What
 *    waits in the stage waits for work that was begun before, or for the
 *    applier, so that the threads are never all stuck.
 *
 * H4 a stage is opened and closed without table_lock: the recovery of one log
 *    holds up nobody who is about another stage. It is in the table meanwhile,
 *    as busy; who wants to have it waits, who only looks is told so.
 *
 * H5 nobody takes us for a broken link: history has a minute to make room.
 *
 * `table_lock` guards the table; ->lock the queue of one stage. Never both.
 */
#include "local-stage.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "stage-format.h"

#define THREADS	4
#define PATIENCE_MS	60000	/* H5 */

struct local_stage {
	struct local_stage *next;	/* table_lock, as these: */
	unsigned int users;
	bool is_busy;			/* H4: the rest is another's */
	dev_t dev;			/* set once … */
	ino_t ino;
	struct stage_options options;
	struct stage *stage;
	pthread_t threads[THREADS];
	unsigned int nr_threads;	/* … up to here */
	pthread_mutex_t lock;
	pthread_cond_t queued;
	struct stage_work *first, **last;	/* lock */
	bool is_closing;			/* lock */
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t table_changed = PTHREAD_COND_INITIALIZER;
static struct local_stage *table;

/* --- names ---------------------------------------------------------------- */

bool local_stage_is_same_dir(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

bool stage_name_is(const char *target)
{
	return !strncmp(target, LOCAL_STAGE_PREFIX,
			strlen(LOCAL_STAGE_PREFIX));
}

static int set_base(struct stage_name *name, const char *value,
		    struct error *err)
{
	if (*value != '/')
		return error_set(err, -EINVAL, "base=%.100s: want an absolute "
				 "path", value);
	free(name->base);
	name->base = strdup(value);
	return name->base ? 0 : error_set(err, -ENOMEM, "no memory");
}

/* Others of the plugin's parameters make no sense here. */
static bool is_key(const char *key)
{
	static const char *const keys[] = {
		"log", "log_device", "history", "history_min", "index",
		"max_size", "open_timeout", "on_full",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

static int set_key(struct stage_name *name, char *pair, struct error *err)
{
	char *value = strchr(pair, '=');

	if (!value)
		return error_set(err, -EINVAL, "\"%.60s\": want KEY=VALUE",
				 pair);
	*value++ = 0;
	if (!strcmp(pair, "base"))
		return set_base(name, value, err);
	if (!is_key(pair))
		return error_set(err, -EINVAL, "a local stage knows no "
				 "%.40s=: want base, log, log_device, history, "
				 "history_min, index, max_size, open_timeout "
				 "or on_full", pair);
	return plugin_options_set(&name->options, pair, value, err);
}

static int set_path(struct stage_name *name, char *path, struct error *err)
{
	char *slash = strrchr(path, '/');

	if (*path != '/' || slash == path || !stage_name_ok(slash + 1) ||
	    slash - path >= STAGE_PATH_LEN)
		return error_set(err, -EINVAL, "\"%.100s\" is not DIR/VOLUME: "
				 "an absolute path, and a name of at most %d "
				 "letters, digits and . _ -", path,
				 STAGE_NAME_LEN - 1);
	*slash = 0;
	snprintf(name->volume, sizeof(name->volume), "%s", slash + 1);
	return plugin_options_set(&name->options, "dir", path, err);
}

int stage_name_parse(struct stage_name *name, const char *target,
		     struct error *err)
{
	char *text = strdup(target + strlen(LOCAL_STAGE_PREFIX));
	char *next = text, *path, *pair;
	int ret;

	memset(name, 0, sizeof(*name));
	plugin_options_init(&name->options);
	if (!text)
		return error_set(err, -ENOMEM, "no memory");
	path = strsep(&next, "?");
	ret = set_path(name, path, err);
	while (!ret && (pair = strsep(&next, "&")))
		ret = set_key(name, pair, err);
	if (!ret)
		ret = plugin_options_check(&name->options, err);
	free(text);
	if (ret)
		stage_name_clear(name);
	return ret;
}

void stage_name_clear(struct stage_name *name)
{
	plugin_options_clear(&name->options);
	free(name->base);
	name->base = NULL;
}

/* --- work ----------------------------------------------------------------- */

/* The next one, or NULL when there will be none. */
static struct stage_work *take_work(struct local_stage *s)
{
	struct stage_work *work;

	pthread_mutex_lock(&s->lock);
	while (!s->first && !s->is_closing)
		pthread_cond_wait(&s->queued, &s->lock);
	work = s->first;
	if (work)
		s->first = work->next;
	if (!s->first)
		s->last = &s->first;
	pthread_mutex_unlock(&s->lock);
	return work;
}

static void *work_thread(void *arg)
{
	struct stage_work *work;

	while ((work = take_work(arg)))
		work->run(work);
	return NULL;
}

void local_stage_queue(struct local_stage *s, struct stage_work *work)
{
	work->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->last = work;
	s->last = &work->next;
	pthread_cond_signal(&s->queued);
	pthread_mutex_unlock(&s->lock);
}

/* Signals are for the reactors. One thread is enough to go on. */
static int start_threads(struct local_stage *s)
{
	sigset_t all, old;
	int ret = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (!ret && s->nr_threads < THREADS) {
		ret = pthread_create(&s->threads[s->nr_threads], NULL,
				     work_thread, s);
		s->nr_threads += !ret;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return s->nr_threads ? 0 : -ret;
}

static void stop_threads(struct local_stage *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_closing = true;
	pthread_cond_broadcast(&s->queued);
	pthread_mutex_unlock(&s->lock);
	while (s->nr_threads)
		pthread_join(s->threads[--s->nr_threads], NULL);
}

/* --- the table ------------------------------------------------------------ */

static int look_at_dir(const char *dir, struct stat *st, struct error *err)
{
	int ret = stat(dir, st) ? -errno : S_ISDIR(st->st_mode) ? 0 : -ENOTDIR;

	return ret ? error_set(err, ret, "the stage %.150s: %s", dir,
			       strerror(-ret)) : 0;
}

static struct local_stage *find(const struct stat *st)
{
	struct local_stage *s = table;

	while (s && (s->dev != st->st_dev || s->ino != st->st_ino))
		s = s->next;
	return s;
}

/* The options as they were asked for. */
static struct local_stage *create(const struct stage_name *name,
				  const struct stat *st)
{
	struct local_stage *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->dev = st->st_dev;
	s->ino = st->st_ino;
	s->options = name->options.stage;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->queued, NULL);
	return s;
}

static void tell_notice(const char *text)
{
	log_warn(NULL, "%s", text);
}

static int start(struct local_stage *s, const char *dir, struct error *err)
{
	struct stage_options options = s->options;
	int ret;

	options.patience_ms = PATIENCE_MS;
	ret = stage_open(&s->stage, dir, &options, err);
	if (ret)
		return ret;
	stage_tell_notices(s->stage, tell_notice);
	ret = start_threads(s);
	return ret ? error_set(err, ret, "no threads for the stage: %s",
			       strerror(-ret)) : 0;
}

/* With table_lock, dropped. H4 */
static void remove_busy(struct local_stage *s)
{
	struct local_stage **at = &table;

	pthread_mutex_unlock(&table_lock);
	stop_threads(s);
	stage_close(s->stage);
	pthread_mutex_lock(&table_lock);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->queued);
	free(s);
	pthread_cond_broadcast(&table_changed);
}

/* With table_lock, dropped. H4 */
static int add(struct local_stage **out, const struct stage_name *name,
	       const struct stat *st, struct error *err)
{
	struct local_stage *s = create(name, st);
	int ret;

	if (!s)
		return error_set(err, -ENOMEM, "no memory");
	s->is_busy = true;
	s->next = table;
	table = s;
	pthread_mutex_unlock(&table_lock);
	ret = start(s, name->options.dir, err);
	pthread_mutex_lock(&table_lock);
	if (ret) {
		remove_busy(s);
		return ret;
	}
	s->is_busy = false;
	pthread_cond_broadcast(&table_changed);
	*out = s;
	return 0;
}

/* With table_lock, dropped. */
static int get_locked(struct local_stage **out, const struct stage_name *name,
		      struct error *err)
{
	struct local_stage *s;
	struct stat st;
	int ret = look_at_dir(name->options.dir, &st, err);

	if (ret)
		return ret;
	while ((s = find(&st)) && s->is_busy)
		pthread_cond_wait(&table_changed, &table_lock);
	if (!s)
		ret = add(&s, name, &st, err);
	else if (memcmp(&s->options, &name->options.stage,	/* H2 */
			sizeof(s->options)))
		ret = error_set(err, -EINVAL, "the stage %.150s is open with "
				"other options: give all of its volumes the "
				"same", name->options.dir);
	if (ret)
		return ret;
	s->users++;
	*out = s;
	return 0;
}

int local_stage_get(struct local_stage **s, const struct stage_name *name,
		    struct error *err)
{
	int ret;

	pthread_mutex_lock(&table_lock);
	ret = get_locked(s, name, err);
	pthread_mutex_unlock(&table_lock);
	return ret;
}

int local_stage_find(struct local_stage **out, const struct stage_name *name,
		     struct error *err)
{
	struct local_stage *s = NULL;
	struct stat st;
	int ret = 0;

	pthread_mutex_lock(&table_lock);
	if (!look_at_dir(name->options.dir, &st, NULL))
		s = find(&st);
	if (s && s->is_busy)
		ret = error_set(err, -EAGAIN, "the stage %.150s is being opened "
				"or closed: ask again", name->options.dir);
	else if (s)
		s->users++;
	pthread_mutex_unlock(&table_lock);
	*out = ret ? NULL : s;
	return ret;
}

void local_stage_put(struct local_stage *s)
{
	pthread_mutex_lock(&table_lock);
	if (!--s->users) {
		s->is_busy = true;
		remove_busy(s);
	}
	pthread_mutex_unlock(&table_lock);
}

struct stage *local_stage_of(struct local_stage *s)
{
	return s->stage;
}
