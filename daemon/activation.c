// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A1 The kernel refuses metadata of another chunk_size or region_size than its
 *    table's: the table gets those of the metadata. Metadata that cannot be
 *    read, or is not there, is the kernel's to refuse or to format.
 */
#include "activation.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "format.h"

/* A1 */
static void take_geometry(struct kernel_promoted *p)
{
	char slots[DMR_NR_SUPERS][DMR_BLOCK_SIZE];
	int fd = open(p->metadata, O_RDONLY | O_CLOEXEC);
	struct dmr_super super;
	const char *why;

	p->chunk_sectors = p->region_sectors = 0;
	if (fd < 0)
		return;
	if (pread(fd, slots, sizeof(slots), 0) == sizeof(slots) &&
	    dmr_super_choose(slots[0], slots[1], &super, &why) >= 0) {
		p->chunk_sectors = super.chunk_sectors;
		p->region_sectors = super.region_sectors;
	}
	close(fd);
}

int activation_run(const struct kernel_ops *ops,
		   const struct kernel_promoted *p,
		   char error[KERNEL_ERROR_SIZE])
{
	struct kernel_promoted made = *p;

	take_geometry(&made);
	return ops->activate(&made, error);
}
