/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sending side of a TLS session, done by the kernel: see tls.h. */
#ifndef REPLICA_TLS_KERNEL_H
#define REPLICA_TLS_KERNEL_H

#include <gnutls/gnutls.h>
#include <stddef.h>

/*
 * A message @type of the server's handshake: what it says of the records that
 * it takes is put into *@limit, in bytes, or nothing.
 */
void tls_kernel_see(unsigned int type, const gnutls_datum_t *msg,
		    size_t *limit);

/*
 * What is sent over @fd, a connected socket, is encrypted by the kernel from
 * now on, as the next records of @session, if @limit (0: none was told) allows
 * them to be full ones.  Returns 0; -EOPNOTSUPP (the session's cipher, or the
 * limit) or -errno (the kernel has no TLS, or not on such a socket): then what
 * is sent over @fd goes as it is, as before.
 */
int tls_kernel_send(gnutls_session_t session, int fd, size_t limit);

/*
 * The session's goodbye, behind all that has been sent.  It is left out if
 * there is no room for it: what it would protect, NBD says too.
 */
void tls_kernel_goodbye(int fd);

#endif
