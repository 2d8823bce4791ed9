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
	bool is_unix, is_tls;
	const char *missing;
} schemes[] = {
	{ "nbd", false, false, NULL },
	{ "nbd+unix", true, false, NULL },
	{ "nbds", false, true, NULL },
	{ "nbds+unix", true, true, NULL },
	{ "nbd+vsock", false, false, "vsock" },
	{ "nbds+vsock", false, true, "vsock" },
	{ "nbd+ssh", false, false, "ssh" },
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

/* USER@ before the host, or before the path of a Unix socket's URI. */
static int parse_user(struct nbd_uri *uri, const char **from, const char *to,
		      struct error *err)
{
	const char *at = memchr(*from, '@', to - *from);
	int ret;

	if (!at)
		return 0;
	if (!uri->is_tls)
		return error_set(err, -EPROTONOSUPPORT,
				 "a user name in the URI needs TLS");
	ret = decode(&uri->user, *from, at, err);
	*from = at + 1;
	if (!ret && !*uri->user)
		return error_set(err, -EINVAL, "the user name is empty");
	return ret;
}

/* NAME=VALUE of the query, into @field. */
static int parse_value(char **field, const char *name, const char *from,
		       const char *to, struct error *err)
{
	int ret;

	if (*field)
		return error_set(err, -EINVAL, "%s twice in the URI", name);
	ret = decode(field, from, to, err);
	if (!ret && !**field)
		return error_set(err, -EINVAL, "%s is empty", name);
	return ret;
}

static int parse_socket(struct nbd_uri *uri, const char *from, const char *to,
			struct error *err)
{
	int ret = parse_value(&uri->socket, "socket=", from, to, err);

	if (ret)
		return ret;
	if (strlen(uri->socket) >= SOCKET_PATH_LEN)
		return error_set(err, -EINVAL,
				 "socket path longer than %zu bytes: %s",
				 SOCKET_PATH_LEN - 1, uri->socket);
	return 0;
}

static int parse_tls(struct nbd_uri *uri, const char *from, const char *to,
		     struct error *err)
{
	const struct {
		const char *name;
		char **field;
	} params[] = {
		{ "tls-psk-file=", &uri->psk_file },
		{ "tls-certificates=", &uri->certificates },
		{ "tls-hostname=", &uri->hostname },
	};

	if (!uri->is_tls)
		return error_set(err, -EINVAL, "%.*s goes with nbds:// only",
				 (int)(to - from), from);
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
		size_t n = strlen(params[i].name);

		if (!strncmp(from, params[i].name, n))
			return parse_value(params[i].field, params[i].name,
					   from + n, to, err);
	}
	return error_set(err, -EPROTONOSUPPORT, "%.*s is not supported: the "
			 "peer is always verified", (int)(to - from), from);
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
			ret = parse_tls(uri, p, p + n, err);
		p += n + (p[n] != '\0');
	}
	return ret;
}

/* There must be one way to know the peer, and all that it takes. */
static int check_tls(struct nbd_uri *uri, struct error *err)
{
	if (!uri->is_tls)
		return 0;
	if (!uri->psk_file == !uri->certificates)
		return error_set(err, -EINVAL, "TLS needs tls-psk-file=FILE or "
				 "tls-certificates=FOLDER (one of them)");
	if (uri->psk_file && !uri->user)
		return error_set(err, -EINVAL, "tls-psk-file= needs the name "
				 "that the key has: nbds://NAME@HOST");
	if (uri->psk_file && uri->hostname)
		return error_set(err, -EINVAL,
				 "tls-hostname= goes with tls-certificates=");
	if (uri->psk_file || uri->hostname)
		return 0;
	if (!uri->host)
		return error_set(err, -EINVAL, "which name has the peer's "
				 "certificate? tls-hostname= is missing");
	uri->hostname = strdup(uri->host);
	return uri->hostname ? 0 : -ENOMEM;
}

static int parse(struct nbd_uri *uri, const char *text, struct error *err)
{
	const struct scheme *scheme = NULL;
	const char *path, *query;
	int ret = parse_scheme(&scheme, &text, err);

	if (ret)
		return ret;
	uri->is_tls = scheme->is_tls;
	if (strchr(text, '#'))
		return error_set(err, -EINVAL, "a fragment (#) in the URI");
	path = text + strcspn(text, "/?");
	query = path + strcspn(path, "?");
	ret = parse_export(uri, path, query, err);
	if (!ret && *query)
		ret = parse_query(uri, query + 1, err);
	if (!ret)
		ret = parse_user(uri, &text, path, err);
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
	if (!ret)
		ret = check_tls(uri, err);
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
	free(uri->user);
	free(uri->psk_file);
	free(uri->certificates);
	free(uri->hostname);
	memset(uri, 0, sizeof(*uri));
}

/* A "/" in a password is wrong, but a password. */
static const char *password_end(const char *host, const char *colon)
{
	size_t digits = strspn(colon + 1, "0123456789");
	const char *at = host + strcspn(host, "@/?");

	return *at == '@' || strchr("/?", colon[1 + digits]) ? at :
							strrchr(host, '@');
}

const char *uri_password(const char *text, size_t *len)
{
	const char *host = strstr(text, "://"), *colon, *at;

	if (!host)
		return NULL;
	host += 3;
	colon = host + strcspn(host, ":@/?");
	if (*colon != ':')
		return NULL;
	at = password_end(host, colon);
	if (!at || *at != '@' || at <= colon)
		return NULL;
	*len = at - colon - 1;
	return colon + 1;
}
