// SPDX-License-Identifier: GPL-2.0-or-later
/* Inviting: the door, and who comes to it. Joining: the other side of it. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon.h"
#include "identity.h"
#include "log.h"
#include "pairing.h"
#include "pairing-wire.h"
#include "state-file.h"

#define MAX_VISITS	4
#define NS_PER_MS	1000000ULL

struct visit {
	struct ring_job job;
	struct pairing *pairing;
	struct pairing_token token;	/* of the invitation */
	struct pairing_wire wire;
	int fd;
	uint8_t key[PAIRING_KEY_BYTES];
	struct error err;
};

static struct ring *ring_of(const struct daemon *daemon)
{
	return daemon->reactors[0].ring;
}

/* --- visits ------------------------------------------------------------ */

static void end_visit(struct visit *v)
{
	struct pairing *p = v->pairing;

	pairing_wire_close(&v->wire);
	explicit_bzero(v, sizeof(*v));
	free(v);
	p->nr_visits--;
	pairing_step(p);
}

static void answer_blocking(struct ring_job *job)
{
	struct visit *v = container_of(job, struct visit, job);

	pairing_answer_blocking(&v->wire, v->err.code ? v->err.text : NULL);
}

static void on_answered(struct ring_job *job)
{
	end_visit(container_of(job, struct visit, job));
}

static void greet_blocking(struct ring_job *job)
{
	struct visit *v = container_of(job, struct visit, job);

	pairing_greet_blocking(&v->wire, v->fd, &v->token, v->key, &v->err);
}

/* U1 */
static void take_in(struct visit *v)
{
	struct pairing *p = v->pairing;
	int err;

	if (p->state != PAIRING_INVITED) {
		error_set(&v->err, -EALREADY, "the invitation is over");
		return;
	}
	err = pairing_save(p->daemon->config.state_dir, &p->record, v->key);
	if (err) {
		error_set(&v->err, err, "it cannot be kept: %s",
			  strerror(-err));
		log_err(p->record.name, "pair: %s", v->err.text);
		return;
	}
	log_info(p->record.name, "pair: joined");
	p->state = PAIRING_SERVING;
	ring_timer_cancel(ring_of(p->daemon), &p->expiry);
	pairing_close_door(p);
}

static void on_greeted(struct ring_job *job)
{
	struct visit *v = container_of(job, struct visit, job);

	if (v->err.code) {
		log_warn(v->pairing->record.name, "pair: a join is refused: %s",
			 v->err.text);
		end_visit(v);
		return;
	}
	take_in(v);
	job->blocking = answer_blocking;
	job->done = on_answered;
	if (ring_job_start(ring_of(v->pairing->daemon), job))
		end_visit(v);
}

static void begin_visit(struct pairing *p, int fd)
{
	struct visit *v = p->nr_visits < MAX_VISITS &&
			  p->state == PAIRING_INVITED ? calloc(1, sizeof(*v)) :
							NULL;

	if (!v) {
		close(fd);
		return;
	}
	v->pairing = p;
	v->token = p->token;
	v->fd = v->wire.fd = fd;
	v->job.blocking = greet_blocking;
	v->job.done = on_greeted;
	p->nr_visits++;
	if (ring_job_start(ring_of(p->daemon), &v->job))
		end_visit(v);
}

/* --- the door ---------------------------------------------------------- */

static void on_accept(struct ring_op *op, int res, unsigned int flags)
{
	struct pairing *p = container_of(op, struct pairing, accept);

	if (res >= 0)
		begin_visit(p, res);
	if (flags & RING_MORE)
		return;
	close(p->listen_fd);
	p->listen_fd = -1;
	pairing_step(p);
}

void pairing_close_door(struct pairing *p)
{
	ring_cancel(ring_of(p->daemon), &p->accept);
}

static void on_expired(struct ring_timer *timer)
{
	struct pairing *p = container_of(timer, struct pairing, expiry);
	struct error err = { 0 };

	log_info(p->record.name, "pair: the invitation has expired");
	pairing_revoke(p->daemon, p->record.name, NULL, NULL, &err);
}

static int bind_one(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, 16))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* IPv6 first, where that means both. */
static int open_door(const struct pairing_record *record, struct error *err)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE |
		AI_NUMERICHOST | AI_NUMERICSERV,
	}, *all, *ai;
	char host[PAIRING_ADDRESS_LEN], port[8];
	int ret = pairing_address_split(record->address, host, port), fd = -1;

	if (ret)
		return error_set(err, ret, "%s is not HOST:PORT",
				 record->address);
	ret = getaddrinfo(record->listen[0] ? record->listen : NULL, port,
			  &hints, &all);
	if (ret)
		return error_set(err, -EINVAL, "the address to listen at, %s: "
				 "%s", record->listen, gai_strerror(ret));
	for (ai = all; ai; ai = ai->ai_next)
		if (fd < 0 || ai->ai_family == AF_INET6) {
			if (fd >= 0)
				close(fd);
			fd = bind_one(ai);
		}
	freeaddrinfo(all);
	return fd >= 0 ? fd : error_set(err, fd, "port %s: %s", port,
					strerror(-fd));
}

