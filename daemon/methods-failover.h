/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What failover of one and of many have in common. */
#ifndef REPLICAD_METHODS_FAILOVER_H
#define REPLICAD_METHODS_FAILOVER_H

#include <stdbool.h>

#include "error.h"
#include "promotion.h"

struct request;

/* "epoch" and "at". 0, or -errno with a sentence. */
int failover_wish(struct promotion_wish *wish, const struct request *request,
		  struct error *err);
unsigned int failover_wait_ms(const struct request *request);

/* Takes the request, if it has "pool" or "host": methods-failover-many.c. */
bool failover_many(struct request *request);

#endif
