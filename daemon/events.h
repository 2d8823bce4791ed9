/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happened, for those who listen on the control socket. Told from any
 * reactor; delivered on the thread of the control socket, in order for each
 * reactor.
 */
#ifndef REPLICAD_EVENTS_H
#define REPLICAD_EVENTS_H

#include <pthread.h>

#include "ring.h"

struct event_record;

struct events {
	pthread_mutex_t lock;
	struct event_record *first, **last;	/* guarded by lock */
	unsigned int nr;			/* guarded by lock */
	struct ring *ring;			/* set once: of the listener */
	struct ring_work deliver;
	/* On the listener's thread; @line is JSON, without a newline. */
	void (*listener)(void *arg, const char *line);
	void *arg;
};

void events_init(struct events *events, struct ring *ring,
		 void (*listener)(void *arg, const char *line), void *arg);
void events_clear(struct events *events);

/*
 * @kind: one word. @text: a sentence, may be "". @events may be NULL. Where
 * listeners are too slow the oldest events are dropped.
 */
void events_tell(struct events *events, const char *volume, const char *kind,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
