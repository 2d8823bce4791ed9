/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See kshim.h. */
#include "../kshim.h"
