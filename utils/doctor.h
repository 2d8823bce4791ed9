/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks of "replicactl doctor". Each looks at one thing, changes nothing, and
 * adds findings; one that is not well has a remedy. Files are looked for below
 * a root: "" for this machine, else a prefix, for tests and for machines whose
 * disk is mounted here; what only the running kernel knows is left out then.
 */
#ifndef REPLICACTL_DOCTOR_H
#define REPLICACTL_DOCTOR_H

#include <jansson.h>

#include "args.h"
#include "config.h"

struct doctor {
	const struct args *args;
	const char *root;		/* "" = this machine */
	const char *config_path;	/* below root */
	struct config config;		/* what could be read of it */
	json_t *findings;		/* objects: check level text remedy */
};

/* BAD: replication does not work, or data are at risk. WARN: look at it. */
enum level { LEVEL_OK, LEVEL_WARN, LEVEL_BAD };

/* remedy NULL: there is none to give, the finding is good. */
void doctor_find(struct doctor *d, const char *check, enum level level,
		 const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* The first line of root + path, without its end; NULL: there is none. */
char *doctor_read(const struct doctor *d, const char *path, char *buf,
		  size_t size);

/* root + path. Allocated, or NULL. */
char *doctor_path(const struct doctor *d, const char *path);
bool doctor_has(const struct doctor *d, const char *path);

/* Exists, and may not be looked at by this user: access() mode of it. */
bool doctor_is_hidden(const struct doctor *d, const char *path, int mode);
/* Adds the finding that says so. */
void doctor_cannot(struct doctor *d, const char *check, const char *what);

/* doctor-system.c */
void doctor_kernel(struct doctor *d);
void doctor_module(struct doctor *d);
void doctor_secure_boot(struct doctor *d);
void doctor_io_uring(struct doctor *d);
void doctor_programs(struct doctor *d);
void doctor_boot(struct doctor *d);
void doctor_clock(struct doctor *d);

/* doctor-config.c; the first one fills d->config. */
void doctor_config(struct doctor *d);
void doctor_modes(struct doctor *d);
void doctor_space(struct doctor *d);
void doctor_daemon(struct doctor *d);

/* doctor-target.c */
void doctor_targets(struct doctor *d);
void doctor_tls(struct doctor *d);
void doctor_ports(struct doctor *d);

#endif
