/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS as an engine without a socket: what comes from the peer is fed in, what
 * is to go to the peer is taken out.  Nothing here blocks, but for the reading
 * of key files in tls_create().  One thread at a time for each engine.
 *
 * TLS 1.2 and 1.3; the peer is always verified: by a pre-shared key (with
 * ephemeral Diffie-Hellman), or by its certificate and name.
 */
#ifndef REPLICA_TLS_H
#define REPLICA_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

struct tls;

/*
 * How to know the peer, and to be known: a PSK (@psk_user, and @psk_file or
 * @psk), or certificates.
 */
struct tls_identity {
	bool is_server;			/* with @psk only */
	const char *psk_user;
	const char *psk_file;		/* lines USER:HEXKEY */
	const uint8_t *psk;		/* or the key itself, psk_len bytes */
	size_t psk_len;
	const char *certificates;	/* a folder: ca-cert.pem, and, to be
					 * known, client-cert.pem and
					 * client-key.pem */
	const char *hostname;		/* in the peer's certificate */
};

/*
 * Nothing of @id is needed afterwards.  Returns 0; -EINVAL, -ENOENT, -EACCES
 * (a key file: named in @err), -ENOMEM.
 */
int tls_create(struct tls **tlsp, const struct tls_identity *id,
	       struct error *err);
void tls_destroy(struct tls *tls);	/* NULL is fine; wipes the keys */

/*
 * The next bytes from the peer: they stay in place until tls_handshake() or
 * tls_read() has said that it wants more.
 */
void tls_feed(struct tls *tls, const void *data, size_t len);

/*
 * Go on with the handshake.  Returns 1 when it is complete and the peer is who
 * it should be, 0 when more must come; -EKEYREJECTED with plain words in @err:
 * not the right peer, key or certificate, or no TLS at all.
 */
int tls_handshake(struct tls *tls, struct error *err);

/*
 * What the peer has said, at most @size bytes.  Returns their number; -EAGAIN:
 * more must come; 0: the peer has ended the session; -EPROTO or -EKEYEXPIRED
 * with words.
 */
int tls_read(struct tls *tls, void *buf, size_t size, struct error *err);

/*
 * Encrypt: into what is to be sent.  @data need not stay.  tls_end() says that
 * nothing follows.  They return 0, -ENOMEM or -EPROTO.
 */
int tls_write(struct tls *tls, const void *data, size_t len);
/* Encrypt what tls_write() has kept back for a fuller record. */
int tls_push(struct tls *tls);
int tls_end(struct tls *tls);

/*
 * After the handshake, when all that tls_take() gave has been sent over @fd, a
 * TCP socket: the kernel encrypts from now on what is sent there, and the
 * engine only reads.  A peer that asks us to change our keys ends the session
 * (tls_read(): -EKEYEXPIRED), since the kernel cannot.  Returns 0, or -errno:
 * there it cannot be done, and nothing has changed.
 */
int tls_hand_over(struct tls *tls, int fd);
/* The tls_end() of that socket. */
void tls_end_handed(struct tls *tls, int fd);

/*
 * What is to be sent to the peer now: *@len bytes, owned by the engine, which
 * makes room elsewhere; they stay until the next call.  *@len is 0 if there is
 * nothing.
 */
void tls_take(struct tls *tls, const void **data, size_t *len);

/*
 * After the handshake: @len bytes that both sides can compute and nobody else,
 * not even one who learns the pre-shared key later.  Returns 0 or -EPROTO.
 */
int tls_derive(struct tls *tls, const char *label, uint8_t *key, size_t len);

#endif
