/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From our errors to nbdkit's: the log line, and the errno for the wire. */
#ifndef REPLICA_PLUGIN_LOG_H
#define REPLICA_PLUGIN_LOG_H

#include <pthread.h>

#include "error.h"

/* Of one connection: who asks for a million refusals gets a few lines. */
struct plugin_log {
	pthread_mutex_t lock;
	long second;		/* lock, as the others: that of `lines` */
	unsigned int lines;
	unsigned int silent;	/* not told since */
};

/*
 * Says "EXPORT: reason" (@export is escaped) and sets the error that the client
 * gets: EPERM, ESHUTDOWN, ENOSPC, EINVAL, ENOMEM, else EIO. @log may be NULL.
 * Returns -1, so that it can end a callback of nbdkit.
 */
int plugin_refuse(struct plugin_log *log, const char *export,
		  const struct error *err);

/* The connection ends: tells what was not told. */
void plugin_log_end(struct plugin_log *log, const char *export);

#endif
