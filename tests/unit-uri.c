/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NBD URIs: if this failed, a volume could be shipped to another place than
 * the one that was meant, or in clear where TLS was asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"
#include "uri.h"

static const struct good {
	const char *text, *host, *port, *socket, *export;
} goods[] = {
	{ "nbd://h", "h", "10809", NULL, "" },
	{ "nbd://h/", "h", "10809", NULL, "" },
	{ "NBD://h/x", "h", "10809", NULL, "x" },
	{ "nbd://h:1/x", "h", "1", NULL, "x" },
	{ "nbd://h:/x", "h", "10809", NULL, "x" },
	{ "nbd://h:65535/a/b", "h", "65535", NULL, "a/b" },
	{ "nbd://h//x", "h", "10809", NULL, "/x" },
	{ "nbd://[::1]/x", "::1", "10809", NULL, "x" },
	{ "nbd://[fe80::1%25eth0]:10810/x", "fe80::1%eth0", "10810", NULL,
	  "x" },
	{ "nbd://h/a%20b%2fc%C3%A4", "h", "10809", NULL, "a b/c\303\244" },
	{ "nbd://h/x?unknown=1", "h", "10809", NULL, "x" },
	{ "nbd+unix:///x?socket=/run/s", NULL, NULL, "/run/s", "x" },
	{ "nbd+unix:///?socket=/run/s", NULL, NULL, "/run/s", "" },
	{ "nbd+unix://?socket=/run/s", NULL, NULL, "/run/s", "" },
	{ "nbd+unix:///x?a=b&socket=rel%26", NULL, NULL, "rel&", "x" },
};

static const struct secure {
	const char *text, *user, *psk_file, *certificates, *hostname;
} secures[] = {
	{ "nbds://u@h/x?tls-psk-file=/f", "u", "/f", NULL, NULL },
	{ "nbds://u%40v@[::1]:1/x?tls-psk-file=f%26", "u@v", "f&", NULL, NULL },
	{ "nbds+unix://u@/x?tls-psk-file=f&socket=s", "u", "f", NULL, NULL },
	{ "nbds://h/x?tls-certificates=d", NULL, NULL, "d", "h" },
	{ "nbds://h/x?tls-certificates=d&tls-hostname=n", NULL, NULL, "d", "n" },
	{ "nbds+unix:///x?socket=s&tls-certificates=d&tls-hostname=n", NULL,
	  NULL, "d", "n" },
};

