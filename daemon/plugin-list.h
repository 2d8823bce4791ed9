/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format of VOL@above and VOL@dirty: a list of extents as a file. Pure.
 *
 *	0	8	magic, "dmReplEx"
 *	8	4	format version, 1
 *	12	4	where the pairs begin: 4096
 *	16	8	bytes of the volume
 *	24	8	epoch that the list is about
 *	32	8	number of pairs
 *	40	8	sum of their lengths
 *	48	4	crc32c of all pairs
 *	4092	4	crc32c of the 4092 bytes before it
 *	4096	16 each	offset and length in bytes, ascending, not touching
 *
 * Little-endian; the rest is zero, to the next multiple of 512.
 */
#ifndef REPLICA_PLUGIN_LIST_H
#define REPLICA_PLUGIN_LIST_H

#include <stddef.h>
#include <stdint.h>

#define LIST_VERSION		1
#define LIST_HEADER_BYTES	4096
#define LIST_PAIR_BYTES		16
#define LIST_ALIGN		512
#define LIST_PAIRS_MAX		(16U << 20)	/* 256 MiB */

/* All zero is an empty list. */
struct extent_list {
	char *bytes;		/* as it is served; NULL until finished … */
	size_t len;
	size_t size;		/* … or room was made */
	uint64_t nr;		/* pairs */
	uint64_t total;		/* bytes in them */
	uint64_t end;		/* of the last one */
};

/*
 * Extents come in ascending order; those that touch become one. 0, -ENOMEM, or
 * -E2BIG for more than LIST_PAIRS_MAX.
 */
int extent_list_add(struct extent_list *l, uint64_t off, uint64_t len);

/* Makes ->bytes and ->len what is served. 0 or -ENOMEM. */
int extent_list_finish(struct extent_list *l, uint64_t volume_bytes,
		       uint64_t epoch);

void extent_list_clear(struct extent_list *l);

#endif
