/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a disk may hold after a power cut, at every moment of a log of
 * dm-log-writes: the log has the writes in the order in which they became
 * durable, those with FUA at once, others with the next flush.
 *
 * Before each flush any of the writes that it makes durable may be durable
 * already, or a part of their sectors: some subsets of them are tried.
 */
#ifndef TESTS_LOG_WRITES_H
#define TESTS_LOG_WRITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_writes {
	const char *path;		/* of the log */
	size_t bytes;			/* of the disk that it is of */
	unsigned int subsets;		/* tried before each flush */
	unsigned int seed;
	/* A mark; from now on points count if it returns true. */
	bool (*mark)(void *arg, const char *text);
	/* The disk at a moment; false ends it. */
	bool (*look)(void *arg, const uint8_t *disk, bool is_subset);
	void *arg;
};

/*
 * 0 or -errno. -EBADMSG: it is no log of that disk; -ECANCELED: look() said so.
 */
int log_writes_replay(const struct log_writes *lw);

#endif
