// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The method target_check: a target is connected to, and nothing is written, so
 * no session of it ends (W1). On the main thread.
 */
#include "methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend.h"
#include "config-impl.h"
#include "config-target.h"
#include "control.h"
#include "daemon.h"
#include "pairing-file.h"

#define DEADLINE_MS	5000	/* so long a stop may have to wait */

struct check {
	struct request *request;
	struct backend *backend;
	json_t *result;			/* of one that answers */
	int err;
	char why[300];
};

static void finish(void *arg)
{
	struct check *c = arg;
	struct daemon *daemon = c->request->daemon;

	if (c->err)
		request_refuse(c->request, c->err == -ETIMEDOUT ? 6 : 1, "%s",
			       c->why);
	else
		request_answer(c->request, c->result);
	free(c);
	daemon->nr_methods--;
	daemon_wrap_up(daemon);
}

static json_t *describe(const struct backend_info *info)
{
	return json_pack("{si sI sb sb sb}", "schema_version", 1, "size_bytes",
			 (json_int_t)info->size, "staged", info->is_staged,
			 "can_flush", !!(info->can & BACKEND_CAN_FLUSH),
			 "can_sum", !!(info->can & BACKEND_CAN_SUM));
}

static void on_ready(void *arg, int err, const char *text)
{
	struct check *c = arg;

	c->err = err;
	snprintf(c->why, sizeof(c->why), "%s", text ?: "");
	if (!err)
		c->result = describe(backend_info(c->backend));
	backend_close(c->backend, finish, c);
}

static void on_lost(void *arg, int err, const char *text)
{
}

static void open_target(struct request *request, const char *uri)
{
	static const struct backend_events events = { on_ready, on_lost };
	const struct backend_options options = {
		.connections = 1,
		.deadline_ms = DEADLINE_MS,
		.unsafe = true,		/* it is told, not refused */
	};
	struct check *c = calloc(1, sizeof(*c));
	int err;

	if (!c) {
		request_refuse(request, 1, "no memory");
		return;
	}
	c->request = request;
	request->daemon->nr_methods++;
	err = backend_open(&c->backend, request->daemon->reactors[0].ring, uri,
			   &options, &events, c, c->why, sizeof(c->why));
	if (!err)
		return;
	c->err = err;
	finish(c);
}

/* Opening one could make it, or take it from who has it. */
static void look_at_path(struct request *request, const char *uri)
{
	const char *path = strchr(uri, ':') + 1;
	char copy[400];
	struct stat st;

	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(path, "?"), path);
	if (!strncmp(uri, "stage:", 6) && strrchr(copy, '/') > copy)
		*strrchr(copy, '/') = 0;	/* the folder of the stage */
	if (stat(copy, &st))
		request_refuse(request, 1, "%s: %s", copy, strerror(errno));
	else
		request_answer(request, json_pack("{si ss}", "schema_version",
						  1, "path", copy));
}

/* --- where it is ---------------------------------------------------------- */

/* Whose image is looked for there: who is named, else the first that may. */
static const char *volume_for(const struct daemon *daemon,
			      const struct section *target, const char *named)
{
	for (struct entry *e = daemon->entries; !named && e; e = e->next)
		if (target_is_of(&daemon->config, target, e->config))
			return e->config->name;
	return named;
}

static const struct section *find(const struct request *request,
				  struct error *err)
{
	const struct config *config = &request->daemon->config;
	const char *id = request_text(request, "id");
	const struct section *target;
	char near[80];

	if (!id) {
		error_set(err, -EDESTADDRREQ, "the id of the target is "
			  "missing");
		return NULL;
	}
	target = config_section(config, SECTION_TARGET, id);
	if (!target)
		error_set(err, -ENOENT, "there is no target %.60s%s", id,
			  config_nearest(config, SECTION_TARGET, id, near));
	return target;
}

/* The address, with the volume's name in it: the caller's. NULL: *err. */
static char *address_of(const struct request *request,
			const struct section *target, struct error *err)
{
	const struct daemon *daemon = request->daemon;
	const char *volume = volume_for(daemon, target,
					request_text(request, "volume"));
	char *text = config_uri_of(&daemon->config, target, volume ?: "");
	uint8_t id[16];
	char uri[512];

	if (!volume && (target->to_backend || strstr(target->uri, "{volume}")))
		error_set(err, -EDESTADDRREQ, "%s: no volume goes there: name "
			  "one", target->name);
	else if (!text)
		error_set(err, -EINVAL, "the target %s is the backend %.60s, "
			  "which has no pair=: it cannot be reached",
			  target->name, target->to_backend ?: "");
	else if (!pairing_is_target(text))
		return text;
	else if (!pairing_resolve(daemon->config.state_dir, text, volume ?: "",
				  uri, sizeof(uri), id, err)) {
		free(text);
		return strdup(uri);
	}
	free(text);
	return NULL;
}

void do_target_check(struct request *request)
{
	struct error err = { 0 };
	const struct section *target = find(request, &err);
	char *uri = target ? address_of(request, target, &err) : NULL;

	if (!uri)
		request_refuse(request, err.code ? method_exit_status(err.code)
			       : 1, "%s", err.code ? err.text : "no memory");
	else if (strncmp(uri, "nbd", 3))
		look_at_path(request, uri);
	else
		open_target(request, uri);
	free(uri);
}
