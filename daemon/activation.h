/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The device of a volume that was promoted: as its metadata says. */
#ifndef REPLICAD_ACTIVATION_H
#define REPLICAD_ACTIVATION_H

#include "kernel.h"

/*
 * As ops->activate(), with the sizes of chunk and region that the metadata has;
 * @p->chunk_sectors and region_sectors are not looked at. Where the base may
 * have been written without us, NAME.id says so before. @is_again: the stage
 * had let the base go before this run. Blocks, any thread.
 */
int activation_run(const struct kernel_ops *ops, const char *state_dir,
		   const struct kernel_promoted *p, bool is_again,
		   char error[KERNEL_ERROR_SIZE]);

/* 1: its device is still to be made; 0: it is there, with its target. */
int activation_is_due(const struct kernel_ops *ops, const char *name,
		      char error[KERNEL_ERROR_SIZE]);

/* L1: NAME.id says so durably when this returns 0. */
int activation_note_suspect(const char *state_dir, const char *name,
			    char error[KERNEL_ERROR_SIZE]);

#endif
