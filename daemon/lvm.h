/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logical volumes that only replicad activates: those with LVM's flag
 * "activation skip" (lvchange --setactivationskip). By LVM's own tools,
 * which it has instead of a library. All block; any thread.
 */
#ifndef REPLICAD_LVM_H
#define REPLICAD_LVM_H

#include <stdbool.h>

#include "kernel.h"

/*
 * If @path, /dev/VG/LV, is not there: activates that logical volume, the flag
 * notwithstanding. 0 also if @path is there, whatever it is. -ENXIO with a
 * sentence: there is no such device, or not yet.
 */
int lvm_activate(const char *path, char error[KERNEL_ERROR_SIZE]);

/* Sets the flag of a logical volume. Of another device: nothing to do. */
int lvm_hide(const char *path, char error[KERNEL_ERROR_SIZE]);

/* Has it the flag? false also for what is not a logical volume. */
bool lvm_is_hidden(const char *path);

#endif
