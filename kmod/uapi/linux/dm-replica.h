/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Generic netlink interface of the device-mapper target "replica".
 *
 * Family "dm_replica", version 1, one multicast group, "events".
 *
 * Who may: every command needs CAP_SYS_ADMIN in the initial user namespace,
 * and the family exists in the initial network namespace only.
 *
 * Refusals: every one carries an extended-ack message in plain words. Unknown
 * attributes, unknown flags and attributes of the wrong type or length are
 * refused, and nothing has changed then.
 *
 * Repeating: a command that changes state names the epoch that it is about.
 * Said again with the same epoch after it has taken effect (because the answer
 * was lost), it succeeds again and changes nothing.
 *
 * No command waits for a disk.
 *
 * Units: sizes in sectors of 512 bytes where the name says so, positions and
 * lengths of extents in chunks, times in the unit that the name says. The last
 * chunk of a volume may be shorter than the others.
 *
 * A device is named by DMR_A_DEV, the number of the replica device (not of its
 * origin): major << 32 | minor.
 *
 * The owner is the socket that has sent ATTACH last. JOIN, CUT, RELEASE, END,
 * FORGET, SET and HOLD are taken from the owner only, and where they are about
 * a group, from the owner of all its members. When it sends DETACH or its
 * socket closes, the open epoch is aborted, a hold that it set ends, and
 * DETACHED is sent.
 *
 *
 * DMR_CMD_GET (do: one device; dump: all of them)
 *
 *   request (do):
 *       DMR_A_DEV                   u64
 *   reply, one message for each device:
 *       DMR_A_DEV                   u64
 *       DMR_A_NAME                  string  device-mapper's name
 *       DMR_A_UUID                  string  device-mapper's uuid, may be ""
 *       DMR_A_ORIGIN                u64     number of the origin device
 *       DMR_A_SECTORS               u64     size of the volume
 *       DMR_A_CHUNK_SECTORS         u32
 *       DMR_A_REGION_SECTORS        u32
 *       DMR_A_VOLUME_ID             16 bytes
 *       DMR_A_ROLE                  u32     enum dmr_role
 *       DMR_A_STATE                 u32     enum dmr_state
 *       DMR_A_DEV_FLAGS             u32     DMR_DEV_F_*
 *       DMR_A_GENERATION            u64
 *       DMR_A_INCARNATION           u64     random, one for each load
 *       DMR_A_LOADS                 u64     grows with each load
 *       DMR_A_ATTACHES              u64     ATTACH commands so far
 *       DMR_A_OWNER                 u32     port id of the owner, 0 = none
 *       DMR_A_GROUP                 u64     group number, 0 = alone
 *       DMR_A_MEMBERS               u32     devices in the group
 *       DMR_A_EPOCH                 u64     the open epoch, 0 = none
 *       DMR_A_EPOCH_FLAGS           u32     DMR_EPOCH_F_* of the open epoch
 *       DMR_A_LAST_COMMITTED        u64     last epoch committed or kept
 *       DMR_A_HIGHEST_SEEN          u64     highest number ever cut
 *       DMR_A_CUT_TIME              u64     ns since 1970 of the last cut
 *       DMR_A_NR_DIRTY              u64     chunks
 *       DMR_A_NR_FROZEN             u64     chunks
 *       DMR_A_NR_HELD               u64     chunks
 *       DMR_A_NR_PRESERVED          u64     chunks whose old content is kept
 *       DMR_A_NR_HOT                u64     regions
 *       DMR_A_NR_REGIONS            u64
 *       DMR_A_NR_CUTS               u64     since this load
 *       DMR_A_NR_COMMITS            u64       "
 *       DMR_A_NR_ABORTS             u64       "
 *       DMR_A_NR_KEEPS              u64       "
 *       DMR_A_NR_DEGRADED           u64       "
 *       DMR_A_NR_COPIES             u64     chunks preserved since this load
 *       DMR_A_GATE_LAST_NS          u64     pause of the last cut
 *       DMR_A_GATE_MAX_NS           u64     longest pause since this load
 *       DMR_A_GATE_SUM_NS           u64     sum of the pauses
 *       DMR_A_WRITTEN_SECTORS       u64     written by users since this load
 *     and, where there is a metadata device:
 *       DMR_A_META_DEV              u64     its number
 *       DMR_A_HOT_LIMIT             u64     regions that may be hot
 *       DMR_A_LAST_WRITE            u64     seconds since 1970, coarse
 *       DMR_A_LAST_CONTACT          u64     the same, of the last END
 *       DMR_A_ANCESTORS             struct dmr_nl_ancestor[], newest first
 *       DMR_A_INCARNATIONS          u64[]   the last 8, newest first
 *       DMR_A_LAST_NAMED            u64     last epoch committed or kept, as
 *                                           the superblock on disk has it
 *
 * DMR_CMD_ATTACH
 *
 *   The sender becomes the owner. Refused (-EBUSY) while another socket is.
 *   Said again by the owner, it counts one more attachment and leaves an open
 *   epoch as it is. The reply is that of GET.
 *   request:
 *       DMR_A_DEV                   u64
 *
 * DMR_CMD_JOIN
 *
 *   Puts a device into a group; devices in one group are cut in one instant.
 *   Refused (-EBUSY) while either group has an open epoch or still drains.
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_GROUP                 u64     any number; 0 = alone again
 *
 * DMR_CMD_CUT
 *
 *   Ends the running epoch of the whole group and opens it for shipping. The
 *   dirty chunks become frozen and, in a clean cut, held. Returns at once;
 *   DMR_EVENT_FROZEN follows when the writes of the epoch have completed.
 *   -EBUSY: an epoch is open, or the writes of the previous cut (also of an
 *   aborted one) are still under way: say it again later.
 *   -ERANGE: the number is not above DMR_A_HIGHEST_SEEN of every member, or
 *   2^32 or more above it.
 *   request:
 *       DMR_A_DEV                   u64     any member
 *       DMR_A_EPOCH                 u64     the number that it gets
 *       DMR_A_EPOCH_FLAGS           u32     DMR_EPOCH_F_FUZZY or 0; optional
 *   reply:
 *       DMR_A_DEV, DMR_A_EPOCH, DMR_A_EPOCH_FLAGS, DMR_A_CUT_TIME
 *
 * DMR_CMD_GET_FROZEN, DMR_CMD_GET_DIRTY (dump only)
 *
 *   GET_FROZEN: the frozen chunks of one device, released ones too, in
 *   ascending order; refused (-ESTALE) if DMR_A_EPOCH is not the open epoch,
 *   (-EAGAIN) before FROZEN. GET_DIRTY: the chunks written since the last cut
 *   (a write that was mapped before the command is there).
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_EPOCH                 u64     GET_FROZEN only
 *       DMR_A_FIRST                 u64     first chunk looked at; optional
 *       DMR_A_COUNT                 u64     chunks looked at; optional
 *   reply, any number of messages:
 *       DMR_A_DEV                   u64
 *       DMR_A_EPOCH                 u64     the open epoch, 0 = none
 *       DMR_A_EXTENTS               packed struct dmr_extent[], 1 … 2048
 *
 * DMR_CMD_RELEASE
 *
 *   "These chunks have been read": their old content is needed no more. They
 *   can't be read again through the view in a clean epoch. Chunks that are not
 *   frozen are refused (-EINVAL); a chunk released twice is counted once.
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_EPOCH                 u64
 *       DMR_A_EXTENTS               packed struct dmr_extent[], 1 … 4000
 *   reply:
 *       DMR_A_DEV, DMR_A_EPOCH
 *       DMR_A_NR_HELD               u64     frozen chunks not released yet
 *       DMR_A_EPOCH_FLAGS           u32     DMR_EPOCH_F_FUZZY: this member's
 *                                           epoch is not clean. Final once
 *                                           DMR_A_NR_HELD is 0
 *
 * DMR_CMD_END
 *
 *   Ends the open epoch of the whole group.
 *   commit: the target has made it durable: forgotten. Refused (-EBUSY) while
 *     a member has frozen chunks that were never released.
 *   keep: what has been released is durable at the target, as partial: that
 *     is forgotten, the rest is dirty again.
 *   abort: all of it is dirty again. Allowed before FROZEN.
 *   -ESTALE: another epoch is open, or none, and this is not a repetition.
 *   request:
 *       DMR_A_DEV                   u64     any member
 *       DMR_A_EPOCH                 u64
 *       DMR_A_END                   u32     enum dmr_end
 *
 * DMR_CMD_MARK
 *
 *   These chunks (or, without DMR_A_EXTENTS, all of them) become dirty.
 *   Needs no ownership: it can only make more to be shipped. With a metadata
 *   device, DMR_DEV_F_META_PENDING is set until they are durable.
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_EXTENTS               packed struct dmr_extent[]; optional
 *
 * DMR_CMD_FORGET
 *
 *   Role secondary: the dirty map is dropped, because the site has adopted the
 *   generation with that clean epoch. Refused (-EPERM) in role primary.
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_GENERATION            u64
 *       DMR_A_EPOCH                 u64
 *
 * DMR_CMD_SET
 *
 *   Changes what is given. Refused (-EBUSY) while an epoch is open. With a
 *   metadata device, DMR_DEV_F_META_PENDING is set until it is durable. Where
 *   the generation changes, the old one becomes the newest ancestor, ended by
 *   the epoch that was committed last; DMR_A_ANCESTORS replaces the whole list.
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_ROLE                  u32     optional
 *       DMR_A_GENERATION            u64     optional
 *       DMR_A_LAST_COMMITTED u64    optional; never above what was cut
 *       DMR_A_ANCESTORS             struct dmr_nl_ancestor[], at most 64;
 *                                   optional; needs a metadata device
 *
 * DMR_CMD_HOLD
 *
 *   New writes to the group wait, not longer than DMR_A_TIMEOUT_MS. CUT works
 *   meanwhile. Ends with DMR_A_TIMEOUT_MS 0, its time, its owner's socket, or
 *   a suspend.
 *   request:
 *       DMR_A_DEV                   u64
 *       DMR_A_TIMEOUT_MS            u32     at most 60000
 *
 * DMR_CMD_DETACH
 *
 *   The owner lets this one device go, as if its socket had closed. Said again,
 *   while nobody owns the device, it succeeds. Refused (-EPERM) while another
 *   socket does.
 *   request:
 *       DMR_A_DEV                   u64
 *
 * Events (group "events"; messages of the command DMR_CMD_EVENT)
 *
 *   Hints: a socket may overrun. Read GET after ENOBUFS, after ATTACH and now
 *   and then.
 *       DMR_A_EVENT                 u32     enum dmr_event
 *       DMR_A_DEV                   u64
 *       DMR_A_NAME                  string
 *   and with
 *       ADDED, REMOVED              nothing more
 *       DIRTY                       to the owner's socket only: the first write
 *                                   after a cut
 *       FROZEN                      DMR_A_EPOCH, DMR_A_EPOCH_FLAGS,
 *                                   DMR_A_NR_FROZEN; one for each member
 *       DEGRADED                    DMR_A_EPOCH: this member is fuzzy now
 *       DETACHED                    nothing more
 *       META_FAILED                 DMR_A_ERROR u32, an errno
 *       REQUEST                     DMR_A_REQUEST string: "dmsetup message DEV
 *                                   0 request VERB [ARGS]"
 */
