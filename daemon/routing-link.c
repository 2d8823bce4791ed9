// SPDX-License-Identifier: GPL-2.0-or-later
#include "routing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "pairing.h"
#include "verbs-wire.h"

#define DEADLINE_MS	5000
#define FIRST_WAIT_MS	250
#define LONGEST_WAIT_MS	5000
#define BUSY_WAIT_MS	500	/* while somebody waits */

/* --- one message each ----------------------------------------------------- */

static struct routing *routing_of(struct nbd_req *req)
{
	return container_of(req, struct routing, req);
}

static bool has_failed(struct routing *x, int err)
{
	char text[100];

	if (!err)
		return false;
	snprintf(text, sizeof(text), "%s: %s", VERBS_EXPORT, strerror(-err));
	routing_note(x, text);
	x->is_speaking = false;
	nbd_disconnect(x->conn);
	return true;
}

static void on_rest(struct nbd_req *req, int err)
{
	struct routing *x = routing_of(req);

	if (has_failed(x, err))
		return;
	x->is_speaking = false;
	x->block[VERBS_BYTES - 1] = 0;
	if (routing_take(x, x->block))
		nbd_disconnect(x->conn);
	else
		x->backoff_ms = 0;
}

/* Most answers are short. */
static void on_read(struct nbd_req *req, int err)
{
	struct routing *x = routing_of(req);

	if (err || memchr(x->block, 0, VERBS_UNIT)) {
		on_rest(req, err);
		return;
	}
	req->done = on_rest;
	nbd_read(x->conn, req, x->block + VERBS_UNIT, VERBS_BYTES - VERBS_UNIT,
		 VERBS_UNIT);
}

static void on_written(struct nbd_req *req, int err)
{
	struct routing *x = routing_of(req);

	if (has_failed(x, err))
		return;
	req->done = on_read;
	nbd_read(x->conn, req, x->block, VERBS_UNIT, 0);
}

static void speak(struct routing *x)
{
	json_t *message = route_tell(&x->route);
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;

	json_decref(message);
	if (text && strlen(text) < VERBS_BYTES) {
		memset(x->block, 0, VERBS_BYTES);
		strcpy(x->block, text);
		x->is_speaking = true;
		x->req.done = on_written;
		nbd_write(x->conn, &x->req, x->block, (strlen(text) /
			  VERBS_UNIT + 1) * VERBS_UNIT, 0, 0);
	}
	free(text);
}

/* --- the connection ------------------------------------------------------- */

static void on_ready(struct nbd_conn *conn, void *arg)
{
	struct routing *x = arg;
	const struct nbd_info *info = nbd_get_info(conn);

	if (info->size != VERBS_BYTES || info->is_read_only ||
	    info->block_min > VERBS_UNIT || info->block_max < VERBS_BYTES) {
		routing_note(x, "the other side has no such export");
		nbd_disconnect(conn);
		return;
	}
	x->is_ready = true;
	speak(x);
}

static void on_closed(struct nbd_conn *conn, void *arg, int err,
		      const char *text)
{
	struct routing *x = arg;
	unsigned int longest = route_is_busy(&x->route) ? BUSY_WAIT_MS :
							  LONGEST_WAIT_MS;

	x->conn = NULL;
	x->is_ready = x->is_speaking = false;
	free(x->block);
	x->block = NULL;
	if (x->is_over) {
		pairing_step(x->pairing);
		return;
	}
	if (err)
		routing_note(x, text);
	x->backoff_ms = x->backoff_ms ? 2 * x->backoff_ms : FIRST_WAIT_MS;
	if (x->backoff_ms > longest)
		x->backoff_ms = longest;
	routing_wake(x, x->backoff_ms);
}

static const struct nbd_callbacks callbacks = {
	.ready = on_ready,
	.closed = on_closed,
};

static void dial(struct routing *x)
{
	const struct nbd_opts opts = { .deadline_ms = DEADLINE_MS };
	struct daemon *daemon = x->pairing->daemon;
	char target[PAIRING_NAME_LEN + 16], uri[512];
	struct error err = { 0 };
	uint8_t id[16];

	snprintf(target, sizeof(target), "pair:%s/%s", x->pairing->record.name,
		 VERBS_EXPORT);
	if (pairing_resolve(daemon->config.state_dir, target, NULL, uri,
			    sizeof(uri), id, &err)) {
		routing_note(x, err.text);
		return;
	}
	x->block = malloc(VERBS_BYTES);
	if (x->block && nbd_connect(daemon->reactors[0].ring, uri, &opts,
				    &callbacks, x, &x->conn))
		x->conn = NULL;
	if (x->conn)
		return;
	free(x->block);
	x->block = NULL;
}

void routing_link_speak(struct routing *x)
{
	if (!x->conn)
		dial(x);
	else if (x->is_ready && !x->is_speaking)
		speak(x);
}

/* At once: what was told, and not answered, is in doubt either way. */
void routing_link_end(struct routing *x)
{
	if (x->conn)
		nbd_abort(x->conn);
}