static int check(const struct daemon *daemon, const char *name,
		 struct error *err)
{
	struct pairing_record record;
	int ret;

	if (!volume_name_is_valid(name))
		return error_set(err, -EINVAL, "\"%.60s\" is not a name for a "
				 "pair: use letters, digits and . _ -", name);
	if (pairing_find(daemon, name))
		return error_set(err, -EEXIST, "there is a pair %s already: "
				 "revoke it first", name);
	/* One that was passed over at the start stays as it is. */
	ret = pairing_load(daemon->config.state_dir, name, &record);
	if (ret == -ENOENT)
		return 0;
	if (!ret)
		json_decref(record.params);
	return error_set(err, ret ?: -EEXIST, "the pair %s is there, and "
			 "cannot be read: %s", name,
			 ret ? state_error(ret) : "start replicad again");
}

static void make_token(struct pairing *p, unsigned int ms,
		       char text[PAIRING_TOKEN_LEN])
{
	struct pairing_token *token = &p->token;

	snprintf(token->address, sizeof(token->address), "%s",
		 p->record.address);
	snprintf(token->id, sizeof(token->id), "%s", p->record.id);
	identity_random(token->key, sizeof(token->key));
	p->expires_ns = ring_now(ring_of(p->daemon)) + ms * NS_PER_MS;
	pairing_token_print(text, token);
}

int pairing_invite(struct daemon *daemon, struct pairing_record *record,
		   unsigned int ms, char token[PAIRING_TOKEN_LEN],
		   struct error *err)
{
	struct pairing *p;
	uint8_t id[16];
	int fd = check(daemon, record->name, err);

	if (!fd)
		fd = open_door(record, err);
	if (fd < 0) {
		json_decref(record->params);
		return fd;
	}
	record->is_receiver = true;
	identity_random(id, sizeof(id));
	pairing_hex(record->id, id, sizeof(id));
	p = pairing_add(daemon, record, PAIRING_INVITED);
	if (!p) {
		close(fd);
		return error_set(err, -ENOMEM, "no memory");
	}
	make_token(p, ms, token);
	p->expiry.fire = on_expired;
	p->listen_fd = fd;
	p->accept.done = on_accept;
	ring_accept(ring_of(daemon), &p->accept, fd);
	ring_timer_add(ring_of(daemon), &p->expiry, ms);
	log_info(p->record.name, "pair: invited, at %s", p->record.address);
	return 0;
}

/* --- joining ----------------------------------------------------------- */

struct join {
	struct ring_job job;
	struct daemon *daemon;
	struct pairing_token token;
	struct pairing_record record;
	uint8_t key[PAIRING_KEY_BYTES];
	struct error err;
	void (*done)(void *arg, const struct error *err);
	void *arg;
};

static void join_blocking(struct ring_job *job)
{
	struct join *j = container_of(job, struct join, job);

	pairing_join_blocking(&j->token, j->key, &j->err);
}

static void keep(struct join *j)
{
	struct daemon *daemon = j->daemon;
	struct pairing *p = NULL;
	int err = check(daemon, j->record.name, &j->err);

	if (!err)
		err = pairing_save(daemon->config.state_dir, &j->record,
				   j->key);
	if (!err)
		p = pairing_add(daemon, &j->record, PAIRING_SENDING);
	if (!err && !p)
		err = -ENOMEM;
	if (err)
		error_set(&j->err, err, "the pair %s cannot be kept: %s; "
			  "revoke it at the other side and invite again",
			  j->record.name, strerror(-err));
	else
		log_info(j->record.name, "pair: joined %s", j->record.address);
	if (!err)
		pairing_step(p);
}

static void on_joined(struct ring_job *job)
{
	struct join *j = container_of(job, struct join, job);
	struct daemon *daemon = j->daemon;

	if (!j->err.code)
		keep(j);
	j->done(j->arg, j->err.code ? &j->err : NULL);
	explicit_bzero(j, sizeof(*j));
	free(j);
	daemon->nr_joins--;
	if (daemon->is_stopping)
		pairings_stop(daemon);
	daemon_wrap_up(daemon);
}

int pairing_join(struct daemon *daemon, const char *name, const char *token,
		 void (*done)(void *arg, const struct error *err), void *arg,
		 struct error *err)
{
	struct join *j;
	int ret = check(daemon, name, err);

	if (ret)
		return ret;
	j = calloc(1, sizeof(*j));
	if (!j)
		return error_set(err, -ENOMEM, "no memory");
	j->daemon = daemon;
	j->done = done;
	j->arg = arg;
	j->job.blocking = join_blocking;
	j->job.done = on_joined;
	ret = pairing_token_parse(&j->token, token, err);
	snprintf(j->record.name, sizeof(j->record.name), "%s", name);
	memcpy(j->record.id, j->token.id, sizeof(j->record.id));
	memcpy(j->record.address, j->token.address, sizeof(j->record.address));
	if (!ret)
		ret = ring_job_start(ring_of(daemon), &j->job);
	if (ret) {
		explicit_bzero(j, sizeof(*j));
		free(j);
		return error_set(err, ret, "no thread: %s", strerror(-ret));
	}
	daemon->nr_joins++;
	return 0;
}
