/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What systemd is told of replicad (Type=notify): that it serves, that the main
 * reactor still turns, that it is stopping. Nothing without NOTIFY_SOCKET.
 */
#ifndef REPLICAD_WATCHDOG_H
#define REPLICAD_WATCHDOG_H

struct ring;

/* On the thread of the main reactor, when the control socket is there. */
void watchdog_start(struct ring *ring);
void watchdog_stopping(void);

#endif
