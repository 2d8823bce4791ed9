/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tls-key.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_KEY	16	/* bytes */

static void free_line(char **line)
{
	free(*line);
}

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

static int decode(const char *path, const char *hex, uint8_t **key,
		  unsigned int *len, struct error *err)
{
	gnutls_datum_t text = { (unsigned char *)hex, strlen(hex) }, raw;

	if (gnutls_hex_decode2(&text, &raw))
		return error_set(err, -EINVAL, "%s: the key is not a "
				 "hexadecimal number", path);
	*key = raw.data;
	*len = raw.size;
	if (raw.size >= MIN_KEY)
		return 0;
	gnutls_free(raw.data);
	return error_set(err, -EINVAL, "%s: a key of less than %d bytes", path,
			 MIN_KEY);
}

int tls_key_read(const char *path, const char *user, uint8_t **key,
		 unsigned int *len, struct error *err)
{
	FILE *file __attribute__((cleanup(close_file))) = fopen(path, "re");
	char *line __attribute__((cleanup(free_line))) = NULL;
	size_t size = 0, n = strlen(user);
	int ret;

	if (!file)
		return error_set(err, -errno, "%s: %s", path,
				 strerrordesc_np(errno));
	while (getline(&line, &size, file) >= 0) {
		if (strncmp(line, user, n) || line[n] != ':')
			continue;
		line[strcspn(line, "\r\n")] = '\0';
		ret = decode(path, line + n + 1, key, len, err);
		gnutls_memset(line, 0, size);
		return ret;
	}
	return error_set(err, -ENOENT, "%s has no key for the name %s", path,
			 user);
}
