// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The other site takes over: the header in FILE, the target of a volume of
 * BYTES, becomes one of a new generation.
 *
 *	successor FILE BYTES		of which ours is an ancestor
 *	successor FILE BYTES split	which has an ancestor of "sim-ctl meta V
 *					descend" in common with ours
 *	successor FILE BYTES again	of ours: as if nothing had been
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "header.h"

static int fail(const char *what)
{
	fprintf(stderr, "successor: %s\n", what);
	return 1;
}

static void change(struct replica_header *h, const char *how)
{
	uint64_t ours = h->nr_ancestors ? h->ancestors[0].generation :
					  h->generation;

	h->seq++;
	h->kind = REPLICA_KIND_HEARTBEAT;
	h->nr_ancestors = 1;
	h->ancestors[0].generation = !strcmp(how, "split") ? 0x77 : ours;
	h->ancestors[0].end_epoch = h->last_clean;
	if (strcmp(how, "again")) {
		h->generation = 0x5eed;
		return;
	}
	h->nr_ancestors = 0;
	h->generation = ours;
}

int main(int argc, char **argv)
{
	uint64_t bytes = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
	char slots[REPLICA_HEADERS_BYTES];
	struct replica_header h;
	struct replica_why why;
	int fd = argc > 2 ? open(argv[1], O_RDWR) : -1;

	if (fd < 0 || pread(fd, slots, sizeof(slots),
			    replica_tail_offset(bytes)) != sizeof(slots))
		return fail("cannot read FILE");
	if (replica_header_pick(&h, slots, sizeof(slots), &why))
		return fail(why.text);
	change(&h, argc > 3 ? argv[3] : "");
	if (replica_header_encode(&h, slots, &why))
		return fail(why.text);
	if (pwrite(fd, slots, REPLICA_SLOT_BYTES,
		   replica_slot_offset(bytes, h.seq)) != REPLICA_SLOT_BYTES ||
	    fsync(fd))
		return fail("cannot write FILE");
	return 0;
}
