// SPDX-License-Identifier: GPL-2.0-or-later
#include "nbd-read.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "nbd-wire.h"

#define PATIENCE_S	120

static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	if (snprintf(un.sun_path, sizeof(un.sun_path), "%s", path) >=
	    (int)sizeof(un.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&un, sizeof(un)))
		return fd;
	close(fd);
	return -ECONNREFUSED;
}

static int get(int fd, void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = recv(fd, at, len, MSG_WAITALL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -ECONNRESET;
		at += n;
		len -= n;
	}
	return 0;
}

static int put(int fd, const void *data, size_t len)
{
	return send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 :
	       -ECONNRESET;
}

/* GO for the export, nothing else asked. */
static int send_go(int fd, const char *name)
{
	size_t name_len = strlen(name);
	char msg[sizeof(struct nbd_opt_go) + NBD_MAX_NAME + 2] = { 0 };
	struct nbd_opt_go go = {
		.client_flags = htobe32(NBD_FLAG_FIXED_NEWSTYLE |
					NBD_FLAG_NO_ZEROES),
		.opt_magic = htobe64(NBD_OPT_MAGIC),
		.option = htobe32(NBD_OPT_GO),
		.len = htobe32(4 + name_len + 2),
		.name_len = htobe32(name_len),
	};

	if (name_len > NBD_MAX_NAME)
		return -ENAMETOOLONG;
	memcpy(msg, &go, sizeof(go));
	memcpy(msg + sizeof(go), name, name_len);
	return put(fd, msg, sizeof(go) + name_len + 2);
}

/* Replies up to the last: how large it is. */
static int get_info(int fd, uint64_t *bytes)
{
	struct nbd_opt_reply reply;
	struct nbd_info_export info;
	char data[4096];
	uint32_t type, len;

	for (;;) {
		if (get(fd, &reply, sizeof(reply)))
			return -ECONNRESET;
		type = be32toh(reply.type);
		len = be32toh(reply.len);
		if (len > sizeof(data) || (len && get(fd, data, len)))
			return -ECONNRESET;
		if (type & NBD_REP_FLAG_ERROR)
			return -ENOENT;
		if (type == NBD_REP_ACK)
			return 0;
		memcpy(&info, data, sizeof(info));
		if (len >= sizeof(info) && !info.type)
			*bytes = be64toh(info.size);
	}
}

int nbd_reader_open(struct nbd_reader *r, const char *socket, const char *name)
{
	struct nbd_greeting greeting;
	int ret;

	r->bytes = 0;
	r->fd = connect_to(socket);
	if (r->fd < 0)
		return r->fd;
	ret = get(r->fd, &greeting, sizeof(greeting));
	if (!ret)
		ret = send_go(r->fd, name);
	if (!ret)
		ret = get_info(r->fd, &r->bytes);
	if (ret)
		close(r->fd);
	return ret;
}

int nbd_reader_ask(struct nbd_reader *r, uint16_t command, const void *data,
		   uint32_t len, uint64_t off)
{
	struct nbd_request request = {
		.magic = htobe32(NBD_REQUEST_MAGIC),
		.command = htobe16(command),
		.offset = htobe64(off),
		.len = htobe32(len),
	};
	struct nbd_simple_reply reply;

	if (put(r->fd, &request, sizeof(request)) ||
	    (data && put(r->fd, data, len)) ||
	    get(r->fd, &reply, sizeof(reply)))
		return -ECONNRESET;
	return -be32toh(reply.error);
}

int nbd_reader_read(struct nbd_reader *r, void *buf, uint32_t len,
		    uint64_t off)
{
	int ret = nbd_reader_ask(r, NBD_CMD_READ, NULL, len, off);

	if (ret)
		return ret == -ECONNRESET ? ret : -EIO;
	return get(r->fd, buf, len);
}

void nbd_reader_close(struct nbd_reader *r)
{
	struct nbd_request request = {
		.magic = htobe32(NBD_REQUEST_MAGIC),
		.command = htobe16(NBD_CMD_DISC),
	};

	put(r->fd, &request, sizeof(request));
	close(r->fd);
}
