/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "uri.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define DEFAULT_PORT	"10809"
#define MAX_EXPORT	4096	/* NBD's limit for a string */

#define SOCKET_PATH_LEN	sizeof(((struct sockaddr_un *)0)->sun_path)

/* Schemes of the NBD URI specification; one with ->missing is refused. */
static const struct scheme {
	const char *name;
	bool is_unix;
	const char *missing;
} schemes[] = {
	{ "nbd", false, NULL },
	{ "nbd+unix", true, NULL },
	{ "nbds", false, "TLS" },
	{ "nbds+unix", true, "TLS" },
	{ "nbd+vsock", false, "vsock" },
	{ "nbds+vsock", false, "TLS" },
	{ "nbd+ssh", false, "ssh" },
};

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One character at *@p, decoded; -1 if it is not a valid escape, or a NUL. */
static int next_char(const char **p)
{
	int hi, lo;

	if (**p != '%')
		return (unsigned char)*(*p)++;
	hi = hex((*p)[1]);
	lo = hi < 0 ? -1 : hex((*p)[2]);
	if (lo < 0 || hi + lo == 0)
		return -1;
	*p += 3;
	return hi * 16 + lo;
}

/* The text between @from and @to, decoded, on the heap. */
static int decode(char **out, const char *from, const char *to,
		  struct error *err)
{
	char *s = malloc(to - from + 1);
	size_t n = 0;
	int c;

	if (!s)
		return -ENOMEM;
	while (from < to) {
		c = next_char(&from);
		if (c < 0 || from > to) {
			free(s);
			return error_set(err, -EINVAL,
					 "bad %%-escape in the URI");
		}
		s[n++] = c;
	}
	s[n] = '\0';
	*out = s;
	return 0;
}

static int parse_scheme(const struct scheme **found, const char **text,
			struct error *err)
{
	size_t i, n = strcspn(*text, ":");

	if (strncmp(*text + n, "://", 3))
		return error_set(err, -EINVAL, "not an NBD URI: %s", *text);
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		const struct scheme *s = &schemes[i];

		if (strlen(s->name) != n || strncasecmp(s->name, *text, n))
			continue;
		if (s->missing)
			return error_set(err, -EPROTONOSUPPORT,
					 "%s:// is not supported (%s)",
					 s->name, s->missing);
		*found = s;
		*text += n + 3;
		return 0;
	}
	return error_set(err, -EINVAL, "unknown scheme %.*s://", (int)n, *text);
}

static int parse_port(struct nbd_uri *uri, const char *from, const char *to,
		      struct error *err)
{
	long port;
	char *end;

	if (from == to) {
		uri->port = strdup(DEFAULT_PORT);
		return uri->port ? 0 : -ENOMEM;
	}
	port = strtol(from, &end, 10);
	if (!isdigit((unsigned char)*from) || end != to || port < 1 ||
	    port > 65535)
		return error_set(err, -EINVAL, "bad port %.*s",
				 (int)(to - from), from);
	uri->port = strndup(from, to - from);
	return uri->port ? 0 : -ENOMEM;
}

/* HOST, HOST:PORT, [IPV6], [IPV6]:PORT */
static int parse_host(struct nbd_uri *uri, const char *from, const char *to,
		      struct error *err)
{
	const char *host = from, *end = memchr(from, ':', to - from);
	const char *port;
	int ret;

	if (memchr(from, '@', to - from))
		return error_set(err, -EPROTONOSUPPORT,
				 "a user name in the URI needs TLS");
	if (*from == '[') {
		host++;
		end = memchr(from, ']', to - from);
		if (!end || (end + 1 < to && end[1] != ':'))
			return error_set(err, -EINVAL, "bad IPv6 address %.*s",
					 (int)(to - from), from);
	}
	port = end ? end + (*end == ']') : to;
	if (port < to)
		port++;
	end = end ?: to;
	if (host == end)
		return error_set(err, -EINVAL, "no host in the URI");
	ret = decode(&uri->host, host, end, err);
	return ret ?: parse_port(uri, port, to, err);
}

static int parse_export(struct nbd_uri *uri, const char *from, const char *to,
			struct error *err)
{
	int ret;

	if (from < to)
		from++;		/* the slash */
	ret = decode(&uri->export, from, to, err);
	if (!ret && strlen(uri->export) > MAX_EXPORT)
		return error_set(err, -EINVAL,
				 "export name longer than %d bytes", MAX_EXPORT);
	return ret;
}

static int parse_socket(struct nbd_uri *uri, const char *from, const char *to,
			struct error *err)
{
	int ret;

	if (uri->socket)
		return error_set(err, -EINVAL, "socket= twice in the URI");
	ret = decode(&uri->socket, from, to, err);
	if (ret)
		return ret;
	if (!*uri->socket)
		return error_set(err, -EINVAL, "socket= is empty");
	if (strlen(uri->socket) >= SOCKET_PATH_LEN)
		return error_set(err, -EINVAL,
				 "socket path longer than %zu bytes: %s",
				 SOCKET_PATH_LEN - 1, uri->socket);
	return 0;
}

/* Parameters we do not know are ignored, as the specification asks. */
static int parse_query(struct nbd_uri *uri, const char *p, struct error *err)
{
	int ret = 0;

	while (*p && !ret) {
		size_t n = strcspn(p, "&;");

		if (!strncmp(p, "socket=", 7))
			ret = parse_socket(uri, p + 7, p + n, err);
		else if (!strncmp(p, "tls-", 4))
			ret = error_set(err, -EPROTONOSUPPORT,
					"%.*s: TLS is not supported",
					(int)n, p);
		p += n + (p[n] != '\0');
	}
	return ret;
}

static int parse(struct nbd_uri *uri, const char *text, struct error *err)
{
	const struct scheme *scheme = NULL;
	const char *path, *query;
	int ret = parse_scheme(&scheme, &text, err);

	if (ret)
		return ret;
	if (strchr(text, '#'))
		return error_set(err, -EINVAL, "a fragment (#) in the URI");
	path = text + strcspn(text, "/?");
	query = path + strcspn(path, "?");
	ret = parse_export(uri, path, query, err);
	if (!ret && *query)
		ret = parse_query(uri, query + 1, err);
	if (ret)
		return ret;
	if (!scheme->is_unix && uri->socket)
		return error_set(err, -EINVAL, "socket= goes with nbd+unix://");
	if (!scheme->is_unix)
		return parse_host(uri, text, path, err);
	if (path != text)
		return error_set(err, -EINVAL,
				 "nbd+unix:// has no host (three slashes)");
	if (!uri->socket)
		return error_set(err, -EINVAL, "nbd+unix:// needs ?socket=PATH");
	return 0;
}

int nbd_uri_parse(struct nbd_uri *uri, const char *text, struct error *err)
{
	int ret;

	memset(uri, 0, sizeof(*uri));
	ret = parse(uri, text, err);
	if (ret == -ENOMEM)
		error_set(err, ret, "out of memory");
	if (ret)
		nbd_uri_free(uri);
	return ret;
}

void nbd_uri_free(struct nbd_uri *uri)
{
	free(uri->host);
	free(uri->port);
	free(uri->socket);
	free(uri->export);
	memset(uri, 0, sizeof(*uri));
}
