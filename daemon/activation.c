// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A1 The kernel refuses metadata of another chunk_size or region_size than its
 *    table's: the table gets those of the metadata. Whether they are there,
 *    and whose they are, is looked at before (N1 in promotion-metadata.c).
 * A2 (L1, U1 in insertion.c) A base that others may activate is suspect, on
 *    disk, before the target is put above it or below: unless the stage had it
 *    until now. Who enables the volume looks at all of it then (continuity.c).
 *    A device that is there already has had its target all the time.
 */
#include "activation.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "identity.h"
#include "state-file.h"

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

/* A2 */
int activation_note_suspect(const char *state_dir, const char *name,
			    char error[KERNEL_ERROR_SIZE])
{
	struct identity id;
	int err = identity_load(&id, state_dir, name);

	if (!err && !id.is_suspect)
		err = identity_note_suspect(&id, state_dir, name, true);
	if (err)
		snprintf(error, KERNEL_ERROR_SIZE, "%.200s/%s.id: %s",
			 state_dir, name, state_error(err));
	return err;
}

int activation_is_due(const struct kernel_ops *ops, const char *name,
		      char error[KERNEL_ERROR_SIZE])
{
	const struct kernel_form form = { .device = name };
	int ret = ops->is_plain(&form, error);

	return ret == -ENXIO ? 1 : ret;
}

int activation_run(const struct kernel_ops *ops, const char *state_dir,
		   const struct kernel_promoted *p, bool is_again,
		   char error[KERNEL_ERROR_SIZE])
{
	struct kernel_promoted made = *p;

	int ret = activation_is_due(ops, p->name, error);

	if (ret > 0 && is_again && !ops->is_private_base(p->base))
		ret = activation_note_suspect(state_dir, p->name, error);
	if (ret < 0)
		return ret;
	error[0] = 0;
	take_geometry(&made);
	return ops->activate(&made, error);
}
