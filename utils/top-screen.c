// SPDX-License-Identifier: GPL-2.0-or-later
#include "top-screen.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "print.h"
#include "top-history.h"

#define SPARK_MIN	8	/* letters; below that there is none */
#define LEFT_COLUMNS	62	/* of a row, without the sparkline */

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

void screen_begin(struct screen *screen)
{
	screen->used = 0;
	screen->out = open_memstream(&screen->text, &screen->len);
	if (screen->out)
		fputs("\033[H", screen->out);
}

/* Ends a line; what was there before to its right goes. */
static void end_line(struct screen *screen)
{
	fputs("\033[K", screen->out);
	if (++screen->used < screen->lines)
		fputs("\r\n", screen->out);
}

static void put_line(struct screen *screen, const char *text)
{
	if (screen->used >= screen->lines)
		return;
	fprintf(screen->out, "%.*s", screen->columns, text);
	end_line(screen);
}

static const char *color_of(const char *state)
{
	if (!print_has_color())
		return "";
	if (!strcmp(state, "replicating"))
		return "\033[32m";
	return !strcmp(state, "error") || !strcmp(state, "split-brain") ||
	       !strcmp(state, "diverged") || !strcmp(state, "superseded") ||
	       !strcmp(state, "falling-behind") ? "\033[31m" : "\033[33m";
}

/* --- order: not well first, then by lag, then by name --------------------- */

static int compare(const void *a, const void *b)
{
	const json_t *v = *(const json_t *const *)a;
	const json_t *w = *(const json_t *const *)b;
	int good_v = !strcmp(text_of(v, "state"), "replicating");
	int good_w = !strcmp(text_of(w, "state"), "replicating");
	double lag_v = number_of(v, "lag_s"), lag_w = number_of(w, "lag_s");

	if (good_v != good_w)
		return good_v - good_w;
	/* in steps of a second: rows that change places each time are unread */
	if ((long long)lag_v != (long long)lag_w)
		return lag_v < lag_w ? 1 : -1;
	return strcmp(text_of(v, "name"), text_of(w, "name"));
}

static const json_t **sort(const json_t *volumes, size_t nr)
{
	const json_t **list = calloc(nr ? nr : 1, sizeof(*list));

	for (size_t i = 0; list && i < nr; i++)
		list[i] = json_array_get(volumes, i);
	if (list)
		qsort(list, nr, sizeof(*list), compare);
	return list;
}

/* --- rows ----------------------------------------------------------------- */

static char *cell(char buf[PRINT_LEN], const json_t *v, const char *key,
		  char *(*print)(char buf[PRINT_LEN], double value))
{
	if (json_is_number(json_object_get(v, key)))
		return print(buf, number_of(v, key));
	return strcpy(buf, "-");
}

static void put_volume(struct screen *screen, const json_t *v,
		       const struct history *history)
{
	int room = screen->columns - LEFT_COLUMNS - 2;
	int is_plain = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	const char *color = color_of(text_of(v, "state"));
	char lag[PRINT_LEN], rate[PRINT_LEN], dirty[PRINT_LEN], left[200];
	char spark[SPARK_LEN];

	snprintf(left, sizeof(left), "%-14.14s %-15.15s %10s %10s %9s",
		 text_of(v, "name"), text_of(v, "state"),
		 cell(lag, v, "lag_s", print_seconds),
		 cell(rate, v, "rate_bytes_s", print_bytes),
		 cell(dirty, v, "dirty_bytes", print_bytes));
	fprintf(screen->out, "%s%.*s%s", color, screen->columns, left,
		color[0] ? "\033[0m" : "");
	if (room >= SPARK_MIN)
		fprintf(screen->out, "  %s",
			history_spark(history, text_of(v, "name"),
				      room < HISTORY_LEN ? room : HISTORY_LEN,
				      is_plain, spark));
	end_line(screen);
}

static void put_heading(struct screen *screen)
{
	char text[200];

	snprintf(text, sizeof(text), "%-14s %-15s %10s %10s %9s%s", "VOLUME",
		 "STATE", "LAG", "RATE/s", "DIRTY",
		 screen->columns >= LEFT_COLUMNS + 2 + SPARK_MIN ?
		 "  LAG, LATELY" : "");
	put_line(screen, "");
	put_line(screen, text);
}

static void put_volumes(struct screen *screen, const json_t *volumes,
			const struct history *history)
{
	size_t nr = json_array_size(volumes), i;
	const json_t **list = sort(volumes, nr);
	char more[60];

	for (i = 0; list && i < nr && screen->used < screen->lines - 1; i++) {
		if (screen->used == screen->lines - 2 && i + 1 < nr)
			break;
		put_volume(screen, list[i], history);
	}
	if (list && i < nr) {
		snprintf(more, sizeof(more), "… %zu more", nr - i);
		put_line(screen, more);
	}
	free(list);
}

static void put_summary(struct screen *screen, const json_t *volumes)
{
	double lag = 0, rate = 0, dirty = 0;
	char a[PRINT_LEN], b[PRINT_LEN], c[PRINT_LEN], text[300], clock[16];
	size_t nr = json_array_size(volumes), good = 0, i;
	time_t now = time(NULL);
	struct tm tm;
	json_t *v;

	json_array_foreach(volumes, i, v) {
		good += !strcmp(text_of(v, "state"), "replicating");
		rate += number_of(v, "rate_bytes_s");
		dirty += number_of(v, "dirty_bytes");
		if (number_of(v, "lag_s") > lag)
			lag = number_of(v, "lag_s");
	}
	strftime(clock, sizeof(clock), "%T", localtime_r(&now, &tm));
	snprintf(text, sizeof(text), "%s  %zu of %zu replicate  lag at most %s"
		 "  %s/s  %s dirty", clock, good, nr, print_seconds(a, lag),
		 print_bytes(b, rate), print_bytes(c, dirty));
	put_line(screen, text);
}

void screen_status(struct screen *screen, const json_t *status,
		   const struct history *history)
{
	const json_t *volumes = json_object_get(status, "volumes");

	if (!screen->out)
		return;
	if (!status) {
		put_line(screen, "replicad does not answer. It is asked again "
			 "and again; q ends this.");
		return;
	}
	put_summary(screen, volumes);
	put_heading(screen);
	put_volumes(screen, volumes, history);
}

void screen_end(struct screen *screen)
{
	size_t done = 0;
	ssize_t n;

	if (!screen->out)
		return;
	fputs("\033[J", screen->out);
	fclose(screen->out);
	while (done < screen->len) {
		n = write(STDOUT_FILENO, screen->text + done,
			  screen->len - done);
		if (n <= 0)
			break;
		done += n;
	}
	free(screen->text);
}
