/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image of a stage, for one NBD client at the other end of a socket. */
#ifndef REPLICAD_SERVE_IMAGE_H
#define REPLICAD_SERVE_IMAGE_H

#include <stdint.h>

#include "stage.h"

/*
 * Serves @image, of @bytes, read-only on the stream socket @fd until the client
 * goes away or does what NBD does not know. Blocks; shutdown(2) ends it, too.
 * Both stay the caller's.
 */
void serve_image(int fd, struct stage_image *image, uint64_t bytes);

#endif
