/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel said of all its replica devices in one answer, so that a
 * status of a thousand volumes asks once. Made on one reactor's thread; the
 * others may read it after that.
 */
#ifndef REPLICAD_LOOK_H
#define REPLICAD_LOOK_H

#include <stdint.h>

struct dmr_info;
struct kernel;
struct look;

/* NULL when the kernel does not answer, or out of memory. */
struct look *look_take(struct kernel *kernel);
void look_destroy(struct look *look);		/* NULL is fine */

/* Of this device; NULL: it was not there. Valid as long as @look is. */
const struct dmr_info *look_find(const struct look *look, uint64_t dev);

#endif
