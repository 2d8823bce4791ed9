/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NBD URIs, as far as we support them:
 *
 *	nbd://HOST[:PORT][/EXPORT]
 *	nbd+unix:///[EXPORT]?socket=PATH
 *	nbds://[USER@]HOST[:PORT][/EXPORT]?TLS
 *	nbds+unix://[USER@]/[EXPORT]?socket=PATH&TLS
 *
 * HOST may be an IPv6 address in brackets.  Percent-encoding is undone.  TLS is
 * tls-psk-file=FILE, with a USER, or tls-certificates=FOLDER, where
 * tls-hostname=NAME may name the peer otherwise than HOST does.
 */
#ifndef REPLICA_URI_H
#define REPLICA_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

struct nbd_uri {
	char *host, *port;	/* TCP, else NULL */
	char *socket;		/* Unix, else NULL */
	char *export;		/* never NULL, may be empty */
	bool is_tls;
	char *user, *psk_file;	/* both, else NULL */
	char *certificates;	/* else this, and */
	char *hostname;		/* what must stand in the peer's */
};

/*
 * Returns 0, -EINVAL, -EPROTONOSUPPORT (a scheme or TLS parameter of NBD that
 * we lack, named in @err) or -ENOMEM.  On failure @uri is empty.
 */
int nbd_uri_parse(struct nbd_uri *uri, const char *text, struct error *err);
void nbd_uri_free(struct nbd_uri *uri);

/*
 * Where the password of USER:PASSWORD@ is, that no message may show, and its
 * length; NULL: there is none. An NBD URI can have none, but somebody may try.
 */
const char *uri_password(const char *text, size_t *len);

#endif
