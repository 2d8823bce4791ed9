/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel module, simulated in files, so that the daemon can be tested where
 * no module can be loaded. For volume V in the folder $SIM_DIR:
 *
 *	V.img	the origin		V.view	what replica-view returns
 *	V.map	struct sim_volume: the maps and counters
 *	V.late	if it exists, the next insertion finds no metadata device
 *	V.small	if it exists, the metadata device is too small for more
 *	V.shown	if it exists, somebody has the view open: it stays as it is
 *
 * The state lives in files and outlives the daemon, as the kernel's does. Each
 * operation holds a lock on the folder; a daemon that died is noticed by the
 * next operation, and its open epoch is aborted then. At a cut the frozen
 * chunks are copied to the view; a write goes to the origin, and to the view
 * only where the epoch is fuzzy. Events go through a FIFO for each handle.
 *
 * A volume that is kept has a metadata device (sim-meta.c), as far as its owner
 * sees it: what survives sim_reload(), which is a crash of the machine.
 */
#ifndef REPLICA_SIM_KERNEL_H
#define REPLICA_SIM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kernel.h"

#define SIM_CHUNK	4096	/* if none is named */
#define SIM_CHUNK_MAX	65536

extern const struct kernel_ops sim_kernel_ops;

struct sim_meta {
	bool is_lazy;			/* the superblock is not written */
	bool is_stuck;			/* marks, settings: never durable */
	bool is_taken_out;		/* without "retire" */
	unsigned int pending;		/* GETs until they are */
	uint64_t committed, highest;	/* as the superblock has them … */
	uint64_t generation;
	uint64_t suspect_epoch;
	uint32_t role;			/* DMR_ROLE_*; 0 = not written yet */
};

struct sim_volume {
	char name[DMR_NAME_LEN];
	struct dmr_info info;		/* owner: pid << 8 | handle */
	uint64_t nr_chunks;
	uint64_t degrade_after;		/* preserved chunks; 0 = never */
	uint64_t ended;			/* number of the last END */
	uint64_t held_until;		/* ns since 1970: writes wait */
	uint64_t nr_gets, nr_dumps;	/* GETs of it; of all, it among them */
	bool is_plain;			/* no replica target in its table */
	bool was_written;		/* while it was plain */
	bool is_busy;			/* an application has it open */
	struct sim_meta meta;
	uint8_t chunks[];		/* SIM_* bits */
};

#define SIM_DIRTY	1
#define SIM_FROZEN	2
#define SIM_RELEASED	4
#define SIM_PRESERVED	8
#define SIM_UNNAMED	16	/* shipped, not yet in the superblock (D3) */
#define SIM_MARKED	32	/* dirty only by a mark that is not durable */
#define SIM_ON_DISK	(SIM_DIRTY | SIM_UNNAMED | SIM_MARKED)

/* The side of the tests: what an application and an operator would do. */
int sim_create(const char *name, uint64_t bytes, uint32_t chunk_bytes);
int sim_write(const char *name, const void *buf, size_t len, uint64_t off);
int sim_reload(const char *name);	/* a crash; the module is loaded anew */
/* Its origin has so many bytes; with @is_table the table says so, too. */
int sim_grow(const char *name, uint64_t bytes, bool is_table);
int sim_request(const char *name, const char *text);
int sim_degrade_after(const char *name, uint64_t chunks);
int sim_info(const char *name, struct dmr_info *info, bool *is_plain);
/* How often the daemon asked: GETs of the volume, dumps of all. */
int sim_asked(const char *name, uint64_t *gets, uint64_t *dumps);

/*
 * What happens to the metadata: "lazy" and "prompt" (is the superblock
 * written?), "stuck" and "moving" (do marks become durable?), "fail" and
 * "mend"; "rip": another tool replaces the table ("rip unseen": the metadata does
 * not say so); "unplug": a boot, the device comes up without the target; "use"
 * and "leave": an application opens it, and closes it; "open" and "abort": an
 * epoch. -EINVAL: none of these.
 */
int sim_meta(const char *name, const char *what);

#endif
