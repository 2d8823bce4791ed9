// SPDX-License-Identifier: GPL-2.0-or-later
#include "events2.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static void print_time(double seconds)
{
	time_t t = seconds;
	struct tm tm;
	char text[32];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%FT%T", &tm);
	printf("%s.%06d+00:00 ", text,
	       (int)((seconds - (double)t) * 1e6) % 1000000);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* A value has no blank: who reads it splits there. */
static void put(const char *key, const char *value, size_t len)
{
	printf(" %s:", key);
	for (; len && *value; value++, len--)
		putchar(*value == ' ' || *value == '\n' ? '_' : *value);
}

static void put_text(const char *key, const char *value)
{
	put(key, value, strlen(value));
}

static void put_yes(const char *key, const json_t *o, const char *field)
{
	const json_t *value = json_object_get(o, field);

	if (json_is_boolean(value))
		put_text(key, json_is_true(value) ? "yes" : "no");
}

static void put_volume(const json_t *v)
{
	put_text("name", text_of(v, "name"));
	if (text_of(v, "group")[0])
		put_text("group", text_of(v, "group"));
	put_text("state", text_of(v, "state"));
	if (json_is_integer(json_object_get(v, "last_committed")))
		printf(" epoch:%lld", (long long)json_integer_value(
			json_object_get(v, "last_committed")));
	put_yes("synced", v, "synced");
	put_yes("consistent", v, "replica_consistent");
	put_yes("suspect", v, "suspect");
}

void events2_exists(const json_t *status, const char *only, json_t *known,
		    bool has_time)
{
	double time = now();
	json_t *v;
	size_t i;

	json_array_foreach(json_object_get(status, "volumes"), i, v) {
		if (only && strcmp(only, text_of(v, "name")))
			continue;
		if (has_time)
			print_time(time);
		fputs("exists volume", stdout);
		put_volume(v);
		putchar('\n');
		json_object_set_new(known, text_of(v, "name"), json_true());
	}
	if (has_time)
		print_time(time);
	puts("exists -");
	fflush(stdout);
}

/* Epochs are told of a group, by its name. */
static const char *object_of(const char *kind, const char *name,
			     const json_t *known)
{
	bool is_group = !strcmp(kind, "commit") || !strcmp(kind, "abort") ||
			!strcmp(kind, "alarm");

	return is_group && !json_object_get(known, name) ? "group" : "volume";
}

static void put_event(const char *kind, const char *text)
{
	if (!strcmp(kind, "state"))
		put("state", text, strcspn(text, ":"));
	else if (!strncmp(text, "epoch ", 6))
		put(!strcmp(kind, "commit") ? "epoch" : "aborted", text + 6,
		    strcspn(text + 6, ":"));
	else
		put_text("event", kind);
}

/* Of what replicad tells of a state only the first word is for programs. */
static bool has_left(const char *kind, const char *text)
{
	static const char off[] = "disabled";
	size_t len = strcspn(text, ":");

	return !strcmp(kind, "state") && len == sizeof(off) - 1 &&
	       !memcmp(text, off, len);
}

void events2_change(const json_t *event, json_t *known, bool has_time)
{
	const char *name = text_of(event, "volume");
	const char *kind = text_of(event, "kind"), *text = text_of(event, "text");
	const char *object = object_of(kind, name, known);
	bool is_gone = has_left(kind, text);
	bool is_new = !strcmp(object, "volume") &&
		      !json_object_get(known, name);

	if (!strcmp(kind, "notice"))	/* of a verb, not of a volume */
		return;
	if (has_time)
		print_time(json_number_value(json_object_get(event, "time")));
	printf("%s %s", is_gone ? "destroy" : is_new ? "create" : "change",
	       object);
	put_text("name", name);
	if (!is_gone)
		put_event(kind, text);
	putchar('\n');
	fflush(stdout);
	if (is_gone)
		json_object_del(known, name);
	else if (is_new)
		json_object_set_new(known, name, json_true());
}
