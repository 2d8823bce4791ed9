// SPDX-License-Identifier: GPL-2.0-or-later
#include "pairing-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tls.h"

#define MAX_LINE	1024
#define LABEL		"EXPORTER-dm-replica-pair-1"

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

/* --- bytes, until the deadline ------------------------------------------ */

static int wait_for(struct pairing_wire *w, int events)
{
	struct pollfd p = { .fd = w->fd, .events = events };
	uint64_t now = now_ms();
	int ret;

	if (now >= w->deadline)
		return -ETIMEDOUT;
	ret = poll(&p, 1, w->deadline - now);
	return ret > 0 ? 0 : ret ? -errno : -ETIMEDOUT;
}

static int flush_out(struct pairing_wire *w)
{
	const char *data;
	size_t len;
	int ret = 0;

	tls_take(w->tls, (const void **)&data, &len);
	while (len && !ret) {
		ssize_t n = send(w->fd, data, len, MSG_NOSIGNAL);

		if (n > 0) {
			data += n;
			len -= n;
		} else if (errno == EAGAIN) {
			ret = wait_for(w, POLLOUT);
		} else if (errno != EINTR) {
			ret = -errno;
		}
	}
	return ret;
}

/* The engine has used up what it got before. */
static int get_bytes(struct pairing_wire *w)
{
	for (;;) {
		ssize_t n = recv(w->fd, w->in, sizeof(w->in), 0);
		int ret;

		if (n > 0) {
			tls_feed(w->tls, w->in, n);
			return 0;
		}
		if (!n)
			return -ECONNRESET;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		ret = wait_for(w, POLLIN);
		if (ret)
			return ret;
	}
}

static int say(struct error *err, int ret, const char *what)
{
	return error_set(err, ret, "%s: %s", what, ret == -ETIMEDOUT ?
			 "no answer in time" : strerror(-ret));
}

/* Z2 */
static int shake(struct pairing_wire *w, struct error *err)
{
	int ret, io;

	for (;;) {
		ret = tls_handshake(w->tls, err);
		io = flush_out(w);
		if (ret)
			return ret < 0 ? ret : io;
		if (!io)
			io = get_bytes(w);
		if (io)
			return say(err, io, "the TLS handshake was broken off");
	}
}

static int get_line(struct pairing_wire *w, char line[MAX_LINE],
		    struct error *err)
{
	size_t have = 0;
	int n, io;

	for (;;) {
		n = tls_read(w->tls, line + have, MAX_LINE - 1 - have, err);
		if (n == -EAGAIN) {
			io = get_bytes(w);
			if (io)
				return say(err, io, "the other side");
			continue;
		}
		if (n <= 0)
			return error_set(err, n ? n : -ECONNRESET,
					 "the other side has hung up");
		have += n;
		line[have] = 0;
		if (line[have - 1] == '\n')
			return 0;
		if (have == MAX_LINE - 1)
			return error_set(err, -EPROTO, "the other side talks "
					 "too much");
	}
}

/* @message is taken over. */
static int put_line(struct pairing_wire *w, json_t *message)
{
	char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
	int ret = text ? tls_write(w->tls, text, strlen(text)) : -ENOMEM;

	if (!ret)
		ret = tls_write(w->tls, "\n", 1);
	if (!ret)
		ret = tls_push(w->tls);
	if (!ret)
		ret = flush_out(w);
	free(text);
	json_decref(message);
	return ret;
}

void pairing_wire_close(struct pairing_wire *w)
{
	tls_destroy(w->tls);
	if (w->fd >= 0)
		close(w->fd);
	w->tls = NULL;
	w->fd = -1;
}

static int open_tls(struct pairing_wire *w, const struct pairing_token *token,
		    bool is_server, struct error *err)
{
	const struct tls_identity id = {
		.is_server = is_server, .psk_user = token->id,
		.psk = token->key, .psk_len = sizeof(token->key),
	};
	int ret = tls_create(&w->tls, &id, err);

	return ret ? ret : shake(w, err);
}

static int derive(struct pairing_wire *w, uint8_t key[PAIRING_KEY_BYTES],
		  struct error *err)
{
	int ret = tls_derive(w->tls, LABEL, key, PAIRING_KEY_BYTES);

	return ret ? error_set(err, ret, "no key can be derived") : 0;
}

/* --- the joiner --------------------------------------------------------- */

static int connect_one(struct pairing_wire *w, const struct addrinfo *ai)
{
	socklen_t len = sizeof(int);
	int ret = 0;

	w->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC |
		       SOCK_NONBLOCK, 0);
	if (w->fd < 0)
		return -errno;
	if (!connect(w->fd, ai->ai_addr, ai->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS)
		ret = -errno;
	if (!ret)
		ret = wait_for(w, POLLOUT);
	if (!ret && !getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &ret, &len))
		ret = -ret;
	if (!ret)
		return 0;
	close(w->fd);
	w->fd = -1;
	return ret;
}

