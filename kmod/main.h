/* SPDX-License-Identifier: GPL-2.0 */
/* What the module has once. Set up in main.c before anything else runs. */
#ifndef DMR_MAIN_H
#define DMR_MAIN_H

struct workqueue_struct;

/*
 * Each of those that writes wait for can make progress under reclaim, and none
 * of them waits for another.
 */
extern struct workqueue_struct *dmr_park_wq;	 /* parked writes go on */
extern struct workqueue_struct *dmr_intent_wq;	 /* writes get their intent */
extern struct workqueue_struct *dmr_cool_wq;	 /* regions cool */
extern struct workqueue_struct *dmr_preserve_wq; /* deferred writes, views */
extern struct workqueue_struct *dmr_ctl_wq;	 /* drain, events, hold */

#endif
