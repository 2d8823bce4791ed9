// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An NBD server as a target, over one or several connections.
 *
 *	OPENING  the first connection is being made [nbd_backend_open]
 *	  -> JOINING [first_ready] the first is ready and good enough; the
 *	             others are being made, if the server allows several
 *	  -> FAILED  [link_closed, first_ready] ready(err) follows
 *	JOINING
 *	  -> UP      [link_settled] each is ready or was refused; ready(0)
 *	  -> FAILED  [link_closed] the first one is gone
 *	UP
 *	  -> FAILED  [link_closed] any one is gone; lost() follows
 *	any -> CLOSING [nbd_backend_close] no more events; closed() follows
 *
 * N1 several connections only where the server says CAN_MULTI_CONN, which is
 *    what makes a flush on one cover the others (B3).
 * N2 when one connection ends unasked, all are ended: who ships an epoch must
 *    not go on with a part of it in doubt. The event comes when the last one
 *    is down, so each request has had its answer by then.
 * N3 a connection that is dropped with writes unanswered is unclean.
 * N4 digests come over a connection of their own, to EXPORT@sum, which is made
 *    when the first are asked for. A server that does not let us in has none to
 *    give (BACKEND_CAN_SUM goes), and nothing else changes; once it is up it is
 *    one of the connections (N2). One that breaks off before that is no answer:
 *    the next who asks tries again, unless it has done so MOST_LOST times.
 */
#include "backend-nbd-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "header.h"

#define LINK_DEPTH	512	/* requests on the wire of one connection */
#define MOST_LOST	3	/* then it is an answer (N4) */

/* --- connections --------------------------------------------------------- */

static bool end_link(struct link *link, bool politely)
{
	if (!link->conn)
		return false;
	if (politely && link->is_ready)
		nbd_disconnect(link->conn);
	else
		nbd_abort(link->conn);
	return true;
}

static void end_links(struct nbd_backend *nb, bool politely)
{
	bool any = end_link(&nb->sum, politely);

	for (unsigned int i = 0; i < nb->nr_links; i++)
		any |= end_link(&nb->links[i], politely);
	if (!any)
		ring_defer(nb->base.ring, &nb->ended);
}

static void all_closed(struct nbd_backend *nb)
{
	void (*closed)(void *arg) = nb->closed;
	void *arg = nb->closed_arg;

	free(nb);
	if (closed)
		closed(arg);
}

/* All links are down and each request has been answered: say so, once. */
static void all_ended(struct ring_work *work)
{
	struct nbd_backend *nb = container_of(work, struct nbd_backend, ended);
	struct backend *b = &nb->base;

	if (nb->state == CLOSING) {
		all_closed(nb);
		return;
	}
	/* The requests that it took down have overwritten it. */
	memcpy(b->error, nb->why, sizeof(b->error));
	if (nb->was_up)
		b->events->lost(b->arg, nb->err, b->error);
	else
		b->events->ready(b->arg, nb->err, b->error);
}

static void fail(struct nbd_backend *nb, int err)
{
	nb->was_up = nb->state == UP;
	nb->state = FAILED;
	nb->err = err;
	memcpy(nb->why, nb->base.error, sizeof(nb->why));
	end_links(nb, false);
}

/* One more connection is ready, or will never be. */
static void link_settled(struct nbd_backend *nb)
{
	struct backend *b = &nb->base;

	if (--nb->nr_settling || nb->state != JOINING)
		return;
	nb->state = UP;
	b->info.connections = 0;
	for (unsigned int i = 0; i < nb->nr_links; i++)
		b->info.connections += nb->links[i].is_ready;
	b->events->ready(b->arg, 0, "");
}

/*
 * EXPORT@sum of just the right size: what a server that serves one thing under
 * every name has is larger than that.
 */
static bool is_stage(const struct backend *b, const struct nbd_sibling *sum)
{
	return sum->exists && sum->is_read_only &&
	       sum->size == backend_nr_chunks(b) * REPLICA_SUM_BYTES;
}

/* The same, but for a volume that has grown since: its tail ends the export. */
static bool is_smaller_stage(const struct backend *b,
			     const struct nbd_info *info)
{
	const struct nbd_sibling *sum = &info->sibling;
	uint64_t nr = sum->size / REPLICA_SUM_BYTES;

	return sum->exists && sum->is_read_only && nr &&
	       sum->size % REPLICA_SUM_BYTES == 0 &&
	       nr < backend_nr_chunks(b) &&
	       info->size == replica_export_bytes(nr * backend_chunk_bytes(b));
}

