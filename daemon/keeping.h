/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * STATE_DIR/keeping/VOLUME.json: this site's data are kept, and the other side
 * of a pair was asked to give the volume up (resolve --keep local). It is there
 * from before that is told until the answer is known, whatever ends meanwhile
 * (R9 in resolve.h). Any thread.
 */
#ifndef REPLICAD_KEEPING_H
#define REPLICAD_KEEPING_H

#include "pairing-file.h"

struct keeping {
	char pair[PAIRING_NAME_LEN];
	char id[PAIRING_ID_LEN];	/* of the pair: a name may come again */
};

/* Durable when it returns 0. -errno: perhaps it is there. */
int keeping_note(const char *state_dir, const char *volume,
		 const struct keeping *k);
/*
 * 0; -ENOENT: there is none, or that pair was revoked since, so that no answer
 * can come; another -errno: nobody knows, and the file is to be put right.
 */
int keeping_load(const char *state_dir, const char *volume,
		 struct keeping *k);
/* It is gone, durably, when this returns 0; also if there is none. */
int keeping_drop(const char *state_dir, const char *volume);

#endif
