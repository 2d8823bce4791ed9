// SPDX-License-Identifier: GPL-2.0
/*
 * dm-replica: device-mapper targets that track writes and cut crash-consistent
 * epochs of them, for a daemon to ship to another site.
 *
 * The order of the ladder is the architecture: queues, copies, metadata, user
 * space's way in, then the targets, after which anything may be called.
 */
#include "main.h"

#include <linux/module.h>
#include <linux/workqueue.h>
#include <net/genetlink.h>

#include "device.h"
#include "metaio.h"
#include "netlink.h"
#include "preserve.h"
#include "target.h"
#include "view.h"

struct workqueue_struct *dmr_park_wq;
struct workqueue_struct *dmr_intent_wq;
struct workqueue_struct *dmr_cool_wq;
struct workqueue_struct *dmr_preserve_wq;
struct workqueue_struct *dmr_ctl_wq;

static void destroy_queue(struct workqueue_struct *wq)
{
	if (wq)
		destroy_workqueue(wq);
}

static void destroy_queues(void)
{
	destroy_queue(dmr_ctl_wq);
	destroy_queue(dmr_preserve_wq);
	destroy_queue(dmr_cool_wq);
	destroy_queue(dmr_intent_wq);
	destroy_queue(dmr_park_wq);
}

static int create_queues(void)
{
	const unsigned int flags = WQ_MEM_RECLAIM | WQ_UNBOUND;

	dmr_park_wq = alloc_workqueue("dmr_park", flags | WQ_HIGHPRI, 0);
	/* Where the write came from: nobody else has to wake up for it. */
	dmr_intent_wq = alloc_workqueue("dmr_intent", WQ_MEM_RECLAIM |
					WQ_PERCPU | WQ_HIGHPRI, 0);
	dmr_cool_wq = alloc_workqueue("dmr_cool", flags, 0);
	dmr_preserve_wq = alloc_workqueue("dmr_preserve", flags, 0);
	dmr_ctl_wq = alloc_workqueue("dmr_ctl", flags, 0);
	if (dmr_park_wq && dmr_intent_wq && dmr_cool_wq && dmr_preserve_wq &&
	    dmr_ctl_wq)
		return 0;
	destroy_queues();
	return -ENOMEM;
}

static int __init dmr_init(void)
{
	int r;

	r = create_queues();
	if (r)
		return r;
	r = dmr_preserve_init();
	if (r)
		goto destroy_queues;
	r = dmr_metaio_init();
	if (r)
		goto exit_preserve;
	r = dmr_netlink_init();
	if (r)
		goto exit_metaio;
	r = dmr_view_init();
	if (r)
		goto exit_netlink;
	r = dmr_target_init();
	if (r)
		goto exit_view;
	return 0;

exit_view:
	dmr_view_exit();
exit_netlink:
	dmr_netlink_exit();
exit_metaio:
	dmr_metaio_exit();
exit_preserve:
	dmr_preserve_exit();
destroy_queues:
	destroy_queues();
	return r;
}

static void __exit dmr_exit(void)
{
	dmr_target_exit();
	dmr_view_exit();
	dmr_netlink_exit();
	dmr_metaio_exit();
	dmr_preserve_exit();
	destroy_queues();
	/* Sets, gates and groups are freed by RCU. */
	rcu_barrier();
}

module_init(dmr_init);
module_exit(dmr_exit);

MODULE_DESCRIPTION("device-mapper targets for asynchronous replication");
MODULE_AUTHOR("The dm-replica developers");
MODULE_LICENSE("GPL");
MODULE_SOFTDEP("pre: libcrc32c");
MODULE_ALIAS("dm-replica-view");
MODULE_ALIAS_GENL_FAMILY("dm_replica");
