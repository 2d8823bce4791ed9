/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is a target without a replica header empty, or somebody's data?
 *
 * Its first and its last 128 KiB are read, where the marks of partition tables,
 * of filesystems, of LVM, md, ZFS and DRBD stand, and the last place where a
 * header fits: it is that of the largest volume that the target can hold.
 */
#ifndef REPLICAD_PROBE_H
#define REPLICAD_PROBE_H

#include <stdbool.h>
#include <stdint.h>

struct backend;

#define PROBE_BYTES	(128 * 1024)

struct probe {
	struct backend *backend;	/* open until done() */
	void *buf;			/* owned while it runs */
	uint64_t size;			/* of the target */
	unsigned int piece;		/* that is being read */
	/*
	 * Once after probe_start() returned 0, never from inside it. @err 0:
	 * @what is NULL where all is zeros, else says what is not.
	 */
	void (*done)(struct probe *probe, int err, const char *what);
};

/* 0, or -errno without a call of @done. */
int probe_start(struct probe *probe, struct backend *backend,
		void (*done)(struct probe *probe, int err, const char *what));

#endif
