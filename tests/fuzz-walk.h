/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks: what a fuzzer chose, a choice after the other, so that a walk can
 * be kept, taken again, and changed a little. A corpus is a file, a line of
 * hexadecimal digits each. Which code of the module a walk reached is what
 * the debug kernel counts (gcov).
 */
#ifndef TESTS_FUZZ_WALK_H
#define TESTS_FUZZ_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WALK_MAX	4096	/* choices: bytes */

struct corpus {
	uint8_t (*walk)[WALK_MAX];
	size_t *len;
	size_t nr;
};

/* Below n. Beyond the walk's end by chance, and then it is part of the walk. */
unsigned int choose(unsigned int n);

/* The next choices are these, len of them; 0: all by chance. */
void walk_begin(const uint8_t *choice, size_t len);

/* As one of the corpus, cut off, changed here and there, or with another's end;
 * of an empty one, all by chance. */
void walk_mutate(const struct corpus *corpus);

/* Every walk of a file; status -1 with a message if it is none. */
int corpus_read(const char *path, struct corpus *corpus);

/* The walk as far as it went, at the end of the file and of the corpus. */
int corpus_add(const char *path, struct corpus *corpus);

/*
 * Whether the module has run code since the last call that it had not before.
 * dir: where the kernel counts (/sys/kernel/debug/gcov/.../kmod); -1 if it
 * counts nothing there.
 */
int coverage_grew(const char *dir);

#endif
