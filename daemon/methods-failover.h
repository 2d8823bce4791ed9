/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What failover of one and of many have in common. */
#ifndef REPLICAD_METHODS_FAILOVER_H
#define REPLICAD_METHODS_FAILOVER_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "promotion.h"

struct request;

/* "epoch" and "at". 0, or -errno with a sentence. */
int failover_wish(struct promotion_wish *wish, const struct request *request,
		  struct error *err);
unsigned int failover_wait_ms(const struct request *request);

/*
 * methods-failover-ask.c: then() comes once, perhaps from inside the call,
 * unless the request was refused. @overtaken: who was promoted here, and is no
 * primary any more: a sentence each, by name; NULL: nobody.
 */
typedef void failover_then_fn(struct request *request,
			      const json_t *overtaken);
void failover_ask(struct request *request, failover_then_fn *then);
/* Of @volume, or of any that was promoted with it; NULL: it is none of them. */
const char *failover_overtaken(const struct request *request,
			       const json_t *overtaken, const char *volume,
			       bool is_group);

/* Takes the request, if it has "pool" or "host": methods-failover-many.c. */
bool failover_many(struct request *request);

#endif
