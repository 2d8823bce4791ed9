// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugin-log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#include "plugin-export.h"

#define LINES_A_SECOND	20

/* -errno, as @code. */
static int wire_error(int code)
{
	switch (code) {
	case -EPERM: case -ESHUTDOWN: case -ENOSPC: case -EINVAL: case -ENOMEM:
		return code;
	default:
		return -EIO;
	}
}

/* May it be told? *silent: how many were not. */
static bool may_tell(struct plugin_log *log, unsigned int *silent)
{
	struct timespec ts;
	bool may;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	pthread_mutex_lock(&log->lock);
	if (ts.tv_sec != log->second) {
		log->second = ts.tv_sec;
		log->lines = 0;
	}
	may = log->lines < LINES_A_SECOND;
	log->lines += may;
	log->silent += !may;
	*silent = may ? log->silent : 0;
	if (may)
		log->silent = 0;
	pthread_mutex_unlock(&log->lock);
	return may;
}

/* The stage names the volume, as we do. */
static const char *without_name(const char *text, const char *export)
{
	size_t len = strcspn(export, "@");

	return !strncmp(text, export, len) && !strncmp(text + len, ": ", 2) ?
	       text + len + 2 : text;
}

static void tell_silent(const char *name, unsigned int silent)
{
	if (silent)
		nbdkit_error("%s: %u more refusals", name, silent);
}

void plugin_log_end(struct plugin_log *log, const char *export)
{
	tell_silent(export, log->silent);
}

int plugin_refuse(struct plugin_log *log, const char *export,
		  const struct error *err)
{
	char name[EXPORT_NAME_LEN];
	unsigned int silent = 0;

	export_escape(export, name, sizeof(name));
	if (!log || may_tell(log, &silent)) {
		tell_silent(name, silent);
		nbdkit_error("%s: %s", name, without_name(err->text, export));
	}
	nbdkit_set_error(-wire_error(err->code));
	return -1;
}
