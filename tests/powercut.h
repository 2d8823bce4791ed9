/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What powercut-run and powercut-check share: a chunk's content says which
 * write made it, and the target's images go to a file.
 *
 * The file has one record for each mark in the log, in their order. For
 * "epoch-N", the target has it: struct powercut_epoch, then for each chunk a
 * struct powercut_chunk. For "marked-N", MARK is durable: struct
 * powercut_marks. "generation-N" has none: SET of that generation was answered.
 */
#ifndef TESTS_POWERCUT_H
#define TESTS_POWERCUT_H

#include <stdint.h>

#define CHUNK_BYTES	4096

struct powercut_epoch {
	uint64_t epoch;
	uint64_t nr_chunks;
};

/* Chunks that are to be shipped again, whatever is in them. */
#define POWERCUT_MARKS	16

struct powercut_marks {
	uint64_t number;
	uint64_t chunk[POWERCUT_MARKS];
};

/* What the target has of a chunk, and the epoch that brought it. */
struct powercut_chunk {
	uint64_t version;		/* 0 = zeros */
	uint64_t epoch;			/* 0 = never shipped */
};

/* At the start of a chunk's content. */
struct powercut_stamp {
	uint64_t chunk;
	uint64_t version;
};

#endif
