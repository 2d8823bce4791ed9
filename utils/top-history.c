// SPDX-License-Identifier: GPL-2.0-or-later
/* An object: volume -> array of lags (null: none), oldest first. */
#include "top-history.h"

#include <stdlib.h>
#include <string.h>

struct history {
	json_t *lags;
};

struct history *history_create(void)
{
	struct history *history = calloc(1, sizeof(*history));

	if (history)
		history->lags = json_object();
	return history;
}

void history_destroy(struct history *history)
{
	json_decref(history->lags);
	free(history);
}

void history_add(struct history *history, const json_t *volumes)
{
	json_t *next, *volume, *lag, *list;
	size_t i;

	if (!volumes)
		return;
	next = json_object();
	json_array_foreach(volumes, i, volume) {
		json_t *name = json_object_get(volume, "name");

		if (!json_is_string(name))
			continue;
		list = json_object_get(history->lags, json_string_value(name));
		list = list ? json_incref(list) : json_array();
		lag = json_object_get(volume, "lag_s");
		json_array_append_new(list, lag ? json_incref(lag) :
						  json_null());
		if (json_array_size(list) > HISTORY_LEN)
			json_array_remove(list, 0);
		json_object_set_new(next, json_string_value(name), list);
	}
	json_decref(history->lags);
	history->lags = next;
}

static double largest(const json_t *list)
{
	double max = 0;
	json_t *lag;
	size_t i;

	json_array_foreach(list, i, lag)
		if (json_number_value(lag) > max)
			max = json_number_value(lag);
	return max;
}

static const char *letter_of(const json_t *lag, double max, int is_plain)
{
	static const char *const plain[] = { "_", "_", "-", "-", "=", "=", "#",
					     "#" };
	static const char *const bars[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇",
					    "█" };
	int level = 0;

	if (!json_is_number(lag))
		return ".";
	if (max > 0)
		level = json_number_value(lag) / max * 7.999;
	return is_plain ? plain[level] : bars[level];
}

char *history_spark(const struct history *history, const char *volume,
		    int letters, int is_plain, char buf[SPARK_LEN])
{
	const json_t *list = json_object_get(history->lags, volume);
	int nr = json_array_size(list), first = nr > letters ? nr - letters : 0;
	double max = largest(list);

	buf[0] = 0;
	for (int i = nr; i < letters; i++)
		strcat(buf, " ");
	for (int i = first; i < nr; i++)
		strcat(buf, letter_of(json_array_get(list, i), max, is_plain));
	return buf;
}