#ifndef _UAPI_LINUX_DM_REPLICA_H
#define _UAPI_LINUX_DM_REPLICA_H

#include <linux/types.h>

#define DMR_GENL_NAME		"dm_replica"
#define DMR_GENL_VERSION	1
#define DMR_GENL_MCGRP_EVENTS	"events"

/* Most extents in one request; a dump may send up to 2048 in a message. */
#define DMR_MAX_EXTENTS		4000

/* Of the table's option chunk_size: a power of two, in sectors. */
#define DMR_MIN_CHUNK		8
#define DMR_MAX_CHUNK		2048

/* Longest text of a DMR_A_REQUEST, the final NUL not counted. */
#define DMR_MAX_REQUEST		1023

enum dmr_cmd {
	DMR_CMD_UNSPEC,
	DMR_CMD_GET,
	DMR_CMD_ATTACH,
	DMR_CMD_JOIN,
	DMR_CMD_CUT,
	DMR_CMD_GET_FROZEN,
	DMR_CMD_GET_DIRTY,
	DMR_CMD_RELEASE,
	DMR_CMD_END,
	DMR_CMD_MARK,
	DMR_CMD_FORGET,
	DMR_CMD_SET,
	DMR_CMD_HOLD,
	DMR_CMD_EVENT,
	DMR_CMD_DETACH,

