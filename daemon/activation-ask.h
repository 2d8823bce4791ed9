/* SPDX-License-Identifier: GPL-2.0-or-later */
/* May this site come up as the primary? The target knows. */
#ifndef REPLICAD_ACTIVATION_ASK_H
#define REPLICAD_ACTIVATION_ASK_H

#include <stdbool.h>

#include "config.h"
#include "kernel.h"

/* In the order of the words of activation=. */
enum activation {
	ACTIVATION_FORCE,	/* it comes up, whatever the target says */
	ACTIVATION_ASK,
};

/*
 * Its target is to be asked: it is on another machine, or that another site has
 * taken over is remembered (takeover.h).
 */
bool activation_asks(const char *state_dir, const struct volume_config *config);

/* It is ours to make, has not been made, and asks first. Blocks. */
bool activation_has_to_ask(const struct kernel_ops *ops, const char *state_dir,
			   const struct volume_config *config);

/*
 * Reads the header of the target; writes nothing. Blocks, any thread. 0: nobody
 * has taken over. -ESTALE, -ENOTUNIQ: somebody has; -EAGAIN: no answer; -EPERM:
 * it is not the target of this volume; -EKEYREVOKED: somebody has, as another
 * target has said. With a sentence.
 */
int activation_ask(const char *state_dir, const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE]);

#endif
