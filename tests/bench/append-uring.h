/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef APPEND_URING_H
#define APPEND_URING_H

#include "stage-io.h"

/* @how: "own-ring", each thread has one; "one-ring", for all. Else NULL. */
const struct stage_io *append_uring(const char *how);

#endif
