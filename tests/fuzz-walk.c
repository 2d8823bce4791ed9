// SPDX-License-Identifier: GPL-2.0-or-later
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz-walk.h"

#define FILES_MAX	64
#define COUNTS_MAX	65536	/* words of one file */

static uint8_t choices[WALK_MAX];
static size_t nr_choices, nr_used;

static unsigned int a_byte(void)
{
	if (nr_used == WALK_MAX)
		return rand() & 0xff;
	if (nr_used == nr_choices)
		choices[nr_choices++] = rand();
	return choices[nr_used++];
}

unsigned int choose(unsigned int n)
{
	unsigned int value = a_byte(), bytes;

	for (bytes = n > 0x10000 ? 4 : n > 0x100 ? 2 : 1; bytes > 1; bytes--)
		value = value << 8 | a_byte();
	return value % n;
}

void walk_begin(const uint8_t *choice, size_t len)
{
	if (len)
		memcpy(choices, choice, len);
	nr_choices = len;
	nr_used = 0;
}

void walk_mutate(const struct corpus *corpus)
{
	size_t first, other, cut, i;

	walk_begin(NULL, 0);
	if (!corpus->nr || rand() % 4 == 0)
		return;
	first = rand() % corpus->nr;
	walk_begin(corpus->walk[first], corpus->len[first]);
	cut = rand() % (nr_choices + 1);
	other = rand() % corpus->nr;
	if (rand() % 2) {
		nr_choices = cut;
	} else if (cut < corpus->len[other]) {
		memcpy(choices + cut, corpus->walk[other] + cut,
		       corpus->len[other] - cut);
		nr_choices = corpus->len[other];
	}
	for (i = rand() % 8; nr_choices && i; i--)
		choices[rand() % nr_choices] = rand();
}

/* --- files ---------------------------------------------------------------- */

static int keep(struct corpus *corpus, const uint8_t *choice, size_t len)
{
	size_t nr = corpus->nr;
	void *walk = realloc(corpus->walk, (nr + 1) * sizeof(*corpus->walk));
	size_t *lens;

	if (!walk)
		return -1;
	corpus->walk = walk;
	lens = realloc(corpus->len, (nr + 1) * sizeof(*lens));
	if (!lens)
		return -1;
	corpus->len = lens;
	memcpy(corpus->walk[nr], choice, len);
	corpus->len[nr] = len;
	corpus->nr++;
	return 0;
}

int corpus_read(const char *path, struct corpus *corpus)
{
	static char line[2 * WALK_MAX + 2];
	static uint8_t walk[WALK_MAX];
	FILE *file = fopen(path, "re");
	int err = file ? 0 : -1;
	size_t n;

	while (!err && fgets(line, sizeof(line), file)) {
		for (n = 0; sscanf(line + 2 * n, "%2hhx", &walk[n]) == 1; n++)
			;
		if (line[2 * n] != '\n' || !n || keep(corpus, walk, n))
			err = -1;
	}
	if (err)
		fprintf(stderr, "%s: no corpus\n", path);
	if (file)
		fclose(file);
	return err;
}

int corpus_add(const char *path, struct corpus *corpus)
{
	FILE *file = fopen(path, "ae");
	size_t i;
	int err;

	if (!file)
		return -1;
	for (i = 0; i < nr_used; i++)
		fprintf(file, "%02x", choices[i]);
	fputc('\n', file);
	err = ferror(file);
	if (fclose(file) || err)
		return -1;
	return keep(corpus, choices, nr_used);
}

/* --- what was reached ----------------------------------------------------- */

static struct counts {
	char name[64];
	bool counted[COUNTS_MAX];
} *files[FILES_MAX];

static struct counts *counts_of(const char *name)
{
	size_t i;

	for (i = 0; i < FILES_MAX && files[i]; i++)
		if (!strcmp(files[i]->name, name))
			return files[i];
	if (i == FILES_MAX || strlen(name) >= sizeof(files[i]->name))
		return NULL;
	files[i] = calloc(1, sizeof(*files[i]));
	if (files[i])
		strcpy(files[i]->name, name);
	return files[i];
}

/*
 * Each file is a row of words of 32 bits at places that never change: stamps
 * and lengths, always there, and counters, 0 until their code runs.
 */
static bool file_grew(int dir, const char *name)
{
	static uint32_t word[COUNTS_MAX];
	struct counts *counts = counts_of(name);
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t len = 0, i;
	bool grew = false;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && len < sizeof(word)) {
		got = read(fd, (char *)word + len, sizeof(word) - len);
		len += got > 0 ? got : 0;
	}
	if (fd >= 0)
		close(fd);
	for (i = 0; counts && i < len / sizeof(word[0]); i++) {
		grew |= word[i] && !counts->counted[i];
		counts->counted[i] |= word[i];
	}
	return grew;
}

int coverage_grew(const char *dir)
{
	DIR *listing = opendir(dir);
	struct dirent *entry;
	int found = -1;

	while (listing && (entry = readdir(listing))) {
		const char *end = strrchr(entry->d_name, '.');

		if (!end || strcmp(end, ".gcda"))
			continue;
		if (found < 0)
			found = 0;
		found |= file_grew(dirfd(listing), entry->d_name);
	}
	if (listing)
		closedir(listing);
	return found;
}