static int dial(struct pairing_wire *w, const char *address, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *all, *ai;
	char host[PAIRING_ADDRESS_LEN], port[8];
	int ret = pairing_address_split(address, host, port);

	if (ret)
		return error_set(err, ret, "%s is not HOST:PORT", address);
	ret = getaddrinfo(host, port, &hints, &all);
	if (ret)
		return error_set(err, -EHOSTUNREACH, "%s: %s", host,
				 gai_strerror(ret));
	ret = -EHOSTUNREACH;
	for (ai = all; ai && ret; ai = ai->ai_next)
		ret = connect_one(w, ai);
	freeaddrinfo(all);
	return ret ? error_set(err, ret, "%s: %s: is the invitation still "
			       "open there (15 minutes, one join)?", address,
			       strerror(-ret)) : 0;
}

static int check_version(json_t *message, struct error *err)
{
	json_t *version = json_object_get(message, "dm_replica_join");

	if (!json_is_integer(version))
		return error_set(err, -EPROTO, "what the other side says makes "
				 "no sense");
	if (json_integer_value(version) != JOIN_VERSION)
		return error_set(err, -EPROTONOSUPPORT, "the other side speaks "
				 "version %d of pairing, this one version %d",
				 (int)json_integer_value(version),
				 JOIN_VERSION);
	return 0;
}

static int take_answer(json_t *message, struct error *err)
{
	const char *text = json_string_value(json_object_get(message, "error"));
	int ret = check_version(message, err);

	if (ret)
		return ret;
	if (text)
		return error_set(err, -EACCES, "refused there: %.150s", text);
	if (!json_is_true(json_object_get(message, "ok")))
		return error_set(err, -EPROTO, "the answer makes no sense");
	return 0;
}

/* Z3 */
static int say_in_doubt(int ret, struct error *err)
{
	struct error why = *err;

	error_clear(err);
	return error_set(err, ret, "%.100s: the pair may stand there all the "
			 "same: look at \"replicactl pair list\" there, revoke "
			 "it if it is serving, and invite again", why.text);
}

static int ask(struct pairing_wire *w, const struct pairing_token *token,
	       struct error *err)
{
	char line[MAX_LINE];
	json_t *message;
	int ret = put_line(w, json_pack("{si ss}", "dm_replica_join",
					JOIN_VERSION, "pair_id", token->id));

	if (ret)
		say(err, ret, "the other side");
	else
		ret = get_line(w, line, err);
	if (ret)
		return say_in_doubt(ret, err);
	message = json_loads(line, 0, NULL);
	ret = take_answer(message, err);
	json_decref(message);
	return ret;
}

int pairing_join_blocking(const struct pairing_token *token,
			  uint8_t key[PAIRING_KEY_BYTES], struct error *err)
{
	struct pairing_wire w = { .fd = -1 };
	struct error why = { 0 };
	int ret;

	w.deadline = now_ms() + JOIN_SECONDS * 1000;
	ret = dial(&w, token->address, err);
	if (!ret) {
		ret = open_tls(&w, token, false, &why);
		if (ret)
			error_set(err, ret, "%s: %s (has the invitation been "
				  "used, or is it too old?)", token->address,
				  why.text);
	}
	if (!ret)
		ret = derive(&w, key, err);
	if (!ret)
		ret = ask(&w, token, err);
	pairing_wire_close(&w);
	return ret;
}

/* --- the receiver ------------------------------------------------------- */

static int check_hello(json_t *message, const struct pairing_token *token,
		       struct error *err)
{
	const char *id = json_string_value(json_object_get(message, "pair_id"));
	int ret = check_version(message, err);

	if (!ret && (!id || strcmp(id, token->id)))
		ret = error_set(err, -EPERM, "that is another pair");
	return ret;
}

int pairing_answer_blocking(struct pairing_wire *w, const char *error)
{
	json_t *message = json_pack("{si}", "dm_replica_join", JOIN_VERSION);
	int ret;

	if (error)
		json_object_set_new(message, "error", json_string(error));
	else
		json_object_set_new(message, "ok", json_true());
	ret = put_line(w, message);
	if (!ret)
		shutdown(w->fd, SHUT_WR);
	return ret;
}

int pairing_greet_blocking(struct pairing_wire *w, int fd,
			   const struct pairing_token *token,
			   uint8_t key[PAIRING_KEY_BYTES], struct error *err)
{
	char line[MAX_LINE];
	json_t *message;
	int ret;

	w->fd = fd;
	w->deadline = now_ms() + JOIN_SECONDS * 1000;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	ret = open_tls(w, token, true, err);
	if (!ret)
		ret = derive(w, key, err);
	if (!ret)
		ret = get_line(w, line, err);
	if (ret)
		return ret;
	message = json_loads(line, 0, NULL);
	ret = check_hello(message, token, err);
	json_decref(message);
	if (ret)
		pairing_answer_blocking(w, err->text);
	return ret;
}
