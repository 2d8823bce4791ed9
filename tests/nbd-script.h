/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scripted NBD server for tests, good or bad: a thread that accepts one
 * connection, on a Unix socket or TCP, and does what the script says.  The
 * functions below send and receive pieces of the protocol; when the client has
 * gone they do nothing, so a script need not look.
 */
#ifndef REPLICA_NBD_SCRIPT_H
#define REPLICA_NBD_SCRIPT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nbd-wire.h"

struct script_tls {
	/* All of it; false: the client has gone. */
	bool (*send)(struct script_tls *tls, const void *data, size_t len);
	bool (*recv)(struct script_tls *tls, void *data, size_t len);
};

struct script_server {
	void (*script)(struct script_server *s);
	char dir[32], uri[160];
	int listen_fd, fd;
	pthread_t thread;
	unsigned int number;		/* for the script's use */
	/* Set by a script that has begun TLS: what it sends and receives by. */
	struct script_tls *tls;
	uint32_t option;		/* that is answered; 0 = GO */
	struct nbd_request last;	/* host order, cookie as it came */
	unsigned int nr_requests, nr_disc;	/* read them after the end */
	uint8_t payload[9 << 20];
};

/* Flags of a server that can do everything. */
#define SCRIPT_ALL_FLAGS (NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | \
			  NBD_FLAG_SEND_FUA | NBD_FLAG_SEND_WRITE_ZEROES | \
			  NBD_FLAG_CAN_MULTI_CONN)

/* Returns 0 or -errno; the URI is in @s. */
int script_start(struct script_server *s,
		 void (*script)(struct script_server *s));
int script_start_tcp(struct script_server *s,
		     void (*script)(struct script_server *s));
/* Joins the thread: the client must have gone, or the script be at its end. */
void script_end(struct script_server *s);

void script_send(struct script_server *s, const void *data, size_t len);
bool script_recv(struct script_server *s, void *data, size_t len);
void script_sleep_ms(unsigned int ms);
/* Reads and drops until the client has gone. */
void script_drain(struct script_server *s);

void script_greet(struct script_server *s);
void script_get_go(struct script_server *s);
/*
 * The next option, with the export that it names; 0: the client has gone. The
 * client's flags stand before the first one.
 */
uint32_t script_get_option(struct script_server *s, bool is_first,
			   char *name, size_t size);
/* A reply to GO, or to what script_get_option() returned. */
void script_opt(struct script_server *s, uint32_t type, const void *data,
		uint32_t len);
void script_export(struct script_server *s, uint64_t size, uint16_t flags);
void script_blocks(struct script_server *s, uint32_t min, uint32_t pref,
		   uint32_t max);
/* All of the negotiation, with a 64 MiB export. */
void script_negotiate(struct script_server *s);

/* The next request with its payload; false: DISC, or the client has gone. */
bool script_request(struct script_server *s);
/* Its header only. */
bool script_request_header(struct script_server *s);
void script_reply(struct script_server *s, uint64_t cookie, uint32_t error);
/* Answer everything well until the client goes. */
void script_serve(struct script_server *s);

#endif
