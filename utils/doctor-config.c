// SPDX-License-Identifier: GPL-2.0-or-later
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/x509.h>
#include <libgen.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "options.h"
#include "print.h"
#include "uri.h"

#define MIB		1048576ULL
#define STATE_NEEDS	(64 * MIB)
#define CONNECT_MS	3000
#define CERT_DAYS	30

/* --- configuration -------------------------------------------------------- */

/* A file that is wrong leaves an empty configuration. */
static bool is_well(struct doctor *d, int err, bool is_runtime,
		    const char *error)
{
	if (!err)
		return true;
	doctor_find(d, "config", LEVEL_BAD, is_runtime ?
		    "replicad writes this file: put it right by hand, "
		    "or move it away and enable its volumes again" :
		    "put it right; replicad --check says when it is", "%s",
		    error);
	config_clear(&d->config);
	config_init(&d->config);
	return false;
}

static bool load(struct doctor *d, const char *path, bool is_runtime)
{
	char error[CONFIG_ERROR_SIZE] = "";
	char *file = doctor_path(d, path);
	int err = 0;

	if (file && doctor_has(d, path))
		err = config_read(&d->config, file, is_runtime, error);
	if (file && !err && !is_runtime)
		err = config_read_folder(&d->config, file, error);
	free(file);
	return is_well(d, err, is_runtime, error);
}

static bool load_kept(struct doctor *d, const char *name)
{
	char path[500];

	snprintf(path, sizeof(path), "%.450s/%s", d->config.state_dir, name);
	return load(d, path, true);
}

static bool finish(struct doctor *d)
{
	char error[CONFIG_ERROR_SIZE] = "";

	return is_well(d, config_finish(&d->config, error), false, error);
}

void doctor_config(struct doctor *d)
{
	const struct volume_config *v;
	int nr = 0;

	if (!load(d, d->config_path, false) || !load_kept(d, "targets.conf") ||
	    !load_kept(d, "volumes.conf") || !finish(d))
		return;
	for (v = d->config.volumes; v; v = v->next)
		nr++;
	doctor_find(d, "config", LEVEL_OK, NULL, "is good: %d volume%s", nr,
		    nr == 1 ? "" : "s");
	for (v = d->config.volumes; v; v = v->next)
		if (v->metadata && !strcmp(v->metadata, "none"))
			doctor_find(d, "metadata", LEVEL_WARN, "disable it, and "
				    "enable it with --metadata DEVICE",
				    "%s has none: after each boot or crash all "
				    "of it is sent again", v->name);
}

/* --- TLS ------------------------------------------------------------------ */

static void check_secret(struct doctor *d, const char *volume, const char *file)
{
	char *path = doctor_path(d, file);
	struct stat st;

	if (!path || stat(path, &st))
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
	if (end == -1)
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

static bool parse_target(const struct volume_config *v, struct nbd_uri *uri)
{
	struct error err = { 0 };

	return !strncmp(v->target, "nbd", 3) &&
	       !nbd_uri_parse(uri, v->target, &err);
}

void doctor_tls(struct doctor *d)
{
	const struct volume_config *v;
	struct nbd_uri uri;

	for (v = d->config.volumes; v; v = v->next) {
		if (volume_config_is_clear(v))
			doctor_find(d, "tls", LEVEL_WARN, "pair the sites: "
				    "replicactl pair --help", "%s is sent in "
				    "clear (tls=off)", v->name);
		if (!parse_target(v, &uri))
			continue;
		if (uri.psk_file)
			check_secret(d, v->name, uri.psk_file);
		if (uri.certificates) {
			check_certificate(d, v->name, uri.certificates,
					  "ca-cert.pem");
			check_certificate(d, v->name, uri.certificates,
					  "client-cert.pem");
		}
		nbd_uri_free(&uri);
	}
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

void doctor_ports(struct doctor *d)
{
	const struct volume_config *v;
	struct nbd_uri uri;

	for (v = d->config.volumes; v; v = v->next) {
		if (!parse_target(v, &uri))
			continue;
		if (uri.host)
			check_port(d, v->name, &uri);
		nbd_uri_free(&uri);
	}
}

/* --- space ---------------------------------------------------------------- */

static void check_space(struct doctor *d, const char *what, const char *dir,
			uint64_t needs, const char *remedy)
{
	char *path = doctor_path(d, dir);
	char has[PRINT_LEN], wants[PRINT_LEN];
	struct statvfs fs;

	if (!path || statvfs(path, &fs)) {
		doctor_find(d, "space", LEVEL_BAD, "make the folder",
			    "%s: %.200s: %s", what, dir, strerror(errno));
		free(path);
		return;
	}
	free(path);
	print_bytes(has, (double)fs.f_bavail * fs.f_frsize);
	print_bytes(wants, needs);
	if ((uint64_t)fs.f_bavail * fs.f_frsize < needs)
		doctor_find(d, "space", LEVEL_BAD, remedy, "%s: %.200s has %s "
			    "free, and may need %s", what, dir, has, wants);
	else
		doctor_find(d, "space", LEVEL_OK, NULL, "%s: %.200s has %s "
			    "free", what, dir, has);
}

void doctor_space(struct doctor *d)
{
	const struct volume_config *v;

	if (doctor_has(d, d->config.state_dir))
		check_space(d, "state", d->config.state_dir, STATE_NEEDS,
			    "make room: replicad cannot note what it must know "
			    "after a restart");
	for (v = d->config.volumes; v; v = v->next) {
		char *copy = v->spool ? strdup(v->spool) : NULL;

		if (copy)
			check_space(d, v->name, dirname(copy), v->spool_size,
				    "make room, or a smaller spool_size=");
		free(copy);
	}
}

/* --- the daemon ----------------------------------------------------------- */

void doctor_daemon(struct doctor *d)
{
	json_t *status = ctl_peek(d->args, "status", json_object()), *v;
	size_t i;

	if (!status) {
		doctor_find(d, "replicad", LEVEL_BAD, "systemctl start replicad;"
			    " journalctl -u replicad tells why it ended",
			    "does not run: nothing is shipped");
		return;
	}
	doctor_find(d, "replicad", LEVEL_OK, NULL, "runs");
	json_array_foreach(json_object_get(status, "volumes"), i, v) {
		const char *reason = json_string_value(
			json_object_get(v, "reason"));
		const char *next = json_string_value(
			json_object_get(v, "next_step"));

		if (reason && reason[0])
			doctor_find(d, "volume", LEVEL_WARN, next, "%s: %s: %s",
				    json_string_value(json_object_get(v, "name")),
				    json_string_value(json_object_get(v,
								      "state")),
				    reason);
	}
	json_decref(status);
}
