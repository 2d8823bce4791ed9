/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a peer writes to @verbs goes to replicad, by its control socket, and
 * what that answers is there to be read. Nothing is understood here.
 *
 * M1 One message at a time for a connection; a read has the answer to what it
 *    has written last, or there is none.
 * M2 Each step of an exchange has RELAY_SECONDS: a server that is told to end
 *    does not wait for ever for a replicad that hangs.
 */
#ifndef REPLICA_PLUGIN_RELAY_H
#define REPLICA_PLUGIN_RELAY_H

#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define RELAY_SECONDS	3

struct relay;

/* @socket: replicad's; @pair: its id, as text. Both stay. NULL: no memory. */
struct relay *relay_create(const char *socket, const char *pair);
void relay_destroy(struct relay *r);	/* NULL is fine */

/* Any thread, within VERBS_BYTES. 0 or -errno with a sentence. */
int relay_write(struct relay *r, const void *buf, size_t len, uint64_t off,
		struct error *err);
int relay_read(struct relay *r, void *buf, size_t len, uint64_t off,
	       struct error *err);

#endif
