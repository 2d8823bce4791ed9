// SPDX-License-Identifier: GPL-2.0-or-later
#include "ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "local-stage.h"
#include "pairing-file.h"
#include "promotion.h"

#define DEADLINE_MS	15000

struct ask {
	struct ask *next;		/* daemon->asks */
	struct daemon *daemon;
	struct history_fetch *fetch;	/* NULL: of a stage of ours, by: */
	struct ring_job job;
	struct stage_name name;
	struct history h;
	struct error err;
	history_done_fn *done;
	void *arg;
};

static void ask_free(struct ask *ask)
{
	struct ask **link = &ask->daemon->asks;

	while (*link != ask)
		link = &(*link)->next;
	*link = ask->next;
	free(ask);
}

static void on_fetched(void *arg, const struct history *h,
		       const struct error *err)
{
	struct ask *ask = arg;
	struct daemon *daemon = ask->daemon;
	history_done_fn *done = ask->done;

	arg = ask->arg;
	ask_free(ask);
	done(arg, h, err);
	daemon_wrap_up(daemon);
}

/* --- a stage of ours ------------------------------------------------------ */

/* If it is not open it is only looked at: opening it may apply history. */
static void read_stage(struct ring_job *job)
{
	struct ask *ask = container_of(job, struct ask, job);
	struct local_stage *s;
	struct stage_volume *v;

	if (local_stage_find(&s, &ask->name, &ask->err))
		return;
	if (!s) {
		history_view(&ask->h, ask->name.options.dir, ask->name.volume,
			     &ask->err);
		return;
	}
	v = stage_find(local_stage_of(s), ask->name.volume);
	if (!v)
		error_set(&ask->err, -ENOENT, "the stage %.150s has no volume "
			  "%s", ask->name.options.dir, ask->name.volume);
	else if (history_read(&ask->h, v))
		error_set(&ask->err, -ENOMEM, "no memory");
	local_stage_put(s);
}

static void on_stage_read(struct ring_job *job)
{
	struct ask *ask = container_of(job, struct ask, job);
	struct history h = ask->h;
	struct error err = ask->err;

	stage_name_clear(&ask->name);
	on_fetched(ask, err.code ? NULL : &h, &err);
	history_clear(&h);
}

static int ask_stage(struct ask *ask, const char *target, struct error *err)
{
	int ret = stage_name_parse(&ask->name, target, err);

	if (ret)
		return ret;
	ask->job.blocking = read_stage;
	ask->job.done = on_stage_read;
	ret = ring_job_start(ask->daemon->reactors[0].ring, &ask->job);
	if (ret)
		stage_name_clear(&ask->name);
	return ret ? error_set(err, ret, "no thread: %s", strerror(-ret)) : 0;
}

/* --- both ----------------------------------------------------------------- */

static int ask_server(struct ask *ask, const char *target, struct error *err)
{
	ask->fetch = history_fetch_start(ask->daemon->reactors[0].ring, target,
					 DEADLINE_MS, on_fetched, ask);
	return ask->fetch ? 0 : error_set(err, -ENOMEM, "no memory");
}

int ask_history(struct daemon *daemon, const char *target,
		history_done_fn *done, void *arg, struct error *err)
{
	bool is_stage = stage_name_is(target);
	struct ask *ask;
	int ret;

	if (!is_stage && strncmp(target, "nbd", 3))
		return error_set(err, -EOPNOTSUPP, "%.100s keeps no history: a "
				 "stage does (stage:DIR/VOLUME, or an NBD "
				 "server with the plugin replica)", target);
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return error_set(err, -ENOMEM, "no memory");
	ask->daemon = daemon;
	ask->done = done;
	ask->arg = arg;
	ret = is_stage ? ask_stage(ask, target, err) :
			 ask_server(ask, target, err);
	if (ret) {
		free(ask);
		return ret;
	}
	ask->next = daemon->asks;
	daemon->asks = ask;
	return 0;
}

/* What reads a stage of ours ends by itself. */
void ask_cancel_all(struct daemon *daemon)
{
	for (struct ask *ask = daemon->asks; ask; ask = ask->next)
		if (ask->fetch)
			history_fetch_cancel(ask->fetch);
}

/* A pair stands for a URI. Main thread only, so one buffer does. */
static const char *resolve(const struct daemon *daemon,
			   const struct volume_config *config,
			   struct error *err)
{
	static char uri[512];
	uint8_t id[16];

	if (!pairing_is_target(config->target))
		return config->target;
	return pairing_resolve(daemon->config.state_dir, config->target,
			       config->name, uri, sizeof(uri), id, err) ?
	       NULL : uri;
}

/* What this site receives: its own server is asked, as its peer asks it. */
static const char *resolve_replica(const struct daemon *daemon,
				   const char *volume, struct error *err)
{
	static char uri[512];
	const struct pairing *p = volume_name_is_valid(volume) ?
				  promotion_pair_of(daemon, volume) : NULL;

	if (!p) {
		error_set(err, -ENOENT, "there is no volume %.60s here, nor a "
			  "replica that a pair of this site has; another one "
			  "is named by its target", volume);
		return NULL;
	}
	if (promotion_find(daemon, volume)) {
		error_set(err, -EINVAL, "%.60s is promoted here, or that was "
			  "begun: it is no replica any more", volume);
		return NULL;
	}
	return pairing_own_uri(daemon->config.state_dir, &p->record, volume,
			       uri, sizeof(uri), err) ? NULL : uri;
}

const char *ask_target(const struct daemon *daemon, const char *volume,
		       const char *target, struct error *err)
{
	const struct entry *entry;

	if (target)
		return target;
	if (!volume) {
		error_set(err, -EDESTADDRREQ, "the volume is missing");
		return NULL;
	}
	entry = daemon_find(daemon, volume);
	return entry ? resolve(daemon, entry->config, err) :
		       resolve_replica(daemon, volume, err);
}