	__DMR_CMD_LAST,
	DMR_CMD_MAX = __DMR_CMD_LAST - 1
};

enum dmr_attr {
	DMR_A_UNSPEC,
	DMR_A_PAD,
	DMR_A_DEV,
	DMR_A_NAME,
	DMR_A_UUID,
	DMR_A_ORIGIN,
	DMR_A_SECTORS,
	DMR_A_CHUNK_SECTORS,
	DMR_A_REGION_SECTORS,
	DMR_A_VOLUME_ID,
	DMR_A_ROLE,
	DMR_A_STATE,
	DMR_A_DEV_FLAGS,
	DMR_A_GENERATION,
	DMR_A_INCARNATION,
	DMR_A_LOADS,
	DMR_A_ATTACHES,
	DMR_A_OWNER,
	DMR_A_GROUP,
	DMR_A_MEMBERS,
	DMR_A_EPOCH,
	DMR_A_EPOCH_FLAGS,
	DMR_A_LAST_COMMITTED,
	DMR_A_HIGHEST_SEEN,
	DMR_A_CUT_TIME,
	DMR_A_NR_DIRTY,
	DMR_A_NR_FROZEN,
	DMR_A_NR_HELD,
	DMR_A_NR_PRESERVED,
	DMR_A_NR_HOT,
	DMR_A_NR_REGIONS,
	DMR_A_NR_CUTS,
	DMR_A_NR_COMMITS,
	DMR_A_NR_ABORTS,
	DMR_A_NR_KEEPS,
	DMR_A_NR_DEGRADED,
	DMR_A_NR_COPIES,
	DMR_A_GATE_LAST_NS,
	DMR_A_GATE_MAX_NS,
	DMR_A_GATE_SUM_NS,
	DMR_A_WRITTEN_SECTORS,
	DMR_A_EXTENTS,
	DMR_A_FIRST,
	DMR_A_COUNT,
	DMR_A_END,
	DMR_A_TIMEOUT_MS,
	DMR_A_EVENT,
	DMR_A_ERROR,
	DMR_A_REQUEST,
	DMR_A_META_DEV,
	DMR_A_HOT_LIMIT,
	DMR_A_LAST_WRITE,
	DMR_A_LAST_CONTACT,
	DMR_A_ANCESTORS,
	DMR_A_INCARNATIONS,
	DMR_A_LAST_NAMED,

