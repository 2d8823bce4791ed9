// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stages of this process, while one takes its time to open. If this fails, the
 * recovery of one log holds up the others (H4), a directory is open twice, or a
 * full log is given less time than a disk that is waited for needs (H5).
 */
#include "local-stage.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

#define MINUTE_MS	60000

int __real_stage_open(struct stage **out, const char *dir,
		      const struct stage_options *opts, struct error *err);
int __wrap_stage_open(struct stage **out, const char *dir,
		      const struct stage_options *opts, struct error *err);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_slow, is_opening, is_allowed;	/* lock */
static unsigned int nr_opened;			/* lock */
static uint64_t patience_ms;			/* lock; of the last one */

/* The first one, while is_slow, waits for leave. */
int __wrap_stage_open(struct stage **out, const char *dir,
		      const struct stage_options *opts, struct error *err)
{
	pthread_mutex_lock(&lock);
	nr_opened++;
	patience_ms = opts->patience_ms;
	if (is_slow && !is_opening) {
		is_opening = true;
		pthread_cond_broadcast(&changed);
		while (!is_allowed)
			pthread_cond_wait(&changed, &lock);
	}
	pthread_mutex_unlock(&lock);
	return __real_stage_open(out, dir, opts, err);
}

struct stage_dir {
	char path[64];
	struct stage_name name;
	pthread_t thread;
	struct local_stage *s;
	int ret;
};

static void dir_init(struct stage_dir *dir)
{
	struct error err = { 0 };
	char target[128];

	snprintf(dir->path, sizeof(dir->path), "/tmp/unit-local-stage-XXXXXX");
	if (!mkdtemp(dir->path))
		abort();
	snprintf(target, sizeof(target), "stage:%s/a", dir->path);
	is_int(stage_name_parse(&dir->name, target, &err), 0, "%s", target);
}

static void dir_free(struct stage_dir *dir)
{
	char lock_path[80];

	snprintf(lock_path, sizeof(lock_path), "%s/lock", dir->path);
	unlink(lock_path);
	is_int(rmdir(dir->path), 0, "nothing is left");
	stage_name_clear(&dir->name);
}

static void *open_it(void *arg)
{
	struct stage_dir *dir = arg;

	dir->ret = local_stage_get(&dir->s, &dir->name, NULL);
	return NULL;
}

static void begin_slowly(struct stage_dir *dir)
{
	is_slow = true;
	pthread_create(&dir->thread, NULL, open_it, dir);
	pthread_mutex_lock(&lock);
	while (!is_opening)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void allow(void)
{
	pthread_mutex_lock(&lock);
	is_allowed = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

int main(void)
{
	struct stage_dir slow, other, again;
	struct local_stage *s = NULL;
	struct error err = { 0 };

	alarm(120);			/* it hangs where H4 does not hold */
	dir_init(&slow);
	dir_init(&other);
	begin_slowly(&slow);
	again = slow;
	is_int(local_stage_get(&other.s, &other.name, &err), 0,
	       "another stage is opened meanwhile");
	is_int(patience_ms, MINUTE_MS, "its writers wait for room (H5)");
	is_int(local_stage_find(&s, &other.name, &err), 0, "and found");
	ok(s == other.s, "as what it is");
	local_stage_put(s);
	is_int(local_stage_find(&s, &slow.name, &err), -EAGAIN, "%s", err.text);
	ok(!s, "with nothing to put");
	pthread_create(&again.thread, NULL, open_it, &again);
	local_stage_put(other.s);
	is_int(local_stage_find(&s, &other.name, &err), 0, "closed");
	ok(!s, "it is not open");
	allow();
	pthread_join(slow.thread, NULL);
	pthread_join(again.thread, NULL);
	ok(!slow.ret && !again.ret && slow.s == again.s, "the slow one: once");
	is_int(nr_opened, 2, "so two were opened");
	local_stage_put(slow.s);
	is_int(local_stage_find(&s, &slow.name, &err), 0, "one user is left");
	ok(s == slow.s, "who has it");
	local_stage_put(s);
	local_stage_put(again.s);
	dir_free(&slow);
	dir_free(&other);
	return tap_done();
}
