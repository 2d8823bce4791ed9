/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For those who make backends: the table of operations, and the part that all
 * backends share. Users of backends include backend.h only.
 */
#ifndef REPLICA_BACKEND_IMPL_H
#define REPLICA_BACKEND_IMPL_H

#include "backend.h"

struct backend_ops {
	int (*write)(struct backend *b, const void *buf, size_t len,
		     uint64_t off, unsigned int flags, backend_done_fn *done,
		     void *arg);
	int (*zero)(struct backend *b, uint64_t len, uint64_t off,
		    unsigned int flags, backend_done_fn *done, void *arg);
	int (*read)(struct backend *b, void *buf, size_t len, uint64_t off,
		    backend_done_fn *done, void *arg);
	int (*flush)(struct backend *b, backend_done_fn *done, void *arg);
	/* NULL: there is one connection */
	int (*write_each)(struct backend *b, const void *buf, size_t len,
			  uint64_t off, backend_done_fn *done, void *arg);
	/* NULL: never BACKEND_CAN_SUM */
	int (*sums)(struct backend *b, uint64_t first, uint32_t nr, void *sums,
		    uint64_t seed, backend_done_fn *done, void *arg);
	void (*close)(struct backend *b, void (*closed)(void *arg), void *arg);
};

/* Embedded as the first member. */
struct backend {
	const struct backend_ops *ops;
	struct ring *ring;
	const struct backend_events *events;
	void *arg;		/* of the events */
	struct backend_options opts;
	struct backend_info info;
	unsigned int writes;	/* writes and zeroings without an answer */
	bool unclean;		/* some were when a connection ended */
	bool is_full;		/* so a stage has said */
	char name[512];
	char error[256];
};

/* Fills the shared part of a zeroed backend. */
void backend_init(struct backend *b, const struct backend_ops *ops,
		  struct ring *ring, const char *target,
		  const struct backend_options *opts,
		  const struct backend_events *events, void *arg);

/* Of the volume that it is opened for; the last chunk may be short. */
uint32_t backend_chunk_bytes(const struct backend *b);
uint64_t backend_nr_chunks(const struct backend *b);

/* Can the target, as b->info shows it, be used? Else -errno and the words. */
int backend_check(struct backend *b);

/* Keep the words for backend_error(); the first returns @err. */
int backend_set_error(struct backend *b, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void backend_failed(struct backend *b, const char *what, uint64_t len,
		    uint64_t off, int err);

/* The contract of backend_open(); the caller has checked @opts. */
int nbd_backend_open(struct backend **b, struct ring *ring,
		     const char *target,
		     const struct backend_options *opts,
		     const struct backend_events *events, void *arg,
		     char *text, size_t text_len);
int local_backend_open(struct backend **b, struct ring *ring,
		       const char *target,
		       const struct backend_options *opts,
		       const struct backend_events *events, void *arg,
		       char *text, size_t text_len);
int stage_backend_open(struct backend **b, struct ring *ring,
		       const char *target,
		       const struct backend_options *opts,
		       const struct backend_events *events, void *arg,
		       char *text, size_t text_len);

#endif
