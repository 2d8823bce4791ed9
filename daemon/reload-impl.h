/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For those who change many volumes one after the other (R5). */
#ifndef REPLICAD_RELOAD_IMPL_H
#define REPLICAD_RELOAD_IMPL_H

#include "reload.h"

struct reload_change;

struct reload {
	struct daemon *daemon;
	struct config config;		/* of a reload: the new one; later, the
					 * old one */
	struct reload_change *changes;	/* that are to be made */
	const char *what;		/* for the log, when it is done */
	bool is_dry;			/* nothing is changed (R6) */
	json_t *result;
	reload_done_fn *done;
	void *arg;
};

/* NULL and a sentence: no memory, or -EBUSY (in *err), one is under way. */
struct reload *reload_create(struct daemon *daemon, const char *what,
			     reload_done_fn *done, void *arg, int *err,
			     char error[CONFIG_ERROR_SIZE]);
void reload_free(struct reload *r);

/*
 * The volume has @config (copied) from now on, or is removed (NULL). @kind: the
 * list of the result that names it. 0 or -ENOMEM.
 */
int reload_add(struct reload *r, const char *name,
	       const struct volume_config *config, const char *kind);

/*
 * Makes the changes, or, if it is dry, none; done() comes, perhaps from inside;
 * @r is gone then.
 */
void reload_run(struct reload *r);

#endif
