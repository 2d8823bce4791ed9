/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nbd-script.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- bytes ---------------------------------------------------------------- */

void script_send(struct script_server *s, const void *data, size_t len)
{
	ssize_t n;

	if (s->tls) {
		s->tls->send(s->tls, data, len);
		return;
	}
	n = send(s->fd, data, len, MSG_NOSIGNAL | MSG_WAITALL);
	(void)n;
}

bool script_recv(struct script_server *s, void *data, size_t len)
{
	if (s->tls)
		return s->tls->recv(s->tls, data, len);
	return recv(s->fd, data, len, MSG_WAITALL) == (ssize_t)len;
}

void script_sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

void script_drain(struct script_server *s)
{
	while (recv(s->fd, s->payload, sizeof(s->payload), 0) > 0)
		;
}

/* --- negotiation ---------------------------------------------------------- */

void script_greet(struct script_server *s)
{
	struct nbd_greeting msg = {
		.magic = htobe64(NBD_MAGIC),
		.opt_magic = htobe64(NBD_OPT_MAGIC),
		.flags = htobe16(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES),
	};

	script_send(s, &msg, sizeof(msg));
}

void script_get_go(struct script_server *s)
{
	struct nbd_opt_go go;

	if (script_recv(s, &go, sizeof(go)))
		script_recv(s, s->payload, be32toh(go.len) - 4);
}

uint32_t script_get_option(struct script_server *s, bool is_first,
			   char *name, size_t size)
{
	struct nbd_opt_go go = { .len = 0 };
	size_t skip = is_first ? 0 : sizeof(go.client_flags);
	size_t end = offsetof(struct nbd_opt_go, name_len), len, name_len = 0;

	if (!script_recv(s, (char *)&go + skip, end - skip))
		return 0;
	len = be32toh(go.len);
	if (len > sizeof(s->payload) ||
	    (len && !script_recv(s, s->payload, len)))
		return 0;
	/* Of options without one, the name is empty. */
	if (len >= sizeof(go.name_len)) {
		memcpy(&go.name_len, s->payload, sizeof(go.name_len));
		name_len = be32toh(go.name_len);
	}
	snprintf(name, size, "%.*s", (int)name_len, s->payload +
		 (name_len ? sizeof(go.name_len) : 0));
	s->option = be32toh(go.option);
	return s->option;
}

void script_opt(struct script_server *s, uint32_t type, const void *data,
		uint32_t len)
{
	struct nbd_opt_reply msg = {
		.magic = htobe64(NBD_REP_MAGIC),
		.option = htobe32(s->option ? s->option : NBD_OPT_GO),
		.type = htobe32(type),
		.len = htobe32(len),
	};

	script_send(s, &msg, sizeof(msg));
	script_send(s, data, len);
}

void script_export(struct script_server *s, uint64_t size, uint16_t flags)
{
	struct nbd_info_export msg = {
		.type = htobe16(NBD_INFO_EXPORT),
		.size = htobe64(size),
		.flags = htobe16(flags),
	};

	script_opt(s, NBD_REP_INFO, &msg, sizeof(msg));
}

void script_blocks(struct script_server *s, uint32_t min, uint32_t pref,
		   uint32_t max)
{
	struct nbd_info_block_size msg = {
		.type = htobe16(NBD_INFO_BLOCK_SIZE),
		.min = htobe32(min),
		.pref = htobe32(pref),
		.max = htobe32(max),
	};

	script_opt(s, NBD_REP_INFO, &msg, sizeof(msg));
}

void script_negotiate(struct script_server *s)
{
	script_greet(s);
	script_get_go(s);
	script_export(s, 64 << 20, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
}

/* --- requests ------------------------------------------------------------- */

bool script_request_header(struct script_server *s)
{
	struct nbd_request *r = &s->last;

	if (!script_recv(s, r, sizeof(*r)))
		return false;
	r->magic = be32toh(r->magic);
	r->flags = be16toh(r->flags);
	r->command = be16toh(r->command);
	r->offset = be64toh(r->offset);
	r->len = be32toh(r->len);
	s->nr_disc += r->command == NBD_CMD_DISC;
	s->nr_requests += r->command != NBD_CMD_DISC;
	return r->command != NBD_CMD_DISC;
}

bool script_request(struct script_server *s)
{
	if (!script_request_header(s))
		return false;
	if (s->last.command != NBD_CMD_WRITE)
		return true;
	return s->last.len <= sizeof(s->payload) &&
	       script_recv(s, s->payload, s->last.len);
}

void script_reply(struct script_server *s, uint64_t cookie, uint32_t error)
{
	struct nbd_simple_reply msg = {
		.magic = htobe32(NBD_SIMPLE_REPLY_MAGIC),
		.error = htobe32(error),
		.cookie = cookie,
	};

	script_send(s, &msg, sizeof(msg));
}

void script_serve(struct script_server *s)
{
	while (script_request(s)) {
		script_reply(s, s->last.cookie, 0);
		if (s->last.command == NBD_CMD_READ)
			script_send(s, s->payload, s->last.len);
	}
}

/* --- the thread ----------------------------------------------------------- */

static void *server_thread(void *arg)
{
	struct script_server *s = arg;

	s->fd = accept(s->listen_fd, NULL, NULL);
	if (s->fd < 0)
		return NULL;
	s->script(s);
	close(s->fd);
	return NULL;
}

static int listen_on(struct script_server *s, struct sockaddr *addr,
		     socklen_t len)
{
	s->listen_fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0 || bind(s->listen_fd, addr, len) ||
	    listen(s->listen_fd, 1))
		return -errno;
	return 0;
}

static void begin(struct script_server *s,
		  void (*script)(struct script_server *s))
{
	memset(s, 0, offsetof(struct script_server, payload));
	s->script = script;
}

static int start_thread(struct script_server *s)
{
	return -pthread_create(&s->thread, NULL, server_thread, s);
}

int script_start_tcp(struct script_server *s,
		     void (*script)(struct script_server *s))
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(in);
	int ret;

	begin(s, script);
	ret = listen_on(s, (struct sockaddr *)&in, sizeof(in));
	if (ret)
		return ret;
	getsockname(s->listen_fd, (struct sockaddr *)&in, &len);
	snprintf(s->uri, sizeof(s->uri), "nbd://127.0.0.1:%u/vol",
		 ntohs(in.sin_port));
	return start_thread(s);
}

int script_start(struct script_server *s,
		 void (*script)(struct script_server *s))
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int ret;

	begin(s, script);
	strcpy(s->dir, "/tmp/nbd-script-XXXXXX");
	if (!mkdtemp(s->dir))
		return -errno;
	snprintf(un.sun_path, sizeof(un.sun_path), "%s/socket", s->dir);
	snprintf(s->uri, sizeof(s->uri), "nbd+unix:///vol?socket=%s",
		 un.sun_path);
	ret = listen_on(s, (struct sockaddr *)&un, sizeof(un));
	return ret ?: start_thread(s);
}

void script_end(struct script_server *s)
{
	char path[64];

	shutdown(s->listen_fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listen_fd);
	if (!*s->dir)
		return;
	snprintf(path, sizeof(path), "%s/socket", s->dir);
	unlink(path);
	rmdir(s->dir);
}