	__DMR_A_LAST,
	DMR_A_MAX = __DMR_A_LAST - 1
};

enum dmr_role {
	DMR_ROLE_PRIMARY = 1,
	DMR_ROLE_SECONDARY = 2,		/* every I/O gets an error */
	/*
	 * A primary of which a write gets an error, a read not. By SET only;
	 * not kept: a load finds a primary.
	 */
	DMR_ROLE_READONLY = 3,
};

enum dmr_state {
	DMR_STATE_IDLE = 1,		/* no epoch is open */
	DMR_STATE_DRAINING = 2,		/* cut; writes of the epoch under way */
	DMR_STATE_FROZEN = 3,		/* open, can be read */
	DMR_STATE_ABORTED = 4,		/* aborted, writes still under way */
};

enum dmr_end {
	DMR_END_COMMIT = 1,
	DMR_END_ABORT = 2,
	DMR_END_KEEP = 3,
};

enum dmr_event {
	DMR_EVENT_ADDED = 1,
	DMR_EVENT_REMOVED = 2,
	DMR_EVENT_DIRTY = 3,
	DMR_EVENT_FROZEN = 4,
	DMR_EVENT_DEGRADED = 5,
	DMR_EVENT_DETACHED = 6,
	DMR_EVENT_META_FAILED = 7,
	DMR_EVENT_REQUEST = 8,
};

/* DMR_A_EPOCH_FLAGS */
#define DMR_EPOCH_F_FUZZY	(1U << 0)	/* the view returns live data */
#define __DMR_EPOCH_F_ALL	(DMR_EPOCH_F_FUZZY)

/* DMR_A_DEV_FLAGS */
#define DMR_DEV_F_VOLATILE	(1U << 0)	/* no metadata device */
#define DMR_DEV_F_SUSPENDED	(1U << 1)
#define DMR_DEV_F_HOLD		(1U << 2)	/* new writes are held */
#define DMR_DEV_F_SUSPECT	(1U << 3)	/* ship all with compare */
#define DMR_DEV_F_META_FAILED	(1U << 4)	/* cold regions: no writes */
#define DMR_DEV_F_META_PENDING	(1U << 5)	/* MARK, SET not durable */

/* A generation that the volume has left, and its last epoch in it. */
struct dmr_nl_ancestor {
	__u64 generation;
	__u64 end_epoch;
};

#define DMR_MAX_NL_ANCESTORS	64

/* A run of chunks. */
struct dmr_extent {
	__u64 start;			/* number of its first chunk */
	__u64 count;			/* chunks, at least 1 */
};

#endif
