// SPDX-License-Identifier: GPL-2.0-or-later
#include "ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "pairing-file.h"

#define DEADLINE_MS	15000

struct ask {
	struct ask *next;		/* daemon->asks */
	struct daemon *daemon;
	struct history_fetch *fetch;
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

int ask_history(struct daemon *daemon, const char *target,
		history_done_fn *done, void *arg, struct error *err)
{
	struct ask *ask;

	if (strncmp(target, "nbd", 3))
		return error_set(err, -EOPNOTSUPP, "%.100s keeps no history: "
				 "an NBD server with the plugin replica does",
				 target);
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return error_set(err, -ENOMEM, "no memory");
	ask->daemon = daemon;
	ask->done = done;
	ask->arg = arg;
	ask->fetch = history_fetch_start(daemon->reactors[0].ring, target,
					 DEADLINE_MS, on_fetched, ask);
	if (!ask->fetch) {
		free(ask);
		return error_set(err, -ENOMEM, "no memory");
	}
	ask->next = daemon->asks;
	daemon->asks = ask;
	return 0;
}

void ask_cancel_all(struct daemon *daemon)
{
	for (struct ask *ask = daemon->asks; ask; ask = ask->next)
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
	if (entry)
		return resolve(daemon, entry->config, err);
	error_set(err, -ENOENT, "there is no volume %.60s here; a replica is "
		  "named by its target", volume);
	return NULL;
}
