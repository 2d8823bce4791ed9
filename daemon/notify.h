/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * systemd's notification protocol (sd_notify(3), "Standalone Implementations"):
 * one datagram. A library for it would be a dependency for twenty lines.
 */
#ifndef REPLICA_NOTIFY_H
#define REPLICA_NOTIFY_H

#include <stdint.h>

/*
 * Sends "READY=1", "WATCHDOG=1", "STOPPING=1" … where NOTIFY_SOCKET says; does
 * nothing without it. Does not block. 0 or -errno.
 */
int notify_systemd(const char *what);

/* How often WATCHDOG=1 is due, ms: half of what systemd allows. 0: never. */
uint64_t notify_watchdog_ms(void);

#endif
