// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The least of an NBD server: for a program that we have started ourselves, and
 * that has one connection and reads. So there is nothing to negotiate: NBD's
 * first handshake ("oldstyle") says the size, and that it is read-only.
 *
 *	greeting	magic, size, flags
 *	then		request -> header of the reply, data; in order
 *
 * B1 the client is not trusted with anything but what it reads: its numbers are
 *    checked, what cannot be read is an error of that request, and what is no
 *    request ends the connection.
 * B2 nothing is written anywhere: writes are refused after they have been taken
 *    off the socket.
 */
#include "serve-image.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NBD_MAGIC		0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define OLDSTYLE_MAGIC		0x00420281861253ULL
#define REQUEST_MAGIC		0x25609513
#define REPLY_MAGIC		0x67446698
#define FLAGS			(1 | 1 << 1)	/* has flags, read-only */
#define MAX_READ		(32U << 20)

enum { CMD_READ, CMD_WRITE, CMD_DISC };

struct greeting {
	uint64_t magic, style, bytes;
	uint32_t flags;
	uint8_t zero[124];
} __attribute__((packed));

struct request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, off;
	uint32_t len;
} __attribute__((packed));

struct reply {
	uint32_t magic, error;
	uint64_t handle;
} __attribute__((packed));

static_assert(sizeof(struct greeting) == 152, "as the protocol has it");
static_assert(sizeof(struct request) == 28, "as the protocol has it");
static_assert(sizeof(struct reply) == 16, "as the protocol has it");

struct server {
	int fd;
	const struct served *what;
	char *buf;			/* MAX_READ */
};

static bool send_all(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len) {
		n = send(fd, at, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

static bool receive_all(int fd, void *data, size_t len)
{
	char *at = data;
	ssize_t n;

	while (len) {
		n = recv(fd, at, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= n;
	}
	return true;
}

static bool greet(const struct server *s)
{
	const struct greeting g = {
		.magic = htobe64(NBD_MAGIC),
		.style = htobe64(OLDSTYLE_MAGIC),
		.bytes = htobe64(s->what->bytes),
		.flags = htobe32(FLAGS),
	};

	return send_all(s->fd, &g, sizeof(g));
}

/* What NBD calls it. */
static uint32_t wire_error(int ret)
{
	return ret == -EINVAL ? EINVAL : ret == -EPERM ? EPERM :
	       ret == -ENOMEM ? ENOMEM : ret ? EIO : 0;
}

static bool reply(const struct server *s, uint64_t handle, int ret)
{
	const struct reply r = {
		.magic = htobe32(REPLY_MAGIC),
		.error = htobe32(wire_error(ret)),
		.handle = handle,
	};

	return send_all(s->fd, &r, sizeof(r));
}

static int read_image(const struct server *s, uint64_t off, uint32_t len)
{
	const struct served *what = s->what;

	if (!len || len > MAX_READ || off > what->bytes ||
	    len > what->bytes - off)
		return -EINVAL;
	return what->read(what->arg, s->buf, len, off);
}

static bool serve_read(const struct server *s, const struct request *r)
{
	uint32_t len = be32toh(r->len);
	int ret = read_image(s, be64toh(r->off), len);

	return reply(s, r->handle, ret) &&
	       (ret || send_all(s->fd, s->buf, len));
}

/* B2 */
static bool refuse_write(const struct server *s, const struct request *r)
{
	uint32_t left = be32toh(r->len), part;

	while (left) {
		part = left < MAX_READ ? left : MAX_READ;
		if (!receive_all(s->fd, s->buf, part))
			return false;
		left -= part;
	}
	return reply(s, r->handle, -EPERM);
}

/* False: that was the last one. */
static bool serve_one(const struct server *s)
{
	struct request r;

	if (!receive_all(s->fd, &r, sizeof(r)) ||
	    be32toh(r.magic) != REQUEST_MAGIC)
		return false;
	switch (be16toh(r.type)) {
	case CMD_READ:
		return serve_read(s, &r);
	case CMD_WRITE:
		return refuse_write(s, &r);
	case CMD_DISC:
		return false;
	default:
		return reply(s, r.handle, -EINVAL);
	}
}

void serve_image(int fd, const struct served *what)
{
	struct server s = { .fd = fd, .what = what, .buf = malloc(MAX_READ) };

	if (s.buf && greet(&s))
		while (serve_one(&s))
			;
	free(s.buf);
}
