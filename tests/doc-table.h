/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables of a document that say where something is: of three columns, of
 * which the first two are numbers (offset and bytes) and the third is words.
 */
#ifndef DOC_TABLE_H
#define DOC_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define DOC_ROWS_MAX	64

struct doc_row {
	unsigned int off, bytes;
	char words[512];		/* in one line */
};

struct doc_table {
	struct doc_row rows[DOC_ROWS_MAX];
	unsigned int nr;
};

/* All of it in one line, allocated; NULL: it cannot be read. */
char *doc_text(const char *path);

/* Are these words in it? False tells which are not. */
bool doc_says(const char *text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The first table whose head begins with @column, below the line @after (as
 * much of it as is given). False: there is none, or it is no such table.
 */
bool doc_table_read(struct doc_table *t, const char *path, const char *after,
		    const char *column);

/* The row of that byte, or NULL. */
const struct doc_row *doc_table_find(const struct doc_table *t, size_t off);

#endif