static int check_stage(struct nbd_backend *nb, const struct nbd_info *info)
{
	struct backend *b = &nb->base;

	b->info.is_smaller = is_smaller_stage(b, info);
	b->info.is_staged = b->info.is_smaller || is_stage(b, &info->sibling);
	if (b->info.is_staged)
		b->info.can |= BACKEND_CAN_SUM;
	snprintf(nb->export, sizeof(nb->export), "%s", info->export);
	if (b->info.is_staged || b->opts.apply != BACKEND_APPLY_STAGED)
		return 0;
	return backend_set_error(b, -EOPNOTSUPP, "apply=staged, but this is "
				 "no stage for such a volume: there is no "
				 "export %.60s@sum of %llu bytes", nb->export,
				 (unsigned long long)backend_nr_chunks(b) *
				 REPLICA_SUM_BYTES);
}

static int check_server(struct nbd_backend *nb, const struct nbd_info *info)
{
	struct backend *b = &nb->base;
	int err;

	b->info.size = info->size;
	b->info.max_io = info->block_max;
	b->info.min_block = info->block_min ? info->block_min : 1;
	b->info.can = (info->can_write_zeroes ? BACKEND_CAN_ZERO : 0) |
		      (info->can_fua ? BACKEND_CAN_FUA : 0) |
		      (info->can_flush ? BACKEND_CAN_FLUSH : 0);
	err = check_stage(nb, info);
	if (err)
		return err;
	if (info->is_read_only)
		return backend_set_error(b, -EROFS,
					 "the server offers it read-only");
	if (!info->can_flush && !b->opts.unsafe)
		return backend_set_error(b, -EOPNOTSUPP,
			"the server has no FLUSH, so nothing is ever durable "
			"there; unsafe=yes takes it all the same");
	return b->info.is_smaller ? 0 : backend_check(b);
}

static int link_connect(struct link *link);

static void first_ready(struct nbd_backend *nb, const struct nbd_info *info)
{
	unsigned int wanted = nb->base.opts.connections;
	int err = check_server(nb, info);

	if (err) {
		fail(nb, err);
		return;
	}
	nb->state = JOINING;
	nb->nr_settling = 1;
	while (info->can_multi_conn && nb->nr_links < wanted &&
	       !nb->base.info.is_smaller) {
		struct link *link = &nb->links[nb->nr_links++];

		nb->nr_settling += link_connect(link) == 0;
	}
	link_settled(nb);
}

static const char *tls_name(enum nbd_tls tls, const char *of_others)
{
	if (tls == NBD_TLS_KERNEL)
		return of_others ? of_others : "kernel";
	return tls == NBD_TLS_USERSPACE ? "userspace" : NULL;
}

static void link_ready(struct nbd_conn *conn, void *arg)
{
	struct link *link = arg;
	struct nbd_backend *nb = link->nb;
	const struct nbd_info *info = nbd_get_info(conn);

	nb->base.info.tls = tls_name(info->tls, nb->base.info.tls);
	if (nb->state == OPENING) {
		link->is_ready = true;
		first_ready(nb, info);
	} else if (nb->state == JOINING) {
		link->is_ready = info->size == nb->base.info.size;
		if (link->is_ready)
			link_settled(nb);
		else
			nbd_abort(conn);
	}
}

static bool is_last_down(const struct nbd_backend *nb)
{
	for (unsigned int i = 0; i < nb->nr_links; i++) {
		if (nb->links[i].conn)
			return false;
	}
	return !nb->sum.conn;
}

static void link_closed(struct nbd_conn *conn, void *arg, int err,
			const char *text)
{
	struct link *link = arg;
	struct nbd_backend *nb = link->nb;
	bool was_ready = link->is_ready;

	link->conn = NULL;
	link->is_ready = false;
	if (err && link->failed_writes)
		nb->base.unclean = true;
	if (nb->state == JOINING && !was_ready) {
		link_settled(nb);
		return;
	}
	if (nb->state < FAILED) {
		backend_set_error(&nb->base, 0, "%s", text);
		fail(nb, err ? err : -ECONNRESET);
	} else if (is_last_down(nb)) {
		ring_defer(nb->base.ring, &nb->ended);
	}
}

static const struct nbd_callbacks link_callbacks = {
	.ready = link_ready,
	.closed = link_closed,
};

static int link_connect(struct link *link)
{
	struct nbd_backend *nb = link->nb;
	struct backend *b = &nb->base;
	const struct nbd_opts opts = {
		.deadline_ms = b->opts.deadline_ms,
		.depth = LINK_DEPTH,
		.congestion = b->opts.congestion,
		.ask_suffix = nb->state == OPENING && b->opts.volume_bytes &&
			      b->opts.apply != BACKEND_APPLY_DIRECT ?
			      "@sum" : NULL,
	};

	return nbd_connect(b->ring, b->name, &opts, &link_callbacks, link,
			   &link->conn);
}

