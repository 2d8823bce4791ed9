/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people read: numbers with units, tables, bars, colours. */
#ifndef REPLICACTL_PRINT_H
#define REPLICACTL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define PRINT_LEN	48

/* "1.2 MiB", "17 s", "2 h 05 min"; each returns buf. */
char *print_bytes(char buf[PRINT_LEN], double bytes);
char *print_seconds(char buf[PRINT_LEN], double seconds);

enum color { COLOR_NONE, COLOR_GOOD, COLOR_WARN, COLOR_BAD, COLOR_DIM,
	     COLOR_BOLD };

/*
 * Colours are on when stdout is a terminal, NO_COLOR is not set and TERM is
 * not "dumb".
 */
bool print_has_color(void);
void print_colored(enum color color, const char *text);

/*
 * A table of texts: cells in rows, the first row is the heading. Columns are
 * as wide as they must be; the last one is not padded.
 */
#define TABLE_COLUMNS	10

struct table {
	struct row *rows;
	int nr_rows;
	int columns;
};

struct table *table_create(int columns);
void table_destroy(struct table *table);

/* Adds a row; cells are copied. -1: no memory. */
int table_add(struct table *table, const char *const *cells);

/* The colour of one cell of the row that was added last. */
void table_color(struct table *table, int column, enum color color);
void table_print(const struct table *table);

/* "[#####.....]  45 %" of this many letters between the brackets. */
void print_bar(double fraction, int letters);

/* This text of each object of an array, one a line, if it has one. */
void print_names(const json_t *array, const char *key);

/* Of each of @r's "volumes", or of @r where it has none; with its "dry_run". */
void print_each(const json_t *r, void (*print)(const json_t *one, bool is_dry));

/* Indented, keys in the order of the object, a newline at the end. */
void print_json(const json_t *json);

/* On one line. */
void print_json_line(const json_t *json);

#endif
