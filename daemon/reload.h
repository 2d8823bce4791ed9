/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration is read again, while everything runs.
 *
 * R1 what is wrong changes nothing: all of it is read and resolved before the
 *    first change.
 * R2 a volume that would be the same is not touched: its connection and its
 *    open epoch go on.
 * R3 a volume that is in no file any more is not shipped any more; its target
 *    stays in the device, as after a restart: no write is forgotten.
 * R4 a volume of volumes.conf is enabled and disabled by its verbs only; here
 *    it follows its type and its target.
 * R5 one at a time; each volume is an op of its own, so that other verbs come
 *    between.
 *
 * R6 what is dry changes nothing: of the volumes, of the configuration that is
 *    in use, or on disk. What it answers is what would be done now.
 *
 * On the main thread.
 */
#ifndef REPLICAD_RELOAD_H
#define REPLICAD_RELOAD_H

#include <jansson.h>

#include "config.h"

struct daemon;

/*
 * @result, the receiver's: {"added", "changed", "removed"} (names), "failed"
 * (sentences: volumes that do not run), "restart" (keys of [replicad] that hold
 * from the next start on) and "warnings"; "dry_run", if it was.
 */
typedef void reload_done_fn(void *arg, json_t *result);

/* 0, and done() comes; or -errno with a sentence, and nothing has changed. */
int reload_start(struct daemon *daemon, bool is_dry, reload_done_fn *done,
		 void *arg, char error[CONFIG_ERROR_SIZE]);

#endif
