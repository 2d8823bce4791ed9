/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Client of the kernel module's netlink family (linux/dm-replica.h). */
#ifndef REPLICA_NETLINK_H
#define REPLICA_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/dm-replica.h>

#define DMR_NAME_LEN	128		/* device-mapper's, with the NUL */
#define DMR_UUID_LEN	129
#define DMR_ID_LEN	16
#define DMR_INCARNATIONS_MAX	8

/*
 * One socket, for commands and for events. Of one thread. Device numbers are
 * in the protocol's form, see dmr_devno().
 *
 * All functions that return int return 0 or -errno, among them what the kernel
 * says (linux/dm-replica.h tells what each means); dmr_nl_error() then has the
 * reason in words. No command waits for anything but the kernel's own work.
 * An answer that a socket overrun lost is asked for again (every command can be
 * repeated); -ENOBUFS only when that has failed several times, -ETIMEDOUT when
 * no answer came. -EPROTO: the kernel's answer lacks something.
 */
struct dmr_nl;

struct dmr_info {
	uint64_t dev;			/* see dmr_devno() */
	uint64_t origin;
	char name[DMR_NAME_LEN];
	char uuid[DMR_UUID_LEN];
	uint8_t volume_id[DMR_ID_LEN];
	uint64_t sectors;
	uint32_t chunk_sectors;
	uint32_t region_sectors;
	uint32_t role;			/* enum dmr_role */
	uint32_t state;			/* enum dmr_state */
	uint32_t dev_flags;		/* DMR_DEV_F_* */
	uint32_t owner;			/* port id, 0 = none */
	uint32_t members;
	uint32_t epoch_flags;		/* DMR_EPOCH_F_* */
	uint64_t generation;
	uint64_t incarnation;
	uint64_t loads;
	uint64_t attaches;
	uint64_t group;
	uint64_t epoch;			/* the open one, 0 = none */
	uint64_t last_committed;
	uint64_t highest_seen;
	uint64_t cut_time;		/* ns since 1970 */
	uint64_t nr_dirty, nr_frozen, nr_held, nr_preserved;	/* chunks */
	uint64_t nr_hot, nr_regions;
	uint64_t nr_cuts, nr_commits, nr_aborts, nr_keeps, nr_degraded;
	uint64_t nr_copies;
	uint64_t gate_last_ns, gate_max_ns, gate_sum_ns;
	uint64_t written_sectors;
	/* The rest is 0 without a metadata device. */
	uint64_t meta_dev;		/* its number, see dmr_devno() */
	uint64_t hot_limit;		/* regions */
	uint64_t last_write;		/* seconds since 1970, coarse */
	uint64_t last_contact;		/* the same: of the last END */
	uint64_t last_named;		/* last_committed, as it is on disk */
	uint32_t nr_ancestors;
	uint32_t nr_incarnations;
	struct dmr_nl_ancestor ancestors[DMR_MAX_NL_ANCESTORS];
	uint64_t incarnations[DMR_INCARNATIONS_MAX];	/* newest first */
};

struct dmr_nl_event {
	uint32_t type;			/* enum dmr_event */
	uint64_t dev;
	char name[DMR_NAME_LEN];
	uint64_t epoch;			/* FROZEN, DEGRADED */
	uint32_t epoch_flags;		/* FROZEN */
	uint64_t nr_frozen;		/* FROZEN */
	uint32_t error;			/* META_FAILED: an errno, positive */
	char request[DMR_MAX_REQUEST + 1];	/* REQUEST */
};

struct dmr_cut {
	uint64_t epoch;
	uint32_t epoch_flags;
	uint64_t cut_time;		/* ns since 1970 */
};

struct dmr_released {
	uint64_t nr_held;		/* frozen chunks not released yet */
	uint32_t epoch_flags;		/* final once nr_held is 0 */
};

/* For dmr_nl_set(): what a NULL member points to is left alone. */
struct dmr_set {
	const uint32_t *role;
	const uint64_t *generation;
	const uint64_t *last_committed;
	const struct dmr_nl_ancestor *ancestors;	/* the whole list */
	size_t nr_ancestors;			/* of it; may be 0 */
};

