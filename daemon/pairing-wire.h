/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The join: one exchange over TLS, with the one-time key of a token, on a
 * connection that is used for nothing else.
 *
 *	joiner   -> {"dm_replica_join": VERSION, "pair_id": ID}
 *	receiver -> {"dm_replica_join": VERSION, "ok": true}, or "error": TEXT
 *
 * a line of JSON each. The key of the pair is not sent: both sides derive it
 * from this TLS session, whose Diffie-Hellman was ephemeral.
 *
 * Z1 everything here blocks, for JOIN_SECONDS at most: on threads of their own.
 * Z2 nothing is said, and no key derived, before the peer has proved that it
 *    has the one-time key.
 * Z3 the joiner has the pair only if it was told so; the receiver has it
 *    before it says so. A joiner whose line may have gone out, and who gets no
 *    answer, is told that the receiver may have it.
 */
#ifndef REPLICAD_PAIRING_WIRE_H
#define REPLICAD_PAIRING_WIRE_H

#include <stdint.h>

#include "error.h"
#include "pairing-token.h"

#define JOIN_VERSION	1
#define JOIN_SECONDS	15

struct tls;

struct pairing_wire {
	int fd;				/* non-blocking; ours */
	struct tls *tls;
	uint64_t deadline;		/* ms, monotonic */
	char in[4096];			/* fed to the engine: it stays */
};

/* The whole of it. 0 with the pair's key, or -errno with a sentence. */
int pairing_join_blocking(const struct pairing_token *token,
			  uint8_t key[PAIRING_KEY_BYTES], struct error *err);

/*
 * The receiver's half: a connection, up to the joiner's line. 0 with the pair's
 * key: answer it; -errno: it has been told. Then, in either case,
 * pairing_wire_close().
 */
int pairing_greet_blocking(struct pairing_wire *wire, int fd,
			   const struct pairing_token *token,
			   uint8_t key[PAIRING_KEY_BYTES], struct error *err);
/* @error NULL: yes. */
int pairing_answer_blocking(struct pairing_wire *wire, const char *error);
void pairing_wire_close(struct pairing_wire *wire);

#endif
