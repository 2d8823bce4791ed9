/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What promotion.c, promotion-find.c and promotion-status.c share. */
#ifndef REPLICAD_PROMOTION_IMPL_H
#define REPLICAD_PROMOTION_IMPL_H

#include "promotion.h"

/* Are they one stage? */
bool promotion_is_same_dir(const char *a, const char *b);

/*
 * New records of what is asked for: one, or those of a group, whose leader is
 * the first. To be freed.
 */
int promotion_make_records(const struct daemon *daemon,
			   const struct promotion_request *q,
			   struct promotion_record **all, unsigned int *nr,
			   struct error *err);

/* T7: is it @leader, or does it go with it? T5: not one that is given up. */
static inline bool promotion_is_of(const struct promotion *p,
				   const struct promotion *leader)
{
	return p == leader ||
	       (p->leader == leader && p->state != PROMOTION_ENDING);
}

/* With all that go with it. */
json_t *promotion_describe(const struct promotion *leader);

#endif
