// SPDX-License-Identifier: GPL-2.0-or-later
#include "pairing-token.h"

#include <ctype.h>
#include <errno.h>
#include <isa-l.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN	"dmr-pair-"
#define VERSION	"1"

void pairing_hex(char *text, const uint8_t *bytes, unsigned int len)
{
	for (unsigned int i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

int pairing_unhex(uint8_t *bytes, const char *text, unsigned int len)
{
	if (strspn(text, "0123456789abcdef") != 2 * len || text[2 * len])
		return -EINVAL;
	for (unsigned int i = 0; i < len; i++)
		if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
			return -EINVAL;
	return 0;
}

int pairing_address_split(const char *address,
			  char host[PAIRING_ADDRESS_LEN], char port[8])
{
	const char *colon = strrchr(address, ':');
	size_t len = colon ? colon - address : 0;

	if (!len || len >= PAIRING_ADDRESS_LEN || strlen(colon + 1) > 5 ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
	    strspn(address, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwx"
		   "yz0123456789.-_:[]%") != strlen(address) ||
	    atoi(colon + 1) < 1 || atoi(colon + 1) > 65535)
		return -EINVAL;
	if (*address == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	} else if (memchr(address, ':', len)) {
		return -EINVAL;
	}
	snprintf(host, PAIRING_ADDRESS_LEN, "%.*s", (int)len, address);
	snprintf(port, 8, "%s", colon + 1);
	return *host ? 0 : -EINVAL;
}

static uint32_t check_of(const char *text, size_t len)
{
	return crc32_iscsi((unsigned char *)text, len, 0xffffffff);
}

void pairing_token_print(char text[PAIRING_TOKEN_LEN],
			 const struct pairing_token *token)
{
	char key[2 * PAIRING_KEY_BYTES + 1];
	int n;

	pairing_hex(key, token->key, sizeof(token->key));
	n = snprintf(text, PAIRING_TOKEN_LEN, BEGIN VERSION "/%s/%s/%s",
		     token->address, token->id, key);
	sprintf(text + n, "/%08x", check_of(text, n));
	explicit_bzero(key, sizeof(key));
}

static int damaged(struct error *err)
{
	return error_set(err, -EINVAL, "the token is damaged: it is one line, "
			 "and all of it is needed");
}

static int take_parts(struct pairing_token *token, char *text,
		      struct error *err)
{
	char *part[5], host[PAIRING_ADDRESS_LEN], port[8];
	uint8_t id[16];

	for (int i = 0; i < 5; i++) {
		part[i] = strsep(&text, "/");
		if (!part[i])
			return damaged(err);
	}
	if (pairing_address_split(part[1], host, port) ||
	    pairing_unhex(id, part[2], 16) ||
	    pairing_unhex(token->key, part[3], PAIRING_KEY_BYTES))
		return damaged(err);
	snprintf(token->address, sizeof(token->address), "%s", part[1]);
	snprintf(token->id, sizeof(token->id), "%s", part[2]);
	return 0;
}

int pairing_token_parse(struct pairing_token *token, const char *text,
			struct error *err)
{
	char copy[PAIRING_TOKEN_LEN], *check;
	size_t len;
	int ret;

	while (isspace((unsigned char)*text))
		text++;
	len = strcspn(text, " \t\r\n");
	if (strncmp(text, BEGIN, strlen(BEGIN)))
		return error_set(err, -EINVAL, "this is no token of \"pair "
				 "invite\": those begin with " BEGIN VERSION);
	if (strncmp(text, BEGIN VERSION "/", strlen(BEGIN VERSION "/")))
		return error_set(err, -EINVAL, "the token is of another "
				 "version, this side knows version " VERSION);
	if (len >= sizeof(copy) || text[len + strspn(text + len, " \t\r\n")])
		return damaged(err);
	snprintf(copy, sizeof(copy), "%.*s", (int)len, text);
	check = strrchr(copy, '/');
	if (strlen(check) != 9 ||
	    strtoul(check + 1, NULL, 16) != check_of(copy, check - copy))
		return damaged(err);
	ret = take_parts(token, copy, err);
	explicit_bzero(copy, sizeof(copy));
	return ret;
}
