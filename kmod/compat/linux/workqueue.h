/* SPDX-License-Identifier: GPL-2.0 */
/*
 * WQ_PERCPU: since 6.17 ("workqueue: Add new WQ_PERCPU flag"); before, a queue
 * that is not unbound is one for each processor without saying so. Can go when
 * 6.17 is the oldest kernel.
 */
#ifndef DMR_COMPAT_LINUX_WORKQUEUE_H
#define DMR_COMPAT_LINUX_WORKQUEUE_H

#include_next <linux/workqueue.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 17, 0)
#define WQ_PERCPU 0
#endif

#endif
