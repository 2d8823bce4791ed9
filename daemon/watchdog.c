// SPDX-License-Identifier: GPL-2.0-or-later
#include "watchdog.h"

#include "notify.h"
#include "ring.h"

static struct ring_timer timer;
static struct ring *turning;		/* the timer's; set once */

static void on_time(struct ring_timer *t)
{
	notify_systemd("WATCHDOG=1");
	ring_timer_add(turning, t, notify_watchdog_ms());
}

void watchdog_start(struct ring *ring)
{
	notify_systemd("READY=1");
	if (!notify_watchdog_ms())
		return;
	turning = ring;
	timer.fire = on_time;
	ring_timer_add(ring, &timer, notify_watchdog_ms());
}

void watchdog_stopping(void)
{
	notify_systemd("STOPPING=1");
}
