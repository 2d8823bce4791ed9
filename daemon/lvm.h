/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Logical volumes that only replicad activates: those with a name /dev/VG/LV,
 * where LV ends with -dmr-origin (58-dm-replica.rules hides what is on them),
 * and with LVM's flag "activation skip" (lvchange --setactivationskip). By
 * LVM's own tools, which it has instead of a library. All block, each for 30 s
 * at most; any thread.
 */
#ifndef REPLICAD_LVM_H
#define REPLICAD_LVM_H

#include <stdbool.h>

#include "kernel.h"

/* -EINVAL with a sentence: @path is a logical volume with another name. */
int lvm_check(const char *path, char error[KERNEL_ERROR_SIZE]);

/*
 * If @path is not there: activates it, with all of its devices, the flag
 * notwithstanding. 0 also if @path is there, whatever it is. -ENXIO with a
 * sentence: there is no such device, or not yet.
 */
int lvm_activate(const char *path, char error[KERNEL_ERROR_SIZE]);

/* Has it the flag? false also for what has no such name. */
bool lvm_is_hidden(const char *path);

/* Sets or clears the flag. For what has no such name: nothing to do. */
int lvm_hide(const char *path, bool hidden, char error[KERNEL_ERROR_SIZE]);

#endif
