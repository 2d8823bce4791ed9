/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What promotion.c, promotion-find.c and promotion-status.c share. */
#ifndef REPLICAD_PROMOTION_IMPL_H
#define REPLICAD_PROMOTION_IMPL_H

#include "promotion.h"

/*
 * New records of what is asked for: one, or those of a group, whose leader is
 * the first. To be freed.
 */
int promotion_make_records(const struct daemon *daemon,
			   const struct promotion_request *q,
			   struct promotion_record **all, unsigned int *nr,
			   struct error *err);

/*
 * P5: those of the group of @of that have no record here, though the stage is
 * fenced as @of says. @all: NULL if there are none; to be freed. An error: of
 * some it is not known, and they are not among them.
 */
int promotion_find_lost(const struct daemon *daemon,
			const struct promotion_record *of,
			struct promotion_record **all, unsigned int *nr,
			struct error *err);

/* Its stage says, for certain, that its group was not fenced. */
bool promotion_is_unfenced(const struct promotion_record *r);

/*
 * One of its group that has left with it, and has no promotion here. False:
 * none, as far as the stage tells.
 */
bool promotion_lacks(const struct daemon *daemon,
		     const struct promotion_record *r,
		     char name[STAGE_NAME_LEN]);

/* T7: is it @leader, or does it go with it? T5: not one that is given up. */
static inline bool promotion_is_of(const struct promotion *p,
				   const struct promotion *leader)
{
	return p == leader ||
	       (p->leader == leader && p->state != PROMOTION_ENDING);
}

/* T8, promotion-ask.c: at a start; is one of its run asking; it goes on. */
void promotions_find_who_asks(struct daemon *daemon);
bool promotion_is_asking(const struct promotion *leader);
void promotion_ask_no_more(struct promotion *leader);

/* With all that go with it. */
json_t *promotion_describe(const struct promotion *leader);

#endif
