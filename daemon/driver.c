// SPDX-License-Identifier: GPL-2.0-or-later
#include "driver.h"

#include <string.h>

#include "format.h"

/* What the kernel takes where nothing is said. */
#define CHUNK_SECTORS	8
#define REGION_SECTORS	8192

static const struct driver *const drivers[] = { &driver_file, &driver_lvm };

const struct driver *driver_find(const char *name)
{
	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(drivers[i]->name, name))
			return drivers[i];
	return NULL;
}

const struct driver *driver_of(const struct section *backend)
{
	return section_makes_volumes(backend) ?
	       driver_find(section_driver(backend)) : NULL;
}

uint64_t driver_metadata_bytes(uint64_t bytes)
{
	struct dmr_layout l;

	if (!dmr_layout_init(&l, bytes / 512, CHUNK_SECTORS, REGION_SECTORS))
		return 0;
	return l.nr_blocks * DMR_BLOCK_SIZE;
}
