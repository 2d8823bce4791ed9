// SPDX-License-Identifier: GPL-2.0-or-later
#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *print_bytes(char buf[PRINT_LEN], double bytes)
{
	static const char *const units[] = {
		"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"
	};
	unsigned int u = 0;

	while (bytes >= 1023.95 && u < 6) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, PRINT_LEN, "%.*f %s", u && bytes < 99.95 ? 1 : 0, bytes,
		 units[u]);
	return buf;
}

char *print_seconds(char buf[PRINT_LEN], double s)
{
	unsigned long long n = s > 0 && s < 1e9 ? (unsigned long long)s : 0;

	if (!(s < 1e9))
		snprintf(buf, PRINT_LEN, "very long");
	else if (s < 9.95)
		snprintf(buf, PRINT_LEN, "%.1f s", s > 0 ? s : 0);
	else if (s < 100)
		snprintf(buf, PRINT_LEN, "%.0f s", s);
	else if (n < 3600)
		snprintf(buf, PRINT_LEN, "%llu min %02llu s", n / 60, n % 60);
	else if (n < 48 * 3600)
		snprintf(buf, PRINT_LEN, "%llu h %02llu min", n / 3600,
			 n / 60 % 60);
	else
		snprintf(buf, PRINT_LEN, "%llu days", n / 86400);
	return buf;
}

bool print_has_color(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	if (no_color && no_color[0])
		return false;
	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb");
}

static const char *color_code(enum color color)
{
	static const char *const codes[] = {
		[COLOR_GOOD] = "\033[32m", [COLOR_WARN] = "\033[33m",
		[COLOR_BAD] = "\033[31m", [COLOR_DIM] = "\033[2m",
		[COLOR_BOLD] = "\033[1m",
	};

	return print_has_color() && codes[color] ? codes[color] : "";
}

void print_colored(enum color color, const char *text)
{
	const char *code = color_code(color);

	printf("%s%s%s", code, text, *code ? "\033[0m" : "");
}

/* --- tables --------------------------------------------------------------- */

struct row {
	char *cells[TABLE_COLUMNS];
	enum color colors[TABLE_COLUMNS];
};

struct table *table_create(int columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (table)
		table->columns = columns;
	return table;
}

void table_destroy(struct table *table)
{
	int i, c;

	if (!table)
		return;
	for (i = 0; i < table->nr_rows; i++)
		for (c = 0; c < table->columns; c++)
			free(table->rows[i].cells[c]);
	free(table->rows);
	free(table);
}

int table_add(struct table *table, const char *const *cells)
{
	struct row *rows, *row;
	int c;

	rows = reallocarray(table->rows, table->nr_rows + 1, sizeof(*rows));
	if (!rows)
		return -1;
	table->rows = rows;
	row = &rows[table->nr_rows++];
	memset(row, 0, sizeof(*row));
	for (c = 0; c < table->columns; c++) {
		row->cells[c] = strdup(cells[c]);
		if (!row->cells[c])
			return -1;
	}
	return 0;
}

void table_color(struct table *table, int column, enum color color)
{
	if (table->nr_rows)
		table->rows[table->nr_rows - 1].colors[column] = color;
}

static int width_of(const struct table *table, int column)
{
	size_t width = 0;
	int i;

	for (i = 0; i < table->nr_rows; i++)
		if (table->rows[i].cells[column] &&
		    strlen(table->rows[i].cells[column]) > width)
			width = strlen(table->rows[i].cells[column]);
	return width;
}

void table_print(const struct table *table)
{
	int widths[TABLE_COLUMNS], i, c;

	for (c = 0; c < table->columns; c++)
		widths[c] = width_of(table, c);
	for (i = 0; i < table->nr_rows; i++) {
		const struct row *row = &table->rows[i];

		for (c = 0; c < table->columns && row->cells[c]; c++) {
			int pad = widths[c] - strlen(row->cells[c]);

			print_colored(i ? row->colors[c] : COLOR_BOLD,
				      row->cells[c]);
			if (c + 1 < table->columns)
				printf("%*s", pad + 2, "");
		}
		putchar('\n');
	}
}

void print_bar(double fraction, int letters)
{
	int i, full;

	if (!(fraction > 0))
		fraction = 0;
	if (fraction > 1)
		fraction = 1;
	full = fraction * letters;
	putchar('[');
	for (i = 0; i < letters; i++)
		putchar(i < full ? '#' : '.');
	printf("] %3d %%", (int)(fraction * 100));
}

void print_names(const json_t *array, const char *key)
{
	const char *name;
	json_t *one;
	size_t i;

	json_array_foreach(array, i, one) {
		name = json_string_value(json_object_get(one, key));
		if (name)
			puts(name);
	}
}

void print_each(const json_t *r, void (*print)(const json_t *one, bool is_dry))
{
	bool is_dry = json_is_true(json_object_get(r, "dry_run"));
	json_t *all = json_object_get(r, "volumes"), *one;
	size_t i;

	if (!all)
		print(r, is_dry);
	json_array_foreach(all, i, one)
		print(one, is_dry);
}

/* In one piece: stdout is written line by line. */
static void print_dump(const json_t *json, size_t how)
{
	char *text = json_dumps(json, how | JSON_REAL_PRECISION(16));

	if (text)
		printf("%s\n", text);
	free(text);
}

void print_json(const json_t *json)
{
	print_dump(json, JSON_INDENT(2));
}

void print_json_line(const json_t *json)
{
	print_dump(json, JSON_COMPACT);
	fflush(stdout);
}
