// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Asking a server for VOL@history: connect, read all of it, goodbye.
 *
 * F1 done() comes from the connection's closed() and nowhere else, so nothing
 *    of it is left then, and it comes once.
 */
#include "history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"
#include "ring.h"

struct history_fetch {
	struct nbd_conn *conn;
	struct nbd_req req;
	void *buf;
	size_t len;
	struct history h;
	bool is_read;
	struct error err;
	history_done_fn *done;
	void *arg;
};

char *history_uri(const char *uri, const char *suffix)
{
	const char *authority = strstr(uri, "://");
	size_t query = strcspn(uri, "?");
	char *text = malloc(strlen(uri) + strlen(suffix) + 2);
	bool has_path;

	if (!text)
		return NULL;
	authority = authority ? authority + 3 : uri;
	has_path = authority[strcspn(authority, "/?")] == '/';
	memcpy(text, uri, query);
	strcpy(text + query, has_path ? "" : "/");
	strcat(text, suffix);
	strcat(text, uri + query);
	return text;
}

static void on_read(struct nbd_req *req, int err)
{
	struct history_fetch *f = container_of(req, struct history_fetch, req);

	if (err)
		error_set(&f->err, err, "the history cannot be read: %s",
			  strerror(-err));
	else
		f->is_read = !history_decode(&f->h, f->buf, f->len, &f->err);
	nbd_disconnect(f->conn);
}

static int check_size(struct history_fetch *f, uint64_t size)
{
	f->len = size;
	if (size < HISTORY_ALIGN || size % HISTORY_ALIGN ||
	    size > HISTORY_BYTES_MAX)
		return error_set(&f->err, -EOPNOTSUPP, "this server keeps no "
				 "history (nbdkit's plugin replica does)");
	f->buf = malloc(f->len);
	return f->buf ? 0 : error_set(&f->err, -ENOMEM, "no memory");
}

static void on_ready(struct nbd_conn *conn, void *arg)
{
	struct history_fetch *f = arg;

	if (check_size(f, nbd_get_info(conn)->size)) {
		nbd_disconnect(conn);
		return;
	}
	f->req.done = on_read;
	nbd_read(conn, &f->req, f->buf, f->len, 0);
}

/* F1 */
static void on_closed(struct nbd_conn *conn, void *arg, int err,
		      const char *text)
{
	struct history_fetch *f = arg;

	if (f->is_read)
		err = 0;	/* whatever became of the goodbye */
	if (err == -ENOENT)
		error_set(&f->err, err, "no such volume there, or no history "
			  "of it: %s", text);
	else if (err)
		error_set(&f->err, err, "%s", text);
	f->done(f->arg, f->err.code ? NULL : &f->h, &f->err);
	history_clear(&f->h);
	free(f->buf);
	free(f);
}

static const struct nbd_callbacks callbacks = {
	.ready = on_ready,
	.closed = on_closed,
};

struct history_fetch *history_fetch_start(struct ring *ring, const char *uri,
					  unsigned int deadline_ms,
					  history_done_fn *done, void *arg)
{
	const struct nbd_opts opts = { .deadline_ms = deadline_ms };
	struct history_fetch *f = calloc(1, sizeof(*f));
	char *text = history_uri(uri, HISTORY_SUFFIX);
	int err = -ENOMEM;

	if (f && text) {
		f->done = done;
		f->arg = arg;
		err = nbd_connect(ring, text, &opts, &callbacks, f, &f->conn);
	}
	free(text);
	if (!err)
		return f;
	free(f);
	return NULL;
}

void history_fetch_cancel(struct history_fetch *f)
{
	nbd_abort(f->conn);
}
