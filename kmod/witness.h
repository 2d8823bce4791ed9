/* SPDX-License-Identifier: GPL-2.0 */
/* Digests of a sample of the origin. See witness.c. */
#ifndef DMR_WITNESS_H
#define DMR_WITNESS_H

#include "meta.h"

/* No write is under way, nor will one come. Both sleep. 0 or -errno. */
/* Fills the witnesses of m->now. */
int dmr_witness_take(struct dmr_meta *m);
/* Looks at them: -EUCLEAN if the origin is not what it was. */
int dmr_witness_check(struct dmr_meta *m);

#endif
