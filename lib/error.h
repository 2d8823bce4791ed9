/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An error in plain words, for callers that report it.
 *
 * The library never prints.  Where a bare -errno does not say enough, a
 * function takes a struct error and leaves the sentence there.  The first
 * error stays: what follows from it is not news.
 */
#ifndef REPLICA_ERROR_H
#define REPLICA_ERROR_H

#define ERROR_TEXT_LEN	256

struct error {
	int code;			/* -errno, 0 = none so far */
	char text[ERROR_TEXT_LEN];	/* one line, no full stop, no newline */
};

/*
 * Keep @code (-errno) and the sentence, unless @err has one already.
 * Returns @code, so that it can end a function: return error_set(...).
 * @err may be NULL.
 */
int error_set(struct error *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void error_clear(struct error *err);

#endif
