// SPDX-License-Identifier: GPL-2.0-or-later
/* What "doctor" finds out about the targets: how they are named, TLS, ports. */
#include "doctor.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pairing-file.h"
#include "uri.h"

#define CONNECT_MS	3000
#define CERT_DAYS	30

/* --- what a target is ----------------------------------------------------- */

static bool is_local(const char *target)
{
	return !strncmp(target, "local:", 6) || !strncmp(target, "stage:", 6);
}

/* The URI of pair:NAME. Its key's path is below the root, like all others. */
static int resolve(const struct doctor *d, const struct volume_config *v,
		   char *text, size_t size, struct error *err)
{
	char *state = doctor_path(d, d->config.state_dir);
	uint8_t id[16];
	int ret = state ? pairing_resolve(state, v->target, v->name, text,
					  size, id, err) : -ENOMEM;

	free(state);
	return ret;
}

static bool parse_target(const struct doctor *d, const struct volume_config *v,
			 struct nbd_uri *uri, int *ret, struct error *err)
{
	char text[700];
	size_t skip = strlen(d->root);
	bool is_pair = pairing_is_target(v->target);

	*ret = 0;
	if (is_local(v->target))
		return false;
	if (is_pair)
		*ret = resolve(d, v, text, sizeof(text), err);
	if (!*ret)
		*ret = nbd_uri_parse(uri, is_pair ? text : v->target, err);
	if (*ret)
		return false;
	if (is_pair && uri->psk_file)
		memmove(uri->psk_file, uri->psk_file + skip,
			strlen(uri->psk_file + skip) + 1);
	return true;
}

/* Calls @check for each that has a URI. */
static void each_uri(struct doctor *d, void (*check)(struct doctor *d,
		     const struct volume_config *v, const struct nbd_uri *uri))
{
	const struct volume_config *v;
	struct nbd_uri uri;
	int ret;

	for (v = d->config.volumes; v; v = v->next) {
		struct error err = { 0 };

		if (!parse_target(d, v, &uri, &ret, &err))
			continue;
		check(d, v, &uri);
		nbd_uri_free(&uri);
	}
}

void doctor_targets(struct doctor *d)
{
	const struct volume_config *v;
	struct nbd_uri uri;
	int ret;

	for (v = d->config.volumes; v; v = v->next) {
		struct error err = { 0 };

		if (parse_target(d, v, &uri, &ret, &err))
			nbd_uri_free(&uri);
		else if (ret == -EACCES || ret == -EPERM)
			doctor_cannot(d, "target", v->target);
		else if (ret)
			doctor_find(d, "target", LEVEL_BAD,
				    pairing_is_target(v->target) ?
				    "pair the sites: replicactl pair --help" :
				    "write it as replica.conf(5) says",
				    "%s: %.200s: %.300s", v->name, v->target,
				    err.text);
	}
}

/* --- TLS ------------------------------------------------------------------ */

static void check_secret(struct doctor *d, const char *volume, const char *file)
{
	char *path = doctor_path(d, file);
	struct stat st;

	if (doctor_is_hidden(d, file, F_OK))
		doctor_cannot(d, "tls", file);
	else if (!path || stat(path, &st))
		doctor_find(d, "tls", LEVEL_BAD, "make it, or name another one "
			    "in the target", "%s: %.200s: %s", volume, file,
			    strerror(errno));
	else if (st.st_mode & 077)
		doctor_find(d, "tls", LEVEL_BAD, "chmod 600 it, and if others "
			    "may have read it, make a new key at both sites",
			    "%s: %.200s can be read by others", volume, file);
	else
		doctor_find(d, "tls", LEVEL_OK, NULL, "%s: %.200s is there, "
			    "for its owner only", volume, file);
	free(path);
}

/* Seconds since 1970, or -1. */
static time_t expiry_of(const char *path)
{
	gnutls_datum_t data = { NULL, 0 };
	gnutls_x509_crt_t cert;
	time_t end = -1;

	if (gnutls_load_file(path, &data))
		return -1;
	if (!gnutls_x509_crt_init(&cert)) {
		if (!gnutls_x509_crt_import(cert, &data, GNUTLS_X509_FMT_PEM))
			end = gnutls_x509_crt_get_expiration_time(cert);
		gnutls_x509_crt_deinit(cert);
	}
	gnutls_free(data.data);
	return end;
}

