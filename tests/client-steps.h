/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests by chance, of clients of which some are right, some late, and some
 * wrong: what a model allows more often than what it does not.
 */
#ifndef CLIENT_STEPS_H
#define CLIENT_STEPS_H

#include "client-model.h"

#define WALK_LOADS	3	/* of the first hello */

struct dice {
	uint64_t state;
};

/* Below n. */
uint64_t roll(struct dice *d, uint64_t n);

/* The next one. Each connection that it names is there, but for a connect. */
void next_request(struct dice *d, const struct client_model *m,
		  struct request *r);

/* Does the end depend on their order where both are taken? */
bool is_race(const struct client_model *m, const struct request *a,
	     const struct request *b);

/* The data of a write; NULL of zeros. */
void fill_request(const struct request *r, char *buf);
void fill_sector(char *buf, uint64_t sector, uint32_t seed);

/* Its slot, as it goes over the wire. */
void encode_request(const struct request *r, char *slot);

/* One line, for who looks for what went wrong. */
void describe_request(const struct request *r, char *text, size_t len);

#endif
