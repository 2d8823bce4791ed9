// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugin-relay.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "verbs-wire.h"

#define MAX_ANSWER	(4 * VERBS_BYTES)	/* as JSON in JSON */

struct relay {
	const char *socket, *pair;
	pthread_mutex_t lock;
	char *answer;			/* lock; of VERBS_BYTES, or NULL */
};

struct relay *relay_create(const char *socket, const char *pair)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->socket = socket;
	r->pair = pair;
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void relay_destroy(struct relay *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->answer);
	free(r);
}

/* --- to replicad, and back ------------------------------------------------ */

static int say(struct error *err, int code, const char *what)
{
	return error_set(err, -code, "replicad: %s: %s", what, strerror(code));
}

/* M2 */
static int dial(const struct relay *r, struct error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_sec = RELAY_SECONDS };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), code;

	if (fd < 0)
		return say(err, errno, "socket");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", r->socket);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (!connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	code = errno;
	close(fd);
	return say(err, code, "its control socket");
}

static int send_all(int fd, const char *text, size_t len, struct error *err)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return say(err, errno, "its control socket");
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
	return 0;
}

/* Up to the end of the line, which becomes a NUL. */
static int get_line(int fd, char *line, struct error *err)
{
	size_t have = 0;

	while (have < MAX_ANSWER) {
		ssize_t n = recv(fd, line + have, MAX_ANSWER - have, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return say(err, n ? errno : ECONNRESET, "no answer");
		have += n;
		if (line[have - 1] == '\n') {
			line[have - 1] = 0;
			return 0;
		}
	}
	return say(err, EMSGSIZE, "its answer");
}

static char *print_request(const struct relay *r, const char *text, size_t len)
{
	json_t *message = json_stringn(text, len);	/* NULL: not UTF-8 */
	json_t *request = !message ? NULL :
		json_pack("{ss si ss s{ss so}}", "jsonrpc", "2.0", "id", 1,
			  "method", "peer", "params", "pair_id", r->pair,
			  "message", message);
	char *line = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	return line;
}

/* What it answers becomes the block that can be read. */
static int keep_answer(struct relay *r, const char *line, struct error *err)
{
	json_t *answer = json_loads(line, 0, NULL);
	const char *why = json_string_value(json_object_get(
				json_object_get(answer, "error"), "message"));
	const char *text = json_string_value(json_object_get(
				json_object_get(answer, "result"), "message"));
	int ret = 0;

	if (!text || strlen(text) >= VERBS_BYTES)
		ret = error_set(err, -EACCES, "%.200s", why ?:
				"replicad: its answer makes no sense");
	else
		r->answer = calloc(1, VERBS_BYTES);
	if (!ret && !r->answer)
		ret = error_set(err, -ENOMEM, "no memory");
	if (!ret)
		strcpy(r->answer, text);
	json_decref(answer);
	return ret;
}

static int exchange(struct relay *r, char *request, struct error *err)
{
	char *line = malloc(MAX_ANSWER);
	int fd = line ? dial(r, err) : error_set(err, -ENOMEM, "no memory");
	int ret = fd < 0 ? fd : 0;

	strcat(request, "\n");
	if (!ret)
		ret = send_all(fd, request, strlen(request), err);
	if (!ret)
		ret = get_line(fd, line, err);
	if (!ret)
		ret = keep_answer(r, line, err);
	if (fd >= 0)
		close(fd);
	free(line);
	return ret;
}

/* --- for the peer --------------------------------------------------------- */

/* M1 */
int relay_write(struct relay *r, const void *buf, size_t len, uint64_t off,
		struct error *err)
{
	char *request, *line;
	int ret;

	if (off)
		return error_set(err, -EINVAL, "a message begins at 0");
	request = print_request(r, buf, strnlen(buf, len));
	line = request ? realloc(request, strlen(request) + 2) : NULL;
	if (!line) {
		free(request);
		return error_set(err, -EINVAL, "that is no message");
	}
	pthread_mutex_lock(&r->lock);
	free(r->answer);
	r->answer = NULL;
	ret = exchange(r, line, err);
	pthread_mutex_unlock(&r->lock);
	free(line);
	return ret;
}

int relay_read(struct relay *r, void *buf, size_t len, uint64_t off,
	       struct error *err)
{
	int ret = 0;

	pthread_mutex_lock(&r->lock);
	if (r->answer)
		memcpy(buf, r->answer + off, len);
	else
		ret = error_set(err, -ENODATA, "nothing was asked for");
	pthread_mutex_unlock(&r->lock);
	return ret;
}
