// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a test device's nbdkit finds its image: the parameters of nbdkit's nbd
 * plugin. Its "uri=" takes no files for TLS, so each part goes by itself.
 */
#include "testdev-impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uri.h"

static int add(struct testdev_source *s, const char *key, const char *value)
{
	if (!value)
		return 0;
	if (asprintf(&s->arg[s->nr], "%s=%s", key, value) < 0) {
		s->arg[s->nr] = NULL;
		return -ENOMEM;
	}
	s->nr++;
	return 0;
}

/* The name that a certificate has to bear is that of the host, for nbdkit. */
static int add_tls(struct testdev_source *s, const struct nbd_uri *uri,
		   struct error *err)
{
	const struct {
		const char *key, *value;
	} args[] = {
		{ "tls", "require" }, { "tls-username", uri->user },
		{ "tls-psk", uri->psk_file },
		{ "tls-certificates", uri->certificates },
		{ "tls-verify", uri->certificates ? "true" : NULL },
	};
	int ret = 0;

	if (uri->hostname && (!uri->host || strcmp(uri->hostname, uri->host)))
		return error_set(err, -EOPNOTSUPP, "tls-hostname=%.100s: a "
				 "test device's nbdkit knows the peer by its "
				 "host only", uri->hostname);
	for (size_t i = 0; !ret && i < sizeof(args) / sizeof(*args); i++)
		ret = add(s, args[i].key, args[i].value);
	return ret;
}

int testdev_source_make(struct testdev_source *s, const char *image,
			struct error *err)
{
	struct nbd_uri uri;
	int ret;

	memset(s, 0, sizeof(*s));
	ret = nbd_uri_parse(&uri, image, err);
	if (ret)
		return ret;
	ret = add(s, "socket", uri.socket);
	if (!ret)
		ret = add(s, "hostname", uri.host);
	if (!ret)
		ret = add(s, "port", uri.port);
	if (!ret)
		ret = add(s, "export", uri.export);
	if (!ret && uri.is_tls)
		ret = add_tls(s, &uri, err);
	nbd_uri_free(&uri);
	if (ret == -ENOMEM)
		error_set(err, ret, "no memory");
	if (ret)
		testdev_source_clear(s);
	return ret;
}

int testdev_source_make_fd(struct testdev_source *s, struct error *err)
{
	memset(s, 0, sizeof(*s));
	return add(s, "socket-fd", "3") ?
	       error_set(err, -ENOMEM, "no memory") : 0;
}

void testdev_source_clear(struct testdev_source *s)
{
	while (s->nr)
		free(s->arg[--s->nr]);
}
