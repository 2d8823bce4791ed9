/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reactor: a thread with a ring, a kernel handle, and the groups that live
 * there. Groups are spread over the reactors; nothing else is shared.
 */
#ifndef REPLICAD_REACTOR_H
#define REPLICAD_REACTOR_H

#include <pthread.h>
#include <stdbool.h>

#include "config.h"
#include "kernel.h"
#include "ring.h"

/* Buffers registered with each ring, for the pumps of its volumes. */
#define REACTOR_BUFS		64
#define REACTOR_BUF_BYTES	(256U << 10)

struct events;
struct group;
struct hooks;
struct volume;

struct reactor {
	struct ring *ring;
	struct kernel *kernel;
	const char *state_dir;
	struct events *events;		/* where events are told; may be NULL */
	const struct hooks *hooks;	/* set once; NULL = none */
	struct group *groups;
	/*
	 * "dmsetup message DEVICE 0 request TEXT". Set on one reactor only, as
	 * every reactor hears of it; NULL on the others.
	 */
	void (*request)(void *arg, const char *device, const char *text);
	void *request_arg;
	/* A volume of this reactor has grown; called on its thread. */
	void (*grown)(void *arg, const char *volume);
	void *grown_arg;
	struct ring_op poll;		/* on the kernel's fd */
	struct ring_work drain;		/* read the kernel's events */
	pthread_t thread;
	bool has_thread;
};

/*
 * Makes the ring and the kernel handle. Call it on the thread that will run
 * the reactor. 0 or -errno with a sentence in @error.
 */
int reactor_init(struct reactor *reactor, const struct kernel_ops *ops,
		 const char *state_dir, struct events *events,
		 char error[CONFIG_ERROR_SIZE]);
void reactor_clear(struct reactor *reactor);

struct volume *reactor_find(const struct reactor *reactor, const char *name);

#endif
