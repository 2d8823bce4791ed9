/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What users see who are not in the group replica: tenants.
 *
 * N1 a tenant sees the volumes whose tenants= names it, and of each no more
 *    than tenant_view() puts into a new object: nothing is taken out of what an
 *    admin sees, so that what is added there later stays there.
 * N2 a volume of others is answered as one that is not there.
 * N3 who floods the socket is refused, and is nobody else's trouble: it has so
 *    many connections, and so many requests that wait.
 */
#ifndef REPLICAD_TENANT_H
#define REPLICAD_TENANT_H

#include <jansson.h>
#include <sys/types.h>

#define TENANT_MAX_REQUESTS	8	/* without an answer, of a connection */
#define TENANT_MAX_CONNECTIONS	8	/* of a user … */
#define TENANTS_MAX_CONNECTIONS	64	/* … and of all of them */
#define TENANT_NAME_LEN		40

struct daemon;

/* The user's name, or its number where it has none. Asks the system. */
void tenant_name(uid_t uid, char name[TENANT_NAME_LEN]);

/*
 * Of the whole status (status_all()): "schema_version" and "volumes", each with
 * name, size_bytes (null: unknown), replication_status, and type where it has
 * one. @only: one of them; NULL if that is none of theirs.
 */
json_t *tenant_view(const struct daemon *daemon, const json_t *status,
		    const char *user, const char *only);

#endif
