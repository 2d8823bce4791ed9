// SPDX-License-Identifier: GPL-2.0-or-later
#include "events.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MAX_EVENTS	1000

struct event_record {
	struct event_record *next;
	char *line;
};

static void record_free(struct event_record *record)
{
	free(record->line);
	free(record);
}

static struct event_record *take_first(struct events *events)
{
	struct event_record *record;

	pthread_mutex_lock(&events->lock);
	record = events->first;
	if (record) {
		events->first = record->next;
		events->nr--;
		if (!events->first)
			events->last = &events->first;
	}
	pthread_mutex_unlock(&events->lock);
	return record;
}

static void deliver(struct ring_work *work)
{
	struct events *events = container_of(work, struct events, deliver);
	struct event_record *record;

	while ((record = take_first(events))) {
		events->listener(events->arg, record->line);
		record_free(record);
	}
}

void events_init(struct events *events, struct ring *ring,
		 void (*listener)(void *arg, const char *line), void *arg)
{
	pthread_mutex_init(&events->lock, NULL);
	events->first = NULL;
	events->last = &events->first;
	events->nr = 0;
	events->ring = ring;
	events->listener = listener;
	events->arg = arg;
	events->deliver = (struct ring_work){ .run = deliver };
}

void events_clear(struct events *events)
{
	struct event_record *record;

	while ((record = take_first(events)))
		record_free(record);
	pthread_mutex_destroy(&events->lock);
}

static void append(struct events *events, struct event_record *record)
{
	struct event_record *dropped = NULL;

	pthread_mutex_lock(&events->lock);
	*events->last = record;
	events->last = &record->next;
	if (++events->nr > MAX_EVENTS) {
		dropped = events->first;
		events->first = dropped->next;
		events->nr--;
	}
	pthread_mutex_unlock(&events->lock);
	if (dropped)
		record_free(dropped);
}

static char *print_event(const char *volume, const char *kind,
			 const char *text)
{
	struct timespec now;
	json_t *event;
	char *line;

	clock_gettime(CLOCK_REALTIME, &now);
	event = json_pack("{ss ss s{sf ss ss ss}}", "jsonrpc", "2.0",
			  "method", "event", "params",
			  "time", now.tv_sec + now.tv_nsec / 1e9,
			  "volume", volume, "kind", kind, "text", text);
	line = event ? json_dumps(event, JSON_COMPACT) : NULL;
	json_decref(event);
	return line;
}

void events_tell(struct events *events, const char *volume, const char *kind,
		 const char *fmt, ...)
{
	struct event_record *record;
	char text[400];
	va_list args;

	if (!events)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	record = calloc(1, sizeof(*record));
	if (!record)
		return;
	record->line = print_event(volume, kind, text);
	if (!record->line) {
		free(record);
		return;
	}
	append(events, record);
	ring_post(events->ring, &events->deliver);
}
