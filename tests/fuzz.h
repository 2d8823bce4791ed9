/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For fuzz-X.c. Its input is a list of changes to something good, so that short
 * inputs reach far. With -DLIBFUZZER ("make fuzz") libFuzzer brings main();
 * else it is "fuzz-X [SECONDS [SEED]]": the corpus tests/corpus/X.txt (an input
 * in hexadecimal on each line), then random changes of its lines.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tap.h"

#define FUZZ_INPUT_MAX	256
#define FUZZ_CORPUS_MAX	512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* What must hold; libFuzzer keeps the input that makes it fail. */
#define must(cond) ({							\
	if (!(cond)) {							\
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		fflush(stdout);						\
		abort();						\
	} })

struct fuzz_input {
	const uint8_t *at;
	size_t len;
};

/* The next number of so many bytes; 0 where the input has ended. */
static inline uint64_t fuzz_take(struct fuzz_input *in, unsigned int bytes)
{
	uint64_t v = 0;

	while (bytes-- && in->len) {
		v = v << 8 | *in->at++;
		in->len--;
	}
	return v;
}

/* One change of a block: a byte, or a number that matters, or a run. */
static inline void fuzz_change(struct fuzz_input *in, uint8_t *block,
			       size_t size)
{
	unsigned int how = fuzz_take(in, 1);
	size_t at = how & 8 ? fuzz_take(in, 2) : fuzz_take(in, 1) * 4;
	uint64_t n = fuzz_take(in, 1);

	if (how & 16)
		n = UINT64_MAX - n;
	else if (how & 32)
		n = 1ULL << (n % 64);
	else if (how & 64)
		n = n << 56 | fuzz_take(in, 7);
	at %= size;
	if (how % 4 == 0)
		block[at] = n;
	else if (how % 4 == 1)
		memcpy(block + at, &n, size - at < 4 ? size - at : 4);
	else if (how % 4 == 2)
		memcpy(block + at, &n, size - at < 8 ? size - at : 8);
	else
		memset(block + at, n, (size - at) / (how & 4 ? 1 : 8));
}

#ifndef LIBFUZZER
static struct {
	uint8_t data[FUZZ_INPUT_MAX];
	size_t len;
} fuzz_corpus[FUZZ_CORPUS_MAX];
static unsigned int fuzz_nr_corpus;

static inline void fuzz_load(const char *path)
{
	char line[2 * FUZZ_INPUT_MAX + 2];
	FILE *f = fopen(path, "r");
	unsigned int byte;

	while (f && fuzz_nr_corpus < FUZZ_CORPUS_MAX &&
	       fgets(line, sizeof(line), f)) {
		size_t len = 0;

		while (sscanf(line + 2 * len, "%2x", &byte) == 1)
			fuzz_corpus[fuzz_nr_corpus].data[len++] = byte;
		fuzz_corpus[fuzz_nr_corpus++].len = len;
	}
	if (f)
		fclose(f);
}

/* A line of the corpus with some bytes changed, or only random ones. */
static inline void fuzz_random_one(void)
{
	uint8_t data[FUZZ_INPUT_MAX];
	size_t len = 1 + rand() % 48, nr, i;

	for (i = 0; i < len; i++)
		data[i] = rand();
	if (fuzz_nr_corpus && rand() % 4) {
		i = rand() % fuzz_nr_corpus;
		len = fuzz_corpus[i].len;
		memcpy(data, fuzz_corpus[i].data, len);
		for (nr = len ? rand() % 6 : 0; nr; nr--)
			data[rand() % len] = rand();
	}
	LLVMFuzzerTestOneInput(data, len);
}

static inline int fuzz_main(int argc, char **argv, const char *corpus)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 3);
	unsigned int nr = 0, i;

	srand(argc > 2 ? atoi(argv[2]) : 1);
	fuzz_load(corpus);
	for (i = 0; i < fuzz_nr_corpus; i++)
		LLVMFuzzerTestOneInput(fuzz_corpus[i].data,
				       fuzz_corpus[i].len);
	ok(fuzz_nr_corpus, "%u inputs of %s", fuzz_nr_corpus, corpus);
	for (; time(NULL) < end; nr++)
		fuzz_random_one();
	ok(nr, "%u random inputs", nr);
	return tap_done();
}
#endif

#endif
