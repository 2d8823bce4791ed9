// SPDX-License-Identifier: GPL-2.0-or-later
#include "doc-table.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX	256
#define FILE_BYTES_MAX	(1U << 20)

char *doc_text(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, FILE_BYTES_MAX);
	size_t len = 0;
	int c;

	while (f && text && (c = getc(f)) != EOF && len < FILE_BYTES_MAX - 1) {
		if (!isspace(c))
			text[len++] = c;
		else if (len && text[len - 1] != ' ')
			text[len++] = ' ';
	}
	if (f)
		fclose(f);
	if (len)
		return text;
	free(text);
	return NULL;
}

static bool next_line(FILE *f, char line[LINE_MAX])
{
	if (!fgets(line, LINE_MAX, f))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static bool find_line(FILE *f, char line[LINE_MAX], const char *start)
{
	while (next_line(f, line))
		if (!strncmp(line, start, strlen(start)))
			return true;
	return false;
}

/* Where the columns begin, as the line of "=" has it. */
static bool find_columns(const char *rule, size_t at[3])
{
	size_t i = 0;

	for (int col = 0; col < 3; col++) {
		i += strspn(rule + i, " ");
		at[col] = i;
		i += strspn(rule + i, "=");
		if (i == at[col])
			return false;
	}
	return !rule[i];
}

static void add_words(struct doc_row *row, const char *words)
{
	size_t len = strlen(row->words);

	snprintf(row->words + len, sizeof(row->words) - len, "%s%s",
		 len ? " " : "", words);
}

/* False: it is no row of such a table. */
static bool add_line(struct doc_table *t, const char *line, const size_t at[3])
{
	if (strlen(line) <= at[2])
		return false;
	if (line[0] != ' ') {
		if (t->nr == DOC_ROWS_MAX || !isdigit(line[0]))
			return false;
		t->rows[t->nr].off = strtoul(line, NULL, 10);
		t->rows[t->nr++].bytes = strtoul(line + at[1], NULL, 10);
	}
	if (!t->nr)
		return false;
	add_words(&t->rows[t->nr - 1], line + at[2]);
	return true;
}

static bool read_rows(FILE *f, struct doc_table *t, const char *column)
{
	char line[LINE_MAX], head[LINE_MAX], rule[LINE_MAX];
	size_t at[3];

	do {
		if (!find_line(f, rule, "====") || !next_line(f, head))
			return false;
	} while (!find_columns(rule, at) ||
		 strncmp(head, column, strlen(column)));
	if (!next_line(f, line) || strcmp(line, rule))
		return false;
	while (next_line(f, line)) {
		if (!strcmp(line, rule))
			return t->nr;
		if (!add_line(t, line, at))
			return false;
	}
	return false;
}

bool doc_table_read(struct doc_table *t, const char *path, const char *after,
		    const char *column)
{
	FILE *f = fopen(path, "r");
	char line[LINE_MAX];
	bool is_good;

	memset(t, 0, sizeof(*t));
	is_good = f && find_line(f, line, after) && read_rows(f, t, column);
	if (f)
		fclose(f);
	return is_good;
}

const struct doc_row *doc_table_find(const struct doc_table *t, size_t off)
{
	for (unsigned int i = 0; i < t->nr; i++)
		if (off >= t->rows[i].off &&
		    off < t->rows[i].off + t->rows[i].bytes)
			return &t->rows[i];
	return NULL;
}

bool doc_says(const char *text, const char *fmt, ...)
{
	char words[200];
	va_list args;

	va_start(args, fmt);
	vsnprintf(words, sizeof(words), fmt, args);
	va_end(args);
	if (strstr(text, words))
		return true;
	printf("# there is no '%s'\n", words);
	return false;
}
