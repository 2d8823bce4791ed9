/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of pre-shared keys: a line USER:HEXKEY for each, as psktool writes. */
#ifndef REPLICA_TLS_KEY_H
#define REPLICA_TLS_KEY_H

#include <stdint.h>

#include "error.h"

/*
 * The key of @user, to be freed with gnutls_free().  Returns 0, -ENOENT (no
 * file, or no such user), -EINVAL (no hexadecimal key of 16 bytes or more) or
 * -errno; @err names the file, never what stands in it.
 */
int tls_key_read(const char *path, const char *user, uint8_t **key,
		 unsigned int *len, struct error *err);

#endif
