/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Putting the replica target below a volume's device, so that L1 holds. */
#ifndef REPLICAD_INSERTION_H
#define REPLICAD_INSERTION_H

#include "config.h"
#include "kernel.h"

/* What was known before the first of several tries; zero before that. */
struct insertion_past {
	bool is_known;
	bool was_suspect;
};

/* What its device is to be; its texts are @config's. */
struct kernel_form insertion_form(const struct volume_config *config);

/*
 * Blocks; any thread, while the volume does not run. 0 or -errno with a
 * sentence in @error. A device that had no target, and may have been written
 * since it was activated, is noted as suspect in STATE_DIR/NAME.id. @past is
 * the caller's, for tries that follow each other at once.
 */
int insertion_run(const struct kernel_ops *ops, const char *state_dir,
		  const struct volume_config *config,
		  struct insertion_past *past, struct kernel_device *out,
		  char error[CONFIG_ERROR_SIZE]);

/* Could that be tried? 0 or -errno with a sentence; nothing is changed. */
int insertion_look(const struct kernel_ops *ops,
		   const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE]);

/*
 * The device, looked for as @look, takes up what its origin has more;
 * kernel_ops::extend.
 */
int insertion_extend(const struct kernel_ops *ops,
		     const struct kernel_form *look,
		     const struct kernel_form *form, uint64_t *bytes,
		     char error[CONFIG_ERROR_SIZE]);

/* Can the reverse be done? 0, or -EBUSY; nothing is changed. */
int insertion_check_undo(const struct kernel_ops *ops,
			 const struct volume_config *config,
			 char error[CONFIG_ERROR_SIZE]);

/* The reverse, as above. It is suspect from then on, whatever comes after. */
int insertion_undo(const struct kernel_ops *ops, const char *state_dir,
		   const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE]);

#endif
