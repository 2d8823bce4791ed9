/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NBD URIs, as far as we support them:
 *
 *	nbd://HOST[:PORT][/EXPORT]
 *	nbd+unix:///[EXPORT]?socket=PATH
 *
 * HOST may be an IPv6 address in brackets.  Percent-encoding is undone.
 */
#ifndef REPLICA_URI_H
#define REPLICA_URI_H

#include <stdbool.h>

#include "error.h"

struct nbd_uri {
	char *host, *port;	/* TCP, else NULL */
	char *socket;		/* Unix, else NULL */
	char *export;		/* never NULL, may be empty */
};

/*
 * Returns 0, -EINVAL, -EPROTONOSUPPORT (a scheme or TLS parameter of NBD that
 * we lack, named in @err) or -ENOMEM.  On failure @uri is empty.
 */
int nbd_uri_parse(struct nbd_uri *uri, const char *text, struct error *err);
void nbd_uri_free(struct nbd_uri *uri);

#endif
