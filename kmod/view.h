/* SPDX-License-Identifier: GPL-2.0 */
/* The target "replica-view". See view.c. */
#ifndef DMR_VIEW_H
#define DMR_VIEW_H

#include "device.h"

int dmr_view_init(void);
void dmr_view_exit(void);

#endif