static const struct bad {
	const char *text;
	int err;
	const char *says;
} bads[] = {
	{ "", -EINVAL, "not an NBD URI" },
	{ "nbd", -EINVAL, "not an NBD URI" },
	{ "nbd:h", -EINVAL, "not an NBD URI" },
	{ "/dev/sda", -EINVAL, "not an NBD URI" },
	{ "nbdx://h", -EINVAL, "unknown scheme nbdx" },
	{ "nbds://h/x", -EINVAL, "needs tls-psk-file" },
	{ "nbds+unix:///x?socket=s", -EINVAL, "needs tls-psk-file" },
	{ "nbds://h/x?tls-psk-file=f", -EINVAL, "nbds://NAME@HOST" },
	{ "nbds://@h/x?tls-psk-file=f", -EINVAL, "name is empty" },
	{ "nbds://u@h/x?tls-psk-file=", -EINVAL, "is empty" },
	{ "nbds://u@h/x?tls-psk-file=f&tls-psk-file=f", -EINVAL, "twice" },
	{ "nbds://u@h/x?tls-psk-file=f&tls-certificates=d", -EINVAL, "one of" },
	{ "nbds://u@h/x?tls-psk-file=f&tls-hostname=n", -EINVAL, "goes with" },
	{ "nbds://h/x?tls-certificates=d&tls-verify-peer=false",
	  -EPROTONOSUPPORT, "always verified" },
	{ "nbds+unix:///x?socket=s&tls-certificates=d", -EINVAL,
	  "tls-hostname= is missing" },
	{ "nbds+unix://h/x?socket=s&tls-certificates=d", -EINVAL, "no host" },
	{ "nbds+vsock://2/x", -EPROTONOSUPPORT, "vsock" },
	{ "nbd+vsock://2/x", -EPROTONOSUPPORT, "vsock" },
	{ "nbd+ssh://h/x", -EPROTONOSUPPORT, "ssh" },
	{ "nbd://u@h/x", -EPROTONOSUPPORT, "user name" },
	{ "nbd+unix://u@/x?socket=s", -EPROTONOSUPPORT, "user name" },
	{ "nbd://h/x?tls-psk-file=f", -EINVAL, "nbds:// only" },
	{ "nbd://", -EINVAL, "no host" },
	{ "nbd:///x", -EINVAL, "no host" },
	{ "nbd://:10809/x", -EINVAL, "no host" },
	{ "nbd://[]/x", -EINVAL, "no host" },
	{ "nbd://[::1/x", -EINVAL, "bad IPv6" },
	{ "nbd://[::1]x/x", -EINVAL, "bad IPv6" },
	{ "nbd://h:0/x", -EINVAL, "bad port 0" },
	{ "nbd://h:65536/x", -EINVAL, "bad port 65536" },
	{ "nbd://h:-1/x", -EINVAL, "bad port -1" },
	{ "nbd://h:1x/x", -EINVAL, "bad port 1x" },
	{ "nbd://h:1:2/x", -EINVAL, "bad port" },
	{ "nbd://h/%4", -EINVAL, "escape" },
	{ "nbd://h/%", -EINVAL, "escape" },
	{ "nbd://h/%zz", -EINVAL, "escape" },
	{ "nbd://h/a%00b", -EINVAL, "escape" },
	{ "nbd://h%4/x", -EINVAL, "escape" },
	{ "nbd://h/x#y", -EINVAL, "fragment" },
	{ "nbd://h/x?socket=s", -EINVAL, "goes with nbd+unix" },
	{ "nbd+unix:///x", -EINVAL, "needs ?socket=" },
	{ "nbd+unix:///x?socket=", -EINVAL, "empty" },
	{ "nbd+unix:///x?socket=a&socket=b", -EINVAL, "twice" },
	{ "nbd+unix://h/x?socket=s", -EINVAL, "no host (three slashes)" },
};

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void check_good(const struct good *g)
{
	struct error err = { 0 };
	struct nbd_uri uri;
	int ret = nbd_uri_parse(&uri, g->text, &err);

	ok(!ret && same(uri.host, g->host) && same(uri.port, g->port) &&
	   same(uri.socket, g->socket) && same(uri.export, g->export) &&
	   !uri.is_tls,
	   "%s %s", g->text, err.text);
	nbd_uri_free(&uri);
}

static void check_secure(const struct secure *s)
{
	struct error err = { 0 };
	struct nbd_uri uri;
	int ret = nbd_uri_parse(&uri, s->text, &err);

	ok(!ret && uri.is_tls && same(uri.user, s->user) &&
	   same(uri.psk_file, s->psk_file) &&
	   same(uri.certificates, s->certificates) &&
	   same(uri.hostname, s->hostname), "%s %s", s->text, err.text);
	nbd_uri_free(&uri);
}

static void check_bad(const struct bad *b)
{
	struct error err = { 0 };
	struct nbd_uri uri;
	int ret = nbd_uri_parse(&uri, b->text, &err);

	ok(ret == b->err && err.code == ret && strstr(err.text, b->says) &&
	   !uri.host && !uri.port && !uri.socket && !uri.export,
	   "'%s': %s", b->text, err.text);
}

/* Copies on the heap, so that a read beyond the end is seen. */
static void check_truncated(const char *text)
{
	struct nbd_uri uri;
	size_t n;

	for (n = 0; n <= strlen(text); n++) {
		char *copy = strndup(text, n);

		nbd_uri_parse(&uri, copy, NULL);
		nbd_uri_free(&uri);
		free(copy);
	}
}

static void check_long(void)
{
	char text[5000] = "nbd://h/";
	struct error err = { 0 };
	struct nbd_uri uri;

	memset(text + 8, 'x', 4097);
	is_int(nbd_uri_parse(&uri, text, &err), -EINVAL, "%s", err.text);
	error_clear(&err);
	strcpy(text, "nbd+unix:///?socket=");
	memset(text + 20, 'x', 108);
	text[128] = '\0';
	is_int(nbd_uri_parse(&uri, text, &err), -EINVAL, "%.40s", err.text);
}

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
		check_good(&goods[i]);
	for (i = 0; i < sizeof(secures) / sizeof(secures[0]); i++)
		check_secure(&secures[i]);
	for (i = 0; i < sizeof(bads) / sizeof(bads[0]); i++)
		check_bad(&bads[i]);
	for (i = 0; i < sizeof(goods) / sizeof(goods[0]); i++)
		check_truncated(goods[i].text);
	for (i = 0; i < sizeof(secures) / sizeof(secures[0]); i++)
		check_truncated(secures[i].text);
	check_long();
	return tap_done();
}
