/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device-mapper in memory, in place of libdevmapper: enough of it to run the
 * steps of lib/device*.c, and to let any one of them fail.
 */
#ifndef REPLICA_FAKE_DM_H
#define REPLICA_FAKE_DM_H

#include <stdbool.h>

/* What happens to the fake_dm_fail_at-th change (from 1; 0 = none). */
enum fake_dm_failure {
	FAKE_DM_REFUSED,		/* nothing has changed */
	FAKE_DM_LEFT_SUSPENDED,		/* resume: old table, suspended */
	FAKE_DM_LEFT_SWAPPED,		/* resume: new table, suspended */
};

extern unsigned int fake_dm_changes;	/* so far */
extern unsigned int fake_dm_fail_at;
extern enum fake_dm_failure fake_dm_failure;

/* Forgets all devices; none is open, nothing fails. */
void fake_dm_reset(void);

/* Makes a device with one target, or adds a target; running. */
void fake_dm_add(const char *name, const char *uuid, const char *type,
		 const char *params);

/* Another tool loads its own table over the live one. */
void fake_dm_replace(const char *name, const char *type, const char *params);

/* Opened, suspended or made read-only by somebody else. */
void fake_dm_open(const char *name, int openers);
void fake_dm_suspend(const char *name);
void fake_dm_set_read_only(const char *name);
void fake_dm_load(const char *name);

/* "TYPE PARAMS" of the first target, " suspended", " inactive",
 * " retired" (L7 in device-insert.c); "-": none. */
const char *fake_dm_show(const char *name);

/* The last message that a target got. */
extern char fake_dm_message[64];

#endif