/* Gets extents in ascending order; not 0 stops the dump and is returned. */
typedef int (*dmr_extents_fn)(void *arg, const struct dmr_extent *v,
			      size_t nr);
typedef int (*dmr_info_fn)(void *arg, const struct dmr_info *info);

static inline uint64_t dmr_devno(uint32_t major, uint32_t minor)
{
	return (uint64_t)major << 32 | minor;
}

static inline uint32_t dmr_major(uint64_t dev)
{
	return dev >> 32;
}

static inline uint32_t dmr_minor(uint64_t dev)
{
	return (uint32_t)dev;
}

/*
 * -ENOENT: the module is not loaded (or this is not the initial network
 * namespace). The socket is close-on-exec and subscribed to the events.
 */
int dmr_nl_open(struct dmr_nl **nl);
void dmr_nl_close(struct dmr_nl *nl);	/* NULL is fine */

/* For poll(): readable = call dmr_nl_next_event() until it returns 0. */
int dmr_nl_fd(const struct dmr_nl *nl);

/* The port id; equals dmr_info.owner where this socket is the owner. */
uint32_t dmr_nl_port(const struct dmr_nl *nl);

/* Why the last call failed: the kernel's words, else the errno's. */
const char *dmr_nl_error(const struct dmr_nl *nl);

/*
 * The next event: 1 and *ev is filled, 0 none, -ENOBUFS: events were lost, read
 * GET of each device (told once, then events go on), else a broken socket.
 * Never waits. Events that came in while a command ran are kept, in order, and
 * then the fd is *not* readable: call this also after commands, before poll().
 */
int dmr_nl_next_event(struct dmr_nl *nl, struct dmr_nl_event *ev);

/* -ENODEV: not a replica device. */
int dmr_nl_get(struct dmr_nl *nl, uint64_t dev, struct dmr_info *info);

/* All devices. What fn sees is complete: an interrupted dump is repeated. */
int dmr_nl_get_all(struct dmr_nl *nl, dmr_info_fn fn, void *arg);

/* info may be NULL. */
int dmr_nl_attach(struct dmr_nl *nl, uint64_t dev, struct dmr_info *info);
/* An epoch that is open is aborted. */
int dmr_nl_detach(struct dmr_nl *nl, uint64_t dev);
int dmr_nl_join(struct dmr_nl *nl, uint64_t dev, uint64_t group);
int dmr_nl_cut(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
	       uint32_t epoch_flags, struct dmr_cut *cut);

/*
 * Extents among the chunks first … first + count - 1; count 0 = to the end.
 * -EINTR: the kernel says that the dump is not one picture; throw away what fn
 * got and call again. fn must not use nl.
 */
int dmr_nl_get_frozen(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
		      uint64_t first, uint64_t count, dmr_extents_fn fn,
		      void *arg);
int dmr_nl_get_dirty(struct dmr_nl *nl, uint64_t dev, uint64_t first,
		     uint64_t count, dmr_extents_fn fn, void *arg);

/*
 * Any number of extents (at least one), sent in portions. *out is the kernel's
 * last answer. On an error a part may have been released; saying all of it
 * again is fine.
 */
int dmr_nl_release(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
		   const struct dmr_extent *v, size_t nr,
		   struct dmr_released *out);

int dmr_nl_end(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
	       enum dmr_end how);

/* v NULL: the whole volume. Sent in portions; may be repeated. */
int dmr_nl_mark(struct dmr_nl *nl, uint64_t dev, const struct dmr_extent *v,
		size_t nr);
int dmr_nl_forget(struct dmr_nl *nl, uint64_t dev, uint64_t generation,
		  uint64_t epoch);
int dmr_nl_set(struct dmr_nl *nl, uint64_t dev, const struct dmr_set *set);
int dmr_nl_hold(struct dmr_nl *nl, uint64_t dev, uint32_t timeout_ms);

/* The words for enum dmr_role, dmr_state, dmr_event; "?" for others. */
const char *dmr_role_name(uint32_t role);
const char *dmr_state_name(uint32_t state);
const char *dmr_event_name(uint32_t type);

#endif
