/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libreplica, for programs outside this project: monitors, backup tools, other
 * controllers. The one header to include, as <replica/replica.h>.
 *
 *	extents.h	sets of chunks
 *	netlink.h	the kernel module: state, events, cut, ship, commit
 *	header.h	what a target says about the image that it has
 *
 * Its functions are those of libreplica.map. They print nothing, return -errno,
 * and keep no state but in the handles that they return. Of linux/dm-replica.h
 * this needs only what is installed along with it.
 */
#ifndef REPLICA_REPLICA_H
#define REPLICA_REPLICA_H

#ifdef __cplusplus
extern "C" {
#endif

#include "extents.h"
#include "header.h"
#include "netlink.h"

#ifdef __cplusplus
}
#endif

#endif
