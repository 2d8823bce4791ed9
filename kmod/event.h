/* SPDX-License-Identifier: GPL-2.0 */
/* Events to user space, over netlink. See event.c. */
#ifndef DMR_EVENT_H
#define DMR_EVENT_H

#include "device.h"

struct sk_buff;

/* Process context; may sleep. Lost without a word when nobody listens. */
void dmr_event_send(struct dmr_device *dev, enum dmr_event event);
void dmr_event_frozen(struct dmr_device *dev, struct dmr_group *g, u64 nr);
void dmr_event_request(struct dmr_device *dev, const char *text);

/* Any context: DMR_SEND_* goes out from dmr_device::event_work. */
static inline void dmr_event_later(struct dmr_device *dev, int what);
void dmr_event_work(struct work_struct *work);

#include "main.h"

static inline void dmr_event_later(struct dmr_device *dev, int what)
{
	set_bit(what, &dev->events);
	queue_work(dmr_ctl_wq, &dev->event_work);
}

#endif
