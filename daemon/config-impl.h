/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the files config*.c: one row of a table is one key. A type knows how to
 * parse a text into the field and how to print the field; nothing else in the
 * daemon parses configuration.
 */
#ifndef REPLICAD_CONFIG_IMPL_H
#define REPLICAD_CONFIG_IMPL_H

#include "config.h"

#define KIB	1024ULL
#define MIB	(1024 * KIB)
#define GIB	(1024 * MIB)
#define TIB	(1024 * GIB)
#define HOUR_MS	3600000ULL

enum key_type {
	KEY_TEXT, KEY_SIZE, KEY_DURATION, KEY_NUMBER, KEY_BOOL,
	KEY_WORD,		/* the number of one of ->words */
	KEY_ONCE,		/* a bool that config_save() leaves out */
	KEY_LINES,		/* a text of one line each time it is given */
};

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
	const char *init;	/* default, as it would stand in the file */
	uint64_t min, max;	/* in the unit of the field */
	const char *const *words;
};

extern const struct key daemon_keys[], volume_keys[];
/* Of the sections of one kind; NULL: any key (a type's). */
const struct key *section_keys(enum section_kind kind);

/* Sets a key, or adds a line to it. 0 or -errno with a sentence. */
int key_set(const struct key *keys, void *base, const char *name,
	    const char *text, char error[CONFIG_ERROR_SIZE]);
/* More of the value that was set last, @lines below it. */
int key_continue(const struct key *keys, void *base, const char *name,
		 const char *text, int lines, char error[CONFIG_ERROR_SIZE]);
const struct key *key_find(const struct key *keys, const char *name);
bool key_is_text(const struct key *key);
/* Does @text begin with the name of one, as a line with a key would? */
bool key_begins(const struct key *keys, const char *text);
char **key_text(const struct key *key, const void *base);
uint64_t key_get(const struct key *key, const void *base);
void key_put(const struct key *key, void *base, uint64_t value);
int key_set_text(const struct key *key, void *base, const char *text);
/* The text that would set it to this. */
void key_print(const struct key *key, uint64_t value, char *text, size_t size);
int keys_init(const struct key *keys, void *base);
void keys_free(const struct key *keys, void *base);

/* Says it and returns @err. */
int config_refuse(char error[CONFIG_ERROR_SIZE], int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* config-section.c */
struct section *section_add(struct config *config, enum section_kind kind,
			    const char *name);
void section_free(struct section *section);
/* The kind whose word begins @title, and where the name begins; or -1. */
int section_kind_of(const char *title, const char **name);

/* The next of words that commas or blanks part; NULL at the end. */
const char *config_next_word(const char **list, char word[64]);
/* One of the words of @list is @name, or a glob that matches it. */
bool section_names(const char *list, const char *name);

/* What is said under such a key is shown to nobody. */
bool config_is_secret(const char *key);
/* N4. A copy with *** for the password of USER:PASSWORD@; NULL: no memory. */
char *config_masked(const char *text);

/* A spec of a type that is ours is one we know; @near: else the nearest. */
bool config_spec_is_known(const char *spec, char near[60]);

/* Where a key was set; @value may be NULL. 0 or -ENOMEM. */
int record_add(struct config_record **list, const char *key, const char *value,
	       const char *file, int line);
struct config_record *record_find(struct config_record *list, const char *key);
void records_free(struct config_record **list);

/*
 * config-devices.c: the lists of devices of a backend become targets. 0 or
 * -errno with a sentence that has file and line.
 */
int devices_expand(struct config *config, struct section *backend,
		   char error[CONFIG_ERROR_SIZE]);

/*
 * config-save.c (V1): would a value that is set at run time be read back? 0, or
 * -errno with a sentence.
 */
int config_can_save(const struct key *keys, const char *name, const char *text,
		    char error[CONFIG_ERROR_SIZE]);
/* What is not is in no file, and in no answer. */
bool config_is_utf8(const char *text);

/* config-resolve.c: a uri= with the volume's name in it; NULL: no memory. */
char *config_fill_in(const char *uri, const char *volume);
/* Where the volume is at it. NULL: a backend without pair=, or no memory. */
char *config_uri_of(const struct config *config, const struct section *target,
		    const char *volume);

/* config-finish.c: the section of a target by itself. As devices_expand(). */
int config_check_target(const struct config *config,
			const struct section *target,
			char error[CONFIG_ERROR_SIZE]);

#endif