/* --- the connection to the digests (N4) ---------------------------------- */

static void sum_ready(struct nbd_conn *conn, void *arg)
{
	struct link *link = arg;
	struct nbd_backend *nb = link->nb;
	const struct nbd_info *info = nbd_get_info(conn);

	if (nb->state != UP)
		return;
	if (info->size != backend_nr_chunks(&nb->base) * REPLICA_SUM_BYTES ||
	    info->block_min > REPLICA_SUM_BYTES) {
		nbd_abort(conn);
		return;
	}
	link->is_ready = true;
	nb->nr_lost_sums = 0;
	nbd_backend_ask_waiting(nb);
}

/* N4 */
static bool is_answer(struct nbd_backend *nb, int err)
{
	switch (err) {
	case 0: case -ENOENT: case -EPERM: case -EINVAL: case -EOPNOTSUPP:
	case -EPROTONOSUPPORT: case -ECANCELED:	/* by us: a wrong size */
		return true;
	default:
		return ++nb->nr_lost_sums >= MOST_LOST;
	}
}

static void sum_closed(struct nbd_conn *conn, void *arg, int err,
		       const char *text)
{
	struct link *link = arg;
	struct nbd_backend *nb = link->nb;
	bool was_ready = link->is_ready;

	link->conn = NULL;
	link->is_ready = false;
	if (nb->state == UP && !was_ready) {
		if (is_answer(nb, err))
			nb->base.info.can &= ~BACKEND_CAN_SUM;
		nbd_backend_refuse_waiting(nb, err ? err : -ECONNRESET);
		backend_set_error(&nb->base, 0, "no digests: %s", text);
		return;
	}
	nbd_backend_refuse_waiting(nb, err ? err : -ECONNRESET);
	if (nb->state == UP) {
		backend_set_error(&nb->base, 0, "%s", text);
		fail(nb, err ? err : -ECONNRESET);
	} else if (is_last_down(nb)) {
		ring_defer(nb->base.ring, &nb->ended);
	}
}

static const struct nbd_callbacks sum_callbacks = {
	.ready = sum_ready,
	.closed = sum_closed,
};

int nbd_backend_connect_sum(struct nbd_backend *nb)
{
	struct backend *b = &nb->base;
	char export[NBD_MAX_EXPORT + 8];
	const struct nbd_opts opts = {
		.deadline_ms = b->opts.deadline_ms,
		.depth = LINK_DEPTH,
		.congestion = b->opts.congestion,
		.export = export,
	};

	snprintf(export, sizeof(export), "%s@sum", nb->export);
	return nbd_connect(b->ring, b->name, &opts, &sum_callbacks, &nb->sum,
			   &nb->sum.conn);
}

void nbd_backend_close(struct backend *b, void (*closed)(void *arg), void *arg)
{
	struct nbd_backend *nb = to_nbd(b);
	bool was_ending = nb->state == FAILED;

	nb->state = CLOSING;
	nb->closed = closed;
	nb->closed_arg = arg;
	if (!was_ending || is_last_down(nb))
		end_links(nb, !b->writes);
}

int nbd_backend_open(struct backend **b, struct ring *ring,
		     const char *target, const struct backend_options *opts,
		     const struct backend_events *events, void *arg,
		     char *text, size_t text_len)
{
	struct nbd_backend *nb;

	if (strlen(target) >= sizeof(nb->base.name)) {
		snprintf(text, text_len, "the target's name is longer than "
			 "%zu bytes", sizeof(nb->base.name) - 1);
		return -EINVAL;
	}
	if (opts->no_clear_tcp && !strncmp(target, "nbd://", 6)) {
		snprintf(text, text_len, "it would be sent in clear: use "
			 "nbds://, or allow it with tls=off");
		return -EPERM;
	}
	nb = calloc(1, sizeof(*nb));
	if (!nb)
		return -ENOMEM;
	backend_init(&nb->base, &nbd_backend_ops, ring, target, opts, events,
		     arg);
	nb->ended.run = all_ended;
	for (unsigned int i = 0; i < NBD_MAX_LINKS; i++)
		nb->links[i].nb = nb;
	nb->sum.nb = nb;
	nb->nr_links = 1;
	if (link_connect(&nb->links[0])) {
		free(nb);
		return -ENOMEM;
	}
	*b = &nb->base;
	return 0;
}
