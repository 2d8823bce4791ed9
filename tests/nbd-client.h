/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One NBD connection under test, with requests that count their callbacks.
 */
#ifndef REPLICA_TEST_NBD_CLIENT_H
#define REPLICA_TEST_NBD_CLIENT_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nbd.h"
#include "ring.h"

#define CLIENT_REQS	128
#define CLIENT_HANGS_MS	60000

struct client;

struct client_req {
	struct nbd_req req;
	struct client *client;
	unsigned int nr_done;
	int err;
};

struct client {
	struct ring *ring;
	struct nbd_conn *conn;
	struct ring_timer watchdog;
	bool is_hung;
	unsigned int nr_ready, nr_closed, nr_started;
	int err;			/* of ->closed */
	char text[512];
	struct nbd_info info;
	void (*on_ready)(struct client *c);
	/* After each request, if set. */
	void (*on_done)(struct client *c, struct client_req *r);
	struct client_req reqs[CLIENT_REQS];
};

static inline void client_ready(struct nbd_conn *conn, void *arg)
{
	struct client *c = arg;

	c->nr_ready++;
	c->info = *nbd_get_info(conn);
	if (c->on_ready)
		c->on_ready(c);
}

static inline void client_closed(struct nbd_conn *conn, void *arg, int err,
				 const char *text)
{
	struct client *c = arg;

	(void)conn;
	c->nr_closed++;
	c->err = err;
	strncpy(c->text, text, sizeof(c->text) - 1);
	ring_stop(c->ring);
}

static inline void client_done(struct nbd_req *req, int err)
{
	struct client_req *r = container_of(req, struct client_req, req);

	r->nr_done++;
	r->err = err;
	if (r->client->on_done)
		r->client->on_done(r->client, r);
}

static inline void client_hung(struct ring_timer *timer)
{
	struct client *c = container_of(timer, struct client, watchdog);

	c->is_hung = true;
	ring_stop(c->ring);
}

/* The next request, to be given to nbd_*(). */
static inline struct nbd_req *client_req(struct client *c)
{
	struct client_req *r = &c->reqs[c->nr_started++];

	r->client = c;
	r->req.done = client_done;
	return &r->req;
}

/* All requests have ended, once each. */
static inline bool client_all_done(const struct client *c)
{
	unsigned int i;

	for (i = 0; i < c->nr_started; i++)
		if (c->reqs[i].nr_done != 1)
			return false;
	return true;
}

/* Zero @c first, set the callbacks; then this, up to ->closed(), or a hang. */
static inline void client_run(struct client *c, const char *uri,
			      const struct nbd_opts *opts)
{
	static const struct nbd_callbacks cbs = { client_ready, client_closed };

	c->watchdog.fire = client_hung;
	if (ring_create(&c->ring, NULL) ||
	    nbd_connect(c->ring, uri, opts, &cbs, c, &c->conn))
		abort();
	ring_timer_add(c->ring, &c->watchdog, CLIENT_HANGS_MS);
	ring_run(c->ring);
	if (!c->is_hung)
		ring_destroy(c->ring);
}

#endif
