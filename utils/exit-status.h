/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Exit statuses of replicactl; the manual page lists them. */
#ifndef REPLICACTL_EXIT_STATUS_H
#define REPLICACTL_EXIT_STATUS_H

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_FOUND = 3,
	STATUS_DEGRADED = 4,		/* status --check, verify */
	STATUS_REFUSED = 5,		/* by a safety check */
	STATUS_TIMEOUT = 6,
	STATUS_PERMISSION = 7,
	STATUS_NOT_HERE = 8,		/* not to be used at this site */
	STATUS_UNREACHABLE = 9,		/* the active site does not answer */
};

#endif
