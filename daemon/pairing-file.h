/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pairings on disk: STATE_DIR/pairs/NAME.json (what is known) and NAME.key (a
 * line ID:HEXKEY, as nbdkit and our client read it), both 0600.
 *
 * Y1 the key is durable before the record names it, and goes after it.
 */
#ifndef REPLICAD_PAIRING_FILE_H
#define REPLICAD_PAIRING_FILE_H

#include <jansson.h>
#include <stdbool.h>

#include "error.h"
#include "pairing-token.h"

#define PAIRING_NAME_LEN	41
#define PAIRING_PATH_LEN	400

struct pairing_record {
	char name[PAIRING_NAME_LEN];
	char id[PAIRING_ID_LEN];
	char address[PAIRING_ADDRESS_LEN];	/* of the receiver */
	bool is_receiver;
	char listen[PAIRING_ADDRESS_LEN];	/* address to bind, "" = all */
	json_t *params;		/* texts for the plugin; NULL: a sender's */
};

void pairing_path(char path[PAIRING_PATH_LEN], const char *state_dir,
		  const char *name, const char *suffix);

/* Durable when it returns 0. -errno. @key: NULL, the one that it has stays. */
int pairing_save(const char *state_dir, const struct pairing_record *record,
		 const uint8_t key[PAIRING_KEY_BYTES]);
/* 0; -ENOENT; -EBADMSG. @record->params is the caller's to decref. */
int pairing_load(const char *state_dir, const char *name,
		 struct pairing_record *record);
int pairing_remove(const char *state_dir, const char *name);

/* Calls @each for the name of each that there is. */
void pairing_each(const char *state_dir,
		  void (*each)(void *arg, const char *name), void *arg);

/*
 * What target=pair:NAME[/EXPORT] stands for: its URI and pair id. @export:
 * where the target names none. 0, or -errno with a sentence.
 */
int pairing_resolve(const char *state_dir, const char *target,
		    const char *export, char *uri, size_t size,
		    uint8_t id[16], struct error *err);
/*
 * How this site itself asks its own server of a pair that it receives by, for
 * @export. 0, or -errno with a sentence.
 */
int pairing_own_uri(const char *state_dir, const struct pairing_record *record,
		    const char *export, char *uri, size_t size,
		    struct error *err);
bool pairing_is_target(const char *target);
/* What it names at that pair, "" where it names nothing; NULL: another one. */
const char *pairing_target_export(const char *target, const char *pair);

#endif
