/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which word somebody may have meant. */
#ifndef REPLICA_UTIL_NEAREST_H
#define REPLICA_UTIL_NEAREST_H

#include <stddef.h>
#include <string.h>

#define NEAREST_MAX	32	/* letters of a word that are looked at */

/*
 * Edits (a letter put in, left out, replaced, or two swapped) that make one
 * word of the other.
 */
static inline unsigned int nearest_distance(const char *a, const char *b)
{
	unsigned int d[NEAREST_MAX + 1][NEAREST_MAX + 1];
	size_t la = strnlen(a, NEAREST_MAX), lb = strnlen(b, NEAREST_MAX);
	size_t i, j;

	for (i = 0; i <= la; i++)
		d[i][0] = i;
	for (j = 0; j <= lb; j++)
		d[0][j] = j;
	for (i = 1; i <= la; i++)
		for (j = 1; j <= lb; j++) {
			unsigned int best = d[i - 1][j - 1] +
					    (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	return d[la][lb];
}

/*
 * Whether 'word' is so near to 'name' that it may be worth a question: at most
 * a third of its letters is wrong, or it is how the name begins.
 */
static inline int nearest_is_close(const char *word, const char *name,
				   unsigned int distance)
{
	size_t len = strlen(word);

	return (len >= 2 && !strncmp(word, name, len)) ||
	       distance <= (len < 3 ? 1 : len / 3);
}

#endif