static void check_certificate(struct doctor *d, const char *volume,
			      const char *dir, const char *name)
{
	char file[500];
	char *path;
	time_t end;
	long days;

	snprintf(file, sizeof(file), "%.400s/%s", dir, name);
	path = doctor_path(d, file);
	end = path ? expiry_of(path) : -1;
	days = (end - time(NULL)) / 86400;
	if (end == -1 && doctor_is_hidden(d, file, R_OK))
		doctor_cannot(d, "tls", file);
	else if (end == -1)
		doctor_find(d, "tls", LEVEL_BAD, "put a certificate there, in "
			    "PEM", "%s: %.300s cannot be read", volume, file);
	else if (end < time(NULL))
		doctor_find(d, "tls", LEVEL_BAD, "renew it", "%s: %.300s has "
			    "expired", volume, file);
	else if (days < CERT_DAYS)
		doctor_find(d, "tls", LEVEL_WARN, "renew it", "%s: %.300s "
			    "expires in %ld days", volume, file, days);
	else
		doctor_find(d, "tls", LEVEL_OK, NULL, "%s: %.300s is good for "
			    "%ld days", volume, file, days);
	free(path);
}

static void check_tls(struct doctor *d, const struct volume_config *v,
		      const struct nbd_uri *uri)
{
	if (uri->psk_file)
		check_secret(d, v->name, uri->psk_file);
	if (!uri->certificates)
		return;
	check_certificate(d, v->name, uri->certificates, "ca-cert.pem");
	check_certificate(d, v->name, uri->certificates, "client-cert.pem");
}

void doctor_tls(struct doctor *d)
{
	const struct volume_config *v;

	for (v = d->config.volumes; v; v = v->next)
		if (volume_config_is_clear(v))
			doctor_find(d, "tls", LEVEL_WARN, "pair the sites: "
				    "replicactl pair --help", "%s is sent in "
				    "clear (tls=off)", v->name);
	each_uri(d, check_tls);
}

/* --- ports ---------------------------------------------------------------- */

/* 0 or -errno. */
static int finish_connect(int fd, const struct addrinfo *a)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0;

	if (!connect(fd, a->ai_addr, a->ai_addrlen))
		return 0;
	if (errno != EINPROGRESS)
		return -errno;
	if (poll(&pfd, 1, CONNECT_MS) != 1)
		return -ETIMEDOUT;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return -err;
}

static int try_connect(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK |
			SOCK_CLOEXEC, 0);
	int ret = fd < 0 ? -errno : finish_connect(fd, a);

	if (fd >= 0)
		close(fd);
	return ret;
}

static void check_port(struct doctor *d, const char *volume,
		       const struct nbd_uri *uri)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
	const char *port = uri->port ? uri->port : "10809";
	int ret = getaddrinfo(uri->host, port, &hints, &list);
	const char *why = ret ? gai_strerror(ret) : NULL;

	if (!ret) {
		ret = -EHOSTUNREACH;
		for (struct addrinfo *a = list; a && ret; a = a->ai_next)
			ret = try_connect(a);
		why = strerror(-ret);
		freeaddrinfo(list);
	}
	if (ret)
		doctor_find(d, "port", LEVEL_BAD, "see that the server runs "
			    "there, and what firewalls let through", "%s: "
			    "%.100s port %s: %s", volume, uri->host, port, why);
	else
		doctor_find(d, "port", LEVEL_OK, NULL, "%s: %.100s port %s can "
			    "be reached", volume, uri->host, port);
}

static void check_server(struct doctor *d, const struct volume_config *v,
			 const struct nbd_uri *uri)
{
	if (uri->host)
		check_port(d, v->name, uri);
}

void doctor_ports(struct doctor *d)
{
	each_uri(d, check_server);
}
