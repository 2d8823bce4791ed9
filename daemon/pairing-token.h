/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token of an invitation, one line:
 *
 *	dmr-pair-1/HOST:PORT/ID/KEY/CHECK
 *
 * ID: 32 hexadecimal digits; KEY: the one-time key, 64; CHECK: crc32c of what
 * is before it, 8. An IPv6 HOST stands in brackets.
 */
#ifndef REPLICAD_PAIRING_TOKEN_H
#define REPLICAD_PAIRING_TOKEN_H

#include <stdint.h>

#include "error.h"

#define PAIRING_ID_LEN		33	/* with its NUL, as the next */
#define PAIRING_ADDRESS_LEN	160
#define PAIRING_TOKEN_LEN	320
#define PAIRING_KEY_BYTES	32

struct pairing_token {
	char address[PAIRING_ADDRESS_LEN];
	char id[PAIRING_ID_LEN];
	uint8_t key[PAIRING_KEY_BYTES];
};

void pairing_token_print(char text[PAIRING_TOKEN_LEN],
			 const struct pairing_token *token);

/* Blanks around it are fine. 0, or -EINVAL with a sentence without the key. */
int pairing_token_parse(struct pairing_token *token, const char *text,
			struct error *err);

/* "HOST:PORT", "[ADDRESS]:PORT" into its two. 0 or -EINVAL. */
int pairing_address_split(const char *address,
			  char host[PAIRING_ADDRESS_LEN], char port[8]);

/* 2 * @len digits and a NUL, and back. 0 or -EINVAL. */
void pairing_hex(char *text, const uint8_t *bytes, unsigned int len);
int pairing_unhex(uint8_t *bytes, const char *text, unsigned int len);

#endif
